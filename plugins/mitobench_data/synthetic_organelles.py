"""What else lies in a neurite: vesicles, microtubules, reticulum, synapses, and bodies that resemble mitochondria."""

import numpy as np
from numpy.typing import NDArray

from mitobench_data.synthetic_fields import Plane, grain, line, lognormal, membership, mottle, smooth_noise, stamp
from mitobench_data.synthetic_neuropil import Neuropil
from mitobench_data.synthetic_style import EmStyle

__all__ = ["scatter_bodies", "scatter_reticulum", "scatter_small", "scatter_synapses"]

Mask = NDArray[np.bool_]


def _square_microns(density: Plane, style: EmStyle) -> float:
    return density.size * style.pixel_nm**2 * 1e-6


def _pick(rng: np.random.Generator, allowed: Mask, count: int) -> NDArray[np.intp]:
    """Up to ``count`` random pixels (N, 2), those of them that are allowed."""
    height, width = allowed.shape
    points = np.stack([rng.integers(height, size=count), rng.integers(width, size=count)], 1)
    return points[allowed[points[:, 0], points[:, 1]]]


def _rings(style: EmStyle, radii_nm: list[float], wall_nm: float, core: float) -> Plane:
    """Pictures of a ring of each radius, (K, S, S); ``core`` is the stain of its middle."""
    wall = max(style.px(wall_nm), 0.6)
    reach = int(np.ceil(style.px(max(radii_nm)) + 3 * wall))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float32)
    radius = np.hypot(y, x)
    bank = [line(radius - style.px(r), wall) + core * membership(style.px(0.8 * r) - radius, 1.5) for r in radii_nm]
    return np.stack(bank).astype(np.float32)


def _stamp_rings(rng: np.random.Generator, density: Plane, points: NDArray[np.intp], bank: Plane, stain: float) -> None:
    kinds = rng.integers(len(bank), size=len(points))
    weights = stain * rng.uniform(0.3, 1.1, len(points))
    stamp(density, points, bank, kinds, weights)


def scatter_small(rng: np.random.Generator, density: Plane, neuropil: Neuropil, free: Mask, style: EmStyle) -> None:
    """Add microtubules, single and clustered synaptic vesicles and dense-core vesicles, in place."""
    area = _square_microns(density, style)
    inner = free & (neuropil.depth > style.px(28))
    tubules = _rings(style, [8, 10, 12, 13.5], 3.5, 0.1)
    _stamp_rings(rng, density, _pick(rng, inner, int(28 * style.tubules * area)), tubules, 0.5)
    vesicles = _rings(style, [15, 18, 20, 23, 28], 4.5, -0.12)
    _stamp_rings(rng, density, _pick(rng, inner, int(10 * style.vesicles * area)), vesicles, 0.5)
    for centre in _pick(rng, inner, int(1.0 * style.vesicles * area) + 1):
        _stamp_rings(rng, density, _cluster(rng, neuropil, inner, centre, style), vesicles, 0.55)
    dense = _rings(style, [26, 33, 42], 4.0, 0.8)
    _stamp_rings(rng, density, _pick(rng, inner, int(1.2 * style.bodies * area)), dense, 0.9)


def _cluster(
    rng: np.random.Generator, neuropil: Neuropil, inner: Mask, centre: NDArray[np.intp], style: EmStyle
) -> NDArray[np.intp]:
    """Places of a cloud of vesicles around a pixel, within its profile."""
    spread = style.px(rng.uniform(60, 200))
    points = centre + spread * rng.standard_normal((int(rng.integers(8, 70)), 2))
    points = np.rint(points).astype(np.intp)
    points = points[((points >= 0) & (points < inner.shape)).all(1)]
    rows, columns = points.T
    return points[inner[rows, columns] & (neuropil.profile[rows, columns] == neuropil.profile[tuple(centre)])]


def scatter_synapses(rng: np.random.Generator, density: Plane, neuropil: Neuropil, style: EmStyle) -> None:
    """Add T-bars and postsynaptic densities: dark smears that sit on membranes, in place."""
    near = np.abs(neuropil.depth - style.px(8)) < max(style.px(10), 1.5)
    points = _pick(rng, near, int(18 * style.synapses * _square_microns(density, style)) + 1)
    reach = int(np.ceil(style.px(110)))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float32)
    bank = []
    for _ in range(6):
        angle = rng.uniform(0, np.pi)
        along, across = y * np.sin(angle) + x * np.cos(angle), x * np.sin(angle) - y * np.cos(angle)
        bank.append(line(along, style.px(rng.uniform(18, 45))) * line(across, style.px(rng.uniform(9, 20))))
    weights = rng.uniform(0.2, 1.2, len(points))
    stamp(density, points, np.stack(bank).astype(np.float32), rng.integers(6, size=len(points)), weights)


def scatter_reticulum(rng: np.random.Generator, density: Plane, neuropil: Neuropil, free: Mask, style: EmStyle) -> None:
    """Add endoplasmic reticulum: pairs of thin wavy lines in some places, in place."""
    shape = density.shape
    path = np.abs(smooth_noise(rng, shape, style.px(100))) * np.float32(style.px(75))
    where = membership(smooth_noise(rng, shape, style.px(170)) - np.float32(rng.uniform(0.9, 1.8)), 0.25)
    where = where * membership(neuropil.depth - np.float32(style.px(30)), 4.0) * free
    walls = line(path - np.float32(style.px(rng.uniform(8, 16))), max(style.px(4.5), 0.6))
    lumen = line(path, max(style.px(6), 0.6))
    density += np.float32(rng.uniform(0.3, 0.7)) * where * (walls - np.float32(0.3) * lumen)


def scatter_bodies(rng: np.random.Generator, density: Plane, neuropil: Neuropil, free: Mask, style: EmStyle) -> None:
    """Add what is easily taken for a mitochondrion: vacuoles, lysosomes, multivesicular bodies, in place."""
    painters = (_vacuole, _vacuole, _lysosome, _multivesicular, _nested)
    for centre in _pick(
        rng, free & (neuropil.depth > style.px(45)), int(4 * style.bodies * _square_microns(density, style))
    ):
        painter = painters[int(rng.integers(len(painters)))]
        room = float(neuropil.depth[tuple(centre)]) - style.px(12)
        radius = min(lognormal(rng, style.px(60), 0.45, style.px(30), style.px(220)), room)
        if painter is _lysosome:
            radius = min(radius, style.px(75))
        inside, window = _ellipse(rng, density.shape, centre, radius)
        if np.all(free[window] | (inside < 0)):
            painter(rng, density[window], inside, style)


def _ellipse(
    rng: np.random.Generator, shape: tuple[int, int], centre: NDArray[np.intp], radius: float
) -> tuple[Plane, tuple[slice, slice]]:
    """Signed distance (positive inside) to a slightly irregular ellipse, on the window that holds it."""
    reach = int(np.ceil(1.3 * radius + 4))
    low, high = np.maximum(centre - reach, 0), np.minimum(centre + reach + 1, shape)
    window = (slice(int(low[0]), int(high[0])), slice(int(low[1]), int(high[1])))
    y, x = np.ogrid[window]
    angle, squash = rng.uniform(0, np.pi), rng.uniform(0.55, 1.0)
    along = (y - centre[0]) * np.sin(angle) + (x - centre[1]) * np.cos(angle)
    across = (x - centre[1]) * np.sin(angle) - (y - centre[0]) * np.cos(angle)
    turn = np.arctan2(across, along)
    dent = 1 + 0.06 * np.sin(2 * turn + rng.uniform(0, 6)) + 0.05 * np.sin(3 * turn + rng.uniform(0, 6))
    distance = radius * squash * (dent - np.hypot(along / radius, across / (radius * squash)))
    return distance.astype(np.float32), window


def _fill(view: Plane, inside: Plane, stain: Plane | float, wall: float, style: EmStyle) -> None:
    cover = membership(inside, 2.0)
    edge = np.float32(wall) * line(inside - np.float32(style.px(5)), max(style.px(5), 0.6))
    view[...] = view * (1 - cover) + cover * np.float32(stain) + edge


def _vacuole(rng: np.random.Generator, view: Plane, inside: Plane, style: EmStyle) -> None:
    pale = np.maximum(style.cytoplasm * rng.uniform(0.3, 1.1) + 0.05 * grain(rng, view.shape, style.px(10)), 0.03)
    _fill(view, inside, pale, rng.uniform(0.3, 1.0), style)


def _lysosome(rng: np.random.Generator, view: Plane, inside: Plane, style: EmStyle) -> None:
    dark = style.cytoplasm + rng.uniform(0.3, 1.3) + 0.15 * grain(rng, view.shape, style.px(8))
    _fill(view, inside, dark, rng.uniform(0.0, 0.5), style)


def _multivesicular(rng: np.random.Generator, view: Plane, inside: Plane, style: EmStyle) -> None:
    _vacuole(rng, view, inside, style)
    clots = mottle(rng, view.shape, style.px(12), 0.6) * membership(inside - np.float32(style.px(15)), 3.0)
    view += np.float32(rng.uniform(0.4, 0.9)) * clots


def _nested(rng: np.random.Generator, view: Plane, inside: Plane, style: EmStyle) -> None:
    _vacuole(rng, view, inside, style)
    deep = inside - np.float32(style.px(rng.uniform(18, 40)))
    view += np.float32(rng.uniform(0.3, 0.9)) * line(deep, max(style.px(5), 0.6))
