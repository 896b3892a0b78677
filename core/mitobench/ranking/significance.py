"""Tests: is a difference more than chance? Paired over independent groups, and by ranks over data sources."""

from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from mitobench.ranking.standings import SIGNIFICANCE
from mitobench.ranking.statistics import FEW
from mitobench.seeds import derive_rng

__all__ = ["critical_difference", "friedman", "holm", "sign_flip", "smallest_p"]

_EXACT_UP_TO = 14
_DRAWN = 9999
_PAIRS_AT_ONCE = 256


def sign_flip(differences: NDArray[np.float64], *, seed: int = 0) -> NDArray[np.float64]:
    """Two-sided p-values of the test that the mean difference is zero: sign-flip permutation of independent groups.

    If neither of two cells is better, a group's difference is as likely to have the other sign. Every choice of signs is
    tried up to 14 groups, 9999 random ones beyond. As ``scipy.stats.permutation_test(permutation_type="samples")``, for many
    pairs at once.

    Args:
        differences: float64 (pairs, G), the first's score minus the second's in each group; NaN where either is undefined.
        seed: of the random signs.

    Returns:
        float64 (pairs,); NaN where fewer than six groups are defined.

    Source:
        Fisher, The Design of Experiments, 1935, sec. 21; Phipson and Smyth, Statistical Applications in Genetics and
        Molecular Biology 9, 2010 (the +1 of random signs).
    """
    defined = np.isfinite(differences)
    groups = differences.shape[1]
    p = np.full(len(differences), np.nan)
    if groups < FEW:
        return p
    exact = groups <= _EXACT_UP_TO
    signs = (
        np.array(list(product((1.0, -1.0), repeat=groups)))
        if exact
        else derive_rng(seed, "sign-flip", groups).choice((1.0, -1.0), size=(_DRAWN, groups))
    )
    tested = np.flatnonzero(defined.sum(axis=1) >= FEW)
    for start in range(0, len(tested), _PAIRS_AT_ONCE):
        rows = tested[start : start + _PAIRS_AT_ONCE]
        values = np.where(defined[rows], differences[rows], 0.0)
        rounding = 1e-12 * np.abs(values).sum(axis=1)
        reached = (np.abs(values @ signs.T) >= (np.abs(values.sum(axis=1)) - rounding)[:, None]).sum(axis=1)
        p[rows] = reached / len(signs) if exact else (reached + 1) / (len(signs) + 1)
    return p


def smallest_p(groups: int, tests: int) -> float:
    """The smallest p-value that :func:`sign_flip` can give with so many groups, corrected for so many tests."""
    single = 2.0 / 2**groups if groups <= _EXACT_UP_TO else 1 / (_DRAWN + 1)
    return min(1.0, single * tests)


def holm(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """P-values corrected for their number: the chance of one false difference among all stays below the level.

    Args:
        p: float64 (tests,); NaN where nothing was tested, which does not count.

    Source:
        Holm, A Simple Sequentially Rejective Multiple Test Procedure, Scandinavian Journal of Statistics 6, 1979.
    """
    corrected = np.full(len(p), np.nan)
    order = np.argsort(p)[: int(np.isfinite(p).sum())]
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)))
    return corrected


def friedman(ranks: NDArray[np.float64]) -> tuple[float, float]:
    """Friedman's test that all cells are equally good: statistic and p-value (chi-squared approximation).

    Args:
        ranks: float64 (data sources, cells), at least (2, 3); equals share their mean rank.

    Source:
        Friedman, Journal of the American Statistical Association 32, 1937; with scipy's correction for ties.
    """
    from scipy import stats

    if (ranks == ranks[:, :1]).all():
        return 0.0, 1.0
    statistic, p = stats.friedmanchisquare(*_columns(ranks))
    return float(statistic), float(p)


def critical_difference(cells: int, sources: int) -> float:
    """Nemenyi's critical difference of mean ranks.

    Args:
        cells: k, at least two.
        sources: N data sources that rank all of them.

    Source:
        Demšar, Statistical Comparisons of Classifiers over Multiple Data Sets, JMLR 7, 2006, sec. 3.2.2.
    """
    from scipy import stats

    quantile = stats.studentized_range.ppf(1 - SIGNIFICANCE, cells, np.inf) / np.sqrt(2)
    return float(quantile * np.sqrt(cells * (cells + 1) / (6 * sources)))


def _columns(table: NDArray[np.float64]) -> Sequence[NDArray[np.float64]]:
    return [table[:, i] for i in range(table.shape[1])]
