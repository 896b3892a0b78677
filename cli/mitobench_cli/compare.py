"""``mitobench compare``: two cells, or the same cells of two runs, image by image."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mitobench.errors import RegressionError, UsageError
from mitobench.files import is_there
from mitobench_cli.terminal import columns, debug_option, discover, json_option, only_json, say, show, show_json

if TYPE_CHECKING:
    from mitobench.plugins import Plugins
    from mitobench.ranking.compared import CellComparison, ColumnComparison, Side
    from mitobench.ranking.evidence import Evidence

__all__ = ["command"]


@click.command("compare")
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@click.option("--primary", metavar="SCORE", help="The score that is tested, and that a regression is judged by.")
@click.option(
    "--scores",
    type=click.Choice(["headline", "all"]),
    default="headline",
    show_default=True,
    help="Show the headline scores, or all of them; --json has all.",
)
@click.option(
    "--fail-on-regression",
    "allowed",
    type=click.FloatRange(min=0),
    metavar="DELTA",
    help="Exit with code 6 where B is worse than A by more than this on the primary score.",
)
@click.option(
    "--resamples", default=2000, show_default=True, type=click.IntRange(min=0), help="Bootstrap resamples of intervals."
)
@json_option
@debug_option
def command(
    first: str, second: str, primary: str | None, scores: str, allowed: float | None, resamples: int, as_json: bool
) -> None:
    """Compare two cells, or the same cells of two runs, image by image.

    A and B are runs or exports of runs, or RUN:CELL. A CELL is "PROMPTER x SEGMENTER" or a segmenter as the leaderboard shows it (* and ? match), or
    the beginning of the cell's key; B may be a CELL of A's run. Two runs are compared cell by cell, as far as both hold it.
    Differences are B minus A; the images are those that both were scored on.
    """
    from mitobench.ranking.comparison import compare_cells
    from mitobench.ranking.pairing import pair_cells

    with only_json(as_json):
        plugins = discover()
        one = _side(first, plugins, None)
        two = _side(second, plugins, one)
        pairs, alone = pair_cells(one, two)
        found = [compare_cells((one[0], a), (two[0], b), primary=primary, resamples=resamples) for a, b in pairs]
    if as_json:
        show_json({"comparisons": [comparison.to_data() for comparison in found], "without_partner": alone})
    else:
        show("\n\n".join(_as_text(comparison, scores == "all") for comparison in found))
        if alone:
            say(f"without a partner: {'; '.join(alone)}")
    if allowed is not None:
        _judge(found, allowed)


def _side(text: str, plugins: "Plugins", other: "tuple[Evidence, list[str]] | None") -> "tuple[Evidence, list[str]]":
    """The run that a text names, and the keys of the cells it names in there.

    Raises:
        UsageError: no such run or cell.
    """
    from mitobench.ranking.evidence import Evidence
    from mitobench.ranking.pairing import find_cells
    from mitobench.sharing.exports import open_run

    ends = [len(text), *(i for i, character in enumerate(text) if character == ":")]
    for end in ends:
        path, cell = Path(text[:end]), text[end + 1 :]
        if text[:end] and (is_there(path / "run.json") or (path.suffix.lower() == ".zip" and is_there(path))):
            known = other is not None and other[0].folders[0].source.resolve() == path.resolve()
            evidence = other[0] if known and other is not None else Evidence([open_run(path)], plugins)
            return evidence, find_cells(evidence, cell) if cell else list(evidence.cells)
    if other is None:
        raise UsageError(f"{text!r}: no run here (run.json is absent). Give a run's folder, or RUN:CELL.")
    return other[0], find_cells(other[0], text)


def _as_text(found: "CellComparison", everything: bool) -> str:
    from mitobench.text import inert

    shown = [c for c in found.columns if everything or c.column.headline or c.column.name == found.primary]
    header = ["", "A", "B", "B - A", "95 % interval", "B better/equal/worse on", "undefined on"]
    fields = len(header) if any(c.undefined for c in shown) else len(header) - 1
    table = columns([_row(c)[:fields] for c in shown], header[:fields])
    lines = [f"A: {_name(found.first)}", f"B: {_name(found.second)}", *_badges(found), f"data: {_coverage(found)}"]
    tested = f"p = {found.p:.2g} ({found.test})" if found.p is not None else found.test
    closing = [f"{found.primary}: {tested}", *_left_out(shown), found.uncertainty]
    return "\n".join([*map(inert, lines), table, *map(inert, closing)])


def _left_out(shown: "list[ColumnComparison]") -> list[str]:
    """A line on the scores of which the comparison leaves something out."""
    counts = [
        f"{c.column.name} {c.left_out} {'image' if c.column.mean_of_images else 'group'}{'' if c.left_out == 1 else 's'}"
        for c in shown
        if c.left_out
    ]
    return [f"left out, as only one of A and B is defined there: {', '.join(counts)}"] if counts else []


def _row(found: "ColumnComparison") -> list[str]:
    def text(value: float | None, sign: str = "") -> str:
        return "undefined" if value is None else f"{value:{sign}.3f}" if abs(value) <= 1 else f"{value:{sign}.4g}"

    unit = f" ({found.column.unit})" if found.column.unit else ""
    arrow = "" if found.column.higher_is_better else " ↓"
    spread = "-" if found.low is None else f"[{text(found.low, '+')}, {text(found.high, '+')}]"
    return [
        f"{found.column.name}{unit}{arrow}",
        text(found.first),
        text(found.second),
        text(found.difference, "+"),
        spread,
        f"{found.better}/{found.equal}/{found.worse}",
        str(found.undefined or "-"),
    ]


def _badges(found: "CellComparison") -> list[str]:
    """A line for each of the two that has badges."""
    return [
        f"badges of {name}: {'; '.join(f'{badge.name} ({badge.explanation})' for badge in side.badges)}"
        for name, side in (("A", found.first), ("B", found.second))
        if side.badges
    ]


def _name(side: "Side") -> str:
    return f"{side.prompter} x {side.segmenter}  ({side.run}, cell {side.cell[:8]})"


def _coverage(found: "CellComparison") -> str:
    alone = [f"{count} only in {name}" for name, count in (("A", found.only_first), ("B", found.only_second)) if count]
    measured = [
        f"{found.primary} could be measured on {count} of them only in {name}"
        for name, count in (("A", found.lost), ("B", found.gained))
        if count
    ]
    return ", ".join([f"{found.data}: {found.images} of {found.total} images in both", *alone, *measured])


def _judge(found: "list[CellComparison]", allowed: float) -> None:
    """Raise RegressionError where any second cell is worse than its first by more than is allowed."""
    reasons = [
        f"{c.second.prompter} x {c.second.segmenter} on {c.data}: {reason}"
        for c in found
        if (reason := c.regression(allowed))
    ]
    if reasons:
        raise RegressionError(f"regression: {'; '.join(reasons)}.")
