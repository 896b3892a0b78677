"""Prompts count pixel centres, YOLO counts pixel edges; both ways are exact."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mitobench.prompts import Prompts
from mitobench_yolo.boxes import clip, from_edges, from_yolo, reference_boxes, to_edges, to_yolo


def test_one_pixel_is_a_point_for_a_prompt_and_a_unit_square_for_yolo():
    labels = np.zeros((5, 7), np.int32)
    labels[2, 3] = 1
    assert reference_boxes(labels).tolist() == [[3, 2, 4, 3]]
    assert from_edges(reference_boxes(labels)).tolist() == [[3, 2, 3, 2]]
    assert to_yolo(reference_boxes(labels), (5, 7)).tolist() == [[3.5 / 7, 2.5 / 5, 1 / 7, 1 / 5]]


def test_a_whole_image_is_the_unit_box():
    edges = reference_boxes(np.ones((5, 7), np.int32))
    assert to_yolo(edges, (5, 7)).tolist() == [[0.5, 0.5, 1.0, 1.0]]
    assert from_edges(edges).tolist() == [[0, 0, 6, 4]]


@given(st.integers(0, 2**32 - 1))
def test_reference_boxes_enclose_each_object_tightly(seed):
    rng = np.random.default_rng(seed)
    labels = rng.choice([0, 0, 0, 4, 9, 2**31 - 1], size=rng.integers(1, 9, size=2)).astype(np.int32)
    expected = []
    for label in sorted(set(labels.reshape(-1).tolist()) - {0}):
        rows, columns = np.nonzero(labels == label)
        expected.append([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
    assert reference_boxes(labels).tolist() == expected


@given(st.integers(0, 2**32 - 1))
def test_yolo_and_back_is_the_same_box(seed):
    rng = np.random.default_rng(seed)
    shape = tuple(int(v) for v in rng.integers(1, 5000, size=2))
    low = rng.uniform(0, 1, (20, 2)) * [shape[1], shape[0]]
    edges = np.concatenate([low, low + rng.uniform(0, 50, (20, 2))], axis=1)
    np.testing.assert_allclose(from_yolo(to_yolo(edges, shape), shape), edges, rtol=0, atol=1e-9)


def test_yolos_form_is_what_ultralytics_reads():
    from ultralytics.utils.ops import xywhn2xyxy

    edges = np.array([[1.0, 2.0, 11.0, 6.0], [0.0, 0.0, 40.0, 30.0]])
    np.testing.assert_allclose(xywhn2xyxy(to_yolo(edges, (30, 40)), w=40, h=30), edges, atol=1e-9)


def test_edges_and_centres_are_inverse_from_one_pixel_on():
    boxes = np.array([[0, 0, 0, 0], [3, 2, 10, 2], [1.5, 2.5, 7.25, 9]], np.float32)
    np.testing.assert_array_equal(from_edges(to_edges(boxes)), boxes)


@given(st.integers(0, 2**32 - 1))
def test_any_detection_cut_to_the_image_is_a_valid_prompt_inside_it(seed):
    rng = np.random.default_rng(seed)
    shape = tuple(int(v) for v in rng.integers(1, 20, size=2))
    low = rng.uniform(-5, 20, (30, 2))
    edges = clip(np.concatenate([low, low + rng.uniform(0, 9, (30, 2))], axis=1), shape)
    edges = edges[(edges[:, 2] > edges[:, 0]) & (edges[:, 3] > edges[:, 1])]
    Prompts(boxes=from_edges(edges)).check_inside(shape)


def test_no_boxes_are_no_boxes():
    assert reference_boxes(np.zeros((4, 4), np.int32)).shape == (0, 4)
    assert from_edges(np.zeros((0, 4))).shape == to_yolo(np.zeros((0, 4)), (4, 4)).shape == (0, 4)
    assert from_edges(np.zeros((0, 4))).dtype == np.float32
