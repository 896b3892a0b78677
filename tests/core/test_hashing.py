"""Hashes: equal content gives equal hashes however it is held; any change gives another."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from mitobench.hashing import hash_array, hash_data, hash_file, sha256_file

DATA = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), DATA, max_size=4))
def test_the_order_of_keys_does_not_matter(data):
    assert hash_data(data) == hash_data(dict(reversed(data.items())))
    assert len(hash_data(data)) == 32


def test_other_data_hash_otherwise():
    different = [None, True, 1, 1.5, "1", [], {}, [1, 2], [2, 1], {"a": 1}, {"a": 2}, {"b": 1}, "ä", [[1], 2]]
    assert len({hash_data(data) for data in different}) == len(different)


def test_hashes_do_not_change_from_version_to_version():
    def digest(content):
        return hashlib.blake2b(content, digest_size=16).hexdigest()

    assert hash_data({"b": "\u00e4", "a": [1, "x", None, 0.5]}) == digest(b'{"a":[1,"x",null,0.5],"b":"\\u00e4"}')
    numbers = np.array([[1, 2], [256, 3]], np.uint16)
    assert hash_array(numbers) == digest(b"<u2(2, 2)" + b"\x01\0\x02\0\0\x01\x03\0")


@pytest.mark.parametrize("data", [float("nan"), {"a": object()}, {1, 2}, b"x"])
def test_what_json_cannot_hold_is_refused(data):
    with pytest.raises((ValueError, TypeError)):
        hash_data(data)


@given(arrays(st.sampled_from([np.uint8, np.uint16, np.int32, np.float32, np.bool_]), array_shapes(min_side=0)))
def test_memory_layout_and_byte_order_do_not_matter(array):
    expected = hash_array(array)
    assert hash_array(np.asfortranarray(array)) == expected
    assert hash_array(array.astype(array.dtype.newbyteorder(">"))) == expected
    assert hash_array(np.repeat(array, 2, axis=0)[::2]) == expected


def test_shape_dtype_and_values_matter():
    array = np.arange(6, dtype=np.uint8)
    different = [
        array,
        array.reshape(2, 3),
        array.reshape(3, 2),
        array.astype(np.int8),
        array.astype(np.uint16),
        array[::-1],
    ]
    different += [
        np.zeros((0, 2), np.uint8),
        np.zeros((2, 0), np.uint8),
        np.array(5, np.uint8),
        np.array([5], np.uint8),
    ]
    assert len({hash_array(a) for a in different}) == len(different)


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1])
def test_files_hash_by_content(tmp_path, size):
    data = np.random.default_rng(0).bytes(size)
    (tmp_path / "a").write_bytes(data)
    assert sha256_file(tmp_path / "a") == hashlib.sha256(data).hexdigest()
    assert hash_file(tmp_path / "a") == hashlib.blake2b(data, digest_size=16).hexdigest()
