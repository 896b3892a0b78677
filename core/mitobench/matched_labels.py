"""Which objects of two label images are the same, by id: what a picture needs. Scores come from metrics."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mitobench.masks import compact_labels

__all__ = ["MatchedLabels", "match_labels"]


class MatchedLabels(NamedTuple):
    """Which objects of two label images are the same; ids as the label images have them, all int64 and ascending.

    Attributes:
        reference, predicted: (M,) each, the matched pairs.
        missed: reference ids without a partner.
        spurious: predicted ids without a partner.
    """

    reference: NDArray[np.int64]
    predicted: NDArray[np.int64]
    missed: NDArray[np.int64]
    spurious: NDArray[np.int64]


def match_labels(
    reference: NDArray[np.integer], predicted: NDArray[np.integer], *, threshold: float = 0.5
) -> MatchedLabels:
    """Match objects one to one: pairs of IoU >= ``threshold``, by larger IoU, then lower ids.

    Args:
        reference, predicted: (H, W) label images of one shape, 0 = background.
        threshold: 0..1; compared exactly where it is a multiple of 1/20.

    Raises:
        ValueError: the shapes differ.
    """
    if reference.shape != predicted.shape:
        raise ValueError(f"label images have shapes {reference.shape} and {predicted.shape}; expected the same pixels.")
    (first, first_ids), (second, second_ids) = compact_labels(reference), compact_labels(predicted)
    columns = len(second_ids) + 1
    keys, shared = np.unique(first.astype(np.int64) * columns + second, return_counts=True)
    rows, cols = keys // columns, keys % columns
    first_areas = np.bincount(rows, shared, len(first_ids) + 1).astype(np.int64)
    second_areas = np.bincount(cols, shared, columns).astype(np.int64)
    union = first_areas[rows] + second_areas[cols] - shared
    candidates = (rows > 0) & (cols > 0) & (20 * shared >= np.round(20 * threshold, 9) * union)
    order = np.flatnonzero(candidates)[np.argsort(-(shared / union)[candidates], kind="stable")]
    taken_rows, taken_cols, pairs = set[int](), set[int](), list[tuple[int, int]]()
    for row, col in zip(rows[order].tolist(), cols[order].tolist(), strict=True):
        if row not in taken_rows and col not in taken_cols:
            taken_rows.add(row)
            taken_cols.add(col)
            pairs.append((row, col))
    matched = np.array(sorted(pairs), np.int64).reshape(-1, 2) - 1
    return MatchedLabels(
        first_ids[matched[:, 0]],
        second_ids[matched[:, 1]],
        _without(first_ids, first_areas, taken_rows),
        _without(second_ids, second_areas, taken_cols),
    )


def _without(ids: NDArray[np.int64], areas: NDArray[np.int64], taken: set[int]) -> NDArray[np.int64]:
    """The ids that have pixels (``areas`` counts the background first) and whose numbers, from 1, are not taken."""
    left = [number for number in np.flatnonzero(areas).tolist() if number and number not in taken]
    return ids[np.array(left, np.int64) - 1]
