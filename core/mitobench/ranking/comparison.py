"""Two cells, image by image: how much the second is better or worse than the first."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mitobench.errors import UsageError
from mitobench.interfaces import Metric
from mitobench.ranking.badges import badges_of
from mitobench.ranking.compared import EQUAL, CellComparison, ColumnComparison, Side
from mitobench.ranking.evidence import CellEvidence, Evidence
from mitobench.ranking.pairs import too_few
from mitobench.ranking.resampling import Resampling, resample
from mitobench.ranking.rows import score_bounds
from mitobench.ranking.significance import sign_flip
from mitobench.ranking.standings import Column
from mitobench.ranking.statistics import (
    Estimate,
    describe_resampling,
    difference,
    estimate,
    estimate_interval,
    image_scores,
    on_common,
)

__all__ = ["compare_cells"]


@dataclass(frozen=True, eq=False)
class _Pair:
    """The rows of both cells that belong to the same images."""

    first: CellEvidence
    second: CellEvidence
    rows: tuple[NDArray[np.int64], NDArray[np.int64]]
    drawn: Resampling


def compare_cells(
    first: tuple[Evidence, str],
    second: tuple[Evidence, str],
    *,
    primary: str | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> CellComparison:
    """Compare two cells on the images that both were scored on.

    Args:
        first, second: a cell's key, and the evidence that has it; both of one data source.
        primary: the column to test; by default the first headline column that the first has.
        resamples, seed: of the bootstrap; the seed also of a test with random signs.

    Raises:
        UsageError: no image or no metric in common, or a column that the first does not have.
    """
    pair = _pair(first, second, resamples, seed)
    columns = {c.name: c for c in first[0].columns}
    found: dict[str, tuple[ColumnComparison, NDArray[np.float64]]] = {}
    for key, metric in first[0].metrics.items():
        found |= _of_metric(pair, key, metric, [c for c in columns.values() if c.metric == key])
    if not found or not first[0].metrics.keys() & second[0].metrics.keys():
        raise UsageError("the two cells have no metric in common; run `mitobench score` on both with the same metrics.")
    name = _primary({n: c for n, c in columns.items() if n in found}, primary)
    by_group = found[name][1]
    groups = int(np.isfinite(by_group).sum())
    p = float(sign_flip(by_group[None], seed=seed)[0])
    scored = [set(cell.table.images[cell.table.status == "ok"].tolist()) for cell in (pair.first, pair.second)]
    lost, gained, why = _measured_in_one(pair, columns[name].metric)
    return CellComparison(
        data=str(pair.first.record["data"]["label"]),
        first=_side(pair.first),
        second=_side(pair.second),
        images=len(pair.rows[0]),
        total=max(int(pair.first.record["total"]), int(pair.second.record["total"])),
        only_first=len(scored[0] - scored[1]),
        only_second=len(scored[1] - scored[0]),
        primary=name,
        lost=lost,
        gained=gained,
        why=why,
        columns=tuple(comparison for comparison, _ in found.values()),
        groups=groups,
        p=p if np.isfinite(p) else None,
        test=f"sign-flip permutation over {groups} groups" if np.isfinite(p) else too_few(groups),
        uncertainty=describe_resampling(pair.drawn),
    )


def _pair(first: tuple[Evidence, str], second: tuple[Evidence, str], resamples: int, seed: int) -> _Pair:
    cells = [evidence.cells[key] for evidence, key in (first, second)]
    places = [
        {str(image): row for row, image in enumerate(c.table.images) if c.table.status[row] == "ok"} for c in cells
    ]
    images = sorted(places[0].keys() & places[1].keys())
    if not images:
        raise UsageError(
            f"the two cells have no image in common ({len(places[0])} and {len(places[1])} scored); compare cells of one data source."
        )
    rows = tuple(np.array([here[image] for image in images], np.int64) for here in places)
    groups, data = cells[0].table.groups[rows[0]], str(cells[0].record["data"]["key"])
    drawn = resample([str(group) for group in groups], resamples, seed=seed, data=data)
    return _Pair(cells[0], cells[1], (rows[0], rows[1]), drawn)


def _measured(pair: _Pair, key: str) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """The images that a metric could measure in the first, and in the second."""
    first, second = (
        cell.table.statistics(key)[2][rows] for cell, rows in zip((pair.first, pair.second), pair.rows, strict=True)
    )
    return first, second


def _measured_in_one(pair: _Pair, key: str) -> tuple[int, int, str]:
    """How many images a metric could measure in the first alone, in the second alone, and its first error on the former."""
    first, second = _measured(pair, key)
    lost = first & ~second
    errors = [str(error) for error in pair.second.table.metric_errors(key)[pair.rows[1]][lost] if error]
    return int(lost.sum()), int((second & ~first).sum()), errors[0] if errors else ""


def _of_metric(
    pair: _Pair, key: str, metric: Metric, columns: list[Column]
) -> dict[str, tuple[ColumnComparison, NDArray[np.float64]]]:
    """Every column of one metric that measured the first: the comparison, and the difference in each group (G,)."""
    measured = np.logical_and(*_measured(pair, key))
    if not measured.any():
        return _of_first(pair, key, metric, columns)
    statistics = [c.table.statistics(key) for c in (pair.first, pair.second)]
    sides = [
        (names, np.where(measured[:, None], values[rows], 0.0))
        for (names, values, _), rows in zip(statistics, pair.rows, strict=True)
    ]
    estimates = [estimate(metric.scores, names, values, pair.drawn) for names, values in sides]
    single = [image_scores(metric.scores, names, values) for names, values in sides]
    found = {}
    for column in columns:
        own = [e[column.score][column.mean_of_images] for e in estimates]
        one, two, left_out = on_common(own[0], own[1])
        change = difference(two, one)
        if not np.isfinite(change.value):
            one, two = own
        one_by_one, two_by_one = (np.where(measured, scores[column.score], np.nan) for scores in single)
        counts = _count(one_by_one, two_by_one, column.higher_is_better)
        compared = _column(column, one, two, change, counts)
        found[column.name] = replace(compared, left_out=left_out), change.by_group
    return found


def _of_first(
    pair: _Pair, key: str, metric: Metric, columns: list[Column]
) -> dict[str, tuple[ColumnComparison, NDArray[np.float64]]]:
    """The columns of a metric that measured nothing in the second that it measured in the first; none without the first."""
    names, values, measured = pair.first.table.statistics(key)
    if not measured[pair.rows[0]].any():
        return {}
    estimates = estimate(metric.scores, names, values[pair.rows[0]], pair.drawn)
    nothing: dict[str, Any] = {"second": None, "difference": None, "low": None, "high": None}
    counts = {"better": 0, "equal": 0, "worse": 0, "undefined": len(pair.rows[0])}
    found = {}
    for column in columns:
        value = float(estimates[column.score][column.mean_of_images].value)
        first = value if np.isfinite(value) else None
        compared = ColumnComparison(column=column, first=first, **nothing, **counts)
        found[column.name] = compared, np.full(pair.drawn.group_count, np.nan)
    return found


def _count(
    first: NDArray[np.float64], second: NDArray[np.float64], higher_is_better: bool
) -> tuple[int, int, int, int]:
    """Images on which the second is better, equal, worse, and those on which either is undefined."""
    change = (second - first)[np.isfinite(first) & np.isfinite(second)] * (1 if higher_is_better else -1)
    better, worse = int((change > EQUAL).sum()), int((change < -EQUAL).sum())
    return better, len(change) - better - worse, worse, len(first) - len(change)


def _column(
    column: Column, first: Estimate, second: Estimate, change: Estimate, counts: tuple[int, int, int, int]
) -> ColumnComparison:
    bounds = [score_bounds(side, column) for side in (first, second)]
    reach = bounds[1][0] - bounds[0][1], bounds[1][1] - bounds[0][0]
    spread = estimate_interval(change, bounds=reach)
    low, high = spread if spread is not None else (None, None)
    values = [float(found.value) if np.isfinite(found.value) else None for found in (first, second, change)]
    better, equal, worse, undefined = counts
    return ColumnComparison(
        column=column,
        first=values[0],
        second=values[1],
        difference=values[2],
        low=low,
        high=high,
        better=better,
        equal=equal,
        worse=worse,
        undefined=undefined,
    )


def _primary(columns: Mapping[str, Column], wanted: str | None) -> str:
    if wanted is None:
        return next((name for name, column in columns.items() if column.headline), next(iter(columns)))
    for name in columns:
        if name.lower() == wanted.lower():
            return name
    raise UsageError(f"no column {wanted!r} in the first. There are: {', '.join(columns)}.")


def _side(cell: CellEvidence) -> Side:
    return Side(
        run=str(cell.folder.source),
        cell=cell.key,
        prompter=str(cell.record["prompter"]["label"]),
        segmenter=str(cell.record["segmenter"]["label"]),
        badges=badges_of(cell),
    )
