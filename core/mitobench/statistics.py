"""Aggregation and uncertainty: every number is one function of differently weighted sums of the same rows.

Scores are pooled within a group (volume, specimen) and averaged over groups. Intervals come from a bootstrap that resamples
groups, or images where there is one group (Davison and Hinkley, Bootstrap Methods and their Application, 1997, ch. 2-3:
percentile method). All cells of a table are resampled together, so differences and ranks are paired.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mitobench.seeds import derive_rng

__all__ = ["Estimate", "Resampling", "estimate", "image_scores", "interval", "rank_intervals", "ranks", "resample"]

Scorer = Callable[[Mapping[str, NDArray[np.float64]]], Mapping[str, NDArray[np.float64]]]
LEVEL = 0.95


@dataclass(frozen=True, eq=False)
class Resampling:
    """Bootstrap weights shared by all cells of a table.

    Attributes:
        groups: int64 (n,), the group of each image, 0..G-1.
        weights: float64 (B, G) where groups are resampled, else (B, n): how often each is drawn.
        clustered: groups were resampled.
    """

    groups: NDArray[np.int64]
    weights: NDArray[np.float64]
    clustered: bool

    @property
    def group_count(self) -> int:
        """G."""
        return int(self.groups.max(initial=-1)) + 1


@dataclass(frozen=True, eq=False)
class Estimate:
    """One score of one cell.

    Attributes:
        value: NaN where undefined.
        resampled: float64 (B,), the score of each resample.
        defined: images on which the score alone is defined.
    """

    value: float
    resampled: NDArray[np.float64]
    defined: int


def resample(groups: Sequence[str], resamples: int, *, seed: int = 0) -> Resampling:
    """Draw bootstrap weights.

    Args:
        groups: the group of each image.
        resamples: B.
        seed: of the draw.
    """
    names, codes = np.unique(np.asarray(groups, dtype=object).astype(str), return_inverse=True)
    clustered = len(names) > 1
    units = len(names) if clustered else len(codes)
    rng = derive_rng(seed, "bootstrap", units)
    weights = rng.multinomial(units, np.full(units, 1 / units), size=resamples) if units else np.zeros((resamples, 0))
    return Resampling(codes.astype(np.int64), weights.astype(np.float64), clustered)


def estimate(
    scorer: Scorer, names: Sequence[str], values: NDArray[np.float64], drawn: Resampling
) -> dict[str, tuple[Estimate, Estimate]]:
    """Every score of one cell, pooled and as the mean over images.

    Args:
        scorer: a metric's ``scores``.
        names: the statistics' names (k,).
        values: float64 (n, k), additive statistics; zero rows for images that were not measured.
        drawn: the table's resampling over the same n images.

    Returns:
        for each score (pooled within groups and averaged over them, mean of the images' own scores).
    """
    single = _score(scorer, names, values)
    count = drawn.group_count
    grouped = np.zeros((count, values.shape[1]))
    np.add.at(grouped, drawn.groups, values)
    by_group = _score(scorer, names, grouped)
    image_weights = drawn.weights[:, drawn.groups] if drawn.clustered else drawn.weights
    resampled = None if drawn.clustered else _score(scorer, names, drawn.weights @ values)
    found = {}
    for name, per_image in single.items():
        defined = int(np.isfinite(per_image).sum())
        pooled_resampled = _weighted_mean(by_group[name], drawn.weights) if resampled is None else resampled[name]
        pooled = Estimate(_mean(by_group[name]), pooled_resampled, defined)
        found[name] = pooled, Estimate(_mean(per_image), _weighted_mean(per_image, image_weights), defined)
    return found


def image_scores(
    scorer: Scorer, names: Sequence[str], values: NDArray[np.float64]
) -> Mapping[str, NDArray[np.float64]]:
    """Every score of each single image.

    Args:
        scorer: a metric's ``scores``.
        names: the statistics' names (k,).
        values: float64 (n, k).

    Returns:
        float64 (n,) by score; NaN where undefined.
    """
    return _score(scorer, names, values)


def interval(resampled: NDArray[np.float64]) -> tuple[float, float] | None:
    """The central 95 % of the resampled values; None where fewer than two of them are defined."""
    defined = resampled[np.isfinite(resampled)]
    if defined.size < 2:
        return None
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    return float(low), float(high)


def ranks(
    values: NDArray[np.float64], *, higher_is_better: bool, first: NDArray[np.float64] | None = None
) -> NDArray[np.int64]:
    """Competition ranks along the first axis: 1 is best, equals share the better rank, NaN comes last.

    Args:
        values: float64 (cells, ...).
        higher_is_better: the direction of ``values``.
        first: float64 like ``values``, lower is better, which decides before they do.
    """
    signed = np.where(np.isfinite(values), -values if higher_is_better else values, np.inf)
    better = signed[None] < signed[:, None]
    if first is not None:
        decides = np.where(np.isfinite(first), first, np.inf)
        better = (decides[None] < decides[:, None]) | ((decides[None] == decides[:, None]) & better)
    return np.asarray(better.sum(axis=1) + 1, np.int64)


def rank_intervals(
    resampled: NDArray[np.float64], *, higher_is_better: bool, first: NDArray[np.float64] | None = None
) -> NDArray[np.int64]:
    """The central 95 % of each cell's rank over paired resamples.

    Args:
        resampled: float64 (cells, B).
        higher_is_better, first: as for :func:`ranks`.

    Returns:
        int64 (cells, 2).
    """
    tail = (1 - LEVEL) / 2
    drawn = ranks(resampled, higher_is_better=higher_is_better, first=first)
    low, high = np.quantile(drawn, [tail, 1 - tail], axis=1, method="inverted_cdf")
    return np.stack([low, high], axis=1).astype(np.int64)


def _score(scorer: Scorer, names: Sequence[str], sums: NDArray[np.float64]) -> Mapping[str, NDArray[np.float64]]:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        found = scorer({name: sums[..., column] for column, name in enumerate(names)})
    return {name: np.asarray(value, np.float64) for name, value in found.items()}


def _mean(values: NDArray[np.float64]) -> float:
    defined = values[np.isfinite(values)]
    return float(defined.mean()) if defined.size else float("nan")


def _weighted_mean(values: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of the defined values (n,) under each row of weights (B, n)."""
    defined = np.isfinite(values)
    total = weights @ defined.astype(np.float64)
    summed = weights @ np.where(defined, values, 0.0)
    return np.asarray(np.divide(summed, total, out=np.full(len(weights), np.nan), where=total > 0), np.float64)
