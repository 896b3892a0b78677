"""The look of one simulated EM volume: tissue, staining and microscope, drawn once and shared by its images."""

from dataclasses import dataclass

import numpy as np

from mitobench_data.synthetic_fields import lognormal

__all__ = ["EmStyle", "draw_em_style"]


@dataclass(frozen=True, kw_only=True)
class EmStyle:
    """Lengths in nanometres, stain as optical density (0 = clear, 1 = a grey value of 37 %), the rest dimensionless.

    Attributes:
        pixel_nm: pixel size.
        profile_nm, profile_spread, profile_stretch: median radius of neurite profiles, its log sigma, mean elongation.
        fibre_angle, fibre_spread: direction in which profiles stretch (radians).
        bend_nm, wiggle_nm: coarse and fine displacement of the profiles' borders.
        glia_floor: how rare glia is (standard deviations).
        membrane_nm, membrane, cleft, oblique_floor: width and stain of membranes, their pale middle, rarity of oblique cuts.
        cytoplasm, cytoplasm_spread, dark_profiles, glia, unevenness: stain of cytoplasm, its variation, and of glia.
        roughness: grain of glia and of dark profiles, which makes them resemble mitochondria.
        precipitate: grain of the stain itself, everywhere.
        texture, clump_nm: strength and grain of the cytoplasm's texture.
        mito_area: mean fraction of the image that mitochondria cover.
        mito_nm, mito_spread, mito_stretch: median half-width of mitochondria, log sigma, mean elongation.
        matrix, matrix_spread, matrix_grain: stain of the matrix above the cytoplasm's, its variation, its texture.
        envelope: stain of the outer membrane.
        cristae, cristae_nm, lumen: stain of cristae, their spacing, and how pale the space inside them is.
        vesicles, tubules: how many synaptic vesicles and microtubules.
        bodies: how many other organelles that resemble mitochondria.
        synapses: how many dark synaptic densities.
        blur, shot, read, scan: defocus (px), electrons per pixel, additive noise, line noise (fractions of the range).
        noise_blur: correlation of the noise (px).
        mean, contrast, gamma, shading: grey level (0..1), its standard deviation, gamma, uneven illumination.
        damage: how often dirt, scratches and folds occur.
    """

    pixel_nm: float
    profile_nm: float
    profile_spread: float
    profile_stretch: float
    fibre_angle: float
    fibre_spread: float
    bend_nm: float
    wiggle_nm: float
    glia_floor: float
    membrane_nm: float
    membrane: float
    cleft: float
    oblique_floor: float
    cytoplasm: float
    cytoplasm_spread: float
    dark_profiles: float
    glia: float
    roughness: float
    unevenness: float
    precipitate: float
    texture: float
    clump_nm: float
    mito_area: float
    mito_nm: float
    mito_spread: float
    mito_stretch: float
    matrix: float
    matrix_spread: float
    matrix_grain: float
    envelope: float
    cristae: float
    cristae_nm: float
    lumen: float
    vesicles: float
    tubules: float
    bodies: float
    synapses: float
    blur: float
    shot: float
    read: float
    scan: float
    noise_blur: float
    mean: float
    contrast: float
    gamma: float
    shading: float
    damage: float

    def px(self, nanometres: float) -> float:
        """A length in pixels."""
        return nanometres / self.pixel_nm


def draw_em_style(rng: np.random.Generator, pixel_nm: float) -> EmStyle:
    """Draw a volume's look from ranges wide enough to hold real volumes of several kinds of EM."""
    return EmStyle(
        pixel_nm=pixel_nm,
        **_draw_tissue(rng),
        **_draw_mitochondria(rng),
        **_draw_organelles(rng),
        **_draw_microscope(rng),
    )


def _draw_tissue(rng: np.random.Generator) -> dict[str, float]:
    return {
        "profile_nm": lognormal(rng, 62, 0.35, 35, 200),
        "profile_spread": rng.uniform(0.7, 1.1),
        "profile_stretch": rng.uniform(0.3, 2.0),
        "fibre_angle": rng.uniform(0, np.pi),
        "fibre_spread": rng.uniform(0.2, 2.0),
        "bend_nm": rng.uniform(30, 140),
        "wiggle_nm": rng.uniform(8, 32),
        "glia_floor": rng.uniform(0.2, 1.8),
        "membrane_nm": rng.uniform(5.5, 12),
        "membrane": rng.uniform(0.8, 2.0),
        "cleft": max(rng.uniform(-0.4, 0.5), 0),
        "oblique_floor": rng.uniform(0.9, 2.2),
        "cytoplasm": rng.uniform(0.25, 0.6),
        "cytoplasm_spread": rng.uniform(0.02, 0.12),
        "dark_profiles": rng.uniform(0, 0.2),
        "glia": rng.uniform(0.45, 1.2),
        "roughness": rng.uniform(0.04, 0.28),
        "unevenness": rng.uniform(0.01, 0.06),
        "precipitate": rng.uniform(0.02, 0.28),
        "texture": lognormal(rng, 0.45, 0.5, 0.08, 1.0),
        "clump_nm": rng.uniform(7, 13),
    }


def _draw_mitochondria(rng: np.random.Generator) -> dict[str, float]:
    return {
        "mito_area": lognormal(rng, 0.075, 0.5, 0.02, 0.2),
        "mito_nm": lognormal(rng, 110, 0.25, 70, 220),
        "mito_spread": rng.uniform(0.2, 0.45),
        "mito_stretch": rng.uniform(0.3, 2.5),
        "matrix": rng.uniform(0.18, 0.78),
        "matrix_spread": rng.uniform(0.03, 0.15),
        "matrix_grain": rng.uniform(0.05, 0.25),
        "envelope": rng.uniform(0.2, 0.9),
        "cristae": rng.uniform(0.2, 1.0),
        "cristae_nm": rng.uniform(38, 80),
        "lumen": rng.uniform(0.0, 0.8),
    }


def _draw_organelles(rng: np.random.Generator) -> dict[str, float]:
    return {
        "vesicles": lognormal(rng, 1.0, 0.6, 0.1, 3),
        "tubules": lognormal(rng, 1.0, 0.6, 0.1, 3),
        "bodies": lognormal(rng, 1.0, 0.5, 0.2, 3),
        "synapses": lognormal(rng, 1.0, 0.5, 0.2, 3),
    }


def _draw_microscope(rng: np.random.Generator) -> dict[str, float]:
    return {
        "blur": rng.uniform(0.4, 1.6),
        "shot": lognormal(rng, 90, 0.8, 15, 600),
        "read": rng.uniform(0.0, 0.05),
        "scan": max(rng.uniform(-0.015, 0.02), 0),
        "noise_blur": max(rng.uniform(-0.3, 1.3), 0),
        "mean": rng.uniform(0.36, 0.64),
        "contrast": rng.uniform(0.11, 0.24),
        "gamma": lognormal(rng, 1.0, 0.2, 0.6, 1.6),
        "shading": rng.uniform(0.0, 0.12),
        "damage": rng.uniform(0, 1),
    }
