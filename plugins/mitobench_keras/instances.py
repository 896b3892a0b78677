"""From the network's probability map to instances, and from instances to what a prompter says about them."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from mitobench.images import connected_components

__all__ = ["find_instances", "inside_centres", "mean_centres", "tight_boxes"]


def find_instances(
    probability: NDArray[np.float32], *, threshold: float, min_area: int
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """The 8-connected components of where the probability is above a threshold, as published.

    Args:
        probability: float32 (H, W) in 0..1.
        threshold: 0..1; a pixel exactly at it is background, so that a network that knows nothing (0.5) finds nothing.
        min_area: components of fewer pixels are dropped.

    Returns:
        labels int32 (H, W), 1..K in raster order, and the mean probability of each, float32 (K,) in 0..1.
    """
    labels = connected_components(probability > threshold)
    areas = np.bincount(labels.reshape(-1))
    keep = areas >= min_area
    keep[0] = False
    labels = (np.cumsum(keep) * keep).astype(np.int32)[labels]
    counts, sums = (np.bincount(labels.reshape(-1), weights=w)[1:] for w in (None, probability.reshape(-1)))
    return labels, np.clip(sums / np.maximum(counts, 1), 0, 1).astype(np.float32)


def mean_centres(labels: NDArray[np.int32]) -> NDArray[np.float32]:
    """float32 (K, 2): the mean pixel position (x, y) of each of the instances 1..K, on it or not."""
    rows, columns = np.nonzero(labels)
    ids = labels[rows, columns]
    counts = np.bincount(ids)[1:]
    sums = [np.bincount(ids, weights=values)[1:] for values in (columns, rows)]
    return np.stack([total / np.maximum(counts, 1) for total in sums], axis=1).astype(np.float32)


def inside_centres(labels: NDArray[np.int32]) -> NDArray[np.float32]:
    """float32 (K, 2): as :func:`mean_centres`, but moved to the instance's nearest pixel where that lies off it."""
    points = mean_centres(labels)
    for index, (rows, columns) in enumerate(ndimage.find_objects(labels)):
        own = np.argwhere(labels[rows, columns] == index + 1)[:, ::-1] + (columns.start, rows.start)
        nearest = own[np.argmin(((own - points[index]) ** 2).sum(axis=1))]
        if np.abs(nearest - points[index]).max() > 0.5:
            points[index] = nearest
    return points


def tight_boxes(labels: NDArray[np.int32]) -> NDArray[np.float32]:
    """float32 (K, 4): (x0, y0, x1, y1) of the outermost pixel centres of the instances 1..K."""
    rows = [(c.start, r.start, c.stop - 1, r.stop - 1) for r, c in ndimage.find_objects(labels)]
    return np.array(rows, np.float32).reshape(-1, 4)
