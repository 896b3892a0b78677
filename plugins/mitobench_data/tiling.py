"""Cutting an image into patches."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

__all__ = ["Tile", "tiles"]


@dataclass(frozen=True)
class Tile:
    """A patch of an image: its top-left pixel (y, x) and its size (height, width), in pixels."""

    y: int
    x: int
    height: int
    width: int

    @property
    def window(self) -> tuple[slice, slice]:
        """What to index an (H, W) or (H, W, C) array with."""
        return slice(self.y, self.y + self.height), slice(self.x, self.x + self.width)

    def __str__(self) -> str:
        return f"y{self.y:04d}_x{self.x:04d}"


def tiles(shape: tuple[int, int], patch: int, overlap: int = 0) -> Iterator[Tile]:
    """Cover an (H, W) image with patches of at most ``patch`` pixels a side, row by row.

    Without overlap every pixel lies in exactly one patch; where ``patch`` does not divide a side, the side is cut into
    equal parts (to a pixel) rather than leaving a sliver. With overlap every patch is ``patch`` wide (or as wide as the
    image) and neighbours share at least ``overlap`` pixels.
    """
    for y, height in _cuts(shape[0], patch, overlap):
        for x, width in _cuts(shape[1], patch, overlap):
            yield Tile(y, x, height, width)


def _cuts(length: int, patch: int, overlap: int) -> list[tuple[int, int]]:
    """(start, size) of each part of one side."""
    if length <= patch:
        return [(0, length)]
    if not overlap:
        parts = -(-length // patch)
        edges = [length * part // parts for part in range(parts + 1)]
        return [(start, end - start) for start, end in pairwise(edges)]
    steps = -(-(length - patch) // (patch - overlap))
    return [((length - patch) * step // steps, patch) for step in range(steps + 1)]
