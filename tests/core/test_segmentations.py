"""Segmentations: a wrong shape, dtype, NaN or score above one is a contract error that says so."""

import numpy as np
import pytest

from mitobench.errors import ContractError
from mitobench.masks import PackedMasks
from mitobench.segmentations import Segmentation

LABELS = np.array([[0, 1, 1], [2, 0, 0]], np.int32)
SCORES = np.array([0.5, 1.0], np.float32)
MASKS = PackedMasks.from_dense([LABELS == 1, LABELS == 2, LABELS > 0], (2, 3))


def test_instances_with_scores_and_masks_of_each_prompt():
    found = Segmentation(labels=LABELS, scores=SCORES, masks=MASKS, mask_scores=np.zeros(3, np.float32))
    found.check_shape((2, 3))
    assert not found.semantic


def test_an_id_may_have_no_pixel_and_there_may_be_no_instance():
    Segmentation(labels=LABELS, scores=np.zeros(5, np.float32))
    Segmentation(labels=np.zeros((2, 3), np.int32), scores=np.zeros(0, np.float32))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"labels": LABELS.astype(np.int64)}, "labels are int64"),
        ({"labels": LABELS.astype(np.float32)}, "labels are float32"),
        ({"labels": LABELS[None]}, r"labels are int32 \(1, 2, 3\)"),
        ({"labels": LABELS.tolist()}, "labels are list"),
        ({"labels": LABELS - 1}, r"labels span -1\.\.1"),
        ({"scores": SCORES[:1]}, r"labels span 0\.\.2 but there are 1 scores"),
        ({"scores": SCORES.astype(np.float64)}, "scores are float64"),
        ({"scores": SCORES[None]}, "scores are"),
        ({"scores": [0.5, 1.0]}, "scores are list"),
        ({"scores": SCORES + np.float32(0.25)}, r"scores span 0\.75\.\.1\.25"),
        ({"scores": np.array([np.nan, 0], np.float32)}, "finite numbers in 0..1"),
        ({"scores": np.array([-0.1, 0], np.float32)}, "finite numbers in 0..1"),
        ({"masks": MASKS}, "given together"),
        ({"mask_scores": SCORES}, "given together"),
        ({"masks": MASKS, "mask_scores": SCORES}, "3 masks .* 2 mask_scores"),
        ({"masks": MASKS, "mask_scores": np.array([0, 1.2, 0], np.float32)}, "mask_scores span"),
        ({"masks": PackedMasks.from_dense([], (3, 2)), "mask_scores": np.zeros(0, np.float32)}, r"shape \(3, 2\)"),
    ],
)
def test_what_breaks_the_contract_is_named(fields, said):
    with pytest.raises(ContractError, match=said):
        Segmentation(**{"labels": LABELS, "scores": SCORES, **fields})


def test_a_segmentation_of_another_image_is_refused():
    with pytest.raises(ContractError, match=r"\(2, 3\) but the image has \(3, 2\)"):
        Segmentation(labels=LABELS, scores=SCORES).check_shape((3, 2))
