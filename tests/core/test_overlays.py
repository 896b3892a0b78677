"""Drawing labels and prompts: what is coloured, what is not, and on what kinds of image."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from scipy import ndimage
from skimage.segmentation import find_boundaries

from mitobench import overlays
from mitobench.errors import DataError
from mitobench.overlays import (
    as_rgb,
    draw_comparison,
    draw_outlines,
    enlarge,
    line_width,
    outline,
    stretched,
    write_png,
)
from mitobench.prompt_overlays import draw_prompts, typical_diameter
from mitobench.prompts import Prompts, mask_logits

LABELS = st.tuples(st.integers(1, 12), st.integers(1, 12)).flatmap(
    lambda shape: arrays(np.int32, shape, elements=st.sampled_from([0, 1, 2, 2**31 - 1]))
)
BLACK = np.zeros((20, 30, 3), np.uint8)


def coloured(picture, colour):
    """bool (H, W): where the picture has exactly this colour."""
    return (picture == np.array(colour, np.uint8)).all(axis=2)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, ">i4"])
def test_one_grey_image_of_any_type_is_one_picture(dtype):
    grey = np.arange(12).reshape(3, 4) * 20
    picture = as_rgb(grey.astype(dtype))
    assert picture.dtype == np.uint8
    np.testing.assert_array_equal(picture, np.stack([grey] * 3, axis=-1))


def test_nan_and_infinity_show_as_the_darkest_pixel():
    image = np.array([[np.nan, 0.2, 1.0], [np.inf, -np.inf, 0.4]])
    assert as_rgb(image)[..., 0].tolist() == [[51, 51, 255], [51, 51, 102]]
    assert not as_rgb(np.full((2, 2), np.nan)).any()


def test_a_mask_shows_white_and_a_picture_is_not_shared():
    assert as_rgb(np.array([[True, False]]))[0, :, 1].tolist() == [255, 0]
    image = np.zeros((2, 2, 3), np.uint8)
    as_rgb(image)[0, 0] = 9
    assert not image.any()


def test_alpha_is_dropped_and_five_channels_are_refused():
    assert as_rgb(np.ones((2, 3, 4), np.uint8)).shape == (2, 3, 3)
    with pytest.raises(DataError, match="channel="):
        as_rgb(np.ones((2, 3, 5), np.uint8))


@given(LABELS)
def test_outlines_are_inner_boundaries_closed_at_the_image_edge(labels):
    framed = np.pad(labels.astype(np.int64), 1)
    np.testing.assert_array_equal(outline(labels), find_boundaries(framed, mode="inner")[1:-1, 1:-1] & (labels != 0))


@given(LABELS, st.integers(1, 4))
def test_wide_outlines_are_what_erosion_takes_away(labels, width):
    expected = np.zeros(labels.shape, bool)
    for label in set(labels.ravel().tolist()) - {0}:
        expected |= (labels == label) & ~ndimage.binary_erosion(labels == label, iterations=width)
    np.testing.assert_array_equal(outline(labels, width=width), expected)


def test_outlines_change_only_their_own_pixels_on_a_copy():
    labels = np.zeros((20, 30), np.uint16)
    labels[5:10, 5:10] = 60000
    drawn = draw_outlines(BLACK, labels, (1, 2, 3))
    np.testing.assert_array_equal(coloured(drawn, (1, 2, 3)), outline(labels))
    assert drawn[~outline(labels)].sum() == 0
    assert not BLACK.any()


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1)])
def test_images_of_one_pixel_width_are_drawn(shape):
    labels = np.ones(shape, np.int32)
    assert outline(labels).all()
    assert draw_comparison(as_rgb(labels), labels, labels).shape == (*shape, 3)


def test_empty_labels_draw_nothing():
    empty = np.zeros((20, 30), np.int32)
    assert not draw_outlines(BLACK, empty, (9, 9, 9)).any()
    assert not draw_comparison(BLACK, empty, empty).any()
    assert not draw_prompts(BLACK, Prompts()).any()


def test_a_comparison_tells_found_invented_and_missed_apart():
    reference, predicted = np.zeros((20, 30), np.int32), np.zeros((20, 30), np.int32)
    reference[2:8, 2:8], predicted[2:8, 3:8] = 7, 3
    reference[12:18, 2:8] = 9
    predicted[2:8, 15:21] = 4
    drawn = draw_comparison(BLACK, reference, predicted)
    np.testing.assert_array_equal(coloured(drawn, overlays.TRUE_POSITIVE), outline(predicted == 3))
    np.testing.assert_array_equal(coloured(drawn, overlays.FALSE_POSITIVE), outline(predicted == 4))
    np.testing.assert_array_equal(coloured(drawn, overlays.FALSE_NEGATIVE), outline(reference == 9))


def test_a_higher_threshold_makes_the_same_pair_an_error():
    reference, predicted = np.zeros((20, 30), np.int32), np.zeros((20, 30), np.int32)
    reference[2:8, 2:8], predicted[2:8, 3:8] = 1, 1
    drawn = draw_comparison(BLACK, reference, predicted, threshold=0.9)
    assert not coloured(drawn, overlays.TRUE_POSITIVE).any()
    np.testing.assert_array_equal(coloured(drawn, overlays.FALSE_POSITIVE), outline(predicted))
    assert coloured(drawn, overlays.FALSE_NEGATIVE).any()


def test_where_only_some_objects_are_annotated_no_prediction_is_false():
    reference, predicted = np.zeros((20, 30), np.int32), np.zeros((20, 30), np.int32)
    reference[2:8, 2:8], predicted[12:18, 2:8] = 1, 1
    drawn = draw_comparison(BLACK, reference, predicted, partial=True)
    np.testing.assert_array_equal(coloured(drawn, overlays.UNJUDGED), outline(predicted))
    assert not coloured(drawn, overlays.FALSE_POSITIVE).any()
    assert coloured(drawn, overlays.FALSE_NEGATIVE).any()


def test_ignored_pixels_count_for_neither():
    reference, predicted = np.zeros((20, 30), np.int32), np.zeros((20, 30), np.int32)
    reference[2:8, 2:8], predicted[12:18, 2:8] = 1, 1
    assert not draw_comparison(BLACK, reference, predicted, ignore=np.ones((20, 30), bool)).any()


def test_a_box_encloses_its_pixels_at_any_scale():
    box = Prompts(boxes=np.array([[3, 4, 7, 9]], np.float32))
    inside = np.zeros((20, 30), np.int32)
    inside[4:10, 3:8] = 1
    np.testing.assert_array_equal(coloured(draw_prompts(BLACK, box), overlays.BOX), outline(inside))
    large = draw_prompts(enlarge(BLACK, 3), box, scale=3)
    expected = ndimage.binary_dilation(ndimage.binary_erosion(enlarge(inside, 3), np.ones((3, 3))), np.ones((3, 3)))
    assert (coloured(large, overlays.BOX) <= expected).all()
    assert [int(v[0]) for v in np.nonzero(coloured(large, overlays.BOX))] == [12, 9]


def test_points_on_and_off_the_object_differ_in_form_and_colour_and_padding_is_left_out():
    prompts = Prompts(
        points=np.array([[[6, 10], [20, 10], [0, 0]]], np.float32), point_labels=np.array([[1, 0, -1]], np.int8)
    )
    drawn = draw_prompts(BLACK, prompts)
    on, off = coloured(drawn, overlays.POSITIVE_POINT), coloured(drawn, overlays.NEGATIVE_POINT)
    assert on[10, 6]
    assert off[10, 20]
    assert not off[10, 21], "a cross has nothing straight beside its middle"
    assert on[10, 7], "a disc has"
    assert not drawn[:5, :5].any()


def test_many_points_leave_the_picture_to_be_seen():
    y, x = np.mgrid[:32, :32].reshape(2, -1).astype(np.float32)
    points = np.stack([x * 8 + 4, y * 8 + 4], axis=1)[:, None]
    prompts = Prompts(points=points, point_labels=np.ones((1024, 1), np.int8))
    drawn = draw_prompts(np.zeros((256, 256, 3), np.uint8), prompts, width=3)
    assert 1024 <= coloured(drawn, overlays.POSITIVE_POINT).sum() < 0.2 * 256 * 256


def marked(diameter, *, label=1, width=4, boxes=None):
    """bool (300, 300): where one point in the middle is drawn, in its colour or with its rim."""
    points = np.array([[[50, 50]]], np.float32)
    prompts = Prompts(points=points, point_labels=np.array([[label]], np.int8), boxes=boxes)
    drawn = draw_prompts(np.zeros((300, 300, 3), np.uint8), prompts, scale=3, width=width, diameter=diameter)
    return drawn.any(axis=2) & ~coloured(drawn, overlays.BOX)


@pytest.mark.parametrize("label", [0, 1])
def test_points_are_smaller_on_small_objects_never_larger_and_always_seen(label):
    sizes = [int(marked(diameter, label=label).sum()) for diameter in (0.5, 4, 8, 16, 32, 64, 500)]
    assert sizes == sorted(sizes)
    assert sizes[0] >= 9
    assert sizes[0] < sizes[3] < sizes[-1] == marked(None, label=label).sum()


@pytest.mark.parametrize("diameter", [9, 15, 40])
def test_a_point_leaves_the_object_below_it_to_be_seen(diameter):
    y, x = np.mgrid[:300, :300]
    disc = np.hypot(y - 151, x - 151) < 3 * diameter / 2
    assert marked(diameter)[disc].mean() < 0.15
    assert not marked(diameter)[~disc].any()


def test_the_size_of_points_follows_boxes_where_there_is_no_reference():
    box = np.array([[44, 44, 56, 56]], np.float32)
    assert marked(None, boxes=box).sum() == marked(13).sum() < marked(None).sum()


def test_the_typical_diameter_is_that_of_the_median_object():
    y, x = np.mgrid[:100, :100]
    labels = np.zeros((100, 100), np.int32)
    for number, (row, column, radius) in enumerate([(20, 20, 4), (20, 70, 10), (70, 50, 25)], start=1):
        labels[np.hypot(y - row, x - column) <= radius] = number * 1000
    assert typical_diameter(labels) == pytest.approx(20, abs=0.5)
    assert typical_diameter(np.zeros((4, 4), np.uint8)) is None


def test_prompts_at_and_beyond_the_edge_are_clipped():
    prompts = Prompts(
        boxes=np.array([[-50, -50, -40, -40], [25, 15, 99, 99]], np.float32),
        points=np.array([[[-30, -30]], [[29.4, 19.4]]], np.float32),
        point_labels=np.ones((2, 1), np.int8),
    )
    drawn = draw_prompts(BLACK, prompts)
    assert coloured(drawn, overlays.POSITIVE_POINT)[19, 29]
    assert coloured(drawn, overlays.BOX)[15, 26]
    assert not drawn[:10, :20].any()


@pytest.mark.parametrize("shape", [(40, 60), (300, 200)])
def test_a_mask_prompt_is_tinted_where_its_object_is(shape):
    mask = np.zeros(shape, bool)
    mask[shape[0] // 4 : shape[0] // 2, shape[1] // 4 : shape[1] // 2] = True
    drawn = draw_prompts(np.zeros((*shape, 3), np.uint8), Prompts(masks=mask_logits(mask.astype(float))[None]))
    shown = drawn.any(axis=2)
    assert (shown & mask).sum() / (shown | mask).sum() > 0.9


def test_colours_are_distinct_for_people_without_red_or_green_cones():
    """Simulated dichromacy (Viénot, Brettel and Mollon 1999) keeps found, invented and missed far apart."""
    simulations = (
        np.array([[0.1124, 0.8876, 0], [0.1124, 0.8876, 0], [0.004, -0.004, 1]]),
        np.array([[0.2928, 0.7072, 0], [0.2928, 0.7072, 0], [-0.0223, 0.0223, 1]]),
    )
    meaning = [overlays.TRUE_POSITIVE, overlays.FALSE_POSITIVE, overlays.FALSE_NEGATIVE]
    linear = (np.array(meaning) / 255.0) ** 2.2
    for simulation in simulations:
        seen = np.clip(linear @ simulation.T, 0, 1) ** (1 / 2.2)
        distances = [np.linalg.norm(seen[a] - seen[b]) for a, b in ((0, 1), (0, 2), (1, 2))]
        assert min(distances) > 0.3


@given(
    st.one_of(
        arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9))),
        arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3))),
    )
)
def test_png_files_are_read_back_by_another_library(picture):
    with Image.open(io.BytesIO(write_png(picture))) as read:
        np.testing.assert_array_equal(np.asarray(read), picture)


@pytest.mark.parametrize("picture", [np.zeros((2, 2)), np.zeros((2, 2, 4), np.uint8), np.zeros((0, 2), np.uint8)])
def test_what_is_no_picture_is_not_written(picture):
    with pytest.raises(ValueError, match="expected uint8"):
        write_png(picture)


def test_lines_are_wider_on_larger_pictures():
    assert [line_width((side, 10)) for side in (1, 256, 1024, 4096)] == [1, 1, 3, 10]


def test_a_stretched_picture_has_its_thousandths_at_black_and_white_and_its_channels_on_one_scale():
    picture = np.random.default_rng(0).integers(5, 51, (40, 50, 3)).astype(np.uint8)
    picture[0, 0], before = 255, picture.copy()
    low, high = np.quantile(picture, [0.001, 0.999])
    expected = np.clip((picture - low) / (high - low), 0, 1) * 255
    assert np.abs(stretched(picture) - expected).max() <= 0.5 + 1e-9
    assert (picture[1:] == before[1:]).all()
    flat = np.full((4, 4), 7, np.uint8)
    assert (stretched(flat) == flat).all()
