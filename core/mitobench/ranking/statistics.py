"""Aggregation and uncertainty: every number is one function of differently weighted sums of the same rows.

Scores are pooled within a group (volume, specimen) and averaged over groups. Intervals come from a bootstrap that resamples
groups, or images where there is one group (Davison and Hinkley, Bootstrap Methods and their Application, 1997, ch. 2-3:
percentile method), widened for the number of groups or images (Hesterberg, What Teachers Should Know About the Bootstrap,
The American Statistician 69, 2015: expanded percentile method). All cells of a table are resampled together, so differences
and ranks are paired.
"""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from mitobench.errors import DataError
from mitobench.seeds import derive_rng

__all__ = [
    "FEW",
    "Estimate",
    "Resampling",
    "describe_resampling",
    "difference",
    "estimate",
    "estimate_interval",
    "image_scores",
    "interval",
    "resample",
    "tail",
]

Scorer = Callable[[Mapping[str, NDArray[np.float64]]], Mapping[str, NDArray[np.float64]]]
LEVEL = 0.95
FEW = 6
"""Fewer independent units than this are too few for a test, and for an interval between percentiles of resamples."""


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

    @property
    def units(self) -> int:
        """How many are resampled: G, or n."""
        return self.group_count if self.clustered else len(self.groups)

    @cached_property
    def image_weights(self) -> NDArray[np.float64]:
        """float64 (B, n): how often each image is drawn."""
        return self.weights[:, self.groups] if self.clustered else self.weights


@dataclass(frozen=True, eq=False)
class Estimate:
    """One score of one cell.

    Attributes:
        value: NaN where undefined.
        resampled: float64 (B,), the score of each resample.
        defined: images on which the score alone is defined.
        units: groups on which it is defined where groups were resampled, else images.
        by_group: float64 (G,), the score of each group; NaN where undefined.
    """

    value: float
    resampled: NDArray[np.float64]
    defined: int
    units: int
    by_group: NDArray[np.float64]


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


def describe_resampling(drawn: Resampling) -> str:
    """How the intervals were made, and what they cannot say."""
    count, images = drawn.group_count, len(drawn.groups)
    if images < 2:
        return "one image: no intervals"
    unit = f"{count} groups" if drawn.clustered else f"{images} images of one group, which are not independent evidence"
    few = "; too few for a test" if count < FEW else ""
    student = "; Student's t for so few" if drawn.units < FEW else ""
    return f"95 % intervals: bootstrap of {len(drawn.weights)} resamples over {unit}{few}{student}"


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
    members = np.equal.outer(np.arange(drawn.group_count), drawn.groups).astype(np.float64)
    grouped = _score(scorer, names, members @ values)
    resampled: Mapping[str, NDArray[np.float64]] = (
        _means_of(grouped, drawn.weights) if drawn.clustered else _score(scorer, names, drawn.weights @ values)
    )
    means, resampled_means = _means_of(single, members), _means_of(single, drawn.image_weights)

    def made(name: str, value: float, by_group: NDArray[np.float64], spread: NDArray[np.float64]) -> Estimate:
        defined = int(np.isfinite(single[name]).sum())
        units = int(np.isfinite(by_group).sum()) if drawn.clustered else defined
        return Estimate(value=value, resampled=spread, defined=defined, units=units, by_group=by_group)

    return {
        name: (
            made(name, _mean(grouped[name]), grouped[name], resampled[name]),
            made(name, _mean(single[name]), means[name], resampled_means[name]),
        )
        for name in single
    }


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


def difference(first: Estimate, second: Estimate) -> Estimate:
    """The first minus the second, paired: of the same images, under the same resampling."""
    by_group = first.by_group - second.by_group
    return Estimate(
        value=first.value - second.value,
        resampled=first.resampled - second.resampled,
        defined=min(first.defined, second.defined),
        units=min(first.units, second.units),
        by_group=by_group,
    )


def estimate_interval(
    found: Estimate, *, bounds: tuple[float, float] = (-math.inf, math.inf)
) -> tuple[float, float] | None:
    """The 95 % interval of one score; None where it, or its spread, is undefined.

    Percentiles of the resamples, widened for the number of units. Fewer than ``FEW`` units have too few distinct resamples
    for that: there it is Student's interval with the bootstrap's standard error.

    Args:
        found: the score.
        bounds: what the score cannot leave.
    """
    if not math.isfinite(found.value) or found.units < 2:
        return None
    if found.units >= FEW:
        return interval(found.resampled, found.units)
    from scipy.special import stdtrit

    defined = found.resampled[np.isfinite(found.resampled)]
    if defined.size < 2:
        return None
    reach = float(
        stdtrit(found.units - 1, (1 + LEVEL) / 2) * defined.std() * math.sqrt(found.units / (found.units - 1))
    )
    return max(found.value - reach, bounds[0]), min(found.value + reach, bounds[1])


def interval(resampled: NDArray[np.float64], units: int | None = None) -> tuple[float, float] | None:
    """The central 95 % of the resampled values, widened for the number of units; None where fewer than two are defined."""
    defined = resampled[np.isfinite(resampled)]
    if defined.size < 2:
        return None
    below = tail(units)
    low, high = np.quantile(defined, [below, 1 - below])
    return float(low), float(high)


@lru_cache
def tail(units: int | None = None) -> float:
    """The share of resamples on each side of a 95 % interval.

    A bootstrap of n units spreads sqrt((n - 1) / n) times what it should, and knows that spread only as well as n units tell
    it; the share is that of the normal distribution beyond Student's quantile, corrected for both. Without ``units``, plain.
    """
    if units is None or units < 2:
        return (1 - LEVEL) / 2
    from scipy.special import ndtr, stdtrit

    return float(ndtr(-stdtrit(units - 1, (1 + LEVEL) / 2) * math.sqrt(units / (units - 1))))


def _score(scorer: Scorer, names: Sequence[str], sums: NDArray[np.float64]) -> Mapping[str, NDArray[np.float64]]:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            found = scorer({name: sums[..., column] for column, name in enumerate(names)})
        except KeyError as error:
            raise DataError(
                f"the stored results lack the statistic {error} of a metric that they name; they are damaged or forged."
            ) from None
    return {name: np.asarray(value, np.float64) for name, value in found.items()}


def _mean(values: NDArray[np.float64]) -> float:
    defined = values[np.isfinite(values)]
    return float(defined.mean()) if defined.size else float("nan")


def _means_of(
    scores: Mapping[str, NDArray[np.float64]], weights: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """The mean of the defined values (n,) of each score under each row of weights (B, n): (B,)."""
    values = np.stack(list(scores.values())) if scores else np.zeros((0, weights.shape[1]))
    defined = np.isfinite(values)
    summed = np.where(defined, values, 0.0) @ weights.T
    total = weights.sum(axis=1) if defined.all() else defined.astype(np.float64) @ weights.T
    total = np.broadcast_to(total, summed.shape)
    means = np.divide(summed, total, out=np.full(summed.shape, np.nan), where=total > 0)
    return dict(zip(scores, means, strict=True))
