"""Two cells, image by image: how much the second is better or worse than the first."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mitobench.errors import UsageError
from mitobench.interfaces import Metric
from mitobench.ranking.evidence import CellEvidence, Evidence
from mitobench.ranking.pairs import too_few
from mitobench.ranking.rows import score_bounds
from mitobench.ranking.significance import sign_flip
from mitobench.ranking.standings import Column
from mitobench.ranking.statistics import (
    Estimate,
    Resampling,
    describe_resampling,
    difference,
    estimate,
    estimate_interval,
    image_scores,
    resample,
)

__all__ = ["CellComparison", "ColumnComparison", "Side", "compare_cells"]

_EQUAL = 1e-12


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of the two cells: its run, its key, its labels."""

    run: str
    cell: str
    prompter: str
    segmenter: str


@dataclass(frozen=True, kw_only=True)
class ColumnComparison:
    """One score of both, on the images that both were scored on.

    Attributes:
        column: which score.
        first, second: the values; None where undefined.
        difference, low, high: ``second`` minus ``first`` with its 95 % interval, from paired resamples.
        better, equal, worse: images on which the second is better, equal, worse, whatever direction that is.
        undefined: images on which the score of either is undefined.
    """

    column: Column
    first: float | None
    second: float | None
    difference: float | None
    low: float | None
    high: float | None
    better: int
    equal: int
    worse: int
    undefined: int


@dataclass(frozen=True, kw_only=True)
class CellComparison:
    """Two cells on one data source.

    Attributes:
        data: the data source's label.
        first, second: which cells.
        images, total: scored in both, and asked of either.
        only_first, only_second: images that only one of them was scored on.
        primary: the column that was tested and that decides on a regression.
        columns: every score that both have.
        groups: independent groups in which both primary scores are defined.
        p: of the two-sided test that neither is better; None where the groups are too few.
        test, uncertainty: how it was tested, and how the intervals were made.
    """

    data: str
    first: Side
    second: Side
    images: int
    total: int
    only_first: int
    only_second: int
    primary: str
    columns: tuple[ColumnComparison, ...]
    groups: int
    p: float | None
    test: str
    uncertainty: str

    def of(self, name: str) -> ColumnComparison:
        """One column's comparison."""
        return next(c for c in self.columns if c.column.name == name)

    def regression(self, delta: float) -> str:
        """Why the second is worse than the first by more than ``delta`` on the primary column; "" where it is not."""
        found = self.of(self.primary)
        if self.only_first:
            return f"{self.only_first} images that the first was scored on, the second was not"
        if found.first is not None and found.second is None:
            return f"{self.primary} was {found.first:.4g} and is undefined"
        if found.first is None or found.second is None or found.difference is None:
            return ""
        loss = -found.difference if found.column.higher_is_better else found.difference
        if loss <= delta:
            return ""
        return (
            f"{self.primary} was {found.first:.4g} and is {found.second:.4g}, worse by {loss:.4g}; {delta:g} is allowed"
        )

    def to_data(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)


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
        primary: the column to test; by default the first headline column that both have.
        resamples, seed: of the bootstrap; the seed also of a test with random signs.

    Raises:
        UsageError: no image or no metric in common, or an unknown column.
    """
    pair = _pair(first, second, resamples, seed)
    metrics = {key: metric for key, metric in first[0].metrics.items() if key in second[0].metrics}
    columns = {c.name: c for c in first[0].columns if c.metric in metrics}
    found: dict[str, tuple[ColumnComparison, Estimate]] = {}
    for key, metric in metrics.items():
        found |= _of_metric(pair, key, metric, [c for c in columns.values() if c.metric == key])
    if not found:
        raise UsageError("the two cells have no metric in common; run `mitobench score` on both with the same metrics.")
    name = _primary({n: c for n, c in columns.items() if n in found}, primary)
    by_group = found[name][1].by_group
    groups = int(np.isfinite(by_group).sum())
    p = float(sign_flip(by_group[None], seed=seed)[0])
    scored = [set(cell.table.images[cell.table.status == "ok"].tolist()) for cell in (pair.first, pair.second)]
    return CellComparison(
        data=str(pair.first.record["data"]["label"]),
        first=_side(pair.first),
        second=_side(pair.second),
        images=len(pair.rows[0]),
        total=max(int(pair.first.record["total"]), int(pair.second.record["total"])),
        only_first=len(scored[0] - scored[1]),
        only_second=len(scored[1] - scored[0]),
        primary=name,
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
    drawn = resample([str(group) for group in cells[0].table.groups[rows[0]]], resamples, seed=seed)
    return _Pair(cells[0], cells[1], (rows[0], rows[1]), drawn)


def _of_metric(
    pair: _Pair, key: str, metric: Metric, columns: list[Column]
) -> dict[str, tuple[ColumnComparison, Estimate]]:
    """Every column of one metric: the comparison, and the estimate of the difference."""
    statistics = [c.table.statistics(key) for c in (pair.first, pair.second)]
    measured = statistics[0][2][pair.rows[0]] & statistics[1][2][pair.rows[1]]
    if not measured.any():
        return {}
    sides = [
        (names, np.where(measured[:, None], values[rows], 0.0))
        for (names, values, _), rows in zip(statistics, pair.rows, strict=True)
    ]
    estimates = [estimate(metric.scores, names, values, pair.drawn) for names, values in sides]
    single = [image_scores(metric.scores, names, values) for names, values in sides]
    found = {}
    for column in columns:
        one, two = (e[column.score][column.mean_of_images] for e in estimates)
        change = difference(two, one)
        one_by_one, two_by_one = (np.where(measured, scores[column.score], np.nan) for scores in single)
        counts = _count(one_by_one, two_by_one, column.higher_is_better)
        found[column.name] = _column(column, one, two, change, counts), change
    return found


def _count(
    first: NDArray[np.float64], second: NDArray[np.float64], higher_is_better: bool
) -> tuple[int, int, int, int]:
    """Images on which the second is better, equal, worse, and those on which either is undefined."""
    change = (second - first)[np.isfinite(first) & np.isfinite(second)] * (1 if higher_is_better else -1)
    better, worse = int((change > _EQUAL).sum()), int((change < -_EQUAL).sum())
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
    raise UsageError(f"no column {wanted!r} in both. There are: {', '.join(columns)}.")


def _side(cell: CellEvidence) -> Side:
    return Side(
        run=str(cell.folder.source),
        cell=cell.key,
        prompter=str(cell.record["prompter"]["label"]),
        segmenter=str(cell.record["segmenter"]["label"]),
    )
