"""Augmentation for training an image encoder: other extracts and orientations, and a wide range of appearances.

Cheaper than the published augmentation of :mod:`mitobench.training.augmentation`, which moves every pixel, and wider in brightness,
contrast, sharpness and noise, so that what was learned on generated images carries over to other microscopes.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from mitobench.samples import Sample

__all__ = ["vary"]

SMALLEST_EXTRACT = 0.5
WHOLE_IMAGE = 0.4
GAMMA = 0.5
GAIN = (0.6, 1.3)
OFFSET = 0.15
INVERTED = 0.15
BLURRED, BLUR = 0.3, (0.4, 1.3)
NOISE = 0.07


def vary(sample: Sample, rng: np.random.Generator) -> Sample:
    """A changed copy of a sample: an extract of at least half its sides around one of its objects, turned and recoloured.

    Args:
        sample: image uint8 (H, W) or (H, W, 3), with labels.
        rng: decides everything that is random.

    Returns:
        a sample with the same id, group and origin; its shape (h, w) is that of the extract, or (w, h).
    """
    where = _extract(np.asarray(sample.labels), rng)
    turns, mirrored = int(rng.integers(4)), bool(rng.random() < 0.5)

    def moved(plane: NDArray[np.generic]) -> NDArray[np.generic]:
        turned = np.rot90(plane[where], turns)
        return np.ascontiguousarray(turned[:, ::-1] if mirrored else turned)

    return replace(
        sample,
        image=_recoloured(moved(sample.image).astype(np.uint8), rng),
        labels=moved(np.asarray(sample.labels)).astype(np.int32),
        ignore=None if sample.ignore is None else moved(sample.ignore).astype(np.bool_),
    )


def _extract(labels: NDArray[np.integer], rng: np.random.Generator) -> tuple[slice, slice]:
    """Rows and columns of a random window that holds a random labelled pixel."""
    share = 1.0 if rng.random() < WHOLE_IMAGE else rng.uniform(SMALLEST_EXTRACT, 1)
    places = np.flatnonzero(labels)
    if not places.size or share == 1.0:
        return slice(None), slice(None)
    held = divmod(int(places[rng.integers(places.size)]), labels.shape[1])
    window = []
    for place, length in zip(held, labels.shape, strict=True):
        size = max(1, round(share * length))
        start = int(rng.integers(max(0, place - size + 1), min(place, length - size) + 1))
        window.append(slice(start, start + size))
    return window[0], window[1]


def _recoloured(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Gamma, contrast, brightness, perhaps the negative, perhaps a blur, and noise."""
    level = (np.arange(256) / 255) ** np.exp(rng.uniform(-GAMMA, GAMMA))
    mean = level[image].mean()
    level = (level - mean) * rng.uniform(*GAIN) + mean + rng.uniform(-OFFSET, OFFSET)
    if rng.random() < INVERTED:
        level = 1 - level
    picture = np.clip(level, 0, 1).astype(np.float32)[image]
    if rng.random() < BLURRED:
        sigma = rng.uniform(*BLUR)
        picture = ndimage.gaussian_filter(picture, (sigma, sigma, 0)[: picture.ndim])
    picture = picture + rng.uniform(0, NOISE) * rng.standard_normal(picture.shape, np.float32)
    return np.asarray(np.rint(np.clip(picture, 0, 1) * 255), np.uint8)
