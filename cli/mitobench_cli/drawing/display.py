"""Where a picture goes: to the file that was asked for, into a window, into the terminal, or else into a new file."""

import io
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from mitobench.errors import UsageError
from mitobench.files import write_atomically
from mitobench_cli.drawing.board_figure import board_figure
from mitobench_cli.drawing.boards import Board
from mitobench_cli.drawing.style import FORMATS, encode
from mitobench_cli.drawing.terminal_board import has_colours, print_board

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["check_file", "present", "write_figure"]

_SCREEN_DPI = 130


def check_file(path: Path) -> None:
    """Raise :class:`UsageError` unless the file's suffix names a format that figures can have."""
    if path.suffix.lower().removeprefix(".") not in FORMATS:
        raise UsageError(f"--out is {path}; expected a file name that ends in .{', .'.join(FORMATS)}.")


def write_figure(drawn: "Figure", path: Path, *, dpi: int = 300) -> None:
    """Write a figure in the format that the file's suffix names."""
    write_atomically(path, encode(drawn, path.suffix.lower().removeprefix("."), dpi=dpi))


def present(board: Board, out: Path | None, *, dpi: int = 300) -> Path | None:
    """Show a board.

    Without a file it goes into a window where stdout is a terminal on a machine with a display, into the terminal where
    there is none, and into a new temporary file where stdout is no terminal or one of few colours.

    Args:
        board: what to show.
        out: the file to write, or None.
        dpi: pixels per inch of the file.

    Returns:
        the file that was written, or None.
    """
    if out is None and sys.stdout.isatty():
        if _has_display() and _show_window(board_figure(board)):
            return None
        if has_colours():
            print_board(board)
            return None
    path = out if out is not None else _new_file()
    write_figure(board_figure(board), path, dpi=dpi)
    return path


def _new_file() -> Path:
    handle, name = tempfile.mkstemp(prefix="mitobench-", suffix=".png")
    os.close(handle)
    return Path(name)


def _has_display() -> bool:
    return sys.platform in ("win32", "darwin") or any(os.environ.get(n) for n in ("DISPLAY", "WAYLAND_DISPLAY"))


def _show_window(drawn: "Figure") -> bool:
    """Show a figure until its window is closed; False where matplotlib finds no toolkit to make a window with."""
    try:
        from matplotlib import image
        from matplotlib import pyplot as plt

        window = plt.figure(figsize=tuple(drawn.get_size_inches()), num="mitobench")
        if window.canvas.required_interactive_framework is None:
            plt.close(window)
            return False
        axes = window.add_axes((0, 0, 1, 1))
        axes.imshow(image.imread(io.BytesIO(encode(drawn, "png", dpi=2 * _SCREEN_DPI))))
        axes.set_axis_off()
        plt.show(block=True)
    except Exception:  # whatever a toolkit makes of a display that is not there after all
        return False
    return True
