"""The data source ``synthetic``: what it promises to whoever reads it."""

import itertools
import pickle
import time
import tracemalloc
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
from scipy import ndimage

from mitobench.errors import UsageError
from mitobench.hashing import hash_array
from mitobench.interfaces import BuildContext, DataSource
from mitobench.options import parse_options
from mitobench.samples import Sample
from mitobench_data.synthetic import SyntheticSource
from mitobench_data.synthetic_options import SyntheticOptions

KINDS = ["em", "nuclei"]


def source(**values) -> SyntheticSource:
    options = parse_options(SyntheticOptions, values, owner="synthetic")
    return SyntheticSource(options, BuildContext())


def samples(**values) -> list[Sample]:
    return [ref.load() for ref in source(**values).refs()]


def refused(**values) -> str:
    with pytest.raises(UsageError) as error:
        source(**values)
    return str(error.value)


def test_it_is_a_data_source():
    assert isinstance(source(), DataSource)


@pytest.mark.parametrize("kind", KINDS)
def test_a_sample_says_what_it_is(kind):
    (sample,) = samples(kind=kind, n=1, size=96, split="val", seed=4)
    assert sample.image.shape == sample.labels.shape == (96, 96)
    assert sample.image.dtype == np.uint8
    assert sample.labels.dtype == np.int32
    assert sample.split == "val"
    assert not sample.semantic
    assert not sample.partial
    assert sample.ignore is None
    assert sample.pixel_size_nm == ((4.6, 4.6) if kind == "em" else (500.0, 500.0))
    assert sample.origin == hash_array(sample.image)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_options_give_the_same_pixels_whatever_was_read_before(kind):
    forwards = samples(kind=kind, n=3, size=80)
    backwards = [ref.load() for ref in reversed(list(source(kind=kind, n=3, size=80).refs()))][::-1]
    for a, b in zip(forwards, backwards, strict=True):
        assert np.array_equal(a.image, b.image)
        assert np.array_equal(a.labels, b.labels)
        assert a.id == b.id


@pytest.mark.parametrize("kind", KINDS)
def test_more_images_only_add_to_the_first(kind):
    few, many = samples(kind=kind, n=2, size=64), samples(kind=kind, n=4, size=64)
    assert [s.origin for s in many[:2]] == [s.origin for s in few]


@pytest.mark.parametrize("kind", KINDS)
def test_no_two_images_are_alike_across_indices_seeds_splits(kind):
    origins = []
    for split, seed in itertools.product(("all", "train", "val", "test"), (0, 1)):
        origins += [s.origin for s in samples(kind=kind, n=3, size=48, split=split, seed=seed)]
    assert len(set(origins)) == len(origins) == 24


def test_all_is_no_split_and_ids_are_unique():
    refs = [ref for split in ("all", "train", "val", "test") for ref in source(n=5, split=split).refs()]
    assert len({ref.id for ref in refs}) == 20
    assert [ref.split for ref in refs[::5]] == ["", "train", "val", "test"]


def test_images_of_one_volume_form_one_group_and_share_their_look():
    refs = list(source(n=7, group_size=3).refs())
    groups = [ref.group for ref in refs]
    assert [len(list(members)) for _, members in itertools.groupby(groups)] == [3, 3, 1]
    assert len(set(groups)) == 3
    means = np.array(
        [[s.image.mean() for s in volume] for volume in _volumes(n=16, group_size=2, size=64, kind="nuclei")]
    )
    assert np.corrcoef(np.log(means).T)[0, 1] > 0.6


def _volumes(**values):
    for _, members in itertools.groupby(samples(**values), key=lambda s: s.group):
        yield list(members)


def test_by_default_every_image_is_its_own_group():
    assert len({ref.group for ref in source(n=9).refs()}) == 9


@pytest.mark.parametrize("kind", KINDS)
def test_a_reference_is_pickled_into_another_process_and_reads_the_same_there(kind):
    ref = next(source(kind=kind, n=1, size=64).refs())
    assert pickle.loads(pickle.dumps(ref)).load().origin == ref.load().origin


def test_another_process_generates_the_same_pixels():
    ref = next(source(n=1, size=64).refs())
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert pool.submit(ref.read).result().origin == ref.load().origin


def test_a_million_samples_are_listed_without_memory_and_any_of_them_read():
    tracemalloc.start()
    refs = list(itertools.islice(source(n=1_000_000, size=32).refs(), 19_999, 20_000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000
    assert refs[0].id.endswith("019999")
    assert refs[0].load().shape == (32, 32)


def test_opening_a_million_samples_takes_no_time():
    start = time.process_time()
    million = source(n=1_000_000, size=4096)
    assert len(million.fingerprint) == 32
    next(million.refs())
    assert time.process_time() - start < 0.5


def test_the_references_can_be_listed_often():
    one = source(n=3)
    assert [ref.id for ref in one.refs()] == [ref.id for ref in one.refs()]


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "nuclei"},
        {"n": 17},
        {"size": 255},
        {"size": [256, 255]},
        {"seed": 1},
        {"split": "train"},
        {"objects": 1.5},
        {"pixel_size_nm": 5.0},
        {"group_size": 2},
    ],
    ids=str,
)
def test_every_option_that_changes_the_samples_changes_the_fingerprint(change):
    assert source(**change).fingerprint != source().fingerprint


def test_naming_a_default_changes_no_fingerprint():
    assert source(size=[256, 256], pixel_size_nm=4.6).fingerprint == source().fingerprint


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1, 2, [1, 200], [200, 1], [7, 3], [33, 121], [97, 64]], ids=str)
def test_any_size_will_do(kind, size):
    shape = (size, size) if isinstance(size, int) else tuple(size)
    for sample in samples(kind=kind, n=2, size=size):
        assert sample.shape == shape


@pytest.mark.parametrize(("kind", "pixel_size_nm"), [("em", 1), ("em", 40), ("nuclei", 50), ("nuclei", 5000)])
def test_any_declared_pixel_size_will_do(kind, pixel_size_nm):
    for sample in samples(kind=kind, n=2, size=100, pixel_size_nm=pixel_size_nm):
        assert sample.pixel_size_nm == (pixel_size_nm, pixel_size_nm)
        assert sample.image.std() > 0


@pytest.mark.parametrize("kind", KINDS)
def test_labels_are_1_to_k_and_each_is_one_connected_component(kind):
    objects = 0
    for sample in samples(kind=kind, n=6, size=128, objects=2.5):
        ids = np.unique(sample.labels[sample.labels > 0])
        assert ids.tolist() == list(range(1, ids.size + 1))
        for one in ids:
            assert ndimage.label(sample.labels == one)[1] == 1
        objects += ids.size
    assert objects >= 12


@pytest.mark.parametrize("kind", KINDS)
def test_no_objects_means_empty_labels_and_still_an_image(kind):
    for sample in samples(kind=kind, n=3, size=96, objects=0):
        assert not sample.labels.any()
        assert sample.image.std() > 0


@pytest.mark.parametrize("kind", KINDS)
def test_more_objects_cover_more(kind):
    covered = [
        np.mean([np.mean(s.labels > 0) for s in samples(kind=kind, n=8, size=96, objects=m)]) for m in (0.2, 1, 4)
    ]
    assert covered[0] < covered[1] < covered[2]


def test_an_unknown_option_is_refused_with_a_suggestion():
    assert "Did you mean 'objects'" in refused(object=2)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"kind": "emm"}, "'em' or 'nuclei'"),
        ({"n": -1}, "'n' is -1"),
        ({"size": 0}, "greater than or equal to 1"),
        ({"size": [64, 64, 64]}, "'size'"),
        ({"size": [64, -3]}, "-3"),
        ({"size": True}, "'size' is True"),
        ({"split": "holdout"}, "'split' is 'holdout'"),
        ({"objects": 9}, "less than or equal to 4"),
        ({"group_size": 0}, "'group_size' is 0"),
        ({"kind": "em", "pixel_size_nm": 500}, "kind=em give 1 to 40 nanometres"),
        ({"kind": "nuclei", "pixel_size_nm": 4.6}, "kind=nuclei give 50 to 5000 nanometres"),
        ({"size": [1 << 20, 1 << 20]}, "more and smaller images"),
    ],
    ids=str,
)
def test_an_option_out_of_range_is_refused_by_name(values, says):
    message = refused(**values)
    assert message.startswith("synthetic: ")
    assert says in message
