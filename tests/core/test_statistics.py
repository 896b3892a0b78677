"""Aggregation and intervals agree with independent implementations and know what they do not know."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from mitobench.statistics import estimate, interval, rank_intervals, ranks, resample


def dice(totals):
    return {"Dice": 2 * totals["both"] / (totals["a"] + totals["b"])}


def mean_of_x(totals):
    return {"mean": totals["x"] / totals["n"]}


def columns(x):
    return np.stack([np.ones_like(x), x], axis=1)  # names sorted: n, x


def test_one_group_is_pooled_and_the_mean_over_images_is_another_number():
    values = np.array([[10.0, 10, 10], [90.0, 90, 0]])
    pooled, per_image = estimate(dice, ("a", "b", "both"), values, resample(["v", "v"], 10))["Dice"]
    assert pooled.value == pytest.approx(20 / 200)
    assert per_image.value == pytest.approx(0.5)


def test_several_groups_are_pooled_within_and_averaged_over():
    values = np.array([[10.0, 10, 10], [90.0, 90, 0], [5.0, 5, 5]])
    pooled, _ = estimate(dice, ("a", "b", "both"), values, resample(["v", "v", "w"], 10))["Dice"]
    assert pooled.value == pytest.approx((20 / 200 + 1) / 2)


def test_an_undefined_image_is_left_out_of_the_mean_and_counted():
    values = np.array([[0.0, 0, 0], [4.0, 4, 2]])
    pooled, per_image = estimate(dice, ("a", "b", "both"), values, resample(["v", "v"], 10))["Dice"]
    assert (pooled.defined, per_image.value, pooled.value) == (1, 0.5, 0.5)


def test_all_undefined_is_undefined_and_has_no_interval():
    pooled, _ = estimate(dice, ("a", "b", "both"), np.zeros((3, 3)), resample(["v"] * 3, 10))["Dice"]
    assert np.isnan(pooled.value)
    assert interval(pooled.resampled) is None


@pytest.mark.parametrize("clustered", [False, True])
def test_intervals_agree_with_scipys_bootstrap_of_the_mean(clustered):
    x = np.random.default_rng(1).gamma(2, size=40)
    groups = [f"g{i}" for i in range(40)] if clustered else ["g"] * 40
    pooled, _ = estimate(mean_of_x, ("n", "x"), columns(x), resample(groups, 20_000))["mean"]
    theirs = stats.bootstrap(
        (x,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(2)
    ).confidence_interval
    assert interval(pooled.resampled) == pytest.approx((theirs.low, theirs.high), abs=0.02)


def test_resampling_groups_gives_the_wider_interval_of_dependent_images():
    rng = np.random.default_rng(0)
    x = np.repeat(rng.normal(size=8), 25) + 0.01 * rng.normal(size=200)
    groups = np.repeat([f"g{i}" for i in range(8)], 25).tolist()
    width = {}
    for name, labels in {"groups": groups, "images": ["g"] * 200}.items():
        pooled, _ = estimate(mean_of_x, ("n", "x"), columns(x), resample(labels, 2000))["mean"]
        low, high = interval(pooled.resampled)
        width[name] = high - low
    assert width["groups"] > 3 * width["images"]


def test_coverage_of_the_interval_is_near_its_level():
    rng = np.random.default_rng(3)
    inside = 0
    for _ in range(400):
        x = rng.normal(size=60)
        pooled, _ = estimate(
            mean_of_x, ("n", "x"), columns(x), resample(["g"] * 60, 400, seed=int(rng.integers(1 << 30)))
        )["mean"]
        low, high = interval(pooled.resampled)
        inside += low <= 0 <= high
    assert 0.91 <= inside / 400 <= 0.98


def test_cells_are_resampled_together_so_a_constant_difference_never_changes_rank():
    x = np.random.default_rng(0).normal(size=30)
    drawn = resample(["g"] * 30, 500)
    arms = [
        estimate(mean_of_x, ("n", "x"), columns(x + shift), drawn)["mean"][0].resampled for shift in (0.0, 0.01, 0.02)
    ]
    assert rank_intervals(np.stack(arms), higher_is_better=True).tolist() == [[3, 3], [2, 2], [1, 1]]


def test_indistinguishable_cells_share_the_ranks():
    rng = np.random.default_rng(0)
    drawn = resample(["g"] * 50, 500)
    arms = [estimate(mean_of_x, ("n", "x"), columns(rng.normal(size=50)), drawn)["mean"][0].resampled for _ in range(2)]
    assert rank_intervals(np.stack(arms), higher_is_better=True)[0].tolist() == [1, 2]


@given(hnp.arrays(np.float64, st.integers(1, 12), elements=st.floats(-5, 5)), st.booleans())
def test_ranks_agree_with_scipys(values, higher):
    expected = stats.rankdata(-values if higher else values, method="min")
    assert ranks(values, higher_is_better=higher).tolist() == expected.astype(int).tolist()


def test_undefined_values_rank_last():
    assert ranks(np.array([np.nan, 0.2, 0.9]), higher_is_better=True).tolist() == [3, 2, 1]
    assert ranks(np.array([np.nan, 0.2, 0.9]), higher_is_better=False).tolist() == [3, 1, 2]


def test_the_same_seed_draws_the_same_resamples():
    assert np.array_equal(resample(list("aabb"), 50, seed=4).weights, resample(list("aabb"), 50, seed=4).weights)
    assert not np.array_equal(resample(list("aabb"), 50, seed=4).weights, resample(list("aabb"), 50, seed=5).weights)


def test_many_resamples_of_a_large_table_are_quick():
    import time

    rng = np.random.default_rng(0)
    drawn = resample(["g"] * 165, 10_000)
    start = time.process_time()
    for _ in range(30):
        estimate(mean_of_x, ("n", "x"), columns(rng.normal(size=165)), drawn)
    assert time.process_time() - start < 10


def test_what_ranks_first_decides_before_the_value():
    values, empty = np.array([1.0, 5.0, 3.0]), np.array([0.2, 0.0, 0.0])
    assert ranks(values, higher_is_better=False, first=empty).tolist() == [3, 2, 1]
