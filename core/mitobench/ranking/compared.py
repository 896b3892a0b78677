"""What a comparison of two cells says, as plain data; and whether the second has become worse."""

from dataclasses import asdict, dataclass
from typing import Any

from mitobench.ranking.standings import Badge, Column

__all__ = ["EQUAL", "CellComparison", "ColumnComparison", "Side"]

EQUAL = 1e-12
"""Scores that differ by no more are equal."""


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of the two cells: its run, its key, its labels, and what a reader must know of it."""

    run: str
    cell: str
    prompter: str
    segmenter: str
    badges: tuple[Badge, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ColumnComparison:
    """One score of both, on the images that it could be measured on in both.

    Attributes:
        column: which score.
        first, second: the values, of what both are defined on (where that is nothing, each its own); None where undefined.
        difference, low, high: ``second`` minus ``first`` with its 95 % interval, from paired resamples.
        better, equal, worse: images on which the second is better, equal, worse, whatever direction that is.
        undefined: images on which the score of either is undefined.
        left_out: groups (images, where the score is a mean over images) on which only one of both is defined.
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
    left_out: int = 0


@dataclass(frozen=True, kw_only=True)
class CellComparison:
    """Two cells on one data source.

    Attributes:
        data: the data source's label.
        first, second: which cells.
        images, total: scored in both, and asked of either.
        only_first, only_second: images that only one of them was scored on.
        primary: the column that was tested and that decides on a regression.
        lost, gained: of ``images`` those that the primary column's metric could measure in the first alone, in the second alone.
        why: what the metric said of the lost ones, or "".
        columns: every score that the first has.
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
    lost: int
    gained: int
    why: str
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
        if self.lost:
            why = f" ({self.why})" if self.why else ""
            return f"{self.primary} could be measured on {self.lost} images in the first and not in the second{why}"
        if found.first is not None and found.second is None:
            return f"{self.primary} was {found.first:.4g} and is undefined"
        if emptier := self._emptier(found.column.first_by):
            return emptier
        if found.first is None or found.second is None or found.difference is None:
            return ""
        loss = -found.difference if found.column.higher_is_better else found.difference
        if loss <= delta:
            return ""
        return (
            f"{self.primary} was {found.first:.4g} and is {found.second:.4g}, worse by {loss:.4g}; {delta:g} is allowed"
        )

    def _emptier(self, name: str) -> str:
        """Whether the column that ranks before the primary one, lower is better, has risen: where there is one."""
        deciding = next((c for c in self.columns if c.column.name == name), None)
        if deciding is None or not (deciding.difference or 0) > EQUAL:
            return ""
        return f"{name}, which decides before {self.primary}, was {deciding.first:.4g} and is {deciding.second:.4g}"

    def to_data(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)
