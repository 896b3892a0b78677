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
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mitobench.errors import DataError
from mitobench.ranking.resampling import Resampling

__all__ = [
    "FEW",
    "Estimate",
    "describe_resampling",
    "difference",
    "estimate",
    "estimate_interval",
    "image_scores",
    "interval",
    "on_common",
    "tail",
]

Scorer = Callable[[Mapping[str, NDArray[np.float64]]], Mapping[str, NDArray[np.float64]]]
LEVEL = 0.95
FEW = 6
"""Fewer independent units than this are too few for a test, and for an interval between percentiles of resamples."""


@dataclass(frozen=True, eq=False)
class Estimate:
    """One score of one cell.

    Attributes:
        value: NaN where undefined.
        resampled: float64 (B,), the score of each resample.
        by_image, by_group: float64 (n,) and (G,), the score of each image and of each group alone; NaN where undefined.
        mean_of: what ``value`` is the mean of; "" where it is the score of one group.
        drawn: what was resampled.
    """

    value: float
    resampled: NDArray[np.float64]
    by_image: NDArray[np.float64]
    by_group: NDArray[np.float64]
    mean_of: Literal["images", "groups", ""]
    drawn: Resampling

    @property
    def defined(self) -> int:
        """Images on which the score alone is defined."""
        return int(np.isfinite(self.by_image).sum())

    @property
    def units(self) -> int:
        """Groups on which it is defined where groups were resampled, else images."""
        return int(np.isfinite(self.by_group).sum()) if self.drawn.clustered else self.defined


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
    grouped = _score(scorer, names, drawn.by_group(values))
    spread = _resampled(grouped, drawn, "groups") if drawn.clustered else _score(scorer, names, drawn.weights @ values)
    spread_of_images, means = _resampled(single, drawn, "images"), _group_means(single, drawn)
    found: dict[str, tuple[Estimate, Estimate]] = {}
    for name, own in single.items():
        pooled = Estimate(
            value=_mean(grouped[name]),
            resampled=spread[name],
            by_image=own,
            by_group=grouped[name],
            mean_of="groups" if drawn.clustered else "",
            drawn=drawn,
        )
        of_images = replace(
            pooled, value=_mean(own), resampled=spread_of_images[name], by_group=means[name], mean_of="images"
        )
        found[name] = pooled, of_images
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


def on_common(first: Estimate, second: Estimate) -> tuple[Estimate, Estimate, int]:
    """Two estimates, each on the groups (or images, where it is the mean of images) on which both are defined.

    The score of one group stays as it is: there is nothing else to leave out.

    Returns:
        both, and on how many groups (or images) only one of them is defined: those are left out.
    """
    if not first.mean_of:
        return first, second, 0
    one, two = (np.isfinite(e.by_image if e.mean_of == "images" else e.by_group) for e in (first, second))
    left_out = int((one ^ two).sum())
    return (_kept(first, one & two), _kept(second, one & two), left_out) if left_out else (first, second, 0)


def difference(first: Estimate, second: Estimate) -> Estimate:
    """The first minus the second, paired: on the groups or images on which both are defined, under the same resampling."""
    first, second, _ = on_common(first, second)
    return replace(
        first,
        value=first.value - second.value,
        resampled=first.resampled - second.resampled,
        by_image=first.by_image - second.by_image,
        by_group=first.by_group - second.by_group,
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


def _kept(found: Estimate, kept: NDArray[np.bool_]) -> Estimate:
    """The mean over those groups or images alone, bool (G,) or (n,)."""
    drawn, of_images = found.drawn, found.mean_of == "images"
    by_image = np.where(kept if of_images else kept[drawn.groups], found.by_image, np.nan)
    values = by_image if of_images else np.where(kept, found.by_group, np.nan)
    return replace(
        found,
        value=_mean(values),
        resampled=_resampled({"": values}, drawn, "images" if of_images else "groups")[""],
        by_image=by_image,
        by_group=_group_means({"": by_image}, drawn)[""] if of_images else values,
    )


def _group_means(scores: Mapping[str, NDArray[np.float64]], drawn: Resampling) -> dict[str, NDArray[np.float64]]:
    """The mean of the defined values (n,) of each score in each group: (G,)."""
    values, defined = _stacked(scores, len(drawn.groups))
    return dict(zip(scores, _ratio(drawn.by_group(values), drawn.by_group(defined)).T, strict=True))


def _resampled(
    scores: Mapping[str, NDArray[np.float64]], drawn: Resampling, of: Literal["images", "groups"]
) -> dict[str, NDArray[np.float64]]:
    """The mean of the defined values, (n,) or (G,), of each score in each resample: (B,)."""
    values, defined = _stacked(scores, len(drawn.groups) if of == "images" else drawn.group_count)
    counts = defined[:, :1] if defined.all() else defined
    if of == "images" and drawn.clustered:
        values, counts = drawn.by_group(values), drawn.by_group(counts)
    return dict(zip(scores, _ratio(drawn.weights @ values, drawn.weights @ counts).T, strict=True))


def _stacked(scores: Mapping[str, NDArray[np.float64]], length: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The scores as columns with 0 where undefined, and 1 where defined: float64 (length, scores) each."""
    values = np.stack(list(scores.values()), axis=1) if scores else np.zeros((length, 0))
    defined = np.isfinite(values)
    return np.where(defined, values, 0.0), defined.astype(np.float64)


def _ratio(sums: NDArray[np.float64], counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means; NaN of nothing."""
    counts = np.broadcast_to(counts, sums.shape)
    means = np.full(sums.shape, np.nan)
    np.divide(sums, counts, out=means, where=counts > 0)
    return means
