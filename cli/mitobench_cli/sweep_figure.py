"""The figure of a sweep: score against the number of annotated images. Imports matplotlib when it draws."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mitobench.text import inert
from mitobench_cli.drawing.style import LINES, PAGE_WIDTH, encode, figure, styled

if TYPE_CHECKING:
    from mitobench.training.curves import Curve

__all__ = ["draw_curves"]

_PANEL = 2.6
_ENTRY = 0.18  # inches, as all of these
_BELOW = -0.45


def draw_curves(curves: "Sequence[Curve]", formats: Sequence[str]) -> dict[str, bytes]:
    """One panel per leaderboard table: a line through the means, a point per seed, a dashed line for what is not trained.

    Args:
        curves: of one sweep; at least one.
        formats: such as ``png`` and ``svg``.

    Returns:
        the files' bytes by format.
    """
    titles = list(dict.fromkeys(curve.title for curve in curves))
    with styled():
        drawn = figure(PAGE_WIDTH, 0.4 + _PANEL * len(titles) + _ENTRY * len(curves))
        panels = drawn.subplots(len(titles), 1, squeeze=False)[:, 0]
        for panel, title in zip(panels, titles, strict=True):
            _draw_panel(panel, [curve for curve in curves if curve.title == title], title)
        drawn.tight_layout()
        return {name: encode(drawn, name) for name in formats}


def _draw_panel(panel: Any, curves: "Sequence[Curve]", title: str) -> None:
    from matplotlib.transforms import ScaledTranslation

    sizes = sorted({p.size for curve in curves for p in curve.points if p.size is not None})
    for number, curve in enumerate(curves):
        colour, marker, dash = LINES[number % len(LINES)]
        label = f"{curve.prompter} x {curve.segmenter}"
        if all(point.size is None for point in curve.points):
            for value in curve.values(None):
                panel.axhline(value, color=colour, linestyle="--", label=inert(f"{label} (not trained here)"))
            continue
        points = [(p.size, p.value) for p in curve.points if p.size is not None and p.value is not None]
        panel.scatter(
            *zip(*points, strict=True), color=colour, marker=marker, s=9, alpha=0.45, zorder=3
        ) if points else None
        means = [(size, sum(found) / len(found)) for size in sizes if (found := curve.values(size))]
        if means:
            panel.plot(*zip(*means, strict=True), color=colour, marker=marker, linestyle=dash, label=inert(label))
    panel.set_xscale("log")
    panel.set_xticks(sizes, labels=[str(size) for size in sizes])
    panel.minorticks_off()
    panel.set_xlabel("annotated images")
    panel.set_ylabel(inert(curves[0].column))
    panel.set_title(inert(title), loc="left")
    below = panel.transAxes + ScaledTranslation(0, _BELOW, panel.figure.dpi_scale_trans)
    panel.legend(loc="upper left", bbox_to_anchor=(0, 0), bbox_transform=below, borderaxespad=0)
