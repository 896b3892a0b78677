"""The ``table`` reporter: a leaderboard as plain text, for a terminal."""

import io
import textwrap
from typing import TYPE_CHECKING

from rich import box
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
    from mitobench.ranking.standings import Leaderboard, LeaderboardRow, LeaderboardTable, MeanRanks

__all__ = ["TextTable"]

_UNLIMITED = 100_000
_NAME = 24


class TextTable:
    """Renders one text table per leaderboard table, without colours or control characters.

    Where the width is limited, intervals go below their scores, then the seconds are added up and long names folded, if that
    makes the table fit; where it does not, each cell of the matrix is a paragraph.
    """

    def __init__(self, options: TableOptions, context: BuildContext) -> None:
        self.options = options
        self._width = options.width or _UNLIMITED

    def render(self, leaderboard: "Leaderboard", evidence: "Evidence") -> str:
        """The tables with their titles, notes, badges, tests and the sentence on uncertainty; then ranks over data sources."""
        sections = [self._section(table) for table in leaderboard.tables]
        return "\n".join([*sections, *map(self._mean_ranks, shown_mean_ranks(leaderboard))])

    def _section(self, table: "LeaderboardTable") -> str:
        layouts = ((False, False), (True, False), (True, True))
        drawings = (_draw(self._grid(table, stacked=stacked, added=added)) for stacked, added in layouts)
        body = next((text for text in drawings if max(map(len, text.splitlines())) <= self._width), "")
        notes = [f"{note}{who(rows, table)}" for note, rows in note_texts(table)]
        badges = [f"{name}: {explanation}{who(rows, table)}" for name, explanation, rows in badge_texts(table)]
        lines = [*self._fold(table.title), *(body.splitlines() or self._paragraphs(table))]
        for remark in [*notes, *badges, *closing_texts(table)]:
            lines += self._fold(remark)
        return "\n".join(lines) + "\n"

    def _mean_ranks(self, ranks: "MeanRanks") -> str:
        drawn = _plain_table("mean rank", "prompter", "segmenter", "ranks")
        for row in ranks.rows:
            names = (
                "\n".join(textwrap.wrap(inert(n), _NAME, break_on_hyphens=False)) for n in (row.prompter, row.segmenter)
            )
            drawn.add_row(*map(Text, [mean_rank_text(row), *names, ranks_text(row, ranks)]))
        body = _draw(drawn).splitlines() if ranks.rows else []
        if max(map(len, body), default=0) > self._width:
            texts = (f"{mean_rank_text(row)}  {row_name(row)} ({ranks_text(row, ranks)})" for row in ranks.rows)
            body = [line for text in texts for line in self._fold(text)]
        lines = [*self._fold(ranks.title), *body]
        for remark in [f"{ranks.primary or 'ranks'} on {' / '.join(ranks.data)}", ranks.remark]:
            lines += self._fold(remark)
        return "\n".join(lines) + "\n"

    def _grid(self, table: "LeaderboardTable", *, stacked: bool, added: bool) -> Table:
        """The table with intervals below their scores (``stacked``), and short names and costs (``added``), or not."""
        columns = chosen_columns(table, self.options.scores)
        known = cost_names(table) if self.options.costs else ()
        costs = ("seconds",) if known and added else known
        drawn = _plain_table("#", "prompter", "segmenter", *map(column_title, columns), "images")
        for name in costs:
            drawn.add_column(Text(inert(cost_title(name))), justify="right")
        for row in table.rows:
            scores = [score_text(row, column, intervals=self.options.intervals) for column in columns]
            if stacked:
                scores = [text.replace(" [", "\n[").replace(" (", "\n(").replace(", ", ",") for text in scores]
            paid = [row.costs.get(name) for name in costs]
            names = [inert(text) for text in (row.prompter, row.segmenter)]
            if added:
                names = ["\n".join(textwrap.wrap(name, _NAME, break_on_hyphens=False)) for name in names]
            drawn.add_row(*map(Text, [rank_text(row), *names, *scores, images_text(row), *map(cost_text, paid)]))
        return drawn

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
        return textwrap.wrap(inert(text), self._width - indent, break_on_hyphens=False) if text else []


def _plain_table(*titles: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    for title in titles:
        table.add_column(Text(inert(title)))
    return table


def _draw(table: Table) -> str:
    buffer = io.StringIO()
    Console(file=buffer, width=_UNLIMITED, color_system=None, force_terminal=False, legacy_windows=False).print(table)
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines())
