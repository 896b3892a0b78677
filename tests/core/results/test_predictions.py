"""Stored predictions come back as they were, and never for another image."""

import io
import json
import tracemalloc
import zipfile

import numpy as np
import pytest
import tifffile

from mitobench.errors import DataError
from mitobench.files import safe_name
from mitobench.masks import PackedMasks
from mitobench.prompts import Prompts
from mitobench.results.predictions import read_prediction, write_prediction
from mitobench.segmentations import Segmentation


def example(count=3, *, prompted=True):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, count + 1, (20, 30)).astype(np.int32)
    scores = rng.random(count).astype(np.float32)
    if not prompted:
        return Segmentation(labels=labels, scores=scores, semantic=True), Prompts()
    masks = PackedMasks.from_dense(rng.random((2, 20, 30)) > 0.5, (20, 30))
    prompts = Prompts(
        boxes=np.array([[0, 0, 5, 5], [1, 2, 3, 4]], np.float32),
        points=rng.random((2, 1, 2)).astype(np.float32),
        point_labels=np.ones((2, 1), np.int8),
        targets=np.array([4, -1]),
    )
    return Segmentation(
        labels=labels, scores=scores, masks=masks, mask_scores=np.array([0.1, 0.9], np.float32)
    ), prompts


@pytest.mark.parametrize("prompted", [True, False])
def test_a_prediction_comes_back_whole(tmp_path, prompted):
    segmentation, prompts = example(prompted=prompted)
    write_prediction(tmp_path, cell="c", image="a/b", origin="o", segmentation=segmentation, prompts=prompts)
    stored = read_prediction(tmp_path, cell="c", image="a/b", shape=(20, 30))
    assert np.array_equal(stored.segmentation.labels, segmentation.labels)
    assert np.array_equal(stored.segmentation.scores, segmentation.scores)
    assert stored.segmentation.semantic is segmentation.semantic
    assert len(stored.prompts) == len(prompts)
    if prompted:
        assert all(np.array_equal(stored.segmentation.masks.dense(i), segmentation.masks.dense(i)) for i in range(2))
        assert np.array_equal(stored.prompts.targets, prompts.targets)
        assert stored.prompts.masks is None


@pytest.mark.parametrize(("count", "dtype"), [(3, np.uint8), (300, np.uint16), (70_000, np.uint32)])
def test_labels_take_the_smallest_type_that_fits(tmp_path, count, dtype):
    labels = np.arange(count + 1, dtype=np.int32)[None]
    segmentation = Segmentation(labels=labels, scores=np.ones(count, np.float32))
    write_prediction(tmp_path, cell="c", image="i", origin="", segmentation=segmentation, prompts=Prompts())
    assert tifffile.imread(tmp_path / f"{safe_name('i')}.tif").dtype == dtype
    assert np.array_equal(
        read_prediction(tmp_path, cell="c", image="i", shape=labels.shape).segmentation.labels, labels
    )


def test_a_file_of_another_image_or_cell_is_refused(tmp_path):
    segmentation, prompts = example()
    write_prediction(tmp_path, cell="c", image="a", origin="", segmentation=segmentation, prompts=prompts)
    for suffix in (".tif", ".npz"):
        (tmp_path / f"{safe_name('a')}{suffix}").rename(tmp_path / f"{safe_name('b')}{suffix}")
    with pytest.raises(DataError, match="holds the prediction of image 'a'"):
        read_prediction(tmp_path, cell="c", image="b", shape=(20, 30))


def test_absent_and_truncated_files_say_to_run_again(tmp_path):
    with pytest.raises(DataError, match="Run the cell again"):
        read_prediction(tmp_path, cell="c", image="a", shape=(20, 30))
    segmentation, prompts = example()
    write_prediction(tmp_path, cell="c", image="a", origin="", segmentation=segmentation, prompts=prompts)
    path = tmp_path / f"{safe_name('a')}.npz"
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(DataError, match="Run the cell again"):
        read_prediction(tmp_path, cell="c", image="a", shape=(20, 30))


@pytest.fixture
def stored(tmp_path):
    """A stored prediction of (20, 30) pixels: its two files, the TIFF image first."""
    segmentation, prompts = example(prompted=False)
    write_prediction(tmp_path, cell="c", image="a", origin="", segmentation=segmentation, prompts=prompts)
    return [tmp_path / f"{safe_name('a')}{suffix}" for suffix in (".tif", ".npz")]


def refused_in_little_memory(path, match):
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=match):
            read_prediction(path.parent, cell="c", image="a", shape=(20, 30))
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1)])
def test_images_of_one_line_come_back(tmp_path, shape):
    segmentation = Segmentation(labels=np.ones(shape, np.int32), scores=np.ones(1, np.float32))
    write_prediction(tmp_path, cell="c", image="a", origin="", segmentation=segmentation, prompts=Prompts())
    found = read_prediction(tmp_path, cell="c", image="a", shape=shape)
    assert np.array_equal(found.segmentation.labels, segmentation.labels)


@pytest.mark.parametrize(
    ("shape", "options", "match"),
    [
        ((6000, 6000), {"compression": "zlib"}, "labels of 6000 x 6000 pixels for an image of 20 x 30"),
        ((30, 20), {}, "labels of 30 x 20 pixels"),
        ((20, 30), {"tile": (4096, 4096), "compression": "zlib"}, "another kind than predictions are"),
        ((20, 30), {"compression": "lzma"}, "another kind than predictions are"),
        ((20, 30, 3), {"photometric": "rgb"}, "another kind than predictions are"),
    ],
)
def test_labels_that_claim_more_than_the_image_has_are_refused_before_they_are_decoded(stored, shape, options, match):
    with tifffile.TiffFile(stored[0]) as file:
        said = file.pages[0].description
    tifffile.imwrite(stored[0], np.zeros(shape, np.uint8), description=said, metadata=None, **options)
    assert stored[0].stat().st_size < 50_000
    refused_in_little_memory(stored[0], match)


def test_signed_labels_and_labels_without_a_score_are_refused(stored):
    with tifffile.TiffFile(stored[0]) as file:
        said = file.pages[0].description
    for labels in (
        np.zeros((20, 30), np.int16),
        np.full((20, 30), 9, np.uint8),
        np.full((20, 30), 2**32 - 1, np.uint32),
    ):
        tifffile.imwrite(stored[0], labels, description=said, metadata=None)
        with pytest.raises(DataError, match="cannot be read"):
            read_prediction(stored[0].parent, cell="c", image="a", shape=(20, 30))


def test_arrays_that_unfold_into_more_than_an_image_of_this_size_has_are_refused(stored, monkeypatch):
    monkeypatch.setattr("mitobench.results.predictions._MOST_BITS", 20)
    claimed = (1 << 20) + 20 * 30 * 1024
    with np.load(stored[1]) as found:
        arrays = dict(found)
    for more, fine in ((claimed - 10_000, True), (claimed + 1, False)):
        np.savez_compressed(stored[1], **arrays, mask_bits=np.zeros(more, np.uint8))
        assert stored[1].stat().st_size < 10_000
        if fine:
            read_prediction(stored[1].parent, cell="c", image="a", shape=(20, 30))
        else:
            refused_in_little_memory(stored[1], "bytes; at most 1662976 are read for an image of this size")


def test_a_header_that_claims_more_than_the_archive_holds_is_damage(stored):
    with np.load(stored[1]) as found:
        about = found["about"]
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (1 << 24,)})
    said = io.BytesIO()
    np.save(said, about)
    with zipfile.ZipFile(stored[1], "w") as archive:
        archive.writestr("about.npy", said.getvalue())
        archive.writestr("instance_scores.npy", header.getvalue())
    assert json.loads(about.tobytes())["cell"] == "c"
    with pytest.raises(DataError, match="cannot be read"):
        read_prediction(stored[1].parent, cell="c", image="a", shape=(20, 30))
