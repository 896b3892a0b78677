"""What the templates show, prepared: one view per table and per cell."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mitobench.ranking.evidence import CellEvidence, Evidence
from mitobench.ranking.standings import Column, Leaderboard, LeaderboardRow, LeaderboardTable
from mitobench_report.page.datasets import Rows, cell_name, chart_rows, choosable
from mitobench_report.page.gallery import CellTiles
from mitobench_report.page.provenance import command_of

__all__ = ["BoardView", "CellView", "ImageRow", "cell_ids", "make_board", "make_cell"]

_COSTS = (
    *("seconds_encode", "seconds_prompt", "seconds_segment", "megapixel_seconds"),
    *("peak_memory_mb", "parameters"),
)


@dataclass(frozen=True)
class BoardView:
    """A table of the leaderboard with its charts and pictures.

    Attributes:
        id: anchor in the page.
        table: as the leaderboard has it.
        name, given: of its data source, and the options given to that.
        chosen: the scores that its charts can show.
        data: its charts' data sets.
        cells: its gallery.
    """

    id: str
    table: LeaderboardTable
    name: str
    given: str
    chosen: Sequence[Column]
    data: Mapping[str, Rows]
    cells: Sequence[CellTiles]

    @property
    def costs(self) -> tuple[str, ...]:
        """The costs that any row knows, but for the sum of the seconds, which has a column of its own."""
        return tuple(name for name in _COSTS if any(row.costs.get(name) is not None for row in self.table.rows))

    @property
    def timed(self) -> bool:
        """Whether any row has both a score that charts can show and a time per image."""
        place = self.data["scores"]["columns"].index("seconds")
        return any(row[place] for row in self.data["scores"]["rows"])


@dataclass(frozen=True)
class ImageRow:
    """One image of a cell: its anchor, and what was measured (None where undefined, in the order of the cell's columns)."""

    id: str
    image: str
    group: str
    status: str
    error: str
    values: Sequence[float | None]
    instances: int | None
    seconds: float | None


@dataclass(frozen=True)
class CellView:
    """A cell with the rows that its numbers were made from.

    Attributes:
        id: anchor in the page.
        row: as the leaderboard has it.
        name: what prompts and what segments.
        table: the title of its table.
        columns: names of the scores of single images.
        images: one row per image, at most as many as the page may hold.
        hidden: how many rows the page does not hold.
        folder: where all of them are.
        command: computes the cell again.
        facts: what identifies it, as (name, text).
    """

    id: str
    row: LeaderboardRow
    name: str
    table: str
    columns: Sequence[str]
    images: Sequence[ImageRow]
    hidden: int
    folder: str
    command: str
    facts: Sequence[tuple[str, str]]


def cell_ids(leaderboard: Leaderboard) -> dict[str, str]:
    """An anchor for every cell: stable, short, and of letters and digits alone."""
    found: dict[str, str] = {}
    for number, cell in enumerate(dict.fromkeys(row.cell for table in leaderboard.tables for row in table.rows)):
        short = f"cell-{re.sub(r'[^a-z0-9]', '', cell.lower())[:10]}"
        found[cell] = short if short not in found.values() and short != "cell-" else f"cell-{number}"
    return found


def make_board(
    number: int,
    table: LeaderboardTable,
    evidence: Evidence,
    cells: Sequence[CellTiles],
    ids: Mapping[str, str],
    *,
    most: int,
) -> BoardView:
    """The view of the ``number``-th table.

    Args:
        number, table: which.
        evidence: what it was made from.
        cells: its gallery.
        ids: the anchor of each cell.
        most: scores of single images in its charts, about.
    """
    kind = ": oracle prompts (made from the reference)" if table.oracle else ": automatic"
    name, _, given = table.title.removesuffix(kind).partition(":")
    data = chart_rows(table, evidence, ids, most=most)
    return BoardView(f"board-{number}", table, name, given.replace(",", ", "), choosable(table), data, cells)


def make_cell(row: LeaderboardRow, table: LeaderboardTable, evidence: Evidence, anchor: str, *, most: int) -> CellView:
    """The view of one cell.

    Args:
        row, table: where it stands.
        evidence: what it was made from.
        anchor: its id in the page.
        most: rows of images that it may show.
    """
    found = evidence.cells.get(row.cell)
    if found is None:
        return CellView(anchor, row, cell_name(row), table.title, (), (), 0, "", "", [("cell", row.cell)])
    images, scores = evidence.image_scores(row.cell)
    names = [c.name for c in table.columns if c.name in scores]
    shown = list(_images(anchor, found, [scores[name] for name in names], most))
    folder = str(found.folder.source)
    hidden = len(images) - len(shown)
    return CellView(
        anchor, row, cell_name(row), table.title, names, shown, hidden, folder, command_of(found), _facts(found)
    )


def _images(anchor: str, found: CellEvidence, scores: Sequence[Any], most: int) -> Iterator[ImageRow]:
    table = found.table
    spent = np.stack([table.costs[name] for name in ("seconds_encode", "seconds_prompt", "seconds_segment")])
    total = spent.sum(axis=0)
    for n in range(min(len(table.images), most)):
        yield ImageRow(
            id=f"{anchor}-{n}",
            image=str(table.images[n]),
            group=str(table.groups[n]),
            status=str(table.status[n]),
            error=str(table.errors[n]),
            values=[_known(values[n]) for values in scores],
            instances=int(table.instances[n]) if np.isfinite(table.instances[n]) else None,
            seconds=_known(total[n]),
        )


def _facts(found: CellEvidence) -> list[tuple[str, str]]:
    facts = [("cell", found.key), ("seed", str(found.record["seed"]))]
    for kind in ("data", "prompter", "segmenter"):
        record = found.record[kind]
        options = ", ".join(f"{name}={value}" for name, value in record["identity"].get("options", {}).items())
        version = f"{record['identity']['component']}, version {record['identity']['version']}"
        facts.append(("data source" if kind == "data" else kind, f"{version}; {options or 'no options'}"))
        facts += [
            (f"{kind} weights, {weights['role']}", f"{weights['name']}, sha256 {weights['sha256']}")
            for weights in record["weights"]
        ]
    return facts


def _known(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None
