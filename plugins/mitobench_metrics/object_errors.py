"""What kind of mistakes were made on objects: splits, merges, and misses by size."""

import numpy as np
from numpy.typing import NDArray

from mitobench_metrics.contingency import Contingency
from mitobench_metrics.matching import Matches

__all__ = ["STRATA", "count_merges", "count_splits", "found_by_size", "stratum_name"]

STRATA = (0, 16**2, 32**2, 96**2)
"""Lower bounds of the size strata in pixels. The last two are COCO's; its "small" is our first two together."""


def stratum_name(index: int) -> str:
    """The range of areas of one stratum, for names.

    Args:
        index: position in ``STRATA``.

    >>> [stratum_name(index) for index in range(4)]
    ['<256px', '256-1023px', '1024-9215px', '>=9216px']
    """
    if index == 0:
        return f"<{STRATA[1]}px"
    if index == len(STRATA) - 1:
        return f">={STRATA[-1]}px"
    return f"{STRATA[index]}-{STRATA[index + 1] - 1}px"


def count_splits(table: Contingency) -> int:
    """Reference objects that at least two predictions split.

    A prediction takes part in the split of the reference object that holds more than half of the prediction's own pixels
    (``2 * shared > area``), so each takes part in at most one.

    Args:
        table: of reference and prediction.

    >>> count_splits(Contingency.of(np.array([[4, 4, 4]], np.int32), np.array([[1, 2, 2]], np.int32)))
    1
    """
    inside = 2 * table.shared > table.prediction_areas[table.prediction_index]
    return _held_twice(table.reference_index[inside])


def count_merges(table: Contingency) -> int:
    """Predictions that merge at least two reference objects: :func:`count_splits` with the roles exchanged.

    Args:
        table: of reference and prediction.

    >>> count_merges(Contingency.of(np.array([[1, 2, 2]], np.int32), np.array([[4, 4, 4]], np.int32)))
    1
    """
    inside = 2 * table.shared > table.reference_areas[table.reference_index]
    return _held_twice(table.prediction_index[inside])


def found_by_size(table: Contingency, matches: Matches) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Reference objects per size stratum, and how many of these were matched at 0.5.

    Args:
        table: of reference and prediction.
        matches: of that table.

    Returns:
        objects int64 (4,), found int64 (4,).

    Source: the strata extend those of Lin et al., Microsoft COCO, ECCV 2014.

    >>> from mitobench_metrics.matching import match
    >>> table = Contingency.of(np.full((20, 20), 3, np.int32), np.full((20, 20), 1, np.int32))
    >>> [counts.tolist() for counts in found_by_size(table, match(table))]
    [[0, 1, 0, 0], [0, 1, 0, 0]]
    """
    stratum = np.searchsorted(STRATA, table.reference_areas, side="right") - 1
    return (
        np.bincount(stratum, minlength=len(STRATA)),
        np.bincount(stratum[matches.reference], minlength=len(STRATA)),
    )


def _held_twice(holders: NDArray[np.int64]) -> int:
    return int(np.count_nonzero(np.bincount(holders) >= 2))
