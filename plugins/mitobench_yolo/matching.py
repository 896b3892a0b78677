"""Which detections are right: one-to-one matching by descending confidence, and the curves that follow from it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Judged", "average_precision", "box_iou", "counts_at", "match", "peak_f1", "pool", "precision_and_recall"]

_GRID = 1000


def box_iou(first: NDArray[np.floating], second: NDArray[np.floating]) -> NDArray[np.float64]:
    """The IoU of every pair of boxes.

    Args:
        first: edges (N, 4), (x0, y0, x1, y1).
        second: edges (M, 4).

    Returns:
        float64 (N, M) in 0..1; 0 where a box has no area.
    """
    a, b = np.asarray(first, np.float64).reshape(-1, 1, 4), np.asarray(second, np.float64).reshape(1, -1, 4)
    sides = np.clip(np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]), 0, None)
    shared = sides.prod(axis=2)
    union = (a[..., 2:] - a[..., :2]).prod(axis=2) + (b[..., 2:] - b[..., :2]).prod(axis=2) - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def match(
    reference: NDArray[np.floating], boxes: NDArray[np.floating], scores: NDArray[np.floating], iou: float
) -> NDArray[np.int64]:
    """Match detections with objects, one-to-one.

    In order of falling confidence (equal ones in their order), each detection takes the object that it overlaps most of those
    not yet taken, if their IoU is at least ``iou``; of objects that it overlaps equally, the first. So the matches among
    the detections above a confidence do not depend on those below it.

    Args:
        reference: edges (M, 4) of the objects.
        boxes: edges (K, 4) of the detections.
        scores: (K,) confidences.
        iou: threshold, inclusive.

    Returns:
        int64 (K,): the object's index, or -1.

    Source: Everingham et al., "The Pascal Visual Object Classes challenge", IJCV 2010; and as in COCO, an object once taken
    does not stop a detection from taking another.
    """
    partner = np.full(len(boxes), -1, np.int64)
    overlaps = box_iou(boxes, reference)
    free = np.ones(len(reference), bool)
    for index in np.argsort(-np.asarray(scores, np.float64), kind="stable"):
        candidates = np.where(free, overlaps[index], -1.0)
        if candidates.size and candidates.max() >= iou and candidates.max() > 0:
            partner[index] = int(candidates.argmax())
            free[partner[index]] = False
    return partner


@dataclass(frozen=True, eq=False)
class Judged:
    """The detections of one or many images.

    Attributes:
        scores: float64 (K,), falling.
        right: bool (K,), matched with an object.
        objects: how many objects there are.
    """

    scores: NDArray[np.float64]
    right: NDArray[np.bool_]
    objects: int


def pool(images: Sequence[tuple[NDArray[np.floating], NDArray[np.floating]]], iou: float) -> Judged:
    """Match in every image, and put the detections of all together.

    Args:
        images: objects (M, 4) and detections (K, 5) of each image, as edges; a detection's fifth number is its confidence.
        iou: threshold.
    """
    scores = [np.zeros(0)] + [np.asarray(found[:, 4], np.float64) for _, found in images]
    right = [np.zeros(0, bool)] + [match(real, found[:, :4], found[:, 4], iou) >= 0 for real, found in images]
    everything, flags = np.concatenate(scores), np.concatenate(right)
    order = np.argsort(-everything, kind="stable")
    return Judged(everything[order], flags[order], sum(len(real) for real, _ in images))


def counts_at(judged: Judged, confidence: NDArray[np.floating]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Right detections, and all detections, of at least each of some confidences; int64, of its shape."""
    total = np.searchsorted(-judged.scores, -np.asarray(confidence, np.float64), side="right")
    right = np.concatenate([[0], np.cumsum(judged.right)])
    return right[total].astype(np.int64), total.astype(np.int64)


def peak_f1(judged: Judged) -> tuple[float, float]:
    """The highest F1 over confidences 0, 0.001 .. 1, and the confidence (the middle one of several) that gives it.

    F1 = 2 TP / (detections + objects); 0 where there are neither.
    """
    grid = np.linspace(0, 1, _GRID + 1)
    right, total = counts_at(judged, grid)
    f1 = 2 * right / np.maximum(total + judged.objects, 1)
    best = np.flatnonzero(f1 == f1.max())
    return float(f1.max()), float(grid[best[len(best) // 2]])


def precision_and_recall(judged: Judged, confidence: float) -> tuple[float, float]:
    """TP / detections and TP / objects of the detections of at least a confidence; 0 where there are none of them."""
    (right,), (total,) = counts_at(judged, np.array([confidence]))
    return float(right / max(total, 1)), float(right / max(judged.objects, 1))


def average_precision(judged: Judged) -> float:
    """The area under the precision-recall curve, every point of it used; NaN where there are no objects.

    The precision at a recall is the highest at that or any higher recall.

    Source: Everingham et al., as above (the definition since 2010).
    """
    if not judged.objects:
        return float("nan")
    right = np.cumsum(judged.right)
    precision = right / np.arange(1, len(right) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(envelope[judged.right].sum() / judged.objects)
