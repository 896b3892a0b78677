"""One sparse table holds all overlaps, whichever of the two counting loops made it, whatever the ids are."""

import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage.metrics import contingency_table

from mitobench_metrics import contingency, pair_kernel
from mitobench_metrics.contingency import Contingency, label_areas
from mitobench_metrics.object_boxes import object_boxes

HUGE = 2**31 - 1
label_ids = st.sampled_from([0, 0, 0, 1, 2, 3, 5, 900, HUGE])
shapes = hnp.array_shapes(min_dims=2, max_dims=2, max_side=12)


@st.composite
def label_pairs(draw):
    shape = draw(shapes)
    return tuple(draw(hnp.arrays(np.int32, shape, elements=label_ids)) for _ in range(2))


def dense_table(first, second):
    """Every pair of ids with its pixel count, by comparing masks one by one."""
    pairs = {}
    for a in np.unique(first):
        for b in np.unique(second):
            count = int(np.sum((first == a) & (second == b)))
            if count and (a or b):
                pairs[int(a), int(b)] = count
    return pairs


def as_mapping(keys, counts):
    return {(int(k) >> 32, int(k) & 0xFFFFFFFF): int(c) for k, c in zip(keys, counts, strict=True)}


@settings(deadline=None)
@given(label_pairs())
def test_both_loops_count_what_comparing_masks_counts(pair):
    expected = dense_table(*pair)
    flat = [labels.reshape(-1) for labels in pair]
    assert as_mapping(*contingency._count_runs(*flat)) == expected
    assert as_mapping(*pair_kernel.count_pairs(*flat)) == expected


@settings(deadline=None)
@given(label_pairs())
def test_areas_and_shared_pixels_agree_with_numpy(pair):
    reference, prediction = pair
    table = Contingency.of(reference, prediction)
    for ids, areas, labels in (
        (table.reference_ids, table.reference_areas, reference),
        (table.prediction_ids, table.prediction_areas, prediction),
    ):
        present, counts = np.unique(labels[labels > 0], return_counts=True)
        np.testing.assert_array_equal(ids, present)
        np.testing.assert_array_equal(areas, counts)
    for r, p, shared, union in zip(
        table.reference_ids[table.reference_index],
        table.prediction_ids[table.prediction_index],
        table.shared,
        table.union,
        strict=True,
    ):
        assert shared == np.sum((reference == r) & (prediction == p)) > 0
        assert union == np.sum((reference == r) | (prediction == p))


def test_the_table_agrees_with_scikit_image():
    rng = np.random.default_rng(0)
    reference, prediction = rng.integers(0, 40, (2, 64, 48), dtype=np.int32)
    theirs = contingency_table(reference, prediction).toarray()
    table = Contingency.of(reference, prediction)
    ours = np.zeros_like(theirs)
    ours[table.reference_ids[table.reference_index], table.prediction_ids[table.prediction_index]] = table.shared
    np.testing.assert_array_equal(ours[1:, 1:], theirs[1:, 1:])


def test_the_compiled_loop_grows_its_table_and_crosses_its_chunks():
    rng = np.random.default_rng(1)
    size = 2 * pair_kernel._CHUNK + 17
    first = rng.integers(0, 3000, size, dtype=np.int32)
    second = np.repeat(rng.integers(0, 9, size // 1000 + 1, dtype=np.int32), 1000)[:size]
    assert as_mapping(*pair_kernel.count_pairs(first, second)) == as_mapping(*contingency._count_runs(first, second))


@pytest.mark.parametrize("extra", [-1, 0, 1, 2])
def test_a_run_that_ends_at_a_chunk_border_is_counted_whole(extra):
    labels = np.full(pair_kernel._CHUNK + extra, 7, np.int32)
    assert as_mapping(*pair_kernel.count_pairs(labels, labels)) == {(7, 7): labels.size}


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1)])
def test_images_of_one_pixel_or_one_row_are_counted(shape):
    labels = np.full(shape, 3, np.int32)
    flat = labels.reshape(-1)
    for count in (contingency._count_runs, pair_kernel.count_pairs):
        assert as_mapping(*count(flat, flat)) == {(3, 3): labels.size}


def test_an_empty_image_has_an_empty_table():
    nothing = np.zeros((0, 4), np.int32)
    table = Contingency.of(nothing, nothing)
    assert table.reference_ids.size == table.prediction_ids.size == table.shared.size == 0


def test_large_images_are_counted_by_the_compiled_loop_with_the_same_result(monkeypatch):
    rng = np.random.default_rng(2)
    pair = rng.integers(0, 50, (2, 30, 30), dtype=np.int32)
    expected = contingency.count_pairs(*pair)
    called = []
    real = pair_kernel.count_pairs
    monkeypatch.setattr(pair_kernel, "count_pairs", lambda *args: called.append(1) or real(*args))
    monkeypatch.setattr(contingency, "COMPILED_FROM_PIXELS", 900)
    contingency._compiled_loop.cache_clear()
    result = contingency.count_pairs(*pair)
    contingency._compiled_loop.cache_clear()
    assert called == [1]
    for ours, wanted in zip(result, expected, strict=True):
        np.testing.assert_array_equal(ours, wanted)


@pytest.mark.parametrize("threshold", [1, 10**9])
def test_read_only_and_strided_images_are_counted(monkeypatch, threshold):
    monkeypatch.setattr(contingency, "COMPILED_FROM_PIXELS", threshold)
    frame = np.arange(64, dtype=np.int32).reshape(8, 8) // 5
    frame.flags.writeable = False
    for view in (frame, frame[::2, 1::3], frame.T, np.asfortranarray(frame)):
        ids, areas = label_areas(view)
        present, counts = np.unique(view[view > 0], return_counts=True)
        np.testing.assert_array_equal(ids, present)
        np.testing.assert_array_equal(areas, counts)


def test_without_numba_large_images_are_counted_by_numpy():
    code = (
        "import sys; sys.modules['numba'] = None\n"
        "import numpy as np\n"
        "from mitobench_metrics import contingency\n"
        "contingency.COMPILED_FROM_PIXELS = 1\n"
        "table = contingency.Contingency.of(np.array([[5, 5, 0]], np.int32), np.array([[0, 2, 2]], np.int32))\n"
        "print(table.shared.tolist(), table.union.tolist(), contingency._compiled_loop())"
    )
    command = [sys.executable, "-W", "error", "-c", code]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[1] [3] None\n"


def test_an_unreadable_compiled_cache_is_ignored(monkeypatch):
    asked = []

    def njit(signature, *, cache=False, nogil):
        asked.append(cache)
        if cache:
            raise ModuleNotFoundError("a cache file of another installation")
        return lambda function: function

    monkeypatch.setattr(pair_kernel.numba, "njit", njit)
    table = pair_kernel._compile()(np.array([4, 4], np.int32), np.array([0, 0], np.int32))
    assert asked == [True, False]
    assert table.tolist() == [[4 << 32, 2]]


@pytest.mark.parametrize("threshold", [1, 10**9])
def test_ids_near_the_limit_cost_no_more_memory_than_small_ones(monkeypatch, threshold):
    monkeypatch.setattr(contingency, "COMPILED_FROM_PIXELS", threshold)
    small = np.zeros((256, 256), np.int32)
    small[10:50, 10:50], small[60:90, 60:90], small[100:200, 100:120] = 1, 2, 3
    huge = np.array([0, 5, 900, HUGE], np.int32)[small]
    contingency.count_pairs(small, small)
    tracemalloc.start()
    table = Contingency.of(huge, huge)
    boxes = object_boxes(huge, table.reference_ids)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert table.reference_ids.tolist() == [5, 900, HUGE]
    assert table.shared.tolist() == Contingency.of(small, small).shared.tolist()
    assert boxes[HUGE] == (slice(100, 200), slice(100, 120))
    assert peak < 16 * 2**20


def test_more_objects_than_sixteen_bits_can_number_are_told_apart():
    labels = np.zeros((600, 600), np.int32)
    labels[::2, ::2] = np.arange(1, 300 * 300 + 1).reshape(300, 300)
    table = Contingency.of(labels, labels)
    assert table.reference_ids.size == 90_000
    assert (table.shared == 1).all()


def test_images_of_equal_size_but_other_shape_are_refused():
    with pytest.raises(ValueError, match=r"\(3, 4\) and \(4, 3\)"):
        Contingency.of(np.zeros((3, 4), np.int32), np.zeros((4, 3), np.int32))


@settings(deadline=None)
@given(hnp.arrays(np.int32, shapes, elements=label_ids))
def test_boxes_enclose_each_object_tightly(labels):
    ids = np.unique(labels[labels > 0]).astype(np.int64)
    boxes = object_boxes(labels, ids)
    assert list(boxes) == ids.tolist()
    for i, (rows, columns) in boxes.items():
        ys, xs = np.nonzero(labels == i)
        assert (rows.start, rows.stop, columns.start, columns.stop) == (ys.min(), ys.max() + 1, xs.min(), xs.max() + 1)
