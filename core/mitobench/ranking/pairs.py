"""Every pair of ranked cells of a table: how much they differ, and whether that can be told from chance."""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from mitobench.ranking.significance import holm, sign_flip, smallest_p
from mitobench.ranking.standings import SIGNIFICANCE, Comparison
from mitobench.ranking.statistics import FEW, Estimate, difference, estimate_interval

__all__ = ["compare_pairs", "too_few"]


def compare_pairs(ranked: Mapping[str, Estimate], *, seed: int = 0) -> tuple[tuple[Comparison, ...], str]:
    """Compare all ranked cells of a table on its primary column.

    Args:
        ranked: each cell's estimate by its key, the best first; all under one resampling.
        seed: of the test's random signs.

    Returns:
        a comparison per pair, and a sentence that says how they were tested, or why not.
    """
    pairs = list(combinations(ranked, 2))
    if not pairs:
        return (), ""
    differences = [difference(ranked[first], ranked[second]) for first, second in pairs]
    by_group = np.stack([found.by_group for found in differences])
    p = sign_flip(by_group, seed=seed)
    corrected = holm(p)
    counts = np.isfinite(by_group).sum(axis=1)
    compared = tuple(
        _comparison(pair, found, int(counts[i]), float(p[i]), float(corrected[i]))
        for i, (pair, found) in enumerate(zip(pairs, differences, strict=True))
    )
    return compared, _sentence(by_group.shape[1], compared)


def too_few(groups: int) -> str:
    """Why so many groups are not tested."""
    counted = "1 independent group" if groups == 1 else f"{groups} independent groups"
    return f"too few for a test: {counted}, at least {FEW} are needed"


def _comparison(pair: tuple[str, str], found: Estimate, groups: int, p: float, corrected: float) -> Comparison:
    spread = estimate_interval(found)
    low, high = spread if spread is not None else (None, None)
    tested = bool(np.isfinite(p))
    return Comparison(
        first=pair[0],
        second=pair[1],
        difference=found.value if np.isfinite(found.value) else None,
        low=low,
        high=high,
        groups=groups,
        p=p if tested else None,
        p_corrected=corrected if tested else None,
    )


def _sentence(groups: int, compared: Sequence[Comparison]) -> str:
    tested = [c for c in compared if c.p is not None]
    if not tested:
        return too_few(min(groups, max((c.groups for c in compared), default=0)))
    untested = f"; {len(compared) - len(tested)} pairs have too few for a test" if len(tested) < len(compared) else ""
    pairs = f"{len(tested)} pairs" if len(tested) > 1 else "1 pair"
    least = smallest_p(max(c.groups for c in tested), len(tested))
    hopeless = (
        f"; with so few groups and so many pairs no difference can be told from chance (smallest possible p {least:.2g})"
        if least >= SIGNIFICANCE
        else ""
    )
    return f"tested: sign-flip permutation over {groups} groups, Holm correction for {pairs}{untested}{hopeless}"
