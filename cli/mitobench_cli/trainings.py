"""Training steps of an experiment: shown in its plan, and trained before its matrix runs."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mitobench_cli.terminal import columns, say
from mitobench_cli.train import train_one

if TYPE_CHECKING:
    from mitobench.experiment import Experiment
    from mitobench.plugins import Plugins
    from mitobench.training.steps import PlannedTraining
    from mitobench.weights import WeightsStore

__all__ = ["shown", "steps_data", "steps_table", "train_first"]

_HEADER = ("STEP", "STATUS", "CHECKPOINT", "SEED", "SAMPLES", "DATA", "TRAINER", "REASON")


def steps_table(steps: "Sequence[PlannedTraining]") -> str:
    """What will be trained, for people."""
    rows = [
        (str(number), s.status, shown(s.out), str(s.seed), str(s.samples), s.data, s.trainer.label, s.reason)
        for number, s in enumerate(steps, start=1)
    ]
    return columns(rows, _HEADER)


def shown(path: Path) -> str:
    """A path as messages show it: from the working directory where it lies below."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def steps_data(steps: "Sequence[PlannedTraining]") -> list[dict[str, Any]]:
    """What will be trained, as plain data."""
    return [
        {
            "trainer": step.trainer.label,
            "data": step.data,
            "samples": step.samples,
            "seed": step.seed,
            "checkpoint": str(step.out),
            "status": step.status,
            "reason": step.reason,
            "made_by": dict(step.made_by),
        }
        for step in steps
    ]


def train_first(
    asked: "Experiment", plugins: "Plugins", store: "WeightsStore", *, device: str, retrain: bool
) -> list[dict[str, Any]] | None:
    """Train what the experiment's training steps ask for and what is not there; leave out what lacks something.

    Returns:
        what became of each step, as plain data; None where it was interrupted.

    Raises:
        UsageError: a checkpoint was made otherwise, and ``retrain`` does not allow to replace it.
    """
    from mitobench.training.steps import check_step, plan_step

    done = []
    for number, step in enumerate(asked.train, start=1):
        planned = plan_step(step, asked, plugins, store)
        title = f"training step {number} of {len(asked.train)}"
        if planned.status == "missing":
            say(f"{title}: missing: {planned.reason}")
            done.append({**steps_data([planned])[0], "best": {}})
            continue
        check_step(planned, retrain=retrain)
        if planned.status == "done":
            say(f"{title}: {shown(planned.out)} is there already, made as asked")
            done.append({**steps_data([planned])[0], "best": {}})
            continue
        say(f"{title}: {planned.trainer.label} on {planned.data} ({planned.samples} samples) -> {shown(planned.out)}")
        if planned.reason:
            say(f"{title}: {planned.reason}")
        result = train_one(planned, plugins, device=device, resume=planned.status != "differs")
        if not result.finished:
            return None
        best = ", ".join(f"{name} {value:.4g}" for name, value in result.best.items())
        say(f"{title}: wrote {shown(planned.out)}" + (f" (best: {best})" if best else ""))
        done.append({**steps_data([planned])[0], "best": dict(result.best)})
    return done
