"""Points from the reference."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from scipy.spatial.distance import cdist
from skimage.measure import regionprops

from mitobench.errors import DataError, UsageError
from mitobench.options import parse_options
from mitobench_prompts.options import PointOptions
from mitobench_prompts.points import ObjectPoints, centroid, farthest_pixel

MASKS = arrays(np.bool_, st.tuples(st.integers(1, 9), st.integers(1, 9))).filter(np.any)


def on(labels, points):
    """The label of the pixel that contains each (x, y)."""
    x, y = np.rint(np.asarray(points)).astype(int).T
    return labels[y, x]


def crescent():
    rows, cols = np.mgrid[:40, :40]
    distance = np.hypot(rows - 20, cols - 20)
    return ((distance <= 15) & (distance >= 10) & (cols < 22)).astype(np.int32)


def test_centroids_are_those_of_regionprops(blobs, sample_of, prompt_with):
    found = prompt_with(ObjectPoints, PointOptions(), sample_of(blobs))
    regions = regionprops(blobs)
    np.testing.assert_allclose(found.points[:, 0], [region.centroid[::-1] for region in regions], rtol=1e-6)
    assert found.targets.tolist() == [region.label for region in regions]
    assert found.point_labels.tolist() == [[1]] * len(regions)


def test_a_centroid_off_a_concave_object_moves_to_its_nearest_pixel(sample_of, prompt_with):
    labels = crescent()
    mean = np.argwhere(labels).mean(axis=0)
    assert labels[tuple(np.rint(mean).astype(int))] == 0
    x, y = prompt_with(ObjectPoints, PointOptions(), sample_of(labels)).points[0, 0]
    assert labels[int(y), int(x)] == 1
    assert np.hypot(y - mean[0], x - mean[1]) == pytest.approx(cdist([mean], np.argwhere(labels)).min())


@given(MASKS)
def test_a_centroid_lies_on_the_object_and_is_the_mean_where_that_does(mask):
    y, x = centroid(mask)
    assert mask[int(np.rint(y)), int(np.rint(x))]
    mean = np.argwhere(mask).mean(axis=0)
    if mask[tuple(np.rint(mean).astype(int))]:
        assert (y, x) == pytest.approx(tuple(mean))


@given(MASKS)
def test_the_farthest_pixel_is_as_far_from_the_border_as_any(mask):
    y, x = (int(v) for v in farthest_pixel(mask))
    outside = np.argwhere(~np.pad(mask, 1)) - 1
    distances = {tuple(p): cdist([p], outside).min() for p in np.argwhere(mask)}
    assert distances[y, x] == pytest.approx(max(distances.values()))


def test_equally_far_pixels_are_settled_by_the_centre():
    assert farthest_pixel(np.ones((1, 7), bool)) == (0, 3)
    assert farthest_pixel(np.ones((4, 4), bool)) == (1, 1)


def test_farthest_in_an_image_agrees_with_the_distance_transform(blobs, sample_of, prompt_with):
    found = prompt_with(ObjectPoints, PointOptions(mode="farthest"), sample_of(blobs))
    for target, (x, y) in zip(found.targets, found.points[:, 0].astype(int), strict=True):
        depth = ndimage.distance_transform_edt(np.pad(blobs == target, 1))[1:-1, 1:-1]
        assert depth[y, x] == depth.max()


def test_random_points_reach_every_pixel_of_the_object_and_no_other(sample_of, prompt_with):
    labels = np.zeros((6, 6), np.int32)
    labels[1:3, 2:5] = 4
    options = PointOptions(mode="random")
    seen = {tuple(prompt_with(ObjectPoints, options, sample_of(labels), seed=s).points[0, 0]) for s in range(200)}
    assert seen == {(x, y) for y, x in np.argwhere(labels)}


@pytest.mark.parametrize("mode", ["centroid", "random", "farthest"])
def test_several_points_are_distinct_and_on_their_object(blobs, sample_of, prompt_with, mode):
    found = prompt_with(ObjectPoints, PointOptions(mode=mode, n=4), sample_of(blobs))
    for target, points, kinds in zip(found.targets, found.points, found.point_labels, strict=True):
        real = points[kinds == 1]
        assert (on(blobs, real) == target).all()
        assert len({tuple(np.rint(p)) for p in real}) == len(real) == min(4, (blobs == target).sum())


def test_negative_points_are_near_the_object_but_not_on_it(blobs, sample_of, prompt_with):
    found = prompt_with(ObjectPoints, PointOptions(n=2, negative=3), sample_of(blobs))
    assert found.points.shape == (12, 5, 2)
    for target, points, kinds in zip(found.targets, found.points, found.point_labels, strict=True):
        off = points[kinds == 0]
        assert len(off) == 3
        assert (on(blobs, off) != target).all()
        rows, cols = np.nonzero(blobs == target)
        reach = max(8, int(max(np.ptp(rows), np.ptp(cols)) + 1) // 2)
        assert (off[:, 0] >= cols.min() - reach).all()
        assert (off[:, 0] <= cols.max() + reach).all()
        assert (off[:, 1] >= rows.min() - reach).all()
        assert (off[:, 1] <= rows.max() + reach).all()


def test_negative_points_lie_on_neighbours_too(sample_of, prompt_with):
    labels = np.ones((10, 10), np.int32)
    labels[:, 5:] = 2
    found = prompt_with(ObjectPoints, PointOptions(negative=4), sample_of(labels))
    assert on(labels, found.points[0, 1:]).tolist() == [2] * 4
    assert on(labels, found.points[1, 1:]).tolist() == [1] * 4


def test_no_point_lies_on_an_ignored_pixel(sample_of, prompt_with):
    labels = np.ones((12, 12), np.int32)
    labels[:, 6:] = 0
    ignore = np.zeros((12, 12), bool)
    ignore[:, 4:9] = True
    sample = sample_of(labels, ignore=ignore)
    for seed in range(20):
        found = prompt_with(ObjectPoints, PointOptions(mode="random", n=5, negative=5), sample, seed=seed)
        assert not on(ignore, found.points[0]).any()


def test_what_cannot_be_placed_is_padding(sample_of, prompt_with):
    labels = np.ones((1, 2), np.int32)
    found = prompt_with(ObjectPoints, PointOptions(n=3, negative=2), sample_of(labels))
    assert found.point_labels.tolist() == [[1, 1, -1, -1, -1]]
    assert {tuple(p) for p in np.rint(found.points[0, :2]).tolist()} == {(0, 0), (1, 0)}


def test_one_seed_gives_the_same_points_and_another_others(blobs, sample_of, prompt_with):
    options = PointOptions(mode="random", n=2, negative=2)
    first, again, other = (prompt_with(ObjectPoints, options, sample_of(blobs), seed=s).points for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_an_empty_reference_gives_no_prompt_and_none_at_all_is_an_error(sample_of, prompt_with):
    found = prompt_with(ObjectPoints, PointOptions(n=2, negative=1), sample_of(np.zeros((4, 4))))
    assert (len(found), found.points.shape) == (0, (0, 3, 2))
    with pytest.raises(DataError, match="needs a reference"):
        prompt_with(ObjectPoints, PointOptions(), sample_of(np.zeros((4, 4))).without_reference())


@pytest.mark.parametrize("given", [{"mode": "middle"}, {"n": 0}, {"negative": -1}])
def test_wrong_options_are_refused(given):
    with pytest.raises(UsageError, match=next(iter(given))):
        parse_options(PointOptions, given, owner="gt-point")
