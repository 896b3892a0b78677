"""Random patches of an image: geometry (shift, flip, rotation, zoom, elastic) in one resampling, then intensities."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["Augmentation", "Geometry", "change_intensities", "cut", "random_geometry"]


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How much a patch is changed.

    Attributes:
        zoom: largest factor by which objects are enlarged or shrunk; 1 = never.
        rotate: the share of patches turned by any angle; the others are turned by quarter turns only.
        elastic: largest standard deviation, in pixels, of the smooth random displacement; 0 = none.
        intensity: strength of the changes of contrast, brightness, gamma, noise and blur; 1 = full, 0 = none.
    """

    zoom: float = 1.3
    rotate: float = 0.5
    elastic: float = 4.0
    intensity: float = 1.0


@dataclass(frozen=True, eq=False)
class Geometry:
    """Where the pixels of a patch come from: float32 (2, P, P), y and x in the source image's pixels, any values."""

    coordinates: NDArray[np.float32]


def random_geometry(
    centre: tuple[float, float], patch: int, augmentation: Augmentation, rng: np.random.Generator
) -> Geometry:
    """Draw the geometry of one patch around a centre (y, x); always flipped and quarter-turned at random."""
    angle = float(rng.integers(4)) * np.pi / 2
    if rng.random() < augmentation.rotate:
        angle += float(rng.uniform(-np.pi / 4, np.pi / 4))
    limit = np.log(augmentation.zoom)
    step = np.exp(rng.uniform(-limit, limit))
    cosine, sine = np.cos(angle) * step, np.sin(angle) * step
    turn = np.array([[cosine, -sine], [sine, cosine]]) @ np.diag([1.0, float(rng.choice([-1.0, 1.0]))])
    offsets = np.arange(patch, dtype=np.float32) - (patch - 1) / 2
    y, x = offsets[:, None], offsets[None, :]
    coordinates = np.stack([turn[k, 0] * y + turn[k, 1] * x + centre[k] for k in (0, 1)]).astype(np.float32)
    if augmentation.elastic > 0 and rng.random() < 0.5:
        coordinates += _displacement(patch, float(rng.uniform(0, augmentation.elastic)), rng)
    if limit == 0 and augmentation.rotate == 0 and augmentation.elastic == 0:
        coordinates = np.round(coordinates)
    return Geometry(coordinates)


def _displacement(patch: int, sigma: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Smooth random displacement, float32 (2, P, P): normal numbers about 32 pixels apart, interpolated bicubically."""
    knots = max(4, patch // 32 + 1)
    coarse = torch.from_numpy(rng.normal(0, sigma, (1, 2, knots, knots)).astype(np.float32))
    fine = torch.nn.functional.interpolate(coarse, size=(patch, patch), mode="bicubic", align_corners=True)
    return np.asarray(fine[0].numpy(), np.float32)


def cut(plane: NDArray[np.generic], geometry: Geometry, *, nearest: bool) -> NDArray[np.float32]:
    """Resample a patch; beyond its edges the image goes on as its mirror image.

    Args:
        plane: (H, W) or (H, W, 3), numbers below 2**24.
        geometry: P x P source coordinates.
        nearest: take the nearest pixel (labels) instead of interpolating linearly (intensities).

    Returns:
        float32 (P, P) or (P, P, 3).
    """
    low = [int(np.floor(axis.min())) for axis in geometry.coordinates]
    high = [int(np.ceil(axis.max())) + 1 for axis in geometry.coordinates]
    rows = _mirror(np.arange(low[0], high[0] + 1), plane.shape[0])
    columns = _mirror(np.arange(low[1], high[1] + 1), plane.shape[1])
    window = plane[rows[:, None], columns[None, :]].astype(np.float32)
    stack = torch.from_numpy(window if window.ndim == 3 else window[..., None]).permute(2, 0, 1)[None]
    grid = np.stack(
        [(geometry.coordinates[k] - low[k]) * np.float32(2 / (window.shape[k] - 1)) - 1 for k in (1, 0)], axis=-1
    )
    drawn = torch.nn.functional.grid_sample(
        stack,
        torch.from_numpy(grid.astype(np.float32))[None],
        mode="nearest" if nearest else "bilinear",
        padding_mode="border",
        align_corners=True,
    )[0]
    return np.asarray(drawn[0].numpy() if window.ndim == 2 else drawn.permute(1, 2, 0).numpy())


def _mirror(index: NDArray[np.integer], length: int) -> NDArray[np.integer]:
    """Indices beyond 0..length-1 reflected back without repeating the edge."""
    if length == 1:
        return np.zeros_like(index)
    period = 2 * (length - 1)
    folded = np.abs(index) % period
    return np.asarray(np.where(folded < length, folded, period - folded))


def change_intensities(
    planes: NDArray[np.float32], augmentation: Augmentation, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Change gamma, contrast, brightness, blur and noise of normalised planes, float32 (C, H, W), about 0..1."""
    strength = augmentation.intensity
    if strength <= 0:
        return planes
    result = planes
    if rng.random() < 0.5:
        gamma = np.exp(rng.uniform(-0.5, 0.5) * strength)
        result = np.sign(result) * np.abs(result) ** np.float32(gamma)
    result = (result - 0.5) * np.float32(1 + rng.uniform(-0.3, 0.3) * strength) + np.float32(0.5)
    result = result + np.float32(rng.uniform(-0.15, 0.15) * strength)
    if rng.random() < 0.2:
        sigma = float(rng.uniform(0.3, 1.5)) * strength
        result = ndimage.gaussian_filter(result, (0, sigma, sigma), mode="mirror")
    if rng.random() < 0.4:
        noise = rng.standard_normal(result.shape, np.float32)
        result = result + noise * np.float32(rng.uniform(0, 0.1) * strength)
    return np.asarray(result, np.float32)
