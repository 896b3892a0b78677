"""The sparse contingency table of two label images: which objects share how many pixels."""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["COMPILED_FROM_PIXELS", "Contingency", "count_pairs", "label_areas"]

COMPILED_FROM_PIXELS = 1 << 22
"""Images of at least this many pixels are counted by the compiled loop, if numba is there; both ways give the same table."""

_Counted = tuple[NDArray[np.int64], NDArray[np.int64]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Contingency:
    """Areas of the objects of two label images, and the pixels that each overlapping pair shares. All arrays int64.

    Attributes:
        reference_ids, reference_areas: (R,), ascending ids, background excluded.
        prediction_ids, prediction_areas: (K,), likewise.
        reference_index, prediction_index: (M,), positions in the above of each pair that shares a pixel, ordered by
            reference, then prediction.
        shared: (M,), the pixels that the pair shares, >= 1.

    >>> table = Contingency.of(np.array([[900, 900, 5]], np.int32), np.array([[1, 2, 2]], np.int32))
    >>> table.reference_ids.tolist(), table.reference_areas.tolist(), table.union.tolist()
    ([5, 900], [1, 2], [2, 2, 3])
    """

    reference_ids: NDArray[np.int64]
    reference_areas: NDArray[np.int64]
    prediction_ids: NDArray[np.int64]
    prediction_areas: NDArray[np.int64]
    reference_index: NDArray[np.int64]
    prediction_index: NDArray[np.int64]
    shared: NDArray[np.int64]

    @classmethod
    def of(cls, reference: NDArray[np.int32], prediction: NDArray[np.int32]) -> "Contingency":
        """Count the table in one pass; time grows with the pixels, memory with the pairs, whatever the ids are.

        Args:
            reference, prediction: int32 (H, W), labels >= 0, 0 = background, of the same shape.

        Raises:
            ValueError: the shapes differ.
        """
        keys, counts = count_pairs(reference, prediction)
        rows, columns = keys >> 32, keys & 0xFFFFFFFF
        reference_ids, reference_areas = _areas(rows, counts)
        prediction_ids, prediction_areas = _areas(columns, counts)
        both = (rows > 0) & (columns > 0)
        return cls(
            reference_ids=reference_ids,
            reference_areas=reference_areas,
            prediction_ids=prediction_ids,
            prediction_areas=prediction_areas,
            reference_index=np.searchsorted(reference_ids, rows[both]),
            prediction_index=np.searchsorted(prediction_ids, columns[both]),
            shared=counts[both],
        )

    @property
    def union(self) -> NDArray[np.int64]:
        """(M,): the pixels that either object of each pair has."""
        together = self.reference_areas[self.reference_index] + self.prediction_areas[self.prediction_index]
        return together - self.shared


def count_pairs(first: NDArray[np.int32], second: NDArray[np.int32]) -> _Counted:
    """Count how often each pair of labels lies on the same pixel.

    Args:
        first, second: int32 (H, W), labels >= 0, of the same shape.

    Returns:
        keys int64 (N,), ascending, each ``first << 32 | second``, the pair (0, 0) left out; counts int64 (N,).

    Raises:
        ValueError: the shapes differ.

    >>> keys, counts = count_pairs(np.array([[0, 3, 3]], np.int32), np.array([[0, 0, 0]], np.int32))
    >>> (keys >> 32).tolist(), counts.tolist()
    ([3], [2])
    """
    if first.shape != second.shape:
        raise ValueError(f"label images have shapes {first.shape} and {second.shape}; expected the same pixels.")
    if first.size == 0:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    flat_first, flat_second = (np.ascontiguousarray(labels, np.int32).reshape(-1) for labels in (first, second))
    compiled = _compiled_loop() if first.size >= COMPILED_FROM_PIXELS else None
    if compiled is None:
        return _count_runs(flat_first, flat_second)
    keys, counts = compiled(flat_first, flat_second)
    order = np.argsort(keys)
    return keys[order], counts[order]


def label_areas(labels: NDArray[np.int32]) -> _Counted:
    """The ids of a label image, ascending, background excluded, and their pixel counts.

    Args:
        labels: int32 (H, W), >= 0.

    Returns:
        ids int64 (N,), areas int64 (N,).

    >>> [values.tolist() for values in label_areas(np.array([[0, 9, 4, 9]], np.int32))]
    [[4, 9], [1, 2]]
    """
    keys, counts = count_pairs(labels, labels)
    return keys >> 32, counts


@functools.cache
def _compiled_loop() -> Callable[[NDArray[np.int32], NDArray[np.int32]], _Counted] | None:
    try:
        from mitobench_metrics import pair_kernel
    except Exception:  # numba is absent, or of no use with this Python or numpy; numpy counts the same, slower
        return None
    return pair_kernel.count_pairs


def _count_runs(first: NDArray[np.int32], second: NDArray[np.int32]) -> _Counted:
    changes = (first[1:] != first[:-1]) | (second[1:] != second[:-1])
    starts = np.concatenate([np.zeros(1, np.int64), np.flatnonzero(changes) + 1])
    lengths = np.diff(starts, append=first.size)
    keys = (first[starts].astype(np.int64) << 32) | second[starts]
    return _sum_by(keys[keys != 0], lengths[keys != 0])


def _areas(ids: NDArray[np.int64], counts: NDArray[np.int64]) -> _Counted:
    return _sum_by(ids[ids > 0], counts[ids > 0])


def _sum_by(keys: NDArray[np.int64], counts: NDArray[np.int64]) -> _Counted:
    order = np.argsort(keys)
    ordered = keys[order]
    first = np.flatnonzero(np.diff(ordered, prepend=-1))
    sums = np.add.reduceat(counts[order], first) if first.size else np.zeros(0, np.int64)
    return ordered[first], sums
