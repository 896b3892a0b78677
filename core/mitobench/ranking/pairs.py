"""Every pair of ranked cells of a table: how much they differ, and whether that can be told from chance."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from mitobench.ranking.significance import holm, sign_flip, smallest_p
from mitobench.ranking.standings import SIGNIFICANCE, Comparison
from mitobench.ranking.statistics import FEW, Estimate, difference, estimate_interval, on_common

__all__ = ["compare_pairs", "too_few"]

_AT_ONCE = 1024
"""Pairs whose groups are held at once: of a thousand cells there are half a million."""


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
    compared: list[Comparison] = []
    p = np.zeros(0)
    for start in range(0, len(pairs), _AT_ONCE):
        found = [_comparison(pair, ranked) for pair in pairs[start : start + _AT_ONCE]]
        compared += [comparison for comparison, _ in found]
        p = np.append(p, sign_flip(np.stack([by_group for _, by_group in found]), seed=seed))
    compared = [
        replace(pair, p=float(single), p_corrected=float(corrected)) if np.isfinite(single) else pair
        for pair, single, corrected in zip(compared, p, holm(p), strict=True)
    ]
    return tuple(compared), _sentence(next(iter(ranked.values())).drawn.group_count, compared)


def too_few(groups: int) -> str:
    """Why so many groups are not tested."""
    counted = "1 independent group" if groups == 1 else f"{groups} independent groups"
    return f"too few for a test: {counted}, at least {FEW} are needed"


def _comparison(pair: tuple[str, str], ranked: Mapping[str, Estimate]) -> tuple[Comparison, NDArray[np.float64]]:
    """One pair, not tested yet, and its difference in each group (G,)."""
    first, second, left_out = on_common(ranked[pair[0]], ranked[pair[1]])
    found = difference(first, second)
    spread = estimate_interval(found)
    low, high = spread if spread is not None else (None, None)
    comparison = Comparison(
        first=pair[0],
        second=pair[1],
        difference=found.value if np.isfinite(found.value) else None,
        low=low,
        high=high,
        groups=int(np.isfinite(found.by_group).sum()),
        left_out=left_out,
    )
    return comparison, found.by_group


def _sentence(groups: int, compared: Sequence[Comparison]) -> str:
    return f"{_tested(groups, compared)}{_left_out(compared)}"


def _left_out(compared: Sequence[Comparison]) -> str:
    count = sum(c.left_out > 0 for c in compared)
    if not count:
        return ""
    pairs = "1 pair is" if count == 1 else f"{count} pairs are"
    return f"; {pairs} compared only where both are defined"


def _tested(groups: int, compared: Sequence[Comparison]) -> str:
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
