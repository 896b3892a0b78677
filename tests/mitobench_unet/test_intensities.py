"""Intensities are brought to about 0..1 by the image's own percentiles."""

import numpy as np
import pytest

from mitobench_unet.intensities import Levels, as_planes, find_levels


def test_levels_are_the_percentiles_that_numpy_finds() -> None:
    image = np.random.default_rng(0).integers(0, 256, (101, 103), np.uint8)
    levels = find_levels(image)
    expected = np.percentile(image, [1, 99.8], method="inverted_cdf")
    assert (levels.low, levels.high) == tuple(expected)


def test_low_becomes_zero_and_high_becomes_one() -> None:
    result = Levels(50, 150).normalise(np.array([[50, 100, 150]], np.uint8))
    np.testing.assert_allclose(result, [[0, 0.5, 1]], atol=1e-6)
    assert result.dtype == np.float32


def test_values_far_beyond_the_levels_are_clipped() -> None:
    result = Levels(100, 110).normalise(np.array([0, 255], np.uint8))
    assert result.tolist() == [-0.5, 1.5]


def test_a_constant_image_becomes_zero() -> None:
    image = np.full((4, 5), 77, np.uint8)
    assert not find_levels(image).normalise(image).any()


def test_a_few_bright_pixels_on_black_are_not_lost() -> None:
    image = np.zeros((100, 100), np.uint8)
    image[3, 4] = 200
    normalised = find_levels(image).normalise(image)
    assert normalised[3, 4] == 1
    assert normalised.sum() == 1


def test_brightness_and_contrast_of_the_whole_image_do_not_matter() -> None:
    image = np.random.default_rng(1).integers(20, 100, (64, 64)).astype(np.uint8)
    brighter = (image * 2 + 30).astype(np.uint8)
    first, second = (find_levels(i).normalise(i) for i in (image, brighter))
    np.testing.assert_allclose(first, second, atol=1e-6)


def test_values_between_whole_numbers_are_normalised_alike() -> None:
    np.testing.assert_allclose(Levels(0, 100).normalise(np.array([12.5], np.float32)), [0.125], atol=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_grey_image_fills_every_plane(channels: int) -> None:
    grey = np.random.default_rng(2).random((3, 4), np.float32)
    planes = as_planes(grey, channels)
    assert planes.shape == (channels, 3, 4)
    assert all(np.array_equal(plane, grey) for plane in planes)


def test_rgb_becomes_three_planes_or_its_luminance() -> None:
    colour = np.random.default_rng(3).random((3, 4, 3), np.float32)
    np.testing.assert_array_equal(as_planes(colour, 3)[1], colour[..., 1])
    expected = 0.299 * colour[..., 0] + 0.587 * colour[..., 1] + 0.114 * colour[..., 2]
    np.testing.assert_allclose(as_planes(colour, 1)[0], expected, rtol=1e-5)
