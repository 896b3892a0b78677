"""The training histories behind a run's cells, from the checkpoints' cards where these are still in their places."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mitobench.errors import MitobenchError

if TYPE_CHECKING:
    from mitobench.ranking.evidence import Evidence

__all__ = ["histories_of_cells"]


def histories_of_cells(evidence: "Evidence") -> dict[str, Mapping[str, Sequence[float | None]]]:
    """By the weights' name, what was measured in every epoch; weights that say nothing of it are left out."""
    from mitobench.checkpoints import read_card
    from mitobench.components import plan_component
    from mitobench.specs import Spec
    from mitobench.weights import WeightsStore

    store = WeightsStore(evidence.plugins, offline=True)
    found: dict[str, Mapping[str, Sequence[float | None]]] = {}
    for cell in evidence.cells.values():
        for kind in ("prompter", "segmenter"):
            record = cell.record[kind]
            distribution, _, name = record["identity"]["component"].rpartition("/")
            spec = Spec(name, record["given"], distribution)
            used = {weights["sha256"] for weights in record["weights"]}
            try:
                planned = plan_component(kind, spec, evidence.plugins, store, base=Path(record["base"]))
                located = [w for w in planned.weights if w.sha256 in used and w.path.suffix == ".safetensors"]
                found |= {w.name: history for w in located if (history := read_card(w.path).history)}
            except MitobenchError:
                continue
    return found
