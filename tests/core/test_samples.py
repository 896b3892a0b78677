"""Samples: what they refuse, and references that must read what they listed."""

import functools
import pickle

import numpy as np
import pytest

from mitobench.errors import DataError
from mitobench.samples import MAX_SIDE, Sample, SampleRef

GREY = np.zeros((4, 6), np.uint8)
LABELS = np.zeros((4, 6), np.int32)


def make(**fields):
    return Sample(**{"id": "a", "image": GREY, **fields})


def read(name="a", group="g", split="test"):
    return make(id=name, group=group, split=split)


@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 3), (1, 1), (1, 9), (7, 1, 3)])
def test_grey_and_rgb_images_of_any_size_are_fine(shape):
    assert make(image=np.zeros(shape, np.uint8)).shape == shape[:2]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"image": GREY.astype(np.float32)}, "float32; expected uint8"),
        ({"image": GREY.tolist()}, "the image is list"),
        ({"image": np.zeros((4, 6, 4), np.uint8)}, r"shape \(4, 6, 4\)"),
        ({"image": np.zeros((4, 6, 1), np.uint8)}, r"shape \(4, 6, 1\)"),
        ({"image": np.zeros(5, np.uint8)}, r"shape \(5,\)"),
        ({"image": np.zeros((0, 6), np.uint8)}, "at least one pixel"),
        ({"image": np.broadcast_to(np.uint8(0), (1, MAX_SIDE + 1))}, "patch="),
        ({"labels": LABELS.astype(np.uint16)}, "labels are uint16; expected int32"),
        ({"labels": LABELS.T.copy()}, r"labels have shape \(6, 4\) but the image has \(4, 6\)"),
        ({"labels": LABELS[:2]}, "of the same pixels"),
        ({"labels": LABELS - 1}, "labels hold -1.*ignore="),
        ({"ignore": LABELS}, "ignore are int32; expected bool"),
        ({"ignore": np.zeros((3, 3), bool)}, "ignore have shape"),
        ({"pixel_size_nm": (5.0, 0.0)}, "two positive numbers"),
        ({"pixel_size_nm": (float("nan"), 1.0)}, "two positive numbers"),
    ],
)
def test_what_cannot_be_used_is_named_with_the_sample(fields, said):
    with pytest.raises(DataError, match=said) as caught:
        make(**fields)
    assert "'a'" in str(caught.value)


def test_equal_size_but_other_shape_is_refused():
    with pytest.raises(DataError, match="same pixels"):
        make(labels=np.zeros((3, 8), np.int32))


def test_without_reference_hides_labels_and_ignored_pixels_only():
    sample = make(labels=LABELS, ignore=LABELS > 0, group="g", split="test", pixel_size_nm=(5.0, 4.0), origin="o")
    blind = sample.without_reference()
    assert (blind.labels, blind.ignore) == (None, None)
    assert blind.image is sample.image
    assert (blind.id, blind.group, blind.split, blind.pixel_size_nm, blind.origin) == (
        "a",
        "g",
        "test",
        (5.0, 4.0),
        "o",
    )
    assert sample.labels is LABELS


def test_a_reference_reads_the_sample_that_it_listed():
    ref = SampleRef(id="a", read=read, group="g", split="test")
    assert ref.load().id == "a"
    assert pickle.loads(pickle.dumps(ref)).load().group == "g"


@pytest.mark.parametrize("wrong", [{"name": "b"}, {"group": "h"}, {"split": "train"}])
def test_a_sample_other_than_the_one_listed_is_an_error(wrong):
    with pytest.raises(DataError, match="must return the sample that it listed"):
        SampleRef(id="a", read=functools.partial(read, **wrong), group="g", split="test").load()


def test_references_are_equal_by_what_they_list():
    assert SampleRef(id="a", read=read) == SampleRef(id="a", read=make)
    assert SampleRef(id="a", read=read) != SampleRef(id="a", read=read, split="val")
