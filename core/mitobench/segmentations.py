"""Segmentations: what a segmenter says about one image."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mitobench.errors import ContractError
from mitobench.masks import PackedMasks

__all__ = ["Segmentation"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Segmentation:
    """Instance labels with a score each and, from a promptable segmenter, the mask of each prompt.

    Attributes:
        labels: int32 (H, W), 0 = background, instances 1..K. An id may have no pixel.
        scores: float32 (K,) in 0..1, the confidence of instance k at index k-1.
        masks: the mask of each of the N prompts, before overlaps were resolved, or None.
        mask_scores: float32 (N,), the predicted quality of each prompt's mask, in 0..1; set exactly when ``masks`` is.
        semantic: True where the instances are the connected components of a foreground mask.
    """

    labels: NDArray[np.int32]
    scores: NDArray[np.float32]
    masks: PackedMasks | None = None
    mask_scores: NDArray[np.float32] | None = None
    semantic: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.labels, np.ndarray) or self.labels.dtype != np.int32 or self.labels.ndim != 2:
            found = (
                f"{self.labels.dtype} {self.labels.shape}"
                if isinstance(self.labels, np.ndarray)
                else type(self.labels).__name__
            )
            raise ContractError(f"segmentation: labels are {found}; expected int32 (H, W).")
        _check_scores("scores", self.scores)
        if self.labels.size and not 0 <= int(self.labels.min()) <= int(self.labels.max()) <= self.scores.size:
            raise ContractError(
                f"segmentation: labels span {int(self.labels.min())}..{int(self.labels.max())} but there are {self.scores.size} scores; expected ids 1..K with a score each."
            )
        if (self.masks is None) != (self.mask_scores is None):
            raise ContractError("segmentation: masks and mask_scores must be given together.")
        if self.masks is not None and self.mask_scores is not None:
            _check_scores("mask_scores", self.mask_scores)
            if len(self.masks) != self.mask_scores.size or self.masks.shape != self.labels.shape:
                raise ContractError(
                    f"segmentation: {len(self.masks)} masks of shape {self.masks.shape} with {self.mask_scores.size} mask_scores for labels of shape {self.labels.shape}."
                )

    def check_shape(self, shape: tuple[int, int]) -> None:
        """Raise :class:`ContractError` unless this segmentation is of an (H, W) image of that shape."""
        if self.labels.shape != shape:
            raise ContractError(f"segmentation: labels have shape {self.labels.shape} but the image has {shape}.")


def _check_scores(name: str, scores: NDArray[np.float32]) -> None:
    if not isinstance(scores, np.ndarray) or scores.dtype != np.float32 or scores.ndim != 1:
        found = f"{scores.dtype} {scores.shape}" if isinstance(scores, np.ndarray) else type(scores).__name__
        raise ContractError(f"segmentation: {name} are {found}; expected float32 (K,).")
    if scores.size and not (np.isfinite(scores).all() and scores.min() >= 0 and scores.max() <= 1):
        raise ContractError(
            f"segmentation: {name} span {scores.min()}..{scores.max()}; expected finite numbers in 0..1."
        )
