"""The ``boundary`` metric: how far the borders lie apart, of the foreground and of matched instances."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mitobench.interfaces import BuildContext, ImageStatistics, Score
from mitobench.prompts import Prompts
from mitobench.samples import Sample
from mitobench.segmentations import Segmentation
from mitobench_metrics.contingency import Contingency
from mitobench_metrics.matching import match
from mitobench_metrics.object_boxes import joint_box, object_boxes
from mitobench_metrics.options import BoundaryOptions
from mitobench_metrics.scored_labels import scored_labels
from mitobench_metrics.surface_scores import SurfaceScale, SurfaceSums, surface_reported, surface_values

__all__ = ["BoundaryMetric"]

_FOREGROUND, _OBJECTS = "foreground ", "object "


class BoundaryMetric:
    """NSD@tau and HD95 of the foreground, and their means over the object pairs matched at IoU >= 0.5.

    NSD@tau = border pixels within tau of the other border / border pixels, both borders together; a border pixel belongs to the
    mask and has a 4-neighbour outside it. HD95 = the larger of the two directed 95th percentiles, in nm where the sample
    states its pixel size, else in px, in a column of its own. Pooled NSD of the foreground divides sums over images; HD95 is
    the mean over images (or pairs). Both empty: undefined. One empty: NSD 0, no HD95, and counted in ``one empty``, by which
    such cells rank worst. In a partially annotated image only matched objects are measured.

    Source: Nikolov et al., J Med Internet Res 23, 2021; Huttenlocher et al., IEEE TPAMI 15, 1993.

    >>> reference, prediction = np.zeros((2, 8, 8), np.int32)
    >>> reference[2:6, 2:6] = prediction[2:6, 3:7] = 1
    >>> sample = Sample(id="a", image=np.zeros((8, 8), np.uint8), labels=reference, pixel_size_nm=(5.0, 5.0))
    >>> metric = BoundaryMetric(BoundaryOptions(tolerance_px=0), BuildContext())
    >>> measured = metric.statistics(sample, Segmentation(labels=prediction, scores=np.ones(1, np.float32)), Prompts())
    >>> scores = metric.scores({name: np.array(value) for name, value in measured.image.items()})
    >>> float(scores["NSD@0px"]), float(scores["HD95 (nm)"])
    (0.5, 5.0)
    """

    def __init__(self, options: BoundaryOptions, context: BuildContext) -> None:
        self.options = options
        self._foreground = surface_reported(options, headline=True)
        self._objects = surface_reported(options, "objects")[:-1]

    @property
    def reported(self) -> Sequence[Score]:
        """NSD and HD95 of the foreground, the share of images with one empty mask, NSD and HD95 of matched objects."""
        return [*self._foreground, *self._objects]

    def statistics(self, sample: Sample, segmentation: Segmentation, prompts: Prompts) -> ImageStatistics | None:
        """Border pixels, distances and their counts, and a row per matched pair; None without reference.

        Raises:
            ContractError: the shapes differ.
            DataError: tau is in nm and the sample has no pixel size.
        """
        if sample.labels is None:
            return None
        reference, prediction = scored_labels(sample, segmentation)
        scale = SurfaceScale.of(sample, self.options)
        foreground, objects = SurfaceSums(scale.unit), SurfaceSums(scale.unit)
        if not sample.partial:
            foreground.add(*scale.measure(reference > 0, prediction > 0))
        rows = _matched_pairs(reference, prediction, scale, objects)
        return ImageStatistics(
            image=foreground.statistics(_FOREGROUND) | objects.statistics(_OBJECTS), objects=_columns(rows, scale.unit)
        )

    def scores(self, totals: Mapping[str, NDArray[np.float64]]) -> Mapping[str, NDArray[np.float64]]:
        """Every reported score; NaN where there is nothing to measure."""
        matched = surface_values(totals, surface_reported(self.options, "objects"), _OBJECTS, pooled=False)
        foreground = surface_values(totals, self._foreground, _FOREGROUND, pooled=True)
        return foreground | {score.name: matched[score.name] for score in self._objects}


_Row = tuple[int, int, float, float]


def _matched_pairs(
    reference: NDArray[np.int32], prediction: NDArray[np.int32], scale: SurfaceScale, sums: SurfaceSums
) -> list[_Row]:
    table = Contingency.of(reference, prediction)
    matches = match(table)
    if matches.iou.size == 0:
        return []
    boxes = object_boxes(reference, table.reference_ids), object_boxes(prediction, table.prediction_ids)
    rows: list[_Row] = []
    for first, second in zip(matches.reference, matches.prediction, strict=True):
        ids = int(table.reference_ids[first]), int(table.prediction_ids[second])
        box = joint_box(boxes[0][ids[0]], boxes[1][ids[1]])
        within, size, distance = scale.measure(reference[box] == ids[0], prediction[box] == ids[1])
        sums.add(within, size, distance)
        rows.append((*ids, within / size, distance))
    return rows


def _columns(rows: list[_Row], unit: str) -> dict[str, NDArray[Any]]:
    values = np.array(rows, np.float64).reshape(-1, 4)
    empty = np.full(len(rows), np.nan)
    return {
        "reference_id": values[:, 0].astype(np.int64),
        "prediction_id": values[:, 1].astype(np.int64),
        "nsd": values[:, 2],
        "hd95_nm": values[:, 3] if unit == "nm" else empty,
        "hd95_px": values[:, 3] if unit == "px" else empty,
    }
