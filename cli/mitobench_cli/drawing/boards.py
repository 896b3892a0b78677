"""Boards: image panels in rows and columns, drawn in pixels, before anyone decides whether for paper, window or terminal."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mitobench.overlays import (
    BOX,
    FALSE_NEGATIVE,
    FALSE_POSITIVE,
    MASK,
    NEGATIVE_POINT,
    POSITIVE_POINT,
    REFERENCE,
    TRUE_POSITIVE,
    Colour,
    Picture,
    as_rgb,
    draw_comparison,
    draw_outlines,
    enlarge,
    stretched,
)
from mitobench.prompt_overlays import draw_prompts, typical_diameter
from mitobench.prompts import Prompts
from mitobench.samples import Sample

__all__ = ["COMPARISON", "REFERENCE_LEGEND", "Board", "Layer", "Legend", "Panel", "View", "counted", "prompt_legend"]

Legend = tuple[tuple[Colour, str], ...]
"""What the colours of a board mean."""

Layer = tuple[NDArray[np.integer], Colour]
"""Labels (H, W) and the colour of their outlines."""

COMPARISON: Legend = (
    (TRUE_POSITIVE, "found (IoU ≥ 0.5)"),
    (FALSE_POSITIVE, "false positive"),
    (FALSE_NEGATIVE, "missed reference object"),
)
REFERENCE_LEGEND: Legend = ((REFERENCE, "reference"),)

_SIDE = 768
_LINES_PER_SIDE = 200


@dataclass(frozen=True, kw_only=True, eq=False)
class Panel:
    """One picture with its title.

    Attributes:
        picture: uint8 (H, W, 3).
        title: what is written above it, one or a few short lines; no-break spaces hold words together.
        pixel_size_nm: of a pixel of the picture along x, or None where unknown.
    """

    picture: Picture
    title: str = ""
    pixel_size_nm: float | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Board:
    """Panels in rows and columns.

    Attributes:
        rows: the panels; None leaves a place empty.
        row_titles: one for each row, or none at all.
        column_titles: one for each column, or none at all.
        legend: what the colours mean.
    """

    rows: tuple[tuple[Panel | None, ...], ...]
    row_titles: tuple[str, ...] = ()
    column_titles: tuple[str, ...] = ()
    legend: Legend = ()

    @classmethod
    def grid(cls, panels: Sequence[Panel], columns: int, legend: Legend = ()) -> "Board":
        """Panels one after another, ``columns`` in a row."""
        padded = [*panels, *[None] * (-len(panels) % columns)]
        rows = tuple(tuple(padded[start : start + columns]) for start in range(0, len(padded), columns))
        return cls(rows=rows, legend=legend)

    @property
    def panels(self) -> list[Panel]:
        """All panels that are there."""
        return [panel for row in self.rows for panel in row if panel is not None]


class View:
    """An image at the size at which it is drawn on: small ones are enlarged, so that lines can be fine.

    Args:
        image: (H, W) or (H, W, 3).
        pixel_size_nm: (y, x), or None.
        side: pixels that the longer side of the enlarged picture has, about.
        stretch: whether contrast is stretched for display; see :func:`mitobench.overlays.stretched`.
        reference: labels (H, W), by whose size points are drawn larger or smaller, or None.
    """

    def __init__(
        self,
        image: NDArray[Any],
        pixel_size_nm: tuple[float, float] | None = None,
        *,
        side: int = _SIDE,
        stretch: bool = True,
        reference: NDArray[np.integer] | None = None,
    ) -> None:
        self._scale = max(1, round(side / max(image.shape[:2])))
        self._reference = reference
        picture = as_rgb(image)
        self._picture = enlarge(stretched(picture) if stretch else picture, self._scale)
        self._width = max(1, round(max(self._picture.shape[:2]) / _LINES_PER_SIDE))
        self._shrink = max(1, round(max(self._picture.shape[:2]) / (2 * side)))
        self._pixel = None if pixel_size_nm is None else pixel_size_nm[1] * self._shrink / self._scale

    @classmethod
    def of(cls, sample: Sample, *, side: int = _SIDE, stretch: bool = True) -> "View":
        """A sample's image."""
        return cls(sample.image, sample.pixel_size_nm, side=side, stretch=stretch, reference=sample.labels)

    def plain(self, title: str = "") -> Panel:
        """The image alone."""
        return self._panel(self._picture, title)

    def compared(
        self,
        reference: NDArray[np.integer],
        predicted: NDArray[np.integer],
        title: str = "",
        *,
        ignore: NDArray[np.bool_] | None = None,
        partial: bool = False,
    ) -> Panel:
        """The image with what was found, invented and missed."""
        first, second = enlarge(reference, self._scale), enlarge(predicted, self._scale)
        left_out = None if ignore is None else enlarge(ignore, self._scale)
        drawn = draw_comparison(self._picture, first, second, width=self._width, ignore=left_out, partial=partial)
        return self._panel(drawn, title)

    def prompted(self, prompts: Prompts, title: str = "", *, layers: Sequence[Layer] = ()) -> Panel:
        """The image with prompts, over outlines of labels in their colours."""
        picture = self._picture
        for labels, colour in layers:
            picture = draw_outlines(picture, enlarge(labels, self._scale), colour, width=self._width)
        known = None if self._reference is None or prompts.points is None else typical_diameter(self._reference)
        drawn = draw_prompts(picture, prompts, scale=self._scale, width=self._width, diameter=known)
        return self._panel(drawn, title)

    def outlined(self, labels: NDArray[np.integer], colour: Colour, title: str = "") -> Panel:
        """The image with the outline of every object."""
        return self.prompted(Prompts(), title, layers=[(labels, colour)])

    def _panel(self, picture: Picture, title: str) -> Panel:
        return Panel(picture=_shrunk(picture, self._shrink), title=title, pixel_size_nm=self._pixel)


def prompt_legend(prompts: Sequence[Prompts]) -> Legend:
    """What the colours of the prompts that occur mean."""
    labels = {int(v) for p in prompts if p.point_labels is not None for v in np.unique(p.point_labels)}
    kinds = {kind for p in prompts for kind in p.kinds}
    entries: list[tuple[bool, Colour, str]] = [
        ("box" in kinds, BOX, "box"),
        (1 in labels, POSITIVE_POINT, "positive point"),
        (0 in labels, NEGATIVE_POINT, "negative point"),
        ("mask" in kinds, MASK, "mask"),
    ]
    return tuple((colour, text) for there, colour, text in entries if there)


def counted(count: int, noun: str) -> str:
    """A count with its noun.

    >>> counted(1, "object"), counted(2, "object")
    ('1 object', '2 objects')
    """
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _shrunk(picture: Picture, factor: int) -> Picture:
    """The mean of every ``factor`` x ``factor`` pixels; what is left over at the right and below is dropped."""
    if factor == 1:
        return picture
    height, width = (n // factor for n in picture.shape[:2])
    blocks = picture[: height * factor, : width * factor].reshape(height, factor, width, factor, 3)
    return np.asarray(np.rint(blocks.mean(axis=(1, 3), dtype=np.float32)), np.uint8)
