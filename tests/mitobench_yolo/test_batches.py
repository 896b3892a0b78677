"""A training batch depends on seed and step alone, and its boxes stay on their objects through every augmentation."""

import random

import numpy as np
import pytest
import torch

from mitobench.samples import Sample
from mitobench_yolo.batches import Batches
from mitobench_yolo.options import TrainerOptions
from mitobench_yolo.samples import write_dataset

PLAIN = {"mosaic": 0, "scale": 0, "translate": 0, "flips": False, "hue": 0, "saturation": 0, "brightness": 0}


@pytest.fixture
def make_batches(tmp_path, source_of):
    def make(samples, *, seed=0, folder="set", **options):
        refs = list(source_of(samples).refs())
        train, _ = write_dataset(refs, refs, tmp_path / folder)
        return Batches(train, TrainerOptions(**{"batch": 3, "image_size": 64, **options}), seed)

    return make


def square(number: int) -> Sample:
    """One bright rectangle on black."""
    rng = np.random.default_rng(number)
    top, left = rng.integers(8, 30, 2)
    labels = np.zeros((64, 64), np.int32)
    labels[top : top + rng.integers(10, 20), left : left + rng.integers(10, 20)] = 1
    return Sample(id=str(number), image=(labels * 255).astype(np.uint8), labels=labels)


def pixels(batch):
    """Edges (N, 4) in pixels of the batch's boxes."""
    x, y, w, h = (batch["bboxes"] * 64).T.numpy()
    return np.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], axis=1)


def bright_box(plane):
    rows, columns = np.nonzero(plane.numpy() > 127)
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


def equal(a, b):
    return all(torch.equal(a[key], b[key]) for key in ("img", "bboxes", "batch_idx", "cls"))


def test_without_augmentation_images_and_boxes_are_the_samples_own(make_batches):
    samples = [square(n) for n in range(3)]
    batch = make_batches(samples, **PLAIN).batch(0, mosaics=True)
    assert batch["img"].shape == (3, 3, 64, 64)
    assert batch["img"].dtype == torch.uint8
    found = {image.numpy()[0].tobytes(): box for image, box in zip(batch["img"], pixels(batch), strict=True)}
    for sample in samples:
        expected = bright_box(torch.from_numpy(sample.image))
        np.testing.assert_allclose(found[sample.image.tobytes()], expected, atol=1e-3)


@pytest.mark.parametrize("augmentation", [{"flips": True}, {"scale": 0.4}, {"translate": 0.2}, {"brightness": 0.3}])
def test_boxes_stay_on_their_objects(make_batches, augmentation):
    batches = make_batches([square(n) for n in range(6)], **{**PLAIN, **augmentation})
    changed = 0
    for step in range(6):
        batch = batches.batch(step, mosaics=True)
        for row, index in zip(pixels(batch), batch["batch_idx"].int().tolist(), strict=True):
            expected = bright_box(batch["img"][index][0])
            np.testing.assert_allclose(row, expected, atol=1.5)
            changed += 1
    assert changed >= 12


def test_colour_images_keep_the_order_of_their_channels(make_batches):
    image = np.zeros((64, 64, 3), np.uint8)
    image[..., 0], image[..., 2] = 200, 30
    labels = np.zeros((64, 64), np.int32)
    labels[10:30, 10:30] = 1
    batch = make_batches([Sample(id="red", image=image, labels=labels)], batch=1, **PLAIN).batch(0, mosaics=True)
    assert batch["img"][0, :, 5, 5].tolist() == [200, 0, 30]


def test_one_step_is_one_batch_whatever_came_before(make_batches, discs):
    samples = [discs(n) for n in range(7)]
    one, other = make_batches(samples), make_batches(samples, folder="again")
    in_order = [one.batch(step, mosaics=True) for step in range(5)]
    for step in (4, 0, 3, 1):
        assert equal(other.batch(step, mosaics=True), in_order[step])
    assert not equal(in_order[0], in_order[3])


def test_another_seed_is_another_batch(make_batches, discs):
    samples = [discs(n) for n in range(4)]
    assert not equal(
        make_batches(samples).batch(0, mosaics=True), make_batches(samples, seed=1, folder="b").batch(0, mosaics=True)
    )


def test_every_epoch_sees_every_image_once(make_batches):
    batches = make_batches([square(n) for n in range(7)], **PLAIN)
    assert batches.steps_per_epoch == 3
    for epoch in (0, 1):
        seen = [
            image.numpy()[0].tobytes() for s in range(3) for image in batches.batch(3 * epoch + s, mosaics=True)["img"]
        ]
        assert sorted(seen) == sorted(square(n).image.tobytes() for n in range(7))


def test_mosaics_can_end_and_begin_again(make_batches, discs):
    samples = [discs(n) for n in range(4)]
    batches = make_batches(samples, **{**PLAIN, "mosaic": 1.0})
    with_mosaics, without = batches.batch(0, mosaics=True), batches.batch(0, mosaics=False)
    assert not equal(with_mosaics, without)
    originals = {sample.image.tobytes() for sample in samples}
    assert {image.numpy()[0].tobytes() for image in without["img"]} <= originals
    assert not {image.numpy()[0].tobytes() for image in with_mosaics["img"]} & originals
    assert equal(batches.batch(0, mosaics=True), with_mosaics)


def test_global_generators_are_neither_read_nor_advanced(make_batches, discs):
    batches = make_batches([discs(n) for n in range(3)])
    before = random.getstate(), np.random.get_state()[1].tobytes(), torch.random.get_rng_state()  # noqa: NPY002
    first = batches.batch(0, mosaics=True)
    assert random.getstate() == before[0]
    assert np.random.get_state()[1].tobytes() == before[1]  # noqa: NPY002
    assert torch.equal(torch.random.get_rng_state(), before[2])
    random.seed(7)
    np.random.seed(7)  # noqa: NPY002
    assert equal(batches.batch(0, mosaics=True), first)


def test_images_without_objects_are_batched_too(make_batches):
    bare = Sample(id="bare", image=np.zeros((64, 64), np.uint8), labels=np.zeros((64, 64), np.int32))
    batch = make_batches([bare, square(0)], batch=2, **PLAIN).batch(0, mosaics=True)
    assert batch["bboxes"].shape == (1, 4)


def test_no_cache_of_labels_is_left_beside_the_data_set(make_batches, discs, tmp_path):
    make_batches([discs(0)]).batch(0, mosaics=True)
    assert not list(tmp_path.rglob("*.cache"))
    assert not list(tmp_path.rglob("*.npy"))
