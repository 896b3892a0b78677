"""Builders of small data sets, and data sources built as the runner builds them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from mitobench.interfaces import BuildContext, DataSource
from mitobench.options import parse_options
from mitobench.plugins import Plugins


@pytest.fixture(scope="session")
def plugins() -> Plugins:
    return Plugins.discover()


@pytest.fixture
def build(plugins: Plugins) -> Callable[..., DataSource]:
    """Build a data source by name from plain option values."""

    def make(name: str, **options: Any) -> DataSource:
        component = plugins.find("data", name)
        return component.target()(parse_options(component.options_model(), options, owner=name), BuildContext())

    return make


@pytest.fixture
def volume() -> tuple[np.ndarray, np.ndarray]:
    """Ten sections of 40 x 60 pixels with two objects each, drifting with the section; instance labels 5 and 900."""
    rng = np.random.default_rng(3)
    images = rng.integers(0, 256, (10, 40, 60), dtype=np.uint8)
    labels = np.zeros((10, 40, 60), np.uint16)
    for z in range(10):
        labels[z, 2 : 8 + z, 3:12] = 5
        labels[z, 20:35, 30 : 45 + z] = 900
    return images, labels


@pytest.fixture
def stack(tmp_path: Path, volume: tuple[np.ndarray, np.ndarray]) -> dict[str, str]:
    """The volume as two uncompressed TIFF stacks: the options images and labels."""
    images, labels = volume
    tifffile.imwrite(tmp_path / "em.tif", images)
    tifffile.imwrite(tmp_path / "em_labels.tif", labels)
    return {"images": str(tmp_path / "em.tif"), "labels": str(tmp_path / "em_labels.tif")}
