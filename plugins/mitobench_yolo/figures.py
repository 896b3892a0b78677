"""The detection report as figures. The only module here that imports matplotlib, and it opens no window."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mitobench_yolo.report import MEASURES, DetectionReport

__all__ = ["draw", "draw_confusion", "draw_correlogram", "draw_curve"]

_COLOURS = {"object": "tab:blue", "detection": "tab:orange"}
_BINS = 30


def draw(report: DetectionReport, folder: Path, *, suffix: str = ".png") -> tuple[Path, ...]:
    """Draw all figures of a report.

    Args:
        report: what to draw.
        folder: where to; it is made where it is not there.
        suffix: of the files: ``".png"``, ``".svg"`` or ``".pdf"``.

    Returns:
        the files: confusion matrix; F1-, precision- and recall-confidence curves; correlogram.
    """
    folder.mkdir(parents=True, exist_ok=True)
    figures = {
        "confusion-matrix": draw_confusion(report),
        **{f"{name}-confidence": draw_curve(report, name) for name in ("f1", "precision", "recall")},
        "correlogram": draw_correlogram(report),
    }
    paths = []
    for name, figure in figures.items():
        paths.append(folder / f"{name}{suffix}")
        figure.savefig(paths[-1], dpi=150)
    return tuple(paths)


def draw_confusion(report: DetectionReport) -> Figure:
    """The confusion matrix, with counts; what is neither predicted nor there is not countable and stays empty."""
    figure, axes = _blank((4.5, 4.0))
    counts = report.confusion
    axes.imshow(np.ma.masked_array(counts, [[False, False], [False, True]]), cmap="Blues", vmin=0)
    for row, column in ((0, 0), (0, 1), (1, 0)):
        dark = counts[row, column] > counts.max() / 2
        axes.text(column, row, str(counts[row, column]), ha="center", va="center", color="white" if dark else "black")
    axes.set_xticks([0, 1], ["object", "background"])
    axes.set_yticks([0, 1], ["object", "background"])
    axes.set_xlabel("reference")
    axes.set_ylabel("predicted")
    axes.set_title(f"IoU {report.iou:g}, confidence {report.confidence:.3g}")
    return figure


def draw_curve(report: DetectionReport, name: str) -> Figure:
    """``f1``, ``precision`` or ``recall`` against the lowest confidence of a box that is kept."""
    figure, axes = _blank((5.5, 4.0))
    label = {"f1": "F1"}.get(name, name)
    axes.plot(report.curve["confidence"], report.curve[name], color="tab:blue")
    axes.axvline(report.confidence, color="grey", linewidth=0.8, linestyle="--")
    if name == "f1":
        axes.plot([report.best_confidence], [report.best_f1], "o", color="tab:orange")
        axes.set_title(f"best {report.best_f1:.3f} at confidence {report.best_confidence:.3f}")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("confidence")
    axes.set_ylabel(f"{label} at IoU {report.iou:g}")
    return figure


def draw_correlogram(report: DetectionReport) -> Figure:
    """Positions and sizes of objects and detections against each other: histograms on the diagonal, points below it."""
    figure = Figure(figsize=(8, 8), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(MEASURES), len(MEASURES))
    for row, vertical in enumerate(MEASURES):
        for column, horizontal in enumerate(MEASURES):
            axes = grid[row][column]
            if column > row:
                axes.set_axis_off()
                continue
            _draw_pair(axes, report, horizontal, vertical)
            if row == len(MEASURES) - 1:
                axes.set_xlabel(horizontal)
            if column == 0:
                axes.set_ylabel("boxes" if row == 0 else vertical)
    figure.legend(*grid[0][0].get_legend_handles_labels(), loc="upper right")
    return figure


def _draw_pair(axes: Any, report: DetectionReport, horizontal: str, vertical: str) -> None:
    right = _limit(report, horizontal)
    for kind, colour in _COLOURS.items():
        chosen = report.boxes["kind"] == kind
        values = report.boxes[horizontal][chosen]
        if horizontal == vertical:
            axes.hist(values, bins=_BINS, range=(0, right), histtype="step", color=colour, label=kind)
        else:
            axes.plot(values, report.boxes[vertical][chosen], ".", markersize=2, alpha=0.5, color=colour)
            axes.set_ylim(0, _limit(report, vertical))
    axes.set_xlim(0, right)


def _limit(report: DetectionReport, name: str) -> float:
    """Where an axis ends: positions at the image's side, sizes at the largest box."""
    if name in ("x", "y"):
        return 1.0
    return float(report.boxes[name].max(initial=0)) * 1.05 or 1.0


def _blank(size: tuple[float, float]) -> tuple[Figure, Any]:
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots()
