"""The numbers behind the charts of one table, as columns and rows."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mitobench.ranking.evidence import Evidence
from mitobench.ranking.standings import Column, LeaderboardRow, LeaderboardTable, MeanRanks
from mitobench.text import inert
from mitobench_report.page.curves import confidence_curve, judged_objects, object_metric, recall_by_size

__all__ = ["Rows", "cell_name", "chart_rows", "choosable", "on_front", "rank_rows"]

Rows = dict[str, Any]
"""``{"columns": [...], "rows": [[...], ...]}``."""

_THRESHOLD = re.compile(r"F1@(0\.\d+|1)(.*)")


def cell_name(row: LeaderboardRow) -> str:
    """A cell in a word or two: what prompts and what segments."""
    name = row.segmenter if row.prompter == "none" else f"{row.prompter} × {row.segmenter}"
    return inert(name)


def choosable(table: LeaderboardTable) -> list[Column]:
    """The scores that charts can show: the primary one first, then the headlines."""
    primary = [c for c in table.columns if c.name == table.primary]
    return list(dict.fromkeys([*primary, *(c for c in table.columns if c.headline)]))


def chart_rows(
    table: LeaderboardTable, evidence: Evidence, ids: Mapping[str, str], *, most: int = 40_000
) -> dict[str, Rows]:
    """Every data set of a table's charts, by name; one without rows where there is nothing to show.

    Args:
        table: of the leaderboard.
        evidence: what it was made from.
        ids: the anchor of each cell, which its marks lead to.
        most: scores of single images that may be shown, about.
    """
    places = {row.cell: place for place, row in enumerate(table.rows)}
    known = [row for row in table.rows if row.cell in evidence.cells]
    return {
        "anchors": _rows(("name", "anchor"), [[cell_name(row), ids[row.cell]] for row in table.rows]),
        "scores": _scores(table, places),
        "images": _images(table, known, evidence, most),
        "thresholds": _thresholds(table),
        **_objects(known, evidence),
    }


def rank_rows(ranks: MeanRanks) -> dict[str, Rows]:
    """Mean ranks, and the groups that cannot be told apart."""
    names = [_pair(row.prompter, row.segmenter) for row in ranks.rows]
    places = ("name", "order", "value", "low", "high")
    shown = [
        [name, order, *map(_round, (row.mean, row.low, row.high))]
        for order, (name, row) in enumerate(zip(names, ranks.rows, strict=True))
        if row.mean is not None
    ]
    beyond = max((row.high or row.mean or 0 for row in ranks.rows), default=0.0)
    bars = [
        [names[first], names[last], round(beyond + 0.25 * (number + 1), 3), number + 1]
        for number, (first, last) in enumerate(ranks.bars())
    ]
    return {"ranks": _rows(places, shown), "groups": _rows(("name", "last", "place", "group"), bars)}


def on_front(points: Sequence[tuple[float, float]], *, higher_is_better: bool) -> list[bool]:
    """Which (seconds, score) no other point beats in one without losing in the other.

    >>> on_front([(1, 0.5), (2, 0.9), (3, 0.8)], higher_is_better=True)
    [True, True, False]
    """
    signed = [(cost, score if higher_is_better else -score) for cost, score in points]
    return [not any(c <= cost and s >= score and (c, s) != (cost, score) for c, s in signed) for cost, score in signed]


def _scores(table: LeaderboardTable, places: Mapping[str, int]) -> Rows:
    columns = ("name", "prompter", "segmenter", "order", "score", "value", "low", "high", "seconds", "front", "level")
    rows: list[list[Any]] = []
    for column in choosable(table):
        found = [(row, row.scores[column.name]) for row in table.rows if column.name in row.scores]
        found = [(row, score) for row, score in found if score.value is not None]
        timed = [
            (row.cell, paid, value)
            for row, score in found
            if (paid := row.costs.get("seconds")) and (value := score.value) is not None
        ]
        best = on_front([(paid, value) for _, paid, value in timed], higher_is_better=column.higher_is_better)
        front = {cell for (cell, _, _), is_best in zip(timed, best, strict=True) if is_best}
        levels = _levels([score.value for _, score in found], column)
        rows += [
            [
                *_who(row),
                places[row.cell],
                column.name,
                *map(_round, (score.value, score.low, score.high, row.costs.get("seconds"))),
                row.cell in front,
                _round(level),
            ]
            for (row, score), level in zip(found, levels, strict=True)
        ]
    return _rows(columns, rows)


def _levels(values: Sequence[float | None], column: Column) -> list[float]:
    """0..1: where each value lies between the worst and the best of them, or between 0 and 1 where all lie there."""
    known = np.array([value if value is not None else np.nan for value in values], np.float64)
    if not known.size:
        return []
    low, high = (0.0, 1.0) if known.min() >= 0 and known.max() <= 1 else (known.min(), known.max())
    level = (known - low) / (high - low) if high > low else np.ones_like(known)
    return [float(v) for v in (level if column.higher_is_better else 1 - level)]


def _images(table: LeaderboardTable, known: Sequence[LeaderboardRow], evidence: Evidence, most: int) -> Rows:
    rows: list[list[Any]] = []
    wanted = [c for c in choosable(table) if not c.mean_of_images]
    each = min(200, max(20, most // max(1, len(known) * len(wanted))))
    for order, row in enumerate(known):
        _, scores = evidence.image_scores(row.cell)
        for column in wanted:
            values = scores.get(column.name, np.zeros(0))
            values = np.sort(values[np.isfinite(values)])
            if len(values) > each:
                values = values[np.rint(np.linspace(0, len(values) - 1, each)).astype(int)]
            rows += [[*_who(row), order, column.name, _round(float(value))] for value in values]
    return _rows(("name", "prompter", "segmenter", "order", "score", "value"), rows)


def _thresholds(table: LeaderboardTable) -> Rows:
    rows: list[list[Any]] = []
    families: dict[str, list[tuple[float, Column]]] = {}
    for column in table.columns:
        if (found := _THRESHOLD.fullmatch(column.name)) and not column.mean_of_images:
            families.setdefault(found[2], []).append((float(found[1]), column))
    curve = next((family for family in families.values() if len(family) > 1), [])
    for row in table.rows:
        for threshold, column in curve:
            score = row.scores.get(column.name)
            if score is not None and score.value is not None:
                rows.append([*_who(row), threshold, *map(_round, (score.value, score.low, score.high))])
    return _rows(("name", "prompter", "segmenter", "threshold", "value", "low", "high"), rows)


def _objects(known: Sequence[LeaderboardRow], evidence: Evidence) -> dict[str, Rows]:
    confidences: list[list[Any]] = []
    sizes: list[list[Any]] = []
    for row in known:
        found = object_metric(evidence, row.cell)
        if found is None:
            continue
        metric, table = found
        curve = confidence_curve(judged_objects(evidence, row.cell, metric, table))
        if curve is not None:
            points = zip(curve.confidence, curve.precision, curve.recall, curve.f1, strict=True)
            confidences += [[*_who(row), *(_round(float(v)) for v in point)] for point in points]
        sizes += [
            [*_who(row), low, round(low * 2**0.5, 1), _round(hit / count), count, hit]
            for low, count, hit in recall_by_size(table.columns)
        ]
    who = ("name", "prompter", "segmenter")
    return {
        "confidences": _rows((*who, "confidence", "precision", "recall", "f1"), confidences),
        "sizes": _rows((*who, "from", "area", "recall", "objects", "found"), sizes),
    }


def _who(row: LeaderboardRow) -> list[str]:
    return [cell_name(row), inert(row.prompter), inert(row.segmenter)]


def _pair(prompter: str, segmenter: str) -> str:
    return inert(segmenter if prompter == "none" else f"{prompter} × {segmenter}")


def _rows(columns: Sequence[str], rows: list[list[Any]]) -> Rows:
    return {"columns": list(columns), "rows": rows}


def _round(value: float | None) -> float | None:
    """Seven significant digits, so that what is rounded again shows as in the table; None where it is not finite."""
    return float(f"{value:.7g}") if value is not None and np.isfinite(value) else None
