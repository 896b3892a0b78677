"""A board in a terminal: two pixels to a character, the upper one in its text colour, the lower one in its background."""

import shutil
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mitobench.overlays import Colour, Picture
from mitobench.text import inert
from mitobench_cli.drawing.boards import Board, Panel
from mitobench_cli.drawing.style import NO_BREAK

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

__all__ = ["has_colours", "print_board"]

_UPPER_HALF = "▀"
_GAP = 2
_NARROWEST = 36


def has_colours() -> bool:
    """Whether the terminal of stdout has enough colours for pictures (256 or more)."""
    from rich.console import Console

    return Console().color_system in ("256", "truecolor", "windows")


def print_board(board: Board, console: "Console | None" = None) -> None:
    """Write a board to stdout, as many panels side by side as are wide enough to be looked at.

    Args:
        board: what to show.
        console: where to, and with how many colours; the terminal of stdout by default.
    """
    from rich.console import Console
    from rich.text import Text

    out = console or Console(highlight=False, markup=False, width=shutil.get_terminal_size().columns)
    columns = max(len(row) for row in board.rows)
    side_by_side = max(1, min(columns, (out.width + _GAP) // (_NARROWEST + _GAP)))
    width = (out.width + _GAP) // side_by_side - _GAP
    for number, row in enumerate(board.rows):
        if board.row_titles:
            out.print(Text(inert(board.row_titles[number]), style="bold"))
        titled = [(_title(board, column, panel), panel) for column, panel in enumerate(row) if panel is not None]
        for start in range(0, len(titled), side_by_side):
            for line in _side_by_side(titled[start : start + side_by_side], width):
                out.print(line, no_wrap=True, overflow="crop")
            out.print()
    if board.legend:
        out.print(_legend(board))


def _title(board: Board, column: int, panel: Panel) -> list[str]:
    head = board.column_titles[column].split("\n") if column < len(board.column_titles) else []
    return [inert(line) for line in (*head, *panel.title.replace(NO_BREAK, " ").split("\n")) if line]


def _side_by_side(titled: list[tuple[list[str], Panel]], width: int) -> "list[Text]":
    """The lines of some panels beside each other, titles above pictures."""
    from rich.text import Text

    tallest = max(len(title) for title, _ in titled)
    blocks = []
    for title, panel in titled:
        lines = [Text(line[:width].ljust(width)) for line in [""] * (tallest - len(title)) + title]
        blocks.append(lines + _picture_lines(panel.picture, width))
    height = max(len(block) for block in blocks)
    filled = [block + [Text(" " * width)] * (height - len(block)) for block in blocks]
    return [Text(" " * _GAP).join(parts) for parts in zip(*filled, strict=True)]


def _picture_lines(picture: Picture, width: int) -> "list[Text]":
    """A picture in lines of ``width`` characters."""
    from rich.color import Color
    from rich.style import Style
    from rich.text import Text

    pixels = _resized(picture, width)
    lines = []
    for upper, lower in zip(pixels[::2].tolist(), pixels[1::2].tolist(), strict=True):
        line = Text()
        for above, below in zip(upper, lower, strict=True):
            line.append(_UPPER_HALF, Style(color=Color.from_rgb(*above), bgcolor=Color.from_rgb(*below)))
        lines.append(line)
    return lines


def _resized(picture: Picture, width: int) -> NDArray[np.uint8]:
    """The picture ``width`` pixels wide and an even number of pixels high."""
    from PIL import Image

    rows, columns = picture.shape[:2]
    height = min(2 * max(1, round(width * rows / columns / 2)), 4 * width)
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BOX))


def _legend(board: Board) -> "Text":
    from rich.style import Style
    from rich.text import Text

    def swatch(colour: Colour) -> "Text":
        return Text("██ ", Style(color="#{:02x}{:02x}{:02x}".format(*colour)))

    return Text("   ").join(swatch(colour).append(text, Style(color="default")) for colour, text in board.legend)
