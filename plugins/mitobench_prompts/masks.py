"""Low-resolution masks from the reference, as the logits that SAM's mask input takes."""

import functools

import numpy as np
from numpy.typing import NDArray
from skimage.transform import resize

from mitobench.interfaces import BuildContext, Encoding
from mitobench.prompts import MASK_SIDE, Prompts
from mitobench.samples import Sample
from mitobench_prompts.options import MaskOptions
from mitobench_prompts.reference import ReferenceObjects
from mitobench_prompts.unencoded import Unencoded

__all__ = ["ObjectMasks"]


class ObjectMasks(Unencoded):
    """``gt-mask``: per object what :func:`mitobench.prompts.mask_logits` gives for its full-frame mask.

    That scaling is linear and separable, so it is done on the object's window with the rows of two small matrices.
    """

    def __init__(self, options: MaskOptions, context: BuildContext) -> None:
        super().__init__(options, context)
        self.options = options

    def prompt(self, encoding: Encoding, sample: Sample, rng: np.random.Generator) -> Prompts:
        """One mask per reference object, in ascending order of labels."""
        objects = ReferenceObjects.of(sample, "gt-mask")
        height, width = sample.shape
        scale = MASK_SIDE / max(height, width)
        rows = _scaling(height, max(1, round(height * scale)), scale < 1)
        cols = _scaling(width, max(1, round(width * scale)), scale < 1)
        limit = self.options.limit
        floor = 1.0 / (1.0 + np.exp(limit))
        masks = np.full((len(objects), MASK_SIDE, MASK_SIDE), -limit, np.float32)
        for mask, ((top, left), crop) in zip(masks, objects.crops(), strict=True):
            down, across = rows[:, top : top + crop.shape[0]], cols[:, left : left + crop.shape[1]]
            touched = _touched(down), _touched(across)
            small = np.clip(down[touched[0]] @ crop.astype(np.float32) @ across[touched[1]].T, floor, 1 - floor)
            mask[touched] = np.log(small / (1 - small))
        return Prompts(masks=masks, targets=objects.ids)


@functools.lru_cache(maxsize=8)
def _scaling(length: int, scaled: int, anti_aliasing: bool) -> NDArray[np.float32]:
    """float32 (scaled, length): the matrix that scales one axis as scikit-image does."""
    identity = np.eye(length, dtype=np.float32)
    scaling = resize(identity, (scaled, length), order=1, anti_aliasing=anti_aliasing, preserve_range=True)
    return np.asarray(scaling, np.float32)


def _touched(weights: NDArray[np.float32]) -> slice:
    """The scaled rows that a window reaches."""
    reached = np.flatnonzero(weights.any(axis=1))
    return slice(int(reached[0]), int(reached[-1]) + 1) if reached.size else slice(0, 0)
