"""Mitochondria: where they lie, what shape they have, and what a section through one looks like."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from mitobench_data.synthetic_fields import Plane, grain, line, lognormal, membership, smooth_noise
from mitobench_data.synthetic_neuropil import Neuropil
from mitobench_data.synthetic_style import EmStyle

__all__ = ["SMALLEST_NM2", "Mitochondrion", "paint", "place"]

SMALLEST_NM2 = 9000.0
"""No whole mitochondrion is smaller than this area (nm^2)."""


@dataclass(frozen=True, eq=False)
class Mitochondrion:
    """One section through a mitochondrion, on the window of the canvas that holds it.

    Attributes:
        window: its rows and columns in the canvas.
        inside: (h, w) float32 pixels from the outer edge; positive inside.
        along, across: (h, w) float32 pixel coordinates along its axis and across it, bent as it is.
        radius: half its width in pixels.
    """

    window: tuple[slice, slice]
    inside: Plane
    along: Plane
    across: Plane
    radius: float


def place(
    rng: np.random.Generator, neuropil: Neuropil, style: EmStyle, objects: float
) -> tuple[list[Mitochondrion], NDArray[np.int32]]:
    """Fit mitochondria into the larger profiles until they cover the area that the style asks for.

    Returns:
        the mitochondria, and their (H, W) int32 labels 1..K in the same order; the mask includes the outer membrane.
    """
    shape = neuropil.profile.shape
    labels = np.zeros(shape, np.int32)
    wanted = style.mito_area * objects * labels.size
    found: list[Mitochondrion] = []
    typical = np.pi * style.px(style.mito_nm) ** 2
    for _ in range(int(20 + 12 * wanted / typical) if wanted else 0):
        if wanted <= 0:
            break
        body = _fit(rng, neuropil, labels, style)
        if body is None:
            continue
        found.append(body)
        mask = body.inside > 0
        labels[body.window][mask] = len(found)
        wanted -= np.count_nonzero(mask)
    return found, labels


def _fit(
    rng: np.random.Generator, neuropil: Neuropil, labels: NDArray[np.int32], style: EmStyle
) -> Mitochondrion | None:
    """Try one place: None where it is too narrow, taken, or would be cut to a sliver."""
    centre = _roomy_place(rng, neuropil)
    margin = style.px(rng.uniform(8, 40))
    room = float(neuropil.depth[centre]) - margin
    radius = min(lognormal(rng, style.px(style.mito_nm), style.mito_spread, style.px(50), style.px(330)), 1.1 * room)
    if radius < style.px(50):
        return None
    spines = _draw_spines(rng, neuropil, centre, radius, style)
    window = _window(spines, 1.3 * radius + 3, labels.shape)
    distance, along, across = _to_spines(spines, window)
    free = distance
    depth = neuropil.depth[window]
    host = neuropil.profile[window] == neuropil.profile[centre]
    wobble = smooth_noise(rng, free.shape, max(0.9 * radius, 2)) * np.float32(rng.uniform(0, 0.12) * radius)
    bulge = 1 + np.float32(rng.uniform(0, 0.15)) * np.sin(along * np.float32(rng.uniform(0.5, 1.5) / radius))
    shape = np.float32(radius) * bulge - free + wobble
    inside = np.minimum(shape, np.where(host, depth, -np.abs(depth)) - np.float32(margin))
    inside = ndimage.gaussian_filter(inside, min(0.12 * radius, style.px(18)), mode="nearest")
    at = (centre[0] - window[0].start, centre[1] - window[1].start)
    inside = _connected(inside, at)
    mask = inside > 0
    area = np.count_nonzero(mask)
    cut = area < 0.6 * np.count_nonzero(shape > 0)
    if area < SMALLEST_NM2 / style.pixel_nm**2 or cut or np.any(labels[window][inside > -2]):
        return None
    return Mitochondrion(window, inside, along, across, radius)


def _roomy_place(rng: np.random.Generator, neuropil: Neuropil) -> tuple[int, int]:
    """The roomiest of a few random pixels: larger profiles hold more mitochondria, but not all."""
    height, width = neuropil.depth.shape
    tries = int(rng.integers(3, 12))
    rows, columns = rng.integers(height, size=tries), rng.integers(width, size=tries)
    best = int(np.argmax(np.minimum(neuropil.depth[rows, columns], rng.uniform(20, 60))))
    return int(rows[best]), int(columns[best])


def _draw_spines(
    rng: np.random.Generator, neuropil: Neuropil, centre: tuple[int, int], radius: float, style: EmStyle
) -> NDArray[np.float32]:
    """The axis as (K, 2, 2) segments (start, end) x (row, column): of several bends the one that fits best."""
    length = 2 * radius * min(rng.exponential(style.mito_stretch), 6)
    candidates = [_bent_line(rng, centre, length) for _ in range(5)]
    corner = np.array(neuropil.depth.shape) - 1
    scores = []
    for points in candidates:
        rows, columns = np.clip(np.rint(points), 0, corner).astype(int).T
        same = neuropil.profile[rows, columns] == neuropil.profile[centre]
        scores.append(float(np.where(same, np.minimum(neuropil.depth[rows, columns], 1.2 * radius), -radius).mean()))
    best = candidates[int(np.argmax(scores))]
    segments = [np.stack([best[:-1], best[1:]], 1)]
    if rng.random() < 0.06:
        branch = _bent_line(rng, centre, 2.5 * radius)[2:]
        segments.append(np.stack([branch[:-1], branch[1:]], 1))
    return np.concatenate(segments).astype(np.float32)


def _bent_line(rng: np.random.Generator, centre: tuple[int, int], length: float) -> NDArray[np.float64]:
    """Five points (row, column) of a bent line whose middle one is ``centre``."""
    angle, bend = rng.uniform(0, 2 * np.pi), 0.35 * rng.standard_normal()
    headings = angle + bend * np.array([-1.5, -0.5, 0.5, 1.5]) + 0.1 * rng.standard_normal(4)
    steps = length / 4 * np.stack([np.sin(headings), np.cos(headings)], 1)
    points = np.concatenate([np.zeros((1, 2)), np.cumsum(steps, 0)])
    return points - points[2] + np.array(centre)


def _window(spines: NDArray[np.float32], reach: float, shape: tuple[int, int]) -> tuple[slice, slice]:
    low = np.maximum(spines.min((0, 1)) - reach, 0).astype(int)
    high = np.minimum(spines.max((0, 1)) + reach + 1, shape).astype(int)
    return slice(int(low[0]), int(high[0])), slice(int(low[1]), int(high[1]))


def _to_spines(spines: NDArray[np.float32], window: tuple[slice, slice]) -> tuple[Plane, Plane, Plane]:
    """For every pixel of the window: its distance to the axis, its place along it, and its side (signed distance)."""
    y, x = np.ogrid[window]
    y, x = y.astype(np.float32), x.astype(np.float32)
    shape = (y.shape[0], x.shape[1])
    nearest = np.full(shape, np.inf, np.float32)
    along, across = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    travelled = np.float32(0)
    for start, end in spines:
        step = end - start
        length = np.float32(max(np.hypot(*step), 1e-3))
        unit = step / length
        t = (y - start[0]) * unit[0] + (x - start[1]) * unit[1]
        side = (x - start[1]) * unit[0] - (y - start[0]) * unit[1]
        beyond = t - np.clip(t, 0, length)
        distance = np.sqrt(beyond**2 + side**2)
        closer = distance < nearest
        nearest = np.where(closer, distance, nearest)
        along = np.where(closer, travelled + t, along)
        across = np.where(closer, side, across)
        travelled += length
    return nearest, along, across


def _connected(inside: Plane, at: tuple[int, int]) -> Plane:
    """The same without the parts that hang not together with the pixel ``at``."""
    parts, count = ndimage.label(inside > 0)
    if count == 0 or parts[at] == 0:
        return np.minimum(inside, -1)
    return np.where((parts == parts[at]) | (parts == 0), inside, np.float32(-3))


def paint(rng: np.random.Generator, density: Plane, body: Mitochondrion, style: EmStyle) -> None:
    """Replace the cytoplasm by a mitochondrion, in place: matrix, cristae, outer and inner membrane."""
    view = density[body.window]
    fuzz = _softness(rng, body, style)
    cover = membership(body.inside - 0.2 * fuzz, fuzz)
    crisp = np.minimum(2.5 / fuzz, 1)
    matrix = style.cytoplasm + max(style.matrix + style.matrix_spread * rng.standard_normal(), 0.0)
    filling = np.float32(matrix) + style.matrix_grain * grain(rng, view.shape, style.px(rng.uniform(5, 9)))
    filling += 0.7 * style.matrix_grain * grain(rng, view.shape, style.px(rng.uniform(11, 18)))
    filling += np.float32(0.08) * smooth_noise(rng, view.shape, style.px(120))
    filling += _cristae(rng, body, style)
    outer = line(body.inside - style.px(6), max(style.px(6.5), 0.6))
    inner = line(body.inside - style.px(24), max(style.px(6), 0.6))
    cleft = line(body.inside - style.px(15), max(style.px(4), 0.5))
    walls = np.float32(style.envelope) * crisp * (outer + np.float32(0.6) * inner - np.float32(0.3) * cleft)
    view[...] = np.maximum(view * (1 - cover) + filling * cover + walls, 0.02)


def _softness(rng: np.random.Generator, body: Mitochondrion, style: EmStyle) -> Plane:
    """Over how many pixels the edge fades: crisp, or smeared to one side where it is cut obliquely."""
    fuzz = np.full(body.inside.shape, np.float32(style.px(8) + 0.7))
    if rng.random() < 0.45:
        angle = rng.uniform(0, 2 * np.pi)
        h, w = body.inside.shape
        y = np.linspace(-1, 1, h, dtype=np.float32)[:, None]
        x = np.linspace(-1, 1, w, dtype=np.float32)[None, :]
        toward = np.clip(y * np.float32(np.sin(angle)) + x * np.float32(np.cos(angle)) + rng.uniform(-0.5, 0.4), 0, 1)
        fuzz = fuzz + toward * np.float32(body.radius * rng.uniform(0.2, 0.7))
    return fuzz.astype(np.float32)


def _cristae(rng: np.random.Generator, body: Mitochondrion, style: EmStyle) -> Plane:
    """Folds of the inner membrane: dark sheets with a pale lumen, lengthwise, crosswise, in whorls or irregular."""
    shape = body.inside.shape
    spacing = np.float32(style.px(style.cristae_nm * rng.uniform(0.75, 1.35)))
    pattern = rng.choice(5, p=[0.42, 0.22, 0.22, 0.09, 0.05])
    warp = smooth_noise(rng, shape, 2.0 * spacing) * np.float32(rng.uniform(0.05, 0.3)) * spacing
    turn = np.float32(0.5 * rng.standard_normal())
    skewed = body.across * np.cos(turn) + body.along * np.sin(turn)
    if pattern == 0:
        position = skewed + warp
    elif pattern == 1:
        position = body.along * np.cos(turn) - body.across * np.sin(turn) + warp
    elif pattern == 2:
        position = smooth_noise(rng, shape, spacing) * (np.float32(0.9) * spacing)
    elif pattern == 3:
        position = body.inside + warp
    else:
        return np.zeros(shape, np.float32)
    distance = np.abs(np.mod(position, spacing) - spacing / 2)
    present = membership(smooth_noise(rng, shape, 2.5 * spacing) + np.float32(rng.uniform(-0.5, 1.2)), 0.6)
    present = present * membership(body.inside - np.float32(style.px(30)), max(style.px(12), 1.0))
    sheets = np.float32(style.cristae * rng.uniform(0.6, 1.3)) * line(distance, max(style.px(8), 0.6))
    lumen = np.float32(style.lumen * rng.uniform(0.3, 1.3)) * line(distance, max(style.px(4.5), 0.5))
    return (present * (sheets - lumen)).astype(np.float32)
