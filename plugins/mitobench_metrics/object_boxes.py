"""Bounding boxes of the objects of a label image."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["Box", "joint_box", "object_boxes"]

Box = tuple[slice, slice]
"""Rows and columns of an (H, W) image."""


def object_boxes(labels: NDArray[np.int32], ids: NDArray[np.int64]) -> dict[int, Box]:
    """The bounding box of each object, in memory that does not grow with the ids.

    Args:
        labels: int32 (H, W), >= 0.
        ids: int64 (N,), all that occur in ``labels`` but 0, ascending.

    >>> object_boxes(np.array([[0, 2**31 - 1], [0, 2**31 - 1]], np.int32), np.array([2**31 - 1]))
    {2147483647: (slice(0, 2, None), slice(1, 2, None))}
    """
    if ids.size == 0:
        return {}
    if ids[-1] <= 4 * ids.size + 1024:
        found = ndimage.find_objects(labels)
        return {int(i): found[int(i) - 1] for i in ids}
    found = ndimage.find_objects(np.searchsorted(ids, labels) + (labels > 0))
    return dict(zip(ids.tolist(), found, strict=True))


def joint_box(first: Box, second: Box) -> Box:
    """The smallest box that holds both.

    Args:
        first, second: rows and columns of one image.

    >>> joint_box((slice(0, 2), slice(5, 6)), (slice(1, 4), slice(0, 3)))
    (slice(0, 4, None), slice(0, 6, None))
    """
    rows, columns = (slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(first, second, strict=True))
    return rows, columns
