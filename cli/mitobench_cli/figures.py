"""``mitobench figures``: the figures of a publication, from a run's files."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mitobench.errors import MitobenchError, UsageError
from mitobench.files import safe_name
from mitobench_cli.progress import ProgressLine
from mitobench_cli.terminal import debug_option, discover, json_option, only_json, say, show, show_json

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mitobench.ranking.evidence import Evidence
    from mitobench_cli.drawing.boards import Board
    from mitobench_cli.drawing.cells import DataCells, NamedCell

__all__ = ["KINDS", "command"]

KINDS = {
    "comparison": "image, reference and two cells side by side, scores in the titles",
    "extremes": "best, median and worst image of each cell",
    "prompts": "the prompts of each prompter over an image",
    "best-masks": "the mask with the best predicted score of each promptable cell",
    "intervals": "scores of all cells with 95 % intervals",
    "thresholds": "F1 of all cells against the IoU threshold",
    "training": "training curves of the checkpoints that the cells use",
}
_Draw = Callable[[], "Figure | Board | None"]


@dataclass(frozen=True, kw_only=True)
class _Wanted:
    """What was asked for."""

    cells: tuple[str, ...]
    images: tuple[str, ...]
    by: str
    scores: tuple[str, ...]
    kinds: tuple[str, ...]
    checkpoints: tuple[Path, ...]


@click.command("figures")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--figure",
    "kinds",
    multiple=True,
    type=click.Choice(list(KINDS)),
    help="Draw only these. Repeatable. " + "; ".join(f"{name}: {what}" for name, what in KINDS.items()) + ".",
)
@click.option(
    "--cell",
    "cells",
    multiple=True,
    metavar="CELL",
    help="Only this cell: 'PROMPTER x SEGMENTER', a segmenter, a prompter, or how its key begins. Repeatable, in order: "
    "base first, fine-tuned second.",
)
@click.option(
    "--image",
    "images",
    multiple=True,
    metavar="ID",
    help="Show this image. Repeatable. Default: best, median and worst.",
)
@click.option(
    "--by",
    type=click.Choice(["score", "objects"]),
    default="score",
    show_default=True,
    help="Which images: best, median and worst, or those with fewest, middling and most reference objects.",
)
@click.option("--score", "scores", multiple=True, metavar="SCORE", help="A score to show, such as mSA. Repeatable.")
@click.option("--primary", metavar="SCORE", help="The score by which cells and images are ordered, such as F1@0.5.")
@click.option(
    "--checkpoint",
    "checkpoints",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Draw this checkpoint's training curves instead of those of the run's. Repeatable.",
)
@click.option("--out", type=click.Path(path_type=Path), metavar="FOLDER", help="Where to. Default: RUN/report/figures.")
@click.option(
    "--format",
    "formats",
    multiple=True,
    type=click.Choice(["png", "svg", "pdf"]),
    default=["png"],
    show_default=True,
    help="A file format. Repeatable.",
)
@click.option("--dpi", default=300, show_default=True, type=click.IntRange(30, 1200), help="Pixels per inch of images.")
@json_option
@debug_option
def command(
    run: Path,
    kinds: tuple[str, ...],
    cells: tuple[str, ...],
    images: tuple[str, ...],
    by: str,
    scores: tuple[str, ...],
    primary: str | None,
    checkpoints: tuple[Path, ...],
    out: Path | None,
    formats: tuple[str, ...],
    dpi: int,
    as_json: bool,
) -> int:
    """Draw the figures of a publication from a run.

    No model is run. RUN may be an export: it holds no images, so only charts are drawn from it. Figures that show images need
    the data where they were, with the same content; charts do not.
    In pictures, contrast is stretched to each image's own range.
    """
    wanted = _Wanted(
        cells=cells, images=images, by=by, scores=scores, kinds=kinds or tuple(KINDS), checkpoints=checkpoints
    )
    with only_json(as_json):
        if out is None and run.is_file():
            raise UsageError(f"{run}: is an export, which has no place for figures; give --out FOLDER.")
        evidence, data = _open(run, primary, wanted)
        folder = out if out is not None else run / "report" / "figures"
        written, failed = _draw_all(list(_figures(evidence, data, wanted)), folder, formats, dpi)
        if not written and not failed:
            raise UsageError("there is nothing to draw: none of the figures asked for applies to this run.")
    if as_json:
        show_json({"run": str(run), "figures": [str(path) for path in written], "failed": failed})
    elif written:
        show("\n".join(str(path) for path in written))
    return 1 if failed else 0


def _open(run: Path, primary: str | None, wanted: _Wanted) -> "tuple[Evidence, tuple[DataCells, ...]]":
    from mitobench.ranking.evidence import Evidence
    from mitobench.ranking.leaderboard import build_leaderboard
    from mitobench.sharing.exports import open_run
    from mitobench_cli.drawing.cells import cells_by_data, choose_cells

    evidence = Evidence([open_run(run)], discover())
    data = cells_by_data(build_leaderboard(evidence, primary=primary), evidence)
    choose_cells([cell for one in data for cell in one.cells], wanted.cells)
    known = {column.name for column in evidence.columns}
    for score in wanted.scores:
        if score not in known:
            raise UsageError(f"--score {score!r} is not scored in this run. There are: {', '.join(sorted(known))}.")
    stored = {str(image) for cell in evidence.cells.values() for image in cell.table.images}
    for image in wanted.images:
        if image not in stored:
            few = ", ".join(sorted(stored)[:5])
            raise UsageError(f"--image {image!r} is not in this run. There are {len(stored)}, such as: {few}.")
    return evidence, data


def _draw_all(
    figures: list[tuple[str, _Draw]], folder: Path, formats: tuple[str, ...], dpi: int
) -> tuple[list[Path], list[str]]:
    """Draw and write all figures; what fails is said and the others go on."""
    from mitobench_cli.drawing.board_figure import board_figure
    from mitobench_cli.drawing.boards import Board
    from mitobench_cli.drawing.display import write_figure

    written: list[Path] = []
    failed: list[str] = []
    with ProgressLine("figures") as line:
        for number, (name, draw) in enumerate(figures):
            line.update(number, len(figures), name)
            try:
                drawn = draw()
            except MitobenchError as error:
                say(f"warning: {name} is not drawn: {error}")
                failed.append(f"{name}: {error}")
                continue
            if drawn is None:
                continue
            figure = board_figure(drawn) if isinstance(drawn, Board) else drawn
            for suffix in formats:
                path = folder / f"{name}.{suffix}"
                write_figure(figure, path, dpi=dpi)
                written.append(path)
    return written, failed


def _figures(evidence: "Evidence", data: "tuple[DataCells, ...]", wanted: _Wanted) -> Iterator[tuple[str, _Draw]]:
    """Every figure's file name without suffix, and how it is drawn."""
    from mitobench_cli.drawing import charts

    images = all(folder.trusted for folder in evidence.folders)
    if not images:
        say(
            f"note: {evidence.folders[0].source} is an export and holds no images; figures that show images are left out"
        )
    for one in data:
        chosen = one.narrowed(wanted.cells)
        if not chosen.cells:
            continue
        prefix = f"{safe_name(one.label, limit=40)}/" if len(data) > 1 else ""
        for kind, draw in _boards(evidence, chosen, wanted) if images else ():
            yield f"{prefix}{kind}", draw
        if "intervals" in wanted.kinds:
            yield f"{prefix}intervals", partial(charts.interval_chart, chosen, wanted.scores)
        if "thresholds" in wanted.kinds:
            yield f"{prefix}thresholds", partial(charts.threshold_chart, chosen)
    if "training" in wanted.kinds:
        yield "training", lambda: charts.training_chart(_histories(evidence, wanted))


def _boards(evidence: "Evidence", data: "DataCells", wanted: _Wanted) -> Iterator[tuple[str, _Draw]]:
    """The figures of one data source that show images."""
    from mitobench_cli.drawing.cells import images_by_objects, pair_of_cells, representative_images
    from mitobench_cli.drawing.run_boards import RunBoards

    boards = RunBoards(evidence, wanted.scores)

    def images(cell: "NamedCell") -> list[tuple[str, str]]:
        there = {str(image) for image in evidence.cells[cell.key].table.images}
        if wanted.images:
            return [("", image) for image in wanted.images if image in there]
        return (
            images_by_objects(evidence, cell)
            if wanted.by == "objects"
            else representative_images(evidence, cell, data.primary)
        )

    pair = data.cells if wanted.cells and len(data.cells) <= 4 else pair_of_cells(data.cells)
    shown = images(pair[-1])
    if not shown:
        return
    middle = shown if wanted.images else shown[(len(shown) - 1) // 2 :][:1]
    if "comparison" in wanted.kinds:
        yield "comparison", partial(boards.comparison, pair, shown)
    if "extremes" in wanted.kinds:
        for cell in data.cells:
            name = f"extremes/{safe_name(f'{cell.prompter} x {cell.segmenter}', limit=60)}"
            yield name, partial(boards.extremes, cell, images(cell))
    if "prompts" in wanted.kinds:
        yield "prompts", partial(boards.prompts, data.cells, middle)
    if "best-masks" in wanted.kinds:
        yield "best-masks", partial(boards.best_masks, data.cells, [image for _, image in shown])


def _histories(evidence: "Evidence", wanted: _Wanted) -> dict[str, dict[str, list[float | None]]]:
    """The training histories of the checkpoints that were named, or that the cells use and that are still there."""
    from mitobench.checkpoints import read_card
    from mitobench_cli.drawing.histories import histories_of_cells

    if wanted.checkpoints:
        found = {path.name: read_card(path).history for path in wanted.checkpoints}
        for name, history in found.items():
            if not history:
                say(f"warning: {name} says nothing about its training's course; train it again to have its curves.")
    else:
        found = histories_of_cells(evidence)
    return {name: {key: list(values) for key, values in history.items()} for name, history in found.items()}
