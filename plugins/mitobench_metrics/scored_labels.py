"""The two label images that every metric compares: checked to be of the same pixels, ignored pixels removed."""

import numpy as np
from numpy.typing import NDArray

from mitobench.errors import ContractError
from mitobench.samples import Sample
from mitobench.segmentations import Segmentation

__all__ = ["scored_labels"]


def scored_labels(sample: Sample, segmentation: Segmentation) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Reference and predicted labels with ignored pixels set to background in both.

    Args:
        sample: with its reference.
        segmentation: of that sample.

    Returns:
        (reference, prediction), int32 (H, W) each; the inputs themselves where nothing is ignored.

    Raises:
        ContractError: the shapes differ, even if the number of pixels is the same, or there is no reference.

    >>> sample = Sample(id="a", image=np.zeros((1, 3), np.uint8), labels=np.array([[7, 7, 0]], np.int32),
    ...                 ignore=np.array([[True, False, False]]))
    >>> segmentation = Segmentation(labels=np.array([[1, 1, 1]], np.int32), scores=np.ones(1, np.float32))
    >>> [labels.tolist() for labels in scored_labels(sample, segmentation)]
    [[[0, 7, 0]], [[0, 1, 1]]]
    """
    if sample.labels is None:
        raise ContractError(f"sample {sample.id!r} has no reference labels; a metric cannot score it.")
    segmentation.check_shape(sample.shape)
    if sample.ignore is None or not sample.ignore.any():
        return sample.labels, segmentation.labels
    kept = ~sample.ignore
    return sample.labels * kept, segmentation.labels * kept
