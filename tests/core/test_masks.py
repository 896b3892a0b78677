"""Packed masks, and the label image that overlapping masks resolve to whatever their order."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from mitobench.errors import ContractError
from mitobench.masks import PackedMasks, compact_labels, numbered_labels, resolve_overlaps

STACKS = st.tuples(st.integers(0, 5), st.integers(1, 9), st.integers(1, 9)).flatmap(lambda s: arrays(np.bool_, s))


@given(STACKS)
def test_packing_loses_nothing(stack):
    packed = PackedMasks.from_dense(stack, stack.shape[1:])
    assert len(packed) == len(stack)
    for index, mask in enumerate(stack):
        np.testing.assert_array_equal(packed.dense(index), mask)
    np.testing.assert_array_equal(packed.areas(), stack.sum(axis=(1, 2)))
    assert packed.areas().dtype == np.int64


@given(STACKS)
def test_boxes_are_tight(stack):
    packed = PackedMasks.from_dense(stack, stack.shape[1:])
    for index, mask in enumerate(stack):
        (top, left), crop = packed.crop(index)
        if mask.any():
            ((rows, cols),) = ndimage.find_objects(mask.astype(int))
            assert (top, left, *crop.shape) == (
                rows.start,
                cols.start,
                *np.subtract([rows.stop, cols.stop], [rows.start, cols.start]),
            )
        else:
            assert (top, left, crop.size) == (0, 0, 0)


def test_windows_of_the_frame_are_placed():
    crop = np.zeros((4, 5), bool)
    crop[1:3, 2:4] = True
    packed = PackedMasks.from_crops([((10, 20), crop), ((0, 0), np.zeros((2, 2), bool))], (30, 40))
    assert packed.boxes.tolist() == [[11, 22, 13, 24], [0, 0, 0, 0]]
    assert packed.areas().tolist() == [4, 0]


def test_objects_of_a_label_image_in_the_order_asked_for():
    labels = np.zeros((6, 8), np.int64)
    labels[0, 0], labels[2:4, 3:6], labels[5, 7] = 2**31, 5, 900
    packed = PackedMasks.from_labels(labels, [900, 4, 2**31, 5])
    for index, wanted in enumerate([900, 4, 2**31, 5]):
        np.testing.assert_array_equal(packed.dense(index), labels == wanted)


def test_packed_masks_survive_pickling():
    packed = PackedMasks.from_dense([np.eye(5, dtype=bool)], (5, 5))
    packed.areas()
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(packed)).dense(0), np.eye(5))


@pytest.mark.parametrize(
    ("boxes", "bits", "said"),
    [
        (np.zeros((1, 3), np.int32), 0, r"boxes are int32 \(1, 3\)"),
        (np.zeros((1, 4), np.int64), 0, "boxes are int64"),
        (np.array([[0, 0, 6, 5]], np.int32), 4, "outside the image"),
        (np.array([[0, -1, 2, 2]], np.int32), 1, "outside the image"),
        (np.array([[3, 0, 2, 2]], np.int32), 1, "outside the image"),
        (np.array([[0, 0, 3, 3]], np.int32), 1, "1 bytes .* need 2"),
    ],
)
def test_what_breaks_the_contract_is_named(boxes, bits, said):
    with pytest.raises(ContractError, match=said):
        PackedMasks((5, 5), boxes, np.zeros(bits, np.uint8))


def resolved_by_pixel(stack, scores):
    """Each pixel to the best mask that holds it: score, area, box, bits; numbered by first pixel."""
    packed = PackedMasks.from_dense(stack, stack.shape[1:])

    def rank(index):
        return (
            -scores[index],
            -int(stack[index].sum()),
            packed.boxes[index].tolist(),
            np.packbits(packed.crop(index)[1]).tobytes(),
        )

    owner = np.full(stack.shape[1:], -1)
    for pixel in np.ndindex(*owner.shape):
        holders = [i for i in range(len(stack)) if stack[(i, *pixel)]]
        if holders:
            owner[pixel] = min(holders, key=rank)
    order = list(dict.fromkeys(owner[owner >= 0].tolist()))
    labels = np.zeros(owner.shape, np.int32)
    for number, index in enumerate(order, start=1):
        labels[owner == index] = number
    return labels, [scores[i] for i in order]


@given(STACKS, st.data())
def test_overlaps_resolve_pixel_by_pixel_to_the_best_mask(stack, data):
    scores = np.array(data.draw(st.lists(st.sampled_from([0.25, 0.5, 1.0]), min_size=len(stack), max_size=len(stack))))
    labels, kept = resolve_overlaps(PackedMasks.from_dense(stack, stack.shape[1:]), scores)
    # Equal masks with equal scores are one as good as the other: they are compared by what they paint, not by who they are.
    expected, expected_scores = resolved_by_pixel(stack, scores)
    np.testing.assert_array_equal(labels, expected)
    np.testing.assert_allclose(kept, expected_scores)
    assert (labels.dtype, kept.dtype) == (np.int32, np.float32)


@given(STACKS, st.randoms(use_true_random=False))
def test_the_order_of_the_masks_does_not_matter(stack, random):
    scores = np.array([random.choice([0.25, 0.5, 0.75]) for _ in stack])
    order = list(range(len(stack)))
    random.shuffle(order)
    first = resolve_overlaps(PackedMasks.from_dense(stack, stack.shape[1:]), scores)
    second = resolve_overlaps(PackedMasks.from_dense(stack[order], stack.shape[1:]), scores[order])
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])


def test_only_the_kept_masks_take_part():
    stack = np.zeros((3, 4, 4), bool)
    stack[0], stack[1, 1, 1], stack[2, 3] = True, True, True
    packed = PackedMasks.from_dense(stack, (4, 4))
    labels, scores = resolve_overlaps(packed, np.array([0.9, 0.8, 0.7]), np.array([False, True, True]))
    np.testing.assert_array_equal(labels, stack[1] * 1 + stack[2] * 2)
    np.testing.assert_allclose(scores, [0.8, 0.7])


def test_a_mask_that_keeps_no_pixel_gets_no_number():
    stack = np.ones((2, 3, 3), bool)
    stack[1, 0] = False
    labels, scores = resolve_overlaps(PackedMasks.from_dense(stack, (3, 3)), np.array([0.9, 0.8]))
    assert np.unique(labels).tolist() == [1]
    np.testing.assert_allclose(scores, [0.9])


def test_many_masks_on_a_large_image_resolve_in_their_windows_only():
    crops = [((y, x), np.ones((6, 6), bool)) for y in range(0, 2000, 10) for x in range(0, 200, 10)]
    labels, scores = resolve_overlaps(PackedMasks.from_crops(crops, (2000, 2000)), np.full(len(crops), 0.5))
    assert labels.max() == len(scores) == 4000
    assert (labels > 0).sum() == 4000 * 36


@given(
    arrays(np.int64, st.tuples(st.integers(0, 6), st.integers(1, 6)), elements=st.sampled_from([0, 1, 2, 7, 2**31, -3]))
)
def test_compact_labels_keep_their_objects(labels):
    dense, names = compact_labels(labels)
    np.testing.assert_array_equal(np.concatenate([[0], names])[dense], labels)
    assert dense.max(initial=0) <= max(labels.size, 1 << 16)
    np.testing.assert_array_equal(dense == 0, labels == 0)


def test_compact_labels_leave_small_labels_alone():
    labels = np.array([[0, 5], [9, 0]], np.int32)
    dense, names = compact_labels(labels)
    assert dense is labels
    assert names.tolist() == list(range(1, 10))


@pytest.mark.parametrize("seed", range(5))
def test_numbered_labels_are_the_inverse_of_numpys_unique(seed):
    rng = np.random.default_rng(seed)
    ids = [0, *rng.integers(1, [300, 2**31 - 1][seed % 2], 9)]
    labels = rng.choice(np.array(ids, [np.int64, np.uint32][seed % 2]), (7, 9))
    labels[0, 0] = 0
    found = numbered_labels(labels)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, np.unique(labels, return_inverse=True)[1].reshape(7, 9))


def test_labels_without_background_are_numbered_from_one():
    assert numbered_labels(np.array([[5, 5], [900, 7]])).tolist() == [[1, 1], [3, 2]]
    assert numbered_labels(np.zeros((0, 4), np.uint8)).shape == (0, 4)
