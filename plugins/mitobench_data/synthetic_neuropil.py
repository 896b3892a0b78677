"""Neuropil: a plane of packed neurite profiles, their membranes, glia between them, and cytoplasm."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from mitobench_data.synthetic_fields import Plane, grain, line, lognormal, membership, mottle, smooth_noise
from mitobench_data.synthetic_style import EmStyle

__all__ = ["Neuropil", "stain", "tessellate"]


@dataclass(frozen=True, eq=False)
class Neuropil:
    """The profiles of one section.

    Attributes:
        profile: (H, W) int32, which neurite each pixel lies in; 0 .. profiles - 1.
        depth: (H, W) float32 pixels from the profile's membrane; negative in the glia between profiles.
        profiles: how many neurites there are.
    """

    profile: NDArray[np.int32]
    depth: Plane
    profiles: int


def tessellate(rng: np.random.Generator, shape: tuple[int, int], style: EmStyle) -> Neuropil:
    """Pack a plane with profiles of very different sizes.

    The plane is divided by nearness to scattered discs and sausages (a Voronoi diagram of shapes), then bent by a smooth
    displacement; where glia pushes in, the profiles shrink.
    """
    seeds = _scatter_seeds(rng, shape, style)
    nearest = ndimage.distance_transform_edt(seeds == 0, return_distances=False, return_indices=True)
    profile = _bend(rng, seeds[nearest[0], nearest[1]] - 1, style)
    border = np.ones(shape, bool)
    border[:-1] &= profile[:-1] == profile[1:]
    border[:, :-1] &= profile[:, :-1] == profile[:, 1:]
    if border.all():
        distance = np.full(shape, np.float32(style.px(300)))
    else:
        distance = ndimage.distance_transform_edt(border).astype(np.float32)
    depth = _push_glia_in(rng, distance, style)
    return Neuropil(profile=profile, depth=depth, profiles=int(seeds.max()))


def _scatter_seeds(rng: np.random.Generator, shape: tuple[int, int], style: EmStyle) -> NDArray[np.int32]:
    """Discs and sausages, large ones first, none touching another: (H, W) int32, 0 where there is none."""
    seeds = np.zeros(shape, np.int32)
    area = shape[0] * shape[1]
    radii: list[float] = []
    filled = 0.0
    while filled < area or not radii:
        radii.append(lognormal(rng, style.px(style.profile_nm), style.profile_spread, 2.0, style.px(900)))
        filled += 6 * radii[-1] ** 2
    placed = 0
    for radius in sorted(radii, reverse=True):
        for _ in range(10):
            if _place_seed(rng, seeds, radius, placed + 1, style):
                placed += 1
                break
    return seeds


def _place_seed(rng: np.random.Generator, seeds: NDArray[np.int32], radius: float, name: int, style: EmStyle) -> bool:
    centre = rng.random(2) * seeds.shape
    angle = style.fibre_angle + style.fibre_spread * rng.standard_normal()
    length = radius * rng.exponential(style.profile_stretch)
    core, clear = 0.7 * radius, radius + length
    top, left = np.maximum(centre - clear - 1, 0).astype(int)
    bottom, right = np.minimum(centre + clear + 2, seeds.shape).astype(int)
    y, x = np.ogrid[top:bottom, left:right]
    y, x = y - centre[0], x - centre[1]
    along = y * np.sin(angle) + x * np.cos(angle)
    across = x * np.sin(angle) - y * np.cos(angle)
    squared = np.maximum(np.abs(along) - length / 2, 0) ** 2 + across**2
    window = seeds[top:bottom, left:right]
    if np.any(window[squared <= (1.25 * radius) ** 2]) or not np.any(squared <= max(core, 1.0) ** 2):
        return name == 1 and _single_pixel(seeds, centre)
    window[squared <= max(core, 1.0) ** 2] = name
    return True


def _single_pixel(seeds: NDArray[np.int32], centre: NDArray[np.float64]) -> bool:
    """There is always a first profile, however small the plane."""
    seeds[tuple(centre.astype(int))] = 1
    return True


def _bend(rng: np.random.Generator, profile: NDArray[np.int32], style: EmStyle) -> NDArray[np.int32]:
    """Move every pixel's look-up by a smooth displacement with a coarse and a fine part."""
    height, width = profile.shape
    rows, columns = np.arange(height, dtype=np.float32)[:, None], np.arange(width, dtype=np.float32)[None, :]
    for scale, reach in ((style.px(420), style.px(style.bend_nm)), (style.px(95), style.px(style.wiggle_nm))):
        rows = rows + np.float32(reach) * smooth_noise(rng, profile.shape, scale)
        columns = columns + np.float32(reach) * smooth_noise(rng, profile.shape, scale)
    row = np.clip(np.rint(rows), 0, height - 1).astype(np.intp)
    column = np.clip(np.rint(columns), 0, width - 1).astype(np.intp)
    return profile[row, column].astype(np.int32)


def _push_glia_in(rng: np.random.Generator, distance: Plane, style: EmStyle) -> Plane:
    """Where glia lies between profiles, their membranes stand back from each other and their corners are round."""
    push = smooth_noise(rng, distance.shape, style.px(500)) - np.float32(style.glia_floor)
    gap = np.clip(push * np.float32(style.px(150)), 0, style.px(300))
    rounded = ndimage.gaussian_filter(distance, style.px(28), truncate=2.5)
    share = np.clip(gap / np.float32(style.px(25)), 0, 1)
    return (distance + share * (rounded - distance) - gap).astype(np.float32)


def stain(rng: np.random.Generator, neuropil: Neuropil, style: EmStyle) -> Plane:
    """How much stain each pixel of membrane, glia and cytoplasm holds (an optical density), before any organelle."""
    shape = neuropil.profile.shape
    inside = membership(neuropil.depth, 2.0)
    dark = rng.random(neuropil.profiles) < style.dark_profiles
    extra = np.where(dark, rng.uniform(0.15, 0.7, neuropil.profiles), 0).astype(np.float32)[neuropil.profile]
    shades = style.cytoplasm + style.cytoplasm_spread * rng.standard_normal(neuropil.profiles)
    density = np.maximum(shades, 0.05).astype(np.float32)[neuropil.profile] + extra
    density += style.unevenness * smooth_noise(rng, shape, style.px(350))
    rough = grain(rng, shape, style.px(style.clump_nm)) + np.float32(0.8) * grain(rng, shape, style.px(16))
    rough *= np.float32(style.roughness)
    glia = np.float32(style.glia) * (1 + np.float32(0.15) * smooth_noise(rng, shape, style.px(140))) + rough
    density = inside * (density + extra * rough + _texture(rng, neuropil, style)) + (1 - inside) * glia
    return density + _membranes(rng, neuropil, style)


def _texture(rng: np.random.Generator, neuropil: Neuropil, style: EmStyle) -> Plane:
    """Filaments, ribosomes and clumps of stain: denser in some neurites and regions than in others, absent in a few."""
    shape = neuropil.profile.shape
    per_profile = np.exp(0.5 * rng.standard_normal(neuropil.profiles)).astype(np.float32)
    amount = per_profile[neuropil.profile] * np.clip(0.8 + 0.6 * smooth_noise(rng, shape, style.px(250)), 0, 2)
    granules = 0.7 * mottle(rng, shape, style.px(style.clump_nm), 0.7) + 0.4 * mottle(rng, shape, style.px(5.5), 1.2)
    clouds = mottle(rng, shape, style.px(2.2 * style.clump_nm), 0.3)
    threads = line(grain(rng, shape, style.px(13)), 0.16) * mottle(rng, shape, style.px(30), 0.2)
    texture = granules * (0.6 + clouds) + 0.25 * clouds + 0.4 * threads
    return (np.float32(style.texture) * amount * texture).astype(np.float32)


def _membranes(rng: np.random.Generator, neuropil: Neuropil, style: EmStyle) -> Plane:
    """Dark membranes: thick and thin, crisp and smeared where they are cut obliquely, some with a pale cleft."""
    shape = neuropil.profile.shape
    relative = np.exp(0.25 * smooth_noise(rng, shape, style.px(160)))
    tilt = np.clip(smooth_noise(rng, shape, style.px(260)) - np.float32(style.oblique_floor), 0, 2)
    relative *= 1 + np.float32(3.0) * tilt
    width = np.float32(max(style.px(style.membrane_nm), 0.6)) * relative
    peak = np.float32(style.membrane) * relative ** np.float32(-0.75)
    distance = np.abs(neuropil.depth)
    density = peak * line(distance, width)
    return density - np.float32(style.cleft) * peak * line(distance, np.float32(0.35) * width)
