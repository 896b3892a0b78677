"""Evidence: what a leaderboard was made from, opened again for whoever wants to look behind a number."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mitobench.errors import DataError, MitobenchError, UsageError
from mitobench.interfaces import Metric
from mitobench.plugins import Plugins
from mitobench.ranking.columns import make_columns, merged_metrics, recorded_metrics
from mitobench.ranking.copies import contradiction
from mitobench.ranking.standings import Column
from mitobench.ranking.statistics import image_scores
from mitobench.results.objects import ObjectTable, read_objects
from mitobench.results.predictions import StoredPrediction, read_prediction
from mitobench.results.runfolder import RunFolder
from mitobench.results.scoring import reopen
from mitobench.results.tables import CellTable
from mitobench.samples import Sample, SampleRef

__all__ = ["CellEvidence", "Evidence"]


@dataclass(frozen=True, eq=False)
class CellEvidence:
    """One cell as found in the run that holds most of its images.

    Attributes:
        key: of the cell.
        folder: that run.
        record: what its ``run.json`` says about the cell: ``data``, ``prompter``, ``segmenter`` (each with ``label``,
            ``identity``, ``given``, ``weights``, ``licence``, ``citation``), ``oracle``, ``seed``, ``total``,
            ``cut`` (whether a limit left images out).
        table: one row per image.
    """

    key: str
    folder: RunFolder
    record: Mapping[str, Any]
    table: CellTable

    @property
    def succeeded(self) -> int:
        """Images that went through the cell without error."""
        return int((self.table.status == "ok").sum())

    def complete(self, count: int) -> bool:
        """Whether it has seen all the images asked of it, and all ``count`` that any cell of its table has seen."""
        return self.succeeded == int(self.record["total"]) == count

    def prediction(self, image: str) -> StoredPrediction:
        """The stored prediction of one image, with its prompts.

        Raises:
            DataError: none is stored, or it is damaged or of another size than the image was.
        """
        shape = self.table.shape(image)
        if shape is None:
            raise DataError(f"{self.folder.source}: holds no result of image {image!r} in cell {self.key}.")
        return read_prediction(self.folder.predictions(self.key), cell=self.key, image=image, shape=shape)


class Evidence:
    """The cells of some runs, each once, with the definitions of their metrics.

    Args:
        folders: the runs, in any order. A cell that several hold is taken from the one with most images, of these the one
            where most of them are measured.
        plugins: where metrics and data sources are.

    Raises:
        UsageError: nothing is stored, no metric of the runs is defined here, or two runs hold other results of one cell.
    """

    def __init__(self, folders: Sequence[RunFolder], plugins: Plugins) -> None:
        self.folders, self.plugins = tuple(folders), plugins
        self._recorded = merged_metrics([folder.record()["metrics"] for folder in folders])
        copies: dict[str, list[CellEvidence]] = {}
        for folder in folders:
            results = folder.results()
            for key, cell in folder.record()["cells"].items():
                copies.setdefault(key, []).append(CellEvidence(key, folder, cell, results.cell(key)))
        self.cells = {key: self._best(found) for key, found in copies.items()}
        if not any(len(found.table.images) for found in self.cells.values()):
            raise UsageError("these runs hold no results yet; run `mitobench run` on them first.")
        self._refs: dict[str, Mapping[str, SampleRef]] = {}
        self._objects: dict[tuple[Path, str], Mapping[str, ObjectTable]] = {}

    def _best(self, copies: Sequence[CellEvidence]) -> CellEvidence:
        """Of one cell in several runs the fullest copy, whatever the order."""
        if len(copies) == 1:
            return copies[0]
        copies = sorted(copies, key=lambda copy: str(copy.folder.source))
        measured = [0] * len(copies)
        for metric in self._recorded:
            tables = [copy.table for copy in copies]
            measured = [n + int(t.statistics(metric)[2].sum()) for n, t in zip(measured, tables, strict=True)]
            if found := contradiction(tables, metric):
                first, second, image = found
                raise UsageError(_contradicting(copies[first], copies[second], metric, image))
        best = max(range(len(copies)), key=lambda i: (copies[i].succeeded, measured[i], -i))
        return copies[best]

    @cached_property
    def _known(self) -> tuple[dict[str, Metric], str]:
        return recorded_metrics(self._recorded, self.plugins)

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """The metrics by key, in the order asked for."""
        return self._known[0]

    @property
    def gone(self) -> str:
        """A remark on recorded metrics that are not defined here, or ""."""
        return self._known[1]

    @cached_property
    def columns(self) -> Sequence[Column]:
        """Every score of every metric."""
        return make_columns(self.metrics)

    def image_scores(self, cell: str) -> tuple[NDArray[Any], Mapping[str, NDArray[np.float64]]]:
        """The scores of each single image of a cell.

        Returns:
            image ids (n,), and by column name float64 (n,): NaN where the image failed or the score is undefined. Columns
            that are means over images are left out: they are means of these.
        """
        table = self.cells[cell].table
        found: dict[str, NDArray[np.float64]] = {}
        for key, metric in self.metrics.items():
            names, values, measured = table.statistics(key)
            if not measured.any():
                continue
            scores = image_scores(metric.scores, names, values)
            for column in self.columns:
                if column.metric == key and not column.mean_of_images:
                    found[column.name] = np.where(measured, scores[column.score], np.nan)
        return table.images, found

    def objects(self, cell: str, metric: str) -> ObjectTable:
        """What one metric measured on the single objects of a cell; without rows where it stores none.

        Args:
            cell: its key.
            metric: the metric's key.

        Raises:
            DataError: a stored part is damaged.
        """
        path = self.cells[cell].folder.path / "parts"
        if (path, metric) not in self._objects:
            self._objects[path, metric] = read_objects(path, metric)
        return self._objects[path, metric].get(cell, ObjectTable(np.zeros(0, object), {}))

    def sample(self, cell: str, image: str) -> Sample:
        """The sample behind a row, read again from its data source.

        The data source that an export names is never opened, as a stranger chose it; where one of the run folders holds
        the same data, the samples are read as that one says.

        Raises:
            DataError: the data source is gone, has changed since the run, cannot be read, or is known from exports alone.
        """
        data = self.cells[cell].record["data"]
        if data["key"] not in self._refs:
            try:
                self._refs[data["key"]] = {ref.id: ref for ref in self._reopened(self.cells[cell])}
            except MitobenchError as error:
                raise DataError(str(error)) from error
        ref = self._refs[data["key"]].get(image)
        if ref is None:
            raise DataError(f"the data source {data['label']!r} has no sample {image!r}.")
        return ref.load()

    def _reopened(self, cell: CellEvidence) -> Sequence[SampleRef]:
        """The samples of a cell's data source, as a run folder says where they are."""
        key = cell.record["data"]["key"]
        records = [folder.record() for folder in self.folders if folder.trusted]
        own = [each for record in records for each in record["cells"].values() if each["data"]["key"] == key]
        if not own:
            raise DataError(
                f"{cell.folder.source}: an export holds no images, and the data source that it names is not opened, as anybody may have "
                "written it. Give a run folder on the same data beside it."
            )
        first = cell.record if cell.folder.trusted else own[0]
        return reopen(first["data"], self.plugins, first["seed"], most=max(int(each["total"]) for each in own))


def _contradicting(first: CellEvidence, second: CellEvidence, metric: str, image: str) -> str:
    named = " x ".join(str(first.record[part]["label"]) for part in ("prompter", "segmenter"))
    return (
        f"{first.folder.source} and {second.folder.source} hold other results of one cell ({named} on "
        f"{first.record['data']['label']}): {metric} differs on the image {image!r}. One of them was altered, or computed by "
        "software or on a machine that does not give the same prediction. Leave one of the two out."
    )
