"""How good a training is so far: pooled foreground Dice and F1 at IoU 0.5, of the samples held out for validation."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Tally", "tally"]


@dataclass(frozen=True)
class Tally:
    """Counts of one or many images; they add up.

    Attributes:
        shared, predicted, expected: foreground pixels in both, in the prediction, in the reference.
        matched, found, real: instance pairs at IoU 0.5, instances of the prediction, of the reference.
    """

    shared: int = 0
    predicted: int = 0
    expected: int = 0
    matched: int = 0
    found: int = 0
    real: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))

    @property
    def dice(self) -> float:
        """Foreground Dice; 1 where neither has foreground."""
        return _share(2 * self.shared, self.predicted + self.expected)

    @property
    def iou(self) -> float:
        """Foreground IoU; 1 where neither has foreground."""
        return _share(self.shared, self.predicted + self.expected - self.shared)

    @property
    def f1(self) -> float:
        """F1 at IoU 0.5; 1 where neither has instances."""
        return _share(2 * self.matched, self.found + self.real)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 1.0


def tally(reference: NDArray[np.integer], prediction: NDArray[np.integer], ignore: NDArray[np.bool_] | None) -> Tally:
    """Count one image; a pair matches where 2 * shared pixels >= pixels of the union, one-to-one.

    Args:
        reference, prediction: instance labels (H, W), 0 = background.
        ignore: bool (H, W), pixels to leave out, or None.
    """
    counted = slice(None) if ignore is None else ~ignore
    real, expected = np.unique(reference[counted], return_inverse=True)
    found, predicted = np.unique(prediction[counted], return_inverse=True)
    table = np.zeros((real.size, found.size), np.int64)
    pairs, counts = np.unique(expected.reshape(-1) * max(1, found.size) + predicted.reshape(-1), return_counts=True)
    table.reshape(-1)[pairs] = counts
    union = table.sum(1)[:, None] + table.sum(0)[None, :] - table
    rows, columns = np.nonzero((real > 0)[:, None] & (found > 0)[None, :] & (2 * table >= union) & (table > 0))
    order = np.lexsort((columns, rows, -table[rows, columns] / union[rows, columns]))
    taken_rows: set[int] = set()
    taken_columns: set[int] = set()
    for row, column in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
        if row not in taken_rows and column not in taken_columns:
            taken_rows.add(row)
            taken_columns.add(column)
    inner = table[np.ix_(real > 0, found > 0)]
    return Tally(
        int(inner.sum()),
        int(table[:, found > 0].sum()),
        int(table[real > 0].sum()),
        len(taken_rows),
        int((found > 0).sum()),
        int((real > 0).sum()),
    )
