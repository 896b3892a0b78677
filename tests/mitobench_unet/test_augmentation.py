"""A patch is one resampling of the image, and its labels stay labels."""

import numpy as np
import pytest
from scipy import ndimage

from mitobench_unet.augmentation import Augmentation, Geometry, change_intensities, cut, random_geometry

STILL = Augmentation(zoom=1, rotate=0, elastic=0, intensity=0)


def plain_geometry(top: float, left: float, size: int) -> Geometry:
    return Geometry(np.mgrid[:size, :size].astype(np.float32) + np.array([top, left], np.float32)[:, None, None])


def test_a_plain_window_is_cut_exactly() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 50), np.uint8)
    np.testing.assert_allclose(cut(image, plain_geometry(5, 7, 16), nearest=False), image[5:21, 7:23], atol=1e-3)


@pytest.mark.parametrize("nearest", [True, False])
def test_resampling_agrees_with_scipy(nearest: bool) -> None:
    rng = np.random.default_rng(1)
    image = rng.integers(0, 256, (40, 50), np.uint8)
    geometry = random_geometry((18.2, 22.7), 24, Augmentation(elastic=3), rng)
    ours = cut(image, geometry, nearest=nearest)
    scipys = ndimage.map_coordinates(
        image.astype(np.float32), geometry.coordinates, order=0 if nearest else 1, mode="mirror"
    )
    if nearest:
        assert np.mean(ours != scipys) < 0.01
    else:
        np.testing.assert_allclose(ours, scipys, atol=0.05)


def test_the_image_goes_on_as_its_mirror_image() -> None:
    image = np.random.default_rng(2).integers(0, 256, (9, 11), np.uint8)
    drawn = cut(image, plain_geometry(-20, -20, 48), nearest=True)
    np.testing.assert_array_equal(drawn, np.pad(image, ((20, 19), (20, 17)), mode="reflect"))


def test_one_pixel_fills_a_patch() -> None:
    assert (cut(np.array([[7]], np.uint8), plain_geometry(-3, -3, 8), nearest=False) == 7).all()


def test_colour_is_cut_channel_by_channel() -> None:
    image = np.random.default_rng(3).integers(0, 256, (20, 20, 3), np.uint8)
    geometry = plain_geometry(2.5, 3.25, 8)
    drawn = cut(image, geometry, nearest=False)
    for channel in range(3):
        np.testing.assert_allclose(drawn[..., channel], cut(image[..., channel], geometry, nearest=False), atol=1e-3)


def test_labels_keep_their_numbers() -> None:
    rng = np.random.default_rng(4)
    labels = rng.choice([0, 3, 70000, 9_000_000], (60, 60)).astype(np.int32)
    drawn = cut(labels, random_geometry((30, 30), 32, Augmentation(), rng), nearest=True).astype(np.int32)
    assert set(np.unique(drawn)) <= {0, 3, 70000, 9_000_000}


def test_image_and_labels_move_together() -> None:
    labels = np.zeros((80, 80), np.int32)
    labels[20:50, 30:60] = 1
    image = (labels * 200).astype(np.uint8)
    for seed in range(10):
        geometry = random_geometry((35, 45), 48, Augmentation(), np.random.default_rng(seed))
        bright = cut(image, geometry, nearest=False) > 100
        assert np.mean(bright != (cut(labels, geometry, nearest=True) > 0)) < 0.02


def test_without_augmentation_only_flips_and_quarter_turns_remain() -> None:
    image = np.arange(256, dtype=np.uint8).reshape(16, 16)
    seen = set()
    for seed in range(60):
        geometry = random_geometry((7.5, 7.5), 16, STILL, np.random.default_rng(seed))
        seen.add(cut(image, geometry, nearest=True).astype(np.uint8).tobytes())
    views = {np.rot90(v, k).tobytes() for v in (image, image[:, ::-1]) for k in range(4)}
    assert seen == views


def test_zoom_stays_within_its_limit() -> None:
    for seed in range(30):
        grid = random_geometry((0, 0), 8, Augmentation(zoom=1.5, elastic=0), np.random.default_rng(seed)).coordinates
        step = float(np.hypot(*(grid[:, 1, 0] - grid[:, 0, 0])))
        assert 1 / 1.5 - 1e-3 <= step <= 1.5 + 1e-3


def test_the_generator_alone_decides() -> None:
    first, second = (
        random_geometry((9, 9), 16, Augmentation(), np.random.default_rng(5)).coordinates for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)


def test_intensities_change_only_as_far_as_asked() -> None:
    planes = np.broadcast_to(np.linspace(0, 1, 32, dtype=np.float32), (1, 32, 32)).copy()
    assert change_intensities(planes, STILL, np.random.default_rng(0)) is planes
    changed = [change_intensities(planes, Augmentation(), np.random.default_rng(seed)) for seed in range(20)]
    assert all(c.dtype == np.float32 and c.shape == planes.shape and np.isfinite(c).all() for c in changed)
    assert all(np.corrcoef(c.ravel(), planes.ravel())[0, 1] > 0.9 for c in changed)
    assert not np.array_equal(changed[0], changed[1])
