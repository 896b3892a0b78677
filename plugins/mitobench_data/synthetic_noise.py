"""Imaging: from what is there to what a microscope records, as uint8."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from mitobench_data.synthetic_fields import Plane, grain, line, smooth_noise
from mitobench_data.synthetic_style import EmStyle

__all__ = ["count_particles", "damage", "expose_em", "to_uint8"]


def to_uint8(signal: Plane) -> NDArray[np.uint8]:
    """Digitise a signal of 0..1, saturating outside it."""
    return np.clip(np.rint(signal * np.float32(255)), 0, 255).astype(np.uint8)


def count_particles(rng: np.random.Generator, signal: Plane, per_unit: float) -> Plane:
    """Shot noise: the signal as Poisson counts of ``per_unit`` particles where it is 1."""
    counts = rng.poisson(np.maximum(signal, 0) * np.float32(per_unit))
    return counts.astype(np.float32) / np.float32(per_unit)


def damage(rng: np.random.Generator, density: Plane, style: EmStyle) -> None:
    """Add what preparation leaves on a section, in place: specks of dirt, knife marks, a fold."""
    shape = density.shape
    if rng.random() < 0.5 * style.damage:
        specks = grain(rng, shape, style.px(9)) * np.float32(0.6) + smooth_noise(rng, shape, style.px(180))
        density += 2 * np.clip(specks - np.float32(rng.uniform(2.6, 3.4)), 0, 0.7)
    if rng.random() < 0.3 * style.damage:
        for _ in range(int(rng.integers(1, 4))):
            density += np.float32(rng.uniform(-0.12, 0.12)) * line(_off_line(rng, shape), rng.uniform(0.5, 1.5))
    if rng.random() < 0.08 * style.damage:
        density += np.float32(rng.uniform(0.2, 0.7)) * line(_off_line(rng, shape), style.px(rng.uniform(20, 80)))


def _off_line(rng: np.random.Generator, shape: tuple[int, int]) -> Plane:
    """Distance in pixels from a random straight line through the plane."""
    y, x = np.ogrid[: shape[0], : shape[1]]
    angle = rng.uniform(0, np.pi)
    through = rng.random(2) * shape
    return ((y - through[0]) * np.cos(angle) + (x - through[1]) * np.sin(angle)).astype(np.float32)


def expose_em(rng: np.random.Generator, density: Plane, style: EmStyle) -> Plane:
    """Image a stained section: transmission, defocus, electrons, detector, contrast.

    Args:
        rng: of this image.
        density: (H, W) float32 optical density.
        style: the volume's microscope.

    Returns:
        (H, W) float32 grey values, nominally 0..1.
    """
    signal = ndimage.gaussian_filter(np.exp(-density), style.blur, truncate=3.0)
    spread = float(signal.std()) or 1.0
    noise = count_particles(rng, signal, style.shot) - signal
    noise += np.float32(style.read) * rng.standard_normal(signal.shape, dtype=np.float32)
    if style.noise_blur > 0.3:
        noise = ndimage.gaussian_filter(noise, style.noise_blur, truncate=3.0)
    noise += np.float32(style.scan) * rng.standard_normal((signal.shape[0], 1), dtype=np.float32)
    grey = np.float32(style.mean) + (signal + noise - signal.mean()) * np.float32(style.contrast / spread)
    grey *= 1 + np.float32(style.shading) * smooth_noise(rng, signal.shape, 0.8 * max(signal.shape))
    return np.clip(grey, 0, 1) ** np.float32(style.gamma)
