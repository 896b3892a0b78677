"""How all figures look: type, colours, paper, files. A figure is made without pyplot, so no window and no state is left."""

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from mitobench.text import inert

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["FORMATS", "LINES", "NO_BREAK", "PAGE_WIDTH", "TEXT", "encode", "figure", "styled", "text_width", "wrap"]

FORMATS = ("png", "svg", "pdf")
PAGE_WIDTH = 7.2
"""Inches; two columns of a journal page."""

TEXT = 7.0
"""Points of most text."""

LINES = (
    ("#0072B2", "o", "-"),
    ("#D55E00", "s", "-"),
    ("#009E73", "^", "-"),
    ("#CC79A7", "D", "-"),
    ("#E69F00", "v", "-"),
    ("#56B4E9", "P", "-"),
    ("#000000", "X", "-"),
    ("#0072B2", "s", "--"),
    ("#D55E00", "^", "--"),
    ("#009E73", "D", "--"),
    ("#CC79A7", "v", "--"),
    ("#E69F00", "P", "--"),
    ("#56B4E9", "X", "--"),
    ("#000000", "o", "--"),
)
"""Colour (Okabe and Ito), marker and dash of each line of a chart; no two share all three."""

NO_BREAK = "\u00a0"
"""The no-break space, which holds words of a title together."""

_RC: Any = {
    "axes.grid": True,
    "axes.labelsize": TEXT,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": TEXT + 1,
    "font.family": "DejaVu Sans",
    "font.size": TEXT,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.5,
    "legend.fontsize": TEXT,
    "legend.frameon": False,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "pdf.fonttype": 42,
    "svg.hashsalt": "mitobench",
    "text.parse_math": False,
    "xtick.labelsize": TEXT,
    "ytick.labelsize": TEXT,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
}


@contextmanager
def styled() -> Iterator[None]:
    """Within the block, what matplotlib makes looks as ours does."""
    import matplotlib as mpl

    with mpl.rc_context(_RC):
        yield


def figure(width: float, height: float) -> "Figure":
    """An empty figure of so many inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    made = Figure(figsize=(width, height), facecolor="white")
    FigureCanvasAgg(made)
    return made


def encode(drawn: "Figure", file_format: str, *, dpi: int = 300) -> bytes:
    """A figure as the bytes of a file; equal figures give equal bytes.

    Args:
        drawn: the figure.
        file_format: ``png``, ``svg`` or ``pdf``.
        dpi: pixels per inch of PNG files, and of images within the others.
    """
    from PIL import Image

    options: dict[str, dict[str, Any]] = {
        "png": {"pil_kwargs": {"compress_level": 0}},
        "svg": {"metadata": {"Date": None}},
        "pdf": {"metadata": {"CreationDate": None}},
    }
    buffer = io.BytesIO()
    with styled(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph .* missing", category=UserWarning)
        drawn.savefig(buffer, format=file_format, dpi=dpi, **options[file_format])
    if file_format != "png":
        return buffer.getvalue()
    with Image.open(buffer) as transparent:
        opaque, packed = transparent.convert("RGB"), io.BytesIO()
    opaque.save(packed, "PNG", dpi=(dpi, dpi), compress_level=9)
    return packed.getvalue()


def wrap(text: str, inches: float, *, size: float = TEXT, lines: int = 6, bold: bool = False) -> str:
    """Text in lines of at most so many inches, broken at blanks, within longer words after punctuation, else anywhere.

    A "×" stays with what follows it, and so do words before a no-break space. What does not fit into ``lines`` becomes "…". Line breaks in the text stay.
    """
    done: list[str] = []
    for paragraph in text.split("\n"):
        line = ""
        for piece in _pieces(_shown(paragraph), inches, size, bold):
            if line and not _fits(line + piece.rstrip(), inches, size, bold):
                done.append(line.rstrip())
                line = ""
            line += piece
        done.append(line.rstrip())
    if len(done) > lines:
        done = [*done[: lines - 1], done[lines - 1][:-1] + "…"]
    return "\n".join(done)


def _shown(text: str) -> str:
    inert_parts = (inert(part) for part in text.replace(" × ", f" ×{NO_BREAK}").split(NO_BREAK))
    return NO_BREAK.join(inert_parts)


def _pieces(text: str, inches: float, size: float, bold: bool) -> Iterator[str]:
    """Words with the blank after them; those that are too long in parts that are not."""
    for word in re.findall(r"[^ ]+ ?| ", text):
        if _fits(word.rstrip(), inches, size, bold):
            yield word
            continue
        for part in re.findall(r"[^,:=/_+-]*[,:=/_+-]?", word):
            while not _fits(part.rstrip(), inches, size, bold) and len(part) > 1:
                end = next(n for n in range(len(part) - 1, 0, -1) if n == 1 or _fits(part[:n], inches, size, bold))
                yield part[:end]
                part = part[end:]
            yield part


def text_width(text: str, *, size: float = TEXT, bold: bool = False) -> float:
    """Inches that one line of text takes."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph .* missing", category=UserWarning)
        return _width_at_ten_points(text, bold) * size / 10


def _fits(text: str, inches: float, size: float, bold: bool) -> bool:
    return text_width(text, size=size, bold=bold) <= inches


@cache
def _width_at_ten_points(text: str, bold: bool) -> float:
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextToPath

    font = FontProperties(family="DejaVu Sans", size=10, weight="bold" if bold else "normal")
    width, _, _ = TextToPath().get_text_width_height_descent(text, font, ismath=False)
    return float(width) / 72
