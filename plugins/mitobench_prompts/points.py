"""Points from the reference: on each object, and off it."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from mitobench.interfaces import BuildContext, Encoding
from mitobench.prompts import Prompts
from mitobench.samples import Sample
from mitobench_prompts.options import PointOptions
from mitobench_prompts.reference import ReferenceObjects
from mitobench_prompts.unencoded import Unencoded

__all__ = ["ObjectPoints", "centroid", "farthest_pixel"]

_LEAST_MARGIN = 8
Place = tuple[float, float]


class ObjectPoints(Unencoded):
    """``gt-point``: one prompt per object, with ``n`` points on it and ``negative`` points off it.

    The first point is placed by ``mode``; the others are distinct random pixels. Points off the object are random pixels within half the object's
    extent (at least 8 px) of its box: background or another object, never an ignored pixel. An object with too few pixels, or
    one that fills its neighbourhood, gets fewer points; the rest is padding (label -1).
    """

    def __init__(self, options: PointOptions, context: BuildContext) -> None:
        super().__init__(options, context)
        self.options = options

    def prompt(self, encoding: Encoding, sample: Sample, rng: np.random.Generator) -> Prompts:
        """One prompt per reference object, in ascending order of labels."""
        objects = ReferenceObjects.of(sample, "gt-point")
        count, per_prompt = len(objects), self.options.n + self.options.negative
        points = np.zeros((count, per_prompt, 2), np.float32)
        kinds = np.full((count, per_prompt), -1, np.int8)
        for index, (corner, crop) in enumerate(objects.crops()):
            on = self._on(crop, rng) + np.asarray(corner)
            points[index, : len(on)] = on[:, ::-1]
            kinds[index, : len(on)] = 1
            if self.options.negative:
                off = self._off(objects, index, rng)
                points[index, self.options.n : self.options.n + len(off)] = off[:, ::-1]
                kinds[index, self.options.n : self.options.n + len(off)] = 0
        return Prompts(points=points, point_labels=kinds, targets=objects.ids)

    def _on(self, crop: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.float64]:
        """float64 (1..n, 2), (y, x) in the crop."""
        if self.options.mode == "random":
            return _random_pixels(crop, self.options.n, rng)
        first = np.array([centroid(crop) if self.options.mode == "centroid" else farthest_pixel(crop)], np.float64)
        if self.options.n == 1:
            return first
        others = crop.copy()
        others[tuple(np.rint(first[0]).astype(int))] = False
        return np.concatenate([first, _random_pixels(others, self.options.n - 1, rng)])

    def _off(self, objects: ReferenceObjects, index: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """float64 (0..negative, 2), (y, x) in the image."""
        y0, x0, y1, x1 = objects.boxes[index]
        corner, off = objects.surroundings(index, max(_LEAST_MARGIN, int(max(y1 - y0, x1 - x0)) // 2))
        return _random_pixels(off, self.options.negative, rng) + np.asarray(corner, np.float64)


def centroid(mask: NDArray[np.bool_]) -> Place:
    """The mean (y, x) of an object's pixels or, where that lies off the object, its pixel nearest to it.

    A position lies on the object when the pixel that contains it does. Of equally near pixels the first in raster order
    is taken.

    Args:
        mask: bool (h, w), True on the object; at least one pixel.
    """
    rows, cols = np.nonzero(mask)
    y, x = float(rows.mean()), float(cols.mean())
    if mask[int(np.rint(y)), int(np.rint(x))]:
        return y, x
    nearest = int(np.argmin((rows - y) ** 2 + (cols - x) ** 2))
    return float(rows[nearest]), float(cols[nearest])


def farthest_pixel(mask: NDArray[np.bool_]) -> Place:
    """The pixel (y, x) of an object that is farthest from the object's border; the edge of the window is border too.

    Of equally far pixels the one nearest to the mean position is taken, then the first in raster order.

    Args:
        mask: bool (h, w), True on the object; at least one pixel.
    """
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    rows, cols = np.nonzero(depth == depth.max())
    if rows.size == 1:
        return float(rows[0]), float(cols[0])
    all_rows, all_cols = np.nonzero(mask)
    nearest = int(np.argmin((rows - all_rows.mean()) ** 2 + (cols - all_cols.mean()) ** 2))
    return float(rows[nearest]), float(cols[nearest])


def _random_pixels(mask: NDArray[np.bool_], count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Up to ``count`` distinct pixels (y, x) of a mask, uniformly, float64 (K, 2)."""
    places = np.flatnonzero(mask)
    chosen = rng.choice(places, min(count, places.size), replace=False)
    return np.stack(np.unravel_index(chosen, mask.shape), axis=1).astype(np.float64)
