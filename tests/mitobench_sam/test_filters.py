"""Filters of the label image, against brute force and segment_anything's own."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from segment_anything.utils.amg import calculate_stability_score

from mitobench.masks import PackedMasks
from mitobench_sam.filters import cut_to_box, stability, suppress


@pytest.mark.parametrize("threshold", [0.0, 0.7])
def test_stability_is_segment_anythings(threshold):
    logits = 3 * torch.from_numpy(np.random.default_rng(0).standard_normal((6, 64, 64)).astype(np.float32))
    expected = calculate_stability_score(logits[:, :40, :50], threshold, 1.0)
    torch.testing.assert_close(stability(logits, (40, 50), threshold), expected)


def test_a_mask_that_is_empty_at_both_thresholds_has_no_stability():
    assert stability(torch.full((1, 8, 8), -9.0), (8, 8), 0.0).tolist() == [0]


def random_masks(rng, count):
    dense = []
    for _ in range(count):
        mask = np.zeros((20, 24), np.bool_)
        y, x = rng.integers(0, 16, 2)
        mask[y : y + rng.integers(1, 12), x : x + rng.integers(1, 12)] = True
        dense.append(mask & (rng.random(mask.shape) < 0.9))
    return dense


def brute_force(dense, scores, limit):
    """Greedy suppression by full-frame IoU; scores are distinct, so that their order is the whole order."""
    kept = []
    for index in np.argsort(-scores):
        overlaps = [(dense[index] & dense[k]).sum() / max(1, (dense[index] | dense[k]).sum()) for k in kept]
        if all(overlap <= limit for overlap in overlaps):
            kept.append(index)
    return np.isin(np.arange(len(dense)), kept)


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 2**32), count=st.integers(1, 12), limit=st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.8]))
def test_suppression_is_greedy_by_mask_iou(seed, count, limit):
    rng = np.random.default_rng(seed)
    dense, scores = random_masks(rng, count), rng.permutation(count) / count
    masks = PackedMasks.from_dense(dense, (20, 24))
    found = suppress(masks, scores, np.ones(count, np.bool_), limit)
    np.testing.assert_array_equal(found, brute_force(dense, scores, limit))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), count=st.integers(2, 10))
def test_suppression_does_not_depend_on_the_order_of_the_masks(seed, count):
    rng = np.random.default_rng(seed)
    dense, scores = random_masks(rng, count), rng.integers(0, 3, count) / 2
    order = rng.permutation(count)
    whole = np.ones(count, np.bool_)
    first = suppress(PackedMasks.from_dense(dense, (20, 24)), scores, whole, 0.3)
    second = suppress(PackedMasks.from_dense([dense[i] for i in order], (20, 24)), scores[order], whole, 0.3)
    contents = [
        {dense[i].tobytes() for i in np.flatnonzero(first)},
        {dense[order[i]].tobytes() for i in np.flatnonzero(second)},
    ]
    assert contents[0] == contents[1]


def test_masks_that_take_no_part_suppress_nothing():
    mask = np.ones((4, 4), np.bool_)
    masks = PackedMasks.from_dense([mask, mask], (4, 4))
    found = suppress(masks, np.array([0.9, 0.5]), np.array([False, True]), 0.5)
    assert found.tolist() == [False, True]


def test_a_limit_of_one_suppresses_nothing():
    mask = np.ones((4, 4), np.bool_)
    masks = PackedMasks.from_dense([mask, mask], (4, 4))
    assert suppress(masks, np.array([0.9, 0.5]), np.array([True, True]), 1.0).tolist() == [True, True]


@pytest.mark.parametrize("box", [(3, 2, 8, 5), (2.5, 1.5, 8.4, 5.9), (-4, -4, 40, 40), (9, 9, 9, 9)])
def test_a_mask_cut_to_a_box_keeps_the_pixels_whose_centres_the_box_holds(box):
    mask = np.random.default_rng(0).random((6, 7)) < 0.7
    whole, cut = np.zeros((2, 12, 12), np.bool_)
    whole[1:7, 2:9] = mask
    (top, left), found = cut_to_box(((1, 2), mask), np.array(box, np.float32))
    cut[top : top + found.shape[0], left : left + found.shape[1]] = found
    y, x = np.indices(whole.shape)
    x0, y0, x1, y1 = box
    assert np.array_equal(cut, whole & (x >= x0) & (x <= x1) & (y >= y0) & (y <= y1))
