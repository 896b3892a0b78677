"""Augmentation: a changed copy of a sample, image and labels moved by one field.

The transformations are those of the published HeLa fine-tuning system (rotation within 45 degrees, flips, sub-pixel shifts,
an elastic field, intensity jitter, Poisson and Gaussian noise, local equalisation). All geometric ones are composed into one
coordinate field and sampled once: images bilinearly, labels by nearest neighbour, so instances keep their ids. Elastic fields
follow Simard, Steinkraus and Platt, Best practices for convolutional neural networks, ICDAR 2003.
"""

from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from mitobench.samples import Sample

__all__ = ["Augmentation", "augment", "coordinates"]

_Pixel = TypeVar("_Pixel", bound=np.generic)


class Augmentation(BaseModel):
    """How much of what; 0 switches one off. ``Augmentation.none()`` changes nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rotation: float = Field(
        default=45.0, ge=0, le=180, description="degrees; the angle is uniform within plus and minus this"
    )
    flips: bool = Field(default=True, description="mirror left-right and up-down, each with probability 0.5")
    shift: float = Field(default=0.5, ge=0, description="pixels; uniform sub-pixel shift along each axis")
    elastic_sigma: float = Field(
        default=10.0, gt=0, description="pixels; smoothing of the elastic field's white noise N(0, 1)"
    )
    elastic_alpha: tuple[float, float] = Field(
        (25.0, 35.0), description="pixels; the smoothed noise is scaled by a uniform draw from this range"
    )
    gain: float = Field(
        0.2, ge=0, lt=1, description="contrast is multiplied by a uniform draw from 1 - gain .. 1 + gain"
    )
    offset: float = Field(
        0.1, ge=0, le=1, description="brightness is moved by a uniform draw from -offset .. offset of full scale"
    )
    poisson: float = Field(default=0.5, ge=0, le=1, description="probability of shot noise")
    photons: tuple[float, float] = Field(
        default=(40.0, 400.0), description="photons at full scale where there is shot noise"
    )
    gaussian: float = Field(
        0.03, ge=0, description="of full scale; Gaussian noise with a standard deviation uniform in 0 .. this"
    )
    equalise: float = Field(
        0.25, ge=0, le=1, description="probability of contrast-limited adaptive histogram equalisation"
    )

    @classmethod
    def none(cls) -> "Augmentation":
        """Nothing changes."""
        return cls(
            rotation=0, flips=False, shift=0, elastic_alpha=(0, 0), gain=0, offset=0, poisson=0, gaussian=0, equalise=0
        )


def augment(sample: Sample, how: Augmentation, rng: np.random.Generator) -> Sample:
    """A changed copy of a sample: same id, shape, group and origin.

    Args:
        sample: image uint8 (H, W) or (H, W, 3); its labels and ignored pixels move with it.
        how: what to do.
        rng: decides everything that is random.
    """
    field = coordinates(sample.shape, how, rng)
    if field is not None:
        sample = replace(
            sample,
            image=_moved(sample.image, field, order=1),
            labels=None if sample.labels is None else _parted(_moved(sample.labels, field, order=0), field),
            ignore=None if sample.ignore is None else _moved(sample.ignore, field, order=0),
        )
    return replace(sample, image=_intensities(sample.image, how, rng))


def coordinates(shape: tuple[int, int], how: Augmentation, rng: np.random.Generator) -> NDArray[np.float32] | None:
    """Where each pixel of the changed image comes from.

    Returns:
        float32 (2, H, W), (y, x) in pixels of the unchanged image; None where nothing moves.
    """
    angle = np.deg2rad(rng.uniform(-how.rotation, how.rotation))
    mirror = rng.choice((-1.0, 1.0), size=2) if how.flips else np.ones(2)
    shift = rng.uniform(-how.shift, how.shift, size=2)
    alpha = rng.uniform(*how.elastic_alpha)
    centre = (np.array(shape) - 1) / 2
    grid = np.stack(
        np.meshgrid(*(np.arange(n, dtype=np.float64) - c for n, c in zip(shape, centre, strict=True)), indexing="ij")
    )
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = np.tensordot(turn, grid * mirror[:, None, None], axes=1) + (centre + shift)[:, None, None]
    if alpha:
        moved += alpha * _smooth_noise(shape, how.elastic_sigma, rng)
    still = angle == 0 and not shift.any() and not alpha and (mirror > 0).all()
    return None if still else moved.astype(np.float32)


def _smooth_noise(shape: tuple[int, int], sigma: float, rng: np.random.Generator) -> NDArray[np.float64]:
    from scipy import ndimage

    noise = rng.standard_normal((2, *shape))
    return np.stack([ndimage.gaussian_filter(plane, sigma, mode="reflect") for plane in noise])


def _moved(plane: NDArray[_Pixel], field: NDArray[np.float32], *, order: int) -> NDArray[_Pixel]:
    from scipy import ndimage

    planes = plane[..., None] if plane.ndim == 2 else plane
    done = [ndimage.map_coordinates(planes[..., c], field, order=order, mode="mirror") for c in range(planes.shape[2])]
    return np.stack(done, axis=-1).reshape(plane.shape)


def _parted(labels: NDArray[np.int32], field: NDArray[np.float32]) -> NDArray[np.int32]:
    """Labels in which the mirror image of an object that lies apart from the object is an object of its own.

    Beyond the edges of the unchanged image its mirror image continues; with one number for both, a box around an object
    would reach over all that lies between it and its mirror image.
    """
    from skimage import measure

    ends = [side - 0.5 for side in labels.shape]
    original = np.all([(plane >= -0.5) & (plane <= end) for plane, end in zip(field, ends, strict=True)], axis=0)
    pieces = measure.label(labels, background=0, connectivity=2)
    mirrored = labels != 0
    mirrored &= ~np.isin(pieces, np.unique(pieces[original]))
    if not mirrored.any():
        return labels
    _, fresh = np.unique(pieces[mirrored], return_inverse=True)
    parted = labels.astype(np.int32)
    parted[mirrored] = int(labels.max()) + 1 + fresh
    return parted


def _intensities(image: NDArray[np.uint8], how: Augmentation, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Jitter, shot noise, Gaussian noise and local equalisation, in that order; the same for all channels where it is not noise."""
    gain, offset = rng.uniform(1 - how.gain, 1 + how.gain), rng.uniform(-how.offset, how.offset)
    shot, photons = rng.random() < how.poisson, np.exp(rng.uniform(*np.log(how.photons)))
    spread, equalised = rng.uniform(0, how.gaussian), rng.random() < how.equalise
    if gain == 1 and offset == 0 and not shot and not spread and not equalised:
        return image
    level = image / 255.0
    mean = level.mean()
    level = np.clip((level - mean) * gain + mean + offset, 0, 1)
    if shot:
        level = rng.poisson(level * photons) / photons
    if spread:
        level = level + rng.normal(0, spread, image.shape)
    level = np.clip(level, 0, 1)
    if equalised and min(image.shape[:2]) > 8:
        from skimage import exposure

        level = exposure.equalize_adapthist(level, clip_limit=0.02)
    return np.asarray(np.rint(level * 255), np.uint8)
