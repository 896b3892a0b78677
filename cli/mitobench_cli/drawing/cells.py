"""The cells of a run as figures name them, choose among them, and order their images."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from mitobench.errors import UsageError
from mitobench_cli.drawing.boards import counted

if TYPE_CHECKING:
    from mitobench.ranking.evidence import Evidence
    from mitobench.ranking.standings import Column, Leaderboard, LeaderboardTable

__all__ = [
    "DataCells",
    "NamedCell",
    "cells_by_data",
    "choose_cells",
    "images_by_objects",
    "pair_of_cells",
    "representative_images",
]


@dataclass(frozen=True, kw_only=True)
class NamedCell:
    """A cell with the names that the leaderboard gives it; ``oracle`` where its prompts were made from the reference."""

    key: str
    prompter: str
    segmenter: str
    oracle: bool

    @property
    def label(self) -> str:
        """Prompter and segmenter, or the segmenter alone where it takes no prompts."""
        return self.segmenter if self.prompter == "none" else f"{self.prompter} × {self.segmenter}"

    @property
    def title(self) -> str:
        """The label, with oracles marked."""
        return f"{self.label} (oracle)" if self.oracle else self.label


@dataclass(frozen=True, kw_only=True)
class DataCells:
    """The cells of one data source, best first, automatic before oracle.

    Attributes:
        label: of the data source, told apart from others of the same name.
        cells: those that went through at least one image.
        tables: the leaderboard's, one or two.
        primary: the column that ranks, or None where nothing is scored.
    """

    label: str
    cells: tuple[NamedCell, ...]
    tables: "tuple[LeaderboardTable, ...]"
    primary: "Column | None"

    def narrowed(self, wanted: Sequence[str]) -> "DataCells":
        """The same with only those cells that some texts name, in that order; as it is where there is no text."""
        named = {cell.key: cell for text in wanted for cell in self.cells if _is_named(cell, text)}
        return replace(self, cells=tuple(named.values())) if wanted else self


def cells_by_data(leaderboard: "Leaderboard", evidence: "Evidence") -> tuple[DataCells, ...]:
    """All cells by their data source, in the leaderboard's order."""
    grouped: dict[str, list[LeaderboardTable]] = {}
    for table in leaderboard.tables:
        if table.rows:
            grouped.setdefault(evidence.cells[table.rows[0].cell].record["data"]["key"], []).append(table)
    return tuple(_data_cells(tables) for tables in grouped.values())


def choose_cells(cells: Sequence[NamedCell], wanted: Sequence[str]) -> tuple[NamedCell, ...]:
    """The cells that some texts name, in that order; all where there is no text.

    Args:
        cells: to choose from.
        wanted: each ``PROMPTER x SEGMENTER``, a segmenter, a prompter, or the beginning of a cell's key.

    Raises:
        UsageError: a text names no cell.
    """
    chosen: dict[str, NamedCell] = {}
    for text in wanted:
        found = [cell for cell in cells if _is_named(cell, text)]
        if not found:
            names = "; ".join(f"{c.prompter} x {c.segmenter}" for c in cells)
            raise UsageError(f"--cell {text!r} names no cell. There are: {names}.")
        chosen |= {cell.key: cell for cell in found}
    return tuple(chosen.values()) if wanted else tuple(cells)


def pair_of_cells(cells: Sequence[NamedCell]) -> tuple[NamedCell, ...]:
    """Two cells to be compared, the worse one first: the best two that share a prompter, else the best two; or one, or none."""
    ranked = list(cells)
    for position, worse in enumerate(ranked):
        for better in ranked[:position]:
            if worse.prompter == better.prompter != "none" and worse.segmenter != better.segmenter:
                return worse, better
    return tuple(reversed(ranked[:2]))


def representative_images(
    evidence: "Evidence", cell: NamedCell, column: "Column | None", count: int = 3
) -> list[tuple[str, str]]:
    """Images of a cell spread over its scores from best to worst.

    Returns:
        at most ``count`` pairs of a word ("best", "median", "worst"; "" where there is no score) and an image id.
    """
    images, scores = evidence.image_scores(cell.key)
    values = scores.get(column.name) if column is not None else None
    if column is None or values is None or not np.isfinite(values).any():
        return [("", str(image)) for image in images[evidence.cells[cell.key].table.status == "ok"][:count]]
    defined = np.flatnonzero(np.isfinite(values))
    order = defined[np.argsort(-values[defined] if column.higher_is_better else values[defined], kind="stable")]
    places = list(dict.fromkeys(round(p) for p in np.linspace(0, len(order) - 1, min(count, len(order)))))
    words = {0: "best", len(order) - 1: "worst", (len(order) - 1) // 2: "median", len(order) // 2: "median"}
    if len(order) < 3:
        words = {0: "best", 1: "worst"} if len(order) == 2 else {}
    return [(words.get(place, ""), str(images[order[place]])) for place in places]


def images_by_objects(evidence: "Evidence", cell: NamedCell, count: int = 3) -> list[tuple[str, str]]:
    """Images of a cell spread over their numbers of reference objects, from the fewest (but not none) to the most.

    Returns:
        at most ``count`` pairs of the number in words and an image id.
    """
    table = evidence.cells[cell.key].table
    numbered = []
    for image in table.images[table.status == "ok"]:
        labels = evidence.sample(cell.key, str(image)).labels
        if labels is not None and labels.any():
            numbered.append((int((np.unique(labels) > 0).sum()), str(image)))
    numbered.sort()
    places = dict.fromkeys(round(p) for p in np.linspace(0, len(numbered) - 1, min(count, len(numbered))))
    return [(counted(numbered[place][0], "object"), numbered[place][1]) for place in places]


def _data_cells(tables: "list[LeaderboardTable]") -> DataCells:
    first = tables[0]
    suffix = first.title.rfind(": ")
    return DataCells(
        label=first.title[:suffix] if suffix > 0 else first.data,
        cells=tuple(
            NamedCell(key=row.cell, prompter=row.prompter, segmenter=row.segmenter, oracle=table.oracle)
            for table in tables
            for row in table.rows
            if row.images
        ),
        tables=tuple(tables),
        primary=next((c for table in tables for c in table.columns if c.name == table.primary), None),
    )


def _is_named(cell: NamedCell, text: str) -> bool:
    names = (cell.label, f"{cell.prompter} x {cell.segmenter}", cell.segmenter, cell.prompter)
    return text in names or (len(text) >= 4 and cell.key.startswith(text))
