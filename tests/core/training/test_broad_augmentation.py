"""The broad augmentation: what it changes, what it keeps, and that a seed decides all of it."""

import numpy as np
import pytest

from mitobench.samples import Sample
from mitobench.training.broad_augmentation import BroadAugmentation, vary

ROWS, COLUMNS = np.ogrid[:60, :80]
LABELS = np.zeros((60, 80), np.int32)
LABELS[(ROWS - 20) ** 2 + (COLUMNS - 25) ** 2 < 90] = 1
LABELS[45:55, 60:75] = 2
NONE, ALL = BroadAugmentation.none(), BroadAugmentation()
COLOURS_KEPT = NONE.model_copy(update={"turns": True, "whole": ALL.whole})


def sample(**changes):
    image = np.where(LABELS > 0, 60, 180).astype(np.uint8)
    return Sample(**{"id": "s", "image": image, "labels": LABELS, "group": "g", "origin": "o", **changes})


def copies(count=40, how=None, **changes):
    return [vary(sample(**changes), np.random.default_rng(seed), how) for seed in range(count)]


def test_nothing_switched_on_changes_nothing():
    for copy in copies(5, NONE):
        assert np.array_equal(copy.image, sample().image)
        assert np.array_equal(copy.labels, LABELS)


@pytest.mark.parametrize(
    ("only", "moves"),
    [
        ({"whole": 0}, True),
        ({"turns": True}, True),
        ({"gamma": 0.5}, False),
        ({"gain": (0.6, 1.3)}, False),
        ({"offset": 0.15}, False),
        ({"inverted": 1}, False),
        ({"blurred": 1}, False),
        ({"noise": 0.07}, False),
    ],
)
def test_each_one_changes_the_image_and_only_extracts_and_turns_the_labels(only, moves):
    made = copies(8, NONE.model_copy(update=only))
    assert any(not np.array_equal(copy.image, sample().image) for copy in made)
    assert any(not np.array_equal(copy.labels, LABELS) for copy in made) == moves


def test_extracts_have_at_least_half_the_sides_and_hold_a_labelled_pixel():
    shapes = {copy.shape for copy in copies()}
    assert len(shapes) > 10
    for copy in copies():
        assert min(copy.shape) >= 30
        assert max(copy.shape) <= 80
        assert copy.labels.any()


def test_image_labels_and_ignored_pixels_move_together():
    for copy in copies(how=COLOURS_KEPT, ignore=LABELS == 2):
        assert np.array_equal(copy.image == 60, copy.labels > 0)
        assert np.array_equal(copy.ignore, copy.labels == 2)


def test_every_orientation_of_the_whole_image_occurs():
    flipped = (LABELS, LABELS[:, ::-1])
    expected = {np.rot90(plane, turns).tobytes() for plane in flipped for turns in range(4)}
    assert {copy.labels.tobytes() for copy in copies(100, NONE.model_copy(update={"turns": True}))} == expected


def test_colours_change_widely_and_sometimes_to_the_negative():
    made = copies(100, ALL.model_copy(update={"noise": 0}))
    darker = [copy.image[copy.labels > 0].mean() - copy.image[copy.labels == 0].mean() for copy in made]
    assert 5 < sum(difference > 0 for difference in darker) < 30
    assert np.std(np.abs(darker)) > 15


def test_colour_images_stay_colour_images():
    image = np.stack([np.where(LABELS > 0, c, 200) for c in (40, 90, 140)], axis=-1).astype(np.uint8)
    for copy in copies(5, image=image):
        assert copy.image.shape == (*copy.labels.shape, 3)
        assert copy.image.dtype == np.uint8


def test_a_seed_decides_and_what_identifies_the_sample_stays():
    first, again = copies(1)[0], copies(1)[0]
    assert np.array_equal(first.image, again.image)
    assert (first.id, first.group, first.origin) == ("s", "g", "o")
    assert first.labels.dtype == np.int32


def test_an_image_without_objects_keeps_its_size():
    empty = vary(sample(labels=np.zeros_like(LABELS)), np.random.default_rng(1))
    assert sorted(empty.shape) == [60, 80]


def test_without_a_reference_extracts_lie_anywhere():
    made = copies(labels=None)
    assert all(copy.labels is None for copy in made)
    assert len({copy.shape for copy in made}) > 10
