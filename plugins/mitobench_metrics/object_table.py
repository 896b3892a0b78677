"""The object table of the ``instance`` metric."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mitobench_metrics.contingency import Contingency
from mitobench_metrics.matching import Matches

__all__ = ["object_table"]


def object_table(table: Contingency, matches: Matches, scores: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
    """One row per reference object (by id), then one per prediction without partner (by id).

    Args:
        table: of reference and prediction.
        matches: of that table, at 0.5.
        scores: float32 (K,), the confidence of prediction k at index k-1.

    Returns:
        columns of length R + (predictions without partner):

        * ``reference_id``, ``reference_area``: int64, 0 in a row of a prediction without partner;
        * ``prediction_id``, ``prediction_area``: int64, 0 in a row of a missed reference object;
        * ``matched``: bool;
        * ``iou``: float64, with the partner; without one, the largest IoU with any object of the other image;
        * ``score``: float32, of the prediction; NaN in a row of a missed reference object.

    >>> from mitobench_metrics.matching import match
    >>> labels = Contingency.of(np.array([[5, 5, 9, 0]], np.int32), np.array([[1, 1, 0, 2]], np.int32))
    >>> rows = object_table(labels, match(labels), np.array([0.9, 0.4], np.float32))
    >>> rows["reference_id"].tolist(), rows["prediction_id"].tolist(), rows["iou"].tolist()
    ([5, 9, 0], [1, 0, 2], [1.0, 0.0, 0.0])
    """
    references = table.reference_ids.size
    alone = np.setdiff1d(np.arange(table.prediction_ids.size), matches.prediction, assume_unique=True)
    rows = references + alone.size
    reference_id, reference_area, prediction_id, prediction_area = np.zeros((4, rows), np.int64)
    reference_id[:references], reference_area[:references] = table.reference_ids, table.reference_areas
    prediction_id[references:], prediction_area[references:] = (
        table.prediction_ids[alone],
        table.prediction_areas[alone],
    )
    prediction_id[matches.reference] = table.prediction_ids[matches.prediction]
    prediction_area[matches.reference] = table.prediction_areas[matches.prediction]
    iou = np.concatenate(
        [
            _best(table, table.reference_index, references),
            _best(table, table.prediction_index, table.prediction_ids.size)[alone],
        ]
    )
    iou[matches.reference] = matches.iou
    score = np.full(rows, np.nan, np.float32)
    score[prediction_id > 0] = scores[prediction_id[prediction_id > 0] - 1]
    return {
        "reference_id": reference_id,
        "reference_area": reference_area,
        "prediction_id": prediction_id,
        "prediction_area": prediction_area,
        "matched": (reference_id > 0) & (prediction_id > 0),
        "iou": iou,
        "score": score,
    }


def _best(table: Contingency, owner: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    best = np.zeros(count, np.float64)
    np.maximum.at(best, owner, table.shared / table.union)
    return best
