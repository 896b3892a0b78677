import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mitobench_keras.tiles import cut, resized, resized_mask, stitch, tile_corners

SIDES = st.integers(1, 70)


def test_a_section_divides_into_tiles_without_overlap():
    corners = tile_corners((768, 1024), 128)
    assert len(corners) == 48
    assert corners[0] == (0, 0)
    assert corners[-1] == (640, 896)
    assert len(set(corners)) == 48


def test_the_last_tile_ends_with_the_image():
    assert tile_corners((40, 16), 16) == [(0, 0), (16, 0), (24, 0)]


def test_overlap_moves_tiles_closer():
    assert [left for _, left in tile_corners((16, 40), 16, 0.25)] == [0, 12, 24]


@settings(max_examples=60, deadline=None)
@given(height=SIDES, width=SIDES, overlap=st.sampled_from([0.0, 0.25, 0.5]))
def test_tiles_put_back_give_the_image(height, width, overlap):
    plane = np.random.default_rng(height * 71 + width).random((height, width), np.float32)
    corners = tile_corners(plane.shape, 16, overlap)
    tiles = [cut(plane, corner, 16) for corner in corners]
    assert {tile.shape for tile in tiles} == {(16, 16)}
    np.testing.assert_allclose(stitch(tiles, corners, plane.shape), plane, rtol=1e-5)


def test_a_small_image_goes_on_as_its_mirror_image():
    plane = np.arange(6).reshape(2, 3)
    expected = np.pad(plane, ((0, 2), (0, 1)), mode="reflect")
    np.testing.assert_array_equal(cut(plane, (0, 0), 4), expected)


def test_overlapping_tiles_count_most_in_their_middle():
    tiles = [np.zeros((4, 4), np.float32), np.ones((4, 4), np.float32)]
    row = stitch(tiles, [(0, 0), (0, 2)], (4, 6))[1]
    assert row[0] == row[1] == 0
    assert row[4] == row[5] == 1
    assert 0 < row[2] < row[3] < 1


def test_resizing_keeps_mean_and_range():
    plane = np.random.default_rng(0).integers(0, 256, (96, 64)).astype(np.uint8)
    small = resized(plane, (32, 32))
    assert small.dtype == np.float32
    assert small.mean() == pytest.approx(plane.mean(), rel=0.02)
    assert 0 <= small.min() <= small.max() <= 255


def test_resizing_a_mask_keeps_its_area():
    y, x = np.mgrid[:128, :128]
    mask = (y - 60) ** 2 + (x - 70) ** 2 < 40**2
    small = resized_mask(mask, (32, 32))
    assert small.dtype == bool
    assert small.mean() == pytest.approx(mask.mean(), rel=0.03)
