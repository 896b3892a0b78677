"""Which cells are meant by a few words, and which of two runs belong together."""

from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase

from mitobench.errors import UsageError
from mitobench.ranking.evidence import CellEvidence, Evidence
from mitobench.specs import Spec

__all__ = ["find_cells", "pair_cells"]

_SHORTEST_KEY = 6


def find_cells(evidence: Evidence, text: str) -> list[str]:
    """The cells that a text names, by their keys: one on each data source where it is a label.

    Args:
        evidence: where to look.
        text: the beginning of a cell's key (six digits or more), ``PROMPTER x SEGMENTER``, or the segmenter's label alone; both may hold ``*``
            and ``?``. Options that are paths may be given as they were for the run, where the label has the file's name alone.

    Raises:
        UsageError: no cell matches.
    """
    matches = (
        lambda cell: len(text) >= _SHORTEST_KEY and cell.key.startswith(text),
        lambda cell: text in _names(cell),
        lambda cell: text in _typed_names(cell),
        lambda cell: any(fnmatchcase(name, text) for name in _names(cell)),
    )
    for match in matches:
        found = [key for key, cell in evidence.cells.items() if match(cell)]
        if found:
            return found
    known = sorted({_names(cell)[0] for cell in evidence.cells.values()})
    raise UsageError(f"no cell is called {text!r}. There are: {'; '.join(known)}.")


def pair_cells(
    first: tuple[Evidence, Collection[str]], second: tuple[Evidence, Collection[str]]
) -> tuple[list[tuple[str, str]], list[str]]:
    """Pair the cells of two sides that saw the same data, whatever it is called: the only ones there, or those of equal labels.

    Returns:
        pairs of keys, and the names of the cells that have no partner.

    Raises:
        UsageError: the sides have no data source in common, no cells that belong together, are one and the same cell, or one
            of them names several cells for the single one of the other.
    """
    sides = [_by_data(*side) for side in (first, second)]
    shared = [data for data in sides[0] if data in sides[1]]
    if not shared:
        named = " and ".join(", ".join(_data_name(cells[0]) for cells in side.values()) for side in sides)
        raise UsageError(
            f"the two sides have seen no data in common: {named}. Compare cells of one data source with the same content."
        )
    pairs = [pair for data in shared for pair in _paired(sides[0][data], sides[1][data])]
    pairs = [
        (one, two) for one, two in pairs if one is not two and (one.folder.path, one.key) != (two.folder.path, two.key)
    ]
    if not pairs:
        _check_unambiguous([(sides[0][data], sides[1][data]) for data in shared])
        names = "; ".join(dict.fromkeys(_names(c)[0] for side in sides for cells in side.values() for c in cells))
        raise UsageError(
            f"nothing to compare: name two different cells, as RUN:CELL, or two runs that hold the same cell. There are: {names}."
        )
    used = {id(cell) for pair in pairs for cell in pair}
    alone = [c for side in sides for cells in side.values() for c in cells if id(c) not in used]
    return [(one.key, two.key) for one, two in pairs], list(dict.fromkeys(_names(c)[0] for c in alone))


def _check_unambiguous(opposed: Sequence[tuple[Sequence[CellEvidence], Sequence[CellEvidence]]]) -> None:
    """Raise UsageError where, on one data source, a side names several cells and the other a single one."""
    for sides in opposed:
        for which, cells, others in zip(("first (A)", "second (B)"), sides, reversed(sides), strict=True):
            if len(cells) > len(others) == 1:
                named = "; ".join(f"{_names(cell)[0]} (cell {cell.key[:8]})" for cell in cells)
                raise UsageError(
                    f"the {which} is ambiguous: it matches {len(cells)} cells on {cells[0].record['data']['label']}: {named}. "
                    "Name one of them as PROMPTER x SEGMENTER, or by the beginning of its key."
                )


def _by_data(evidence: Evidence, keys: Collection[str]) -> dict[str, list[CellEvidence]]:
    """Cells by their data source's key, as a leaderboard puts them into tables."""
    found: dict[str, list[CellEvidence]] = {}
    for key in keys:
        cell = evidence.cells[key]
        found.setdefault(str(cell.record["data"]["key"]), []).append(cell)
    return found


def _data_name(cell: CellEvidence) -> str:
    data = cell.record["data"]
    return f"{data['label']} ({str(data['identity']['fingerprint'])[:8]})"


def _paired(first: Sequence[CellEvidence], second: Sequence[CellEvidence]) -> list[tuple[CellEvidence, CellEvidence]]:
    if len(first) == len(second) == 1:
        return [(first[0], second[0])]
    pairs = []
    for one in first:
        named = [two for two in second if _names(two)[0] == _names(one)[0]]
        if len(named) > 1:
            named = [two for two in named if two.key == one.key]
        pairs += [(one, two) for two in named]
    return pairs


def _names(cell: CellEvidence) -> tuple[str, str]:
    prompter, segmenter = (str(cell.record[part]["label"]) for part in ("prompter", "segmenter"))
    return f"{prompter} x {segmenter}", segmenter


def _typed_names(cell: CellEvidence) -> set[str]:
    """The names of a cell with each spec either as it was given for the run, or as its label."""
    prompters, segmenters = (
        {str(record["label"]), str(Spec(record["identity"]["component"].rpartition("/")[2], record["given"]))}
        for record in (cell.record["prompter"], cell.record["segmenter"])
    )
    return {*segmenters, *(f"{prompter} x {segmenter}" for prompter in prompters for segmenter in segmenters)}
