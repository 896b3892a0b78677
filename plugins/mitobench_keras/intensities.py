"""Grey values as the network sees them: part of the model, because data sources give raw uint8, grey or RGB."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["NORMALISATION", "as_grey", "normalise"]

NORMALISATION = "divided by 255"
"""What cards call the rule of :func:`normalise`; a checkpoint that names another one is refused."""

_LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)


def as_grey(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The image itself, uint8 (H, W), or the luminance (0.299 R + 0.587 G + 0.114 B, rounded) of an RGB one, (H, W, 3)."""
    if image.ndim == 2:
        return image
    return np.asarray(np.rint(image @ _LUMINANCE), np.uint8)


def normalise(tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Grey tiles uint8 (N, S, S) as the network's input, float32 (N, S, S, 1) in 0..1."""
    return (tiles.astype(np.float32) / np.float32(255))[..., None]
