"""The segmenter keeps the contract, whether its files hold objects or masks, and the contract notices one that does not."""

import numpy as np
import pytest
import tifffile

from mitobench.testing import checks, toy_samples
from mitobench_predictions.segmenter import StoredSegmentations

CHECKS = checks(segmenter="predictions:folder=.")


def toy_folder(folder, of):
    for sample in toy_samples():
        path = folder / f"{sample.id}.tif"
        path.parent.mkdir(exist_ok=True)
        tifffile.imwrite(path, of(sample))
    return folder


@pytest.mark.parametrize("number", range(len(CHECKS)), ids=[check.name for check in CHECKS])
@pytest.mark.parametrize("kind", ["objects", "masks"])
def test_contract(number, kind, tmp_path):
    folder = toy_folder(tmp_path, lambda s: s.labels if kind == "objects" else (s.labels > 0).astype(np.uint8))
    checks(segmenter=f"predictions:folder={folder},seconds_per_image=0.5")[number]()


class Careless(StoredSegmentations):
    def check_images(self, ids):
        pass


class Timeless(StoredSegmentations):
    seconds_per_image = float("nan")


@pytest.mark.parametrize("broken", [Careless, Timeless])
def test_the_contract_notices_a_segmenter_that_says_nothing_or_nonsense(broken, tmp_path):
    from mitobench_predictions.options import PredictionsOptions

    options = PredictionsOptions(folder=toy_folder(tmp_path, lambda s: s.labels))
    found = {c.name: c for c in checks(segmenter=broken, options=options)}
    with pytest.raises(AssertionError):
        found["image_bound_says_what_it_lacks"]()
