"""Label images of overlapping tiles joined into one: what was cut at a tile's border becomes one object again.

Every pixel belongs to the *core* of one tile: neighbours share their overlap half and half, and the line between the halves
is the *seam*. Along a seam, in the middle half of the overlap (the *band*), where both tiles still see a margin around
every pixel, connected pieces of objects are compared: an earlier object and one of the new tile that reaches over the seam
become one object where two of their pieces have an IoU of at least 0.5, or share at least 0.75 of the smaller one. So where
instances are the connected components of a foreground that does not depend on the tile, the result is exactly that of the
whole image.

An object that reaches over a seam and became one with nothing there was seen by one tile alone. It is kept whole if most of
it lies in that tile's core, painted over background only, and left out if not: no object is cut off straight at a seam.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Stitcher", "Tile", "tile_grid"]

_IOU = 0.5
_SHARED = 0.75


class Part(NamedTuple):
    """Along one axis: the pixels that a tile sees, those that it owns, and the bands along its first and last seam."""

    seen: tuple[int, int]
    owned: tuple[int, int]
    band: tuple[int, int]


@dataclass(frozen=True)
class Tile:
    """One tile of an image.

    Attributes:
        rows, columns: half-open pixel ranges that it sees (``seen``), that it owns (``owned``) and of the band along its
            upper and left seam (``band``; empty at the image's edge).
    """

    rows: Part
    columns: Part

    @property
    def window(self) -> tuple[slice, slice]:
        """What to index an (H, W) or (H, W, C) array with."""
        return slice(*self.rows.seen), slice(*self.columns.seen)

    @property
    def core(self) -> tuple[slice, slice]:
        """The pixels that it owns."""
        return slice(*self.rows.owned), slice(*self.columns.owned)


def tile_grid(shape: tuple[int, int], side: int, overlap: int) -> list[Tile]:
    """Cover an (H, W) image with square tiles, row by row.

    Args:
        shape: (H, W) in pixels.
        side: of a tile, or as much as the image has.
        overlap: pixels that neighbours share at least, 2 or more and less than ``side``.

    Raises:
        ValueError: an overlap that is not so.
    """
    if not 2 <= overlap < side:
        raise ValueError(f"overlap is {overlap}; expected 2 or more and less than the side, {side}.")
    return [
        Tile(rows, columns) for rows in _parts(shape[0], side, overlap) for columns in _parts(shape[1], side, overlap)
    ]


def _parts(length: int, side: int, overlap: int) -> list[Part]:
    if length <= side:
        return [Part((0, length), (0, length), (0, 0))]
    steps = -(-(length - side) // (side - overlap))
    starts = [(length - side) * step // steps for step in range(steps + 1)]
    shared = [(following, start + side) for start, following in pairwise(starts)]
    seams = [0, *((low + high) // 2 for low, high in shared), length]
    bands = [(0, 0)]
    for (low, high), seam in zip(shared, seams[1:-1], strict=True):
        half = max(1, (high - low) // 4)
        bands.append((seam - half, seam + half))
    return [
        Part((start, start + side), owned, band)
        for start, owned, band in zip(starts, pairwise(seams), bands, strict=True)
    ]


@dataclass(eq=False)
class Stitcher:
    """Joins the labels of tiles, which come one after the other in the order of :func:`tile_grid`.

    Memory: int32 (H, W), and the mask of each object that reaches over a seam.

    Attributes:
        shape: (H, W) of the image.
    """

    shape: tuple[int, int]
    _canvas: NDArray[np.int32] = field(init=False)
    _scores: list[float] = field(default_factory=lambda: [0.0])
    _roots: list[int] = field(default_factory=lambda: [0])
    _crossing: dict[int, "_Crossing"] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._canvas = np.zeros(self.shape, np.int32)

    def add(self, tile: Tile, labels: NDArray[np.int32], scores: NDArray[np.float32]) -> None:
        """Add one tile.

        Args:
            tile: which.
            labels: int32 (h, w) of what it sees, 0 = background, instances 1..K.
            scores: float32 (K,).
        """
        first = len(self._roots) - 1
        self._roots.extend(range(first + 1, first + 1 + scores.size))
        self._scores.extend(scores.tolist())
        ours = np.where(labels, labels + np.int32(first), np.int32(0))
        for band, seam, axis in _bands(tile):
            self._match(tile, ours, band, seam, axis)
        self._keep_crossing(tile, labels, first)
        top, left = tile.rows.owned[0], tile.columns.owned[0]
        own = ours[top - tile.rows.seen[0] :, left - tile.columns.seen[0] :]
        self._canvas[top : tile.rows.seen[1], left : tile.columns.seen[1]] = own

    def finish(self) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """The joined labels, when every tile has been added.

        Returns:
            int32 (H, W), instances 1..K in the raster order of their first pixel, and float32 (K,): the highest score of
            the parts of each.
        """
        roots = self._all_roots()
        alone = np.bincount(roots, minlength=roots.size)[roots] == 1
        for number, crossing in self._crossing.items():
            if alone[number]:
                crossing.settle(self._canvas, number)
        best = np.zeros(roots.size, np.float64)
        np.maximum.at(best, roots, self._scores)
        return _consecutive(self._canvas, roots, best)

    def _match(self, tile: Tile, ours: NDArray[np.int32], band: tuple[slice, slice], seam: int, axis: int) -> None:
        """Make one what is one along a seam."""
        theirs = self._current(self._canvas[band])
        top, left = tile.rows.seen[0], tile.columns.seen[0]
        new = ours[band[0].start - top : band[0].stop - top, band[1].start - left : band[1].stop - left]
        for earlier, later in _matches(theirs, new, seam - band[axis].start, axis):
            one, other = self._root(earlier), self._root(later)
            self._roots[max(one, other)] = min(one, other)

    def _current(self, labels: NDArray[np.int32]) -> NDArray[np.int32]:
        """The labels with each object under the number of what it has become one with."""
        present, inverse = np.unique(labels, return_inverse=True)
        return np.array([self._root(int(n)) for n in present], np.int32)[inverse].reshape(labels.shape)

    def _root(self, number: int) -> int:
        while self._roots[number] != number:
            self._roots[number] = self._roots[self._roots[number]]
            number = self._roots[number]
        return number

    def _all_roots(self) -> NDArray[np.int64]:
        return np.array([self._root(number) for number in range(len(self._roots))], np.int64)

    def _keep_crossing(self, tile: Tile, labels: NDArray[np.int32], first: int) -> None:
        """Keep each object that reaches over a seam: its mask, and whether most of it lies in its tile's core."""
        from scipy import ndimage

        top, left = tile.rows.seen[0], tile.columns.seen[0]
        core = tuple(slice(s.start - o, s.stop - o) for s, o in zip(tile.core, (top, left), strict=True))
        seen = np.bincount(labels.ravel())
        owned = np.bincount(labels[core].ravel(), minlength=seen.size)
        owned[0] = 0
        crossing = np.flatnonzero((owned > 0) & (owned < seen))
        boxes = ndimage.find_objects(labels) if crossing.size else []
        for number in crossing.tolist():
            rows, columns = boxes[number - 1]
            place = slice(rows.start + top, rows.stop + top), slice(columns.start + left, columns.stop + left)
            mask = labels[rows, columns] == number
            self._crossing[first + number] = _Crossing(place, mask, home=bool(2 * owned[number] >= seen[number]))


@dataclass(frozen=True, eq=False)
class _Crossing:
    """An object that reaches over a seam, as its tile saw it: bool mask (h, w) at ``place``; ``home``: most of it in the core."""

    place: tuple[slice, slice]
    mask: NDArray[np.bool_]
    home: bool

    def settle(self, canvas: NDArray[np.int32], number: int) -> None:
        """Where no other tile has seen it: paint the rest of it, or take it away."""
        part = canvas[self.place]
        if self.home:
            part[self.mask & (part == 0)] = number
        else:
            part[part == number] = 0


def _bands(tile: Tile) -> Iterator[tuple[tuple[slice, slice], int, int]]:
    """(band, seam, axis) of the seams between a tile and the earlier ones, in the image's pixels."""
    rows, columns = tile.window
    if tile.rows.band[1]:
        yield (slice(*tile.rows.band), columns), tile.rows.owned[0], 0
    if tile.columns.band[1]:
        yield (rows, slice(*tile.columns.band)), tile.columns.owned[0], 1


def _matches(earlier: NDArray[np.int32], later: NDArray[np.int32], seam: int, axis: int) -> Iterator[tuple[int, int]]:
    """The pairs of numbers, one of each label image of a band (h, w), that are one object by the rule above."""
    both = (earlier > 0) & (later > 0)
    if not both.any():
        return
    from skimage.measure import label

    before = (slice(seam), slice(None)) if axis == 0 else (slice(None), slice(seam))
    pieces = [label(labels, connectivity=2) for labels in (earlier, later)]
    areas = [np.bincount(piece.ravel()) for piece in pieces]
    near = np.bincount(pieces[1][before].ravel(), minlength=areas[1].size)
    over = (near > 0) & (near < areas[1])
    pairs = pieces[0][both].astype(np.int64) * areas[1].size + pieces[1][both]
    found, start, shared = np.unique(pairs, return_index=True, return_counts=True)
    first, second = areas[0][found // areas[1].size], areas[1][found % areas[1].size]
    one = (shared >= _IOU * (first + second - shared)) | (shared >= _SHARED * np.minimum(first, second))
    where = start[one & over[found % areas[1].size]]
    yield from zip(earlier[both][where].tolist(), later[both][where].tolist(), strict=True)


def _consecutive(
    canvas: NDArray[np.int32], roots: NDArray[np.int64], best: NDArray[np.float64]
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Number what has pixels 1..K in the raster order of its first pixel, row by row to save memory."""
    new = np.zeros(roots.size, np.int32)
    order: list[int] = []
    for row in canvas:
        row[...] = roots[row]
        present, place = np.unique(row, return_index=True)
        for number in present[np.argsort(place)].tolist():
            if number and not new[number]:
                order.append(number)
                new[number] = len(order)
    for row in canvas:
        row[...] = new[row]
    return canvas, best[order].astype(np.float32)
