"""Stitching: what tiles see of one object becomes one object, and nothing else does."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from mitobench.images import connected_components
from mitobench.predict.stitching import Stitcher, tile_grid


def stitch(shape, side, overlap, see):
    """Stitch what ``see(tile)`` returns, an integer label image of the tile's window."""
    stitcher = Stitcher(shape)
    for tile in tile_grid(shape, side, overlap):
        labels = np.asarray(see(tile), np.int32)
        stitcher.add(tile, labels, np.full(int(labels.max(initial=0)), 0.5, np.float32))
    return stitcher.finish()


def components(mask, side, overlap):
    return stitch(mask.shape, side, overlap, lambda tile: connected_components(mask[tile.window]))[0]


def crop(labels, tile):
    """The window of a label image with its own numbers 1..K."""
    return np.unique(labels[tile.window], return_inverse=True)[1].reshape(labels[tile.window].shape)


@given(height=st.integers(1, 200), width=st.integers(1, 200), side=st.integers(8, 64), overlap=st.integers(2, 7))
def test_cores_cover_every_pixel_once_and_lie_in_windows_of_one_size(height, width, side, overlap):
    owners = np.zeros((height, width), int)
    for tile in tile_grid((height, width), side, overlap):
        owners[tile.core] += 1
        for part, length in ((tile.rows, height), (tile.columns, width)):
            assert part.seen[1] - part.seen[0] == min(side, length)
            assert part.seen[0] <= part.owned[0] < part.owned[1] <= part.seen[1]
            assert part.seen[0] <= part.band[0] <= part.band[1] <= part.seen[1] or part.band == (0, 0)
    assert (owners == 1).all()


@pytest.mark.parametrize("overlap", [0, 1, 32, 40])
def test_an_overlap_that_cannot_be_is_refused(overlap):
    with pytest.raises(ValueError, match="overlap"):
        tile_grid((100, 100), 32, overlap)


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    shape=st.tuples(st.integers(20, 90), st.integers(20, 90)),
    side=st.integers(12, 40),
    overlap=st.integers(2, 11),
    smooth=st.sampled_from([0.0, 0.7, 1.5, 3.0]),
    share=st.floats(0.1, 0.7),
)
def test_connected_components_of_tiles_become_those_of_the_whole_image(seed, shape, side, overlap, smooth, share):
    field = np.random.default_rng(seed).normal(size=shape)
    field = ndimage.gaussian_filter(field, smooth) if smooth else field
    mask = field > np.quantile(field, 1 - share)
    np.testing.assert_array_equal(components(mask, side, overlap), connected_components(mask))


def test_an_object_larger_than_several_tiles_and_with_a_hole_is_one():
    y, x = np.mgrid[:200, :200]
    radius = np.hypot(y - 100, x - 100)
    ring = (radius < 90) & (radius > 60)
    assert components(ring, 48, 12).max() == 1
    assert (components(ring, 48, 12) > 0).sum() == ring.sum()


def test_touching_objects_stay_two_where_the_tiles_see_the_border_between_them_a_little_elsewhere():
    whole = np.zeros((64, 112), np.int32)
    whole[10:50, 10:56], whole[10:50, 56:100] = 1, 2

    def see(tile):
        moved = whole.copy()
        if tile.columns.seen[0] == 0:
            moved[10:50, 56:58] = 1
        return crop(moved, tile)

    labels, _ = stitch(whole.shape, 64, 16, see)
    assert labels.max() == 2
    assert (labels != whole).sum() <= 40 * 2


def test_what_one_tile_alone_sees_is_whole_where_most_of_it_is_the_tile_s_own_and_gone_where_not():
    tiles = tile_grid((40, 100), 60, 20)
    left, right = tiles
    assert (left.columns.owned, right.columns.owned) == ((0, 50), (50, 100))

    def only_left(start, stop):
        def see(tile):
            labels = np.zeros((40, 60), int)
            if tile is not right and tile.columns.seen[0] == 0:
                labels[10:20, start:stop] = 1
            return labels

        return stitch((40, 100), 60, 20, see)[0]

    kept, gone = only_left(35, 58), only_left(47, 58)
    assert (kept[10:20, 35:58] == 1).all()
    assert (kept > 0).sum() == 10 * 23
    assert not gone.any()


def test_what_one_tile_alone_sees_takes_no_pixel_from_what_another_owns():
    def see(tile):
        labels = np.zeros((40, 60), int)
        if tile.columns.seen[0] == 0:
            labels[10:20, 35:58] = 1
        else:
            labels[15:30, 53 - 40 : 80 - 40] = 1
        return labels

    labels, _ = stitch((40, 100), 60, 20, see)
    assert labels.max() == 2
    assert (labels[15:30, 53:80] == 2).all()
    assert (labels[10:15, 35:58] == 1).all()


def test_a_joined_object_has_its_parts_highest_score_and_numbers_follow_the_first_pixels():
    mask = np.zeros((30, 90), bool)
    mask[20:25, 5:85] = mask[2:6, 70:80] = True
    stitcher = Stitcher(mask.shape)
    for score, tile in zip((0.3, 0.9, 0.6), tile_grid(mask.shape, 40, 10), strict=False):
        labels = connected_components(mask[tile.window])
        stitcher.add(tile, labels, np.full(labels.max(), score, np.float32))
    labels, scores = stitcher.finish()
    assert labels[3, 75] == 1
    assert labels[22, 50] == 2
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, [0.6, 0.9])


def test_no_object_anywhere_is_no_object():
    labels, scores = stitch((50, 50), 20, 4, lambda tile: np.zeros((20, 20)))
    assert labels.shape == (50, 50)
    assert not labels.any()
    assert scores.shape == (0,)
