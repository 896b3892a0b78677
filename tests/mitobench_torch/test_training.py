"""The loop that torch trainers share, driven by the smallest thing that can be trained: one number."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from mitobench.errors import MissingError, MitobenchError, UsageError
from mitobench_torch.training import (
    SCORE,
    Schedule,
    WeightAverage,
    learning_rate,
    library_versions,
    mixed_precision,
    resume_path,
    run_training,
)


class Number:
    """Walks a number towards 3 by momentum; its score peaks where the number passes 3."""

    def __init__(self) -> None:
        self.value, self.speed = torch.zeros(1), torch.zeros(1)
        self.steps: list[tuple[int, float]] = []

    def step(self, step: int, progress: float) -> dict[str, float]:
        self.steps.append((step, progress))
        self.speed = 0.9 * self.speed + 0.1 * (3 - self.value) + 0.01 * step
        self.value = self.value + self.speed
        return {"loss": float((self.value - 3).abs())}

    def validate(self) -> dict[str, float]:
        return {SCORE: -float((self.value - 3).abs()), "value": float(self.value)}

    def weights(self) -> dict[str, torch.Tensor]:
        return {"value": self.value}

    def state(self) -> dict[str, Any]:
        return {"value": self.value, "speed": self.speed}

    def restore(self, state: Any) -> None:
        self.value, self.speed = state["value"], state["speed"]


def run(task: Number, path: Path, *, stop_after: int = -1, schedule: Schedule | None = None, **changes: Any):
    polls = iter(range(1, 10**6))
    arguments = {"identity": "one", "resume": True, "report": lambda event: None, **changes}
    return run_training(
        task,
        schedule or Schedule(epochs=5, steps_per_epoch=4),
        state_file=path,
        should_stop=lambda: next(polls) == stop_after,
        **arguments,
    )


def test_every_step_is_taken_once_and_in_order(tmp_path) -> None:
    task = Number()
    outcome = run(task, tmp_path / "s")
    assert outcome.finished
    assert task.steps == [(step, step / 20) for step in range(20)]


def test_the_best_weights_are_kept_not_the_last(tmp_path) -> None:
    task, scores = Number(), []
    outcome = run(task, tmp_path / "s", report=lambda e: scores.append(e.values[SCORE]) if SCORE in e.values else None)
    assert len(scores) == 5
    assert outcome.best[SCORE] == max(scores) > scores[-1]
    assert outcome.best["epoch"] == 1 + scores.index(max(scores))
    assert float(outcome.weights["value"]) == pytest.approx(outcome.best["value"])


@pytest.mark.parametrize("stop_after", range(1, 20))
def test_stopping_anywhere_changes_nothing(tmp_path, stop_after) -> None:
    straight = run(Number(), tmp_path / "straight")
    assert not run(Number(), tmp_path / "s", stop_after=stop_after).finished
    task = Number()
    resumed = run(task, tmp_path / "s")
    assert task.steps[0][0] == stop_after
    assert (resumed.best, resumed.step) == (straight.best, straight.step)
    assert torch.equal(resumed.weights["value"], straight.weights["value"])


def test_a_stop_between_the_last_step_and_its_validation_is_made_good(tmp_path) -> None:
    assert not run(Number(), tmp_path / "s", stop_after=20).finished
    task = Number()
    assert run(task, tmp_path / "s").best == run(Number(), tmp_path / "straight").best
    assert task.steps == []


def test_a_finished_state_is_not_trained_again(tmp_path) -> None:
    first = run(Number(), tmp_path / "s")
    task = Number()
    second = run(task, tmp_path / "s")
    assert task.steps == []
    assert second.best == first.best


def test_without_resume_the_state_is_not_looked_at(tmp_path) -> None:
    (tmp_path / "s").write_text("rubbish")
    task = Number()
    assert run(task, tmp_path / "s", resume=False).finished
    assert len(task.steps) == 20


@pytest.mark.parametrize("content", [b"", b"<html></html>", b"PK\x03\x04 truncated"])
def test_a_damaged_state_says_what_to_do(tmp_path, content) -> None:
    (tmp_path / "s").write_bytes(content)
    with pytest.raises(MissingError, match="Delete it"):
        run(Number(), tmp_path / "s")


def test_a_truncated_state_says_what_to_do(tmp_path) -> None:
    run(Number(), tmp_path / "s", stop_after=3)
    data = (tmp_path / "s").read_bytes()
    (tmp_path / "s").write_bytes(data[: len(data) // 2])
    with pytest.raises(MissingError, match="not a readable training state"):
        run(Number(), tmp_path / "s")


def test_the_state_of_another_training_is_refused(tmp_path) -> None:
    run(Number(), tmp_path / "s", stop_after=3)
    with pytest.raises(UsageError, match="other options, seed or data"):
        run(Number(), tmp_path / "s", identity="two")


def test_no_temporary_file_stays_behind(tmp_path) -> None:
    run(Number(), tmp_path / "s")
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_value_that_is_not_finite_ends_the_training(tmp_path, value) -> None:
    task = Number()
    task.step = lambda step, progress: {"loss": value}  # type: ignore[method-assign]
    with pytest.raises(MitobenchError, match=r"loss is .* at step 1"):
        run(task, tmp_path / "s")


def test_a_time_limit_moves_progress_along() -> None:
    schedule = Schedule(epochs=10, steps_per_epoch=10, minutes=2)
    assert schedule.progress(0, 60) == 0.5
    assert schedule.progress(80, 60) == 0.8
    assert schedule.progress(0, 600) == 1


def test_a_time_limit_that_is_over_still_validates(tmp_path) -> None:
    outcome = run(Number(), tmp_path / "s", schedule=Schedule(epochs=1000, steps_per_epoch=10**6, minutes=1e-4))
    assert outcome.finished
    assert outcome.best


def test_training_time_adds_up_over_sittings(tmp_path) -> None:
    first = run(Number(), tmp_path / "s", stop_after=3)
    assert run(Number(), tmp_path / "s").seconds > first.seconds > 0


def test_a_killed_training_goes_on_from_its_last_epoch(tmp_path) -> None:
    script = f"""
import os, signal, sys
sys.path[:0] = {sys.path!r}
import importlib.util
spec = importlib.util.spec_from_file_location("here", {str(Path(__file__))!r})
here = importlib.util.module_from_spec(spec); spec.loader.exec_module(here)
class Killed(here.Number):
    def step(self, step, progress):
        if step == 10:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().step(step, progress)
from pathlib import Path
here.run(Killed(), Path({str(tmp_path / "s")!r}))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=120, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    task = Number()
    outcome = run(task, tmp_path / "s")
    assert task.steps[0][0] == 8
    assert outcome.best == run(Number(), tmp_path / "straight").best


def test_the_state_lies_beside_the_checkpoint() -> None:
    assert resume_path(Path("models/a.safetensors")) == Path("models/a.safetensors.resume")


def test_the_learning_rate_rises_then_falls() -> None:
    rates = [learning_rate(0.1, p / 100) for p in range(101)]
    top = rates.index(max(rates))
    assert rates[top] == pytest.approx(0.1)
    assert top == 5
    assert rates[:6] == sorted(rates[:6])
    assert rates[5:] == sorted(rates[5:], reverse=True)
    assert 0 < rates[-1] <= 0.1 / 1000


def test_weights_are_averaged_and_counters_copied() -> None:
    network, average = torch.nn.BatchNorm1d(2), torch.nn.BatchNorm1d(2)
    follow = WeightAverage(network, average, 0.5)
    with torch.no_grad():
        network.weight.fill_(3)
        network.num_batches_tracked += 7
    follow.update(1000)
    assert average.weight.tolist() == [2, 2]
    assert int(average.num_batches_tracked) == 7
    follow.update(1000)
    assert average.weight.tolist() == [2.5, 2.5]


def test_a_decay_of_zero_is_the_weights_themselves() -> None:
    network, average = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    follow = WeightAverage(network, average, 0)
    with torch.no_grad():
        network.weight.add_(1)
    follow.update(50)
    torch.testing.assert_close(average.weight, network.weight)


def test_the_cpu_computes_in_single_precision() -> None:
    with mixed_precision(torch.device("cpu")):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32


def test_versions_are_named_even_of_what_is_absent() -> None:
    versions = library_versions("monai", "no-such-distribution")
    assert versions["torch"] == torch.__version__.split("+")[0] or versions["torch"] == torch.__version__
    assert versions["no-such-distribution"] == "unknown"
