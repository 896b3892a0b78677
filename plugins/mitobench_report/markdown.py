"""The ``md`` reporter: a leaderboard as Markdown tables."""

import re
from typing import TYPE_CHECKING

from mitobench.interfaces import BuildContext
from mitobench.text import inert
from mitobench_report.options import ReporterOptions
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
    score_text,
    shown_mean_ranks,
    who,
)

if TYPE_CHECKING:
    from mitobench.ranking.evidence import Evidence
    from mitobench.ranking.standings import Leaderboard, LeaderboardRow, LeaderboardTable, MeanRank, MeanRanks

__all__ = ["Markdown", "as_code", "escape"]

_SPECIAL = re.compile(r"([\\`*_\[\]!|~$])")
_AUTOLINKED = re.compile(r"(?i)(?<=www)\.|:(?=//)|@")


class Markdown:
    """Renders one GitHub-flavoured table per leaderboard table; text from outside can neither format nor link nor script."""

    def __init__(self, options: ReporterOptions, context: BuildContext) -> None:
        self.options = options

    def render(self, leaderboard: "Leaderboard", evidence: "Evidence") -> str:
        """A section per table: heading, table, notes, badges, tests and uncertainty; then ranks over data sources."""
        sections = [self._section(table) for table in leaderboard.tables]
        return "\n".join([*sections, *map(_mean_ranks, shown_mean_ranks(leaderboard))])

    def _section(self, table: "LeaderboardTable") -> str:
        columns = chosen_columns(table, self.options.scores)
        costs = cost_names(table) if self.options.costs else ()
        titles = ["#", "prompter", "segmenter", *(column_title(c) for c in columns), "images", *map(cost_title, costs)]
        rules = ["--:", "---", "---", *("---" for _ in columns), "---", *("--:" for _ in costs)]
        lines = [f"## {escape(table.title)}", "", _line([escape(title) for title in titles]), _line(rules)]
        for row in table.rows:
            scores = [score_text(row, column, intervals=self.options.intervals) for column in columns]
            paid = [escape(cost_text(row.costs.get(cost))) for cost in costs]
            names = [as_code(row.prompter), as_code(row.segmenter)]
            lines.append(_line([rank_text(row), *names, *scores, images_text(row), *paid]))
        notes = [f"* {escape(note)}{who(rows, table, _name)}" for note, rows in note_texts(table)]
        badges = [
            f"* **{escape(name)}**: {escape(explanation)}{who(rows, table, _name)}"
            for name, explanation, rows in badge_texts(table)
        ]
        for block in ([*notes, *badges], *([escape(text)] for text in closing_texts(table))):
            lines += ["", *block] if block else []
        return "\n".join([*lines, ""])


def escape(text: str) -> str:
    """Text as Markdown that shows just this text, in any place, table cells included; GitHub makes no link or mention of it."""
    safe = inert(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _AUTOLINKED.sub(lambda found: f"&#{ord(found[0])};", _SPECIAL.sub(r"\\\1", safe))


def as_code(text: str) -> str:
    """Text as a code span in a table cell; one that a code span cannot hold is escaped instead."""
    safe = inert(text)
    if not safe.strip() or any(character in safe for character in "`|\\<>&"):
        return escape(safe)
    return f"`{safe}`"


def _mean_ranks(ranks: "MeanRanks") -> str:
    lines = [f"## {escape(ranks.title)}", ""]
    if ranks.rows:
        lines += [
            _line(["mean rank", "prompter", "segmenter", *map(escape, ranks.data)]),
            _line(["---"] * (3 + len(ranks.data))),
        ]
    for row in ranks.rows:
        places = ranks_text(row, ranks).split(" / ")
        lines.append(_line([mean_rank_text(row), as_code(row.prompter), as_code(row.segmenter), *places]))
    texts = [f"Ranked by {ranks.primary}." if ranks.primary else "", ranks.remark]
    return "\n".join([*lines, *(line for text in texts if text for line in ("", escape(text))), ""])


def _name(row: "LeaderboardRow | MeanRank") -> str:
    return f"{as_code(row.prompter)} x {as_code(row.segmenter)}"


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"
