"""Simulated prompts: the next one lies where the last mask was wrong."""

import numpy as np
import pytest
import torch

from mitobench_sam.prompt_simulation import Simulated, centre_pixel, corrected, joined, random_pixel


def rngs(count, seed=0):
    return [np.random.default_rng([seed, index]) for index in range(count)]


def first(count):
    return Simulated(torch.rand(count, 4), torch.zeros(count, 0, 2), torch.zeros(count, 0, dtype=torch.int64))


@pytest.fixture
def wrong():
    """Two objects: the first is found too far left, the second exactly."""
    target = torch.zeros(2, 16, 16)
    target[0, 4:10, 6:12] = 1
    target[1, 2:5, 2:5] = 1
    logits = torch.full((2, 16, 16), -3.0)
    logits[0, 4:10, 2:8] = 3
    logits[1, 2:5, 2:5] = 3
    return logits, target


@pytest.mark.parametrize("seed", range(5))
def test_a_positive_point_lies_where_the_object_was_missed_and_a_negative_one_where_it_was_overrun(wrong, seed):
    logits, target = wrong
    after = corrected(first(2), logits, target, rngs(2, seed), with_mask=False)
    assert after.labels[0].tolist() == [1, 0]
    (px, py), (nx, ny) = after.points[0].tolist()
    assert 8 * 4 <= px < 12 * 4
    assert 4 * 4 <= py < 10 * 4
    assert 2 * 4 <= nx < 6 * 4
    assert 4 * 4 <= ny < 10 * 4


def test_a_perfect_mask_gets_a_positive_point_on_it_and_no_negative_one(wrong):
    logits, target = wrong
    after = corrected(first(2), logits, target, rngs(2), with_mask=False)
    assert after.labels[1].tolist() == [1, -1]
    x, y = (after.points[1, 0] - 1.5) / 4
    assert target[1, int(y), int(x)] == 1


def test_an_empty_object_gets_no_positive_point(wrong):
    logits, target = wrong
    after = corrected(first(2), logits, torch.zeros_like(target), rngs(2), with_mask=False)
    assert after.labels.tolist() == [[-1, 0], [-1, 0]]


def test_earlier_prompts_stay_and_the_logits_become_the_mask_only_if_asked(wrong):
    logits, target = wrong
    start = first(2)
    once = corrected(start, logits, target, rngs(2), with_mask=True)
    twice = corrected(once, logits, target, rngs(2, 1), with_mask=False)
    assert torch.equal(once.masks, logits[:, None])
    assert twice.masks is None
    assert twice.boxes is start.boxes
    assert torch.equal(twice.points[:, :2], once.points)
    assert twice.points.shape == (2, 4, 2)


def test_no_gradient_flows_through_the_previous_mask(wrong):
    logits, target = wrong
    after = corrected(first(2), logits.requires_grad_(), target, rngs(2), with_mask=True)
    assert not after.masks.requires_grad


def test_points_are_the_centres_of_low_resolution_pixels(wrong):
    logits, target = wrong
    points = corrected(first(2), logits, target, rngs(2), with_mask=False).points
    assert torch.equal((points[0] - 1.5) % 4, torch.zeros(2, 2))


def test_only_one_point_and_nothing_else_is_a_lone_point():
    point, label = torch.zeros(1, 1, 2), torch.ones(1, 1, dtype=torch.int64)
    assert Simulated(None, point, label).lone_point
    assert not Simulated(torch.zeros(1, 4), point, label).lone_point
    assert not Simulated(None, point.expand(1, 2, 2), label.expand(1, 2)).lone_point
    assert not Simulated(None, point, label, torch.zeros(1, 1, 8, 8)).lone_point


def test_joining_keeps_the_order():
    some, more = first(2), first(3)
    both = joined([some, more])
    assert torch.equal(both.boxes, torch.cat([some.boxes, more.boxes]))
    assert both.points.shape == (5, 0, 2)


def test_the_centre_of_a_crescent_lies_on_it():
    rows, columns = np.ogrid[:21, :21]
    disc = (rows - 10) ** 2 + (columns - 10) ** 2
    crescent = (disc <= 100) & (disc >= 64)
    y, x = centre_pixel(crescent)
    assert crescent[int(y), int(x)]
    assert centre_pixel(np.ones((3, 5), bool)) == (1, 2)


def test_random_pixels_lie_on_the_mask_and_reach_all_of_it():
    mask = np.zeros((5, 7), bool)
    mask[1:3, 2:6] = True
    rng = np.random.default_rng(0)
    found = {random_pixel(mask, rng) for _ in range(200)}
    assert found == {(y, x) for y in (1, 2) for x in (2, 3, 4, 5)}
