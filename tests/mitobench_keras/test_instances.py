import numpy as np
import pytest
from scipy import ndimage

from mitobench_keras.instances import find_instances, inside_centres, mean_centres, tight_boxes


@pytest.fixture
def crescent():
    """A crescent (1), whose mean position lies off it, and a bar (2)."""
    labels = np.zeros((40, 50), np.int32)
    y, x = np.mgrid[:40, :50]
    ring = (y - 20) ** 2 + (x - 20) ** 2
    labels[(ring >= 64) & (ring <= 121) & (x < 22)] = 1
    labels[5:8, 40:49] = 2
    return labels


def _at(threshold=0.5, min_area=0):
    return {"threshold": threshold, "min_area": min_area}


def test_instances_are_the_connected_components_above_the_threshold():
    probability = np.array([[0.9, 0.1, 0.6], [0.1, 0.8, 0.2], [0.7, 0.0, 0.5]], np.float32)
    labels, scores = find_instances(probability, **_at())
    np.testing.assert_array_equal(labels, [[1, 0, 1], [0, 1, 0], [1, 0, 0]])
    assert scores == pytest.approx([np.mean([0.9, 0.6, 0.8, 0.7])])


def test_a_network_that_knows_nothing_finds_nothing():
    labels, scores = find_instances(np.full((4, 4), 0.5, np.float32), **_at())
    assert not labels.any()
    assert scores.size == 0


def test_small_components_are_dropped_and_the_rest_renumbered():
    probability = np.zeros((3, 9), np.float32)
    probability[0, 0], probability[:, 3:5], probability[1:, 7] = 1, 0.75, 1
    labels, scores = find_instances(probability, **_at(min_area=2))
    assert (labels[0, 0], labels[0, 3], labels[1, 7]) == (0, 1, 2)
    assert scores == pytest.approx([0.75, 1])


def test_components_agree_with_scipy_on_noise():
    probability = ndimage.gaussian_filter(np.random.default_rng(3).random((60, 70)), 2).astype(np.float32)
    labels, scores = find_instances(probability, **_at(0.52))
    expected, count = ndimage.label(probability > 0.52, np.ones((3, 3)))
    np.testing.assert_array_equal(labels, expected)
    np.testing.assert_allclose(scores, ndimage.mean(probability, expected, range(1, count + 1)), rtol=1e-5)


def test_the_published_centroid_is_the_mean_pixel_position_even_off_the_object(crescent):
    found = mean_centres(crescent)
    expected = ndimage.center_of_mass(crescent > 0, crescent, [1, 2])
    np.testing.assert_allclose(found, np.array(expected)[:, ::-1], rtol=1e-6)
    x, y = np.rint(found[0]).astype(int)
    assert crescent[y, x] == 0


def test_an_inside_centroid_moves_to_the_nearest_pixel_of_a_concave_object_only(crescent):
    points = inside_centres(crescent)
    x, y = points[0].astype(int)
    assert crescent[y, x] == 1
    mean = mean_centres(crescent)
    own = np.argwhere(crescent == 1)[:, ::-1]
    nearest = np.sqrt(((own - mean[0]) ** 2).sum(axis=1)).min()
    assert np.linalg.norm(points[0] - mean[0]) == pytest.approx(nearest, rel=1e-5)
    np.testing.assert_array_equal(points[1], mean[1])


def test_boxes_enclose_the_outermost_pixel_centres(crescent):
    assert tight_boxes(crescent)[1].tolist() == [40, 5, 48, 7]


def test_no_instance_gives_no_points_and_no_boxes():
    empty = np.zeros((4, 5), np.int32)
    assert mean_centres(empty).shape == inside_centres(empty).shape == (0, 2)
    assert tight_boxes(empty).shape == (0, 4)
