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
from mitobench.ranking.columns import make_columns, recorded_metrics
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
            ``identity``, ``given``, ``weights``, ``licence``, ``citation``), ``oracle``, ``seed``, ``total``.
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
            DataError: none is stored, or it is damaged.
        """
        return read_prediction(self.folder.predictions(self.key), cell=self.key, image=image)


class Evidence:
    """The cells of some runs, each once, with the definitions of their metrics.

    Args:
        folders: the runs; a cell that several hold is taken from the one with most images.
        plugins: where metrics and data sources are.

    Raises:
        UsageError: nothing is stored, or no metric of the runs is defined here.
    """

    def __init__(self, folders: Sequence[RunFolder], plugins: Plugins) -> None:
        self.folders, self.plugins = tuple(folders), plugins
        self.cells: dict[str, CellEvidence] = {}
        self._recorded: dict[str, Mapping[str, Any]] = {}
        for folder in folders:
            record, results = folder.record(), folder.results()
            self._recorded |= record["metrics"]
            for key, cell in record["cells"].items():
                found = CellEvidence(key, folder, cell, results.cell(key))
                if key not in self.cells or found.succeeded > self.cells[key].succeeded:
                    self.cells[key] = found
        if not any(len(found.table.images) for found in self.cells.values()):
            raise UsageError("these runs hold no results yet; run `mitobench run` on them first.")
        self._refs: dict[str, Mapping[str, SampleRef]] = {}
        self._objects: dict[tuple[Path, str], Mapping[str, ObjectTable]] = {}

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

    @property
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

        Raises:
            DataError: the data source is gone, has changed since the run, or cannot be read.
        """
        found = self.cells[cell]
        data = found.record["data"]
        if data["key"] not in self._refs:
            try:
                refs = reopen(data, self.plugins, found.record["seed"])
            except MitobenchError as error:
                raise DataError(str(error)) from error
            self._refs[data["key"]] = {ref.id: ref for ref in refs}
        ref = self._refs[data["key"]].get(image)
        if ref is None:
            raise DataError(f"the data source {data['label']!r} has no sample {image!r}.")
        return ref.load()
