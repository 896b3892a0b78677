"""3000 objects on 4096 x 4096 pixels are prompted in less than two seconds of one core."""

import time

import numpy as np
import pytest

from mitobench_prompts.boxes import ObjectBoxes, UnionBox
from mitobench_prompts.options import BoxOptions, PointOptions, UnionBoxOptions
from mitobench_prompts.points import ObjectPoints

SECONDS = 2.0


@pytest.fixture(scope="module")
def many():
    labels = np.zeros((4096, 4096), np.int32)
    rows, cols = np.mgrid[:74, :74]
    radii = np.random.default_rng(0).integers(10, 36, 3000)
    for index, radius in enumerate(radii):
        top, left = 74 * (index // 55), 74 * (index % 55)
        labels[top : top + 74, left : left + 74][np.hypot(rows - 37, cols - 37) < radius] = index + 1
    return labels


@pytest.mark.parametrize("scale", [1, 700_000], ids=["dense ids", "sparse ids"])
@pytest.mark.parametrize(
    ("prompter", "options", "count"),
    [
        (ObjectBoxes, BoxOptions(jitter=5), 3000),
        (UnionBox, UnionBoxOptions(jitter=20), 1),
        (ObjectPoints, PointOptions(), 3000),
        (ObjectPoints, PointOptions(mode="random", n=3, negative=3), 3000),
        (ObjectPoints, PointOptions(mode="farthest"), 3000),
    ],
    ids=["box", "union", "centroid", "random", "farthest"],
)
def test_boxes_and_points_of_3000_objects(many, sample_of, prompt_with, prompter, options, count, scale):
    sample = sample_of(many * scale)
    start = time.process_time()
    found = prompt_with(prompter, options, sample)
    seconds = time.process_time() - start
    assert len(found) == count
    assert seconds < SECONDS
