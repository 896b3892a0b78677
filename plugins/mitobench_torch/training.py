"""The training loop that torch trainers share: resumable to the bit, safe to stop, keeping the best weights."""

import contextlib
import math
import os
import pickle
import time
import zipfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from mitobench.errors import MissingError, MitobenchError, UsageError
from mitobench.interfaces import TrainingEvent

__all__ = [
    "SCORE",
    "Outcome",
    "Schedule",
    "Task",
    "WeightAverage",
    "learning_rate",
    "library_versions",
    "mixed_precision",
    "resume_path",
    "run_training",
]

SCORE = "score"
"""The key of :meth:`Task.validate` by which the best weights are chosen; higher is better."""

_FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How long to train: ``epochs * steps_per_epoch`` steps, or less if ``minutes`` of training time are over before."""

    epochs: int
    steps_per_epoch: int
    minutes: float | None = None

    @property
    def steps(self) -> int:
        """Optimiser steps of the whole training."""
        return self.epochs * self.steps_per_epoch

    def progress(self, step: int, seconds: float) -> float:
        """The share of the training that is over, 0..1, after so many steps and seconds."""
        spent = 0.0 if self.minutes is None else seconds / (60 * self.minutes)
        return min(1.0, max(step / self.steps, spent))


class Task(Protocol):
    """What a trainer gives the loop. Randomness must come from the step's number, or be part of the state."""

    def step(self, step: int, progress: float) -> Mapping[str, float]:
        """Take optimiser step ``step`` (0, 1, ...) at ``progress`` (0..1) of the training; return what was measured."""

    def validate(self) -> Mapping[str, float]:
        """Score the weights as they are now: numbers by name, among them ``SCORE``."""

    def weights(self) -> Mapping[str, Tensor]:
        """The weights that were scored, as the checkpoint will hold them."""

    def state(self) -> dict[str, Any]:
        """All that the next step depends on: tensors and plain data only."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what ``state`` returned."""


@dataclass(eq=False)
class Outcome:
    """Where a training stands.

    Attributes:
        finished: False where it was stopped.
        step: optimiser steps taken.
        seconds: training time, all sittings together.
        best: what ``validate`` returned for the best weights, with their ``epoch``; empty before the first validation.
        weights: the best weights so far, on the CPU.
    """

    finished: bool = False
    step: int = 0
    seconds: float = 0.0
    best: dict[str, float] = field(default_factory=dict)
    weights: dict[str, Tensor] = field(default_factory=dict)
    validated: int = 0


def resume_path(out: Path) -> Path:
    """Where the unfinished state of a training that writes ``out`` lies."""
    return out.with_name(out.name + ".resume")


def run_training(
    task: Task,
    schedule: Schedule,
    *,
    state_file: Path,
    identity: str,
    resume: bool,
    report: Callable[[TrainingEvent], None],
    should_stop: Callable[[], bool],
) -> Outcome:
    """Train, validate after every epoch, keep the best weights, and stop when told.

    The state is written after every epoch and on stopping (to a temporary name, synced, renamed), so a killed process
    loses at most an epoch and a stopped one nothing. A training that was stopped and resumed takes exactly the steps of
    one that was not. Deleting the state file after the checkpoint is written is the caller's part.

    Args:
        task: what to train.
        schedule: how long.
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
    if outcome.step:
        report(_event(outcome, schedule, {}, f"resumed after {outcome.step} of {schedule.steps} steps"))
    started, before = time.monotonic(), outcome.seconds
    while True:
        progress = schedule.progress(outcome.step, outcome.seconds)
        if outcome.step > outcome.validated and (outcome.step % schedule.steps_per_epoch == 0 or progress >= 1):
            _validate(task, schedule, outcome, report)
            outcome.seconds = before + time.monotonic() - started
            _save(state_file, identity, task, outcome)
        if progress >= 1:
            outcome.finished = True
            return outcome
        values = task.step(outcome.step, progress)
        outcome.step += 1
        outcome.seconds = before + time.monotonic() - started
        _check_finite(values, outcome.step)
        report(_event(outcome, schedule, values))
        if should_stop():
            _save(state_file, identity, task, outcome)
            return outcome


def _validate(task: Task, schedule: Schedule, outcome: Outcome, report: Callable[[TrainingEvent], None]) -> None:
    values = dict(task.validate())
    _check_finite(values, outcome.step)
    outcome.validated = outcome.step
    epoch = math.ceil(outcome.step / schedule.steps_per_epoch)
    if not outcome.best or values[SCORE] > outcome.best[SCORE]:
        outcome.best = {**values, "epoch": float(epoch)}
        outcome.weights = {key: value.detach().cpu().clone() for key, value in task.weights().items()}
    report(_event(outcome, schedule, values))


def _event(outcome: Outcome, schedule: Schedule, values: Mapping[str, float], message: str = "") -> TrainingEvent:
    epoch = math.ceil(outcome.step / schedule.steps_per_epoch)
    return TrainingEvent(done=outcome.step, total=schedule.steps, epoch=epoch, values=values, message=message)


def _check_finite(values: Mapping[str, float], step: int) -> None:
    for name, value in values.items():
        if not math.isfinite(value):
            raise MitobenchError(
                f"training: {name} is {value} at step {step}; expected a finite number. Lower the learning rate (lr=) or look for odd images."
            )


def _save(path: Path, identity: str, task: Task, outcome: Outcome) -> None:
    fields = {name: getattr(outcome, name) for name in ("step", "seconds", "best", "weights", "validated")}
    state = {"format": _FORMAT, "identity": identity, "outcome": fields, "task": task.state()}
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _load(path: Path, identity: str, task: Task) -> Outcome:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        found, fields = (state["format"], state["identity"]), state["outcome"]
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
        raise MissingError(
            f"{path}: not a readable training state. Delete it, or train with --no-resume, to start anew."
        ) from None
    if found != (_FORMAT, identity):
        raise UsageError(
            f"{path}: the unfinished state of a training with other options, seed or data. Give those again, choose another --out, "
            "or start anew with --no-resume."
        )
    task.restore(state["task"])
    return Outcome(**fields)


def learning_rate(highest: float, progress: float, warmup: float = 0.05) -> float:
    """Linear rise over the first ``warmup`` share of the training, then a cosine down to a thousandth.

    >>> learning_rate(1.0, 0.05)
    1.0

    Source: Loshchilov and Hutter, "SGDR", ICLR 2017.
    """
    if progress < warmup:
        return highest * (0.01 + 0.99 * progress / warmup)
    falling = (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup))) / 2
    return highest * (0.001 + 0.999 * falling)


class WeightAverage:
    """An exponential moving average of a network's weights and running statistics.

    Source: Polyak and Juditsky, SIAM J. Control Optim. 1992; the decay starts low, as in TensorFlow's implementation.

    Args:
        network: whose weights are followed.
        average: a network of the same architecture, to which the average is written.
        decay: 0 = the weights themselves.
    """

    def __init__(self, network: nn.Module, average: nn.Module, decay: float) -> None:
        self._network, self._average, self._decay = network, average, decay
        average.load_state_dict(network.state_dict())

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after optimiser step ``step`` (0, 1, ...)."""
        decay = min(self._decay, (1 + step) / (10 + step))
        now = self._network.state_dict()
        for key, value in self._average.state_dict().items():
            if value.is_floating_point():
                value.lerp_(now[key], 1 - decay)
            else:
                value.copy_(now[key])


def mixed_precision(device: torch.device) -> AbstractContextManager[Any]:
    """Autocast to bfloat16 on a GPU that has it (no gradient scaler needed, so nothing more to resume); nothing elsewhere."""
    if device.type == "cuda" and torch.cuda.is_bf16_supported():
        return torch.autocast("cuda", torch.bfloat16)
    return contextlib.nullcontext()


def library_versions(*distributions: str) -> dict[str, str]:
    """Versions of Python, mitobench, torch and the distributions named, for a card."""
    found = {"python": python_version()}
    for name in ("mitobench", "torch", *distributions):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "unknown"
    return found
