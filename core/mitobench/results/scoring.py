"""Scoring: of one image with its sample at hand, and of stored predictions, which needs no model."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from mitobench.components import PlannedMetric, open_source, plan_metrics
from mitobench.errors import DataError, UsageError
from mitobench.interfaces import Metric
from mitobench.plugins import Plugins
from mitobench.results.predictions import StoredPrediction, read_prediction
from mitobench.results.runfolder import RunFolder
from mitobench.samples import Sample, SampleRef
from mitobench.specs import Spec
from mitobench.workbench import Workbench, describe

__all__ = ["ScoringOutcome", "metric_record", "reopen", "rescore", "score_image", "score_stored"]

_ROWS_PER_PART = 256


@dataclass(frozen=True, kw_only=True)
class ScoringOutcome:
    """How scoring ended: predictions scored now, those that could not be, and why."""

    done: int
    failed: int
    errors: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """0, or 1 where something could not be scored."""
        return 1 if self.failed else 0


def score_image(
    sample: Sample, prediction: StoredPrediction, metrics: Sequence[PlannedMetric], bench: Workbench
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Score one image with every metric. A metric that fails costs its own columns.

    Returns:
        the metrics' columns of the image row, and the object rows.
    """
    columns: dict[str, Any] = {}
    objects: list[dict[str, Any]] = []
    for planned in metrics:
        try:
            metric: Metric = bench.component(planned.component)
            found = metric.statistics(sample, prediction.segmentation, prediction.prompts)
            columns[f"{planned.key}.measured"] = found is not None
            if found is not None:
                columns |= {f"{planned.key}/{name}": float(value) for name, value in found.image.items()}
                names = list(found.objects)
                columns_of = [found.objects[name].tolist() for name in names]
                keys = [f"{planned.key}/{name}" for name in names]
                objects += [
                    {"metric": planned.key, **dict(zip(keys, row, strict=True))}
                    for row in zip(*columns_of, strict=True)
                ]
        except (Exception, SystemExit) as error:
            columns[f"{planned.key}.error"] = describe(error)
    return columns, objects


def rescore(
    folder: RunFolder,
    metrics: Sequence[Spec],
    plugins: Plugins,
    *,
    base: Path | None = None,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> ScoringOutcome:
    """Score everything that a run has stored with these metrics (or the default ones), where it is not scored yet.

    Raises:
        DataError: a data source is gone, or its content is no longer what was evaluated.
        UsageError: an unknown metric; another process writes to the run.
    """
    planned = plan_metrics(tuple(metrics), plugins, None, base=base or Path.cwd())
    record = folder.record()
    refs: dict[str, list[SampleRef]] = {}
    cells: dict[str, list[str]] = {}
    for key, cell in record["cells"].items():
        data = cell["data"]
        cells.setdefault(data["key"], []).append(key)
        if data["key"] not in refs:
            same = (each for each in record["cells"].values() if each["data"]["key"] == data["key"])
            refs[data["key"]] = reopen(data, plugins, cell["seed"], most=max(int(each["total"]) for each in same))
    with folder.writing():
        folder.remember(
            cells={}, metrics={m.key: metric_record(m) for m in planned}, request={"rescore": [m.key for m in planned]}
        )
        return score_stored(folder, refs, cells, planned, Workbench(plugins, "cpu", 0), progress=progress)


def score_stored(
    folder: RunFolder,
    refs: Mapping[str, Iterable[SampleRef]],
    cells: Mapping[str, Sequence[str]],
    metrics: Sequence[PlannedMetric],
    bench: Workbench,
    *,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> ScoringOutcome:
    """Score the stored predictions of some cells that lack some of the metrics.

    Args:
        folder: the run, held for writing.
        refs: the samples of each data source, by its key.
        cells: the cells of each data source, by its key.
        metrics: what to score with.
        bench: builds the metrics.
        progress: told (done, total) after every prediction.
        should_stop: polled before every image; what is scored by then is stored.
    """
    lacking = {key: _lacking(folder, key, metrics) for group in cells.values() for key in group}
    total, done, errors = sum(len(images) for images in lacking.values()), 0, []
    cells = {data_key: keys for data_key, keys in cells.items() if any(lacking[key] for key in keys)}
    images: list[dict[str, Any]] = []
    objects: list[dict[str, Any]] = []
    for data_key, keys in cells.items():
        for ref in refs[data_key]:
            if should_stop():
                break
            wanted = [key for key in keys if ref.id in lacking[key]]
            for key, (columns, rows, error) in _score(folder, ref, wanted, metrics, bench).items():
                done += 1
                progress(done, total)
                if error:
                    errors.append(f"{ref.id}: {error}")
                if columns:
                    images.append({"cell": key, "image": ref.id, "status": "ok", **columns})
                    objects += [{"cell": key, "image": ref.id, **row} for row in rows]
            if len(images) >= _ROWS_PER_PART:
                folder.write_part("score", images, objects)
                images, objects = [], []
    if images:
        folder.write_part("score", images, objects)
    return ScoringOutcome(done=done - len(errors), failed=len(errors), errors=tuple(dict.fromkeys(errors)))


def metric_record(metric: PlannedMetric) -> dict[str, Any]:
    """A metric as ``run.json`` keeps it: enough to build it again."""
    component = metric.component
    return {
        "reference": component.reference,
        "version": component.version,
        "label": component.label,
        "given": {name: str(value) if isinstance(value, Path) else value for name, value in component.given.items()},
        "base": str(component.base),
        "identity": dict(component.identity),
    }


def _score(
    folder: RunFolder, ref: SampleRef, keys: Sequence[str], metrics: Sequence[PlannedMetric], bench: Workbench
) -> dict[str, tuple[dict[str, Any], list[dict[str, Any]], str]]:
    if not keys:
        return {}
    try:
        sample = ref.load()
    except Exception as error:
        return {key: ({}, [], describe(error)) for key in keys}
    scored: dict[str, tuple[dict[str, Any], list[dict[str, Any]], str]] = {}
    for key in keys:
        try:
            prediction = read_prediction(folder.predictions(key), cell=key, image=ref.id, shape=sample.shape)
        except Exception as error:
            scored[key] = ({}, [], describe(error))
            continue
        columns, rows = score_image(sample, prediction, metrics, bench)
        scored[key] = (columns, rows, "; ".join(v for name, v in columns.items() if name.endswith(".error")))
    return scored


def _lacking(folder: RunFolder, cell: str, metrics: Sequence[PlannedMetric]) -> set[str]:
    """The images that went through the cell and lack one of the metrics."""
    return folder.finished(cell, []) - folder.finished(cell, [m.key for m in metrics])


def reopen(record: Mapping[str, Any], plugins: Plugins, seed: int, *, most: int) -> list[SampleRef]:
    """The first samples of a data source as a cell's record in ``run.json`` describes it.

    Only for records that the user's own computer wrote: what they name is built and read.

    Args:
        record: ``data`` of the cell.
        plugins: where data sources are.
        seed: of the cell.
        most: how many; a run is asked for the first ones of a data source, so none of its results is of a later one.

    Raises:
        DataError: it is gone, or its content is no longer what was evaluated.
    """
    distribution, _, name = record["identity"]["component"].rpartition("/")
    try:
        planned, source = open_source(
            Spec(name, record["given"], distribution), plugins, base=Path(record["base"]), seed=seed
        )
    except UsageError as error:
        raise DataError(f"the data source {record['label']!r} cannot be opened again: {error}") from None
    if planned.key != record["key"]:
        raise DataError(
            f"the data source {record['label']!r} has changed since the run (its fingerprint is {source.fingerprint}, the run evaluated "
            f"{record['identity']['fingerprint']}); its predictions cannot be scored against other data. Run again."
        )
    return list(islice(source.refs(), most))
