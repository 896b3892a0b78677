"""Which images of a cell are looked at: its best, its median and its worst."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Pick", "most_telling", "pick_images"]


@dataclass(frozen=True)
class Pick:
    """One image of a cell.

    Attributes:
        place: ``"best"``, ``"median"`` ...
        image: its id.
        value: its score.
        row: its position in the cell's table.
    """

    place: str
    image: str
    value: float
    row: int


def pick_images(
    images: Sequence[str], values: NDArray[np.float64], *, count: int, higher_is_better: bool
) -> list[Pick]:
    """Images evenly spaced between the best and the worst, both included.

    Args:
        images: ids (n,).
        values: the score of each (n,); NaN where undefined, which are left out.
        count: how many; fewer where fewer are defined.
        higher_is_better: the direction of the score.

    >>> [p.place for p in pick_images(["a", "b", "c"], np.array([0.1, 0.9, 0.5]), count=3, higher_is_better=True)]
    ['best', 'median', 'worst']
    """
    defined = np.flatnonzero(np.isfinite(values))
    signed = -values[defined] if higher_is_better else values[defined]
    order = defined[np.argsort(signed, kind="stable")]
    if not order.size or count < 1:
        return []
    ranks = np.unique(np.rint(np.linspace(0, order.size - 1, min(count, order.size))).astype(int))
    return [Pick(_place(r, order.size), str(images[order[r]]), float(values[order[r]]), int(order[r])) for r in ranks]


def most_telling(images: Sequence[str], values: NDArray[np.float64], count: int) -> list[str]:
    """The images on which cells differ most, in the order of ``images``.

    Args:
        images: ids (n,).
        values: a score (cells, n); NaN where undefined or not seen.
        count: how many.
    """
    seen = np.isfinite(values)
    number = seen.sum(axis=0)
    mean = np.divide(np.where(seen, values, 0).sum(axis=0), number, out=np.zeros(len(images)), where=number > 0)
    spread = np.where(seen, (values - mean) ** 2, 0).sum(axis=0) / np.maximum(number, 1)
    best = np.lexsort((np.arange(len(images)), -spread, -number))[:count]
    return [str(images[i]) for i in sorted(best)]


def _place(rank: int, count: int) -> str:
    if count == 1:
        return "only"
    if rank in (0, count - 1):
        return "worst" if rank else "best"
    return "median" if 2 * rank in (count - 1, count, count - 2) else f"{rank + 1}th of {count}"
