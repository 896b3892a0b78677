"""Matching is one-to-one by falling confidence; curves and areas follow from it. Compared with slow, plain versions."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mitobench_yolo.matching import (
    Judged,
    average_precision,
    box_iou,
    counts_at,
    match,
    peak_f1,
    pool,
    precision_and_recall,
)


def plain_iou(a, b):
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0) * max(height, 0)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    return shared / union if union else 0.0


def plain_match(reference, boxes, scores, iou):
    taken, partner = set(), [-1] * len(boxes)
    for k in sorted(range(len(boxes)), key=lambda k: (-scores[k], k)):
        best = max(
            (m for m in range(len(reference)) if m not in taken),
            key=lambda m: (plain_iou(reference[m], boxes[k]), -m),
            default=None,
        )
        if best is not None and 0 < plain_iou(reference[best], boxes[k]) >= iou:
            partner[k] = best
            taken.add(best)
    return partner


def random_boxes(rng, count, side=20):
    low = rng.integers(0, side, (count, 2))
    return np.concatenate([low, low + rng.integers(1, 8, (count, 2))], axis=1).astype(float)


cases = st.integers(0, 2**32 - 1)


@given(cases)
def test_iou_is_shared_area_over_united_area(seed):
    rng = np.random.default_rng(seed)
    a, b = random_boxes(rng, 5), random_boxes(rng, 4)
    expected = [[plain_iou(x, y) for y in b] for x in a]
    np.testing.assert_allclose(box_iou(a, b), expected, atol=1e-12)


def test_boxes_without_area_overlap_nothing():
    assert box_iou(np.array([[3.0, 3, 3, 3]]), np.array([[3.0, 3, 3, 3], [0, 0, 9, 9]])).tolist() == [[0.0, 0.0]]


@given(cases)
@settings(max_examples=200)
def test_matching_equals_the_plain_version(seed):
    rng = np.random.default_rng(seed)
    reference, boxes = random_boxes(rng, rng.integers(0, 6)), random_boxes(rng, rng.integers(0, 8))
    scores = rng.choice([0.1, 0.5, 0.9], len(boxes))
    for iou in (0.1, 0.5):
        assert match(reference, boxes, scores, iou).tolist() == plain_match(reference, boxes, scores, iou)


@given(cases)
def test_what_is_matched_above_a_confidence_does_not_depend_on_what_lies_below(seed):
    rng = np.random.default_rng(seed)
    reference, boxes, scores = random_boxes(rng, 5), random_boxes(rng, 8), rng.random(8)
    above = scores >= 0.5
    whole = match(reference, boxes, scores, 0.3)
    np.testing.assert_array_equal(match(reference, boxes[above], scores[above], 0.3), whole[above])


def test_two_detections_of_one_object_are_one_right_and_one_wrong():
    box = np.array([[0.0, 0, 10, 10]])
    found = match(box, np.concatenate([box, box]), np.array([0.4, 0.8]), 0.5)
    assert found.tolist() == [-1, 0]


def test_the_threshold_is_inclusive():
    reference, half = np.array([[0.0, 0, 10, 10]]), np.array([[0.0, 0, 10, 5]])
    assert match(reference, half, np.ones(1), 0.5).tolist() == [0]
    assert match(reference, half, np.ones(1), 0.501).tolist() == [-1]


def test_a_confident_detection_takes_the_object_that_it_overlaps_most():
    reference = np.array([[0.0, 0, 10, 10], [2.0, 0, 12, 10]])
    assert match(reference, np.array([[2.0, 0, 12, 10]]), np.ones(1), 0.5).tolist() == [1]


def pooled(seed):
    rng = np.random.default_rng(seed)
    images = []
    for _ in range(3):
        boxes = random_boxes(rng, rng.integers(0, 8))
        images.append(
            (random_boxes(rng, rng.integers(0, 6)), np.column_stack([boxes, rng.random(len(boxes)).round(1)]))
        )
    return images, pool(images, 0.2)


@given(cases)
def test_counts_at_a_confidence_equal_matching_what_is_left(seed):
    images, judged = pooled(seed)
    for confidence in (0.0, 0.3, 0.5, 1.0):
        kept = [(real, found[found[:, 4] >= confidence]) for real, found in images]
        right = sum(sum(p >= 0 for p in plain_match(real, found[:, :4], found[:, 4], 0.2)) for real, found in kept)
        (tp,), (total,) = counts_at(judged, np.array([confidence]))
        assert (tp, total) == (right, sum(len(found) for _, found in kept))
    assert judged.objects == sum(len(real) for real, _ in images)


@given(cases)
def test_peak_f1_is_the_highest_over_all_confidences(seed):
    _, judged = pooled(seed)
    best, confidence = peak_f1(judged)
    tried = []
    for lowest in [*judged.scores.tolist(), 1.1]:
        right, total = int(judged.right[judged.scores >= lowest].sum()), int((judged.scores >= lowest).sum())
        tried.append(2 * right / max(total + judged.objects, 1))
    assert best == pytest.approx(max(tried))
    (tp,), (total,) = counts_at(judged, np.array([confidence]))
    assert 2 * tp / max(total + judged.objects, 1) == pytest.approx(best)


@given(cases)
def test_precision_and_recall_equal_matching_what_is_left(seed):
    images, judged = pooled(seed)
    for confidence in (0.0, 0.3, 0.5, 1.0):
        kept = [(real, found[found[:, 4] >= confidence]) for real, found in images]
        right = sum(sum(p >= 0 for p in plain_match(real, found[:, :4], found[:, 4], 0.2)) for real, found in kept)
        total, objects = sum(len(found) for _, found in kept), sum(len(real) for real, _ in images)
        expected = right / total if total else 0, right / objects if objects else 0
        assert precision_and_recall(judged, confidence) == pytest.approx(expected)


@given(cases)
def test_average_precision_is_the_area_under_the_envelope(seed):
    rng = np.random.default_rng(seed)
    count = int(rng.integers(0, 12))
    judged = Judged(np.sort(rng.random(count))[::-1], rng.random(count) < 0.5, 20)
    points = [(sum(judged.right[: k + 1]) / 20, sum(judged.right[: k + 1]) / (k + 1)) for k in range(count)]
    area, recall = 0.0, 0.0
    for reached, _ in points:
        best = max(precision for r, precision in points if r >= reached)
        area += (reached - recall) * best
        recall = reached
    assert average_precision(judged) == pytest.approx(area)


def test_average_precision_of_perfect_detections_is_one_and_of_no_objects_undefined():
    assert average_precision(Judged(np.array([0.9, 0.8]), np.array([True, True]), 2)) == 1.0
    assert average_precision(Judged(np.array([0.9]), np.array([False]), 3)) == 0.0
    assert math.isnan(average_precision(Judged(np.zeros(0), np.zeros(0, bool), 0)))
