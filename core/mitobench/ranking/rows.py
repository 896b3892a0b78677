"""One cell as a row of a leaderboard: status, scores, costs, badges and notes."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mitobench.interfaces import Metric
from mitobench.ranking.badges import badges_of
from mitobench.ranking.evidence import CellEvidence
from mitobench.ranking.places import Ranking
from mitobench.ranking.standings import Column, LeaderboardRow, ScoreCell
from mitobench.ranking.statistics import Estimate, estimate_interval
from mitobench.results.tables import COSTS

__all__ = ["make_row", "score_bounds", "score_cell"]

_SECONDS = ("seconds_encode", "seconds_prompt", "seconds_segment")


def make_row(
    entry: CellEvidence,
    scores: Mapping[str, Estimate],
    columns: Sequence[Column],
    metrics: Mapping[str, Metric],
    ranking: Ranking,
    count: int,
) -> LeaderboardRow:
    """The row of one cell.

    Args:
        entry: the cell.
        scores: its estimates by column name.
        columns, metrics: of its table.
        ranking: of its table.
        count: images that any cell of its table has seen.
    """
    failed = int((entry.table.status == "failed").sum())
    status = "ok" if entry.complete(count) else "partial" if entry.succeeded or not failed else "failed"
    rank, low, high = ranking.places.get(entry.key, (None, None, None))
    return LeaderboardRow(
        rank=rank,
        rank_low=low,
        rank_high=high,
        prompter=entry.record["prompter"]["label"],
        segmenter=entry.record["segmenter"]["label"],
        cell=entry.key,
        status=status,
        images=entry.succeeded,
        failed=failed,
        total=max(int(entry.record["total"]), count),
        scores={c.name: score_cell(scores[c.name], c) for c in columns if c.name in scores},
        costs=_costs(entry),
        notes=_notes(entry, metrics, ranking.column if rank is None else None, scores),
        badges=badges_of(entry),
    )


def score_cell(found: Estimate, column: Column) -> ScoreCell:
    """One estimate as a table shows it."""
    spread = estimate_interval(found, bounds=score_bounds(found, column))
    low, high = spread if spread is not None else (None, None)
    return ScoreCell(
        value=found.value if math.isfinite(found.value) else None, low=low, high=high, defined=found.defined
    )


def score_bounds(found: Estimate, column: Column) -> tuple[float, float]:
    """What a score cannot leave: a fraction 0 and 1, anything that was never negative 0."""
    seen = found.resampled[np.isfinite(found.resampled)]
    if seen.size and seen.min() < 0:
        return -math.inf, math.inf
    fraction = column.higher_is_better and not column.unit and (not seen.size or seen.max() <= 1)
    return 0.0, 1.0 if fraction else math.inf


def _costs(entry: CellEvidence) -> dict[str, float | None]:
    table = entry.table
    seconds = np.sum([table.costs[name] for name in _SECONDS], axis=0)
    timed = np.isfinite(seconds) & (table.pixels > 0)
    pixels = float(table.pixels[timed].sum())
    return {
        **{name: _mean(table.costs[name]) for name in COSTS if name != "peak_memory_mb"},
        "peak_memory_mb": _largest(table.costs["peak_memory_mb"]),
        "seconds": _mean(seconds),
        "megapixel_seconds": float(seconds[timed].sum()) / pixels * 1e6 if pixels else None,
        "parameters": _parameters(entry),
    }


def _mean(values: NDArray[np.float64]) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else None


def _largest(values: NDArray[np.float64]) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.max()) if known.size else None


def _parameters(entry: CellEvidence) -> float | None:
    """The numbers that the cell's weights files hold, each file once; None where one of them is unknown, or there is none."""
    used = {w["sha256"]: w for part in ("prompter", "segmenter") for w in entry.record[part]["weights"]}
    counts = [w.get("parameters") for w in used.values()]
    return float(sum(counts)) if counts and None not in counts else None


def _notes(
    entry: CellEvidence, metrics: Mapping[str, Metric], lacking: Column | None, scores: Mapping[str, Estimate]
) -> tuple[str, ...]:
    """What must be said of a cell; ``lacking`` is the ranking column of a cell that it does not rank."""
    parts = [entry.record[part] for part in ("prompter", "segmenter")]
    first = f"cut short by a limit: the first {entry.record['total']} images of the data source, which has more"
    notes: list[str] = [first] if entry.record.get("cut") else []
    notes += [remark for part in parts for remark in part.get("remarks", [])]
    empty = int((entry.table.instances == 0).sum())
    if empty * 2 > entry.succeeded:
        notes.append(f"found no object in {empty} of {entry.succeeded} images; are its weights made for such images?")
    masks = [
        name
        for name, is_mask in (("reference", entry.table.semantic), ("prediction", entry.table.predicted_semantic))
        if is_mask.any()
    ]
    notes += [f"instances are connected components of a mask: {' and '.join(masks)}"] if masks else []
    if lacking is not None and lacking.name not in scores and entry.succeeded:
        notes.append(f"no rank: not scored by {lacking.metric}; `mitobench score` adds that")
    notes += [
        f"{part} weights: {w['name']} (sha256 {w['sha256'][:8]})"
        for part in ("prompter", "segmenter")
        for w in entry.record[part]["weights"]
    ]
    failures = sorted({str(e) for e in entry.table.errors if e})
    unscored = sorted({f"{key}: {e}" for key in metrics for e in entry.table.metric_errors(key) if e})
    return (
        *notes,
        *(f"failed: {error}" for error in failures[:3]),
        *(f"not scored by {error}" for error in unscored[:3]),
    )
