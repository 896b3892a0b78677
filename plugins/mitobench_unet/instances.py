"""From the network's probability maps to instances, and from instances to what a prompter says about them."""

from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["find_instances", "inside_centres", "instance_means", "tight_boxes"]

_EIGHT = np.ones((3, 3), bool)
_BLOCK_PIXELS = 1 << 22
_SMOOTHING = 1.0
"""Sigma in pixels by which the distance map is smoothed before its hills are counted."""
_HILL = 0.75
"""How far in pixels a hill of the distance map must rise above the pass to the next to be an instance of its own."""


def find_instances(
    maps: NDArray[np.float32],
    *,
    threshold: float,
    min_area: int,
    split: Literal["components", "watershed"],
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Cut the foreground into instances.

    The foreground is where map 0 reaches ``threshold``. ``components`` takes its 8-connected components. ``watershed``
    takes one seed per hill of the distance to the border of the interior (map 1 at 0.5 or more, within the foreground) and
    grows the seeds over the foreground along falling interior probability, so that touching objects come apart; foreground
    without a seed stays one component. Instances of
    fewer than ``min_area`` pixels are dropped; the others are numbered 1..K in the raster order of their first pixel.

    Args:
        maps: float32 (2, H, W) probabilities: foreground, interior.
        threshold: of the foreground, 0..1.
        min_area: pixels.
        split: how.

    Returns:
        labels int32 (H, W) and the mean foreground probability of each instance, float32 (K,) in 0..1.

    Source: Meyer, "Topographic distance and watershed lines", Signal Processing 1994, as implemented in scikit-image.
    """
    foreground = maps[0] >= threshold
    labels, _ = ndimage.label(foreground, structure=_EIGHT)
    if split == "watershed" and labels.any():
        labels = _flood(maps[1], labels)
    labels = _ordered(labels, min_area)
    return labels, instance_means(maps[0], labels)


def _flood(interior: NDArray[np.float32], components: NDArray[np.int32]) -> NDArray[np.int32]:
    from skimage.segmentation import watershed

    seeds = _seeds((interior >= 0.5) & (components > 0))
    seeded = np.zeros(int(components.max()) + 1, bool)
    seeded[components[seeds > 0]] = True
    lonely = (components > 0) & ~seeded[components]
    seeds[lonely] = components[lonely] + int(seeds.max())
    return np.asarray(watershed(-interior, seeds, mask=components > 0, connectivity=_EIGHT), np.int32)


def _seeds(inside: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Numbered seeds, int32 (H, W): one per hill of the distance to the interior's border; dents and specks make none."""
    from skimage.morphology import h_maxima

    depth = ndimage.gaussian_filter(ndimage.distance_transform_edt(inside), _SMOOTHING)
    if not inside.any() or inside.all():
        return inside.astype(np.int32)
    hills = (h_maxima(depth, _HILL) > 0) & inside
    return np.asarray(ndimage.label(hills, structure=_EIGHT)[0], np.int32)


def _ordered(labels: NDArray[np.int32], min_area: int) -> NDArray[np.int32]:
    """Drop small instances and number the rest 1..K in the raster order of their first pixel."""
    size = int(labels.max(initial=0)) + 1
    counts, first = np.zeros(size, np.int64), np.zeros(size, np.int64)
    width = labels.shape[1]
    for start, rows in reversed(list(_row_blocks(labels))):
        flat = rows.reshape(-1)
        counts += np.bincount(flat, minlength=size)
        first[flat[::-1]] = np.arange(start * width, start * width + flat.size)[::-1]  # the last write wins
    keep = counts >= max(1, min_area)
    keep[0] = False
    numbers = np.zeros(size, np.int32)
    numbers[np.flatnonzero(keep)[np.argsort(first[keep], kind="stable")]] = np.arange(1, keep.sum() + 1)
    return numbers[labels]


def instance_means(values: NDArray[np.float32], labels: NDArray[np.int32]) -> NDArray[np.float32]:
    """float32 (K,), clipped to 0..1: the mean of ``values`` (H, W) over each of the instances 1..K, all with pixels."""
    size = int(labels.max(initial=0)) + 1
    counts, sums = np.zeros(size, np.int64), np.zeros(size, np.float64)
    for start, rows in _row_blocks(labels):
        part = values[start : start + rows.shape[0]].reshape(-1)
        counts += np.bincount(rows.reshape(-1), minlength=size)
        sums += np.bincount(rows.reshape(-1), weights=part, minlength=size)
    return np.clip(sums[1:] / np.maximum(counts[1:], 1), 0, 1).astype(np.float32)


def _row_blocks(labels: NDArray[np.int32]) -> Iterator[tuple[int, NDArray[np.int32]]]:
    """First row and rows of blocks, so that counting a huge image needs no 64-bit copy of it."""
    step = max(1, _BLOCK_PIXELS // labels.shape[1])
    for start in range(0, labels.shape[0], step):
        yield start, labels[start : start + step]


def tight_boxes(labels: NDArray[np.int32]) -> NDArray[np.float32]:
    """float32 (K, 4): (x0, y0, x1, y1) of the outermost pixel centres of the instances 1..K."""
    rows = [(c.start, r.start, c.stop - 1, r.stop - 1) for r, c in ndimage.find_objects(labels)]
    return np.array(rows, np.float32).reshape(-1, 4)


def inside_centres(labels: NDArray[np.int32]) -> NDArray[np.float32]:
    """float32 (K, 2): a point (x, y) inside each of the instances 1..K.

    It is the mean pixel position where that falls on the instance, and otherwise (a ring, a crescent) the centre of the
    instance's pixel nearest to it, the first in raster order of several.
    """
    points = np.zeros((int(labels.max(initial=0)), 2), np.float32)
    for index, window in enumerate(ndimage.find_objects(labels)):
        rows, columns = np.nonzero(labels[window] == index + 1)
        y, x = rows.mean(), columns.mean()
        nearest = int(np.argmin((rows - y) ** 2 + (columns - x) ** 2))
        off = max(abs(rows[nearest] - y), abs(columns[nearest] - x)) > 0.5
        if off:
            y, x = float(rows[nearest]), float(columns[nearest])
        points[index] = x + window[1].start, y + window[0].start
    return points
