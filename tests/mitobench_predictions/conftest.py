"""What the tests of this plugin share: writing label images, and the segmenter built as a run builds it."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from mitobench.interfaces import BuildContext
from mitobench.prompts import Prompts
from mitobench.samples import Sample
from mitobench_predictions.options import PredictionsOptions
from mitobench_predictions.segmenter import StoredSegmentations


@pytest.fixture
def write(tmp_path):
    """Write label images below ``tmp_path/labels`` and return that folder."""
    folder = tmp_path / "labels"

    def write(**files):
        for name, labels in files.items():
            path = folder / name.replace("__", "/").replace("_png", ".png").replace("_tif", ".tif")
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix == ".png":
                Image.fromarray(np.asarray(labels)).save(path)
            else:
                tifffile.imwrite(path, np.asarray(labels), photometric="minisblack")
        return folder

    return write


@pytest.fixture
def build():
    def build(folder, **options):
        return StoredSegmentations(PredictionsOptions(folder=folder, **options), BuildContext())

    return build


@pytest.fixture
def segment():
    def segment(segmenter, image, shape=(4, 6)):
        sample = Sample(id=image, image=np.zeros(shape, np.uint8))
        return segmenter.segment(None, sample, Prompts())

    return segment


@pytest.fixture
def two():
    """Two objects with the ids 5 and 900."""
    labels = np.zeros((4, 6), np.uint16)
    labels[0, :2], labels[2:, 3:] = 5, 900
    return labels
