"""The ``csv`` reporter: every score of every cell, for spreadsheets and scripts."""

import csv
import io
from typing import TYPE_CHECKING

from mitobench.interfaces import BuildContext
from mitobench.text import defused
from mitobench_report.options import CsvOptions

if TYPE_CHECKING:
    from mitobench.ranking.evidence import Evidence
    from mitobench.ranking.standings import Comparison, Leaderboard, LeaderboardRow, LeaderboardTable

__all__ = ["CsvFile"]

_FIXED = (
    *("table", "data", "oracle", "rank", "rank low", "rank high"),
    *("prompter", "segmenter", "cell", "status", "images", "failed", "total"),
)
_AGAINST_BEST = ("rank 1 minus this", "rank 1 minus this low", "rank 1 minus this high", "p (Holm)")


class CsvFile:
    """Renders one row per cell. Numbers are written in full; text that a spreadsheet would take for a formula is quoted."""

    def __init__(self, options: CsvOptions, context: BuildContext) -> None:
        self.options = options

    def render(self, leaderboard: "Leaderboard", evidence: "Evidence") -> str:
        """All tables in one; a score that a table does not have is empty there."""
        tables = leaderboard.tables
        scores = list(dict.fromkeys(column.name for table in tables for column in table.columns))
        costs = (
            sorted({name for table in tables for row in table.rows for name in row.costs}) if self.options.costs else []
        )
        header = [*_FIXED]
        for name in scores:
            header += [name, f"{name} low", f"{name} high", f"{name} defined"]
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow([defused(text) for text in [*header, *costs, *_AGAINST_BEST, "mean rank", "badges", "notes"]])
        means = {
            cell: row.mean for ranks in leaderboard.mean_ranks for row in ranks.rows for cell in row.cells.values()
        }
        for table in tables:
            for row in table.rows:
                last = [_number(means.get(row.cell)), *(defused("; ".join(texts)) for texts in _texts(row))]
                writer.writerow([*_record(table, row, scores, costs), *_against_best(table, row), *last])
        return buffer.getvalue()


def _record(table: "LeaderboardTable", row: "LeaderboardRow", scores: list[str], costs: list[str]) -> list[str]:
    record = [
        defused(table.title),
        defused(table.data),
        "yes" if table.oracle else "no",
        *("" if rank is None else str(rank) for rank in (row.rank, row.rank_low, row.rank_high)),
        *(defused(text) for text in (row.prompter, row.segmenter, row.cell, row.status)),
        *(str(count) for count in (row.images, row.failed, row.total)),
    ]
    for name in scores:
        cell = row.scores.get(name)
        record += [""] * 4 if cell is None else [*map(_number, (cell.value, cell.low, cell.high)), str(cell.defined)]
    return [*record, *(_number(row.costs.get(name)) for name in costs)]


def _against_best(table: "LeaderboardTable", row: "LeaderboardRow") -> list[str]:
    """The comparison with the row on rank 1 (the first of several); empty for that row itself and for unranked ones."""
    best = next((other.cell for other in table.rows if other.rank == 1), None)
    for found in table.comparisons:
        if row.cell != best and {found.first, found.second} == {best, row.cell}:
            return [_number(value) for value in _from_best(found, best)]
    return [""] * len(_AGAINST_BEST)


def _from_best(found: "Comparison", best: str | None) -> tuple[float | None, ...]:
    if found.first == best:
        return found.difference, found.low, found.high, found.p_corrected
    turned = [None if value is None else -value for value in (found.difference, found.high, found.low)]
    return *turned, found.p_corrected


def _texts(row: "LeaderboardRow") -> tuple[list[str], list[str]]:
    """Badges and notes."""
    return [badge.name for badge in row.badges], [*(f"{b.name}: {b.explanation}" for b in row.badges), *row.notes]


def _number(value: float | None) -> str:
    return "" if value is None else repr(float(value))
