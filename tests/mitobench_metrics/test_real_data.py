"""On real annotated sections our numbers are stardist's and MONAI's too."""

import warnings

import numpy as np
import pytest
import tifffile
from scipy import ndimage

from mitobench.interfaces import BuildContext
from mitobench_metrics.boundary import BoundaryMetric
from mitobench_metrics.instance import InstanceMetric
from mitobench_metrics.matching import THRESHOLDS
from mitobench_metrics.options import BoundaryOptions, InstanceOptions

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import torch
    from monai.metrics import compute_hausdorff_distance, compute_surface_dice

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.filterwarnings("ignore:monai.metrics.utils get_mask_edges.always_return_as_numpy:FutureWarning"),
]


@pytest.fixture(scope="module")
def section(real_data):
    """Mitochondria of one section, and the same after an opening and a shift, cut into components again."""
    mask = tifffile.imread(real_data / "em-vnc" / "training_groundtruth.tif", key=0) > 0
    rough = np.roll(ndimage.binary_opening(mask, iterations=3), (2, 3), axis=(0, 1))
    reference, prediction = ndimage.label(mask)[0].astype(np.int32), ndimage.label(rough)[0].astype(np.int32)
    assert min(reference.max(), prediction.max()) > 5
    return reference, prediction


def test_instance_scores_equal_stardist_on_a_section(stardist, score, section):
    metric = InstanceMetric(InstanceOptions(convention="stardist"), BuildContext())
    ours = score(metric, *section)
    theirs = stardist.matching(*section, thresh=[float(t) for t in THRESHOLDS])
    assert 0 < theirs[0].tp < theirs[0].n_true + theirs[0].fp
    for t, their in zip(THRESHOLDS, theirs, strict=True):
        assert ours[f"SA@{t} [stardist]"] == pytest.approx(their.accuracy)
        assert ours[f"F1@{t} [stardist]"] == pytest.approx(their.f1)
    assert ours["PQ [stardist]"] == pytest.approx(theirs[0].panoptic_quality, rel=1e-6)


def test_boundary_scores_equal_monai_on_a_section(score, section):
    ours = score(BoundaryMetric(BoundaryOptions(), BuildContext()), *section)
    pair = [torch.from_numpy(labels > 0)[None, None] for labels in section[::-1]]
    nsd = compute_surface_dice(*pair, [2.0], include_background=True).item()
    hd95 = compute_hausdorff_distance(*pair, include_background=True, percentile=95).item()
    assert 0 < nsd < 1
    assert ours["NSD@2px"] == pytest.approx(nsd)
    assert ours["HD95 (px)"] == pytest.approx(hd95, rel=1e-5)
