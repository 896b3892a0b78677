"""One cell in several runs: whether all say the same of the images that they share."""

from collections.abc import Sequence

import numpy as np

from mitobench.results.tables import CellTable

__all__ = ["contradiction"]

_ROUNDING = 1e-9


def contradiction(tables: Sequence[CellTable], metric: str) -> tuple[int, int, str] | None:
    """The first image that one table says something else of than an earlier one does.

    Args:
        tables: of one cell.
        metric: the key of the metric whose statistics are compared, wherever it measured the image.

    Returns:
        the places of both tables, and the image; None where all agree, to rounding.
    """
    stored = [table.statistics(metric) for table in tables]
    names = sorted(set().union(*(found[0] for found in stored)))
    place = {name: column for column, name in enumerate(names)}
    known: dict[str, tuple[int, tuple[float, ...]]] = {}
    for number, (table, (own, values, measured)) in enumerate(zip(tables, stored, strict=True)):
        aligned = np.zeros((len(table.images), len(names)))
        aligned[:, [place[name] for name in own]] = values
        for row in np.flatnonzero(measured & (table.status == "ok")):
            image, said = str(table.images[row]), tuple(aligned[row].tolist())
            earlier, before = known.setdefault(image, (number, said))
            if said != before and not np.allclose(said, before, rtol=_ROUNDING, atol=_ROUNDING, equal_nan=True):
                return earlier, number, image
    return None
