"""What the tests of the prompters share."""

import numpy as np
import pytest

from mitobench.interfaces import BuildContext
from mitobench.samples import Sample
from mitobench.seeds import derive_rng


@pytest.fixture
def prompt_with():
    """Build a prompter and prompt one sample with it."""

    def call(prompter, options, sample, seed=0):
        built = prompter(options, BuildContext(seed=seed))
        return built.prompt(None, sample, derive_rng(seed, sample.id))

    return call


@pytest.fixture
def sample_of():
    """A sample of a label image."""

    def make(labels, **fields):
        labels = np.asarray(labels, np.int32)
        return Sample(**{"id": "a", "image": np.zeros(labels.shape, np.uint8), "labels": labels, **fields})

    return make


@pytest.fixture
def blobs():
    """A 120 x 160 label image of 12 random rectangles and discs, ids with gaps."""
    rng = np.random.default_rng(3)
    labels = np.zeros((120, 160), np.int32)
    rows, cols = np.mgrid[:40, :40]
    for index in range(12):
        top, left = 40 * (index // 4), 40 * (index % 4)
        y, x, r = rng.integers(12, 28), rng.integers(12, 28), rng.integers(2, 12)
        shape = np.hypot(rows - y, cols - x) <= r if index % 2 else (abs(rows - y) < r) & (abs(cols - x) < r // 2 + 1)
        labels[top : top + 40, left : left + 40][shape] = 5 * index + 1
    return labels
