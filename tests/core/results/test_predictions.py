"""Stored predictions come back as they were, and never for another image."""

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
    stored = read_prediction(tmp_path, cell="c", image="a/b")
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
    assert np.array_equal(read_prediction(tmp_path, cell="c", image="i").segmentation.labels, labels)


def test_a_file_of_another_image_or_cell_is_refused(tmp_path):
    segmentation, prompts = example()
    write_prediction(tmp_path, cell="c", image="a", origin="", segmentation=segmentation, prompts=prompts)
    for suffix in (".tif", ".npz"):
        (tmp_path / f"{safe_name('a')}{suffix}").rename(tmp_path / f"{safe_name('b')}{suffix}")
    with pytest.raises(DataError, match="holds the prediction of image 'a'"):
        read_prediction(tmp_path, cell="c", image="b")


def test_absent_and_truncated_files_say_to_run_again(tmp_path):
    with pytest.raises(DataError, match="Run the cell again"):
        read_prediction(tmp_path, cell="c", image="a")
    segmentation, prompts = example()
    write_prediction(tmp_path, cell="c", image="a", origin="", segmentation=segmentation, prompts=prompts)
    path = tmp_path / f"{safe_name('a')}.npz"
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(DataError, match="Run the cell again"):
        read_prediction(tmp_path, cell="c", image="a")
