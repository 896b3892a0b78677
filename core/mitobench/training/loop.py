"""The training loop that trainers share: resumable to the bit, safe to stop, keeping the best weights.

It knows no library: how weights and states are copied, written and read is a :class:`Store` of the trainer's own.
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version
from typing import Any, Protocol

from mitobench.errors import MissingError, MitobenchError, UsageError
from mitobench.interfaces import TrainingEvent, TrainingRequest
from mitobench.training.history import History

__all__ = [
    "SCORE",
    "Outcome",
    "Schedule",
    "Store",
    "Task",
    "Unfinished",
    "damaged_state",
    "library_versions",
    "resume_path",
    "run_training",
]

SCORE = "score"
"""The key of :meth:`Task.validate` by which the best weights are chosen where a trainer says nothing else; higher is better."""

Named = Mapping[str, Any]
"""Tensors or arrays, as a trainer's library has them, by name."""
Better = Callable[[Mapping[str, float], Mapping[str, float]], bool]
"""Whether what one validation measured beats the best so far."""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How long to train: ``epochs * steps_per_epoch`` steps, or less if ``minutes`` of training time are over before.

    Without ``epochs``, ``minutes`` alone says how long. One of them must be given.
    """

    epochs: int | None
    steps_per_epoch: int
    minutes: float | None = None

    def __post_init__(self) -> None:
        if self.epochs is None and self.minutes is None:
            raise ValueError("a training without epochs and without minutes would never end")

    @property
    def steps(self) -> int:
        """Optimiser steps of the whole training; 0 where only the time ends it."""
        return (self.epochs or 0) * self.steps_per_epoch

    def progress(self, step: int, seconds: float) -> float:
        """The share of the training that is over, 0..1, after so many steps and seconds."""
        taken = step / self.steps if self.steps else 0.0
        spent = 0.0 if self.minutes is None else seconds / (60 * self.minutes)
        return min(1.0, max(taken, spent))

    def epoch(self, step: int) -> int:
        """The epoch (1, 2, ...) that the last of so many steps belongs to."""
        return math.ceil(step / self.steps_per_epoch)


class Task(Protocol):
    """What a trainer gives the loop. Randomness must come from the step's number, or be part of the state."""

    def step(self, step: int, progress: float) -> Mapping[str, float]:
        """Take optimiser step ``step`` (0, 1, ...) at ``progress`` (0..1) of the training; return what was measured."""

    def validate(self) -> Mapping[str, float]:
        """Score the weights as they are now: numbers by name."""

    def weights(self) -> Named:
        """The weights that were scored, as the checkpoint will hold them."""

    def state(self) -> Named:
        """All that the next step depends on."""

    def restore(self, state: Named) -> None:
        """Take over what ``state`` returned; KeyError, TypeError or ValueError where it does not fit."""


@dataclass(frozen=True, eq=False)
class Unfinished:
    """An unfinished training as it is stored.

    Attributes:
        identity: a hash of all that the training depends on (options, seed, data).
        facts: plain data: how far it is and what was measured.
        weights: the best so far.
        state: the task's.
    """

    identity: str
    facts: Mapping[str, Any]
    weights: Named
    state: Named


class Store(Protocol):
    """Keeps the weights and states of one library."""

    def copy(self, weights: Named) -> Named:
        """The same weights in the computer's memory, where later steps do not change them."""

    def write(self, path: Path, unfinished: Unfinished) -> None:
        """Write to a temporary name, sync, rename; ResourceError where the disk is full."""

    def read(self, path: Path) -> Unfinished:
        """Read what ``write`` wrote, executing nothing of it; :func:`damaged_state` where it is something else."""


@dataclass(eq=False)
class Outcome:
    """Where a training stands.

    Attributes:
        finished: False where it was stopped.
        step: optimiser steps taken.
        seconds: training time, all sittings together.
        best: what ``validate`` returned for the best weights, with their ``epoch``; empty before the first validation.
        weights: the best weights so far; empty before the first validation.
        validated: the step of the last validation.
        history: what was measured in every epoch, for the card.
    """

    finished: bool = False
    step: int = 0
    seconds: float = 0.0
    best: dict[str, float] = field(default_factory=dict)
    weights: Named = field(default_factory=dict)
    validated: int = 0
    history: History = field(default_factory=History)

    def facts(self) -> dict[str, Any]:
        """All of it but the weights, as plain data."""
        plain = {name: getattr(self, name) for name in ("step", "seconds", "best", "validated")}
        return {**plain, "history": self.history.state()}

    @classmethod
    def of(cls, weights: Named, facts: Mapping[str, Any]) -> "Outcome":
        """What ``facts`` returned; TypeError where that is something else."""
        return cls(weights=weights, **{**facts, "history": History(**facts.get("history", {}))})


def resume_path(out: Path) -> Path:
    """Where the unfinished state of a training that writes ``out`` lies."""
    return out.with_name(out.name + ".resume")


def damaged_state(path: Path) -> MissingError:
    """The error for a state file that is none."""
    return MissingError(f"{path}: not a readable training state. Delete it, or train with --no-resume, to start anew.")


def by_score(values: Mapping[str, float], best: Mapping[str, float]) -> bool:
    """Whether a validation has a higher ``SCORE`` than the best one."""
    return values[SCORE] > best[SCORE]


def run_training(
    task: Task,
    schedule: Schedule,
    store: Store,
    request: TrainingRequest,
    *,
    identity: str,
    better: Better = by_score,
) -> Outcome:
    """Train, validate after every epoch, keep the best weights, and stop when told.

    The state (at :func:`resume_path`) is written before and after every validation and on stopping, so a killed process loses
    at most an epoch, in a validation no step, and a stopped one nothing. A training that was stopped and resumed takes exactly
    the steps of one that was not. Deleting the state after the checkpoint is written is the caller's part.

    Args:
        task: what to train.
        schedule: how long.
        store: how the task's weights and state are kept.
        request: as the trainer was given it; validations are reported under ``validation_<name>``.
        identity: a hash of all that the training depends on (options, seed, data).
        better: whether a validation (first) beats the best one so far (second).

    Raises:
        UsageError: the state is that of a training with another ``identity``.
        MissingError: the state file is damaged.
        ResourceError: the state file cannot be written.
        MitobenchError: a measured value is no longer finite.
    """
    state_file, report = resume_path(request.out), request.report
    outcome = _begun(task, schedule, store, request, identity)
    started, before = time.monotonic(), outcome.seconds

    def save() -> None:
        store.write(state_file, Unfinished(identity, outcome.facts(), outcome.weights, task.state()))

    while True:
        progress = schedule.progress(outcome.step, outcome.seconds)
        if outcome.step > outcome.validated and (outcome.step % schedule.steps_per_epoch == 0 or progress >= 1):
            save()  # a validation may take long
            values = _validated(task, schedule.epoch(outcome.step), outcome, store, better, state_file)
            report(_event(outcome, schedule, values))
            outcome.seconds = before + time.monotonic() - started
            save()
        if progress >= 1:
            outcome.finished = True
            return outcome
        if 0 < outcome.step == outcome.validated and request.should_stop():  # a resumed training may stand here too
            return outcome
        values = task.step(outcome.step, progress)
        outcome.step += 1
        outcome.seconds = before + time.monotonic() - started
        _check_finite(values, outcome.step, state_file)
        outcome.history.step(values)
        report(_event(outcome, schedule, values))
        if request.should_stop():
            save()
            return outcome


def _begun(task: Task, schedule: Schedule, store: Store, request: TrainingRequest, identity: str) -> Outcome:
    """A new training, or the unfinished one that goes on."""
    state_file = resume_path(request.out)
    if not (request.resume and state_file.exists()):
        return Outcome()
    outcome = _resumed(state_file, identity, task, store)
    if outcome.step:
        of = f"{outcome.step} of {schedule.steps} steps" if schedule.steps else f"{outcome.step} steps"
        request.report(_event(outcome, schedule, {}, f"resumed after {of}"))
    return outcome


def _validated(
    task: Task,
    epoch: int,
    outcome: Outcome,
    store: Store,
    better: Better,
    state_file: Path,
) -> Mapping[str, float]:
    values = dict(task.validate())
    _check_finite(values, outcome.step, state_file)
    outcome.validated = outcome.step
    outcome.history.validated(epoch, values)
    if not outcome.best or better(values, outcome.best):
        outcome.best = {**values, "epoch": float(epoch)}
        outcome.weights = store.copy(task.weights())
    return {f"validation_{name}": value for name, value in values.items()}


def _resumed(path: Path, identity: str, task: Task, store: Store) -> Outcome:
    stored = store.read(path)
    if stored.identity != identity:
        raise UsageError(
            f"{path}: the unfinished state of a training with other options, seed or data. Give those again, choose another --out, "
            "or start anew with --no-resume."
        )
    try:
        task.restore(stored.state)
        return Outcome.of(stored.weights, stored.facts)
    except (KeyError, TypeError, ValueError):
        raise damaged_state(path) from None


def _event(outcome: Outcome, schedule: Schedule, values: Mapping[str, float], message: str = "") -> TrainingEvent:
    epoch = schedule.epoch(outcome.step)
    if not schedule.steps:
        values = {f"minutes (of {schedule.minutes:g})": outcome.seconds / 60, **values}
    return TrainingEvent(done=outcome.step, total=schedule.steps, epoch=epoch, values=values, message=message)


def _check_finite(values: Mapping[str, float], step: int, state_file: Path) -> None:
    for name, value in values.items():
        if not math.isfinite(value):
            anew = "; then start anew with --no-resume" if state_file.exists() else ""
            raise MitobenchError(
                f"training: {name} is {value} at step {step}; expected a finite number. Lower the learning rate (lr=) or look for odd images{anew}."
            )


def library_versions(*distributions: str) -> dict[str, str]:
    """Versions of Python, mitobench and the distributions named, for a card."""
    found = {"python": python_version()}
    for name in ("mitobench", *distributions):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "unknown"
    return found
