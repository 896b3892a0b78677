"""Matching objects by id: against an independent implementation, and at the edges."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mitobench.matched_labels import match_labels

PAIRS = st.tuples(st.integers(1, 8), st.integers(1, 8)).flatmap(
    lambda shape: st.tuples(*[arrays(np.int32, shape, elements=st.integers(0, 4))] * 2)
)


def pairs_by_brute_force(reference, predicted, threshold):
    """Every pair of objects whose IoU is above the threshold; unique for thresholds above one half."""
    ids = [[int(i) for i in np.unique(labels) if i] for labels in (reference, predicted)]
    return [
        (r, p)
        for r, p in itertools.product(*ids)
        if ((reference == r) & (predicted == p)).sum() / ((reference == r) | (predicted == p)).sum() > threshold
    ]


@given(PAIRS)
def test_pairs_above_one_half_are_those_of_brute_force(pair):
    reference, predicted = pair
    found = match_labels(reference, predicted, threshold=0.6)
    pairs = list(zip(found.reference.tolist(), found.predicted.tolist(), strict=True))
    assert pairs == pairs_by_brute_force(reference, predicted, 0.599999)
    assert sorted([*found.reference.tolist(), *found.missed.tolist()]) == [i for i in np.unique(reference) if i]
    assert sorted([*found.predicted.tolist(), *found.spurious.tolist()]) == [i for i in np.unique(predicted) if i]


@given(PAIRS, st.sampled_from([0.1, 0.5, 0.75]))
def test_matching_is_one_to_one(pair, threshold):
    found = match_labels(*pair, threshold=threshold)
    assert len(set(found.reference.tolist())) == len(found.reference) == len(set(found.predicted.tolist()))


def test_an_iou_of_exactly_the_threshold_is_a_match():
    reference, predicted = np.zeros((1, 5), np.int32), np.zeros((1, 5), np.int32)
    reference[0, :] = 1
    predicted[0, :3] = 1
    assert match_labels(reference, predicted, threshold=0.6).predicted.tolist() == [1]
    assert match_labels(reference, predicted, threshold=0.65).spurious.tolist() == [1]


def test_two_halves_compete_and_the_lower_id_wins():
    found = match_labels(np.array([[7, 7]]), np.array([[1, 2]]))
    assert (found.reference.tolist(), found.predicted.tolist(), found.spurious.tolist()) == ([7], [1], [2])


def test_huge_ids_keep_their_names():
    reference, predicted = np.zeros((4, 4), np.int64), np.zeros((4, 4), np.int64)
    reference[:2], reference[3] = 2**40, 5
    predicted[:2] = 2**31
    found = match_labels(reference, predicted)
    assert (found.reference.tolist(), found.predicted.tolist(), found.missed.tolist()) == ([2**40], [2**31], [5])


def test_nothing_matches_nothing():
    empty = np.zeros((3, 3), np.int32)
    assert all(ids.size == 0 for ids in match_labels(empty, empty))


def test_different_shapes_are_refused():
    with pytest.raises(ValueError, match="same pixels"):
        match_labels(np.zeros((2, 3), int), np.zeros((3, 2), int))
