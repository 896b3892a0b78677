"""Prompts: what they refuse, what they say of themselves, and SAM's mask frame."""

import numpy as np
import pytest

from mitobench.errors import ContractError
from mitobench.prompts import MASK_SIDE, Prompts, mask_logits

BOXES = np.array([[0, 0, 2, 3], [1, 1, 1, 1]], np.float32)
POINTS = np.array([[[1, 2], [3, 4]], [[0, 0], [9, 9]]], np.float32)
LABELS = np.array([[1, 0], [1, -1]], np.int8)


def test_prompts_count_and_name_their_kinds():
    both = Prompts(boxes=BOXES, points=POINTS, point_labels=LABELS, targets=np.array([3, -1]))
    assert (len(both), both.kinds) == (2, {"box", "point"})
    masks = np.zeros((3, MASK_SIDE, MASK_SIDE), np.float32)
    assert (len(Prompts(masks=masks)), Prompts(masks=masks).kinds) == (3, {"mask"})
    assert (len(Prompts()), Prompts().kinds) == (0, frozenset())
    assert len(Prompts(scores=np.array([0, 1], np.float32))) == 2


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"boxes": BOXES.astype(np.float64)}, r"boxes are float64 \(2, 4\); expected float32 \('N', 4\)"),
        ({"boxes": BOXES[:, :3].copy()}, "boxes are"),
        ({"boxes": BOXES[0]}, "boxes are"),
        ({"boxes": BOXES.tolist()}, "boxes are list"),
        ({"boxes": BOXES, "targets": np.array([1])}, "targets has 1 rows; other fields have 2"),
        ({"boxes": BOXES, "targets": np.array([1, 2], np.int32)}, "targets are int32"),
        ({"boxes": BOXES * np.nan}, "NaN or infinity"),
        ({"boxes": BOXES[:, [2, 1, 0, 3]].copy()}, r"box 0 is \[2.0, 0.0, 0.0, 3.0\]"),
        ({"boxes": BOXES[:, [0, 3, 2, 1]].copy()}, "box 0"),
        ({"points": POINTS}, "given together"),
        ({"point_labels": LABELS}, "given together"),
        ({"points": POINTS, "point_labels": LABELS[:, :1].copy()}, "point_labels are"),
        ({"points": POINTS[0], "point_labels": LABELS}, "points are"),
        ({"points": POINTS, "point_labels": LABELS + np.int8(1)}, "must be 1"),
        ({"masks": np.zeros((1, 128, 128), np.float32)}, "masks are"),
        ({"scores": np.array([1.2], np.float32)}, "scores span"),
        ({"scores": np.array([-0.1], np.float32)}, "scores span"),
    ],
)
def test_what_breaks_the_contract_is_named(fields, said):
    with pytest.raises(ContractError, match=said):
        Prompts(**fields)


def test_no_prompts_of_a_kind_are_fine():
    empty = Prompts(
        boxes=np.zeros((0, 4), np.float32),
        points=np.zeros((0, 1, 2), np.float32),
        point_labels=np.zeros((0, 1), np.int8),
        scores=np.zeros(0, np.float32),
    )
    assert len(empty) == 0
    empty.check_inside((1, 1))


@pytest.mark.parametrize(
    ("place", "inside"), [((-0.5, -0.5), True), ((9.5, 4.5), True), ((9.6, 0), False), ((0, -0.6), False)]
)
def test_the_image_ends_half_a_pixel_beyond_its_outermost_centres(place, inside):
    point = Prompts(points=np.array([[place]], np.float32), point_labels=np.ones((1, 1), np.int8))
    low, high = np.minimum(place, 1), np.maximum(place, 1)
    box = Prompts(boxes=np.array([[*low, *high]], np.float32))
    for prompts, what in ((point, "point"), (box, "box")):
        if inside:
            prompts.check_inside((5, 10))
        else:
            with pytest.raises(ContractError, match=rf"{what} .*of prompt 0 is off the image of shape \(5, 10\)"):
                prompts.check_inside((5, 10))


def test_padding_may_lie_anywhere():
    points = np.array([[[1, 1], [-99, 99]]], np.float32)
    Prompts(points=points, point_labels=np.array([[1, -1]], np.int8)).check_inside((3, 3))


@pytest.mark.parametrize(
    ("shape", "frame"),
    [((512, 256), (256, 128)), ((100, 300), (85, 256)), ((64, 64), (256, 256)), ((1, 900), (1, 256))],
)
def test_masks_fill_sams_frame_from_the_top_left(shape, frame):
    logits = mask_logits(np.ones(shape, np.float32))
    assert (logits.shape, logits.dtype) == ((256, 256), np.float32)
    expected = np.full((256, 256), -10, np.float32)
    expected[: frame[0], : frame[1]] = 10
    np.testing.assert_allclose(logits, expected, atol=1e-3)


def test_a_mask_keeps_its_place_and_its_area():
    mask = np.zeros((512, 512), np.float32)
    mask[100:200, 300:420] = 1
    found = mask_logits(mask) > 0
    rows, cols = np.nonzero(found)
    assert (rows.min(), rows.max(), cols.min(), cols.max()) == (50, 99, 150, 209)
    assert found.sum() == mask.sum() / 4


def test_a_probability_is_its_logit_within_the_limit():
    logits = mask_logits(np.full((256, 256), 0.8, np.float32), limit=6)
    np.testing.assert_allclose(logits, np.log(4), rtol=1e-4)
    assert mask_logits(np.ones((256, 256), np.float32), limit=6).max() == pytest.approx(6, rel=1e-4)
