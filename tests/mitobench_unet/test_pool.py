"""Training samples are checked once and cut into patches, whatever their size and kind."""

from dataclasses import replace

import numpy as np
import pytest

import mitobench_unet.pool as pool_module
from mitobench.errors import DataError
from mitobench.hashing import hash_array
from mitobench.samples import Sample
from mitobench_unet.augmentation import Augmentation
from mitobench_unet.pool import Pool, read_pools

STILL = Augmentation(zoom=1, rotate=0, elastic=0, intensity=0)


def pool_of(samples, source_of, patch=16) -> Pool:
    return Pool(list(source_of(samples).refs()), patch)


def test_facts_are_those_of_all_samples(make_disc, source_of) -> None:
    samples = [make_disc(0), replace(make_disc(1), group="other", semantic=False)]
    facts = pool_of(samples, source_of).facts
    assert facts.origins == tuple(sorted(s.origin for s in samples))
    assert facts.groups == ("other", "slide")
    assert sorted(facts.areas) == sorted(a for s in samples for a in np.bincount(s.labels.ravel())[1:])
    assert not facts.semantic
    assert pool_of(samples[:1], source_of).facts.semantic


def test_a_sample_without_origin_is_known_by_its_image(make_disc, source_of) -> None:
    sample = replace(make_disc(0), origin="")
    assert pool_of([sample], source_of).facts.origins == (hash_array(sample.image),)


def test_a_sample_without_reference_is_named(make_disc, source_of) -> None:
    with pytest.raises(DataError, match="'disc3' has no reference"):
        pool_of([make_disc(0), make_disc(3).without_reference()], source_of)


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (9, 5), (200, 33)])
@pytest.mark.parametrize("colour", [False, True])
def test_patches_have_one_size_whatever_the_image_has(shape, colour, source_of) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3) if colour else shape, np.uint8)
    sample = Sample(id="odd", image=image, labels=np.ones(shape, np.int32))
    for channels in (1, 3):
        patch = pool_of([sample], source_of).draw(channels, Augmentation(), 0.5, np.random.default_rng(1))
        assert patch.planes.shape == (channels, 16, 16)
        assert patch.planes.dtype == np.float32
        assert patch.labels.shape == patch.ignore.shape == (16, 16)
        assert (patch.labels == 1).all()


def test_labels_fit_the_image_after_augmentation(make_disc, source_of) -> None:
    pool = pool_of([make_disc(0)], source_of, patch=32)
    for seed in range(10):
        patch = pool.draw(1, Augmentation(intensity=0), 1.0, np.random.default_rng(seed))
        assert patch.planes[0][patch.labels > 0].mean() > patch.planes[0][patch.labels == 0].mean() + 0.3


def test_huge_label_numbers_are_renumbered(source_of) -> None:
    labels = np.zeros((16, 16), np.int32)
    labels[:4], labels[8:] = 5, 2**31 - 1
    sample = Sample(id="big", image=np.zeros((16, 16), np.uint8), labels=labels)
    pool = pool_of([sample], source_of)
    assert set(np.unique(pool.judged(0)[1])) == {0, 1, 2}
    assert pool.facts.areas == (64, 128)


def test_an_image_without_background_keeps_its_objects(source_of) -> None:
    sample = Sample(id="full", image=np.zeros((4, 4), np.uint8), labels=np.full((4, 4), 7, np.int32))
    assert (pool_of([sample], source_of).judged(0)[1] == 1).all()


def test_patches_near_objects_hold_more_of_them(source_of) -> None:
    labels = np.zeros((400, 400), np.int32)
    labels[10:20, 10:20] = 1
    pool = pool_of([Sample(id="rare", image=np.zeros((400, 400), np.uint8), labels=labels)], source_of, patch=32)
    hits = {
        share: np.mean([pool.draw(1, STILL, share, np.random.default_rng(s)).labels.any() for s in range(60)])
        for share in (0.0, 1.0)
    }
    assert hits[1.0] > 0.9
    assert hits[0.0] < 0.3


def test_declared_ignored_pixels_stay_ignored(make_disc, source_of) -> None:
    ignore = np.zeros(make_disc(0).shape, bool)
    ignore[:, :28] = True
    pool = pool_of([replace(make_disc(0), ignore=ignore)], source_of)
    shares = [pool.draw(1, STILL, 0, np.random.default_rng(s)).ignore.mean() for s in range(40)]
    assert 0.3 < np.mean(shares) < 0.7


def test_partial_annotation_counts_only_around_annotated_objects(source_of) -> None:
    labels = np.zeros((64, 64), np.int32)
    labels[30:34, 30:34] = 1
    sample = Sample(id="some", image=np.zeros((64, 64), np.uint8), labels=labels, partial=True)
    _, _, ignore = pool_of([sample], source_of).judged(0)
    assert ignore is not None
    assert not ignore[24:40, 24:40].any()
    assert ignore[:20].all()


def test_samples_that_do_not_fit_in_memory_are_read_again(make_disc, source_of, monkeypatch) -> None:
    monkeypatch.setattr(pool_module, "CACHE_BYTES", 20_000)
    samples = [make_disc(number) for number in range(5)]
    pool = pool_of(samples, source_of)
    for index in (0, 3, 1, 4, 0):
        np.testing.assert_array_equal(pool.judged(index)[0], samples[index].image)
    assert len(pool._cache) < 5


def test_the_last_samples_are_held_out_in_order(make_disc, source_of) -> None:
    source = source_of([make_disc(number) for number in range(10)])
    learn, judge = read_pools(source, None, 16, 0.2)
    assert [ref.id for ref in learn.refs] == [f"disc{n}" for n in range(8)]
    assert [ref.id for ref in judge.refs] == ["disc8", "disc9"]


def test_a_validation_source_leaves_the_training_samples_alone(make_disc, source_of) -> None:
    learn, judge = read_pools(source_of([make_disc(0)]), source_of([make_disc(1)]), 16, 0.2)
    assert (len(learn), len(judge)) == (1, 1)


def test_too_few_samples_say_what_to_do(make_disc, source_of) -> None:
    with pytest.raises(DataError, match=r"1 sample.*validation source"):
        read_pools(source_of([make_disc(0)]), None, 16, 0.1)
    with pytest.raises(DataError, match=r"0 sample"):
        read_pools(source_of([]), None, 16, 0.1)
    with pytest.raises(DataError, match="validation data source has no samples"):
        read_pools(source_of([make_disc(0)]), source_of([]), 16, 0.1)


def test_no_object_at_all_is_an_error(make_disc, source_of) -> None:
    empty = [replace(make_disc(n), labels=np.zeros(make_disc(n).shape, np.int32)) for n in range(4)]
    with pytest.raises(DataError, match="none of the 3 training samples holds an object"):
        read_pools(source_of(empty), None, 16, 0.1)


def test_no_object_to_choose_the_best_weights_by_is_an_error(make_disc, source_of) -> None:
    empty = [replace(make_disc(n), labels=np.zeros(make_disc(n).shape, np.int32)) for n in range(2)]
    message = r"none of the 2 validation samples holds an object; expected at least one\..*validation source"
    with pytest.raises(DataError, match=message):
        read_pools(source_of([make_disc(2), make_disc(3), *empty]), None, 16, 0.5)
    with pytest.raises(DataError, match=message):
        read_pools(source_of([make_disc(2)]), source_of(empty), 16, 0.1)
    assert read_pools(source_of([make_disc(2)]), source_of([*empty, make_disc(3)]), 16, 0.1)[1].facts.areas
