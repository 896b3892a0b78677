"""The order in which prompts go through the decoder."""

import numpy as np
import pytest

from mitobench.errors import ContractError
from mitobench.prompts import Prompts
from mitobench_sam.batches import distinct, is_lone_point, pieces


def boxes(*rows):
    return Prompts(boxes=np.array(rows, np.float32))


def test_prompts_are_ordered_by_content_and_repeated_ones_appear_once():
    chosen, place = distinct(boxes([9, 0, 9, 9], [1, 2, 3, 4], [9, 0, 9, 9], [0, 0, 1, 1]))
    assert chosen.tolist() == [3, 1, 0]
    assert place.tolist() == [2, 1, 2, 0]


def test_prompts_that_differ_in_any_field_are_different():
    masks = np.zeros((3, 256, 256), np.float32)
    masks[1, 200, 3] = 1
    prompts = Prompts(
        points=np.zeros((3, 1, 2), np.float32), point_labels=np.array([[1], [1], [0]], np.int8), masks=masks
    )
    chosen, place = distinct(prompts)
    assert sorted(chosen) == [0, 1, 2]
    assert chosen[place].tolist() == [0, 1, 2]


def test_prompts_without_content_are_refused():
    with pytest.raises(ContractError, match="found none"):
        distinct(Prompts(targets=np.array([1, 2])))


def test_pieces_hold_every_prompt_once_and_no_more_than_the_size():
    parts = list(pieces(np.arange(7), 3))
    assert [part.tolist() for part in parts] == [[0, 1, 2], [3, 4, 5], [6]]


def test_a_lone_point_is_one_point_and_nothing_else():
    points = np.zeros((3, 2, 2), np.float32)
    labels = np.array([[1, -1], [1, 1], [-1, -1]], np.int8)
    assert is_lone_point(Prompts(points=points, point_labels=labels)).tolist() == [True, False, False]
    boxed = Prompts(points=points, point_labels=labels, boxes=np.zeros((3, 4), np.float32))
    assert not is_lone_point(boxed).any()
    assert is_lone_point(boxes([0, 0, 1, 1])).tolist() == [False]
