"""Borders and distances equal SciPy's, scikit-image's and MONAI's; where a definition differs, the difference is shown."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage
from skimage.metrics import hausdorff_distance

from mitobench_metrics.surfaces import border, surface_distances

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import torch
    from monai.metrics import compute_hausdorff_distance, compute_surface_dice

pytestmark = [
    pytest.mark.filterwarnings("ignore:monai.metrics.utils get_mask_edges.always_return_as_numpy:FutureWarning"),
    pytest.mark.filterwarnings("ignore:the (ground truth|prediction) of class:UserWarning"),
]
masks = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=10))
spacings = st.tuples(*[st.sampled_from([0.5, 1.0, 4.0, 5.25])] * 2)


@st.composite
def mask_pairs(draw):
    """Two masks, often blobs that overlap rather than noise."""
    first = draw(masks)
    second = draw(hnp.arrays(np.bool_, first.shape))
    blob = draw(st.booleans())
    if not blob:
        return first, second
    grown = np.kron(first, np.ones((3, 3), bool)).astype(bool)
    return grown, np.roll(grown, draw(st.integers(-2, 2)), axis=draw(st.integers(0, 1)))


def batch(mask):
    return torch.from_numpy(mask)[None, None].float()


def reference_distances(first, second, spacing):
    """Distances between borders from SciPy's erosion and exact distance transform."""
    edges = [mask ^ ndimage.binary_erosion(mask) for mask in (first, second)]
    fields = [
        ndimage.distance_transform_edt(~edge, sampling=spacing) if edge.any() else np.full(edge.shape, np.inf)
        for edge in edges
    ]
    return fields[1][edges[0]], fields[0][edges[1]]


@settings(deadline=None)
@given(masks)
def test_the_border_is_the_mask_without_its_erosion(mask):
    np.testing.assert_array_equal(border(mask), mask ^ ndimage.binary_erosion(mask))


@settings(deadline=None)
@given(mask_pairs(), spacings)
def test_distances_equal_those_of_an_exact_distance_transform(pair, spacing):
    distances = surface_distances(*pair, spacing)
    forward, backward = reference_distances(*pair, spacing)
    np.testing.assert_allclose(distances.forward, forward)
    np.testing.assert_allclose(distances.backward, backward)


@settings(deadline=None)
@given(mask_pairs(), spacings, st.sampled_from([0.0, 1.0, 1.9, 3.0]))
def test_nsd_equals_monai(pair, spacing, tolerance):
    theirs = compute_surface_dice(
        batch(pair[1]), batch(pair[0]), [tolerance], include_background=True, spacing=spacing
    ).item()
    distances = surface_distances(*pair, spacing)
    if distances.size == 0:
        assert np.isnan(theirs)
    else:
        assert distances.within(tolerance) / distances.size == pytest.approx(theirs)


@settings(deadline=None)
@given(mask_pairs(), spacings)
def test_hd95_equals_monai_where_both_masks_have_pixels(pair, spacing):
    if not (pair[0].any() and pair[1].any()):
        return
    theirs = compute_hausdorff_distance(
        batch(pair[1]), batch(pair[0]), include_background=True, percentile=95, spacing=spacing
    ).item()
    assert surface_distances(*pair, spacing).hausdorff95() == pytest.approx(theirs, rel=1e-5)


@settings(deadline=None)
@given(mask_pairs())
def test_the_largest_distance_equals_scikit_images_hausdorff_distance_of_the_borders(pair):
    if not (pair[0].any() and pair[1].any()):
        return
    distances = surface_distances(*pair)
    largest = max(distances.forward.max(), distances.backward.max())
    assert largest == pytest.approx(hausdorff_distance(border(pair[0]), border(pair[1])))


@settings(deadline=None)
@given(mask_pairs(), st.tuples(*[st.integers(0, 4)] * 4))
def test_the_frame_around_the_masks_does_not_matter(pair, pad):
    framed = [np.pad(mask, ((pad[0], pad[1]), (pad[2], pad[3]))) for mask in pair]
    there, here = surface_distances(*framed), surface_distances(*pair)
    np.testing.assert_array_equal(there.forward, here.forward)
    np.testing.assert_array_equal(there.backward, here.backward)


@settings(deadline=None)
@given(masks)
def test_a_mask_is_at_no_distance_from_itself(mask):
    distances = surface_distances(mask, mask)
    assert distances.within(0) == distances.size == 2 * border(mask).sum()
    assert distances.hausdorff95() == 0 or not mask.any()


def test_a_mask_that_fills_the_frame_has_the_frame_as_border():
    full = np.ones((6, 6), bool)
    assert border(full).sum() == 20


def test_one_empty_mask_leaves_every_border_pixel_infinitely_far():
    dot, nothing = np.eye(3, dtype=bool), np.zeros((3, 3), bool)
    distances = surface_distances(dot, nothing)
    assert np.isinf(distances.forward).all()
    assert (distances.within(1e9), distances.size) == (0, 3)
    assert np.isnan(distances.hausdorff95())


def test_monai_gives_infinity_for_one_empty_mask_and_we_give_nothing():
    dot, nothing = np.eye(3, dtype=bool), np.zeros((3, 3), bool)
    theirs = compute_hausdorff_distance(batch(nothing), batch(dot), include_background=True, percentile=95).item()
    assert not np.isfinite(theirs)
    assert np.isnan(surface_distances(dot, nothing).hausdorff95())


def test_border_pixels_weigh_the_same_where_sub_pixel_contours_weigh_by_length():
    """DeepMind's surface-distance, and MONAI with ``use_subvoxels``, sum contour lengths instead of counting pixels."""
    second = np.zeros((20, 20), bool)
    second[2:9, 2:9] = True
    first = second.copy()
    first[15, 2:18] = True  # a line one pixel wide: 16 border pixels, a contour of twice that length
    kept = {"include_background": True, "class_thresholds": [0.0]}
    counted = compute_surface_dice(batch(second), batch(first), **kept).item()
    by_length = compute_surface_dice(batch(second), batch(first), use_subvoxels=True, **kept).item()
    distances = surface_distances(first, second)
    assert distances.within(0) / distances.size == pytest.approx(counted)
    assert abs(counted - by_length) > 0.01


def test_pooling_both_directions_before_the_percentile_would_give_another_hd95():
    long, short = np.zeros((2, 3, 60), bool)
    long[1, :], short[1, :2] = True, True
    distances = surface_distances(long, short)
    together = np.percentile(np.concatenate([distances.forward, distances.backward]), 95)
    assert distances.hausdorff95() == pytest.approx(np.percentile(np.arange(-1, 59).clip(0), 95))
    assert distances.hausdorff95() > together


def test_a_distance_equal_to_the_tolerance_is_within_it_in_any_unit():
    near, far = np.zeros((2, 1, 4), bool)
    near[0, 0], far[0, 3] = True, True
    assert surface_distances(near, far, (0.1, 0.1)).within(0.3) == 2
    assert surface_distances(near, far, (0.1, 0.1)).within(0.299) == 0


def test_pixels_may_be_longer_than_wide():
    first, second = np.zeros((2, 4, 4), bool)
    first[0, 0], second[3, 0] = True, True
    assert surface_distances(first, second, (30.0, 5.0)).hausdorff95() == 90


def test_masks_of_different_frames_are_refused():
    with pytest.raises(ValueError, match=r"\(2, 3\) and \(3, 2\)"):
        surface_distances(np.zeros((2, 3), bool), np.zeros((3, 2), bool))
