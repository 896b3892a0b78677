"""How the reporters word what a leaderboard holds: titles, scores with their intervals, tests, badges, seconds, counts."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mitobench.ranking.standings import (
        Column,
        Leaderboard,
        LeaderboardRow,
        LeaderboardTable,
        MeanRank,
        MeanRanks,
        ScoreCell,
    )

__all__ = [
    "badge_texts",
    "chosen_columns",
    "closing_texts",
    "column_title",
    "cost_names",
    "cost_text",
    "cost_title",
    "images_text",
    "mean_rank_text",
    "note_texts",
    "number",
    "ordered_columns",
    "rank_text",
    "ranks_text",
    "row_name",
    "score_text",
    "shown_mean_ranks",
    "who",
]

_COSTS = {
    "seconds_encode": "encode s",
    "seconds_prompt": "prompt s",
    "seconds_segment": "segment s",
    "peak_memory_mb": "peak MB",
}
_MORE_COSTS = {"seconds": "s/image", "megapixel_seconds": "s/megapixel", "parameters": "parameters"}


def chosen_columns(table: "LeaderboardTable", scores: str) -> "tuple[Column, ...]":
    """The primary column and the headlines, or all columns where that is asked for or where there is no headline."""
    columns = ordered_columns(table)
    if scores == "all" or not any(column.headline for column in columns):
        return columns
    return tuple(column for column in columns if column.headline or column.name == table.primary)


def ordered_columns(table: "LeaderboardTable") -> "tuple[Column, ...]":
    """All columns, the primary one first."""
    return tuple(sorted(table.columns, key=lambda column: column.name != table.primary))


def column_title(column: "Column") -> str:
    """Name, unit, and an arrow where lower is better."""
    unit = f" ({column.unit})" if column.unit else ""
    return f"{column.name}{unit}" + ("" if column.higher_is_better else " ↓")


def cost_names(table: "LeaderboardTable") -> tuple[str, ...]:
    """The costs that any row of the table knows, in a fixed order."""
    present = {name for row in table.rows for name, value in row.costs.items() if value is not None}
    return tuple(name for name in _COSTS if name in present)


def cost_title(name: str) -> str:
    """A short column title for a cost: seconds per image, or the peak memory."""
    return _COSTS.get(name) or _MORE_COSTS.get(name, name)


def number(value: float) -> str:
    """Three decimals up to one, four significant digits above."""
    return f"{value:.3f}" if abs(value) <= 1 else f"{value:.4g}"


def cost_text(value: float | None) -> str:
    """A cost with two significant digits down to a thousandth; "-" where unknown."""
    if value is None:
        return "-"
    return "<0.001" if 0 < value < 0.001 else f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def rank_text(row: "LeaderboardRow") -> str:
    """The rank with its 95 % interval where that is wider than the rank; "-" where there is none."""
    if row.rank is None:
        return "-"
    if row.rank_low is None or row.rank_high is None or row.rank_low == row.rank_high == row.rank:
        return str(row.rank)
    return f"{row.rank} [{row.rank_low}-{row.rank_high}]"


def score_text(row: "LeaderboardRow", column: "Column", *, intervals: bool, comma: str = ", ") -> str:
    """One score as ``0.873 [0.861, 0.884]``, with the number of images it is defined on where that is not all."""
    cell: ScoreCell | None = row.scores.get(column.name)
    if cell is None or cell.value is None:
        return "failed" if row.status == "failed" else "undefined"
    text = number(cell.value)
    if intervals and cell.low is not None and cell.high is not None:
        text += f" [{number(cell.low)}{comma}{number(cell.high)}]"
    if cell.defined < row.images:
        text += f" ({cell.defined} of {row.images} defined)"
    return text


def row_name(row: "LeaderboardRow | MeanRank") -> str:
    """A row's prompter and segmenter."""
    return f"{row.prompter} x {row.segmenter}"


def note_texts(table: "LeaderboardTable") -> "list[tuple[str, tuple[LeaderboardRow, ...]]]":
    """Each note once, with the rows that it is about."""
    found: dict[str, list[LeaderboardRow]] = {}
    for row in table.rows:
        for note in dict.fromkeys(row.notes):
            found.setdefault(note, []).append(row)
    return [(note, tuple(rows)) for note, rows in found.items()]


def who(
    rows: "tuple[LeaderboardRow, ...]", table: "LeaderboardTable", name: "Callable[[LeaderboardRow], str]" = row_name
) -> str:
    """The rows that a remark is about, to be put behind it: nothing where the table has one row alone."""
    if len(rows) < len(table.rows):
        return f" ({', '.join(map(name, rows))})"
    return " (all)" if len(rows) > 1 else ""


def badge_texts(table: "LeaderboardTable") -> "list[tuple[str, str, tuple[LeaderboardRow, ...]]]":
    """Name and explanation of each badge with the rows that have it; a table of oracles says so in its title."""
    found: dict[tuple[str, str], list[LeaderboardRow]] = {}
    for row in table.rows:
        for badge in row.badges:
            if not (table.oracle and badge.name == "oracle"):
                found.setdefault((badge.name, badge.explanation), []).append(row)
    return [(name, explanation, tuple(rows)) for (name, explanation), rows in found.items()]


def closing_texts(table: "LeaderboardTable") -> list[str]:
    """What stands below a table: who cannot be told from rank 1, remarks, and how certain it all is."""
    same = table.not_distinguishable()
    lines = []
    if same is not None:
        names = ", ".join(map(row_name, same)) or "none of the others"
        lines.append(f"not distinguishable from rank 1 by {table.primary}: {names} ({table.test})")
    elif table.test and "too few for a test" not in table.uncertainty:
        lines.append(table.test)
    return [*lines, *table.remarks, *([table.uncertainty] if table.uncertainty else [])]


def shown_mean_ranks(leaderboard: "Leaderboard") -> "tuple[MeanRanks, ...]":
    """The mean ranks that say something: a cell has one, or another choice of the primary column would give it one."""
    return tuple(r for r in leaderboard.mean_ranks if not r.primary or any(row.mean is not None for row in r.rows))


def mean_rank_text(row: "MeanRank") -> str:
    """The mean rank with its 95 % interval; "-" where there is none."""
    if row.mean is None:
        return "-"
    spread = f" [{row.low:.3g}-{row.high:.3g}]" if row.low is not None and row.high is not None else ""
    return f"{row.mean:.3g}{spread}"


def ranks_text(row: "MeanRank", ranks: "MeanRanks") -> str:
    """The rank on each data source in turn; where there is none, whether the cell is ranked there at all."""
    shown = [f"{row.ranks[t]:.3g}" if t in row.ranks else "seen" if t in row.cells else "-" for t in ranks.data]
    return " / ".join(shown)


def images_text(row: "LeaderboardRow") -> str:
    """How many of the images asked for are scored, and how many failed."""
    failed = f", {row.failed} failed" if row.failed else ""
    return f"{row.images}/{row.total}{failed}"
