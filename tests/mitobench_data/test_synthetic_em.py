"""Synthetic electron microscopy: what is true of real sections is true of it."""

import itertools
import time
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from scipy import ndimage

from mitobench.seeds import derive_rng
from mitobench_data.synthetic_em import MARGIN_NM, generate_em
from mitobench_data.synthetic_mitochondria import SMALLEST_NM2, place
from mitobench_data.synthetic_neuropil import stain, tessellate
from mitobench_data.synthetic_noise import damage, expose_em
from mitobench_data.synthetic_organelles import scatter_bodies, scatter_reticulum, scatter_small, scatter_synapses
from mitobench_data.synthetic_style import EmStyle, draw_em_style


def section(seed, shape=(192, 192), pixel_nm=4.6, objects=1.0):
    return generate_em(derive_rng(seed, "volume"), derive_rng(seed, "image"), shape, pixel_nm, objects)


def style(seed=0) -> EmStyle:
    return draw_em_style(derive_rng(seed), 4.6)


@pytest.fixture(scope="module")
def sections():
    return [section(seed) for seed in range(18)]


def test_mitochondria_are_on_average_darker_than_what_surrounds_them(sections):
    differences = []
    for image, labels in sections:
        if labels.any() and not labels.all():
            differences.append(image[labels > 0].mean() - image[labels == 0].mean())
    assert len(differences) >= 14
    assert np.mean(differences) < -10
    assert np.mean(np.array(differences) < 0) > 0.8


def test_mitochondria_are_textured(sections):
    """Cristae and matrix vary more over 2 to 4 pixels than noise of the same image would alone."""
    ratios = []
    for image, labels in sections:
        core = ndimage.binary_erosion(labels > 0, iterations=8)
        if np.count_nonzero(core) < 300:
            continue
        fine, coarse = (ndimage.gaussian_filter(image.astype(float), sigma) for sigma in (2, 4))
        noise = (image - ndimage.gaussian_filter(image.astype(float), 1))[core].std()
        ratios.append((fine - coarse)[core].std() / noise)
    assert len(ratios) > 8
    assert np.median(ratios) > 3 * _white_noise_ratio()


def _white_noise_ratio():
    noise = np.random.default_rng(0).standard_normal((256, 256))
    blurred = {sigma: ndimage.gaussian_filter(noise, sigma) for sigma in (1, 2, 4)}
    return (blurred[2] - blurred[4]).std() / (noise - blurred[1]).std()


def test_the_edge_of_the_mask_lies_outside_the_dark_outer_membrane(sections):
    """Over the mask's last few pixels the image gets darker inwards."""
    rim, outside = [], []
    for image, labels in sections:
        depth = ndimage.distance_transform_edt(labels > 0)
        beyond = ndimage.distance_transform_edt(labels == 0)
        rim += image[(depth > 1) & (depth <= 4)].tolist()
        outside += image[(beyond > 2) & (beyond <= 5)].tolist()
    assert np.mean(rim) < np.mean(outside) - 15


def test_contrast_and_brightness_vary_between_volumes(sections):
    means, spreads = (np.array([f(image) for image, _ in sections]) for f in (np.mean, np.std))
    assert means.std() > 10
    assert spreads.std() > 5
    assert means.min() > 40
    assert means.max() < 215


def test_mitochondria_cover_about_as_much_as_in_real_neuropil(sections):
    covered = np.mean([np.mean(labels > 0) for _, labels in sections])
    assert 0.03 < covered < 0.2


def test_whole_mitochondria_are_of_believable_size():
    whole = []
    for seed in range(6):
        _, labels = section(seed, (288, 288), objects=2)
        edge = set(np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])))
        areas = np.bincount(labels.ravel()) * 4.6**2
        whole += [areas[k] for k in range(1, areas.size) if k not in edge]
    assert len(whole) > 8
    assert min(whole) >= SMALLEST_NM2
    assert 20_000 < np.median(whole) < 150_000
    assert max(whole) < 1_500_000


def test_sizes_scale_with_the_pixel_size():
    fine = np.concatenate([np.bincount(section(s, (360, 360), 3)[1].ravel())[1:] for s in range(3)])
    coarse = np.concatenate([np.bincount(section(s, (120, 120), 12)[1].ravel())[1:] for s in range(12)])
    assert np.median(fine) > 6 * np.median(coarse)


def test_a_volume_keeps_its_look_and_changes_its_content():
    images = [generate_em(derive_rng(3, "v"), derive_rng(k), (128, 128), 4.6, 1.0) for k in range(2)]
    assert not np.array_equal(images[0][0], images[1][0])
    assert draw_em_style(derive_rng(3, "v"), 4.6) == draw_em_style(derive_rng(3, "v"), 4.6)


def test_lengths_are_pixels_of_the_style():
    assert style().px(46.0) == pytest.approx(10.0)


def test_profiles_tile_the_plane_in_very_different_sizes():
    neuropil = tessellate(derive_rng(1), (400, 400), replace(style(), profile_nm=50.0))
    assert neuropil.profile.min() >= 0
    assert neuropil.profile.max() < neuropil.profiles
    areas = np.bincount(neuropil.profile.ravel(), minlength=neuropil.profiles)
    areas = areas[areas > 0]
    assert np.percentile(areas, 90) > 5 * np.percentile(areas, 25)


def test_depth_is_greatest_away_from_borders_between_profiles():
    neuropil = tessellate(derive_rng(1), (300, 300), style())
    border = neuropil.profile[:, 1:] != neuropil.profile[:, :-1]
    assert neuropil.depth[:, 1:][border].max() <= 1.5
    assert neuropil.depth.max() > 15


def test_membranes_hold_more_stain_than_cytoplasm():
    neuropil = tessellate(derive_rng(1), (300, 300), style())
    density = stain(derive_rng(2), neuropil, style())
    assert density[np.abs(neuropil.depth) < 1].mean() > 1.5 * density[neuropil.depth > 8].mean()


def test_mitochondria_lie_in_one_profile_each_and_never_touch():
    look = style(2)
    neuropil = tessellate(derive_rng(2), (400, 400), look)
    bodies, labels = place(derive_rng(3), neuropil, look, 2.0)
    assert len(bodies) == labels.max() >= 2
    for name, body in enumerate(bodies, 1):
        mask = labels == name
        assert np.array_equal(mask[body.window], body.inside > 0)
        assert np.unique(neuropil.profile[mask]).size == 1
        around = ndimage.binary_dilation(mask) & ~mask
        assert not labels[around].any()


def test_without_objects_nothing_is_placed():
    neuropil = tessellate(derive_rng(2), (200, 200), style())
    bodies, labels = place(derive_rng(3), neuropil, style(), 0.0)
    assert not bodies
    assert not labels.any()


@pytest.mark.parametrize("scatter", [scatter_bodies, scatter_reticulum, scatter_small])
def test_organelles_keep_out_of_mitochondria(scatter):
    """Beyond the reach of a vesicle that lies right beside one."""
    neuropil = tessellate(derive_rng(4), (300, 300), style())
    free = np.ones((300, 300), bool)
    free[100:200, 100:200] = False
    density = np.full((300, 300), np.float32(0.4))
    scatter(derive_rng(5), density, neuropil, free, style())
    assert np.allclose(density[120:180, 120:180], 0.4)
    assert not np.allclose(density, 0.4)


def test_synapses_darken_membranes():
    neuropil = tessellate(derive_rng(4), (300, 300), style())
    density = np.zeros((300, 300), np.float32)
    scatter_synapses(derive_rng(5), density, neuropil, replace(style(), synapses=3.0))
    near, far = np.abs(neuropil.depth) < 4, neuropil.depth > 30
    assert density[near].mean() > 3 * density[far].mean()


def test_exposure_turns_stain_dark_and_reaches_the_contrast_of_the_style():
    look = style()
    density = np.full((200, 200), np.float32(0.2))
    density[:, 100:] = 1.2
    grey = expose_em(derive_rng(0), density, look)
    assert grey[:, :90].mean() > grey[:, 110:].mean() + look.contrast
    assert grey.min() >= 0
    assert grey.max() <= 1


def test_damage_is_not_the_same_on_every_section():
    changed = []
    for seed in range(40):
        density = np.zeros((64, 64), np.float32)
        damage(derive_rng(seed), density, style(seed))
        changed.append(bool(density.any()))
    assert 0 < sum(changed) < 40


def test_what_lies_around_the_image_cuts_its_objects(sections):
    """Objects at the edge exist because more is generated than is shown."""
    assert MARGIN_NM > 0
    touching = 0
    for _, labels in sections[:10]:
        touching += np.any(labels[0]) + np.any(labels[-1]) + np.any(labels[:, 0]) + np.any(labels[:, -1])
    assert touching >= 5


def test_time_grows_with_the_area_and_no_faster():
    section(0)
    start = time.process_time()
    section(0, (256, 256))
    small = time.process_time() - start
    start = time.process_time()
    section(0, (768, 768))
    large = time.process_time() - start
    assert large < 25 * small + 0.5


def _signature(image, labels):
    """How dark mitochondria are against the rest, and how much the image varies in bands of scale, in its own units."""
    scaled = (image - image.mean()) / image.std()
    blurred = [ndimage.gaussian_filter(scaled, sigma) for sigma in (1, 2, 4, 8, 16)]
    bands = [(a - b).std() for a, b in itertools.pairwise(blurred)]
    return [scaled[labels > 0].mean() - scaled[labels == 0].mean(), *bands, *np.percentile(scaled, [5, 25, 75, 95])]


@pytest.mark.real_data
def test_real_sections_lie_within_the_range_of_generated_ones(real_data, sections):
    window = np.s_[:512, :512]
    image = tifffile.imread(real_data / "em-vnc" / "training.tif", key=0)[window].astype(float)
    labels = tifffile.imread(real_data / "em-vnc" / "training_groundtruth.tif", key=0)[window]
    real = np.array(_signature(image, labels))
    made = np.array([_signature(i.astype(float), m) for i, m in sections if m.any()])
    low, high = made.min(0), made.max(0)
    assert np.all((low <= real) & (real <= high)), f"real {real.round(2)}, generated {low.round(2)} to {high.round(2)}"
