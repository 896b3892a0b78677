"""Charts of scores: intervals per cell, scores against the IoU threshold, and training curves."""

import re
from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from mitobench_cli.drawing.cells import DataCells
from mitobench_cli.drawing.style import LINES, PAGE_WIDTH, TEXT, figure, styled, text_width, wrap

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from mitobench.ranking.standings import Column, LeaderboardRow, ScoreCell

__all__ = ["curve_title", "interval_chart", "threshold_chart", "training_chart"]

_LINE = TEXT * 1.3 / 72
_MOST_COLUMNS = 4
_CURVES = {
    "score": "score that chooses the epoch",
    "dice": "Dice",
    "iou": "IoU",
    "f1": "F1",
    "ap50": "AP@0.5",
    "ap50_95": "AP@0.5:0.95",
}
_Row = tuple[str, "LeaderboardRow", bool]


def interval_chart(data: DataCells, scores: Sequence[str] = ()) -> "Figure | None":
    """Score and 95 % interval of every cell, a panel for each of ``scores`` (by default the headline columns).

    Filled marks are automatic cells, open ones have prompts from the reference. None where nothing is scored.
    """
    columns = _columns(data, scores)
    rows = _rows(data)
    if not columns or not rows:
        return None
    with styled():
        labels = [wrap(label, 2.0, lines=3) for label, _, _ in rows]
        left = max(text_width(line) for label in labels for line in label.split("\n")) + 0.15
        heights = [max(0.2, _LINE * (label.count("\n") + 1) + 0.06) for label in labels]
        gap = 0.25
        separated = len({oracle for _, _, oracle in rows}) > 1
        tall = sum(heights) + (gap if separated else 0) + 0.1
        remark = wrap(data.tables[0].uncertainty, PAGE_WIDTH - 0.2, lines=3)
        foot = 0.47 + _LINE * (remark.count("\n") + 1)
        height = tall + 0.3 + foot
        drawn = figure(PAGE_WIDTH, height)
        each = (PAGE_WIDTH - left - 0.1) / len(columns)
        places = _places(rows, heights, gap)
        for number, column in enumerate(columns):
            box = ((left + number * each) / PAGE_WIDTH, foot / height, (each - 0.14) / PAGE_WIDTH, tall / height)
            axes = drawn.add_axes(box)
            _draw_intervals(axes, column, rows, places, tall)
            axes.set_yticks(places, labels if number == 0 else [""] * len(labels))
        drawn.text(0.1 / PAGE_WIDTH, 0.06 / height, remark, ha="left", va="bottom", color="#444444")
        if any(oracle for _, _, oracle in rows):
            kinds = "● automatic prompts   ○ prompts made from the reference (oracle)"
            drawn.text(0.1 / PAGE_WIDTH, (height - 0.05) / height, kinds, ha="left", va="top")
        return drawn


def threshold_chart(data: DataCells, score: str = "F1") -> "Figure | None":
    """A score of every cell against the IoU threshold, with 95 % intervals as bands; oracles dashed. None where it is not scored.

    Args:
        data: the cells.
        score: the columns ``score@0.5``, ``score@0.55`` ... are drawn.
    """
    names = sorted({n for _, row, _ in _rows(data) for n in row.scores if re.fullmatch(rf"{score}@0\.\d+", n)})
    thresholds = sorted({float(name.partition("@")[2]) for name in names})
    rows = [row for row in _rows(data) if any(name in row[1].scores for name in names)]
    if len(thresholds) < 2 or not rows:
        return None
    with styled():
        labels = [wrap(label, 2.4, lines=3) for label, _, _ in rows]
        key = sum(_LINE * (label.count("\n") + 1) + 0.05 for label in labels)
        height = max(2.8, key + 0.6)
        drawn = figure(PAGE_WIDTH * 0.85, height)
        width = PAGE_WIDTH * 0.85
        right = max(text_width(line) for label in labels for line in label.split("\n")) + 0.5
        box = (0.5 / width, 0.55 / height, (width - 0.5 - right) / width, (height - 0.65) / height)
        axes = drawn.add_axes(box)
        for label, (_, row, oracle), (colour, marker, dash) in zip(labels, rows, cycle(LINES), strict=False):
            found = [row.scores.get(f"{score}@{t:g}") for t in thresholds]
            line: Any = {"color": colour, "marker": marker, "linestyle": "--" if oracle else dash}
            face = "white" if oracle else colour
            axes.plot(thresholds, [_or_nan(s, "value") for s in found], label=label, markerfacecolor=face, **line)
            low, high = [_or_nan(s, "low") for s in found], [_or_nan(s, "high") for s in found]
            axes.fill_between(thresholds, low, high, color=colour, alpha=0.1, linewidth=0)
        axes.set(
            xlabel="IoU threshold", ylabel=score, ylim=(0, 1.02), xlim=(thresholds[0] - 0.01, thresholds[-1] + 0.01)
        )
        axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1.0), borderaxespad=0, handlelength=2.6, labelspacing=0.6)
        dashed = "; dashed: prompts from the reference (oracle)" if any(oracle for _, _, oracle in rows) else ""
        drawn.text(
            0.5 / width, 0.03 / height, f"bands: 95 % intervals{dashed}", ha="left", va="bottom", color="#444444"
        )
        return drawn


def training_chart(histories: Mapping[str, Mapping[str, Sequence[float | None]]]) -> "Figure | None":
    """Training curves: losses in the upper panels, validated scores in the lower ones, a column for each checkpoint.

    A name has one look in all panels; the legend stands below them.

    Args:
        histories: by the checkpoint's name, its card's ``history``.
    """
    known = {name: curves for name, curves in histories.items() if len(curves.get("epoch", ())) > 0}
    if not known:
        return None
    drawn_names = list(dict.fromkeys(n for curves in known.values() for n in curves if _is_loss(n) is not None))
    looks = dict(zip(drawn_names, cycle(LINES), strict=False))
    with styled():
        columns = min(3, len(known))
        blocks = -(-len(known) // columns)
        width = min(PAGE_WIDTH, 3.4 * columns)
        drawn = figure(width, 3.6 * blocks + 0.5)
        drawn.set_layout_engine("constrained", h_pad=0.06, w_pad=0.06)
        grid = drawn.subplots(2 * blocks, columns, squeeze=False)
        for axes in grid.flat:
            axes.set_visible(False)
        for number, (name, curves) in enumerate(known.items()):
            block, column = divmod(number, columns)
            losses, scores = grid[2 * block, column], grid[2 * block + 1, column]
            losses.set_title(wrap(name, width / columns - 0.7, lines=2, size=TEXT + 1))
            _draw_curves(losses, curves, looks, losses=True)
            _draw_curves(scores, curves, looks, losses=False)
            losses.tick_params(labelbottom=False)
            scores.set_xlabel("epoch")
            if column == 0:
                losses.set_ylabel("loss")
                scores.set_ylabel("validation score")
        _legend_below(drawn, width)
        return drawn


def curve_title(name: str) -> str:
    """What a curve of a checkpoint's history is called in a chart.

    >>> curve_title("loss"), curve_title("validation_dice_box"), curve_title("validation_ap50_95"), curve_title("box_loss")
    ('loss', 'Dice, box prompts', 'AP@0.5:0.95', 'box loss')
    """
    plain = name.removeprefix("validation_")
    if plain in _CURVES:
        return _CURVES[plain]
    score, _, prompt = plain.rpartition("_")
    if prompt in ("box", "point", "mask") and score:
        return f"{_CURVES.get(score, score.replace('_', ' '))}, {prompt} prompts"
    return plain.replace("_", " ")


def _is_loss(name: str) -> bool | None:
    """Whether a curve is a loss, or a validated score; None if neither."""
    if name == "epoch":
        return None
    return True if "loss" in name else False if name.startswith("validation_") else None


def _draw_curves(
    axes: "Axes",
    curves: Mapping[str, Sequence[float | None]],
    looks: Mapping[str, tuple[str, str, str]],
    *,
    losses: bool,
) -> None:
    """The curves that are losses, or those that are validated scores; the best score's epoch is marked."""
    axes.set_visible(True)
    epochs = np.array(curves["epoch"], np.float64)
    chosen = {
        name: np.array([np.nan if v is None else v for v in values], np.float64)
        for name, values in curves.items()
        if _is_loss(name) is losses
    }
    for name, values in chosen.items():
        colour, marker, dash = looks[name]
        shown = marker if len(epochs) <= 40 else None
        label = f"validation {curve_title(name)}" if losses and name.startswith("validation_") else curve_title(name)
        # the score may equal one of the others: it lies beneath them, broad and pale
        beneath: Any = {"linewidth": 3.5, "alpha": 0.45, "zorder": 1.5} if name == "validation_score" else {}
        axes.plot(epochs, values, color=colour, marker=shown, linestyle=dash, label=label, **beneath)
    if not losses and np.isfinite(best := chosen.get("validation_score", np.full(1, np.nan))).any():
        chosen_epoch = epochs[int(np.nanargmax(best))]
        axes.axvline(chosen_epoch, color="#555555", linewidth=1.0, linestyle=":", zorder=0.5, label="kept epoch")
    margin = 0.5 if len(epochs) == 1 else 0.03 * (epochs[-1] - epochs[0])
    axes.set_xlim(epochs[0] - margin, epochs[-1] + margin)
    axes.locator_params(axis="x", integer=True)


def _legend_below(drawn: "Figure", width: float) -> None:
    """One legend of all panels below them, in as many columns as the figure is wide enough for."""
    entries: dict[str, Any] = {}
    for axes in drawn.axes:
        handles, labels = axes.get_legend_handles_labels()
        entries |= {label: handle for label, handle in zip(labels, handles, strict=True) if label not in entries}
    if entries:
        each = max(text_width(label) for label in entries) + 0.6
        columns = max(1, min(len(entries), int((width - 0.2) / each)))
        place: Any = {"loc": "outside lower center", "ncols": columns, "handlelength": 2.4}
        drawn.legend(entries.values(), entries.keys(), **place)


def _draw_intervals(axes: "Axes", column: "Column", rows: Sequence[_Row], places: Sequence[float], tall: float) -> None:
    for place, (_, row, oracle) in zip(places, rows, strict=True):
        found = row.scores.get(column.name)
        if found is None or found.value is None:
            axes.annotate("–", (0.02, place), xycoords=("axes fraction", "data"), va="center", color="#888888")
            continue
        colour = LINES[1][0] if oracle else LINES[0][0]
        if found.low is not None and found.high is not None:
            axes.plot([found.low, found.high], [place, place], color=colour, linewidth=1.4, solid_capstyle="butt")
        face = "white" if oracle else colour
        axes.plot(found.value, place, "o", color=colour, markerfacecolor=face, markersize=4.5, markeredgewidth=1.1)
    unit = f" ({column.unit})" if column.unit else ""
    better = "" if column.higher_is_better else "\nlower is better"
    axes.set_xlabel(wrap(f"{column.name}{unit}", 1.2, lines=2) + better)
    axes.set_ylim(tall, 0)
    axes.grid(axis="x", visible=True)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    axes.margins(x=0.08)
    axes.locator_params(axis="x", nbins=4)


def _columns(data: DataCells, scores: Sequence[str]) -> "list[Column]":
    there = {column.name: column for table in data.tables for column in table.columns}
    if scores:
        return [there[name] for name in scores if name in there][:_MOST_COLUMNS]
    headline = sorted((c for c in there.values() if c.headline), key=lambda c: c != data.primary)
    return headline[:_MOST_COLUMNS]


def _rows(data: DataCells) -> list[_Row]:
    """(label, row, oracle) of every cell in the leaderboard's order."""
    labels = {cell.key: cell.label for cell in data.cells}
    return [(labels[row.cell], row, t.oracle) for t in data.tables for row in t.rows if row.cell in labels]


def _places(rows: Sequence[_Row], heights: Sequence[float], gap: float) -> list[float]:
    """Inches below the top of each row's middle, with a gap where oracles begin."""
    places, top = [], 0.05
    for number, height in enumerate(heights):
        if number and rows[number][2] != rows[number - 1][2]:
            top += gap
        places.append(top + height / 2)
        top += height
    return places


def _or_nan(score: "ScoreCell | None", name: str) -> float:
    value = getattr(score, name, None)
    return float("nan") if value is None else float(value)
