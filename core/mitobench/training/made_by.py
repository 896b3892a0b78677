"""What a checkpoint was made by, and whether one that is there was made as it is asked for now.

A checkpoint's card carries it under ``data["made_by"]``: the trainer's identity, the seed and the fingerprints of the data. A
checkpoint is used again only where that is exactly what is asked for.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from mitobench.checkpoints import read_card
from mitobench.components import ComponentPlan
from mitobench.errors import DataError, MissingError
from mitobench.interfaces import DataSource
from mitobench.training.loop import resume_path

__all__ = ["TrainingStatus", "differences", "note_beside", "state_of", "what_makes"]

TrainingStatus = Literal["train", "resume", "done", "differs", "missing"]


def what_makes(
    trainer: ComponentPlan, training: DataSource, validation: DataSource | None, seed: int
) -> dict[str, Any]:
    """The plain data that identify a checkpoint: trainer with options and weights, data, seed."""
    made_by = {
        "trainer": dict(trainer.identity),
        "seed": seed,
        "training": training.fingerprint,
        "validation": validation.fingerprint if validation is not None else "",
    }
    plain: dict[str, Any] = json.loads(json.dumps(made_by))
    return plain


def state_of(out: Path, made_by: Mapping[str, Any]) -> tuple[TrainingStatus, str]:
    """What there is of a checkpoint, and why where that is not what ``made_by`` says.

    Raises:
        DataError: the note beside an unfinished training cannot be read.
    """
    begun = _begun(out)
    unfinished = resume_path(out).exists()
    if unfinished and begun == made_by:
        return "resume", "a training that was stopped goes on"
    if out.exists():
        return _finished_state(out, made_by)
    if unfinished and begun is not None:
        return "differs", f"{out}: an unfinished training was begun otherwise: {'; '.join(differences(made_by, begun))}"
    return ("resume", "a training that was stopped goes on") if unfinished else ("train", "")


def differences(asked: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """What two records of what a checkpoint was made by differ in, in words.

    >>> differences({"seed": 0, "trainer": {"options": {"epochs": 5}}}, {"seed": 0, "trainer": {"options": {"epochs": 2}}})
    ['epochs was 2 and is now 5']
    """
    was, now = _flat(found), _flat(asked)
    lines = []
    for key in dict.fromkeys([*now, *was]):
        if was.get(key) == now.get(key):
            continue
        if key in ("training", "validation"):
            lines.append(f"the {key} data are others (fingerprint {_short(was.get(key))}, now {_short(now.get(key))})")
        else:
            name = key.removeprefix("trainer.").removeprefix("options.").replace("weights.", "the weights ")
            lines.append(f"{name} was {_short(was.get(key))} and is now {_short(now.get(key))}")
    return lines


def note_beside(out: Path) -> Path:
    """The file beside an unfinished training that says what it is a training of."""
    return out.with_name(f"{out.name}.making")


def _finished_state(out: Path, made_by: Mapping[str, Any]) -> tuple[TrainingStatus, str]:
    try:
        found = read_card(out).data.get("made_by")
    except MissingError as error:
        return "differs", str(error).rstrip(".")
    if not isinstance(found, Mapping):
        return "differs", f"{out}: its card does not say what it was made by, so it cannot be known again"
    changed = differences(made_by, found)
    return ("differs", f"{out}: was made otherwise: {'; '.join(changed)}") if changed else ("done", "")


def _begun(out: Path) -> Any:
    try:
        return json.loads(note_beside(out).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise DataError(
            f"{note_beside(out)}: cannot be read ({error}). Delete it to begin that training anew."
        ) from None


def _flat(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in data.items():
        found |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return found


def _short(value: Any) -> str:
    if value in (None, ""):
        return "not given"
    text = str(value)
    hexadecimal = len(text) in (32, 64) and not text.strip("0123456789abcdef")
    return text[:12] if hexadecimal else text
