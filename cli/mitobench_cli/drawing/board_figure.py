"""A board as a figure: every place is computed in inches, so that no text can run into another."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mitobench_cli.drawing.boards import Board, Panel
from mitobench_cli.drawing.style import PAGE_WIDTH, TEXT, figure, styled, text_width, wrap

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["board_figure", "scale_bar"]

_LINE = TEXT * 1.25 / 72
_GAP = 0.08
_MARGIN = 0.06
_LARGEST_PANEL = 2.6
_BAR_SHARE = 0.3


@dataclass(frozen=True)
class _Layout:
    """Inches: the width of a panel, the height of each row's titles and panels, and of what surrounds them."""

    panel: float
    left: float
    head: float
    foot: float
    titles: list[float]
    heights: list[float]

    @property
    def height(self) -> float:
        gaps = (_GAP + 0.04) * (len(self.heights) - 1)
        return self.head + sum(self.titles) + sum(self.heights) + gaps + self.foot + 2 * _MARGIN


def board_figure(board: Board) -> "Figure":
    """Draw a board over the width of a page, or less where it has few columns.

    Panels that show equally wide pieces of the specimen as the one before have no scale bar of their own.
    """
    with styled():
        columns = max(len(row) for row in board.rows)
        left = _LINE + 0.05 if board.row_titles else 0.0
        panel = min(_LARGEST_PANEL, (PAGE_WIDTH - 2 * _MARGIN - left - _GAP * (columns - 1)) / columns)
        width = max(2 * _MARGIN + left + columns * panel + _GAP * (columns - 1), 2.0)
        layout = _layout(board, panel, left, width)
        drawn = figure(width, layout.height)
        top = layout.height - _MARGIN - layout.head
        span: float | None = None
        for column, title in enumerate(board.column_titles):
            x = _MARGIN + left + column * (panel + _GAP) + panel / 2
            text = wrap(title, panel, bold=True)
            drawn.text(x / width, (top + 0.03) / layout.height, text, ha="center", va="bottom", weight="bold")
        for row, panels in enumerate(board.rows):
            top -= layout.titles[row]
            middle = (top - layout.heights[row] / 2) / layout.height
            if board.row_titles:
                text = wrap(board.row_titles[row], layout.heights[row], lines=1)
                drawn.text((_MARGIN + _LINE / 2) / width, middle, text, rotation=90, ha="center", va="center")
            for column, shown in enumerate(panels):
                if shown is not None:
                    x = _MARGIN + left + column * (panel + _GAP)
                    scale, span = _span(shown) != span, _span(shown)
                    _draw_panel(drawn, shown, x, top, panel, (width, layout.height), scale=scale)
            top -= layout.heights[row] + _GAP + 0.04
        _draw_legend(drawn, board, (width, layout.height))
        return drawn


def scale_bar(pixel_size_nm: float, pixels: int) -> tuple[float, str]:
    """A round length for a scale bar in a picture of so many pixels.

    Returns:
        its length in pixels, at most 0.3 of the picture's, and its label.

    >>> scale_bar(4.6, 1024)
    (217.39130434782612, '1 µm')
    """
    longest = pixel_size_nm * pixels * _BAR_SHARE
    power = 1.0
    while power * 10 <= longest:
        power *= 10
    while power > longest:
        power /= 10
    nanometres = max(step * power for step in (1, 2, 5) if step * power <= longest)
    if nanometres >= 1e6:
        label = f"{nanometres / 1e6:g} mm"
    elif nanometres >= 1e3:
        label = f"{nanometres / 1e3:g} µm"
    else:
        label = f"{nanometres:g} nm"
    return nanometres / pixel_size_nm, label


def _layout(board: Board, panel: float, left: float, width: float) -> _Layout:
    heights, titles = [], []
    for row in board.rows:
        there = [shown for shown in row if shown is not None]
        heights.append(max(panel * min(2.0, p.picture.shape[0] / p.picture.shape[1]) for p in there))
        titles.append(max(_lines(wrap(p.title, panel)) for p in there) * _LINE + 0.04)
    head = max((_lines(wrap(t, panel, bold=True)) for t in board.column_titles), default=0) * _LINE
    foot = 0.06 + _LINE * len(_legend_lines(board, width)) if board.legend else 0.0
    return _Layout(panel, left, head + (0.04 if head else 0), foot, titles, heights)


def _span(panel: Panel | None) -> float | None:
    """Nanometres that a panel is wide."""
    return None if panel is None or panel.pixel_size_nm is None else panel.pixel_size_nm * panel.picture.shape[1]


def _lines(text: str) -> int:
    return text.count("\n") + 1 if text else 0


def _draw_panel(
    drawn: "Figure", panel: Panel, x: float, top: float, width: float, page: tuple[float, float], *, scale: bool
) -> None:
    """Draw one panel below ``top`` and its title above; with a scale bar where ``scale`` and its pixel size is known."""
    rows, columns = panel.picture.shape[:2]
    height = width * rows / columns
    shown = width
    if height > 2 * width:
        shown, height = width * 2 * width / height, 2 * width
    box = ((x + (width - shown) / 2) / page[0], (top - height) / page[1], shown / page[0], height / page[1])
    axes = drawn.add_axes(box)
    axes.imshow(panel.picture, interpolation="antialiased", aspect="auto")
    axes.set_axis_off()
    title = wrap(panel.title, width)
    drawn.text((x + width / 2) / page[0], (top + 0.025) / page[1], title, ha="center", va="bottom", linespacing=1.1)
    if scale and panel.pixel_size_nm is not None:
        _draw_scale_bar(axes, panel, shown)


def _draw_scale_bar(axes: "Axes", panel: Panel, inches: float) -> None:
    """A bar at the lower right, white on black so that it shows on any image."""
    from matplotlib.patches import Rectangle

    rows, columns = panel.picture.shape[:2]
    length, label = scale_bar(panel.pixel_size_nm or 1.0, columns)
    point = columns / inches / 72
    size = TEXT - 0.5 if inches > 1.2 else TEXT - 2
    pad, thick = 3 * point, 2 * point
    wide = max(length, text_width(label, size=size) * 72 * point) + 2 * pad
    tall = size * 1.3 * point + thick + 2 * pad
    if wide > columns or tall > rows:
        return
    right, bottom = columns - 0.5, rows - 0.5
    axes.add_patch(Rectangle((right - wide, bottom - tall), wide, tall, color="black", alpha=0.55, linewidth=0))
    middle = right - wide / 2
    axes.add_patch(Rectangle((middle - length / 2, bottom - pad - thick), length, thick, color="white", linewidth=0))
    axes.text(middle, bottom - pad - thick - point, label, color="white", size=size, ha="center", va="bottom")


_SWATCH = 0.1


def _legend_lines(board: Board, width: float) -> list[list[tuple[float, int]]]:
    """For each line of the legend the place (inches) and number of its entries."""
    lines: list[list[tuple[float, int]]] = [[]]
    x = _MARGIN
    for number, (_, text) in enumerate(board.legend):
        needed = _SWATCH + 0.05 + text_width(text) + 0.18
        if lines[-1] and x + needed > width:
            lines.append([])
            x = _MARGIN
        lines[-1].append((x, number))
        x += needed
    return lines


def _draw_legend(drawn: "Figure", board: Board, page: tuple[float, float]) -> None:
    from matplotlib.patches import Rectangle

    if not board.legend:
        return
    lines = _legend_lines(board, page[0])
    for up, line in enumerate(reversed(lines)):
        y = _MARGIN + up * _LINE
        for x, number in line:
            colour, text = board.legend[number]
            rgb = tuple(value / 255 for value in colour)
            corner, size = (x / page[0], y / page[1]), (_SWATCH / page[0], _SWATCH / page[1])
            swatch = Rectangle(corner, *size, facecolor=rgb, edgecolor="#666666", linewidth=0.4)
            swatch.set_transform(drawn.transFigure)
            drawn.add_artist(swatch)
            where = (x + _SWATCH + 0.05) / page[0], (y + _SWATCH / 2) / page[1]
            drawn.text(*where, text, ha="left", va="center_baseline")
