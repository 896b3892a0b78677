"""What a leaderboard says, as plain data: tables of cells with scores, intervals, ranks, costs and notes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Column", "Leaderboard", "LeaderboardRow", "LeaderboardTable", "ScoreCell"]


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of scores.

    Attributes:
        name: its title, unique in its table.
        metric, score: the key of the metric that defines it, and its name for the score.
        mean_of_images: the mean of the images' own scores, instead of pooled within groups and averaged over them.
        unit, higher_is_better, headline: as the score's.
        first_by: the column that ranks before this one, or "".
    """

    name: str
    metric: str
    score: str = ""
    mean_of_images: bool = False
    unit: str = ""
    higher_is_better: bool = True
    headline: bool = False
    first_by: str = ""


@dataclass(frozen=True, kw_only=True)
class ScoreCell:
    """One score: value and 95 % interval (None where undefined), and the number of images on which it is defined."""

    value: float | None
    low: float | None
    high: float | None
    defined: int


@dataclass(frozen=True, kw_only=True)
class LeaderboardRow:
    """One cell of the matrix.

    Attributes:
        rank: by the primary column among the complete cells; None where failed or partial.
        rank_low, rank_high: 95 % interval of the rank.
        prompter, segmenter, cell: which cell.
        status: ``ok``; ``partial`` where images are missing or failed; ``failed`` where none succeeded.
        images, failed, total: succeeded, failed and asked for.
        scores: by column name.
        costs: means over images (peak memory: the largest); None where unknown.
        notes: what a reader must know: weights, training overlap, errors.
    """

    rank: int | None
    rank_low: int | None
    rank_high: int | None
    prompter: str
    segmenter: str
    cell: str
    status: str
    images: int
    failed: int
    total: int
    scores: Mapping[str, ScoreCell]
    costs: Mapping[str, float | None] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LeaderboardTable:
    """The cells of one data source that may be compared: automatic prompts, or oracle prompts, never both.

    Attributes:
        data: the data source's label.
        title: for people.
        oracle: prompts were made from the reference.
        primary: the column that ranks.
        columns, rows: rows by rank.
        uncertainty: how the intervals were made, and what they cannot say.
    """

    data: str
    title: str
    oracle: bool
    primary: str
    columns: tuple[Column, ...]
    rows: tuple[LeaderboardRow, ...]
    uncertainty: str


@dataclass(frozen=True, kw_only=True)
class Leaderboard:
    """Tables by data source, automatic before oracle."""

    tables: tuple[LeaderboardTable, ...]

    def to_data(self, *, costs: bool = False) -> dict[str, Any]:
        """Plain data for JSON. Without costs it depends on what was computed alone, not on how fast or how often."""
        tables = []
        for table in self.tables:
            rows = []
            for row in table.rows:
                fields = {name: value for name, value in vars(row).items() if name not in ("scores", "costs")}
                fields["scores"] = {name: vars(score) for name, score in row.scores.items()}
                rows.append({**fields, **({"costs": dict(row.costs)} if costs else {}), "notes": list(row.notes)})
            tables.append({**vars(table), "columns": [vars(column) for column in table.columns], "rows": rows})
        return {"schema": 1, "tables": tables}
