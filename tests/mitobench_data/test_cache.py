"""The cache and the handles keep what they promise: bounded memory, closed files, empty pickles."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tifffile

from mitobench_data.cache import PlaneCache
from mitobench_data.handles import Handle


def test_a_plane_is_read_once_while_it_is_remembered():
    cache, reads = PlaneCache(), []
    for _ in range(3):
        cache.plane("a", lambda: reads.append(1) or np.zeros(3))
    assert len(reads) == 1


def test_the_least_recently_used_plane_goes_first():
    cache = PlaneCache()
    for key in range(16):
        cache.plane(key, lambda: np.zeros(1))
    cache.plane(0, lambda: pytest.fail("plane 0 is remembered"))
    cache.plane(16, lambda: np.zeros(1))
    cache.plane(0, lambda: pytest.fail("plane 0 was used lately"))
    reads = []
    cache.plane(1, lambda: reads.append(1) or np.zeros(1))
    assert reads == [1]


def test_large_planes_push_out_all_but_the_last():
    cache = PlaneCache()
    for key in range(4):
        cache.plane(key, lambda: np.empty(1 << 27, np.uint8))
    assert list(cache._planes) == [3]


def test_notes_outlive_planes():
    cache = PlaneCache()
    assert cache.note("a", lambda: "first") == "first"
    assert cache.note("a", lambda: "second") == "first"


def test_a_pickle_is_empty():
    cache = PlaneCache()
    cache.plane("a", lambda: np.zeros(100_000))
    data = pickle.dumps(cache)
    assert len(data) < 200
    assert pickle.loads(data).plane("a", lambda: np.ones(1)).sum() == 1


def test_a_handle_opens_once_and_closes_when_it_is_dropped(tmp_path):
    path = tmp_path / "a"
    path.write_text("x")
    handle = Handle(partial(Path.open, path))
    file = handle.get()
    assert handle.get() is file
    again = pickle.loads(pickle.dumps(handle)).get()
    assert again is not file
    again.close()
    del handle
    assert file.closed


def test_a_handle_that_was_closed_opens_again(tmp_path):
    path = tmp_path / "a"
    path.write_text("x")
    handle = Handle(partial(Path.open, path))
    first = handle.get()
    handle.close()
    handle.close()
    assert first.closed
    assert handle.get().read() == "x"


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_threads_may_read_one_stack_together(build, stack, volume, compression):
    tifffile.imwrite(stack["images"], volume[0], compression=compression)
    refs = list(build("tiff-stack", **stack, patch=10).refs())
    with ThreadPoolExecutor(4) as pool:
        samples = list(pool.map(lambda ref: ref.load(), refs))
    for ref, sample in zip(refs, samples, strict=True):
        np.testing.assert_array_equal(sample.image, ref.load().image)
