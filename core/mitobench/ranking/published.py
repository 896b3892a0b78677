"""Published numbers beside ours: which cell or checkpoint of ours they belong to, what ours is, and what differs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mitobench.checkpoints import read_card
from mitobench.components import ComponentPlan
from mitobench.errors import MissingError, UsageError
from mitobench.experiment import PublishedScore
from mitobench.files import write_atomically
from mitobench.options import suggest
from mitobench.plan import Plan, PlannedCell
from mitobench.ranking.standings import Leaderboard, ScoreCell
from mitobench.results.runfolder import RunFolder
from mitobench.specs import Spec

__all__ = ["OVERLAPS", "PublishedComparison", "compare", "match_cell", "wording", "write_comparisons"]

STEM = "published"
OVERLAPS = ("in-domain", "leaky split")
"""The badges that say that the weights have seen what is evaluated, or its neighbours."""


@dataclass(frozen=True, kw_only=True)
class PublishedComparison:
    """One published number with ours.

    Attributes:
        column, published, source, differs: as the experiment file says.
        of: the cell or checkpoint of ours, as tables show it.
        cell: its key, or "" for a checkpoint.
        ours: our number; None where there is none, and ``remark`` says why.
        low, high: 95 % interval of ours, where there is one.
        images: on how many images ours is defined; None for a checkpoint.
        remark: what else must be said about ours.
    """

    column: str
    published: float
    source: str
    differs: str
    of: str
    cell: str = ""
    ours: float | None = None
    low: float | None = None
    high: float | None = None
    images: int | None = None
    remark: str = ""


def match_cell(published: PublishedScore, plan: Plan) -> PlannedCell | None:
    """The one cell that a published number belongs to; None where the plan has no such cell, or it is a checkpoint's.

    Raises:
        UsageError: it could belong to several.
    """
    if published.checkpoint is not None:
        return None
    wanted = (published.data, published.prompter, published.segmenter)
    found = [cell for cell in plan.cells if all(map(_fits, wanted, cell.components))]
    if len(found) > 1:
        named = "; ".join(f"{c.prompter} x {c.segmenter} on {c.data}" for c in found[:3])
        asked = " x ".join(str(spec) for spec in wanted if spec is not None)
        raise UsageError(
            f"the published {published.column} {published.value:g} belongs to {asked}, which {len(found)} cells are: {named}. "
            "Give more of their options, or data."
        )
    return found[0] if found else None


def compare(
    published: Sequence[PublishedScore], plan: Plan, leaderboard: Leaderboard
) -> tuple[PublishedComparison, ...]:
    """Put our numbers beside the published ones.

    Raises:
        UsageError: a number that could belong to several cells, or of a column that its cell does not have.
    """
    return tuple(
        _of_checkpoint(score) if score.checkpoint is not None else _of_cell(score, plan, leaderboard)
        for score in published
    )


def wording(comparison: PublishedComparison) -> str:
    """What a reader must know before comparing: that nothing differs, or what does."""
    differs = comparison.differs or "nothing that we know of: same data, same protocol"
    return f"what differs: {differs}" + (f"; {comparison.remark}" if comparison.remark else "")


def write_comparisons(folder: RunFolder, comparisons: Sequence[PublishedComparison]) -> None:
    """Write ``report/published.json``.

    Raises:
        ResourceError: the disk is full.
    """
    data = {"schema": 1, "scores": [asdict(comparison) for comparison in comparisons]}
    text = json.dumps(data, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    write_atomically(folder.report / f"{STEM}.json", text.encode("utf-8", "surrogatepass"))


def _fits(wanted: Spec | None, component: ComponentPlan) -> bool:
    if wanted is None:
        return True
    distribution, _, name = component.reference.rpartition("/")
    if wanted.name != name or wanted.distribution not in ("", distribution):
        return False
    return all(component.given.get(key) == value for key, value in wanted.options.items())


def _of_cell(score: PublishedScore, plan: Plan, leaderboard: Leaderboard) -> PublishedComparison:
    cell = match_cell(score, plan)
    if cell is None:
        asked = (score.data, score.prompter, score.segmenter)
        named = " x ".join(str(spec) for spec in asked if spec is not None)
        return _comparison(score, named, remark="this run has no such cell")
    rows = [row for table in leaderboard.tables for row in table.rows if row.cell == cell.key]
    of = f"{cell.prompter} x {cell.segmenter}"
    if not rows:
        return _comparison(score, of, cell=cell.key, remark=cell.reason or "this cell has no results")
    names: Mapping[str, ScoreCell] = {name.lower(): found for name, found in rows[0].scores.items()}
    found = names.get(score.column.lower())
    if found is None:
        raise UsageError(
            f"the published {score.column} {score.value:g}: {of} has no such score. It has: {', '.join(rows[0].scores)}."
        )
    partial = "" if rows[0].status == "ok" else f"ours is {rows[0].status}: {rows[0].images} of {rows[0].total} images"
    seen = [f"{badge.name}: {badge.explanation}" for badge in rows[0].badges if badge.name in OVERLAPS]
    return _comparison(
        score,
        of,
        cell=cell.key,
        ours=found.value,
        low=found.low,
        high=found.high,
        images=found.defined,
        remark="; ".join([part for part in (partial, *seen) if part]),
    )


def _of_checkpoint(score: PublishedScore) -> PublishedComparison:
    path = score.checkpoint
    assert path is not None  # noqa: S101  (asked for before)
    of = f"checkpoint {path.name}"
    if not path.exists():
        return _comparison(score, of, remark="not measured: nothing has trained this checkpoint")
    try:
        metrics = read_card(path).metrics
    except MissingError as error:
        return _comparison(score, of, remark=f"not measured: {str(error).replace(str(path), path.name)}")
    if score.column not in metrics:
        known, meant = ", ".join(metrics) or "none", suggest(score.column, list(metrics))
        remark = f"not measured: the card of {path.name} has no {score.column}, only {known}"
        return _comparison(score, of, remark=f"{remark}.{meant}" if meant else remark)
    return _comparison(score, of, ours=float(metrics[score.column]))


def _comparison(score: PublishedScore, of: str, **ours: Any) -> PublishedComparison:
    return PublishedComparison(
        column=score.column, published=score.value, source=score.source, differs=score.differs, of=of, **ours
    )
