"""Making a leaderboard: a pure function of run folders."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from mitobench.errors import UsageError
from mitobench.options import suggest
from mitobench.ranking.columns import cell_scores, make_columns
from mitobench.ranking.evidence import CellEvidence, Evidence
from mitobench.ranking.mean_ranks import RankedSource, rank_over_sources
from mitobench.ranking.pairs import compare_pairs
from mitobench.ranking.places import Ranking, rank_cells
from mitobench.ranking.resampling import Resampling, resample
from mitobench.ranking.rows import make_row
from mitobench.ranking.selection import Selection, check_mergeable, earlier_cells
from mitobench.ranking.standings import Column, Leaderboard, LeaderboardRow, LeaderboardTable, ScoreCell
from mitobench.ranking.statistics import FEW, describe_resampling

__all__ = ["Column", "Leaderboard", "LeaderboardRow", "LeaderboardTable", "ScoreCell", "build_leaderboard"]


def build_leaderboard(
    evidence: Evidence,
    *,
    primary: str | None = None,
    resamples: int = 2000,
    seed: int = 0,
    selection: Selection | None = None,
    apart: bool = False,
) -> Leaderboard:
    """Make the leaderboard of some runs.

    Args:
        evidence: the runs' cells and metrics.
        primary: the column that ranks; by default the first headline column.
        resamples: of the bootstrap.
        seed: of the bootstrap and of tests with random signs.
        selection: the cells to show; ranks, tests and intervals are among these. All by default.
        apart: where a data source's label means other content in another run, a table for each instead of an error.

    Raises:
        UsageError: an unknown column, nothing selected, or runs that cannot be compared: other content under one label, or
            another version of a metric.
    """
    cells = (selection or Selection()).of(evidence)
    check_mergeable(cells, evidence.folders, apart=apart)
    groups: dict[tuple[str, bool], list[CellEvidence]] = {}
    for found in cells.values():
        groups.setdefault((found.record["data"]["key"], bool(found.record["oracle"])), []).append(found)
    titles = _titles([min(group, key=lambda e: e.key).record["data"] for group in groups.values()])
    earlier = earlier_cells(cells, evidence.folders)
    tables: list[LeaderboardTable] = []
    sources: list[RankedSource] = []
    for (data, oracle), group in sorted(groups.items(), key=lambda item: (titles[item[0][0]], item[0][1])):
        entries = sorted(group, key=lambda e: e.key)
        title = titles[data]
        table, ranking = _table(entries, evidence, title, oracle, primary, resamples, seed)
        tables.append(replace(table, remarks=_remarks(table, title, earlier)))
        sources.append(RankedSource(title=title, oracle=oracle, ranking=ranking))
    return Leaderboard(tables=tuple(tables), mean_ranks=rank_over_sources(sources))


def _table(
    entries: Sequence[CellEvidence],
    evidence: Evidence,
    title: str,
    oracle: bool,
    primary: str | None,
    resamples: int,
    seed: int,
) -> tuple[LeaderboardTable, Ranking]:
    metrics = evidence.metrics
    images, drawn = _resampling(entries, resamples, seed)
    columns = make_columns(metrics)
    scored = [cell_scores(entry.table, metrics, columns, images, drawn) for entry in entries]
    columns = [column for column in columns if any(column.name in scores for scores in scored)]
    first = _primary(columns, primary)
    ranking = rank_cells(entries, scored, first, drawn, len(images))
    comparisons, test = compare_pairs(ranking.estimates, seed=seed)
    rows = [
        make_row(entry, scores, columns, metrics, ranking, len(images))
        for entry, scores in zip(entries, scored, strict=True)
    ]
    certain = "; ranks look more certain than they are" if 1 < drawn.units < FEW and len(ranking.cells) > 1 else ""
    table = LeaderboardTable(
        data=entries[0].record["data"]["label"],
        title=f"{title}: {'oracle prompts (made from the reference)' if oracle else 'automatic'}",
        oracle=oracle,
        primary=first.name if first else "",
        columns=tuple(columns),
        rows=_ordered(rows),
        uncertainty=f"{describe_resampling(drawn)}{certain}{evidence.gone}",
        comparisons=comparisons,
        test=test,
    )
    return table, ranking


def _ordered(rows: Sequence[LeaderboardRow]) -> tuple[LeaderboardRow, ...]:
    """By rank, the failed last; rows of one label are told apart."""
    named = Counter((row.prompter, row.segmenter) for row in rows)
    told_apart = [
        replace(row, segmenter=f"{row.segmenter} [{row.cell[:8]}]") if named[row.prompter, row.segmenter] > 1 else row
        for row in rows
    ]
    return tuple(
        sorted(
            told_apart,
            key=lambda r: (r.rank is None, r.rank or 0, r.status == "failed", r.segmenter, r.prompter, r.cell),
        )
    )


def _resampling(entries: Sequence[CellEvidence], resamples: int, seed: int) -> tuple[list[str], Resampling]:
    """The images that any cell of the table has seen, sorted, and one resampling of them for all its cells."""
    group_of = {str(i): str(g) for e in entries for i, g in zip(e.table.images, e.table.groups, strict=True)}
    images = sorted(group_of)
    data = str(entries[0].record["data"]["key"])
    return images, resample([group_of[i] for i in images], resamples, seed=seed, data=data)


def _primary(columns: Sequence[Column], wanted: str | None) -> Column | None:
    if wanted is not None:
        for column in columns:
            if column.name.lower() == wanted.lower():
                return column
        names = [column.name for column in columns]
        longer = [name for name in names if name.lower().startswith(wanted.lower())]
        meant = f" Did you mean {longer[0]!r}?" if longer else suggest(wanted, names)
        raise UsageError(f"no column {wanted!r} to rank by.{meant} There are: {', '.join(names) or 'none'}.")
    return next((c for c in columns if c.headline), columns[0] if columns else None)


def _remarks(table: LeaderboardTable, title: str, earlier: set[str]) -> tuple[str, ...]:
    """What else must be said of a table."""
    remarks = []
    if title != table.data:
        remarks.append(f"another data source is called {table.data!r} too; their scores are not comparable")
    old = sum(row.cell in earlier for row in table.rows)
    if old:
        remarks.append(f"{old} of {len(table.rows)} cells were not part of the last command of their run")
    return tuple(remarks)


def _titles(records: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The label of each data source, told apart by its fingerprint where two have one label, by its key if need be."""
    labels = {record["key"]: str(record["label"]) for record in records}
    marks = {record["key"]: str(record["identity"]["fingerprint"])[:8] for record in records}
    named = Counter(labels.values())
    marked = Counter((labels[key], marks[key]) for key in labels)
    return {
        key: label if named[label] == 1 else f"{label} [{marks[key] if marked[label, marks[key]] == 1 else key[:8]}]"
        for key, label in labels.items()
    }
