"""Low-resolution masks from the reference."""

import numpy as np
import pytest

from mitobench.errors import DataError
from mitobench.prompts import mask_logits
from mitobench_prompts.masks import ObjectMasks
from mitobench_prompts.options import MaskOptions


@pytest.mark.parametrize("size", [(120, 160), (300, 417), (512, 256), (37, 40), (256, 256), (1, 40)])
def test_masks_are_those_of_the_full_frame(blobs, sample_of, prompt_with, size):
    labels = np.zeros((max(size[0], 120), max(size[1], 160)), np.int32)
    labels[:120, :160] = blobs
    labels = labels[: size[0], : size[1]].copy()
    labels[0, 30:] = 99
    found = prompt_with(ObjectMasks, MaskOptions(), sample_of(labels))
    assert found.targets.tolist() == np.unique(labels)[1:].tolist()
    for target, mask in zip(found.targets, found.masks, strict=True):
        np.testing.assert_allclose(mask, mask_logits((labels == target).astype(np.float32)), atol=2e-3)


def test_limit_bounds_the_logits(blobs, sample_of, prompt_with):
    found = prompt_with(ObjectMasks, MaskOptions(limit=4), sample_of(blobs))
    assert found.masks.min() == -4
    assert found.masks.max() == pytest.approx(4, abs=1e-5)


def test_ignored_pixels_are_not_in_the_mask(sample_of, prompt_with):
    labels = np.ones((256, 256), np.int32)
    ignore = np.zeros((256, 256), bool)
    ignore[:, 128:] = True
    (mask,) = prompt_with(ObjectMasks, MaskOptions(), sample_of(labels, ignore=ignore)).masks
    np.testing.assert_array_equal(mask > 0, ~ignore)


def test_an_empty_reference_gives_no_mask_and_none_at_all_is_an_error(sample_of, prompt_with):
    empty = sample_of(np.zeros((9, 9)))
    assert prompt_with(ObjectMasks, MaskOptions(), empty).masks.shape == (0, 256, 256)
    with pytest.raises(DataError, match="needs a reference"):
        prompt_with(ObjectMasks, MaskOptions(), empty.without_reference())
