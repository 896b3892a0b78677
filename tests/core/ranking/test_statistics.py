"""Aggregation and intervals agree with independent implementations and know what they do not know."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from mitobench.errors import DataError
from mitobench.ranking.ranks import rank_intervals, ranks, tied_ranks
from mitobench.ranking.resampling import resample
from mitobench.ranking.statistics import (
    FEW,
    difference,
    estimate,
    estimate_interval,
    image_scores,
    interval,
    on_common,
    tail,
)


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


def coverage(units, draw, truth, repeats=500):
    """How often plain percentiles, and our intervals, hold the true mean of so many independent units."""
    rng = np.random.default_rng(3)
    held = np.zeros(2)
    for _ in range(repeats):
        drawn = resample(["g"] * units, 400, seed=int(rng.integers(1 << 30)))
        pooled, _ = estimate(mean_of_x, ("n", "x"), columns(draw(rng, units)), drawn)["mean"]
        held += [low <= truth <= high for low, high in (interval(pooled.resampled), estimate_interval(pooled))]
    return held / repeats


def normal(rng, units):
    return rng.normal(0.85, 0.05, units)


def skewed(rng, units):
    return rng.beta(8, 2, units)


@pytest.mark.parametrize(("units", "draw", "truth"), [(2, normal, 0.85), (14, normal, 0.85), (40, skewed, 0.8)])
def test_95_of_100_intervals_hold_the_truth(units, draw, truth):
    plain, ours = coverage(units, draw, truth)
    assert 0.93 <= ours <= 0.97
    assert plain <= ours + 0.01


def test_plain_percentiles_of_few_groups_hold_it_too_rarely_and_ours_nearly_often_enough():
    plain, ours = coverage(FEW, skewed, 0.8, repeats=2000)
    assert plain < 0.88
    assert ours > 0.91


@pytest.mark.parametrize("units", [6, 20, 165])
def test_our_interval_is_scipys_percentile_interval_at_the_level_that_the_number_of_units_asks_for(units):
    x = np.random.default_rng(1).gamma(2, size=units)
    pooled, _ = estimate(mean_of_x, ("n", "x"), columns(x), resample(["g"] * units, 40_000))["mean"]
    reach = stats.t(units - 1).ppf(0.975) * np.sqrt(units / (units - 1))
    level = 1 - 2 * stats.norm.sf(reach)
    theirs = stats.bootstrap(
        (x,),
        np.mean,
        n_resamples=40_000,
        method="percentile",
        confidence_level=level,
        batch=1000,
        rng=np.random.default_rng(2),
    ).confidence_interval
    width = theirs.high - theirs.low
    assert estimate_interval(pooled) == pytest.approx((theirs.low, theirs.high), abs=0.04 * width)


def test_the_share_beyond_an_interval_nears_the_plain_one_as_units_grow():
    assert tail() == pytest.approx(0.025)
    assert tail(6) < tail(20) < tail(1000) < 0.025
    assert tail(100_000) == pytest.approx(0.025, rel=1e-3)


def test_fewer_than_six_groups_have_students_interval():
    x = np.array([0.7, 0.8, 0.95])
    pooled, _ = estimate(mean_of_x, ("n", "x"), columns(x), resample(["a", "b", "c"], 40_000))["mean"]
    theirs = stats.ttest_1samp(x, 0).confidence_interval(0.95)
    assert estimate_interval(pooled) == pytest.approx((theirs.low, theirs.high), abs=0.01)
    assert estimate_interval(pooled, bounds=(0, 1)) == pytest.approx((theirs.low, 1.0), abs=0.01)


def test_one_unit_has_no_interval_however_many_images_are_undefined():
    values = np.array([[0.0, 0, 0], [4.0, 4, 2], [0.0, 0, 0]])
    pooled, _ = estimate(dice, ("a", "b", "both"), values, resample(["v", "w", "w"], 50))["Dice"]
    assert (pooled.units, pooled.defined) == (1, 1)
    assert estimate_interval(pooled) is None


def test_scores_by_group_are_pooled_there_and_the_means_over_images_are_not():
    values = np.array([[10.0, 10, 10], [90.0, 90, 0], [5.0, 5, 5]])
    pooled, per_image = estimate(dice, ("a", "b", "both"), values, resample(["v", "v", "w"], 10))["Dice"]
    assert pooled.by_group.tolist() == [pytest.approx(0.1), 1.0]
    assert per_image.by_group.tolist() == [0.5, 1.0]


def test_a_difference_is_paired_so_what_both_share_widens_no_interval():
    rng = np.random.default_rng(0)
    x = rng.normal(size=40)
    drawn = resample([f"g{i}" for i in range(40)], 500)
    one, two = (estimate(mean_of_x, ("n", "x"), columns(x + shift), drawn)["mean"][0] for shift in (0.0, 0.25))
    found = difference(two, one)
    assert found.value == pytest.approx(0.25)
    assert estimate_interval(found) == pytest.approx((0.25, 0.25))
    assert found.by_group == pytest.approx(np.full(40, 0.25))


def scored(values, groups, resamples=500):
    """Estimates (pooled, mean of images) of one number per image, undefined where it is NaN."""
    x = np.array(values, float)
    rows = np.stack([np.isfinite(x), np.nan_to_num(x)], axis=1).astype(float)
    return estimate(mean_of_x, ("n", "x"), rows, resample(groups, resamples))["mean"]


def drawn_means(values, weights):
    """Weighted means over the defined values, resample by resample."""
    x = np.array(values, float)
    kept = np.isfinite(x)
    with np.errstate(invalid="ignore"):
        return np.array([(row[kept] * x[kept]).sum() / row[kept].sum() for row in weights])


def test_a_difference_is_of_the_groups_on_which_both_are_defined_and_of_no_others():
    """Over its own groups the first has the higher mean; on every group that both have it has the lower score."""
    groups = [f"g{i}" for i in range(8)]
    one = [0.3, 0.35, 0.2, 0.3, 0.25, 0.4, 0.99, np.nan]
    two = [0.4, 0.45, 0.4, 0.35, 0.3, 0.5, np.nan, 0.01]
    first, second = scored(one, groups)[0], scored(two, groups)[0]
    assert first.value > second.value
    found = difference(first, second)
    expected = np.array(one) - np.array(two)
    assert found.value == pytest.approx(np.nanmean(expected)) == np.nanmean(found.by_group)
    assert found.value < 0
    assert found.resampled == pytest.approx(drawn_means(expected, first.drawn.weights), nan_ok=True)
    assert (found.units, found.defined) == (6, 6)
    kept = on_common(first, second)
    assert (kept[0].value, kept[1].value) == pytest.approx((np.mean(one[:6]), np.mean(two[:6])))
    assert kept[2] == 2


def test_a_difference_of_means_over_images_is_of_the_images_on_which_both_are_defined():
    groups = list("aaabbccc")
    one = [0.3, np.nan, 0.2, 0.3, 0.25, 0.4, 0.99, 0.1]
    two = [0.4, 0.45, 0.4, 0.35, 0.3, 0.5, np.nan, 0.2]
    first, second = scored(one, groups)[1], scored(two, groups)[1]
    found, change = difference(first, second), np.array(one) - np.array(two)
    assert found.value == pytest.approx(np.nanmean(change))
    assert found.by_group == pytest.approx([np.nanmean(change[:3]), np.nanmean(change[3:5]), np.nanmean(change[5:])])
    weights = first.drawn.weights[:, first.drawn.groups]
    assert found.resampled == pytest.approx(drawn_means(change, weights), nan_ok=True)
    assert on_common(first, second)[2] == 2


def test_the_score_of_one_group_is_of_all_its_images_so_nothing_is_left_out():
    first, second = scored([0.2, np.nan, 0.4], list("vvv"))[0], scored([0.1, 0.3, 0.2], list("vvv"))[0]
    assert on_common(first, second) == (first, second, 0)
    assert difference(first, second).value == pytest.approx(0.3 - 0.2)


def test_memory_grows_with_images_and_not_with_images_times_groups():
    groups, x = [f"g{i:04d}" for i in range(3000)], np.random.default_rng(0).normal(size=3000)
    drawn = resample(groups, 20)
    tracemalloc.start()
    pooled, _ = estimate(mean_of_x, ("n", "x"), columns(x), drawn)["mean"]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert pooled.by_group == pytest.approx(x)
    assert peak < 10e6  # 3000 x 3000 numbers are 72e6 bytes


def test_ranks_of_many_cells_need_no_cells_times_cells_times_resamples():
    values = np.random.default_rng(0).normal(size=(300, 200))
    tracemalloc.start()
    found = tied_ranks(values, higher_is_better=True, first=np.round(values))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.sum(axis=0) == pytest.approx(np.full(200, 300 * 301 / 2))
    assert peak < 6e6  # 300 x 300 x 200 truths are 18e6 bytes


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


def test_data_sources_draw_independently_and_each_always_the_same():
    groups = [f"g{i}" for i in range(6)]
    one, again, other = (resample(groups, 2000, data=data).weights for data in ("em", "em", "nuclei"))
    assert np.array_equal(one, again)
    assert abs(np.corrcoef(one[:, 0], other[:, 0])[0, 1]) < 0.1


@given(hnp.arrays(np.float64, st.integers(1, 12), elements=st.floats(-5, 5)), st.booleans())
def test_ranks_that_share_ties_agree_with_scipys(values, higher):
    assert tied_ranks(values, higher_is_better=higher) == pytest.approx(stats.rankdata(-values if higher else values))


def test_10_000_resamples_of_30_cells_and_165_images_take_less_than_five_seconds():
    import time

    rng = np.random.default_rng(0)

    def forty_scores(totals):
        return {f"score {i}": (totals["x"] + i) / totals["n"] for i in range(40)}

    start = time.process_time()
    drawn = resample(["g"] * 165, 10_000)
    resampled = []
    for _ in range(30):
        found = estimate(forty_scores, ("n", "x"), columns(rng.normal(size=165)), drawn)
        assert all(estimate_interval(e) is not None for pair in found.values() for e in pair)
        resampled.append(found["score 0"][0].resampled)
    rank_intervals(np.stack(resampled), higher_is_better=True)
    assert time.process_time() - start < 5


def test_what_ranks_first_decides_before_the_value():
    values, empty = np.array([1.0, 5.0, 3.0]), np.array([0.2, 0.0, 0.0])
    assert ranks(values, higher_is_better=False, first=empty).tolist() == [3, 2, 1]


def test_results_that_lack_a_statistic_are_data_errors():
    with pytest.raises(DataError, match="lack the statistic 'fp'"):
        image_scores(lambda totals: {"score": totals["fp"]}, ["tp"], np.ones((3, 1)))
