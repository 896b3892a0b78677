"""Making a leaderboard: a pure function of run folders."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mitobench.columns import cell_scores, make_columns
from mitobench.errors import UsageError
from mitobench.evidence import CellEvidence, Evidence
from mitobench.interfaces import Metric
from mitobench.standings import Column, Leaderboard, LeaderboardRow, LeaderboardTable, ScoreCell
from mitobench.statistics import Estimate, Resampling, interval, rank_intervals, ranks, resample
from mitobench.tables import COSTS, CellTable

__all__ = ["Column", "Leaderboard", "LeaderboardRow", "LeaderboardTable", "ScoreCell", "build_leaderboard"]


def build_leaderboard(
    evidence: Evidence, *, primary: str | None = None, resamples: int = 2000, seed: int = 0
) -> Leaderboard:
    """Make the leaderboard of some runs.

    Args:
        evidence: the runs' cells and metrics.
        primary: the column that ranks; by default the first headline column.
        resamples: of the bootstrap.
        seed: of the bootstrap.

    Raises:
        UsageError: an unknown column, or results of another version of a metric.
    """
    groups: dict[tuple[str, bool], list[CellEvidence]] = {}
    for found in evidence.cells.values():
        groups.setdefault((found.record["data"]["key"], bool(found.record["oracle"])), []).append(found)
    titles = _titles([group[0].record["data"] for group in groups.values()])
    tables = [
        _table(
            sorted(group, key=lambda e: e.key),
            evidence.metrics,
            titles[data],
            oracle=oracle,
            primary=primary,
            resamples=resamples,
            seed=seed,
        )
        for (data, oracle), group in sorted(groups.items(), key=lambda item: (titles[item[0][0]], item[0][1]))
    ]
    shown = tuple(replace(table, uncertainty=f"{table.uncertainty}{evidence.gone}") for table in tables)
    return Leaderboard(tables=shown)


def _table(
    entries: Sequence[CellEvidence],
    metrics: Mapping[str, Metric],
    title: str,
    *,
    oracle: bool,
    primary: str | None,
    resamples: int,
    seed: int,
) -> LeaderboardTable:
    images, drawn = _resampling(entries, resamples, seed)
    columns = make_columns(metrics)
    scored = [cell_scores(entry.table, metrics, columns, images, drawn) for entry in entries]
    columns = [column for column in columns if any(column.name in scores for scores in scored)]
    first = _primary(columns, primary)
    order = _ranking(entries, scored, first, drawn, len(images))
    rows = [
        _row(entry, scores, columns, metrics, place, len(images))
        for entry, scores, place in zip(entries, scored, order, strict=True)
    ]
    named = Counter((row.prompter, row.segmenter) for row in rows)
    rows = [
        replace(row, segmenter=f"{row.segmenter} [{row.cell[:8]}]") if named[row.prompter, row.segmenter] > 1 else row
        for row in rows
    ]
    rows.sort(key=lambda r: (r.rank is None, r.rank or 0, r.status == "failed", r.segmenter, r.prompter, r.cell))
    return LeaderboardTable(
        data=entries[0].record["data"]["label"],
        title=f"{title}: {'oracle prompts (made from the reference)' if oracle else 'automatic'}",
        oracle=oracle,
        primary=first.name if first else "",
        columns=tuple(columns),
        rows=tuple(rows),
        uncertainty=_uncertainty(drawn, len(images), resamples),
    )


def _resampling(entries: Sequence[CellEvidence], resamples: int, seed: int) -> tuple[list[str], Resampling]:
    """The images that any cell of the table has seen, sorted, and one resampling of them for all its cells."""
    group_of = {str(i): str(g) for e in entries for i, g in zip(e.table.images, e.table.groups, strict=True)}
    images = sorted(group_of)
    return images, resample([group_of[i] for i in images], resamples, seed=seed)


def _primary(columns: Sequence[Column], wanted: str | None) -> Column | None:
    if wanted is not None:
        for column in columns:
            if column.name.lower() == wanted.lower():
                return column
        raise UsageError(f"no column {wanted!r} to rank by. There are: {', '.join(c.name for c in columns) or 'none'}.")
    return next((c for c in columns if c.headline), columns[0] if columns else None)


def _ranking(
    entries: Sequence[CellEvidence],
    scored: Sequence[Mapping[str, Estimate]],
    first: Column | None,
    drawn: Resampling,
    count: int,
) -> list[tuple[int, int, int] | None]:
    """(rank, low, high) among the cells that are complete and whose every image the ranking metric measured."""
    complete = [
        i
        for i, e in enumerate(entries)
        if first is not None
        and e.complete(count)
        and first.name in scored[i]
        and not any(e.table.metric_errors(first.metric))
    ]
    order: list[tuple[int, int, int] | None] = [None] * len(entries)
    if first is None or not complete:
        return order
    own, spread = _ranks([scored[i] for i in complete], first, drawn)
    for position, i in enumerate(complete):
        order[i] = int(own[position]), int(spread[position, 0]), int(spread[position, 1])
    return order


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
    return own, rank_intervals(resampled, higher_is_better=column.higher_is_better, first=decides_resampled)


def _row(
    entry: CellEvidence,
    scores: Mapping[str, Estimate],
    columns: Sequence[Column],
    metrics: Mapping[str, Metric],
    place: tuple[int, int, int] | None,
    count: int,
) -> LeaderboardRow:
    failed = int((entry.table.status == "failed").sum())
    total = max(int(entry.record["total"]), count)
    status = "ok" if entry.complete(count) else "partial" if entry.succeeded or not failed else "failed"
    rank, low, high = place if place is not None else (None, None, None)
    return LeaderboardRow(
        rank=rank,
        rank_low=low,
        rank_high=high,
        prompter=entry.record["prompter"]["label"],
        segmenter=entry.record["segmenter"]["label"],
        cell=entry.key,
        status=status,
        images=entry.succeeded,
        failed=failed,
        total=total,
        scores={c.name: _score_cell(scores[c.name], count) for c in columns if c.name in scores},
        costs={name: _cost(name, entry.table) for name in COSTS},
        notes=_notes(entry, metrics),
    )


def _score_cell(found: Estimate, images: int) -> ScoreCell:
    spread = interval(found.resampled) if images > 1 else None
    low, high = spread if spread is not None and math.isfinite(found.value) else (None, None)
    return ScoreCell(
        value=found.value if math.isfinite(found.value) else None, low=low, high=high, defined=found.defined
    )


def _cost(name: str, table: CellTable) -> float | None:
    values = table.costs[name]
    values = values[np.isfinite(values)]
    if not values.size:
        return None
    return float(values.max() if name == "peak_memory_mb" else values.mean())


def _notes(entry: CellEvidence, metrics: Mapping[str, Metric]) -> tuple[str, ...]:
    notes: list[str] = []
    weights: list[str] = []
    for part in ("prompter", "segmenter"):
        seen = set(entry.record[part]["trained_on"]) & {str(o) for o in entry.table.origins if o}
        if seen:
            pictures = len({str(o) for o in entry.table.origins if o})
            notes.append(
                f"in-domain: the {part}'s weights were trained on {len(seen)} of the {pictures} evaluated source images"
            )
        weights += [f"{part} weights: {w['name']} (sha256 {w['sha256'][:8]})" for w in entry.record[part]["weights"]]
    empty = int((entry.table.instances == 0).sum())
    if empty * 2 > entry.succeeded:
        notes.append(f"found no object in {empty} of {entry.succeeded} images; are its weights made for such images?")
    masks = [
        name
        for name, is_mask in (("reference", entry.table.semantic), ("prediction", entry.table.predicted_semantic))
        if is_mask.any()
    ]
    notes += [f"instances are connected components of a mask: {' and '.join(masks)}"] if masks else []
    notes += weights
    failures = sorted({str(e) for e in entry.table.errors if e})
    unscored = sorted({f"{key}: {e}" for key in metrics for e in entry.table.metric_errors(key) if e})
    return (
        *notes,
        *(f"failed: {error}" for error in failures[:3]),
        *(f"not scored by {error}" for error in unscored[:3]),
    )


def _uncertainty(drawn: Resampling, images: int, resamples: int) -> str:
    count = drawn.group_count
    if images < 2:
        return "one image: no intervals"
    unit = f"{count} groups" if drawn.clustered else f"{images} images of one group, which are not independent evidence"
    few = "; too few for a test" if count < 6 else ""
    return f"95 % intervals: bootstrap of {resamples} resamples over {unit}{few}"


def _titles(records: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The label of each data source, told apart by its fingerprint where two have one label."""
    labels = {record["key"]: str(record["label"]) for record in records}
    twice = {label for label in labels.values() if list(labels.values()).count(label) > 1}
    marks = {record["key"]: str(record["identity"]["fingerprint"])[:8] for record in records}
    return {key: f"{label} [{marks[key]}]" if label in twice else label for key, label in labels.items()}
