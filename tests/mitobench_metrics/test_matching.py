"""A pair qualifies at t = k/20 exactly when 20 * I >= k * U, and a pixel has one owner on each side."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.optimize import linear_sum_assignment

from mitobench_metrics.contingency import Contingency
from mitobench_metrics.matching import THRESHOLDS, TWENTIETHS, match, qualifies, rounded_iou

EXACT_IOUS = [(k, k * scale, 20 * scale) for k in TWENTIETHS for scale in (1, 3, 7, 49, 1001)]
small_labels = hnp.arrays(np.int32, st.tuples(st.integers(1, 6), st.integers(1, 10)), elements=st.integers(0, 3))


def one(shared: int, union: int) -> tuple[np.ndarray, np.ndarray]:
    return np.array([shared]), np.array([union])


def pairs_of(reference, prediction, convention="exact"):
    table = Contingency.of(np.asarray(reference, np.int32), np.asarray(prediction, np.int32))
    matches = match(table, convention)
    return [
        (int(table.reference_ids[r]), int(table.prediction_ids[p]))
        for r, p in zip(matches.reference, matches.prediction, strict=True)
    ]


@settings(deadline=None)
@given(st.data(), st.integers(1, 10**9), st.sampled_from(TWENTIETHS))
def test_the_exact_rule_is_the_rational_comparison(data, union, k):
    shared = data.draw(st.integers(0, union) | st.just(union * k // 20) | st.just(-(-union * k // 20)))
    assert bool(qualifies(*one(shared, union), k)[0]) == (Fraction(shared, union) >= Fraction(k, 20))


@pytest.mark.parametrize(("k", "shared", "union"), EXACT_IOUS)
def test_an_iou_equal_to_the_threshold_passes_and_one_pixel_less_fails(k, shared, union):
    assert qualifies(*one(shared, union), k)[0]
    assert not qualifies(*one(shared - 1, union), k)[0]


@pytest.mark.parametrize(("k", "shared", "union"), EXACT_IOUS)
def test_stardist_passes_an_iou_equal_to_the_threshold_too(k, shared, union):
    assert qualifies(*one(shared, union), k, "stardist")[0]


def test_stardist_passes_an_iou_just_below_the_threshold_on_huge_objects():
    shared, union = 12 * 10**8 - 1, 20 * 10**8
    assert not qualifies(*one(shared, union), 12)[0]
    assert qualifies(*one(shared, union), 12, "stardist")[0]


@pytest.mark.parametrize("convention", ["cellpose", "microsam"])
def test_thresholds_made_by_arange_fail_an_equal_iou_from_060_on(convention):
    passed = [bool(qualifies(*one(k, 20), k, convention)[0]) for k in TWENTIETHS]
    assert passed == [True, True] + [False] * 8


@settings(deadline=None)
@given(st.integers(1, 10**6), st.data())
def test_the_conventions_agree_away_from_the_thresholds(union, data):
    shared = data.draw(st.integers(0, union))
    for k in TWENTIETHS:
        if abs(shared / union - k / 20) > 1e-6:
            decided = {bool(qualifies(*one(shared, union), k, c)[0]) for c in ("exact", "stardist", "cellpose")}
            assert len(decided) == 1


@pytest.mark.parametrize("k", [9, 20, 0])
def test_other_thresholds_are_refused(k):
    with pytest.raises(ValueError, match=r"expected 10\.\.19"):
        qualifies(*one(1, 2), k)


def test_the_thresholds_are_named_by_their_value():
    assert THRESHOLDS == ("0.5", "0.55", "0.6", "0.65", "0.7", "0.75", "0.8", "0.85", "0.9", "0.95")


def test_only_stardist_rounds_the_iou_to_single_precision():
    third = one(1, 3)
    assert rounded_iou(*third)[0] == 1 / 3
    assert rounded_iou(*third, "stardist")[0] == float(np.float32(1 / 3)) != 1 / 3


def test_of_two_halves_the_prediction_with_the_lower_id_is_matched():
    assert pairs_of([[1, 1, 1, 1]], [[2, 2, 1, 1]]) == [(1, 1)]
    assert pairs_of([[1, 1, 1, 1]], [[9, 9, 4, 4]]) == [(1, 4)]


def test_of_two_reference_halves_the_one_with_the_lower_id_is_matched():
    assert pairs_of([[8, 8, 3, 3]], [[1, 1, 1, 1]]) == [(3, 1)]


def test_half_of_an_object_matches_it_and_less_does_not():
    assert pairs_of([[1, 1, 1, 1]], [[1, 1, 0, 0]]) == [(1, 1)]
    assert pairs_of([[1, 1, 1, 1, 1]], [[1, 1, 0, 0, 0]]) == []


def test_several_ties_in_one_image_are_resolved_each_for_itself():
    reference = [[1, 1, 1, 1, 0, 5, 5, 6, 6]]
    prediction = [[3, 3, 2, 2, 0, 7, 7, 7, 7]]
    assert pairs_of(reference, prediction) == [(1, 2), (5, 7)]


def test_an_object_in_two_fragments_is_one_object():
    assert pairs_of([[4, 4, 0, 4, 4]], [[1, 1, 0, 1, 1]]) == [(4, 1)]
    assert pairs_of([[4, 4, 0, 4, 4]], [[1, 1, 0, 2, 2]]) == [(4, 1)]


def test_touching_objects_are_matched_each_to_its_own():
    assert pairs_of([[1, 1, 1, 2, 2, 2]], [[5, 5, 5, 6, 6, 6]]) == [(1, 5), (2, 6)]


@settings(deadline=None)
@given(small_labels, st.integers(0, 10**6))
def test_greedy_matching_is_a_maximum_matching_of_maximum_iou(reference, seed):
    rng = np.random.default_rng(seed)
    prediction = np.where(rng.random(reference.shape) < 0.7, reference, rng.integers(0, 4, reference.shape))
    table = Contingency.of(reference, prediction.astype(np.int32))
    iou = np.zeros((table.reference_ids.size, table.prediction_ids.size))
    iou[table.reference_index, table.prediction_index] = table.shared / table.union
    for k in TWENTIETHS:
        gain = np.where(iou >= k / 20, 1 + iou, 0)
        rows, columns = linear_sum_assignment(-gain)
        matches = match(table)
        kept = qualifies(matches.shared, matches.union, k)
        assert gain[rows, columns].sum() == pytest.approx((1 + matches.iou[kept]).sum())


@settings(deadline=None)
@given(small_labels, small_labels.map(np.ravel))
def test_no_object_is_matched_twice(reference, noise):
    prediction = np.resize(noise, reference.shape).astype(np.int32)
    pairs = pairs_of(reference, prediction)
    assert len({r for r, _ in pairs}) == len({p for _, p in pairs}) == len(pairs)
