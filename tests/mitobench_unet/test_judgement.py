"""Validation scores agree with independent implementations."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import linear_sum_assignment

from mitobench_unet.judgement import Tally, tally

LABELS = arrays(np.int32, (6, 7), elements=st.integers(0, 3))


def pairs_by_hand(reference: np.ndarray, prediction: np.ndarray) -> int:
    """The largest one-to-one matching at IoU 0.5, by the Hungarian method over exact integer tests."""
    real, found = (np.unique(x[x > 0]) for x in (reference, prediction))
    qualifies = np.array(
        [
            [
                2 * np.sum((reference == r) & (prediction == f)) >= np.sum((reference == r) | (prediction == f))
                for f in found
            ]
            for r in real
        ],
        int,
    )
    qualifies = qualifies.reshape(real.size, found.size)
    rows, columns = linear_sum_assignment(-qualifies)
    return int(qualifies[rows, columns].sum())


@given(reference=LABELS, prediction=LABELS)
@settings(max_examples=150, deadline=None)
def test_counts_agree_with_counting_by_hand(reference, prediction) -> None:
    counts = tally(reference, prediction, None)
    real, found = reference > 0, prediction > 0
    assert (counts.shared, counts.predicted, counts.expected) == ((real & found).sum(), found.sum(), real.sum())
    assert (counts.found, counts.real) == (np.unique(prediction[found]).size, np.unique(reference[real]).size)
    assert counts.matched == pairs_by_hand(reference, prediction)


def test_an_iou_of_exactly_one_half_matches() -> None:
    reference, prediction = np.zeros((2, 4), np.int32), np.zeros((2, 4), np.int32)
    reference[0, :2], prediction[0, :1] = 1, 1
    assert tally(reference, prediction, None).matched == 1


def test_one_prediction_matches_one_of_two_equal_halves() -> None:
    reference, prediction = np.array([[1, 1, 2, 2]], np.int32), np.array([[1, 1, 1, 1]], np.int32)
    counts = tally(reference, prediction, None)
    assert counts.matched == 1
    assert counts.f1 == pytest.approx(2 / 3)


def test_large_ids_need_no_memory_and_score_like_small_ones() -> None:
    reference = np.array([[5, 5, 0, 900, 2**31 - 1]], np.int32)
    assert tally(reference, reference, None) == Tally(4, 4, 4, 3, 3, 3)


def test_without_background_everything_is_still_counted() -> None:
    full = np.ones((3, 3), np.int32)
    assert tally(full, full, None).dice == tally(full, full, None).f1 == 1


def test_ignored_pixels_do_not_count() -> None:
    reference, prediction = np.array([[1, 1, 0, 0]], np.int32), np.array([[1, 1, 2, 2]], np.int32)
    counts = tally(reference, prediction, np.array([[False, False, True, True]]))
    assert counts.dice == counts.f1 == 1


def test_tallies_add_up_to_pooled_scores() -> None:
    total = Tally(1, 2, 2, 1, 1, 1) + Tally(2, 2, 4, 0, 1, 2)
    assert total == Tally(3, 4, 6, 1, 2, 3)
    assert (total.dice, total.iou, total.f1) == (0.6, 3 / 7, 0.4)


def test_nothing_expected_and_nothing_found_is_perfect() -> None:
    assert (Tally().dice, Tally().iou, Tally().f1) == (1.0, 1.0, 1.0)
