"""The training loop: resumable to the bit, safe to stop, keeping the best weights; its state is safetensors, never a pickle."""

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from mitobench.errors import MissingError, MitobenchError, UsageError
from mitobench.files import write_atomically
from mitobench.interfaces import TrainingEvent

__all__ = ["Outcome", "Task", "resume_path", "run_training"]

_FORMAT = "mitobench_keras training 1"
Arrays = Mapping[str, NDArray[Any]]


class Task(Protocol):
    """What a trainer gives the loop. Randomness must come from the step's number, or be part of the state."""

    epochs: int
    steps_per_epoch: int

    def step(self, step: int) -> Mapping[str, float]:
        """Take optimiser step ``step`` (0, 1, ...); return what was measured."""

    def validate(self) -> Mapping[str, float]:
        """Score the weights as they are now: numbers by name."""

    def better(self, values: Mapping[str, float], best: Mapping[str, float]) -> bool:
        """Whether one validation beats another."""

    def weights(self) -> Arrays:
        """The weights that were scored, as the checkpoint will hold them."""

    def state(self) -> Arrays:
        """All that the next step depends on."""

    def restore(self, state: Arrays) -> None:
        """Take over what ``state`` returned; raises KeyError or ValueError where it does not fit."""


@dataclass(eq=False)
class Outcome:
    """Where a training stands.

    Attributes:
        finished: False where it was stopped.
        step: optimiser steps taken.
        seconds: training time, all sittings together.
        best: what ``validate`` returned for the best weights, with their ``epoch``; empty before the first validation.
        weights: the best weights so far.
        validated: the step of the last validation.
    """

    finished: bool = False
    step: int = 0
    seconds: float = 0.0
    best: dict[str, float] = field(default_factory=dict)
    weights: Arrays = field(default_factory=dict)
    validated: int = 0


def resume_path(out: Path) -> Path:
    """Where the unfinished state of a training that writes ``out`` lies."""
    return out.with_name(out.name + ".resume")


def run_training(
    task: Task,
    *,
    state_file: Path,
    identity: str,
    resume: bool,
    report: Callable[[TrainingEvent], None],
    should_stop: Callable[[], bool],
) -> Outcome:
    """Train, validate after every epoch, keep the best weights, and stop when told.

    The state is written after every epoch and on stopping, so a killed process loses at most an epoch and a stopped one
    nothing. A training that was stopped and resumed takes exactly the steps of one that was not. Deleting the state file
    after the checkpoint is written is the caller's part.

    Args:
        task: what to train.
        state_file: see :func:`resume_path`.
        identity: a hash of all that the training depends on (options, seed, data).
        resume: continue from ``state_file`` if it is there.
        report: called after every step and every validation.
        should_stop: polled after every step.

    Raises:
        UsageError: the state is that of a training with another ``identity``.
        MissingError: the state file is damaged.
        MitobenchError: a measured value is no longer finite.
    """
    outcome = _load(state_file, identity, task) if resume and state_file.exists() else Outcome()
    total = task.epochs * task.steps_per_epoch
    if outcome.step:
        report(_event(outcome, task, {}, f"resumed after {outcome.step} of {total} steps"))
    started, before = time.monotonic(), outcome.seconds
    while True:
        if outcome.step > outcome.validated and outcome.step % task.steps_per_epoch == 0:
            _validate(task, outcome, report)
            outcome.seconds = before + time.monotonic() - started
            _save(state_file, identity, task, outcome)
        if outcome.step >= total:
            outcome.finished = True
            return outcome
        values = task.step(outcome.step)
        outcome.step += 1
        outcome.seconds = before + time.monotonic() - started
        _check_finite(values, outcome.step)
        report(_event(outcome, task, values))
        if should_stop():
            _save(state_file, identity, task, outcome)
            return outcome


def _validate(task: Task, outcome: Outcome, report: Callable[[TrainingEvent], None]) -> None:
    values = dict(task.validate())
    _check_finite(values, outcome.step)
    outcome.validated = outcome.step
    if not outcome.best or task.better(values, outcome.best):
        outcome.best = {**values, "epoch": float(outcome.step // task.steps_per_epoch)}
        outcome.weights = task.weights()
    report(_event(outcome, task, {f"validation_{name}": value for name, value in values.items()}))


def _event(outcome: Outcome, task: Task, values: Mapping[str, float], message: str = "") -> TrainingEvent:
    epoch = math.ceil(outcome.step / task.steps_per_epoch)
    total = task.epochs * task.steps_per_epoch
    return TrainingEvent(done=outcome.step, total=total, epoch=epoch, values=values, message=message)


def _check_finite(values: Mapping[str, float], step: int) -> None:
    for name, value in values.items():
        if not math.isfinite(value):
            raise MitobenchError(
                f"training: {name} is {value} at step {step}; expected a finite number. Lower the learning rate (lr=) or look for odd images."
            )


def _save(path: Path, identity: str, task: Task, outcome: Outcome) -> None:
    from safetensors.numpy import save

    facts = {name: getattr(outcome, name) for name in ("step", "seconds", "best", "validated")}
    tensors = {f"best/{name}": value for name, value in outcome.weights.items()}
    tensors |= {f"task/{name}": value for name, value in task.state().items()}
    metadata = {"format": _FORMAT, "identity": identity, "outcome": json.dumps(facts)}
    write_atomically(path, save(tensors, metadata=metadata))


def _load(path: Path, identity: str, task: Task) -> Outcome:
    from safetensors import SafetensorError, safe_open

    damaged = f"{path}: not a readable training state. Delete it, or train with --no-resume, to start anew."
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (it is no mapping)
        found, facts = (metadata["format"], metadata["identity"]), json.loads(metadata["outcome"])
    except (SafetensorError, OSError, KeyError, ValueError):
        raise MissingError(damaged) from None
    if found != (_FORMAT, identity):
        raise UsageError(
            f"{path}: the unfinished state of a training with other options, seed or data. Give those again, choose another --out, "
            "or start anew with --no-resume."
        )
    try:
        task.restore(_under(tensors, "task/"))
        return Outcome(**facts, weights=_under(tensors, "best/"))
    except (KeyError, TypeError, ValueError):
        raise MissingError(damaged) from None


def _under(tensors: Arrays, prefix: str) -> Arrays:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
