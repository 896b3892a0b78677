"""The real data sets for development read as their README says."""

from collections import Counter

import numpy as np
import pytest
import tifffile

pytestmark = pytest.mark.real_data


def test_the_sections_of_the_nerve_cord(build, real_data):
    source = build("epfl", root=str(real_data / "em-vnc"), pixel_size_nm=4.6)
    samples = [ref.load() for ref in source.refs()]
    assert [sample.shape for sample in samples] == [(1024, 1024)] * 14
    assert all(sample.semantic for sample in samples)
    assert all(10 <= sample.labels.max() <= 40 for sample in samples)
    mask = tifffile.imread(real_data / "em-vnc" / "training_groundtruth.tif")
    np.testing.assert_array_equal([(sample.labels > 0).mean() for sample in samples], (mask > 0).mean(axis=(1, 2)))
    assert len({sample.origin for sample in samples}) == 14
    assert len({sample.group for sample in samples}) == 1


def test_nine_sections_to_train_a_gap_and_four_to_evaluate(build, real_data):
    root = str(real_data / "em-vnc")
    for options in ({"split": "test"}, {"sections": "10-13"}, {"sections": "10-", "split": "test"}):
        assert [ref.id for ref in build("epfl", root=root, **options).refs()] == [
            f"training_z{z:04d}" for z in range(10, 14)
        ]
    assert len(list(build("epfl", root=root, split="train").refs())) == 9


def test_patches_of_the_nerve_cord(build, real_data):
    root = str(real_data / "em-vnc")
    assert len(list(build("epfl", root=root, patch=256).refs())) == 14 * 16
    kept = list(build("epfl", root=root, patch=256, drop_empty=True).refs())
    assert 100 < len(kept) < 14 * 16
    assert all(ref.load().labels.any() for ref in kept[::10])


def test_the_nuclei(build, real_data):
    source = build("folder", root=str(real_data / "nuclei-dsb2018"))
    samples = [ref.load() for ref in source.refs()]
    assert len(samples) == 343
    assert Counter(sample.shape for sample in samples) == {(256, 256): 223, (360, 360): 60, (520, 696): 60}
    assert not any(sample.semantic for sample in samples)
    assert all(1 <= sample.labels.max() <= 500 for sample in samples)
    assert len({sample.group for sample in samples}) == 343


def test_block_splits_of_the_nuclei_share_no_image(build, real_data):
    root = str(real_data / "nuclei-dsb2018")
    train, test = (
        {ref.load().origin for ref in build("folder", root=root, split=split).refs()} for split in ("train", "test")
    )
    assert not train & test
    assert len(train) == 240
