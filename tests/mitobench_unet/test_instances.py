"""Maps become instances, and instances become points and boxes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

import mitobench_unet.instances as instances_module
from mitobench_unet.instances import find_instances, inside_centres, instance_means, tight_boxes


def maps_of(foreground: np.ndarray, interior: np.ndarray | None = None) -> np.ndarray:
    return np.stack([foreground, foreground if interior is None else interior]).astype(np.float32)


def two_touching_discs() -> tuple[np.ndarray, np.ndarray]:
    """Foreground and interior probabilities of discs around columns 12 and 26 that share a border."""
    y, x = np.mgrid[:30, :40]
    distances = np.minimum(np.hypot(y - 14, x - 12), np.hypot(y - 14, x - 26))
    return np.where(distances < 8, 0.9, 0.1), np.where(distances < 5, 0.8, 0.2)


def test_components_are_eight_connected_and_numbered_in_raster_order() -> None:
    foreground = np.zeros((6, 8))
    foreground[0, 6] = foreground[1, 7] = 0.9
    foreground[2:4, 0:2] = 0.8
    labels, scores = find_instances(maps_of(foreground), threshold=0.5, min_area=0, split="components")
    assert labels[0, 6] == labels[1, 7] == 1
    assert labels[2, 0] == 2
    np.testing.assert_allclose(scores, [0.9, 0.8], rtol=1e-6)
    assert labels.dtype == np.int32
    assert scores.dtype == np.float32


def test_the_threshold_itself_is_foreground() -> None:
    labels, _ = find_instances(maps_of(np.full((2, 2), 0.5)), threshold=0.5, min_area=0, split="components")
    assert labels.all()


def test_touching_discs_are_one_component_but_two_watershed_basins() -> None:
    maps = maps_of(*two_touching_discs())
    together, _ = find_instances(maps, threshold=0.5, min_area=0, split="components")
    apart, scores = find_instances(maps, threshold=0.5, min_area=0, split="watershed")
    assert together.max() == 1
    assert apart.max() == 2 == scores.size
    assert apart[14, 12] != apart[14, 26]
    np.testing.assert_array_equal(apart > 0, together > 0)


def test_a_speck_of_interior_beside_an_object_is_no_object() -> None:
    foreground, interior = two_touching_discs()
    interior[14, 5] = 0.9
    labels, _ = find_instances(maps_of(foreground, interior), threshold=0.5, min_area=0, split="watershed")
    assert labels[14, 5] == labels[14, 12]


def test_joined_interiors_come_apart_at_their_waist() -> None:
    y, x = np.mgrid[:40, :60]
    inside = np.minimum(np.hypot(y - 20, x - 18), np.hypot(y - 20, x - 40)) < 12
    labels, _ = find_instances(maps_of(np.where(inside, 0.9, 0.1)), threshold=0.5, min_area=0, split="watershed")
    assert labels.max() == 2
    assert labels[20, 18] != labels[20, 40]


def test_an_interior_that_fills_the_image_is_one_instance() -> None:
    labels, _ = find_instances(maps_of(np.full((9, 9), 0.9)), threshold=0.5, min_area=0, split="watershed")
    assert (labels == 1).all()


def test_foreground_without_interior_survives_the_watershed() -> None:
    foreground, interior = two_touching_discs()
    foreground[0:2, 0:2] = 0.7
    labels, _ = find_instances(maps_of(foreground, interior), threshold=0.5, min_area=0, split="watershed")
    assert labels.max() == 3
    assert (labels[:2, :2] == labels[0, 0]).all()


@pytest.mark.parametrize("split", ["components", "watershed"])
def test_small_instances_are_dropped(split) -> None:
    foreground = np.zeros((10, 10))
    foreground[0:2, 0:2] = foreground[5:8, 5:8] = 0.9
    kept = {a: find_instances(maps_of(foreground), threshold=0.5, min_area=a, split=split)[0].max() for a in (4, 5, 10)}
    assert kept == {4: 2, 5: 1, 10: 0}


@pytest.mark.parametrize("split", ["components", "watershed"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 5)])
def test_an_empty_foreground_has_no_instances(split, shape) -> None:
    labels, scores = find_instances(np.zeros((2, *shape), np.float32), threshold=0.5, min_area=0, split=split)
    assert labels.shape == shape
    assert not labels.any()
    assert scores.shape == (0,)


@given(
    maps=arrays(np.float32, (2, 9, 11), elements=st.floats(0, 1, width=32)),
    split=st.sampled_from(["components", "watershed"]),
)
@settings(max_examples=60, deadline=None)
def test_instances_cover_the_foreground_once_and_are_numbered_without_gaps(maps, split) -> None:
    labels, scores = find_instances(maps, threshold=0.5, min_area=0, split=split)
    np.testing.assert_array_equal(labels > 0, maps[0] >= 0.5)
    present = np.unique(labels[labels > 0])
    np.testing.assert_array_equal(present, np.arange(1, scores.size + 1))
    firsts = [int(np.argmax(labels.ravel() == k)) for k in present]
    assert firsts == sorted(firsts)
    assert ((scores >= 0.5) & (scores <= 1)).all()


@given(labels=arrays(np.int32, (7, 9), elements=st.integers(0, 4)))
@settings(max_examples=60, deadline=None)
def test_means_and_boxes_agree_with_scipy(labels) -> None:
    _, labels = np.unique(np.append(labels.ravel(), 0), return_inverse=True)
    labels = labels[:-1].reshape(7, 9).astype(np.int32)
    values = np.random.default_rng(0).random((7, 9), np.float32)
    ids = np.arange(1, labels.max() + 1)
    np.testing.assert_allclose(
        instance_means(values, labels), ndimage.mean(values, labels, ids) if ids.size else [], rtol=1e-5
    )
    for k, (x0, y0, x1, y1) in zip(ids, tight_boxes(labels), strict=True):
        rows, columns = np.nonzero(labels == k)
        assert (x0, y0, x1, y1) == (columns.min(), rows.min(), columns.max(), rows.max())


def test_a_convex_instance_gets_its_centroid() -> None:
    labels = np.zeros((10, 12), np.int32)
    labels[2:6, 3:8] = 1
    assert inside_centres(labels).tolist() == [[5.0, 3.5]]


def test_a_ring_gets_a_point_on_itself() -> None:
    y, x = np.mgrid[:31, :31]
    labels = ((np.hypot(y - 15, x - 15) < 12) & (np.hypot(y - 15, x - 15) > 8)).astype(np.int32)
    ((px, py),) = inside_centres(labels)
    assert labels[int(py), int(px)] == 1
    nearest = np.hypot(*(np.argwhere(labels) - 15).T).min()
    assert np.hypot(py - 15, px - 15) == pytest.approx(nearest)


@given(labels=arrays(np.int32, (8, 8), elements=st.integers(0, 1)))
@settings(max_examples=80, deadline=None)
def test_the_pixel_under_a_point_is_always_the_instances(labels) -> None:
    labels, _ = ndimage.label(labels, np.ones((3, 3)))
    points = inside_centres(labels.astype(np.int32))
    for k, (x, y) in enumerate(points, start=1):
        around = {
            labels[int(r), int(c)]
            for r in {np.floor(y + 0.5), np.ceil(y - 0.5)}
            for c in {np.floor(x + 0.5), np.ceil(x - 0.5)}
        }
        assert k in around


def test_counting_in_blocks_of_rows_changes_nothing(monkeypatch) -> None:
    rng = np.random.default_rng(3)
    maps = ndimage.gaussian_filter(rng.random((2, 50, 40)), (0, 2, 2)).astype(np.float32)
    maps = (maps - maps.min()) / np.ptp(maps)
    whole = find_instances(maps, threshold=0.5, min_area=5, split="components")
    monkeypatch.setattr(instances_module, "_BLOCK_PIXELS", 90)
    blocks = find_instances(maps, threshold=0.5, min_area=5, split="components")
    assert whole[1].size > 3
    np.testing.assert_array_equal(whole[0], blocks[0])
    np.testing.assert_allclose(whole[1], blocks[1], rtol=1e-6)
