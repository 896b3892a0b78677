"""The loop that trainers share, driven by the smallest thing that can be trained, one number, and the smallest store, JSON."""

import json
import math
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from mitobench.errors import MissingError, MitobenchError, UsageError
from mitobench.files import write_atomically
from mitobench.interfaces import TrainingRequest
from mitobench.training.loop import (
    SCORE,
    Schedule,
    Unfinished,
    damaged_state,
    library_versions,
    resume_path,
    run_training,
)


class Nothing:
    """The loop does not look at the data; its task does."""

    fingerprint = ""

    def refs(self) -> Any:
        return iter(())


class Number:
    """Walks a number towards 3 by momentum; its score peaks where the number passes 3."""

    def __init__(self) -> None:
        self.value, self.speed = 0.0, 0.0
        self.steps: list[tuple[int, float]] = []

    def step(self, step: int, progress: float) -> dict[str, float]:
        self.steps.append((step, progress))
        self.speed = 0.9 * self.speed + 0.1 * (3 - self.value) + 0.01 * step
        self.value += self.speed
        return {"loss": abs(self.value - 3)}

    def validate(self) -> dict[str, float]:
        return {SCORE: -abs(self.value - 3), "value": self.value}

    def weights(self) -> dict[str, float]:
        return {"value": self.value}

    def state(self) -> dict[str, float]:
        return {"value": self.value, "speed": self.speed}

    def restore(self, state: Any) -> None:
        self.value, self.speed = state["value"], state["speed"]


class JsonStore:
    def copy(self, weights: Any) -> Any:
        return dict(weights)

    def write(self, path: Path, unfinished: Unfinished) -> None:
        write_atomically(path, json.dumps(asdict(unfinished)).encode())

    def read(self, path: Path) -> Unfinished:
        try:
            return Unfinished(**json.loads(path.read_text()))
        except ValueError:
            raise damaged_state(path) from None


def run(task: Number, path: Path, *, stop_after: int = -1, schedule: Schedule | None = None, **changes: Any):
    polls = iter(range(1, 10**6))
    wanted = {name: changes.pop(name) for name in ("resume", "report") if name in changes}
    request = TrainingRequest(
        training=Nothing(), out=path.with_suffix(""), should_stop=lambda: next(polls) == stop_after, **wanted
    )
    schedule = schedule or Schedule(epochs=5, steps_per_epoch=4)
    return run_training(task, schedule, JsonStore(), request, **{"identity": "one", **changes})


def test_every_step_is_taken_once_and_in_order(tmp_path) -> None:
    task = Number()
    outcome = run(task, tmp_path / "s.resume")
    assert outcome.finished
    assert task.steps == [(step, step / 20) for step in range(20)]


def test_every_step_and_every_validation_is_reported(tmp_path) -> None:
    events = []
    run(Number(), tmp_path / "s.resume", schedule=Schedule(epochs=2, steps_per_epoch=2), report=events.append)
    loss, scored = {"loss"}, {"validation_score", "validation_value"}
    found = [(event.done, event.total, event.epoch, set(event.values)) for event in events]
    assert found == [
        (1, 4, 1, loss),
        (2, 4, 1, loss),
        (2, 4, 1, scored),
        (3, 4, 2, loss),
        (4, 4, 2, loss),
        (4, 4, 2, scored),
    ]


def test_the_best_weights_are_kept_not_the_last(tmp_path) -> None:
    task, scores = Number(), []

    def listen(event):
        scores.extend(value for name, value in event.values.items() if name == "validation_score")

    outcome = run(task, tmp_path / "s.resume", report=listen)
    assert len(scores) == 5
    assert outcome.best[SCORE] == max(scores) > scores[-1]
    assert outcome.best["epoch"] == 1 + scores.index(max(scores))
    assert outcome.weights == {"value": outcome.best["value"]}


def test_what_is_better_can_be_told(tmp_path) -> None:
    outcome = run(Number(), tmp_path / "s.resume", better=lambda values, best: values["value"] < best["value"])
    assert outcome.best["epoch"] == 1
    outcome = run(Number(), tmp_path / "t.resume", better=lambda values, best: True)
    assert outcome.best["epoch"] == 5


POLLS = [
    *(step for epoch in range(4) for step in (*range(4 * epoch + 1, 4 * epoch + 5), 4 * epoch + 4)),
    *range(17, 20),
]
"""The steps taken when ``should_stop`` is asked the first time, the second, ...: after each, and after each epoch's validation."""


@pytest.mark.parametrize(("stop_after", "steps"), list(enumerate(POLLS, start=1)))
def test_stopping_anywhere_changes_nothing(tmp_path, stop_after, steps) -> None:
    straight = run(Number(), tmp_path / "straight.resume")
    assert not run(Number(), tmp_path / "s.resume", stop_after=stop_after).finished
    task, events = Number(), []
    resumed = run(task, tmp_path / "s.resume", report=events.append)
    assert events[0].message == f"resumed after {steps} of 20 steps"
    assert task.steps[0][0] == steps
    assert (resumed.best, resumed.step, resumed.weights) == (straight.best, straight.step, straight.weights)
    assert resumed.history.curves() == straight.history.curves()


def test_a_stop_between_the_last_step_and_its_validation_is_made_good(tmp_path) -> None:
    assert not run(Number(), tmp_path / "s.resume", stop_after=len(POLLS) + 1).finished
    task = Number()
    assert run(task, tmp_path / "s.resume").best == run(Number(), tmp_path / "straight.resume").best
    assert task.steps == []


class Counted(Number):
    """Counts its validations; the one asked for is cut short, as by a second Ctrl-C."""

    def __init__(self, *, killed_in: int = 0) -> None:
        super().__init__()
        self.killed_in, self.validations = killed_in, 0

    def validate(self) -> dict[str, float]:
        self.validations += 1
        if self.validations == self.killed_in:
            raise KeyboardInterrupt
        return super().validate()


@pytest.mark.parametrize("epoch", [1, 3, 5])
def test_a_training_that_is_killed_in_a_validation_loses_no_step(tmp_path, epoch) -> None:
    straight = run(Number(), tmp_path / "straight.resume")
    with pytest.raises(KeyboardInterrupt):
        run(Counted(killed_in=epoch), tmp_path / "s.resume")
    task, events = Counted(), []
    resumed = run(task, tmp_path / "s.resume", report=events.append)
    assert [event.message for event in events if event.message] == [f"resumed after {4 * epoch} of 20 steps"]
    assert "validation_score" in events[1].values
    assert [step for step, _ in task.steps] == list(range(4 * epoch, 20))
    assert task.validations == 6 - epoch
    assert (resumed.best, resumed.step, resumed.weights) == (straight.best, straight.step, straight.weights)
    assert resumed.history.curves() == straight.history.curves()


def test_a_stop_in_a_validation_costs_no_further_step_and_no_second_validation(tmp_path) -> None:
    first, second = Counted(), Counted()
    request = TrainingRequest(training=Nothing(), out=tmp_path / "s", should_stop=lambda: first.validations == 2)
    schedule = Schedule(epochs=5, steps_per_epoch=4)
    assert not run_training(first, schedule, JsonStore(), request, identity="one").finished
    assert (len(first.steps), first.validations) == (8, 2)
    assert run(second, tmp_path / "s.resume").best == run(Number(), tmp_path / "straight.resume").best
    assert (second.steps[0][0], second.validations) == (8, 3)


def test_a_stop_in_the_last_validation_comes_too_late(tmp_path) -> None:
    task = Counted()
    request = TrainingRequest(training=Nothing(), out=tmp_path / "s", should_stop=lambda: task.validations == 5)
    assert run_training(task, Schedule(epochs=5, steps_per_epoch=4), JsonStore(), request, identity="one").finished


class Patient(Number):
    """Is exhausted by its first validation that is no better than the one before."""

    def __init__(self) -> None:
        super().__init__()
        self.best, self.exhausted = -math.inf, False

    def validate(self) -> dict[str, float]:
        values = super().validate()
        self.exhausted, self.best = values[SCORE] <= self.best, max(self.best, values[SCORE])
        return values

    def state(self) -> dict[str, float]:
        return {**super().state(), "best": self.best, "exhausted": self.exhausted}

    def restore(self, state: Any) -> None:
        super().restore(state)
        self.best, self.exhausted = state["best"], state["exhausted"]


def test_a_training_that_ended_by_patience_takes_no_step_when_resumed(tmp_path) -> None:
    """As where the process died between its last state and its checkpoint."""

    def sitting() -> tuple[Patient, Any]:
        task = Patient()
        request = TrainingRequest(training=Nothing(), out=tmp_path / "s", should_stop=lambda: task.exhausted)
        return task, run_training(task, Schedule(epochs=50, steps_per_epoch=4), JsonStore(), request, identity="one")

    task, first = sitting()
    assert task.exhausted
    assert first.step == first.validated == len(task.steps)
    for _ in range(2):
        task, again = sitting()
        assert (task.exhausted, task.steps, again.facts()) == (True, [], first.facts())


def test_every_epoch_is_validated_once(tmp_path) -> None:
    task = Counted()
    run(task, tmp_path / "s.resume")
    assert task.validations == 5


def test_the_history_holds_every_epochs_mean_loss_and_validation(tmp_path) -> None:
    losses, scores = [], []

    def listen(event):
        losses.extend(value for name, value in event.values.items() if name == "loss")
        scores.extend(value for name, value in event.values.items() if name == "validation_score")

    curves = run(Number(), tmp_path / "s.resume", report=listen).history.curves()
    assert curves["epoch"] == [1, 2, 3, 4, 5]
    means = [sum(losses[start : start + 4]) / 4 for start in range(0, 20, 4)]
    assert curves["loss"] == pytest.approx(means, rel=1e-4)
    assert curves["validation_score"] == pytest.approx(scores, rel=1e-4)


def test_a_state_from_before_there_was_a_history_goes_on(tmp_path) -> None:
    run(Number(), tmp_path / "s.resume", stop_after=4)
    state = json.loads((tmp_path / "s.resume").read_text())
    del state["facts"]["history"]
    (tmp_path / "s.resume").write_text(json.dumps(state))
    assert run(Number(), tmp_path / "s.resume").history.curves()["epoch"] == [1, 2, 3, 4, 5]


def test_a_finished_state_is_not_trained_again(tmp_path) -> None:
    first = run(Number(), tmp_path / "s.resume")
    task = Number()
    second = run(task, tmp_path / "s.resume")
    assert task.steps == []
    assert second.best == first.best


def test_without_resume_the_state_is_not_looked_at(tmp_path) -> None:
    (tmp_path / "s.resume").write_text("rubbish")
    task = Number()
    assert run(task, tmp_path / "s.resume", resume=False).finished
    assert len(task.steps) == 20


def test_the_state_of_another_training_is_refused(tmp_path) -> None:
    run(Number(), tmp_path / "s.resume", stop_after=3)
    with pytest.raises(UsageError, match="other options, seed or data"):
        run(Number(), tmp_path / "s.resume", identity="two")


@pytest.mark.parametrize("part", ["facts", "state"])
def test_a_state_that_does_not_fit_says_what_to_do(tmp_path, part) -> None:
    run(Number(), tmp_path / "s.resume", stop_after=3)
    state = json.loads((tmp_path / "s.resume").read_text())
    state[part] = {"velocity": 1}
    (tmp_path / "s.resume").write_text(json.dumps(state))
    with pytest.raises(MissingError, match=r"not a readable training state\. Delete it"):
        run(Number(), tmp_path / "s.resume")


def test_no_temporary_file_stays_behind(tmp_path) -> None:
    run(Number(), tmp_path / "s.resume")
    assert [path.name for path in tmp_path.iterdir()] == ["s.resume"]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_value_that_is_not_finite_ends_the_training(tmp_path, value) -> None:
    task = Number()
    task.step = lambda step, progress: {"loss": value}  # type: ignore[method-assign]
    with pytest.raises(MitobenchError, match=r"loss is .* at step 1; .*lr="):
        run(task, tmp_path / "s.resume")


@pytest.mark.parametrize("epoch", [1, 2])
def test_where_a_state_was_saved_before_a_value_that_is_not_finite_the_advice_is_to_start_anew(tmp_path, epoch) -> None:
    """The learning rate is an option: the state that lies there is of a training with another."""
    task, scores = Number(), [*[0.0] * (epoch - 1), math.nan]
    task.validate = lambda: {SCORE: scores.pop(0)}  # type: ignore[method-assign]
    with pytest.raises(MitobenchError, match=rf"score is nan at step {4 * epoch}; .*lr=.* start anew with --no-resume"):
        run(task, tmp_path / "s.resume")
    assert run(Number(), tmp_path / "s.resume", identity="a lower rate", resume=False).finished


def test_where_no_state_was_saved_there_is_nothing_to_start_anew_from(tmp_path) -> None:
    task = Number()
    task.step = lambda step, progress: {"loss": math.nan}  # type: ignore[method-assign]
    with pytest.raises(MitobenchError, match=r"odd images\.$"):
        run(task, tmp_path / "s.resume")


def test_a_time_limit_moves_progress_along() -> None:
    schedule = Schedule(epochs=10, steps_per_epoch=10, minutes=2)
    assert schedule.progress(0, 60) == 0.5
    assert schedule.progress(80, 60) == 0.8
    assert schedule.progress(0, 600) == 1


def test_where_time_alone_ends_a_training_progress_is_the_share_of_the_time() -> None:
    schedule = Schedule(epochs=None, steps_per_epoch=10, minutes=2)
    assert [schedule.progress(step, seconds) for step, seconds in ((10**6, 0), (0, 30), (7, 120))] == [0, 0.25, 1]
    assert (schedule.steps, schedule.epoch(21)) == (0, 3)
    with pytest.raises(ValueError, match="never end"):
        Schedule(epochs=None, steps_per_epoch=10)


def test_what_time_alone_ends_shows_the_time_and_no_total_and_resumes(tmp_path) -> None:
    events: list[Any] = []
    schedule = Schedule(epochs=None, steps_per_epoch=4, minutes=0.01)
    first = run(Number(), tmp_path / "s.resume", schedule=schedule, stop_after=7, report=events.append)
    assert not first.finished
    outcome = run(Number(), tmp_path / "s.resume", schedule=schedule, report=events.append)
    assert outcome.finished
    assert outcome.seconds >= 0.6 > first.seconds
    assert {event.total for event in events} == {0}
    assert any(event.message == f"resumed after {first.step} steps" for event in events)
    shown = [event.values["minutes (of 0.01)"] for event in events]
    assert shown == sorted(shown)
    assert shown[-1] >= 0.01
    assert "minutes (of 0.01)" not in outcome.best


def test_a_time_limit_that_is_over_still_validates(tmp_path) -> None:
    outcome = run(Number(), tmp_path / "s.resume", schedule=Schedule(epochs=1000, steps_per_epoch=10**6, minutes=1e-4))
    assert outcome.finished
    assert outcome.best


def test_training_time_adds_up_over_sittings(tmp_path) -> None:
    first = run(Number(), tmp_path / "s.resume", stop_after=3)
    assert run(Number(), tmp_path / "s.resume").seconds > first.seconds > 0


def test_a_killed_training_goes_on_from_its_last_epoch(tmp_path) -> None:
    script = f"""
import importlib.util, os, signal, sys
sys.path[:0] = {sys.path!r}
from pathlib import Path
spec = importlib.util.spec_from_file_location("here", {str(Path(__file__))!r})
here = importlib.util.module_from_spec(spec)
spec.loader.exec_module(here)
class Killed(here.Number):
    def step(self, step, progress):
        if step == 10:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().step(step, progress)
here.run(Killed(), Path({str(tmp_path / "s.resume")!r}))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=120, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    task = Number()
    outcome = run(task, tmp_path / "s.resume")
    assert task.steps[0][0] == 8
    assert outcome.best == run(Number(), tmp_path / "straight.resume").best


def test_the_state_lies_beside_the_checkpoint() -> None:
    assert resume_path(Path("models/a.safetensors")) == Path("models/a.safetensors.resume")


def test_versions_are_named_even_of_what_is_absent() -> None:
    versions = library_versions("numpy", "no-such-distribution")
    assert set(versions) == {"python", "mitobench", "numpy", "no-such-distribution"}
    assert versions["no-such-distribution"] == "unknown"
