"""Augmentation for training an image encoder: other extracts and orientations, and a wide range of appearances.

Cheaper than the published augmentation of :mod:`mitobench.training.augmentation`, which moves every pixel, and wider in brightness,
contrast, sharpness and noise, so that what was learned on generated images carries over to other microscopes.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from mitobench.samples import Sample

__all__ = ["BroadAugmentation", "vary"]


class BroadAugmentation(BaseModel):
    """How much of what. ``BroadAugmentation.none()`` changes nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    smallest_extract: float = Field(
        default=0.5, gt=0, le=1, description="sides of the smallest extract as a share of the image's"
    )
    whole: float = Field(default=0.4, ge=0, le=1, description="probability of the whole image instead of an extract")
    turns: bool = Field(default=True, description="one of the eight orientations: quarter turns, mirrored or not")
    gamma: float = Field(
        default=0.5, ge=0, description="the exponent's logarithm is uniform within plus and minus this"
    )
    gain: tuple[float, float] = Field(
        default=(0.6, 1.3), description="contrast is multiplied by a draw from this range"
    )
    offset: float = Field(
        default=0.15, ge=0, le=1, description="brightness is moved by a draw from -offset .. offset of full scale"
    )
    inverted: float = Field(default=0.15, ge=0, le=1, description="probability of the negative")
    blurred: float = Field(default=0.3, ge=0, le=1, description="probability of a Gaussian blur")
    blur: tuple[float, float] = Field(
        default=(0.4, 1.3), description="pixels; its standard deviation, where there is one"
    )
    noise: float = Field(
        default=0.07, ge=0, description="of full scale; Gaussian noise with a standard deviation uniform in 0 .. this"
    )

    @classmethod
    def none(cls) -> "BroadAugmentation":
        """Nothing changes."""
        return cls(whole=1, turns=False, gamma=0, gain=(1, 1), offset=0, inverted=0, blurred=0, noise=0)


def vary(sample: Sample, rng: np.random.Generator, how: BroadAugmentation | None = None) -> Sample:
    """A changed copy of a sample: an extract around one of its objects, if it has labels, turned and recoloured.

    Args:
        sample: image uint8 (H, W) or (H, W, 3); without labels, extracts lie anywhere.
        rng: decides everything that is random.
        how: what to do; by default all of it, to the default extent.

    Returns:
        a sample with the same id, group and origin; its shape (h, w) is that of the extract, or (w, h).
    """
    how = how or BroadAugmentation()
    where = _extract(np.ones(sample.shape, np.bool_) if sample.labels is None else sample.labels, how, rng)
    turns, mirrored = int(rng.integers(4)), bool(rng.random() < 0.5)

    def moved(plane: NDArray[np.generic]) -> NDArray[np.generic]:
        turned = np.rot90(plane[where], turns if how.turns else 0)
        return np.ascontiguousarray(turned[:, ::-1] if mirrored and how.turns else turned)

    return replace(
        sample,
        image=_recoloured(moved(sample.image).astype(np.uint8), how, rng),
        labels=None if sample.labels is None else moved(sample.labels).astype(np.int32),
        ignore=None if sample.ignore is None else moved(sample.ignore).astype(np.bool_),
    )


def _extract(
    labels: NDArray[np.integer | np.bool_], how: BroadAugmentation, rng: np.random.Generator
) -> tuple[slice, slice]:
    """Rows and columns of a random window that holds a random labelled pixel."""
    share = 1.0 if rng.random() < how.whole else rng.uniform(how.smallest_extract, 1)
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


def _recoloured(image: NDArray[np.uint8], how: BroadAugmentation, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Gamma, contrast, brightness, perhaps the negative, perhaps a blur, and noise."""
    from scipy import ndimage

    level = (np.arange(256) / 255) ** np.exp(rng.uniform(-how.gamma, how.gamma))
    mean = level[image].mean()
    level = (level - mean) * rng.uniform(*how.gain) + mean + rng.uniform(-how.offset, how.offset)
    if rng.random() < how.inverted:
        level = 1 - level
    picture = np.clip(level, 0, 1).astype(np.float32)[image]
    if rng.random() < how.blurred:
        sigma = rng.uniform(*how.blur)
        picture = ndimage.gaussian_filter(picture, (sigma, sigma, 0)[: picture.ndim])
    picture = picture + rng.uniform(0, how.noise) * rng.standard_normal(picture.shape, np.float32)
    return np.asarray(np.rint(np.clip(picture, 0, 1) * 255), np.uint8)
