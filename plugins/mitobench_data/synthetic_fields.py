"""Random fields and stamps that the synthetic images are made of. Planes are (H, W), lengths are pixels."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["Plane", "grain", "line", "lognormal", "membership", "mottle", "smooth_noise", "stamp"]

Plane = NDArray[np.float32]

_SPLINE_STD = 151 / 315
"""Standard deviation that a bicubic B-spline through unit white noise keeps."""


def lognormal(rng: np.random.Generator, median: float, spread: float, low: float, high: float) -> float:
    """One log-normal number with the given median; ``spread`` is the sigma of its logarithm; clipped to [low, high]."""
    return float(np.clip(median * np.exp(spread * rng.standard_normal()), low, high))


def smooth_noise(rng: np.random.Generator, shape: tuple[int, int], scale: float) -> Plane:
    """Noise that varies over about ``scale`` pixels.

    A cubic B-spline surface through white noise on a grid of that spacing, which costs the same at any scale.

    Returns:
        float32 of ``shape``; mean 0 and standard deviation 1 over realisations.
    """
    scale = max(scale, 1.0)
    grid = tuple(int(side / scale) + 5 for side in shape)
    coarse = rng.standard_normal(grid, dtype=np.float32) / np.float32(_SPLINE_STD)
    offsets = rng.random(2)
    rows = _spline(np.arange(shape[0]) / scale + offsets[0])
    columns = _spline(np.arange(shape[1]) / scale + offsets[1])
    tall = sum(coarse[first] * weight[:, None] for first, weight in rows)
    return sum(np.take(tall, first, axis=1) * weight for first, weight in columns)  # type: ignore[return-value, arg-type]


def _spline(position: NDArray[np.float64]) -> list[tuple[NDArray[np.intp], Plane]]:
    """The four grid points around each position, and their cubic B-spline weights."""
    first = position.astype(np.intp)
    t = position - first
    weights = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3)
    return [(first + k, (weight / 6).astype(np.float32)) for k, weight in enumerate(weights)]


def grain(rng: np.random.Generator, shape: tuple[int, int], sigma: float) -> Plane:
    """White noise blurred by a Gaussian: float32 of ``shape``, mean 0, standard deviation 1."""
    noise = rng.standard_normal(shape, dtype=np.float32)
    if sigma < 0.3:
        return noise
    axis = np.zeros(2 * int(4 * sigma + 1) + 1)
    axis[axis.size // 2] = 1
    kept = float((ndimage.gaussian_filter1d(axis, sigma, truncate=3.0) ** 2).sum())
    return ndimage.gaussian_filter(noise, sigma, truncate=3.0) / np.float32(kept)


def mottle(rng: np.random.Generator, shape: tuple[int, int], sigma: float, floor: float) -> Plane:
    """Separate dark clumps of about ``sigma`` pixels: what of a grain exceeds ``floor`` standard deviations."""
    clumps = grain(rng, shape, sigma)
    np.subtract(clumps, np.float32(floor), out=clumps)
    return np.maximum(clumps, 0, out=clumps)


def line(distance: Plane, width: float | Plane) -> Plane:
    """The profile of a blurred line: 1 where ``distance`` is 0, falling like a Gaussian of standard deviation ``width``."""
    ratio = distance / np.float32(width) if isinstance(width, float | int) else distance / width
    return np.exp(np.float32(-0.5) * ratio * ratio)


def membership(distance: Plane, softness: float | Plane) -> Plane:
    """0 to 1 across a soft border: 0.5 where the signed ``distance`` is 0, rising over ``softness`` pixels."""
    return np.clip(np.float32(0.5) + distance / softness, 0, 1).astype(np.float32, copy=False)


def stamp(canvas: Plane, centres: NDArray[np.intp], bank: Plane, kinds: NDArray[Any], weights: NDArray[Any]) -> None:
    """Add small pictures to a canvas, in place; what falls outside is lost.

    Args:
        canvas: (H, W).
        centres: (N, 2) rows and columns.
        bank: (K, S, S) pictures, S odd.
        kinds: (N,) index of each one's picture.
        weights: (N,) factor of each.
    """
    reach = bank.shape[1] // 2
    step = np.arange(-reach, reach + 1)
    rows = centres[:, 0, None, None] + step[None, :, None]
    columns = centres[:, 1, None, None] + step[None, None, :]
    values = bank[kinds] * weights[:, None, None].astype(np.float32)
    inside = (rows >= 0) & (rows < canvas.shape[0]) & (columns >= 0) & (columns < canvas.shape[1])
    flat = (rows * canvas.shape[1] + columns)[inside]
    np.add.at(canvas.reshape(-1), flat, values[inside])
