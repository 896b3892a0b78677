"""``mitobench train``: make a checkpoint from a data source."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mitobench.errors import INTERRUPTED, MissingError, UsageError
from mitobench.specs import Spec
from mitobench_cli.interrupts import orderly_stop
from mitobench_cli.matrix import SpecType, device_option, offline_option
from mitobench_cli.progress import ProgressLine
from mitobench_cli.terminal import debug_option, discover, json_option, only_json, say, show, show_json

if TYPE_CHECKING:
    from mitobench.interfaces import TrainingEvent, TrainingResult
    from mitobench.plugins import Plugins
    from mitobench.training.steps import PlannedTraining

__all__ = ["command", "train_one"]


@click.command("train")
@click.argument("trainer", type=SpecType("trainer"))
@click.option(
    "--data", required=True, multiple=True, type=SpecType("data"), help="A data source to learn from; may be repeated."
)
@click.option(
    "--validation",
    multiple=True,
    type=SpecType("data"),
    help="A data source to choose by; may be repeated. Default: a part of --data.",
)
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="The checkpoint (.safetensors) to write.")
@click.option("--resume/--no-resume", default=True, show_default=True, help="Continue a training that was stopped.")
@click.option("--force", is_flag=True, help="Replace a finished checkpoint.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="The seed of everything random.")
@device_option
@offline_option
@json_option
@debug_option
def command(
    trainer: Spec,
    data: tuple[Spec, ...],
    validation: tuple[Spec, ...],
    out: Path | None,
    resume: bool,
    force: bool,
    seed: int,
    device: str,
    offline: bool,
    as_json: bool,
) -> int:
    """Train a component and write its checkpoint.

    TRAINER is a trainer's spec, such as unet:epochs=40. The checkpoint carries a card that says what it was trained on.
    Ctrl-C leaves a state beside it from which the same command goes on.
    """
    path = out or Path("models") / f"{trainer.name}-{data[0].name}.safetensors"
    from mitobench.training.loop import resume_path

    with only_json(as_json):
        plugins = discover()
        plugins.find("trainer", trainer)
        if path.suffix != ".safetensors":
            raise UsageError(f"--out is {path}; expected a file name that ends in .safetensors.")
        if path.exists() and not force and not resume_path(path).exists():
            raise UsageError(f"{path}: exists already. Give another --out, or --force to replace it.")
        if out is None:
            say(f"checkpoint: {path} (choose another with --out)")
        result = _train(
            plugins, trainer, data, validation, path, seed=seed, device=device, resume=resume, offline=offline
        )
    if as_json:
        show_json({"checkpoint": str(path), "finished": result.finished, "best": dict(result.best)})
    elif result.finished:
        best = ", ".join(f"{name} {value:.4g}" for name, value in result.best.items())
        show(f"wrote {path}" + (f" (best: {best})" if best else ""))
    if not result.finished:
        say("interrupted; the same command resumes")
        return INTERRUPTED
    return 0


def _train(
    plugins: "Plugins",
    trainer: Spec,
    data: tuple[Spec, ...],
    validation: tuple[Spec, ...],
    out: Path,
    *,
    seed: int,
    device: str,
    resume: bool,
    offline: bool,
) -> "TrainingResult":
    from mitobench.components import plan_component
    from mitobench.training.steps import open_sources, plan_training
    from mitobench.weights import WeightsStore

    here = Path.cwd()
    planned = plan_component("trainer", trainer, plugins, WeightsStore(plugins, offline=offline), base=here)
    if planned.missing:
        raise MissingError(planned.missing)
    label, training = open_sources(data, plugins, base=here, seed=seed)
    held_out = open_sources(validation, plugins, base=here, seed=seed)[1] if validation else None
    step = plan_training(planned, training, held_out, label=label, seed=seed, out=out)
    return train_one(step, plugins, device=device, resume=resume)


def train_one(step: "PlannedTraining", plugins: "Plugins", *, device: str, resume: bool) -> "TrainingResult":
    """Train one checkpoint with its progress on stderr; Ctrl-C leaves a state to go on from."""
    from mitobench.training.steps import train

    with (
        ProgressLine("steps") as line,
        orderly_stop("stopping after this step; once more stops at once") as should_stop,
    ):
        return train(
            step,
            plugins,
            device=device,
            resume=resume,
            report=lambda event: _show_event(line, event),
            should_stop=should_stop,
        )


def _show_event(line: ProgressLine, event: "TrainingEvent") -> None:
    """One step of a training on the progress line; what it says in words stays."""
    if event.message:
        say(event.message)
    values: list[Any] = [f"{name} {value:.4g}" for name, value in event.values.items()]
    line.update(event.done, event.total, "  ".join([f"epoch {event.epoch}", *values]))
