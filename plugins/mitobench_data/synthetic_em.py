"""Synthetic electron microscopy of neural tissue with its mitochondria: the recipe."""

import numpy as np
from numpy.typing import NDArray
from skimage.measure import label

from mitobench_data import synthetic_mitochondria as mitochondria
from mitobench_data import synthetic_organelles as organelles
from mitobench_data.synthetic_fields import grain
from mitobench_data.synthetic_neuropil import stain, tessellate
from mitobench_data.synthetic_noise import damage, expose_em, to_uint8
from mitobench_data.synthetic_style import draw_em_style

__all__ = ["generate_em"]

MARGIN_NM = 200.0
"""What is generated around the image, so that objects are cut by its edges as they are in a real one."""


def generate_em(
    volume: np.random.Generator, rng: np.random.Generator, shape: tuple[int, int], pixel_nm: float, objects: float
) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Make one section.

    Args:
        volume: a fresh generator, the same for all images of a volume.
        rng: a fresh generator of this image.
        shape: (H, W).
        pixel_nm: nanometres per pixel.
        objects: multiplier on the area that mitochondria cover.

    Returns:
        the image, uint8 (H, W), and its mitochondria, int32 (H, W): ids 1..K, each one connected component, outer membrane
        included, as annotators draw them.
    """
    style = draw_em_style(volume, pixel_nm)
    margin = int(np.clip(style.px(MARGIN_NM), 8, 64))
    canvas = (shape[0] + 2 * margin, shape[1] + 2 * margin)
    neuropil = tessellate(rng, canvas, style)
    density = stain(rng, neuropil, style)
    bodies, labels = mitochondria.place(rng, neuropil, style, objects)
    free = labels == 0
    organelles.scatter_synapses(rng, density, neuropil, style)
    organelles.scatter_reticulum(rng, density, neuropil, free, style)
    organelles.scatter_small(rng, density, neuropil, free, style)
    organelles.scatter_bodies(rng, density, neuropil, free, style)
    for body in bodies:
        mitochondria.paint(rng, density, body, style)
    density *= 1 + np.float32(style.precipitate) * grain(rng, canvas, style.px(6))
    damage(rng, density, style)
    grey = expose_em(rng, np.maximum(density, np.float32(0.02)), style)
    image = (slice(margin, margin + shape[0]), slice(margin, margin + shape[1]))
    return to_uint8(grey[image]), label(labels[image], connectivity=1).astype(np.int32)
