"""Ranks: which cells of a table have one, and how certain it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mitobench.ranking.evidence import CellEvidence
from mitobench.ranking.ranks import rank_intervals, ranks
from mitobench.ranking.resampling import Resampling
from mitobench.ranking.standings import Column
from mitobench.ranking.statistics import Estimate

__all__ = ["Ranking", "rank_cells"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Ranking:
    """The ranked cells of one table.

    Attributes:
        column: what ranks; None where there is no score.
        cells: the ranked ones, the best first.
        places: (rank, low, high) by the cell's key.
        estimates: of ``column``, by the cell's key, in the order of ``cells``.
        deciding: of the column that ranks before ``column`` does; empty where none does.
        units: groups or images that were resampled.
    """

    column: Column | None
    cells: tuple[CellEvidence, ...] = ()
    places: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)
    estimates: Mapping[str, Estimate] = field(default_factory=dict)
    deciding: Mapping[str, Estimate] = field(default_factory=dict)
    units: int = 0


def rank_cells(
    entries: Sequence[CellEvidence],
    scored: Sequence[Mapping[str, Estimate]],
    column: Column | None,
    drawn: Resampling,
    count: int,
) -> Ranking:
    """Rank the cells that are complete and whose every image the ranking metric measured.

    Args:
        entries: the cells of a table.
        scored: their estimates by column name.
        column: what ranks.
        drawn: the table's resampling.
        count: images that any of the cells has seen.
    """
    if column is None:
        return Ranking(column=None)
    complete = [
        (entry, scores)
        for entry, scores in zip(entries, scored, strict=True)
        if entry.complete(count) and column.name in scores and not any(entry.table.metric_errors(column.metric))
    ]
    if not complete:
        return Ranking(column=column, units=drawn.units)
    own, spread = _ranks([scores for _, scores in complete], column, drawn)
    order = sorted(range(len(complete)), key=lambda i: (own[i], complete[i][0].key))
    cells = tuple(complete[i][0] for i in order)
    return Ranking(
        column=column,
        cells=cells,
        places={
            entry.key: (int(own[i]), int(spread[i, 0]), int(spread[i, 1])) for i, (entry, _) in enumerate(complete)
        },
        estimates={complete[i][0].key: complete[i][1][column.name] for i in order},
        deciding={complete[i][0].key: complete[i][1][column.first_by] for i in order} if column.first_by else {},
        units=drawn.units,
    )


def _ranks(
    scored: Sequence[Mapping[str, Estimate]], column: Column, drawn: Resampling
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rank (cells,) and its interval (cells, 2)."""

    def both(name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return np.array([s[name].value for s in scored]), np.stack([s[name].resampled for s in scored])

    values, resampled = both(column.name)
    decides, decides_resampled = both(column.first_by) if column.first_by else (None, None)
    own = ranks(values, higher_is_better=column.higher_is_better, first=decides)
    if not len(drawn.weights):
        return own, np.stack([own, own], axis=1)
    return own, rank_intervals(
        resampled, higher_is_better=column.higher_is_better, first=decides_resampled, units=drawn.units
    )
