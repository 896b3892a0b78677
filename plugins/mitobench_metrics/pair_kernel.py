"""The one compiled loop of mitobench: run-length counting of the label pairs of two images (needs numba).

Importing this module compiles the loop or reads it from numba's on-disk cache, so only
:mod:`mitobench_metrics.contingency` imports it, and only for images that are large enough to repay it.
"""

from typing import Any

import numba
import numpy as np
from numba import types
from numpy.typing import NDArray

__all__ = ["count_pairs"]

_LABELS = types.Array(types.int32, 1, "C", readonly=True)
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_CHUNK = 1 << 18


@numba.njit
def _insert(table: Any, key: int, count: int) -> int:
    """Add ``count`` to ``key`` in an open-addressing table (S, 2), S a power of two; 1 if the key is new."""
    last = np.uint64(table.shape[0] - 1)
    mixed = np.uint64(key) * _MULTIPLIER
    slot = np.int64((mixed ^ (mixed >> np.uint64(32))) & last)
    while table[slot, 0] != 0:
        if table[slot, 0] == key:
            table[slot, 1] += count
            return 0
        slot = np.int64(np.uint64(slot + 1) & last)
    table[slot, 0] = key
    table[slot, 1] = count
    return 1


@numba.njit
def _grown(table: Any) -> Any:
    """The same table with twice the slots."""
    wider = np.zeros((2 * table.shape[0], 2), np.int64)
    for slot in range(table.shape[0]):
        if table[slot, 0] != 0:
            _insert(wider, table[slot, 0], table[slot, 1])
    return wider


@numba.njit
def _run_ends(first: Any, first_next: Any, second: Any, second_next: Any, flags: Any, ends: Any) -> int:
    """Positions after which the pair changes; two loops without branches, so that the first one vectorises."""
    for position in range(flags.size):
        flags[position] = (first[position] != first_next[position]) | (second[position] != second_next[position])
    count = 0
    for position in range(flags.size):
        ends[count] = position
        count += flags[position]
    return count


@numba.njit
def _collect(first: Any, second: Any, offset: int, ends: Any, table: Any, used: int, start: int) -> Any:
    """Add the runs that end at ``offset + ends``, the first of which begins at ``start``."""
    for index in range(ends.size):
        stop = offset + ends[index] + 1
        key = (np.int64(first[start]) << 32) | np.int64(second[start])
        if key != 0:
            used += _insert(table, key, stop - start)
            if 2 * used > table.shape[0]:
                table = _grown(table)
        start = stop
    return table, used, start


def _count(first: Any, second: Any) -> Any:
    """One pass over both images in chunks that stay in the processor's cache; each run costs one table access."""
    size = first.size
    table, used, start = np.zeros((1024, 2), np.int64), 0, 0
    flags, ends = np.zeros(_CHUNK, np.uint8), np.zeros(_CHUNK + 1, np.int64)
    for low in range(0, size - 1, _CHUNK):
        high = min(low + _CHUNK, size - 1)
        count = _run_ends(
            first[low:high],
            first[low + 1 : high + 1],
            second[low:high],
            second[low + 1 : high + 1],
            flags[: high - low],
            ends,
        )
        table, used, start = _collect(first, second, low, ends[:count], table, used, start)
    ends[0] = size - 1
    table, used, start = _collect(first, second, 0, ends[:1], table, used, start)
    return table[table[:, 0] != 0]


def _compile() -> Any:
    signature = (_LABELS, _LABELS)
    try:
        return numba.njit(signature, cache=True, nogil=True)(_count)
    except Exception:  # no folder to keep the cache in, a full disk, or a cache file that cannot be read
        return numba.njit(signature, nogil=True)(_count)


_count_compiled = _compile()


def count_pairs(first: NDArray[np.int32], second: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count the label pairs of two images; releases the GIL, memory grows with the number of pairs only.

    Args:
        first, second: int32 (P,), contiguous, labels >= 0, P >= 1.

    Returns:
        keys int64 (N,), each ``first << 32 | second`` of a pair that is not (0, 0), in no particular order, and counts
        int64 (N,).

    >>> keys, counts = count_pairs(np.array([0, 5, 5, 5], np.int32), np.array([0, 0, 1, 1], np.int32))
    >>> sorted((int(key) >> 32, int(key) & 0xFFFFFFFF, int(count)) for key, count in zip(keys, counts))
    [(5, 0, 1), (5, 1, 2)]
    """
    table = _count_compiled(first, second)
    return table[:, 0], table[:, 1]
