"""The best cell of a run, taken up again: its prompter and segmenter with exactly the options and weights that were scored."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mitobench.components import ComponentPlan, plan_component, reference_spec
from mitobench.descriptors import Kind
from mitobench.errors import MissingError, MitobenchError, UsageError
from mitobench.plugins import Plugins
from mitobench.ranking.evidence import Evidence
from mitobench.ranking.leaderboard import build_leaderboard
from mitobench.ranking.standings import LeaderboardTable
from mitobench.results.runfolder import RunFolder
from mitobench.specs import Spec
from mitobench.weights import WeightsStore

__all__ = ["Winner", "best_cell", "take_up"]


@dataclass(frozen=True, kw_only=True)
class Winner:
    """The best cell of a run.

    Attributes:
        run: the run's folder.
        cell: its key.
        data: the data source that it was scored on, as the leaderboard calls it.
        column, value: what it is the best by, and its score.
        record: what ``run.json`` says about it.
        side: the longest of the images that it was scored on, in pixels, or None where unknown.
        passed_over: the segmenters of better cells that hold segmentations of given images only, and so have none of others.
    """

    run: str
    cell: str
    data: str
    column: str
    value: float | None
    record: Mapping[str, Any]
    side: int | None
    passed_over: tuple[str, ...] = ()


def best_cell(folder: RunFolder, plugins: Plugins, *, column: str | None = None, data: str | None = None) -> Winner:
    """The first-ranked cell of a run that can segment other images: complete, without oracle prompts.

    What is left out besides is a segmenter of finished segmentations (:class:`mitobench.interfaces.ImageBoundSegmenter`).

    Args:
        folder: the run.
        plugins: where its metrics are.
        column: the leaderboard's column to rank by; its first headline column by default.
        data: the data source's label or title, needed where the run holds several.

    Raises:
        UsageError: no such column or data source, several data sources and none named, no complete automatic cell, or only
            such of finished segmentations.
    """
    evidence = Evidence([folder], plugins)
    leaderboard = build_leaderboard(evidence, primary=column, resamples=0)
    table = _table([t for t in leaderboard.tables if not t.oracle], data, folder)
    ranked = [row for row in table.rows if row.rank is not None]
    if not ranked:
        raise UsageError(
            f"{folder.path}: no cell on {table.data!r} has seen all images without error; run `mitobench run` again to complete it."
        )
    bound = list(takewhile(lambda row: _image_bound(evidence.cells[row.cell].record["segmenter"], plugins), ranked))
    passed_over = tuple(row.segmenter for row in bound)
    if len(bound) == len(ranked):
        raise UsageError(
            f"{folder.path}: every complete cell on {table.data!r} holds finished segmentations of the run's own images "
            f"({', '.join(passed_over)}) and can segment no others; run a segmenter, or name one with --segmenter."
        )
    row = ranked[len(bound)]
    cell = evidence.cells[row.cell]
    score = row.scores.get(table.primary)
    return Winner(
        run=str(folder.path),
        cell=row.cell,
        data=table.data,
        column=table.primary,
        value=score.value if score is not None else None,
        record=cell.record,
        side=_largest(cell.table.sides),
        passed_over=passed_over,
    )


def take_up(winner: Winner, part: Kind, plugins: Plugins, store: WeightsStore) -> ComponentPlan:
    """The winner's ``prompter`` or ``segmenter``. What is not installed or fetched is said in ``missing``, as when planning.

    Raises:
        MissingError: its weights are other files now.
        UsageError: its code has another version, or its files or options are not what they were.
    """
    record = winner.record[part]
    distribution, _, name = record["identity"]["component"].rpartition("/")
    spec = Spec(name, record["given"], distribution)
    planned = plan_component(part, spec, plugins, store, base=Path(record["base"]))
    if planned.missing or planned.key == record["key"]:
        return replace(planned, label=record["label"])
    was = {weights["role"]: weights["sha256"] for weights in record["weights"]}
    now = {weights.role: weights.sha256 for weights in planned.weights}
    if was != now:
        changed = ", ".join(
            f"{role} {_short(was, role)} -> {_short(now, role)}"
            for role in sorted(was | now)
            if was.get(role) != now.get(role)
        )
        raise MissingError(
            f"{part} {record['label']}: its weights are not those that {winner.run} scored (sha256: {changed}). Bring the scored file back, or run again with the new one."
        )
    if planned.version != record["identity"].get("version"):
        raise UsageError(
            f"{part} {record['label']}: is of version {planned.version} here and was scored as version {record['identity'].get('version')}; its numbers may differ. Run again, or install that version."
        )
    raise UsageError(
        f"{part} {record['label']}: the files or options that it reads are not what they were when {winner.run} was made. Run again."
    )


def _image_bound(record: Mapping[str, Any], plugins: Plugins) -> bool:
    """Whether a segmenter's class checks images, as one of finished segmentations does. False where it cannot be imported."""
    try:
        target = plugins.find("segmenter", reference_spec(record["identity"]["component"])).target()
    except MitobenchError:  # taking it up says why
        return False
    return callable(getattr(target, "check_images", None))


def _table(tables: list[LeaderboardTable], data: str | None, folder: RunFolder) -> LeaderboardTable:
    names = ", ".join(repr(table.data) for table in tables) or "none"
    if data is not None:
        named = [t for t in tables if data in (t.data, t.title, t.title.removesuffix(": automatic"))]
        if len(named) != 1:
            raise UsageError(f"{folder.path}: {len(named)} data sources are called {data!r}; the run holds {names}.")
        return named[0]
    if not tables:
        raise UsageError(
            f"{folder.path}: holds no automatic cell, only oracle prompts, which need a reference; name a prompter and a segmenter."
        )
    if len(tables) > 1:
        raise UsageError(f"{folder.path}: holds several data sources; say with --best-on which one counts: {names}.")
    return tables[0]


def _largest(sides: NDArray[np.float64]) -> int | None:
    known = sides[np.isfinite(sides)]
    return int(known.max()) if known.size else None


def _short(hashes: Mapping[str, str], role: str) -> str:
    return hashes[role][:12] if role in hashes else "none"
