"""Images of any kind become uint8 by stated rules, and labels of any kind become bounded int32."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from mitobench.errors import DataError
from mitobench.images import as_labels, as_uint8, connected_components, distinct_labels
from mitobench.samples import Sample

PICTURE = np.array([[0, 1, 7], [128, 254, 255]], np.uint8)


def test_uint8_is_left_alone():
    assert as_uint8(PICTURE, name="a") is PICTURE


@pytest.mark.parametrize("dtype", ["uint16", "int16", "int64", "float16", "float32", "float64", ">u2", ">f4", ">i8"])
def test_one_picture_in_any_type_and_byte_order_gives_one_result(dtype):
    result = as_uint8(PICTURE.astype(dtype), name="a")
    assert result.dtype == np.uint8
    np.testing.assert_array_equal(result, PICTURE)


@pytest.mark.parametrize("dtype", ["float32", "float64", ">f8"])
def test_fractions_of_one_are_multiplied_by_255(dtype):
    np.testing.assert_array_equal(as_uint8(np.array([[0, 0.5, 1.0]], dtype), name="a"), [[0, 128, 255]])


def test_a_whole_numbered_float_image_of_zeros_and_ones_counts_as_integers():
    np.testing.assert_array_equal(as_uint8(np.array([[0.0, 1.0]]), name="a"), [[0, 1]])


def test_anything_else_is_stretched_from_its_own_minimum_to_its_own_maximum():
    np.testing.assert_array_equal(as_uint8(np.array([[100, 1100, 2100]], np.uint16), name="a"), [[0, 128, 255]])
    np.testing.assert_array_equal(as_uint8(np.array([[-1.0, 0.0, 1.0]], np.float32), name="a"), [[0, 128, 255]])


@given(hnp.arrays(np.uint16, hnp.array_shapes(min_dims=2, max_dims=2, max_side=8)))
def test_stretching_does_not_depend_on_the_type(image):
    expected = as_uint8(image, name="a")
    for dtype in (np.float32, np.int64, ">u4"):
        np.testing.assert_array_equal(as_uint8(image.astype(dtype), name="a"), expected)


@pytest.mark.parametrize("value", [0, 7, 1000, -3, 0.25, 1e300])
def test_a_constant_image_stays_constant(value):
    result = as_uint8(np.full((3, 4), value), name="a")
    assert len(np.unique(result)) == 1


def test_the_whole_range_of_float64_does_not_overflow():
    big = np.finfo(np.float64).max
    np.testing.assert_array_equal(as_uint8(np.array([[-big, 0, big]]), name="a"), [[0, 128, 255]])


def test_booleans_become_zero_and_one():
    np.testing.assert_array_equal(as_uint8(np.array([[True, False]]), name="a"), [[1, 0]])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_refused_with_place_and_count(bad):
    image = np.zeros((5, 6), np.float32)
    image[2, 3] = image[4, 1] = bad
    with pytest.raises(DataError, match=r"em\.tif, page 3: 2 pixel\(s\) .* row 2, column 3"):
        as_uint8(image, name="em.tif, page 3")


def test_a_fault_beyond_the_first_block_of_rows_is_found():
    image = np.zeros((9000, 1000), np.float16)
    image[8999, 999] = np.nan
    with pytest.raises(DataError, match="row 8999, column 999"):
        as_uint8(image, name="a")


def test_rgb_stays_and_alpha_is_dropped():
    rgba = np.dstack([PICTURE, PICTURE // 2, PICTURE // 3, np.full_like(PICTURE, 9)])
    np.testing.assert_array_equal(as_uint8(rgba[:, :, :3], name="a"), rgba[:, :, :3])
    np.testing.assert_array_equal(as_uint8(rgba, name="a"), rgba[:, :, :3])


def test_one_channel_is_grey():
    np.testing.assert_array_equal(as_uint8(PICTURE[:, :, None], name="a"), PICTURE)


def test_cmyk_becomes_rgb_as_ink_on_paper():
    inks = np.array([[[0, 0, 0, 0], [255, 0, 0, 0], [0, 0, 0, 255], [0, 255, 255, 0], [0, 0, 0, 128]]], np.uint8)
    expected = [[[255, 255, 255], [0, 255, 255], [0, 0, 0], [255, 0, 0], [127, 127, 127]]]
    np.testing.assert_array_equal(as_uint8(inks, name="a", cmyk=True), expected)


def test_cmyk_agrees_with_pillow():
    from PIL import Image

    inks = np.random.default_rng(0).integers(0, 256, (16, 16, 4), dtype=np.uint8)
    theirs = np.asarray(Image.fromarray(inks, "CMYK").convert("RGB")).astype(int)
    assert np.abs(as_uint8(inks, name="a", cmyk=True).astype(int) - theirs).max() <= 1


@pytest.mark.parametrize("count", [2, 5, 7])
def test_other_numbers_of_channels_ask_for_one(count):
    image = np.arange(6 * count, dtype=np.uint8).reshape(2, 3, count)
    with pytest.raises(DataError, match=rf"{count} channels.*channel="):
        as_uint8(image, name="a")
    np.testing.assert_array_equal(as_uint8(image, name="a", channel=1), image[:, :, 1])


def test_a_channel_that_is_not_there_is_refused():
    with pytest.raises(DataError, match=r"channel=5.*3 channel"):
        as_uint8(np.zeros((2, 2, 3), np.uint8), name="a", channel=5)


@pytest.mark.parametrize("shape", [(0, 4), (4, 0), (4,), (2, 2, 2, 2)])
def test_shapes_that_are_no_image_are_refused(shape):
    with pytest.raises(DataError, match="shape"):
        as_uint8(np.zeros(shape, np.uint8), name="a")


def test_complex_pixels_are_refused():
    with pytest.raises(DataError, match="complex64"):
        as_uint8(np.zeros((2, 2), np.complex64), name="a")


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1)])
def test_single_rows_and_columns_work(shape):
    assert as_uint8(np.full(shape, 3, np.uint16), name="a").shape == shape
    assert as_labels(np.full(shape, 3, np.uint16), name="a").labels.shape == shape


def test_huge_ids_become_small_ones_in_their_order():
    ids = np.array([[0, 5, 2**31], [900, 5, 0]], np.uint64)
    result = as_labels(ids, name="a")
    np.testing.assert_array_equal(result.labels, [[0, 1, 3], [2, 1, 0]])
    assert result.labels.dtype == np.int32
    assert not result.semantic


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "int64", "uint64", "float32", "float64", ">u2", ">i4"])
def test_labels_in_any_type_and_byte_order_give_one_result(dtype):
    ids = np.array([[0, 3, 3], [9, 0, 200]]).astype(dtype)
    np.testing.assert_array_equal(as_labels(ids, name="a").labels, [[0, 1, 1], [2, 0, 3]])


@given(hnp.arrays(np.int64, (6, 7), elements=st.sampled_from([0, 1, 5, 900, 2**24, 2**31, 2**62])))
def test_relabelling_keeps_objects_apart_and_in_order(ids):
    labels = as_labels(ids, name="a", reference="instance").labels
    np.testing.assert_array_equal(labels, np.unique(np.append(ids, 0), return_inverse=True)[1][:-1].reshape(ids.shape))


def test_an_id_in_two_fragments_stays_one_object():
    np.testing.assert_array_equal(as_labels(np.array([[4, 0, 4, 6]]), name="a").labels, [[1, 0, 1, 2]])


def test_more_than_65535_objects():
    ids = np.arange(300 * 300, dtype=np.uint32).reshape(300, 300)
    assert as_labels(ids, name="a").labels.max() == 300 * 300 - 1


def test_no_background_pixel_is_fine():
    np.testing.assert_array_equal(as_labels(np.array([[7, 8]]), name="a").labels, [[1, 2]])


def test_an_empty_reference_has_no_objects():
    result = as_labels(np.zeros((3, 3), np.uint8), name="a")
    assert result.labels.max() == 0
    assert not result.semantic


def test_fractions_are_refused_with_their_place():
    with pytest.raises(DataError, match=r"1 pixel\(s\) are not whole numbers.*row 0, column 1"):
        as_labels(np.array([[1.0, 1.5]]), name="a")


def test_nan_labels_are_refused():
    with pytest.raises(DataError, match="NaN"):
        as_labels(np.array([[1.0, np.nan]]), name="a")


def test_negative_labels_are_refused_unless_they_are_declared():
    ids = np.array([[-1, 0, 4], [4, -1, 9]], np.int16)
    with pytest.raises(DataError, match=r"2 pixel\(s\) are negative.*row 0, column 0.*ignore="):
        as_labels(ids, name="a")
    result = as_labels(ids, name="a", ignore=-1)
    np.testing.assert_array_equal(result.labels, [[0, 0, 1], [1, 0, 2]])
    np.testing.assert_array_equal(result.ignore, ids == -1)


def test_255_is_an_object_unless_it_is_declared():
    ids = np.array([[1, 0, 255]], np.uint8)
    assert as_labels(ids, name="a").labels.max() == 2
    result = as_labels(ids, name="a", ignore=255)
    np.testing.assert_array_equal(result.labels, [[1, 0, 0]])
    assert result.semantic


def test_an_ignore_value_that_does_not_occur_leaves_no_mask():
    assert as_labels(np.array([[1, 0]], np.uint8), name="a", ignore=-1).ignore is None


def test_a_mask_becomes_its_eight_connected_components():
    mask = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 0], [255, 255, 0]], np.uint8)
    result = as_labels(mask, name="a")
    assert result.semantic
    np.testing.assert_array_equal(result.labels, [[1, 0, 0], [0, 1, 0], [0, 0, 0], [2, 2, 0]])


def test_a_mask_declared_to_be_instances_is_one_object():
    result = as_labels(np.array([[255, 0, 255]], np.uint8), name="a", reference="instance")
    np.testing.assert_array_equal(result.labels, [[1, 0, 1]])
    assert not result.semantic


def test_instances_declared_to_be_a_mask_are_merged():
    result = as_labels(np.array([[1, 2, 0, 3]]), name="a", reference="semantic")
    np.testing.assert_array_equal(result.labels, [[1, 1, 0, 2]])
    assert result.semantic


def test_a_boolean_mask_is_a_mask():
    assert as_labels(np.array([[True, False, True]]), name="a").labels.max() == 2
    assert as_labels(np.array([[True, False, True]]), name="a", reference="instance").labels.max() == 1


@given(hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9)))
def test_components_agree_with_scipy(mask):
    expected, count = ndimage.label(mask, np.ones((3, 3)))
    labels = connected_components(mask)
    assert labels.max(initial=0) == count
    np.testing.assert_array_equal(labels, expected)


def test_grey_labels_saved_in_colour_are_read():
    grey = np.array([[0, 3], [9, 0]], np.uint8)
    for channels in (1, 3):
        np.testing.assert_array_equal(as_labels(np.dstack([grey] * channels), name="a").labels, [[0, 1], [2, 0]])
    rgba = np.dstack([grey, grey, grey, np.full_like(grey, 255)])
    np.testing.assert_array_equal(as_labels(rgba, name="a").labels, [[0, 1], [2, 0]])


def test_colours_as_labels_are_refused():
    with pytest.raises(DataError, match="colour image"):
        as_labels(np.array([[[255, 0, 0], [0, 255, 0]]], np.uint8), name="a")


@pytest.mark.parametrize("shape", [(3,), (2, 2, 2, 2)])
def test_labels_of_other_dimensions_are_refused(shape):
    with pytest.raises(DataError, match=r"expected \(H, W\)"):
        as_labels(np.zeros(shape, np.uint8), name="a")


def test_text_is_no_label():
    with pytest.raises(DataError, match="expected integers"):
        as_labels(np.array([["a"]]), name="a")


def test_distinct_labels_stops_at_its_limit():
    assert distinct_labels(np.array([[0, 9, 4], [7, 9, 0]])) == [4, 9]
    assert distinct_labels(np.array([[0, 9, 4], [7, 9, 0]]), limit=9) == [4, 7, 9]
    assert distinct_labels(np.zeros((2, 2))) == []


def test_what_comes_out_is_what_a_sample_takes():
    labels = as_labels(np.array([[0, -1, 2**31]]), name="a", ignore=-1)
    image = as_uint8(np.array([[0, 500, 1000]]), name="a")
    sample = Sample(id="a", image=image, labels=labels.labels, ignore=labels.ignore)
    assert sample.shape == (1, 3)


def test_relabelling_large_ids_needs_memory_for_the_pixels_not_for_the_ids():
    ids = np.zeros((1000, 1000), np.uint64)
    ids[:, ::10] = np.uint64(2**63)
    ids[:, 5::10] = np.uint64(2**31)
    tracemalloc.start()
    labels = as_labels(ids, name="a").labels
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert labels.max() == 2
    assert peak < 100_000_000


def test_stretching_a_large_image_needs_no_float_copy_of_it():
    image = np.zeros((6000, 6000), np.uint16)
    image[0, 0] = 60_000
    tracemalloc.start()
    assert as_uint8(image, name="a")[0, 0] == 255
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6000 * 6000 + 160_000_000
