"""The ``table`` reporter: a leaderboard as plain text, for a terminal."""

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich import box
from rich.cells import cell_len, chop_cells
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mitobench.interfaces import BuildContext
from mitobench.text import inert
from mitobench_report.options import TableOptions
from mitobench_report.wording import (
    badge_texts,
    chosen_columns,
    closing_texts,
    column_title,
    cost_names,
    cost_text,
    cost_title,
    images_text,
    mean_rank_text,
    note_texts,
    rank_text,
    ranks_text,
    row_name,
    score_text,
    shown_mean_ranks,
    who,
)

if TYPE_CHECKING:
    from mitobench.ranking.evidence import Evidence
    from mitobench.ranking.standings import Leaderboard, LeaderboardRow, LeaderboardTable, MeanRank, MeanRanks

__all__ = ["TextTable"]

_UNLIMITED = 100_000
_GAP = 2
_NAMES = (24, 16)
_WORDS = "[^ ]* *"
_BREAKS = ("[^,: ]*[,: ]*", "[^=/]*[=/]*", "[^_.+-]*[_.+-]*")


@dataclass(frozen=True, kw_only=True)
class _Column:
    """A column of the drawn table: its title and a text per row, inert, of one or several lines each."""

    title: str
    texts: Sequence[str]
    right: bool = False

    @property
    def width(self) -> int:
        return max(cell_len(line) for text in (self.title, *self.texts) for line in text.split("\n"))


class TextTable:
    """Renders one text table per leaderboard table, without colours or control characters.

    Where the width is limited, intervals go below their scores, then the seconds are added up and long names folded. If the
    table still does not fit, its columns are left out from the right, and a line below it says which; but neither the ranked
    score, nor the number of images where some are missing, nor anything where all scores are asked for. If even that does not
    fit, each cell of the matrix is a paragraph with everything.
    """

    def __init__(self, options: TableOptions, context: BuildContext) -> None:
        self.options = options
        self._width = options.width or _UNLIMITED

    def render(self, leaderboard: "Leaderboard", evidence: "Evidence") -> str:
        """The tables with their titles, notes, badges, tests and the sentence on uncertainty; then ranks over data sources."""
        sections = [self._section(table) for table in leaderboard.tables]
        return "\n".join([*sections, *map(self._mean_ranks, shown_mean_ranks(leaderboard))])

    def _section(self, table: "LeaderboardTable") -> str:
        notes = [f"{note}{who(rows, table)}" for note, rows in note_texts(table)]
        badges = [f"{name}: {explanation}{who(rows, table)}" for name, explanation, rows in badge_texts(table)]
        lines = [*self._fold(table.title), *(self._drawn(table) or self._paragraphs(table))]
        for remark in [*notes, *badges, *closing_texts(table)]:
            lines += self._fold(remark)
        return "\n".join(lines) + "\n"

    def _mean_ranks(self, ranks: "MeanRanks") -> str:
        columns = [
            _Column(title="mean rank", texts=[mean_rank_text(row) for row in ranks.rows]),
            *_names(ranks.rows, _NAMES[0]),
            _Column(title="ranks", texts=[inert(ranks_text(row, ranks)) for row in ranks.rows]),
        ]
        body = _draw(columns) if ranks.rows else []
        if _width(columns) > self._width:
            texts = (f"{mean_rank_text(row)}  {row_name(row)} ({ranks_text(row, ranks)})" for row in ranks.rows)
            body = [line for text in texts for line in self._fold(text)]
        lines = [*self._fold(ranks.title), *body]
        for remark in [f"{ranks.primary or 'ranks'} on {' / '.join(ranks.data)}", ranks.remark]:
            lines += self._fold(remark)
        return "\n".join(lines) + "\n"

    def _drawn(self, table: "LeaderboardTable") -> list[str]:
        """The lines of the first layout that fits, and of what it leaves out; none where no layout fits."""
        full: list[_Column] = []
        for columns in self._layouts(table):
            full = full or columns
            if _width(columns) <= self._width:
                shown = {column.title for column in columns}
                return [*_draw(columns), *self._left_out([c.title for c in full if c.title not in shown])]
        return []

    def _left_out(self, titles: Sequence[str]) -> list[str]:
        """Which columns are not shown, and what shows them, on a line of its own where one line cannot hold both."""
        what, how = f"no room for {', '.join(titles)};", "`mitobench leaderboard RUN --out board.html` has all columns"
        texts = [f"{what} {how}"] if cell_len(f"{what} {how}") <= self._width else [what, how]
        return [line for text in texts for line in self._fold(text)] if titles else []

    def _layouts(self, table: "LeaderboardTable") -> Iterator[list[_Column]]:
        """Tables of the same rows, from the one that shows most to the narrowest."""
        ranks = _Column(title="#", texts=[rank_text(row) for row in table.rows])
        costs = cost_names(table) if self.options.costs else ()
        scores, images = self._scores(table, stacked=False), self._images(table, stacked=False)
        yield [ranks, *_names(table.rows), *scores, images, *_costs(table, costs)]
        scores, images = self._scores(table, stacked=True), self._images(table, stacked=True)
        yield [ranks, *_names(table.rows), *scores, images, *_costs(table, costs)]
        seconds = _costs(table, ("seconds",) if costs else ())
        for shown in self._fewer(scores, images, seconds, complete=all(row.images == row.total for row in table.rows)):
            for side in _NAMES:
                yield [ranks, *_names(table.rows, side), *shown]

    def _fewer(
        self, scores: list[_Column], images: _Column, seconds: list[_Column], *, complete: bool
    ) -> Iterator[list[_Column]]:
        """What stands right of the names: all of it, then ever fewer columns."""
        yield [*scores, images, *seconds]
        if self.options.scores == "all":
            return
        if seconds:
            yield [*scores, images]
        kept = [] if complete else [images]
        for count in range(len(scores) - bool(kept), 0, -1):
            yield [*scores[:count], *kept]

    def _scores(self, table: "LeaderboardTable", *, stacked: bool) -> list[_Column]:
        """The chosen scores, their intervals below them or not."""
        drawn = []
        for column in chosen_columns(table, self.options.scores):
            texts = [score_text(row, column, intervals=self.options.intervals) for row in table.rows]
            if stacked:
                texts = [text.replace(" [", "\n[").replace(" (", "\n(").replace(", ", ",") for text in texts]
            drawn.append(_Column(title=inert(column_title(column)), texts=texts))
        return drawn

    def _images(self, table: "LeaderboardTable", *, stacked: bool) -> _Column:
        texts = (images_text(row) for row in table.rows)
        return _Column(title="images", texts=[text.replace(", ", ",\n") if stacked else text for text in texts])

    def _paragraphs(self, table: "LeaderboardTable") -> list[str]:
        return [line for row in table.rows for line in self._paragraph(table, row)]

    def _paragraph(self, table: "LeaderboardTable", row: "LeaderboardRow") -> list[str]:
        facts = [
            f"{column_title(column)}: {score_text(row, column, intervals=self.options.intervals)}"
            for column in chosen_columns(table, self.options.scores)
        ]
        facts.append(f"images: {images_text(row)}")
        if self.options.costs:
            facts += [f"{cost_title(name)}: {cost_text(row.costs.get(name))}" for name in cost_names(table)]
        head = self._fold(f"{rank_text(row)}  {row.prompter} x {row.segmenter}")
        return [*head, *(f"   {line}" for line in self._fold("; ".join(facts), indent=3))]

    def _fold(self, text: str, indent: int = 0) -> list[str]:
        """One line, or several where the width is limited."""
        return _folded(inert(text), self._width - indent, (_WORDS, *_BREAKS)).split("\n") if text else []


def _names(rows: "Sequence[LeaderboardRow | MeanRank]", side: int = _UNLIMITED) -> list[_Column]:
    """Prompters and segmenters, folded into lines of at most so many characters."""
    return [
        _Column(title="prompter", texts=[_folded(inert(row.prompter), side) for row in rows]),
        _Column(title="segmenter", texts=[_folded(inert(row.segmenter), side) for row in rows]),
    ]


def _costs(table: "LeaderboardTable", names: Sequence[str]) -> list[_Column]:
    return [
        _Column(title=inert(cost_title(n)), texts=[cost_text(row.costs.get(n)) for row in table.rows], right=True)
        for n in names
    ]


def _folded(text: str, side: int, breaks: Sequence[str] = _BREAKS) -> str:
    r"""A text in lines of at most ``side`` characters: a name broken behind its options, then within their values, then anywhere.

    >>> _folded("sam-ft:model=tiny,checkpoint=mine.safetensors", 24)
    'sam-ft:model=tiny,\ncheckpoint=\nmine.safetensors'
    """
    lines = [""]
    for piece in _pieces(text, side, breaks):
        if lines[-1] and cell_len(lines[-1] + piece.rstrip()) > side:
            lines.append("")
        lines[-1] += piece
    return "\n".join(line.rstrip() for line in lines)


def _pieces(text: str, side: int, breaks: Sequence[str]) -> Iterator[str]:
    """The parts of a text that stay whole in lines of ``side`` characters."""
    if cell_len(text.rstrip()) <= side:
        yield text
    elif not breaks:
        yield from chop_cells(text, side)
    else:
        for part in filter(None, re.findall(breaks[0], text)):
            yield from _pieces(part, side, breaks[1:])


def _width(columns: Sequence[_Column]) -> int:
    """How many characters wide :func:`_draw` makes a table."""
    return sum(column.width + _GAP for column in columns) - _GAP


def _draw(columns: Sequence[_Column]) -> list[str]:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, _GAP - 1, 0, 0))
    for column in columns:
        table.add_column(Text(column.title), justify="right" if column.right else "left")
    for row in zip(*(column.texts for column in columns), strict=True):
        table.add_row(*map(Text, row))
    buffer = io.StringIO()
    Console(file=buffer, width=_UNLIMITED, color_system=None, force_terminal=False, legacy_windows=False).print(table)
    return [line.rstrip() for line in buffer.getvalue().splitlines()]
