"""Boxes in two conventions, and the boxes of a reference.

Prompts count from pixel centres: the box that encloses the pixels of columns a..b is (a, b). YOLO counts from pixel edges:
the same box is (a, b + 1). Everything in this plugin is in edges, save what :func:`from_edges` hands to a prompt.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["clip", "from_edges", "from_yolo", "reference_boxes", "to_edges", "to_yolo"]


def to_edges(boxes: NDArray[np.floating]) -> NDArray[np.float64]:
    """Boxes (N, 4) of prompts, (x0, y0, x1, y1) of the outermost pixel centres, as edges float64 (N, 4)."""
    edges: NDArray[np.float64] = np.asarray(boxes, np.float64).reshape(-1, 4) + np.array([0.0, 0.0, 1.0, 1.0])
    return edges


def from_edges(boxes: NDArray[np.floating]) -> NDArray[np.float32]:
    """Edges (N, 4) as boxes of prompts, float32 (N, 4); a box narrower than a pixel becomes its middle.

    >>> from_edges(np.array([[2.0, 3.0, 10.0, 4.0], [2.0, 3.0, 2.5, 9.0]])).tolist()
    [[2.0, 3.0, 9.0, 3.0], [1.75, 3.0, 1.75, 8.0]]
    """
    low = np.asarray(boxes, np.float64).reshape(-1, 4)[:, :2]
    high = np.asarray(boxes, np.float64).reshape(-1, 4)[:, 2:] - 1
    middle = (low + high) / 2
    return np.concatenate([np.minimum(low, middle), np.maximum(high, middle)], axis=1).astype(np.float32)


def clip(boxes: NDArray[np.floating], shape: tuple[int, int]) -> NDArray[np.float64]:
    """Edges (N, 4) cut to an (H, W) image, float64 (N, 4); what lies off the image has no area afterwards."""
    limit = np.array([shape[1], shape[0], shape[1], shape[0]], np.float64)
    return np.clip(np.asarray(boxes, np.float64).reshape(-1, 4), 0.0, limit)


def to_yolo(boxes: NDArray[np.floating], shape: tuple[int, int]) -> NDArray[np.float64]:
    """Edges (N, 4) as YOLO's label files have them: centre x, centre y, width, height, each a share of the (H, W) image."""
    x0, y0, x1, y1 = np.asarray(boxes, np.float64).reshape(-1, 4).T
    height, width = shape
    return np.stack([(x0 + x1) / 2 / width, (y0 + y1) / 2 / height, (x1 - x0) / width, (y1 - y0) / height], axis=1)


def from_yolo(rows: NDArray[np.floating], shape: tuple[int, int]) -> NDArray[np.float64]:
    """The inverse of :func:`to_yolo`."""
    x, y, w, h = np.asarray(rows, np.float64).reshape(-1, 4).T
    height, width = shape
    return np.stack([(x - w / 2) * width, (y - h / 2) * height, (x + w / 2) * width, (y + h / 2) * height], axis=1)


def reference_boxes(labels: NDArray[np.integer]) -> NDArray[np.float64]:
    """Edges float64 (K, 4) that tightly enclose each object of an (H, W) label image, in ascending order of the labels."""
    present, dense = np.unique(labels, return_inverse=True)
    numbers = dense.reshape(labels.shape).astype(np.int32)
    if present.size and present[0] > 0:  # no background pixel
        numbers += 1
    rows = [(c.start, r.start, c.stop, r.stop) for r, c in ndimage.find_objects(numbers)]
    return np.array(rows, np.float64).reshape(-1, 4)
