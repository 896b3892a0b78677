"""``mitobench sweep``: how good a trained component is after how many annotated images."""

import csv
import io
import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mitobench.errors import INTERRUPTED, MissingError, MitobenchError, ResourceError, UsageError
from mitobench.files import write_atomically
from mitobench.specs import Spec
from mitobench_cli.fetching import fetch_missing
from mitobench_cli.interrupts import orderly_stop
from mitobench_cli.matrix import SpecType, device_option, offline_option
from mitobench_cli.progress import ProgressLine
from mitobench_cli.terminal import columns, debug_option, discover, json_option, only_json, say, show, show_json
from mitobench_cli.train import train_one
from mitobench_cli.trainings import shown

if TYPE_CHECKING:
    from mitobench.plugins import Plugins
    from mitobench.results.runfolder import RunFolder
    from mitobench.training.curves import Curve
    from mitobench.training.sweep import PlannedSweep, Sweep, SweepStep
    from mitobench.weights import WeightsStore

__all__ = ["command"]

FORMATS = ("png", "svg")


class SizesType(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """Numbers of images, such as ``1,2,5,all``."""

    name = "sizes"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int | None, ...]:
        """Parse the numbers; None stands for all."""
        if isinstance(value, tuple):
            return value
        parts = [part.strip() for part in str(value).split(",")]
        for part in parts:
            if part != "all" and not (part.isdecimal() and int(part) > 0):
                self.fail(f"{part!r}; expected numbers of images of 1 or more, or all, such as 1,2,5,all.", param, ctx)
        return tuple(None if part == "all" else int(part) for part in parts)


@click.command("sweep")
@click.argument("trainer", type=SpecType("trainer"))
@click.option("--data", required=True, multiple=True, type=SpecType("data"), help="Images to learn from. Repeatable.")
@click.option(
    "--evaluate", required=True, multiple=True, type=SpecType("data"), help="What to evaluate on. Repeatable."
)
@click.option(
    "--validation",
    multiple=True,
    type=SpecType("data"),
    help="What the best weights are chosen by. Default: the chosen images themselves, so that no others are used.",
)
@click.option("--prompter", multiple=True, type=SpecType("prompter"), help="A prompter. Repeatable; none: no prompts.")
@click.option(
    "--segmenter", multiple=True, type=SpecType("segmenter"), help="A segmenter. Repeatable; default: what is trained."
)
@click.option("--metric", multiple=True, type=SpecType("metric"), help="A metric. Repeatable; default metrics if none.")
@click.option(
    "--train-size",
    "sizes",
    type=SizesType(),
    help="Numbers of images, such as 1,2,5,10,all. Default: 1,2,5,10,20 ... as far as there are so many, and all.",
)
@click.option(
    "--seeds", default=3, show_default=True, type=click.IntRange(min=1), help="Choices of images, each trained."
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="The first seed.")
@click.option("--equal-steps", is_flag=True, help="More epochs for fewer images, so that all take equally many steps.")
@click.option("--score", metavar="COLUMN", help="The score to draw, such as F1@0.5; default: what the table ranks by.")
@click.option("--limit", type=click.IntRange(min=1), help="Evaluate only the first so many images of each data source.")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FOLDER", help="The sweep's folder, such as sweeps/NAME."
)
@click.option("--batch", default=8, show_default=True, type=click.IntRange(min=1), help="Images encoded together.")
@device_option
@offline_option
@json_option
@debug_option
def command(trainer: Spec, out: Path | None, **given: Any) -> int:
    """Train on ever more annotated images and draw the score.

    The score is drawn against the number of images. For every size and seed a random choice of them is learnt from; larger
    choices hold the smaller ones. The prompters and segmenters that TRAINER trains, and that name no weights, are
    evaluated with each of the checkpoints; others as they are, for comparison. The folder gets models/, run/ (an ordinary
    run), sweep.csv, sweep.json, sweep.png and sweep.svg. The same command resumes.
    """
    folder = out or Path("sweeps") / f"{trainer.name}-{given['data'][0].name}"
    if out is None:
        say(f"sweep folder: {folder} (choose another with --out)")
    with only_json(given["as_json"]):
        result, failed = _sweep(_asked(trainer, given), folder, given)
    if result is None:
        say(f"interrupted; what is finished is stored in {folder}, and the same command resumes")
        if given["as_json"]:
            show_json({"sweep": str(folder), "interrupted": True})
        return INTERRUPTED
    planned, found = result
    if given["as_json"]:
        show_json({**_data(planned, found), "sweep": str(folder), "failed": failed})
    else:
        show(f"{_table(planned, found)}\nfigure: {folder / 'sweep.png'}")
    return 1 if failed else 0


def _asked(trainer: Spec, given: dict[str, Any]) -> "Sweep":
    from mitobench.training.sweep import Sweep

    return Sweep(
        trainer=trainer,
        data=given["data"],
        evaluate=given["evaluate"],
        validation=given["validation"],
        prompters=given["prompter"],
        segmenters=given["segmenter"],
        metrics=given["metric"],
        sizes=given["sizes"] or (),
        **{name: given[name] for name in ("seeds", "seed", "limit", "equal_steps")},
    )


def _sweep(
    asked: "Sweep", folder: Path, given: dict[str, Any]
) -> "tuple[tuple[PlannedSweep, tuple[Curve, ...]] | None, list[str]]":
    """Train and evaluate seed by seed, and write what came of it. None where it was interrupted; and what failed."""
    from mitobench.plan import make_plan
    from mitobench.ranking.evidence import Evidence
    from mitobench.ranking.leaderboard import build_leaderboard
    from mitobench.results.runfolder import RunFolder
    from mitobench.training.curves import curves, evaluation
    from mitobench.training.sweep import plan_sweep
    from mitobench.weights import WeightsStore

    plugins = discover()
    store = WeightsStore(plugins, offline=given["offline"])
    _fetch(asked, plugins, store)
    planned = plan_sweep(asked, plugins, store, folder.absolute())
    run = RunFolder.create_or_open(folder / "run")
    failed: list[str] = []
    for seed in dict.fromkeys(step.seed for step in planned.steps):
        steps, errors = _train(planned.of_seed(seed), len(planned.steps), planned, plugins, given["device"])
        failed += errors
        if steps is None:
            return None, failed
        if not steps:
            continue
        plan = make_plan(planned.experiment(steps), plugins, store, folder=run)
        outcome = _evaluate(plan, run, plugins, f"seed {seed}", device=given["device"], batch=given["batch"])
        if outcome.interrupted:
            return None, failed
        failed += [f"{count}x: {message}" for message, count in outcome.errors]
    if not any(step.training.out.is_file() for step in planned.steps):
        raise MitobenchError(f"no training succeeded: {'; '.join(dict.fromkeys(failed))}")
    leaderboard = build_leaderboard(Evidence([run], plugins), resamples=0)
    found = curves(planned, evaluation(planned, plugins, store), leaderboard, score=given["score"])
    for note in dict.fromkeys(note for curve in found for point in curve.points for note in point.notes):
        say(f"warning: {note}")
    _write(folder, planned, found)
    return (planned, found), failed


def _fetch(asked: "Sweep", plugins: "Plugins", store: "WeightsStore") -> None:
    from mitobench.components import plan_component

    if store.offline:
        return
    kinds: Any = (("trainer", (asked.trainer,)), ("prompter", asked.prompters), ("segmenter", asked.segmenters))
    named = [
        plan_component(kind, spec, plugins, store, base=asked.base)
        for kind, specs in kinds
        for spec in specs
        if "checkpoint" not in _required(plugins.find(kind, spec).options_model())
    ]
    fetch_missing(named, plugins, store)


def _required(model: Any) -> list[str]:
    return [name for name, option in model.model_fields.items() if option.is_required()]


def _train(
    steps: "Sequence[SweepStep]", total: int, planned: "PlannedSweep", plugins: "Plugins", device: str
) -> "tuple[list[SweepStep] | None, list[str]]":
    """Train those of one seed that are not there; returns those that are now (None if interrupted) and what failed."""
    done: list[SweepStep] = []
    failed: list[str] = []
    for step in steps:
        number = planned.steps.index(step) + 1
        title = f"training {number} of {total}: {step.size} image{'s' if step.size > 1 else ''}, seed {step.seed}"
        if step.training.status == "done":
            say(f"{title}: there already")
            done.append(step)
            continue
        say(f"{title} -> {shown(step.training.out)}")
        try:
            result = train_one(step.training, plugins, device=device, resume=step.training.status != "differs")
        except (MissingError, ResourceError, UsageError):
            raise
        except MitobenchError as error:
            say(f"{title} failed: {error}")
            failed.append(f"{step.size} images, seed {step.seed}: {error}")
            continue
        if not result.finished:
            return None, failed
        done.append(step)
    return done, failed


def _evaluate(plan: Any, run: "RunFolder", plugins: "Plugins", title: str, **settings: Any) -> Any:
    from mitobench.runner import Progress, execute

    with (
        ProgressLine("images") as line,
        orderly_stop("stopping when the images in flight are done; once more stops at once") as should_stop,
    ):

        def update(progress: Progress) -> None:
            said = (title, progress.cell, progress.message)
            line.update(progress.done, progress.total, "  ".join(text for text in said if text))

        return execute(plan, run, plugins, progress=update, should_stop=should_stop, **settings)


def _write(folder: Path, planned: "PlannedSweep", found: "Sequence[Curve]") -> None:
    from mitobench_cli.sweep_figure import draw_curves

    text = json.dumps(_data(planned, found), indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    write_atomically(folder / "sweep.json", text.encode("utf-8", "surrogatepass"))
    write_atomically(folder / "sweep.csv", _csv(found).encode("utf-8", "surrogatepass"))
    drawn = draw_curves(found, FORMATS)
    for name, content in drawn.items():
        write_atomically(folder / f"sweep.{name}", content)


def _data(planned: "PlannedSweep", found: "Sequence[Curve]") -> dict[str, Any]:
    asked = planned.asked
    return {
        "schema": 1,
        "trainer": str(asked.trainer),
        "data": planned.data,
        "sizes": list(planned.sizes),
        "seeds": [asked.seed + i for i in range(asked.seeds)],
        "equal_steps": asked.equal_steps,
        "curves": [curve.plain() for curve in found],
    }


def _csv(found: "Sequence[Curve]") -> str:
    from mitobench.text import defused

    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(
        ("table", "prompter", "segmenter", "score", "size", "seed", "value", "images", "status", "checkpoint", "cell")
    )
    for curve in found:
        names = [defused(text) for text in (curve.title, curve.prompter, curve.segmenter, curve.column)]
        for p in curve.points:
            writer.writerow((*names, p.size, p.seed, p.value, p.images, p.status, p.checkpoint, p.cell))
    return stream.getvalue()


def _table(planned: "PlannedSweep", found: "Sequence[Curve]") -> str:
    header = ("TABLE", "PROMPTER", "SEGMENTER", "SCORE", *(str(size) for size in planned.sizes))
    rows = []
    for curve in found:
        sizes = [None] * len(planned.sizes) if all(p.size is None for p in curve.points) else planned.sizes
        cells = [_spread(curve.values(size)) for size in sizes]
        rows.append((curve.title, curve.prompter, curve.segmenter, curve.column, *cells))
    return f"mean of the seeds (lowest to highest) by number of annotated images\n{columns(rows, header)}"


def _spread(values: list[float]) -> str:
    if not values:
        return "-"
    mean = f"{statistics.fmean(values):.3f}"
    return mean if len(values) == 1 else f"{mean} ({min(values):.3f} to {max(values):.3f})"
