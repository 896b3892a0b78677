"""Synthetic nuclei: what is true of real fluorescence images is true of them."""

import numpy as np
import pytest
from scipy import ndimage

from mitobench.seeds import derive_rng
from mitobench_data.synthetic_noise import count_particles, to_uint8
from mitobench_data.synthetic_nuclei import SMALLEST_NM, draw_nuclei_style, generate_nuclei


def field(seed, shape=(192, 192), pixel_nm=500.0, objects=1.0):
    return generate_nuclei(derive_rng(seed, "culture"), derive_rng(seed, "image"), shape, pixel_nm, objects)


@pytest.fixture(scope="module")
def fields():
    return [field(seed) for seed in range(40)]


def test_nuclei_are_bright_on_a_dark_background(fields):
    found = [(image, labels > 0) for image, labels in fields if labels.any()]
    assert len(found) > 35
    ratios = [image[mask].mean() / max(np.median(image[~mask]), 1) for image, mask in found]
    assert np.median(ratios) > 3
    assert np.mean(np.array(ratios) > 1.2) > 0.95


def test_sizes_and_numbers_vary_as_much_as_between_real_cultures(fields):
    diameters, counts = [], []
    for _, labels in fields:
        areas = np.bincount(labels.ravel())[1:]
        if areas.size:
            diameters.append(2 * np.sqrt(np.median(areas) / np.pi))
        counts.append(labels.max())
    assert np.percentile(diameters, 5) < 14
    assert np.percentile(diameters, 95) > 28
    assert min(counts) <= 8
    assert max(counts) >= 40


def test_whole_nuclei_are_not_smaller_than_declared(fields):
    smallest = np.pi / 4 * (SMALLEST_NM / 500) ** 2
    whole = 0
    for _, labels in fields:
        edge = set(np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])))
        areas = np.bincount(labels.ravel())
        inner = [areas[k] for k in range(1, areas.size) if k not in edge]
        whole += len(inner)
        assert all(area >= 0.9 * smallest for area in inner)
    assert whole > 200


def test_some_nuclei_touch(fields):
    touching = 0
    for _, labels in fields:
        a, b = labels[:, 1:], labels[:, :-1]
        touching += bool(np.any((a != b) & (a > 0) & (b > 0)))
    assert touching > 5


def test_brightness_varies_between_cultures_and_between_nuclei(fields):
    levels = [image[labels > 0].mean() for image, labels in fields if labels.any()]
    assert np.percentile(levels, 90) > 2 * np.percentile(levels, 10)
    spreads = []
    for image, labels in fields:
        if labels.max() >= 5:
            each = ndimage.mean(image, labels, np.arange(1, labels.max() + 1))
            spreads.append(each.std() / each.mean())
    assert np.median(spreads) > 0.08


def test_some_images_saturate_and_most_do_not(fields):
    saturated = [np.mean(image == 255) > 1e-4 for image, _ in fields]
    assert 0 < sum(saturated) < 0.7 * len(saturated)


def test_sizes_scale_with_the_pixel_size():
    fine, coarse = (np.median(np.bincount(field(1, (300, 300), nm)[1].ravel())[1:]) for nm in (300, 900))
    assert fine > 4 * coarse


def test_a_culture_keeps_its_look():
    assert draw_nuclei_style(derive_rng(1), 500) == draw_nuclei_style(derive_rng(1), 500)
    assert draw_nuclei_style(derive_rng(1), 500) != draw_nuclei_style(derive_rng(2), 500)


def test_counting_particles_has_the_mean_and_variance_of_a_poisson_process():
    signal = np.full((400, 400), np.float32(0.5))
    counted = count_particles(derive_rng(0), signal, 50.0)
    assert counted.mean() == pytest.approx(0.5, rel=0.01)
    assert counted.var() == pytest.approx(0.5 / 50, rel=0.03)


def test_counting_takes_negative_light_for_none():
    assert not count_particles(derive_rng(0), np.full((4, 4), np.float32(-1)), 50.0).any()


def test_digitising_rounds_and_saturates():
    assert to_uint8(np.array([[-1, 0, 0.5, 1, 7]], np.float32)).tolist() == [[0, 0, 128, 255, 255]]
