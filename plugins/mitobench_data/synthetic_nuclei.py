"""Synthetic fluorescence microscopy of cell nuclei: the recipe."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import label

from mitobench_data.synthetic_fields import Plane, grain, line, lognormal, membership, smooth_noise
from mitobench_data.synthetic_noise import count_particles, to_uint8

__all__ = ["SMALLEST_NM", "NucleiStyle", "draw_nuclei_style", "generate_nuclei"]

SMALLEST_NM = 2500.0
"""No whole nucleus has a smaller diameter (nm)."""


@dataclass(frozen=True, kw_only=True)
class NucleiStyle:
    """The look of one simulated culture. Lengths in pixels, brightness as a fraction of the detector's range.

    Attributes:
        diameter, size_spread, elongation, dents: median diameter, log sigma, mean excess axis ratio, how irregular outlines are.
        packing, clustering: fraction of the area that nuclei cover, probability that one touches another.
        direction, alignment: common direction of long axes (radians), spread around it.
        brightness, brightness_spread: median brightness of nuclei above the background, log sigma.
        chromatin, chromatin_grain, nucleoli: strength and size of texture, number of nucleoli.
        mitotic, apoptotic: fraction of condensed bright nuclei and of fragmented ones, which annotators also label.
        background, glow, cytoplasm, halo: level, unevenness, faint cell bodies, light scattered around nuclei.
        blur, depth: defocus of all and additional defocus of some nuclei.
        counts, read: photons per full range, detector noise.
    """

    diameter: float
    size_spread: float
    elongation: float
    dents: float
    packing: float
    clustering: float
    direction: float
    alignment: float
    brightness: float
    brightness_spread: float
    chromatin: float
    chromatin_grain: float
    nucleoli: float
    mitotic: float
    apoptotic: float
    background: float
    glow: float
    cytoplasm: float
    halo: float
    blur: float
    depth: float
    counts: float
    read: float


def draw_nuclei_style(rng: np.random.Generator, pixel_nm: float) -> NucleiStyle:
    """Draw a culture's look from ranges that hold real cultures at magnifications of 10x to 63x."""
    diameter = lognormal(rng, 10500, 0.5, 4000, 28000) / pixel_nm
    return NucleiStyle(
        diameter=diameter,
        size_spread=rng.uniform(0.08, 0.35),
        elongation=rng.uniform(0.05, 0.7),
        dents=rng.uniform(0.01, 0.08),
        packing=lognormal(rng, 0.12, 0.8, 0.01, 0.42),
        clustering=rng.uniform(0, 0.6),
        direction=rng.uniform(0, np.pi),
        alignment=rng.uniform(0.2, 3),
        brightness=lognormal(rng, 0.22, 0.8, 0.05, 1.1),
        brightness_spread=rng.uniform(0.1, 0.55),
        chromatin=rng.uniform(0.03, 0.3),
        chromatin_grain=diameter * rng.uniform(0.03, 0.12),
        nucleoli=rng.uniform(0, 4),
        mitotic=max(rng.uniform(-0.06, 0.12), 0),
        apoptotic=max(rng.uniform(-0.05, 0.06), 0),
        background=lognormal(rng, 0.025, 0.7, 0.005, 0.2),
        glow=rng.uniform(0, 0.5),
        cytoplasm=max(rng.uniform(-0.06, 0.1), 0),
        halo=rng.uniform(0, 0.2),
        blur=rng.uniform(0.5, 1.0) + 0.02 * diameter * rng.exponential(1.0),
        depth=max(rng.uniform(-0.2, 0.5), 0),
        counts=lognormal(rng, 600, 0.8, 60, 5000),
        read=lognormal(rng, 0.003, 0.6, 0.0005, 0.02),
    )


def generate_nuclei(
    volume: np.random.Generator, rng: np.random.Generator, shape: tuple[int, int], pixel_nm: float, objects: float
) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Make one field of view.

    Args:
        volume: a fresh generator, the same for all images of a culture.
        rng: a fresh generator of this image.
        shape: (H, W).
        pixel_nm: nanometres per pixel.
        objects: multiplier on the area that nuclei cover.

    Returns:
        the image, uint8 (H, W), and its nuclei, int32 (H, W): ids 1..K, each one connected component.
    """
    style = draw_nuclei_style(volume, pixel_nm)
    margin = int(np.clip(style.diameter, 4, 64))
    canvas = (shape[0] + 2 * margin, shape[1] + 2 * margin)
    labels = np.zeros(canvas, np.int32)
    sharp, soft = np.zeros(canvas, np.float32), np.zeros(canvas, np.float32)
    smallest = SMALLEST_NM / pixel_nm
    for window, inside in _place(rng, labels, style, objects, smallest):
        target = soft if rng.random() < style.depth else sharp
        view = target[window]
        np.maximum(view, _nucleus(rng, inside, style), out=view)
    light = sharp + ndimage.gaussian_filter(soft, 1 + 0.04 * style.diameter, truncate=3.0)
    light = _scatter(rng, light, style)
    crop = (slice(margin, margin + shape[0]), slice(margin, margin + shape[1]))
    return to_uint8(_expose(rng, light, style)[crop]), label(labels[crop], connectivity=1).astype(np.int32)


def _place(
    rng: np.random.Generator, labels: NDArray[np.int32], style: NucleiStyle, objects: float, smallest: float
) -> list[tuple[tuple[slice, slice], Plane]]:
    """Lay nuclei side by side, overlapping a little at most; draws ``labels`` and returns each one's window and depth."""
    wanted = min(style.packing * objects, 0.6) * labels.size
    placed: list[tuple[tuple[slice, slice], Plane]] = []
    centres: list[NDArray[np.float64]] = []
    for _ in range(int(10 + 4 * wanted / (0.7 * style.diameter**2)) if wanted else 0):
        if wanted <= 0:
            break
        diameter = max(style.diameter * float(np.exp(style.size_spread * rng.standard_normal())), 1.2 * smallest)
        centre = _next_centre(rng, labels.shape, centres, diameter, style)
        window, inside = _outline(rng, labels.shape, centre, diameter, style)
        mask = inside > 0
        taken = labels[window] > 0
        area = np.count_nonzero(mask)
        if area < 0.78 * smallest**2 or np.count_nonzero(mask & taken) > 0.08 * area:
            continue
        mask = _largest_part(mask & ~taken)
        if np.count_nonzero(mask) < 0.78 * smallest**2:
            continue
        placed.append((window, np.where(taken & (inside > 0), np.float32(-0.5), inside)))
        centres.append(centre)
        labels[window][mask] = len(placed)
        wanted -= area
    return placed


def _next_centre(
    rng: np.random.Generator,
    shape: tuple[int, ...],
    centres: list[NDArray[np.float64]],
    diameter: float,
    style: NucleiStyle,
) -> NDArray[np.float64]:
    """Anywhere, or beside a nucleus that is there."""
    if not centres or rng.random() > style.clustering:
        return rng.random(2) * shape
    angle = rng.uniform(0, 2 * np.pi)
    step = diameter * rng.uniform(0.9, 1.15)
    beside = centres[int(rng.integers(len(centres)))] + step * np.array([np.sin(angle), np.cos(angle)])
    return np.clip(beside, 0, np.array(shape) - 1)


def _outline(
    rng: np.random.Generator, shape: tuple[int, ...], centre: NDArray[np.float64], diameter: float, style: NucleiStyle
) -> tuple[tuple[slice, slice], Plane]:
    """An ellipse with dents: its window, and the pixels' distance from its edge, positive inside."""
    ratio = 1 + min(rng.exponential(style.elongation), 1.6)
    major, minor = 0.5 * diameter * np.sqrt(ratio), 0.5 * diameter / np.sqrt(ratio)
    reach = int(np.ceil(1.3 * major + 4))
    low = np.maximum(centre.astype(int) - reach, 0)
    high = np.minimum(centre.astype(int) + reach + 1, shape)
    window = (slice(int(low[0]), int(high[0])), slice(int(low[1]), int(high[1])))
    y, x = np.ogrid[window]
    y, x = (y - centre[0]).astype(np.float32), (x - centre[1]).astype(np.float32)
    angle = style.direction + style.alignment * rng.standard_normal()
    along = y * np.float32(np.sin(angle)) + x * np.float32(np.cos(angle))
    across = x * np.float32(np.sin(angle)) - y * np.float32(np.cos(angle))
    turn = np.arctan2(across, along)
    dent = np.ones_like(turn)
    for order in (2, 3, 4, 5):
        depth = np.float32(style.dents * rng.standard_normal() * 1.5 / order)
        dent += depth * np.sin(np.float32(order) * turn + np.float32(rng.uniform(0, 6.3)))
    inside = np.float32(minor) * (
        np.maximum(dent, 0.5) - np.hypot(along / np.float32(major), across / np.float32(minor))
    )
    return window, inside.astype(np.float32)


def _largest_part(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    parts, count = ndimage.label(mask)
    if count < 2:
        return mask
    return parts == 1 + int(np.argmax(np.bincount(parts.ravel())[1:]))


def _nucleus(rng: np.random.Generator, inside: Plane, style: NucleiStyle) -> Plane:
    """The light of one nucleus: a rounded body with chromatin and nucleoli, condensed, or in fragments."""
    shape = inside.shape
    level = style.brightness * float(np.exp(style.brightness_spread * rng.standard_normal()))
    body = membership(inside, 1.5) * (0.75 + 0.25 * np.clip(inside / (0.2 * style.diameter), 0, 1))
    texture = 1 + np.float32(style.chromatin) * grain(rng, shape, style.chromatin_grain)
    fate = rng.random()
    if fate < style.mitotic:
        level *= rng.uniform(1.5, 3.5)
    elif fate < style.mitotic + style.apoptotic:
        level *= rng.uniform(1.0, 3.0)
        texture = 0.25 + 1.5 * membership(smooth_noise(rng, shape, 0.2 * style.diameter), 0.5)
    else:
        texture = texture * _nucleoli(rng, inside, style)
    shading = 1 + np.float32(0.1) * smooth_noise(rng, shape, 0.6 * style.diameter)
    return (np.float32(level) * body * np.clip(texture, 0.1, 2.5) * shading).astype(np.float32)


def _nucleoli(rng: np.random.Generator, inside: Plane, style: NucleiStyle) -> Plane:
    """Factor below 1 at the few dark round spots in a nucleus."""
    factor = np.ones(inside.shape, np.float32)
    rows, columns = np.nonzero(inside > 0.1 * style.diameter)
    for _ in range(int(rng.poisson(style.nucleoli)) if rows.size else 0):
        at = int(rng.integers(rows.size))
        y, x = np.ogrid[: inside.shape[0], : inside.shape[1]]
        distance = np.hypot(y - rows[at], x - columns[at]).astype(np.float32)
        factor *= 1 - np.float32(rng.uniform(0.1, 0.4)) * line(distance, style.diameter * rng.uniform(0.03, 0.07))
    return factor


def _scatter(rng: np.random.Generator, light: Plane, style: NucleiStyle) -> Plane:
    """Add what is not nucleus: background, glow of what lies out of focus, faint cell bodies, haloes, specks."""
    shape = light.shape
    level = np.float32(style.background) * (1 + np.float32(style.glow) * smooth_noise(rng, shape, 0.7 * max(shape)))
    near = ndimage.zoom(ndimage.gaussian_filter(light[::4, ::4], 0.3 * style.diameter / 4, truncate=2.5), 4, order=1)
    near = np.pad(near, [(0, max(side - done, 0)) for side, done in zip(shape, near.shape, strict=True)], mode="edge")
    near = near[: shape[0], : shape[1]]
    cells = np.maximum(smooth_noise(rng, shape, 1.2 * style.diameter), 0) * near * np.float32(4 * style.cytoplasm)
    specks = np.maximum(grain(rng, shape, 1.0) - np.float32(4.2), 0) * np.float32(0.8 * style.brightness)
    return np.maximum(level, 0) + light + np.float32(style.halo) * near + cells + specks


def _expose(rng: np.random.Generator, light: Plane, style: NucleiStyle) -> Plane:
    """Defocus, photons and detector: (H, W) float32, saturating at 1."""
    signal = ndimage.gaussian_filter(light, style.blur, truncate=3.0)
    signal = count_particles(rng, np.minimum(signal, 4), style.counts)
    return signal + np.float32(style.read) * rng.standard_normal(signal.shape, dtype=np.float32)
