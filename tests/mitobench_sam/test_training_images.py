"""The samples that a SAM is trained on: which of them, and their augmented copies."""

from dataclasses import replace

import numpy as np
import pytest

from mitobench.samples import Sample, SampleRef
from mitobench.training.broad_augmentation import vary
from mitobench_sam import training_images
from mitobench_sam.training_images import TrainingImages, read_images


def refs(count=3, read=None):
    def sample(index):
        if read is not None:
            read.append(index)
        labels = np.zeros((40, 40), np.int32)
        labels[5 : 15 + index, 5:15] = 7
        labels[20:30, 20:30] = 9
        image = np.random.default_rng(index).integers(0, 256, (40, 40), dtype=np.uint8)
        return Sample(id=f"s{index}", image=image, labels=labels, group=f"g{index % 2}")

    return [SampleRef(id=f"s{i}", group=f"g{i % 2}", read=lambda i=i: sample(i)) for i in range(count)]


class Source:
    fingerprint = "three"

    def refs(self):
        return iter(refs())


def test_labels_are_numbered_from_one_and_facts_counted():
    pool = TrainingImages(refs(), 1, seed=0)
    assert np.unique(pool[0].labels).tolist() == [0, 1, 2]
    assert pool.facts.objects == 6
    assert pool.facts.groups == ("g0", "g1")
    assert len(pool.facts.origins) == 3


def test_small_objects_do_not_count():
    assert TrainingImages(refs(), 101, seed=0).facts.objects == 2
    assert len(TrainingImages(refs(), 101, seed=0)) == 2


def test_copy_zero_is_the_sample_and_other_copies_are_augmented_the_same_each_time():
    pool = TrainingImages(refs(), 1, seed=0)
    assert pool.copy(0, 0, keep=False) is pool[0]
    first, again, other = (pool.copy(0, number, keep=False) for number in (1, 1, 2))
    assert np.array_equal(first.image, again.image)
    assert np.array_equal(first.labels, again.labels)
    assert not np.array_equal(first.image, pool[0].image)
    assert not np.array_equal(first.image, other.image)
    assert not np.array_equal(first.image, TrainingImages(refs(), 1, seed=1).copy(0, 1, keep=False).image)


def test_kept_copies_are_made_once():
    pool = TrainingImages(refs(), 1, seed=0)
    assert pool.copy(0, 1, keep=True) is pool.copy(0, 1, keep=True)
    assert pool.copy(0, 2, keep=False) is not pool.copy(0, 2, keep=False)


def test_samples_are_read_once_while_they_fit_and_again_when_they_do_not(monkeypatch):
    read = []
    pool = TrainingImages(refs(read=read), 1, seed=0)
    _ = [pool[index] for index in (0, 1, 2, 0)]
    assert read == [0, 1, 2]
    monkeypatch.setattr(training_images, "CACHE_BYTES", 10_000)
    read.clear()
    pool = TrainingImages(refs(read=read), 1, seed=0)
    assert pool[0].id == "s0"
    assert read == [0, 1, 2, 0]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_copies_keep_instances_apart(number):
    copy = TrainingImages(refs(), 1, seed=0).copy(0, number, keep=False)
    assert 0 < np.bincount(copy.labels.reshape(-1))[1:].max() < 1.6 * 100
    assert copy.labels.shape == copy.image.shape == (40, 40)


def test_whoever_asks_decides_how_copies_change():
    copy = TrainingImages(refs(), 1, seed=0, change=lambda sample, _: replace(sample, group="changed")).copy(
        0, 1, keep=False
    )
    assert copy.group == "changed"
    learn, _ = read_images(Source(), None, share=0.3, min_area=1, seed=0, change=vary)
    shapes = {learn.copy(0, number, keep=False).shape for number in range(1, 12)}
    assert len(shapes) > 3
