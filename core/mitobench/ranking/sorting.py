"""The rows of a leaderboard in another order than by rank."""

from dataclasses import replace

from mitobench.errors import UsageError
from mitobench.ranking.standings import Leaderboard, LeaderboardRow, LeaderboardTable

__all__ = ["sort_rows"]

_FACTS = ("rank", "prompter", "segmenter", "images")


def sort_rows(leaderboard: Leaderboard, name: str) -> Leaderboard:
    """The same leaderboard with the rows of each table sorted by a column; ranks stay what they are.

    Args:
        leaderboard: what to sort.
        name: a score (the best first), a cost (the least first), or ``rank``, ``prompter``, ``segmenter``, ``images``. A table
            that does not have it stays as it is. Rows without a value come last.

    Raises:
        UsageError: no table has it.
    """
    known: dict[str, str] = {}
    for table in leaderboard.tables:
        names = [*_FACTS, *(c.name for c in table.columns), *(cost for row in table.rows for cost in row.costs)]
        known |= {known_name.lower(): known_name for known_name in names}
    found = known.get(name.lower())
    if found is None:
        raise UsageError(f"no column {name!r} to sort by. There are: {', '.join(known.values())}.")
    return replace(leaderboard, tables=tuple(_sorted(table, found) for table in leaderboard.tables))


def _sorted(table: LeaderboardTable, name: str) -> LeaderboardTable:
    column = next((c for c in table.columns if c.name == name), None)
    sign = -1 if name == "images" or (column is not None and column.higher_is_better) else 1

    def key(row: LeaderboardRow) -> tuple[bool, float | str]:
        if name in ("prompter", "segmenter"):
            return False, str(getattr(row, name))
        score = row.scores.get(name)
        value = getattr(row, name) if name in _FACTS else score.value if score is not None else row.costs.get(name)
        return value is None, 0.0 if value is None else sign * float(value)

    return replace(table, rows=tuple(sorted(table.rows, key=key)))
