"""Patches cover an image, and splits keep their distance."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mitobench_data.tiling import Tile, tiles

sides = st.integers(1, 70)


@given(sides, sides, st.integers(1, 40))
def test_without_overlap_every_pixel_is_in_exactly_one_patch(height, width, patch):
    covered = np.zeros((height, width), int)
    for tile in tiles((height, width), patch):
        covered[tile.window] += 1
        assert max(tile.height, tile.width) <= patch
    assert (covered == 1).all()


@given(sides, sides, st.integers(1, 40), st.data())
def test_with_overlap_every_pixel_is_covered_by_patches_of_full_size(height, width, patch, data):
    overlap = data.draw(st.integers(0, patch - 1))
    covered = np.zeros((height, width), int)
    for tile in tiles((height, width), patch, overlap):
        covered[tile.window] += 1
        if overlap:
            assert (tile.height, tile.width) == (min(patch, height), min(patch, width))
    assert (covered >= 1).all()


@given(sides, st.integers(2, 40), st.data())
def test_neighbours_share_at_least_the_overlap(length, patch, data):
    overlap = data.draw(st.integers(1, patch - 1))
    starts = [tile.x for tile in tiles((1, length), patch, overlap)]
    assert starts == sorted(set(starts))
    assert all(second <= first + patch - overlap for first, second in pairwise(starts))


@given(sides, sides, st.integers(1, 40))
def test_parts_of_a_side_differ_by_one_pixel_at_most(height, width, patch):
    cut = list(tiles((height, width), patch))
    for sizes in ({tile.height for tile in cut}, {tile.width for tile in cut}):
        assert max(sizes) - min(sizes) <= 1


def test_the_epfl_section_gives_twelve_patches_in_rows():
    cut = list(tiles((768, 1024), 256))
    assert [(tile.y, tile.x) for tile in cut[:5]] == [(0, 0), (0, 256), (0, 512), (0, 768), (256, 0)]
    assert len(cut) == 12
    assert {(tile.height, tile.width) for tile in cut} == {(256, 256)}


@pytest.mark.parametrize("overlap", [0, 8])
def test_a_small_image_is_one_patch(overlap):
    assert list(tiles((20, 30), 64, overlap)) == [Tile(0, 0, 20, 30)]


def test_a_patch_is_named_after_its_corner():
    assert str(Tile(256, 1024, 8, 8)) == "y0256_x1024"
