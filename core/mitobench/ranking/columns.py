"""The columns of a leaderboard: which scores the recorded metrics define, and their estimates for one cell."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mitobench.components import plan_metrics, reference_spec
from mitobench.errors import MitobenchError, UsageError
from mitobench.interfaces import Metric
from mitobench.plugins import Plugins
from mitobench.ranking.resampling import Resampling
from mitobench.ranking.standings import Column
from mitobench.ranking.statistics import Estimate, estimate
from mitobench.results.tables import CellTable
from mitobench.specs import Spec

__all__ = ["cell_scores", "make_columns", "merged_metrics", "recorded_metrics"]


def merged_metrics(records: Sequence[Mapping[str, Mapping[str, Any]]]) -> dict[str, Mapping[str, Any]]:
    """The metrics that some runs recorded, by key; where runs differ the one asked for earliest, whatever the runs' order."""

    def rank(record: Mapping[str, Any]) -> tuple[int, str]:
        return record.get("order", 0), json.dumps(record, sort_keys=True, default=str)

    merged: dict[str, Mapping[str, Any]] = {}
    for key, record in (item for metrics in records for item in metrics.items()):
        merged[key] = min(merged.get(key, record), record, key=rank)
    return merged


def recorded_metrics(recorded: Mapping[str, Mapping[str, Any]], plugins: Plugins) -> tuple[dict[str, Metric], str]:
    """The metrics that the runs were scored with, in the order asked for, and a remark on those that cannot be read here.

    Raises:
        UsageError: none of them can be.
    """
    metrics: dict[str, Metric] = {}
    gone = []
    for key, record in sorted(recorded.items(), key=lambda item: (item[1].get("order", 0), item[0])):
        wanted = reference_spec(str(record["identity"]["component"]))
        spec = Spec(wanted.name, record["given"], wanted.distribution)
        try:
            metrics[key] = _metric(key, spec, Path(record["base"]), plugins)
        except MitobenchError as error:
            gone.append(f"{key} ({error})")
    if not metrics:
        raise UsageError(
            f"the run was scored with {', '.join(gone) or 'no metric'}; score it again with `mitobench score`."
        )
    return metrics, f"; not shown: {', '.join(gone)}" if gone else ""


def make_columns(metrics: Mapping[str, Metric]) -> list[Column]:
    """Every score of every metric; a name that an earlier metric has is told apart by the metric's key."""
    columns: dict[str, Column] = {}
    for key, metric in metrics.items():
        taken = {column.score for column in columns.values()}
        for score in metric.reported:
            mark = f" [{key}]" if score.name in taken else ""
            shared: dict[str, Any] = {
                "metric": key,
                "score": score.name,
                "unit": score.unit,
                "higher_is_better": score.higher_is_better,
            }
            first_by = f"{score.first_by}{mark}" if score.first_by else ""
            pooled = Column(name=f"{score.name}{mark}", headline=score.headline, first_by=first_by, **shared)
            columns[pooled.name] = pooled
            if score.per_image:
                mean = Column(name=f"{score.name} (per image){mark}", mean_of_images=True, **shared)
                columns[mean.name] = mean
    return list(columns.values())


def cell_scores(
    table: CellTable, metrics: Mapping[str, Metric], columns: Sequence[Column], images: Sequence[str], drawn: Resampling
) -> dict[str, Estimate]:
    """The cell's estimates by column name; a metric that measured nothing adds none."""
    place = {image: row for row, image in enumerate(images)}
    where = np.array([place[str(i)] for i in table.images], np.int64)
    found: dict[str, Estimate] = {}
    for key, metric in metrics.items():
        names, values, measured = table.statistics(key)
        if not measured.any():
            continue
        aligned = np.zeros((len(images), len(names)))
        aligned[where] = values
        estimates = estimate(metric.scores, names, aligned, drawn)
        found |= {c.name: estimates[c.score][c.mean_of_images] for c in columns if c.metric == key}
    return found


def _metric(key: str, spec: Spec, base: Path, plugins: Plugins) -> Metric:
    planned = plan_metrics((spec,), plugins, None, base=base)[0]
    if planned.key != key:
        raise UsageError(f"here it is {planned.key}; `mitobench score` adds that")
    metric: Metric = planned.component.build(plugins)
    return metric
