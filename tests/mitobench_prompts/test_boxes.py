"""Boxes from the reference."""

import numpy as np
import pytest
from skimage.measure import regionprops

from mitobench.errors import DataError, UsageError
from mitobench.options import parse_options
from mitobench.prompts import ALL_OBJECTS
from mitobench_prompts.boxes import ObjectBoxes, UnionBox, clip_boxes, move_sides
from mitobench_prompts.options import BoxOptions, UnionBoxOptions

EXACT = BoxOptions()


def test_exact_boxes_are_those_of_regionprops(blobs, sample_of, prompt_with):
    found = prompt_with(ObjectBoxes, EXACT, sample_of(blobs))
    regions = regionprops(blobs)
    expected = [(x0, y0, x1 - 1, y1 - 1) for y0, x0, y1, x1 in (region.bbox for region in regions)]
    np.testing.assert_array_equal(found.boxes, expected)
    assert found.targets.tolist() == [region.label for region in regions]


def test_a_box_of_one_pixel_has_no_extent(sample_of, prompt_with):
    labels = np.zeros((5, 7))
    labels[2, 3] = 9
    assert prompt_with(ObjectBoxes, EXACT, sample_of(labels)).boxes.tolist() == [[3, 2, 3, 2]]


def test_huge_labels_cost_no_memory(sample_of, prompt_with):
    labels = np.zeros((6, 6))
    labels[0, :2], labels[3:5, 3], labels[5, 5] = 2**31 - 1, 5, 900
    found = prompt_with(ObjectBoxes, EXACT, sample_of(labels))
    assert found.targets.tolist() == [5, 900, 2**31 - 1]
    assert found.boxes.tolist() == [[3, 3, 3, 4], [5, 5, 5, 5], [0, 0, 1, 0]]


def test_huge_labels_without_background(sample_of, prompt_with):
    labels = np.full((2, 4), 2**31 - 1)
    labels[:, 2:] = 2**30
    found = prompt_with(ObjectBoxes, EXACT, sample_of(labels))
    assert found.targets.tolist() == [2**30, 2**31 - 1]
    assert found.boxes.tolist() == [[2, 0, 3, 1], [0, 0, 1, 1]]


def test_more_than_65535_objects(sample_of, prompt_with):
    labels = np.arange(1, 260 * 260 + 1).reshape(260, 260)
    found = prompt_with(ObjectBoxes, EXACT, sample_of(labels))
    assert len(found) == 67600
    assert found.boxes[-1].tolist() == [259, 259, 259, 259]


@pytest.mark.parametrize("scale", [1, 10_000_000])
def test_ignored_pixels_shrink_objects_or_remove_them(sample_of, prompt_with, scale):
    labels = np.zeros((8, 10))
    labels[1:4, 1:6], labels[6, 8] = 1, 2
    ignore = np.zeros((8, 10), bool)
    ignore[:, 4:] = True
    found = prompt_with(ObjectBoxes, EXACT, sample_of(labels * scale, ignore=ignore))
    assert found.boxes.tolist() == [[1, 1, 3, 3]]
    assert found.targets.tolist() == [scale]


def test_pixel_jitter_moves_sides_outward_by_less_than_jitter(sample_of, prompt_with):
    labels = np.zeros((100, 100))
    labels[40:60, 30:70] = 1
    moved = np.array(
        [prompt_with(ObjectBoxes, BoxOptions(jitter=4), sample_of(labels), seed=s).boxes[0] for s in range(200)]
    )
    outward = (moved - [30, 40, 69, 59]) * [-1, -1, 1, 1]
    assert [np.unique(side).tolist() for side in outward.T] == [[0, 1, 2, 3]] * 4


def test_random_jitter_goes_both_ways(sample_of, prompt_with):
    labels = np.zeros((100, 100))
    labels[40:60, 30:70] = 1
    options = BoxOptions(jitter=3, direction="random")
    moved = np.array([prompt_with(ObjectBoxes, options, sample_of(labels), seed=s).boxes[0] for s in range(200)])
    assert [np.unique(side).tolist() for side in (moved - [30, 40, 69, 59]).T] == [[-2, -1, 0, 1, 2]] * 4


def test_fractional_jitter_is_of_the_boxs_own_extent(sample_of, prompt_with):
    labels = np.zeros((100, 100))
    labels[40:60, 30:70] = 1
    options = BoxOptions(jitter=0.1, unit="fraction")
    moved = np.array([prompt_with(ObjectBoxes, options, sample_of(labels), seed=s).boxes[0] for s in range(300)])
    outward = (moved - [30, 40, 69, 59]) * [-1, -1, 1, 1]
    assert outward.min() >= 0
    np.testing.assert_allclose(outward.max(axis=0), [4, 2, 4, 2], rtol=0.05)


def test_a_box_never_turns_inside_out(sample_of, prompt_with):
    labels = np.zeros((30, 30))
    labels[10:12, 10:13] = 1
    options = BoxOptions(jitter=50, direction="random")
    for seed in range(50):
        x0, y0, x1, y1 = prompt_with(ObjectBoxes, options, sample_of(labels), seed=seed).boxes[0]
        assert 0 <= x0 <= 11 <= x1 <= 29
        assert 0 <= y0 <= 10.5 <= y1 <= 29


def test_the_union_box_encloses_all_objects(blobs, sample_of, prompt_with):
    found = prompt_with(UnionBox, UnionBoxOptions(), sample_of(blobs))
    rows, cols = np.nonzero(blobs)
    assert found.boxes.tolist() == [[cols.min(), rows.min(), cols.max(), rows.max()]]
    assert found.targets.tolist() == [ALL_OBJECTS]


def test_union_jitter_of_20_is_0_to_19_pixels_outward_as_in_system_a(sample_of, prompt_with):
    labels = np.zeros((256, 256))
    labels[100:120, 100:150], labels[150, 160] = 1, 2
    found = np.array(
        [prompt_with(UnionBox, UnionBoxOptions(jitter=20), sample_of(labels), seed=s).boxes[0] for s in range(600)]
    )
    outward = (found - [100, 100, 160, 150]) * [-1, -1, 1, 1]
    assert [np.unique(side).tolist() for side in outward.T] == [list(range(20))] * 4


def test_boxes_are_clipped_to_the_image(sample_of, prompt_with):
    full = sample_of(np.ones((12, 9)))
    for prompter, options in ((ObjectBoxes, BoxOptions(jitter=30)), (UnionBox, UnionBoxOptions(jitter=30))):
        assert prompt_with(prompter, options, full).boxes.tolist() == [[0, 0, 8, 11]]


@pytest.mark.parametrize(("prompter", "options"), [(ObjectBoxes, EXACT), (UnionBox, UnionBoxOptions(jitter=3))])
def test_an_empty_reference_gives_no_prompt_and_none_at_all_is_an_error(sample_of, prompt_with, prompter, options):
    empty = sample_of(np.zeros((4, 4)))
    found = prompt_with(prompter, options, empty)
    assert (len(found), found.kinds) == (0, {"box"})
    with pytest.raises(DataError, match=r"needs a reference.*'a' has no labels"):
        prompt_with(prompter, options, empty.without_reference())


def test_an_object_that_is_wholly_ignored_gives_no_union_box(sample_of, prompt_with):
    labels = np.ones((4, 4))
    assert len(prompt_with(UnionBox, UnionBoxOptions(), sample_of(labels, ignore=labels > 0))) == 0


@pytest.mark.parametrize(
    ("given", "said"),
    [({"jitter": -1}, "greater than or equal to 0"), ({"jitter": 0.5}, "unit=fraction"), ({"jiter": 1}, "'jitter'")],
)
def test_wrong_options_are_explained(given, said):
    with pytest.raises(UsageError, match=said):
        parse_options(BoxOptions, given, owner="gt-box")


def test_move_sides_stops_at_the_centre():
    boxes = np.array([[0.0, 0.0, 4.0, 10.0]])
    assert move_sides(boxes, np.full((1, 4), -3.0)).tolist() == [[2, 3, 2, 7]]
    assert move_sides(boxes, np.array([[1.0, 2.0, 3.0, 4.0]])).tolist() == [[-1, -2, 7, 14]]


def test_clip_boxes_keeps_to_pixel_centres():
    assert clip_boxes(np.array([[-5.0, 2.0, 50.0, 60.0]]), (30, 20)).tolist() == [[0, 2, 19, 29]]
