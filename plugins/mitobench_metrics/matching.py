"""Which reference object and which prediction are the same object, at ten thresholds of IoU."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mitobench_metrics.contingency import Contingency
from mitobench_metrics.options import Convention

__all__ = ["THRESHOLDS", "TWENTIETHS", "Matches", "match", "qualifies", "rounded_iou"]

TWENTIETHS = tuple(range(10, 20))
"""k of each threshold t = k/20: 0.50, 0.55 ... 0.95."""

THRESHOLDS = tuple(f"{k / 20:g}" for k in TWENTIETHS)
"""The thresholds as they appear in names: "0.5", "0.55" ... "0.95"."""

_ARANGE = np.arange(0.5, 1.0, 0.05)


@dataclass(frozen=True, kw_only=True, eq=False)
class Matches:
    """The one-to-one matching at threshold 0.5; all arrays are (M,), ordered by reference id.

    Attributes:
        reference, prediction: int64 positions in the contingency table's ids.
        shared, union: int64 pixels.
        iou: float64, as the convention rounds it.
    """

    reference: NDArray[np.int64]
    prediction: NDArray[np.int64]
    shared: NDArray[np.int64]
    union: NDArray[np.int64]
    iou: NDArray[np.float64]


def qualifies(
    shared: NDArray[np.int64], union: NDArray[np.int64], k: int, convention: Convention = "exact"
) -> NDArray[np.bool_]:
    """Whether IoU = shared / union reaches the threshold t = k/20.

    ``exact``: ``20 * shared >= k * union`` in integers. ``stardist``: the quotient rounded to float32, against t rounded to
    float32, so an IoU that falls short of t by less than a float32 step passes. ``cellpose`` and ``microsam``: the
    float64 quotient against ``numpy.arange(0.5, 1, 0.05)``, whose members for k >= 12 lie above k/20, so an IoU of exactly
    k/20 fails there.

    Args:
        shared, union: int64, any one shape S; union >= 1.
        k: 10..19.
        convention: whose arithmetic.

    Returns:
        bool, shape S.

    Raises:
        ValueError: k is not one of 10..19.

    Source: stardist 0.9 ``matching``; cellpose 4 ``metrics.average_precision``; elf (micro-sam)
    ``evaluation.mean_segmentation_accuracy``.

    >>> three_fifths = np.array([3]), np.array([5])
    >>> {name: bool(qualifies(*three_fifths, 12, name)[0]) for name in ("exact", "stardist", "cellpose")}
    {'exact': True, 'stardist': True, 'cellpose': False}
    """
    if k not in TWENTIETHS:
        raise ValueError(f"k is {k}; expected 10..19 (thresholds 0.50 to 0.95).")
    if convention == "exact":
        return np.asarray(20 * shared >= k * union)
    if convention == "stardist":
        return np.asarray((shared / union).astype(np.float32) >= np.float32(k / 20))
    return np.asarray(shared / union >= _ARANGE[k - 10])


def rounded_iou(
    shared: NDArray[np.int64], union: NDArray[np.int64], convention: Convention = "exact"
) -> NDArray[np.float64]:
    """IoU = shared / union in float64; under ``stardist`` rounded to float32 on the way, as that tool sums it.

    Args:
        shared, union: int64, any one shape S; union >= 1.
        convention: whose arithmetic.

    Returns:
        float64, shape S, in 0..1.

    >>> rounded_iou(np.array([1]), np.array([4])).tolist()
    [0.25]
    """
    quotient = shared / union
    return quotient.astype(np.float32).astype(np.float64) if convention == "stardist" else quotient


def match(table: Contingency, convention: Convention = "exact") -> Matches:
    """Match reference objects and predictions one to one at threshold 0.5.

    Above 0.5 a partner is unique. At exactly 0.5 an object can have two, each lying wholly inside it with half its
    pixels; then neither of these has another partner, so taking pairs by larger IoU, then lower reference id, then lower
    predicted id is a maximum matching, and pairs that qualify at a higher threshold are always among those taken.

    Args:
        table: of reference and prediction.
        convention: whose arithmetic decides what qualifies.

    Source: Kirillov et al., Panoptic Segmentation, CVPR 2019, section 4.1 (uniqueness above 0.5).

    >>> halves = Contingency.of(np.array([[7, 7]], np.int32), np.array([[1, 2]], np.int32))
    >>> halves.prediction_ids[match(halves).prediction].tolist()
    [1]
    """
    union = table.union
    candidates = np.flatnonzero(qualifies(table.shared, union, TWENTIETHS[0], convention))
    iou = rounded_iou(table.shared[candidates], union[candidates], convention)
    candidates = candidates[np.lexsort((candidates, -iou))]
    candidates = _first_of_each(candidates, table.reference_index)
    candidates = np.sort(_first_of_each(candidates, table.prediction_index))
    return Matches(
        reference=table.reference_index[candidates],
        prediction=table.prediction_index[candidates],
        shared=table.shared[candidates],
        union=union[candidates],
        iou=rounded_iou(table.shared[candidates], union[candidates], convention),
    )


def _first_of_each(pairs: NDArray[np.int64], owner: NDArray[np.int64]) -> NDArray[np.int64]:
    _, first = np.unique(owner[pairs], return_index=True)
    return pairs[np.sort(first)]
