"""The detection report: how good the boxes of a detector are, as data. Uses ultralytics only through the prompter it is given.

``measure`` judges boxes; ``evaluate`` runs a prompter over a data source first; ``DetectionReport.write`` keeps the numbers as
JSON and Parquet; :mod:`mitobench_yolo.figures` draws them.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mitobench.files import write_atomically
from mitobench.interfaces import DataSource, Encoding
from mitobench_yolo.matching import average_precision, counts_at, peak_f1, pool
from mitobench_yolo.options import LOWEST_CONFIDENCE

__all__ = ["MEASURES", "DetectionReport", "Detector", "JudgedImage", "evaluate", "measure"]

MEASURES = ("x", "y", "width", "height")
"""What the correlogram compares: a box's centre and sides as shares of its image's sides."""

_STEPS = 1000


class Detector(Protocol):
    """What :func:`evaluate` needs of the prompter ``yolo``."""

    @property
    def confidence(self) -> float:
        """The lowest confidence of a box that it would emit."""

    def encode(self, images: Sequence[NDArray[np.uint8]]) -> Sequence[Encoding]:
        """As a prompter's."""

    def detect(self, encoding: Encoding, confidence: float | None = None) -> NDArray[np.float32]:
        """Edges and confidence, float32 (K, 5)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class JudgedImage:
    """One image's objects and detections.

    Attributes:
        objects: edges (M, 4), (x0, y0, x1, y1), of the reference.
        detections: (K, 5), edges and confidence, down to the lowest confidence that the curves should show.
        shape: (H, W).
    """

    objects: NDArray[np.floating]
    detections: NDArray[np.floating]
    shape: tuple[int, int]


@dataclass(frozen=True, kw_only=True, eq=False)
class DetectionReport:
    """What :func:`measure` found.

    Attributes:
        iou: a detection is right if it is matched (:func:`mitobench_yolo.matching.match`) at this IoU.
        confidence: what ``tp``, ``fp`` and ``fn`` were counted at.
        images, objects: how many.
        tp, fp, fn: right detections, wrong detections, missed objects, of at least ``confidence``.
        ap50: area under the precision-recall curve at IoU 0.5; NaN without objects.
        ap50_95: the mean of the same over IoU 0.50, 0.55 .. 0.95.
        best_f1, best_confidence: the peak of the F1-confidence curve.
        curve: float64 (1001,) columns ``confidence``, ``precision``, ``recall`` and ``f1``; NaN where undefined.
        boxes: columns :data:`MEASURES` (float64) with ``kind``, ``"object"`` or ``"detection"``, and ``confidence`` (NaN for objects);
            detections of at least ``confidence``.
    """

    iou: float
    confidence: float
    images: int
    objects: int
    tp: int
    fp: int
    fn: int
    ap50: float
    ap50_95: float
    best_f1: float
    best_confidence: float
    curve: dict[str, NDArray[np.float64]]
    boxes: dict[str, NDArray[Any]]

    @property
    def precision(self) -> float:
        """TP / (TP + FP); NaN without detections."""
        return _share(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float:
        """TP / (TP + FN); NaN without objects."""
        return _share(self.tp, self.tp + self.fn)

    @property
    def f1(self) -> float:
        """2 TP / (2 TP + FP + FN); NaN where there is neither."""
        return _share(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def confusion(self) -> NDArray[np.int64]:
        """int64 (2, 2): rows predicted as object, background; columns in truth object, background.

        Background that is nowhere predicted cannot be counted, so the last cell is 0.
        """
        return np.array([[self.tp, self.fp], [self.fn, 0]], np.int64)

    def correlations(self, kind: str) -> NDArray[np.float64]:
        """float64 (4, 4): Pearson's correlation of :data:`MEASURES` over the boxes of a kind; NaN where one does not vary."""
        chosen = self.boxes["kind"] == kind
        columns = np.stack([self.boxes[name][chosen] for name in MEASURES])
        centred = columns - columns.mean(axis=1, keepdims=True) if chosen.any() else columns
        spread = np.sqrt((centred**2).sum(axis=1))
        scale = np.outer(spread, spread)
        return np.divide(centred @ centred.T, scale, out=np.full(scale.shape, np.nan), where=scale > 0)

    def plain(self) -> dict[str, Any]:
        """The numbers as JSON can hold them, undefined ones as None; the boxes only as their correlations."""
        names = ["iou", "confidence", "images", "objects", "tp", "fp", "fn", "precision", "recall", "f1"]
        names += ["ap50", "ap50_95", "best_f1", "best_confidence"]
        correlations = {kind: self.correlations(kind) for kind in ("object", "detection")}
        return {
            **{name: _known(getattr(self, name)) for name in names},
            "confusion": self.confusion.tolist(),
            "curve": {name: [_known(v) for v in column.tolist()] for name, column in self.curve.items()},
            "correlations": {
                kind: [[_known(v) for v in row] for row in table.tolist()] for kind, table in correlations.items()
            },
        }

    def write(self, folder: Path) -> tuple[Path, ...]:
        """Write ``detection.json``, ``detection-curve.parquet`` and ``detection-boxes.parquet``.

        Raises:
            ResourceError: the disk is full or the folder cannot be written.
        """
        document = folder / "detection.json"
        write_atomically(document, (json.dumps(self.plain(), indent=1, allow_nan=False) + "\n").encode())
        tables = {"detection-curve.parquet": self.curve, "detection-boxes.parquet": self.boxes}
        for name, columns in tables.items():
            write_atomically(folder / name, _parquet(columns))
        return (document, *(folder / name for name in tables))


def measure(images: Sequence[JudgedImage], *, confidence: float, iou: float = 0.5) -> DetectionReport:
    """Judge detections against references.

    Args:
        images: all of them.
        confidence: of the confusion matrix and the correlogram.
        iou: threshold of a match.
    """
    pairs = [(image.objects, image.detections) for image in images]
    judged = pool(pairs, iou)
    grid = np.linspace(0, 1, _STEPS + 1)
    right, total = (counts.astype(np.float64) for counts in counts_at(judged, grid))
    (tp,), (found,) = counts_at(judged, np.array([confidence]))
    precisions = [average_precision(pool(pairs, k / 20)) for k in range(10, 20)]
    best_f1, best_confidence = peak_f1(judged)
    with np.errstate(invalid="ignore"):  # 0 / 0 is what is undefined
        curve = {
            "confidence": grid,
            "precision": right / total,
            "recall": right / np.float64(judged.objects),
            "f1": 2 * right / (total + judged.objects),
        }
    return DetectionReport(
        iou=iou,
        confidence=confidence,
        images=len(images),
        objects=judged.objects,
        tp=int(tp),
        fp=int(found - tp),
        fn=int(judged.objects - tp),
        ap50=precisions[0],
        ap50_95=sum(precisions) / len(precisions),
        best_f1=best_f1,
        best_confidence=best_confidence,
        curve=curve,
        boxes=_columns(images, confidence),
    )


def evaluate(
    detector: Detector, source: DataSource, *, confidence: float | None = None, iou: float = 0.5
) -> DetectionReport:
    """Run a detector over a data source with references and measure it.

    Pixels that do not count are hidden from the detector, as in training (:func:`mitobench_yolo.samples.counted`).

    Args:
        detector: the prompter ``yolo``.
        source: samples with reference.
        confidence: instead of the detector's own.
        iou: threshold of a match.

    Raises:
        DataError: a sample without reference.
    """
    from mitobench_yolo.samples import counted

    images = []
    for ref in source.refs():
        picture, objects = counted(ref.load())
        (encoding,) = detector.encode([picture])
        rows = detector.detect(encoding, LOWEST_CONFIDENCE)
        images.append(JudgedImage(objects=objects, detections=rows, shape=(picture.shape[0], picture.shape[1])))
    return measure(images, confidence=detector.confidence if confidence is None else confidence, iou=iou)


def _columns(images: Sequence[JudgedImage], confidence: float) -> dict[str, NDArray[Any]]:
    rows, kinds, scores = [np.zeros((0, 4))], [np.zeros(0, "U9")], [np.zeros(0)]
    for image in images:
        kept = np.asarray(image.detections, np.float64).reshape(-1, 5)
        kept = kept[kept[:, 4] >= confidence]
        for kind, boxes, values in (
            ("object", np.asarray(image.objects, np.float64).reshape(-1, 4), np.full(len(image.objects), np.nan)),
            ("detection", kept[:, :4], kept[:, 4]),
        ):
            rows.append(_relative(boxes, image.shape))
            kinds.append(np.full(len(boxes), kind, "U9"))
            scores.append(values)
    table = np.concatenate(rows)
    columns: dict[str, NDArray[Any]] = {name: table[:, index] for index, name in enumerate(MEASURES)}
    return {"kind": np.concatenate(kinds), **columns, "confidence": np.concatenate(scores)}


def _relative(boxes: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.float64]:
    """Edges as (x, y, width, height), shares of the image; the same arithmetic as :func:`mitobench_yolo.boxes.to_yolo`."""
    low, high = boxes[:, :2], boxes[:, 2:]
    sides = np.array([shape[1], shape[0]], np.float64)
    return np.concatenate([(low + high) / 2 / sides, (high - low) / sides], axis=1)


def _parquet(columns: dict[str, NDArray[Any]]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({name: pa.array(column) for name, column in columns.items()}), sink)
    return bytes(sink.getvalue())


def _share(part: float, whole: float) -> float:
    return part / whole if whole else math.nan


def _known(value: float) -> float | None:
    return None if isinstance(value, float) and math.isnan(value) else value
