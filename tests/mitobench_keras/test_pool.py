from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest

from mitobench.errors import DataError

pytest.importorskip(
    "tensorflow" if find_spec("tensorflow") is None else "mitobench_keras.runtime", reason="needs tensorflow"
)

from mitobench_keras.pool import read_pools
from mitobench_keras.tiles import resized

HOW = {"size": 16, "tiling": "patches", "share": 0.25}


@pytest.fixture
def samples(make_disc):
    return [make_disc(number) for number in range(4)]


def test_sections_become_tiles_at_full_resolution(source_of, samples):
    training, validation = read_pools(source_of(samples), None, **HOW)
    assert (training.samples, validation.samples) == (3, 1)
    assert training.images.shape == training.targets.shape == training.counted.shape == (18, 16, 16)
    np.testing.assert_array_equal(training.images[0], samples[0].image[:16, :16])
    np.testing.assert_array_equal(training.targets[5], samples[0].labels[16:, 24:] > 0)
    assert training.counted.all()


def test_the_last_samples_are_held_out_as_a_block(source_of, samples):
    training, validation = read_pools(source_of(samples), None, **HOW)
    assert validation.origins == (samples[3].origin,)
    assert training.origins == tuple(sorted(s.origin for s in samples[:3]))
    assert training.groups == ("slide",)


def test_a_validation_source_leaves_all_training_samples(source_of, samples):
    training, validation = read_pools(source_of(samples[:2]), source_of(samples[2:]), **HOW)
    assert (training.samples, validation.samples) == (2, 2)


def test_sections_can_be_resized_to_one_input_each(source_of, samples):
    training, _ = read_pools(source_of(samples), None, **{**HOW, "tiling": "resize"})
    assert len(training) == 3
    np.testing.assert_array_equal(training.images[1], np.rint(resized(samples[1].image, (16, 16))))
    assert training.targets[1].mean() == pytest.approx((samples[1].labels > 0).mean(), abs=0.03)


def test_ignored_pixels_do_not_count(source_of, samples):
    ignore = np.zeros(samples[0].shape, bool)
    ignore[:16, :16] = True
    samples[0] = replace(samples[0], ignore=ignore)
    for tiling in ("patches", "resize"):
        training, _ = read_pools(source_of(samples), None, **{**HOW, "tiling": tiling})
        assert not training.counted[0, :5, :5].any()
        assert training.counted[1:].all()


def test_where_only_some_objects_are_annotated_only_their_surroundings_count(source_of, samples):
    labels = np.zeros((64, 64), np.int32)
    labels[30:34, 30:34] = 1
    far = replace(samples[0], image=np.zeros((64, 64), np.uint8), labels=labels, partial=True)
    training, _ = read_pools(source_of([far, *samples[1:]]), None, **{**HOW, "size": 64})
    rows, columns = np.nonzero(training.counted[0])
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (22, 41, 22, 41)


def test_one_object_that_fills_the_image_is_fine(source_of, samples):
    full = replace(samples[0], labels=np.ones(samples[0].shape, np.int32))
    training, _ = read_pools(source_of([full, samples[1]]), None, **HOW)
    assert training.targets.all()


def test_samples_without_objects_are_fine_beside_others(source_of, samples):
    empty = replace(samples[0], labels=np.zeros(samples[0].shape, np.int32))
    training, _ = read_pools(source_of([empty, *samples[1:]]), None, **HOW)
    assert not training.targets[:6].any()
    assert training.targets[6:].any()


def test_no_object_at_all_is_an_error(source_of, samples):
    empty = [replace(s, labels=np.zeros(s.shape, np.int32)) for s in samples]
    with pytest.raises(DataError, match="none of the 3 training samples holds an object"):
        read_pools(source_of(empty), None, **HOW)


def test_no_object_to_choose_the_best_weights_by_is_an_error(source_of, samples):
    empty = replace(samples[3], labels=np.zeros(samples[3].shape, np.int32))
    hidden = replace(samples[3], ignore=samples[3].labels > 0)
    message = r"none of the 1 validation samples holds an object; expected at least one\..*validation source"
    for last in (empty, hidden):
        with pytest.raises(DataError, match=message):
            read_pools(source_of([*samples[:3], last]), None, **HOW)
        with pytest.raises(DataError, match=message):
            read_pools(source_of(samples[:3]), source_of([last]), **HOW)


def test_objects_that_are_all_ignored_are_an_error(source_of, samples):
    hidden = [replace(s, ignore=s.labels > 0) for s in samples]
    with pytest.raises(DataError, match="none of the 3 training samples holds an object"):
        read_pools(source_of(hidden), None, **HOW)


def test_a_validation_source_that_is_all_ignored_is_an_error(source_of, samples):
    hidden = [replace(samples[3], ignore=np.ones(samples[3].shape, bool))]
    with pytest.raises(DataError, match="none of the 1 validation samples has a pixel that counts"):
        read_pools(source_of(samples[:3]), source_of(hidden), **HOW)


def test_a_sample_without_reference_is_an_error_that_names_it(source_of, samples):
    with pytest.raises(DataError, match="'disc2' has no reference"):
        read_pools(source_of([*samples[:2], replace(samples[2], labels=None)]), None, **HOW)


@pytest.mark.parametrize("count", [0, 1])
def test_one_image_is_too_few(source_of, samples, count):
    with pytest.raises(DataError, match=rf"has {count} sample\(s\); expected at least one to learn from"):
        read_pools(source_of(samples[:count]), None, **HOW)


def test_an_empty_validation_source_is_an_error(source_of, samples):
    with pytest.raises(DataError, match="the validation data source has no samples"):
        read_pools(source_of(samples), source_of([]), **HOW)


def test_images_smaller_than_an_input_are_extended(source_of, make_disc):
    small = [make_disc(number, (14, 13)) for number in range(2)]
    training, _ = read_pools(source_of(small), None, **HOW)
    assert training.images.shape == (1, 16, 16)
