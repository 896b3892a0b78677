"""Builders of the smallest real inputs that a metric takes."""

import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike

from mitobench.interfaces import BuildContext, ImageStatistics, Metric
from mitobench.prompts import Prompts
from mitobench.samples import Sample
from mitobench.segmentations import Segmentation


def _sample(reference: ArrayLike, **given: Any) -> Sample:
    labels = np.asarray(reference, np.int32)
    return Sample(**{"id": "slice-1", "image": np.zeros(labels.shape, np.uint8), "labels": labels} | given)


def _segmentation(prediction: ArrayLike, **given: Any) -> Segmentation:
    labels = np.asarray(prediction, np.int32)
    count = int(labels.max(initial=0))
    return Segmentation(**{"labels": labels, "scores": np.linspace(1, 0.5, count, dtype=np.float32)} | given)


def _totals(*measured: ImageStatistics) -> dict[str, np.ndarray]:
    return {name: np.sum([one.image[name] for one in measured]) for name in measured[0].image}


@pytest.fixture(scope="session")
def stardist() -> ModuleType:
    """``stardist.matching``, the independent implementation; skips where there is no stardist for this Python."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("stardist.matching", reason="stardist is not installed (of the test extra)")


@pytest.fixture(scope="session")
def sample() -> Callable[..., Sample]:
    """``sample(reference, **fields)``."""
    return _sample


@pytest.fixture(scope="session")
def segmentation() -> Callable[..., Segmentation]:
    """``segmentation(prediction, **fields)``."""
    return _segmentation


@pytest.fixture(scope="session")
def totals() -> Callable[..., dict[str, np.ndarray]]:
    """``totals(*statistics)``: their sums, as a runner pools them."""
    return _totals


@pytest.fixture(scope="session")
def build() -> Callable[..., Metric]:
    """``build(Class, options)``."""
    return lambda cls, options: cls(options, BuildContext())


@pytest.fixture(scope="session")
def score() -> Callable[..., dict[str, float]]:
    """``score(metric, reference, prediction, prompts=, **sample_fields)``: the scores of one image."""

    def run(
        metric: Metric, reference: ArrayLike, prediction: ArrayLike, prompts: Prompts | None = None, **fields: Any
    ) -> dict[str, float]:
        measured = metric.statistics(_sample(reference, **fields), _segmentation(prediction), prompts or Prompts())
        assert measured is not None
        assert all(np.isfinite(value) for value in measured.image.values())
        return {name: float(value) for name, value in metric.scores(_totals(measured)).items()}

    return run
