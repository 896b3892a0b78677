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
    return np.asarray(_better(values, higher_is_better, first).sum(axis=1) + 1, np.int64)


def tied_ranks(
    values: NDArray[np.float64], *, higher_is_better: bool, first: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """As :func:`ranks`, but equals share the mean of their ranks, so that ranks always add up to the same."""
    better = _better(values, higher_is_better, first)
    return np.asarray(better.sum(axis=1) + (len(values) - better.sum(axis=1) - better.sum(axis=0) + 1) / 2, np.float64)


def _better(
    values: NDArray[np.float64], higher_is_better: bool, first: NDArray[np.float64] | None
) -> NDArray[np.bool_]:
    """bool (cells, cells, ...): [i, j] where j ranks before i."""
    signed = np.where(np.isfinite(values), -values if higher_is_better else values, np.inf)
    better = signed[None] < signed[:, None]
    if first is not None:
        decides = np.where(np.isfinite(first), first, np.inf)
        better = (decides[None] < decides[:, None]) | ((decides[None] == decides[:, None]) & better)
    return np.asarray(better, np.bool_)


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
