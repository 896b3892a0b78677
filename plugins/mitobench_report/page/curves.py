"""Curves from object rows: precision, recall and F1 against confidence, and recall against the size of the object."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mitobench.errors import DataError
from mitobench.ranking.evidence import Evidence
from mitobench.results.objects import ObjectTable

__all__ = ["ConfidenceCurve", "confidence_curve", "judged_objects", "object_metric", "recall_by_size"]

_NEEDED = {"reference_id", "reference_area", "prediction_id", "matched", "score"}
_POINTS = 60


@dataclass(frozen=True, eq=False)
class ConfidenceCurve:
    """What remains right when only predictions of at least some confidence are kept; float64 (n,) each."""

    confidence: NDArray[np.float64]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    f1: NDArray[np.float64]


def object_metric(evidence: Evidence, cell: str) -> tuple[str, ObjectTable] | None:
    """The first metric that stores matched objects of a cell, with its rows; None where there is none."""
    for key in evidence.metrics:
        try:
            table = evidence.objects(cell, key)
        except DataError:
            continue
        if len(table) and table.columns.keys() >= _NEEDED:
            return key, table
    return None


def judged_objects(evidence: Evidence, cell: str, metric: str, table: ObjectTable) -> Mapping[str, NDArray[Any]]:
    """The columns of the rows whose images are annotated in full; elsewhere a prediction without partner may be right."""
    names, values, _ = evidence.cells[cell].table.statistics(metric)
    if "counted_images" not in names:
        return table.columns
    full = values[:, names.index("counted_images")] > 0
    kept = np.isin(table.images.astype(str), evidence.cells[cell].table.images[full].astype(str))
    return {name: column[kept] for name, column in table.columns.items()}


def confidence_curve(columns: Mapping[str, NDArray[Any]]) -> ConfidenceCurve | None:
    """Precision, recall and F1 of the predictions with at least some confidence.

    Matches are those of all predictions at IoU 0.5; leaving some out makes no new ones.

    Args:
        columns: ``reference_id``, ``prediction_id``, ``matched`` and ``score`` of an object table.

    Returns:
        from the lowest confidence to the highest, thinned to a few dozen points; None where the predictions' scores do not
        tell them apart, or there is no reference object.
    """
    predicted = columns["prediction_id"] > 0
    score, matched = columns["score"][predicted], columns["matched"][predicted] > 0
    references = int((columns["reference_id"] > 0).sum())
    finite = np.isfinite(score)
    score, matched = score[finite], matched[finite]
    levels = np.unique(score)
    if len(levels) < 2 or references == 0:
        return None
    levels = levels[np.unique(np.linspace(0, len(levels) - 1, _POINTS).astype(int))]
    order = np.argsort(score)
    position = np.searchsorted(score[order], levels)
    kept = len(score) - position
    right = np.concatenate([np.cumsum(matched[order][::-1])[::-1], [0]])[position]
    return ConfidenceCurve(levels, right / kept, right / references, 2 * right / (kept + references))


def recall_by_size(columns: Mapping[str, NDArray[Any]]) -> list[tuple[int, int, int]]:
    """Reference objects found, by octaves of their area.

    Args:
        columns: ``reference_id``, ``reference_area`` and ``matched`` of an object table.

    Returns:
        (lower bound of the area in pixels, objects, objects found) for each octave that has objects.
    """
    reference = columns["reference_id"] > 0
    areas, matched = columns["reference_area"][reference], columns["matched"][reference] > 0
    octave = np.floor(np.log2(np.maximum(areas, 1))).astype(int)
    return [
        (2**low, int((octave == low).sum()), int(matched[octave == low].sum())) for low in np.unique(octave).tolist()
    ]
