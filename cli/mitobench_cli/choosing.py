"""What ``mitobench predict`` segments with: named components, or those of a run's best cell."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mitobench.errors import MissingError, UsageError
from mitobench.specs import Spec
from mitobench_cli.fetching import fetch_missing
from mitobench_cli.terminal import say

if TYPE_CHECKING:
    from mitobench.components import ComponentPlan
    from mitobench.plugins import Plugins
    from mitobench.predict.winner import Winner
    from mitobench.weights import WeightsStore

__all__ = ["Asked", "Pair", "choose"]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The command line, but for the images and where results go."""

    prompter: Spec | None
    segmenter: Spec | None
    run: Path | None
    best: str | None
    best_on: str | None
    seed: int | None
    offline: bool


@dataclass(frozen=True, kw_only=True)
class Pair:
    """What segments: a prompter (``none`` where there is none), a segmenter, and the run that chose them, if one did."""

    prompter: "ComponentPlan"
    segmenter: "ComponentPlan"
    seed: int
    winner: "Winner | None" = None


def choose(asked: Asked, plugins: "Plugins", store: "WeightsStore") -> Pair:
    """The planned components, their published weights fetched where they lack.

    Raises:
        UsageError: an oracle, or a prompter and a segmenter that do not fit together.
        MissingError: something is not installed or cannot be fetched, or a run's weights have changed.
    """
    pair = _planned(asked, plugins, store)
    if not asked.offline and fetch_missing((pair.prompter, pair.segmenter), plugins, store):
        pair = _planned(asked, plugins, store)
    for component in (pair.prompter, pair.segmenter):
        if component.oracle:
            raise UsageError(
                f"{component.label} is an oracle: it looks at the reference, which images to predict do not have. Give an automatic one, such as --prompter unet."
            )
    from mitobench.plan import mismatch

    if reason := mismatch(pair.prompter, pair.segmenter, plugins):
        raise UsageError(f"{reason}.")
    if missing := "; ".join(f"{c.label}: {c.missing}" for c in (pair.prompter, pair.segmenter) if c.missing):
        raise MissingError(missing)
    return pair


def _planned(asked: Asked, plugins: "Plugins", store: "WeightsStore") -> Pair:
    from mitobench.components import plan_component
    from mitobench.descriptors import SegmenterDescriptor

    if asked.run is not None:
        return _taken_up(asked, asked.run, plugins, store)
    assert asked.segmenter is not None  # noqa: S101  (checked with the command line)
    described = plugins.find("segmenter", asked.segmenter).descriptor
    prompter = asked.prompter or Spec("none", {}, "mitobench")
    if asked.prompter is not None and isinstance(described, SegmenterDescriptor) and not described.accepts:
        plugins.find("prompter", asked.prompter)
        say(f"{described.name} takes no prompts; --prompter {asked.prompter} is not used")
        prompter = Spec("none", {}, "mitobench")
    here = Path.cwd()
    return Pair(
        prompter=plan_component("prompter", prompter, plugins, store, base=here),
        segmenter=plan_component("segmenter", asked.segmenter, plugins, store, base=here),
        seed=asked.seed or 0,
    )


def _taken_up(asked: Asked, run: Path, plugins: "Plugins", store: "WeightsStore") -> Pair:
    from mitobench.predict.winner import best_cell, take_up
    from mitobench.results.runfolder import RunFolder

    if run.is_file():
        raise UsageError(
            f"{run}: is a file; --from needs the run folder (that `mitobench run --out` wrote), not an export: an export holds no weights."
        )
    winner = best_cell(RunFolder.open(run), plugins, column=asked.best, data=asked.best_on)
    return Pair(
        prompter=take_up(winner, "prompter", plugins, store),
        segmenter=take_up(winner, "segmenter", plugins, store),
        seed=int(winner.record["seed"]) if asked.seed is None else asked.seed,
        winner=winner,
    )
