"""What a leaderboard says, as plain data: tables of cells with scores, intervals, ranks, tests, badges, costs and notes."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = [
    "SIGNIFICANCE",
    "Badge",
    "Column",
    "Comparison",
    "Leaderboard",
    "LeaderboardRow",
    "LeaderboardTable",
    "MeanRank",
    "MeanRanks",
    "ScoreCell",
]

SIGNIFICANCE = 0.05
"""Two rows differ where the p-value, corrected for the number of pairs, is below this."""


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
class Badge:
    """What a reader must know before a row is compared with others: a word or two, and a sentence that explains them."""

    name: str
    explanation: str


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two ranked rows of a table, paired, on its primary column.

    Attributes:
        first, second: ``LeaderboardRow.cell`` of the better ranked row and of the other.
        difference: the score of ``first`` minus that of ``second``; None where undefined.
        low, high: 95 % interval of the difference, from paired resamples; None where there is none.
        groups: independent groups in which both scores are defined.
        left_out: groups (images, where the score is a mean over images) on which only one of them is defined, and which
            the difference leaves out.
        p: of the two-sided test that neither is better; None where the groups are too few for a test.
        p_corrected: ``p`` by Holm's method for all pairs of the table.
    """

    first: str
    second: str
    difference: float | None
    low: float | None
    high: float | None
    groups: int
    left_out: int = 0
    p: float | None = None
    p_corrected: float | None = None

    @property
    def differs(self) -> bool | None:
        """Whether the two can be told apart; None where the groups are too few for a test."""
        return None if self.p_corrected is None else self.p_corrected < SIGNIFICANCE


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
        costs: means over images (peak memory: the largest); None where unknown. ``seconds`` is the sum of the three parts,
            ``megapixel_seconds`` that sum per megapixel, ``parameters`` the numbers that the weights hold.
        notes: what a reader must know: weights, errors.
        badges: oracle, training overlap, leaky split, bundled weights, licences that bind.
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
    badges: tuple[Badge, ...] = ()


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
        comparisons: every pair of ranked rows.
        test: how they were tested, or why they were not.
        remarks: what else a reader of this table must know.
    """

    data: str
    title: str
    oracle: bool
    primary: str
    columns: tuple[Column, ...]
    rows: tuple[LeaderboardRow, ...]
    uncertainty: str
    comparisons: tuple[Comparison, ...] = ()
    test: str = ""
    remarks: tuple[str, ...] = ()

    @property
    def best(self) -> LeaderboardRow | None:
        """The row on rank 1, the first of several."""
        return next((row for row in self.rows if row.rank == 1), None)

    def against_best(self) -> tuple[Comparison, ...]:
        """The comparisons with that row."""
        best = self.best
        return tuple(c for c in self.comparisons if best is not None and best.cell in (c.first, c.second))

    def not_distinguishable(self) -> tuple[LeaderboardRow, ...] | None:
        """The rows that the test cannot tell from the row on rank 1; None where nothing was tested."""
        best, ours = self.best, self.against_best()
        if best is None or all(c.differs is None for c in ours):
            return None
        same = {c.second if c.first == best.cell else c.first for c in ours if not c.differs}
        return tuple(row for row in self.rows if row.cell in same)


@dataclass(frozen=True, kw_only=True)
class MeanRank:
    """One prompter with one segmenter, seen on several data sources.

    Attributes:
        prompter, segmenter: their labels.
        mean: of its ranks; None where it is not ranked on every data source.
        low, high: 95 % interval of the mean, from the resamples of each data source; None where there is none.
        ranks: by the data source's title, among the cells that all data sources rank; equals share their mean rank.
        cells: ``LeaderboardRow.cell`` by the data source's title, wherever it is ranked.
    """

    prompter: str
    segmenter: str
    mean: float | None
    low: float | None
    high: float | None
    ranks: Mapping[str, float]
    cells: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class MeanRanks:
    """Ranks over data sources, where scores themselves must not be averaged: automatic prompts, or oracle prompts.

    Attributes:
        title: for people.
        oracle: prompts were made from the reference.
        primary: the column that ranks on every data source.
        data: the titles of the data sources.
        rows: by mean rank; those that some data source does not rank come last.
        critical_difference: mean ranks that differ by less cannot be told apart (Nemenyi, at ``SIGNIFICANCE``); None where
            fewer than three cells are ranked everywhere.
        statistic, p: of Friedman's test that all are equal; None where cells or data sources are too few.
        remark: what was tested, or why not.
    """

    title: str
    oracle: bool
    primary: str
    data: tuple[str, ...]
    rows: tuple[MeanRank, ...]
    critical_difference: float | None = None
    statistic: float | None = None
    p: float | None = None
    remark: str = ""

    def bars(self) -> tuple[tuple[int, int], ...]:
        """The bars of a critical-difference diagram: (first, last) positions in ``rows`` within the critical difference.

        Only bars over two rows or more, and none inside another.
        """
        means = [row.mean for row in self.rows if row.mean is not None]
        found: list[tuple[int, int]] = []
        for start, mean in enumerate(means):
            end = max(i for i, other in enumerate(means) if other - mean <= (self.critical_difference or 0))
            if self.critical_difference is not None and end > start and (not found or end > found[-1][1]):
                found.append((start, end))
        return tuple(found)


@dataclass(frozen=True, kw_only=True)
class Leaderboard:
    """Tables by data source, automatic before oracle; and ranks over data sources, where there are several."""

    tables: tuple[LeaderboardTable, ...]
    mean_ranks: tuple[MeanRanks, ...] = ()

    def to_data(self, *, costs: bool = False) -> dict[str, Any]:
        """Plain data for JSON. Without costs it depends on what was computed alone, not on how fast or how often."""
        tables = []
        for table in self.tables:
            rows = []
            for row in table.rows:
                fields = {name: value for name, value in vars(row).items() if name not in ("scores", "costs")}
                fields["scores"] = {name: vars(score) for name, score in row.scores.items()}
                fields |= {"notes": list(row.notes), "badges": [vars(badge) for badge in row.badges]}
                rows.append({**fields, **({"costs": dict(row.costs)} if costs else {})})
            lists = {name: [vars(item) for item in getattr(table, name)] for name in ("columns", "comparisons")}
            tables.append({**vars(table), **lists, "remarks": list(table.remarks), "rows": rows})
        return {"schema": 1, "tables": tables, "mean_ranks": [asdict(ranks) for ranks in self.mean_ranks]}
