"""Where boxes end up: a stand-in network that reports the bright part of its input gives the reference's own boxes back."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from mitobench_yolo.boxes import from_edges, reference_boxes
from mitobench_yolo.inference import Viewing, find_candidates, suppress

CPU = torch.device("cpu")


class Bright(nn.Module):
    """Says as YOLO does, (B, 4 + 1, N) of centre and sides in the input's pixels, what is brighter than 200."""

    def __init__(self) -> None:
        super().__init__()
        self.inputs: list[tuple[int, ...]] = []

    def forward(self, planes: torch.Tensor) -> torch.Tensor:
        self.inputs.append(tuple(planes.shape))
        rows = torch.zeros(len(planes), 5, 1)
        for index, plane in enumerate(planes[:, 0]):
            y, x = torch.nonzero(plane > 200 / 255, as_tuple=True)
            if len(y):
                x0, x1, y0, y1 = x.min(), x.max() + 1, y.min(), y.max() + 1
                rows[index, :, 0] = torch.tensor([(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0, 0.9])
        return rows


def picture(shape, top, left, bottom, right, colour=False):
    labels = np.zeros(shape, np.int32)
    labels[top:bottom, left:right] = 1
    image = (labels * 255).astype(np.uint8)
    return (np.stack([image] * 3, axis=-1) if colour else image), labels


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("shape", [(64, 64), (64, 40), (30, 64), (128, 128), (96, 128), (32, 32)])
def test_boxes_come_back_in_the_images_own_pixels(shape, colour):
    scale = max(shape) // 16
    image, labels = picture(shape, scale, 2 * scale, 4 * scale, 7 * scale, colour)
    (rows,) = find_candidates(Bright(), [image], Viewing(image_size=64), CPU)
    # The image's scale is whole, so edges fall on pixels of the input, and of interpolation nothing is left but a pixel of it.
    np.testing.assert_allclose(rows[:, :4], reference_boxes(labels), atol=max(shape) / 64)
    assert rows[0, 4] == pytest.approx(0.9)


def test_unscaled_images_give_the_very_box_that_the_prompt_convention_asks_for():
    image, labels = picture((64, 64), 3, 5, 20, 11)
    (rows,) = find_candidates(Bright(), [image], Viewing(image_size=64), CPU)
    assert from_edges(rows[:, :4]).tolist() == [[5, 3, 10, 19]]
    rows_, columns = np.nonzero(labels)
    assert [columns.min(), rows_.min(), columns.max(), rows_.max()] == [5, 3, 10, 19]


def test_inputs_are_multiples_of_32_with_the_longer_side_as_asked_for():
    network = Bright()
    images = [np.zeros(shape, np.uint8) for shape in ((50, 100), (100, 50), (1, 1), (1, 90))]
    find_candidates(network, images, Viewing(image_size=96), CPU)
    assert sorted(network.inputs) == [(1, 3, 32, 96), (1, 3, 64, 96), (1, 3, 96, 64), (1, 3, 96, 96)]


@pytest.mark.parametrize("place", [(0, 0), (60, 40), (90, 120), (134, 170), (50, 99)])
def test_tiles_find_an_object_whole_and_once_wherever_it_lies(place):
    top, left = place
    image, labels = picture((150, 186), top, left, top + 16, left + 16)
    (rows,) = find_candidates(Bright(), [image], Viewing(image_size=64, tile=64, overlap=0.25), CPU)
    np.testing.assert_array_equal(rows[:, :4], reference_boxes(labels))


def test_the_middles_of_tiles_cover_every_point_once():
    from mitobench_yolo.inference import _spans

    for length, tile, overlap in ((150, 64, 0.25), (65, 64, 0.5), (64, 64, 0.25), (40, 64, 0.25), (1000, 100, 0.0)):
        spans = _spans(length, tile, overlap)
        assert spans[0][0] == 0
        assert max(end for _, end, _, _ in spans) == length
        assert spans[0][2] == -np.inf
        assert spans[-1][3] == np.inf
        assert all(first[3] == second[2] for first, second in itertools.pairwise(spans))
        assert all(start <= max(low, 0) <= min(high, length) <= end for start, end, low, high in spans)


def test_batches_of_any_sizes_give_the_same_boxes():
    images = [picture((64, 64 + 8 * k), 3, 5 + k, 20, 15 + k)[0] for k in range(5)]
    together = find_candidates(Bright(), images, Viewing(image_size=64, batch=4), CPU)
    alone = [find_candidates(Bright(), [image], Viewing(image_size=64, batch=1), CPU)[0] for image in images]
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_array_equal(one, other)


def test_boxes_beyond_the_image_are_cut_and_those_off_it_dropped():
    class Beyond(nn.Module):
        def forward(self, planes):
            return torch.tensor([[[0.0, 200.0], [32.0, 200.0], [20.0, 9.0], [10.0, 9.0], [0.5, 0.9]]])

    (rows,) = find_candidates(Beyond(), [np.zeros((64, 64), np.uint8)], Viewing(image_size=64), CPU)
    np.testing.assert_allclose(rows, [[0, 27, 10, 37, 0.5]])


def test_suppression_keeps_the_more_confident_of_two_that_overlap_too_much():
    rng = np.random.default_rng(3)
    low = rng.uniform(0, 60, (400, 2))
    boxes = np.concatenate([low, low + rng.uniform(4, 12, (400, 2))], axis=1)
    rows = np.column_stack([boxes, np.sort(rng.random(400))[::-1]]).astype(np.float32)
    kept = []
    for row in rows[rows[:, 4] >= 0.2]:
        if all(overlap(row, other) <= 0.4 for other in kept):
            kept.append(row)
    np.testing.assert_array_equal(suppress(rows, confidence=0.2, iou=0.4), np.array(kept))
    assert 0 < len(kept) < 320


def overlap(a, b):
    shared = max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def test_no_number_of_boxes_is_too_many():
    side = 180
    y, x = np.mgrid[:side, :side].reshape(2, -1) * 4.0
    rows = np.stack([x, y, x + 3, y + 3, np.full(x.size, 0.5)], axis=1).astype(np.float32)
    assert len(rows) > 30_000  # where ultralytics' own stops
    assert len(suppress(rows, confidence=0.25, iou=0.7)) == len(rows)


def test_nothing_found_is_an_empty_table():
    (rows,) = find_candidates(Bright(), [np.zeros((40, 40), np.uint8)], Viewing(image_size=64), CPU)
    assert rows.shape == (0, 5)
    assert suppress(rows, confidence=0.1, iou=0.5).shape == (0, 5)
