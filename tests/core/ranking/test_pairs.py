"""Pairs of cells: what differs is told from what does not, and too little evidence is said to be too little."""

import tracemalloc

import numpy as np
import pytest

from mitobench.ranking.pairs import compare_pairs
from mitobench.ranking.resampling import resample
from mitobench.ranking.significance import holm, sign_flip
from mitobench.ranking.statistics import estimate


def cells(scores, groups=None, resamples=500):
    """Estimates of cells whose score on each image is given, one image per group unless said otherwise."""
    length = len(next(iter(scores.values())))
    drawn = resample(groups or [f"g{i:02d}" for i in range(length)], resamples)

    def made(x):
        rows = np.stack([np.isfinite(x), np.nan_to_num(x)], axis=1).astype(float)
        return estimate(lambda t: {"x": t["x"] / t["n"]}, ("n", "x"), rows, drawn)

    return {name: made(np.array(x))["x"][0] for name, x in scores.items()}


@pytest.fixture
def base():
    return np.random.default_rng(0).normal(0.8, 0.05, 12)


def test_a_clear_difference_is_told_from_a_small_one(base):
    noise = np.random.default_rng(1).normal(0, 0.01, 12)
    compared, test = compare_pairs(cells({"best": base + 0.1, "next": base + 0.1 + noise, "worst": base}))
    found = {(c.first, c.second): c for c in compared}
    assert found["best", "worst"].differs is True
    assert found["best", "next"].differs is False
    assert found["best", "worst"].difference == pytest.approx(0.1)
    assert found["best", "worst"].low == pytest.approx(0.1)
    assert test == "tested: sign-flip permutation over 12 groups, Holm correction for 3 pairs"


def test_p_values_are_corrected_for_all_pairs_of_the_table(base):
    rng = np.random.default_rng(2)
    scores = {name: base + rng.normal(0.02 * i, 0.03, 12) for i, name in enumerate("abcd")}
    compared, _ = compare_pairs(cells(scores))
    raw = sign_flip(np.stack([scores[c.first] - scores[c.second] for c in compared]))
    assert [c.p for c in compared] == pytest.approx(raw.tolist())
    assert [c.p_corrected for c in compared] == pytest.approx(holm(raw).tolist())


def test_below_six_groups_there_is_a_difference_with_an_interval_and_no_p_value(base):
    compared, test = compare_pairs(cells({"a": base[:5], "b": base[:5] - 0.1}))
    (pair,) = compared
    assert (pair.p, pair.p_corrected, pair.differs, pair.groups) == (None, None, None, 5)
    assert (pair.low, pair.high) == pytest.approx((0.1, 0.1))
    assert test == "too few for a test: 5 independent groups, at least 6 are needed"


def test_images_of_one_group_are_never_tested(base):
    _, test = compare_pairs(cells({"a": base, "b": base - 0.1}, groups=["g"] * 12))
    assert test == "too few for a test: 1 independent group, at least 6 are needed"


def test_where_no_difference_could_be_found_that_is_said(base):
    scores = {f"{i}": base[:6] - 0.1 * i for i in range(4)}
    compared, test = compare_pairs(cells(scores))
    assert not any(c.differs for c in compared)
    assert "no difference can be told from chance (smallest possible p 0.19)" in test


def test_a_pair_that_is_defined_in_too_few_groups_is_left_untested_and_counted(base):
    holes = base.copy()
    holes[:8] = np.nan
    compared, test = compare_pairs(cells({"a": base, "b": base - 0.1, "c": holes}))
    assert [c.p is None for c in compared] == [False, True, True]
    assert [c.groups for c in compared] == [12, 4, 4]
    assert "Holm correction for 1 pair; 2 pairs have too few for a test" in test


def test_difference_interval_and_p_value_of_a_pair_are_of_the_same_groups(base):
    """Where both are defined "a" is worse; the groups that only one of them has would say otherwise."""
    one, two = base - 0.02 * np.arange(1, 13), base.copy()
    one[0], two[1], one[2], two[2] = np.nan, np.nan, 0.0, 0.5
    one[1], two[0] = 9.0, -9.0
    ((pair,), test) = compare_pairs(cells({"a": one, "b": two}))
    assert pair.difference == pytest.approx(np.nanmean(one - two))
    assert pair.low < pair.difference < pair.high < 0
    assert (pair.groups, pair.left_out) == (10, 2)
    assert pair.p == pytest.approx(sign_flip((one - two)[None])[0])
    assert test.endswith("; 1 pair is compared only where both are defined")


def test_the_resamples_of_a_pair_are_not_kept(base):
    ranked = cells({f"{i:02d}": base[:5] + 0.01 * i for i in range(40)}, resamples=2000)
    tracemalloc.start()
    compared, _ = compare_pairs(ranked)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(compared) == 780
    assert peak < 3e6  # 780 x 2000 numbers are 12e6 bytes


def test_one_cell_is_compared_with_nothing(base):
    assert compare_pairs(cells({"a": base})) == ((), "")
