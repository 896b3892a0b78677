"""Ranks over data sources: scores of different data must not be averaged, ranks may be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mitobench.ranking.evidence import CellEvidence
from mitobench.ranking.places import Ranking
from mitobench.ranking.ranks import tied_ranks
from mitobench.ranking.significance import critical_difference, friedman
from mitobench.ranking.standings import MeanRank, MeanRanks
from mitobench.ranking.statistics import FEW, tail

__all__ = ["RankedSource", "rank_over_sources"]

_Pairing = tuple[str, str, int]


@dataclass(frozen=True, kw_only=True, eq=False)
class RankedSource:
    """One table as this module needs it: the data source's title, whether its prompts are oracle prompts, its ranking."""

    title: str
    oracle: bool
    ranking: Ranking


def rank_over_sources(tables: Sequence[RankedSource]) -> tuple[MeanRanks, ...]:
    """Mean ranks over data sources, of automatic and of oracle prompts; none without two data sources and two cells.

    Source:
        Demšar, Statistical Comparisons of Classifiers over Multiple Data Sets, JMLR 7, 2006.
    """
    found = (_mean_ranks([t for t in tables if t.oracle is oracle], oracle) for oracle in (False, True))
    return tuple(ranks for ranks in found if ranks is not None)


def _mean_ranks(tables: Sequence[RankedSource], oracle: bool) -> MeanRanks | None:
    if len(tables) < 2:
        return None
    columns = {t.ranking.column.name for t in tables if t.ranking.column is not None}
    title = f"mean rank over {len(tables)} data sources: {'oracle prompts' if oracle else 'automatic'}"
    data = tuple(t.title for t in tables)
    if len(columns) != 1:
        remark = f"ranked by different columns ({', '.join(sorted(columns)) or 'none'}); choose one with --primary"
        return MeanRanks(title=title, oracle=oracle, primary="", data=data, rows=(), remark=remark)
    places = [{_pairing(cell): cell for cell in t.ranking.cells} for t in tables]
    if len({pairing for here in places for pairing in here}) < 2:
        return None
    everywhere = [p for p in places[0] if all(p in here for here in places[1:])]
    own, spread = _ranks(tables, places, everywhere)
    rows = [
        _row(pairing, tables, places, own[:, i], spread[i], ranked=True) if len(everywhere) > 1 else None
        for i, pairing in enumerate(everywhere)
    ]
    ranked = sorted((row for row in rows if row is not None), key=lambda r: (r.mean or 0.0, r.segmenter, r.prompter))
    others = [p for p in dict.fromkeys(p for here in places for p in here) if p not in everywhere or not ranked]
    unranked = [_row(p, tables, places, np.zeros(0), None, ranked=False) for p in others]
    distance, statistic, p, remark = _tested(own, len(everywhere))
    return MeanRanks(
        title=title,
        oracle=oracle,
        primary=columns.pop(),
        data=data,
        rows=(*ranked, *sorted(unranked, key=lambda r: (-len(r.cells), r.segmenter, r.prompter))),
        critical_difference=distance,
        statistic=statistic,
        p=p,
        remark=remark,
    )


def _pairing(cell: CellEvidence) -> _Pairing:
    """What is the same prompter with the same segmenter on any data."""
    return cell.record["prompter"]["key"], cell.record["segmenter"]["key"], int(cell.record["seed"])


def _ranks(
    tables: Sequence[RankedSource], places: Sequence[Mapping[_Pairing, CellEvidence]], everywhere: Sequence[_Pairing]
) -> tuple[NDArray[np.float64], list[tuple[float, float] | None]]:
    """Ranks (data sources, cells) among the cells that all rank, and the interval of each cell's mean."""
    own, drawn = [], []
    for table, here in zip(tables, places, strict=True):
        keys = [here[pairing].key for pairing in everywhere]
        column, ranking = table.ranking.column, table.ranking
        if column is None or not keys:
            continue
        estimates, deciding = (
            [source[key] for key in keys if key in source] for source in (ranking.estimates, ranking.deciding)
        )
        first = np.array([e.value for e in deciding]) if deciding else None
        drawn_first = np.stack([e.resampled for e in deciding]) if deciding else None
        better = column.higher_is_better
        own.append(tied_ranks(np.array([e.value for e in estimates]), higher_is_better=better, first=first))
        resampled = np.stack([e.resampled for e in estimates])
        drawn.append(tied_ranks(resampled, higher_is_better=better, first=drawn_first))
    if not own:
        return np.zeros((len(tables), 0)), []
    if min(r.shape[1] for r in drawn) == 0:
        return np.stack(own), [None] * len(everywhere)
    means = np.mean(np.stack(drawn), axis=0)
    below = tail(min(t.ranking.units for t in tables))
    low, high = np.quantile(means, [below, 1 - below], axis=1)
    return np.stack(own), [(float(a), float(b)) for a, b in zip(low, high, strict=True)]


def _row(
    pairing: _Pairing,
    tables: Sequence[RankedSource],
    places: Sequence[Mapping[_Pairing, CellEvidence]],
    ranks: NDArray[np.float64],
    spread: tuple[float, float] | None,
    *,
    ranked: bool,
) -> MeanRank:
    cells = {t.title: here[pairing] for t, here in zip(tables, places, strict=True) if pairing in here}
    record = next(iter(cells.values())).record
    low, high = spread if spread is not None else (None, None)
    return MeanRank(
        prompter=record["prompter"]["label"],
        segmenter=record["segmenter"]["label"],
        mean=float(ranks.mean()) if ranked else None,
        low=low,
        high=high,
        ranks={t.title: float(rank) for t, rank in zip(tables, ranks, strict=True)} if ranked else {},
        cells={title: cell.key for title, cell in cells.items()},
    )


def _tested(ranks: NDArray[np.float64], cells: int) -> tuple[float | None, float | None, float | None, str]:
    """Critical difference, Friedman's statistic and p, and what was tested or why not."""
    sources = len(ranks)
    if cells < 2:
        return (
            None,
            None,
            None,
            f"{cells or 'no'} cell{'' if cells == 1 else 's'} ranked on all {sources} data sources; at least 2 are needed",
        )
    if cells < 3:
        return (
            None,
            None,
            None,
            f"too few for a test: {cells} cells ranked on all {sources} data sources, at least 3 are needed",
        )
    distance = critical_difference(cells, sources)
    if sources < FEW:
        remark = f"too few for a test: {sources} data sources, at least {FEW} are needed; the critical difference {distance:.2f} (Nemenyi) is for orientation"
        return distance, None, None, remark
    statistic, p = friedman(ranks)
    remark = f"Friedman's test over {sources} data sources: p = {p:.2g}; mean ranks that differ by less than {distance:.2f} (Nemenyi) cannot be told apart"
    return distance, statistic, p, remark
