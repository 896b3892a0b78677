"""Ranks of scores, and the intervals of ranks under resampling."""

import numpy as np
from numpy.typing import NDArray

from mitobench.ranking.statistics import tail

__all__ = ["rank_intervals", "ranks", "tied_ranks"]


def ranks(
    values: NDArray[np.float64], *, higher_is_better: bool, first: NDArray[np.float64] | None = None
) -> NDArray[np.int64]:
    """Competition ranks along the first axis: 1 is best, equals share the better rank, NaN comes last.

    Args:
        values: float64 (cells, ...).
        higher_is_better: the direction of ``values``.
        first: float64 like ``values``, lower is better, which decides before they do.
    """
    return _before(*_signed(values, higher_is_better, first)) + 1


def tied_ranks(
    values: NDArray[np.float64], *, higher_is_better: bool, first: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """As :func:`ranks`, but equals share the mean of their ranks, so that ranks always add up to the same."""
    signed, decides = _signed(values, higher_is_better, first)
    before, after = _before(signed, decides), _before(-signed, None if decides is None else -decides)
    return np.asarray(before + (len(values) - before - after + 1) / 2, np.float64)


def _signed(
    values: NDArray[np.float64], higher_is_better: bool, first: NDArray[np.float64] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """What ranks and what decides before it, both lower is better, infinite where undefined."""
    signed = np.where(np.isfinite(values), -values if higher_is_better else values, np.inf)
    return signed, None if first is None else np.where(np.isfinite(first), first, np.inf)


def _before(signed: NDArray[np.float64], decides: NDArray[np.float64] | None) -> NDArray[np.int64]:
    """int64 like ``signed``: how many of the others rank before each; cell by cell, which needs no cells x cells x B."""
    found = np.empty(signed.shape, np.int64)
    for cell, own in enumerate(signed):
        better = signed < own
        if decides is not None:
            better = (decides < decides[cell]) | ((decides == decides[cell]) & better)
        found[cell] = np.count_nonzero(better, axis=0)
    return found


def rank_intervals(
    resampled: NDArray[np.float64],
    *,
    higher_is_better: bool,
    first: NDArray[np.float64] | None = None,
    units: int | None = None,
) -> NDArray[np.int64]:
    """The central 95 % of each cell's rank over paired resamples.

    Args:
        resampled: float64 (cells, B).
        higher_is_better, first: as for :func:`ranks`.
        units: how many were resampled; widens the interval as :func:`interval` does.

    Returns:
        int64 (cells, 2).
    """
    below = tail(units)
    drawn = ranks(resampled, higher_is_better=higher_is_better, first=first)
    low, high = np.quantile(drawn, [below, 1 - below], axis=1, method="inverted_cdf")
    return np.stack([low, high], axis=1).astype(np.int64)
