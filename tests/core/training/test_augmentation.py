"""Image and labels move together, instances stay instances, and one seed gives one result."""

from dataclasses import replace

import numpy as np
import pytest

from mitobench.samples import Sample
from mitobench.training.augmentation import Augmentation, augment, coordinates

STILL = Augmentation.none()
ONLY = {
    "rotation": {"rotation": 45},
    "flips": {"flips": True},
    "shift": {"shift": 0.5},
    "elastic": {"elastic_alpha": (25.0, 35.0)},
    "gain": {"gain": 0.3},
    "offset": {"offset": 0.2},
    "poisson": {"poisson": 1.0},
    "gaussian": {"gaussian": 0.1},
    "equalise": {"equalise": 1.0},
}


def discs(size=64, channels=None):
    y, x = np.mgrid[:size, :size]
    labels = np.zeros((size, size), np.int32)
    labels[(y - 20) ** 2 + (x - 20) ** 2 < 100] = 3
    labels[(y - 40) ** 2 + (x - 44) ** 2 < 64] = 900
    image = np.where(labels > 0, 200, 60).astype(np.uint8)
    image = image if channels is None else np.stack([image] * channels, axis=-1)
    return Sample(id="a", image=image, labels=labels, ignore=labels == 900, group="g", origin="o")


def dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def test_nothing_switched_on_changes_nothing():
    sample = discs()
    done = augment(sample, STILL, np.random.default_rng(0))
    assert np.array_equal(done.image, sample.image)
    assert np.array_equal(done.labels, sample.labels)


@pytest.mark.parametrize("name", ONLY)
def test_each_one_changes_the_image_and_only_the_geometric_ones_the_labels(name):
    sample = discs()
    how = STILL.model_copy(update=ONLY[name])
    results = [augment(sample, how, np.random.default_rng(seed)) for seed in range(4)]
    assert any(not np.array_equal(r.image, sample.image) for r in results)
    geometric = name in ("rotation", "flips", "elastic")
    assert any(not np.array_equal(r.labels, sample.labels) for r in results) == geometric or name == "shift"


@pytest.mark.parametrize("name", ["rotation", "flips", "shift", "elastic"])
@pytest.mark.parametrize("channels", [None, 3])
def test_labels_follow_the_pixels_they_describe(name, channels):
    how = STILL.model_copy(update=ONLY[name])
    for seed in range(5):
        done = augment(discs(channels=channels), how, np.random.default_rng(seed))
        bright = (done.image if channels is None else done.image[..., 0]) > 130
        assert dice(bright, done.labels > 0) > 0.97
        kept = done.labels <= 900
        assert set(np.unique(done.labels[kept])) <= {0, 3, 900}
        assert np.array_equal(done.ignore[kept], done.labels[kept] == 900)


def test_everything_at_once_keeps_identity_and_shape():
    sample = discs()
    done = augment(sample, Augmentation(), np.random.default_rng(1))
    assert (done.id, done.group, done.origin, done.shape, done.image.dtype) == ("a", "g", "o", (64, 64), np.uint8)


def test_one_seed_gives_one_result_and_another_seed_another():
    first, again, other = (augment(discs(), Augmentation(), np.random.default_rng(s)).image for s in (5, 5, 6))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_elastic_field_has_the_published_size():
    """White noise smoothed with a Gaussian of sigma s has the standard deviation 1 / (2 s sqrt(pi))."""
    how = STILL.model_copy(update={"elastic_alpha": (30.0, 30.0)})
    field = coordinates((512, 512), how, np.random.default_rng(0))
    displacement = field - np.mgrid[:512, :512]
    assert displacement.std() == pytest.approx(30 / (2 * 10 * np.sqrt(np.pi)), rel=0.15)


def test_flips_are_exact_mirrors():
    sample = discs()
    how = STILL.model_copy(update=ONLY["flips"])
    mirrors = [sample.image[::a, ::b] for a in (1, -1) for b in (1, -1)]
    seen = {
        next(
            i for i, m in enumerate(mirrors) if np.array_equal(m, augment(sample, how, np.random.default_rng(s)).image)
        )
        for s in range(20)
    }
    assert seen == {0, 1, 2, 3}


def test_shot_noise_has_the_variance_of_its_photons():
    flat = Sample(id="a", image=np.full((200, 200), 128, np.uint8))
    how = STILL.model_copy(update={"poisson": 1.0, "photons": (100.0, 100.0)})
    noisy = augment(flat, how, np.random.default_rng(0)).image / 255
    assert noisy.var() == pytest.approx(128 / 255 / 100, rel=0.1)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (7, 3)])
def test_tiny_images_survive(shape):
    tiny = Sample(id="a", image=np.full(shape, 7, np.uint8), labels=np.ones(shape, np.int32))
    assert augment(tiny, Augmentation(equalise=1), np.random.default_rng(0)).shape == shape


def test_a_sample_without_labels_is_augmented_too():
    assert augment(replace(discs(), labels=None, ignore=None), Augmentation(), np.random.default_rng(0)).labels is None


def test_the_mirror_image_of_an_object_beyond_the_edge_is_an_object_of_its_own():
    y, x = np.mgrid[:96, :96]
    labels = np.where((y - 16) ** 2 + (x - 48) ** 2 < 36, 7, 0).astype(np.int32)
    sample = Sample(id="a", image=np.where(labels > 0, 200, 60).astype(np.uint8), labels=labels)
    how = STILL.model_copy(update={"rotation": 60.0})
    counts = []
    for seed in range(20):
        found = augment(sample, how, np.random.default_rng(seed)).labels
        ids = [k for k in np.unique(found) if k]
        counts.append(len(ids))
        for k in ids:
            sides = [np.ptp(axis) + 1 for axis in np.nonzero(found == k)]
            assert max(sides) <= 13 + 12
    assert max(counts) > 1


def test_an_object_in_two_parts_stays_one_object():
    labels = np.zeros((64, 64), np.int32)
    labels[28:34, 20:26] = labels[28:34, 38:44] = 5
    sample = Sample(id="a", image=np.zeros((64, 64), np.uint8), labels=labels)
    found = augment(sample, STILL.model_copy(update={"rotation": 20.0}), np.random.default_rng(1)).labels
    assert set(np.unique(found)) == {0, 5}
