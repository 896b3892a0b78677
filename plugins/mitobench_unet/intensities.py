"""Intensity normalisation: part of the model, because data sources give raw uint8."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["NORMALISATION", "Levels", "as_planes", "find_levels"]

NORMALISATION = "percentile 1-99.8"
"""What cards call the rule below; a checkpoint that names another one is refused."""

_LOW, _HIGH = 0.01, 0.998
_LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True)
class Levels:
    """The grey values that become 0 and 1; ``low <= high``, both in 0..255."""

    low: int
    high: int

    def normalise(self, values: NDArray[np.number]) -> NDArray[np.float32]:
        """Grey values (0..255, whole or between) as float32 of the same shape, clipped to -0.5..1.5; all 0 where low = high."""
        if self.high <= self.low:
            return np.zeros(values.shape, np.float32)
        scaled = (values.astype(np.float32) - np.float32(self.low)) * np.float32(1 / (self.high - self.low))
        return np.clip(scaled, -0.5, 1.5, out=scaled)


def find_levels(image: NDArray[np.uint8]) -> Levels:
    """The 1st and the 99.8th percentile of all values of an image (all channels together).

    Where the two are equal it is the minimum and maximum instead, so that a few bright pixels on black still count.

    Args:
        image: uint8, of any shape, at least one pixel.
    """
    counts = np.bincount(image.reshape(-1), minlength=256)
    below = np.cumsum(counts)
    low = int(np.searchsorted(below, _LOW * image.size, side="left"))
    high = int(np.searchsorted(below, _HIGH * image.size, side="left"))
    if high <= low:
        present = np.flatnonzero(counts)
        low, high = int(present[0]), int(present[-1])
    return Levels(low, high)


def as_planes(values: NDArray[np.float32], channels: int) -> NDArray[np.float32]:
    """Normalised intensities as the network's input planes.

    A one-channel network sees the luminance (0.299 R + 0.587 G + 0.114 B) of an RGB image; a three-channel network sees a
    grey image three times.

    Args:
        values: float32 (H, W) or (H, W, 3).
        channels: 1 or 3.

    Returns:
        float32 (channels, H, W).
    """
    if values.ndim == 3 and channels == 1:
        return np.ascontiguousarray((values @ _LUMINANCE)[None])
    if values.ndim == 3:
        return np.ascontiguousarray(values.transpose(2, 0, 1))
    return np.ascontiguousarray(np.broadcast_to(values, (channels, *values.shape)))
