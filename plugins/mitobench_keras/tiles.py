"""Images to the network's square inputs and its maps back to images: tiles at full resolution, or the whole image resized."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["Corner", "cut", "resized", "resized_mask", "stitch", "tile_corners"]

Corner = tuple[int, int]


def tile_corners(shape: tuple[int, int], size: int, overlap: float = 0.0) -> list[Corner]:
    """The top-left corners (y, x) of the square tiles that cover an image, in raster order.

    Tiles lie ``size * (1 - overlap)`` pixels apart; the last one of a row or column is moved back so that it ends with the
    image. A side shorter than a tile takes one tile, which :func:`cut` fills up.

    Args:
        shape: (H, W).
        size: side of a tile in pixels.
        overlap: share of the side that neighbours have in common, 0..0.5.
    """
    step = max(1, round(size * (1 - overlap)))
    starts = [_starts(length, size, step) for length in shape]
    return [(top, left) for top in starts[0] for left in starts[1]]


def _starts(length: int, size: int, step: int) -> list[int]:
    last = max(0, length - size)
    return [*range(0, last, step), last]


def cut(plane: NDArray[np.generic], corner: Corner, size: int) -> NDArray[np.generic]:
    """The (S, S) tile of a (H, W) plane at a corner; beyond its edges the plane goes on as its mirror image."""
    rows, columns = (
        np.pad(np.arange(length), (0, max(0, size - length)), mode="reflect")[start : start + size]
        for length, start in zip(plane.shape, corner, strict=True)
    )
    return np.asarray(plane[rows[:, None], columns[None, :]])


def stitch(
    tiles: Iterator[NDArray[np.float32]] | Sequence[NDArray[np.float32]],
    corners: Sequence[Corner],
    shape: tuple[int, int],
) -> NDArray[np.float32]:
    """Put tiles back where they were cut; where they overlap, blend with weights that fall linearly to a tile's edges.

    Args:
        tiles: float32 (S, S) each.
        corners: of each tile.
        shape: (H, W) of the image.

    Returns:
        float32 (H, W).
    """
    total = np.zeros(shape, np.float32)
    share = np.zeros(shape, np.float32)
    for tile, (top, left) in zip(tiles, corners, strict=True):
        window = slice(top, top + tile.shape[0]), slice(left, left + tile.shape[1])
        height, width = total[window].shape
        weight = np.minimum.outer(_ramp(tile.shape[0]), _ramp(tile.shape[1]))[:height, :width]
        total[window] += tile[:height, :width] * weight
        share[window] += weight
    return total / share


def _ramp(side: int) -> NDArray[np.float32]:
    """Weights of a tile's pixels along one side: 1 at the edges, rising by 1 a pixel to the middle."""
    distance = np.arange(1, side + 1, dtype=np.float32)
    return np.minimum(distance, distance[::-1])


def resized(plane: NDArray[np.generic], shape: tuple[int, int]) -> NDArray[np.float32]:
    """A (H, W) plane as float32 of another shape: linear interpolation, smoothed first where it shrinks."""
    from skimage.transform import resize

    shrinks = shape[0] < plane.shape[0] or shape[1] < plane.shape[1]
    values = resize(
        plane.astype(np.float32), shape, order=1, anti_aliasing=shrinks, preserve_range=True, mode="reflect"
    )
    return np.asarray(values, np.float32)


def resized_mask(mask: NDArray[np.bool_], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """A bool (H, W) mask of another shape: True where at least half of a pixel's neighbourhood is."""
    return resized(mask, shape) >= 0.5
