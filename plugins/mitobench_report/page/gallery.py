"""The gallery: the best, median and worst image of each cell, and images on which any two cells can be compared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from mitobench.errors import MitobenchError
from mitobench.ranking.evidence import Evidence
from mitobench.ranking.standings import Column, LeaderboardRow, LeaderboardTable
from mitobench.results.predictions import StoredPrediction
from mitobench.samples import Sample
from mitobench_report.page.layers import Frame, contours_layer, image_layer, labels_layer, prompts_layer
from mitobench_report.page.picks import Pick, most_telling, pick_images
from mitobench_report.page.pictures import Pictures

__all__ = ["CellTiles", "Gallery", "Scene", "Tile", "image_column"]


Reason = Literal["large", "many"]
_LEFT_OUT: Mapping[Reason, str] = {
    "large": "Left out, so that the page does not grow too large.",
    "many": "Left out, so that the page is drawn in seconds.",
}


@dataclass
class Scene:
    """One image with what is drawn over it; classes of pictures, "" where there is none.

    Attributes:
        image: its id.
        base, reference: the picture and its reference objects.
        missing: why there is no picture or no reference, or "".
        cells: by cell, the layers ``contours``, ``prediction`` and ``prompts``.
    """

    image: str
    base: str
    reference: str
    missing: str = ""
    cells: dict[str, dict[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Tile:
    """A cell's prediction for one of its images. ``missing`` says why there is nothing to see."""

    pick: Pick
    scene: Scene | None = None
    layers: Mapping[str, str] = field(default_factory=dict)
    missing: str = ""


@dataclass(frozen=True)
class CellTiles:
    """The tiles of one cell, or why it has none."""

    row: LeaderboardRow
    tiles: Sequence[Tile]
    missing: str = ""


class Gallery:
    """Makes tiles until the budget of bytes (or of predictions to draw) is spent, and remembers what it leaves out, and why.

    Args:
        evidence: where samples and predictions are.
        pictures: where the layers go.
        most: predictions to draw.
    """

    def __init__(self, evidence: Evidence, pictures: Pictures, most: int) -> None:
        self.evidence, self.pictures, self.most = evidence, pictures, most
        self._left_out: dict[tuple[str, str], Reason] = {}
        self.scenes: dict[str, dict[str, Scene]] = {}
        self._samples: dict[tuple[str, str], Sample | str] = {}
        self._grounds: dict[tuple[str, str], dict[str, bytes]] = {}
        self._prompts: dict[tuple[str, str, str], bytes] = {}
        self._drawn = 0

    def left_out(self, reason: Reason) -> int:
        """How many predictions have no picture because the page would grow too ``large``, or too ``many`` would be drawn."""
        return sum(each == reason for each in self._left_out.values())

    def compared(self, tables: Sequence[LeaderboardTable], count: int) -> None:
        """Prepare ``count`` images of one data source, with the predictions of all cells of its tables."""
        known = [row.cell for table in tables for row in table.rows if row.cell in self.evidence.cells]
        column = image_column(tables[0])
        if not known or column is None or count < 1:
            return
        scores = {cell: self._scores(cell, column) for cell in known}
        images = sorted({image for found in scores.values() for image in found})
        values = np.array([[scores[cell].get(image, np.nan) for image in images] for cell in known])
        for image in most_telling(images, values, count) if images else []:
            for cell in known:
                if image in scores[cell]:
                    self._layers(cell, image)

    def tiles(self, table: LeaderboardTable, count: int) -> list[CellTiles]:
        """The tiles of every cell of a table; first a tile for each cell, then a second, so that a spent budget is fair."""
        column = image_column(table)
        picks = {row.cell: self._picks(row, column, count) for row in table.rows}
        drawn: dict[str, dict[int, Tile]] = {row.cell: {} for row in table.rows}
        for turn in _worst_first(count):
            for cell, found in picks.items():
                if isinstance(found, list) and turn < len(found):
                    drawn[cell][turn] = self._tile(cell, found[turn])
        return [
            CellTiles(row, [drawn[row.cell][turn] for turn in sorted(drawn[row.cell])], _text(picks[row.cell]))
            for row in table.rows
        ]

    def _picks(self, row: LeaderboardRow, column: Column | None, count: int) -> list[Pick] | str:
        if row.cell not in self.evidence.cells:
            return "The run of this cell is not at hand."
        if row.status == "failed":
            return next((note for note in row.notes if note.startswith("failed:")), "Failed on every image.")
        if column is None:
            return "No score of single images ranks this table."
        images, scores = self.evidence.image_scores(row.cell)
        if not len(images):
            return "No image of this cell is stored yet."
        if column.name not in scores:
            return f"{column.name} was not measured on any image."
        found = pick_images(
            [str(i) for i in images], scores[column.name], count=count, higher_is_better=column.higher_is_better
        )
        return found or ("" if count < 1 else f"{column.name} is undefined on every image.")

    def _scores(self, cell: str, column: Column) -> dict[str, float]:
        images, scores = self.evidence.image_scores(cell)
        values = scores.get(column.name, np.full(len(images), np.nan))
        fine = self.evidence.cells[cell].table.status == "ok"
        return {str(i): float(v) for i, v, ok in zip(images, values, fine, strict=True) if ok}

    def _tile(self, cell: str, pick: Pick) -> Tile:
        found = self._layers(cell, pick.image)
        return Tile(pick, missing=found) if isinstance(found, str) else Tile(pick, *found)

    def _layers(self, cell: str, image: str) -> tuple[Scene, Mapping[str, str]] | str:
        """The scene of an image and a cell's layers in it, or why there are none."""
        data = self.evidence.cells[cell].record["data"]["key"]
        scene = self.scenes.get(data, {}).get(image)
        if scene is not None and cell in scene.cells:
            return scene, scene.cells[cell]
        try:
            prediction = self.evidence.cells[cell].prediction(image)
        except MitobenchError as error:
            return str(error)
        sample = self._sample(cell, image)
        if isinstance(sample, Sample) and sample.shape != prediction.segmentation.labels.shape:
            sample = "the stored prediction is of another size than the image is now"
        reason: Reason = "large" if self._drawn < self.most else "many"
        layers = self._store(cell, (data, image), sample, prediction) if reason == "large" else None
        if layers is None:
            self._left_out[cell, image] = reason
            return _LEFT_OUT[reason]
        self._left_out.pop((cell, image), None)
        base, reference, own = layers
        missing = sample if isinstance(sample, str) else "" if reference else "This image has no reference."
        scene = self.scenes.setdefault(data, {}).setdefault(image, Scene(image, base, reference, missing))
        scene.cells[cell] = own
        return scene, own

    def _store(
        self, cell: str, key: tuple[str, str], sample: Sample | str, prediction: StoredPrediction
    ) -> tuple[str, str, dict[str, str]] | None:
        self._drawn += 1
        predicted = prediction.segmentation.labels
        frame = Frame(*predicted.shape)
        if key not in self._grounds:
            self._grounds[key] = _ground(sample, frame)
        files = {**self._grounds[key], "prediction": labels_layer(predicted, frame)}
        if len(prediction.prompts):
            record = self.evidence.cells[cell].record
            prompted = str(record["prompter"]["key"]), str(record["seed"]), "".join(key)
            if prompted not in self._prompts:
                reference = sample.labels if isinstance(sample, Sample) else None
                self._prompts[prompted] = prompts_layer(prediction.prompts, frame, reference)
            files["prompts"] = self._prompts[prompted]
        if isinstance(sample, Sample) and sample.labels is not None:
            files["contours"] = contours_layer(sample.labels, predicted, frame, ignore=sample.ignore)
        classes = self.pictures.add(*((data, frame.shape) for data in files.values()))
        if classes is None:
            return None
        named = dict(zip(files, classes, strict=True))
        return named.pop("base"), named.pop("reference", ""), named

    def _sample(self, cell: str, image: str) -> Sample | str:
        """The sample, or why it cannot be read. Data sources are plugins: whatever they raise costs their pictures only."""
        key = self.evidence.cells[cell].record["data"]["key"], image
        if key not in self._samples:
            try:
                self._samples[key] = self.evidence.sample(cell, image)
            except Exception as error:
                self._samples[key] = str(error) or type(error).__name__
        return self._samples[key]


def image_column(table: LeaderboardTable) -> Column | None:
    """The column that says how well a cell does on a single image: the primary one, or the pooled one that it is a mean of."""
    primary = next((c for c in table.columns if c.name == table.primary), None)
    if primary is None or not primary.mean_of_images:
        return primary
    same = (c for c in table.columns if (c.metric, c.score) == (primary.metric, primary.score))
    return next((c for c in same if not c.mean_of_images), None)


def _ground(sample: Sample | str, frame: Frame) -> dict[str, bytes]:
    """What lies beneath every cell's layers: the image (or a dark plane where it cannot be read) and its reference."""
    if isinstance(sample, str):
        return {"base": image_layer(np.full((frame.height, frame.width), 32, np.uint8), frame)}
    reference = {} if sample.labels is None else {"reference": labels_layer(sample.labels, frame)}
    return {"base": image_layer(sample.image, frame), **reference}


def _worst_first(count: int) -> list[int]:
    """Turns in the order worst, best, the others: what is cut off when the budget is spent matters least."""
    return list(dict.fromkeys([count - 1, 0, *range(count)])) if count > 0 else []


def _text(found: list[Pick] | str) -> str:
    return found if isinstance(found, str) else ""
