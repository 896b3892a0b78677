"""The ``instance`` metric: everything that one contingency table says about objects."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mitobench.interfaces import BuildContext, ImageStatistics, Score
from mitobench.prompts import Prompts
from mitobench.samples import Sample
from mitobench.segmentations import Segmentation
from mitobench_metrics.contingency import Contingency
from mitobench_metrics.matching import THRESHOLDS, TWENTIETHS, Matches, match, qualifies
from mitobench_metrics.object_errors import STRATA, count_merges, count_splits, found_by_size, stratum_name
from mitobench_metrics.object_table import object_table
from mitobench_metrics.options import Convention, InstanceOptions
from mitobench_metrics.ratios import ratio
from mitobench_metrics.scored_labels import scored_labels

__all__ = ["InstanceMetric"]

_HALF = THRESHOLDS[0]
_STRATA_NAMES = tuple(stratum_name(index) for index in range(len(STRATA)))


class InstanceMetric:
    """Object-level scores from one-to-one matches at IoU >= t, for t = 0.50, 0.55 ... 0.95.

    * ``SA@t`` = TP / (TP + FP + FN); ``mSA`` = mean of the ten; ``F1@t`` = 2 TP / (2 TP + FP + FN).
    * ``SQ`` = mean IoU of the matches at 0.5, ``RQ`` = F1@0.5, ``PQ`` = SQ * RQ.
    * ``count error`` = mean over images of abs(predicted - reference objects).
    * ``splits``, ``merges``: split reference objects, and predictions that merge some, per reference object
      (:mod:`mitobench_metrics.object_errors`).
    * ``recall@0.5 (range)``: recall of the reference objects of one range of areas.

    Pooled scores divide sums over all images of a group; pooled ``mSA`` is the mean of pooled ``SA@t``. In a partially
    annotated image a prediction without partner is no false positive, and precision and count error are not measured.
    Other conventions than ``exact`` decide the thresholds, count objects and fill in undefined scores as that tool does;
    their columns carry the tool's name.

    Source: Kirillov et al., Panoptic Segmentation, CVPR 2019 (PQ); Caicedo et al., Nature Methods 16, 2019 (SA, as the Data
    Science Bowl's score); Schmidt et al., MICCAI 2018 (SA under the name AP).

    >>> sample = Sample(id="a", image=np.zeros((1, 4), np.uint8), labels=np.array([[3, 3, 3, 8]], np.int32))
    >>> segmentation = Segmentation(labels=np.array([[1, 1, 0, 0]], np.int32), scores=np.ones(1, np.float32))
    >>> metric = InstanceMetric(InstanceOptions(), BuildContext())
    >>> measured = metric.statistics(sample, segmentation, Prompts())
    >>> scores = metric.scores({name: np.array(value) for name, value in measured.image.items()})
    >>> [round(float(scores[name]), 3) for name in ("F1@0.5", "SA@0.65", "SA@0.7", "mSA", "SQ")]
    [0.667, 0.5, 0.0, 0.2, 0.667]
    """

    def __init__(self, options: InstanceOptions, context: BuildContext) -> None:
        self.options = options
        convention = options.convention
        self._suffix = "" if convention == "exact" else f" [{convention}]"
        self._undefined = 0.0 if convention in ("stardist", "microsam") else np.nan

    @property
    def reported(self) -> Sequence[Score]:
        """F1@0.5 and mSA first; then quality, errors, the other thresholds, and recall by size."""
        return [
            Score(name=f"F1@{_HALF}{self._suffix}", per_image=True, headline=True),
            Score(name=f"mSA{self._suffix}", per_image=True, headline=True),
            *(Score(name=f"{name}{self._suffix}", per_image=True) for name in ("PQ", "SQ", "RQ")),
            *(Score(name=f"{name}@{_HALF}{self._suffix}") for name in ("precision", "recall")),
            Score(name=f"count error{self._suffix}", higher_is_better=False, unit="objects"),
            *(Score(name=f"{name}{self._suffix}", higher_is_better=False) for name in ("splits", "merges")),
            *(Score(name=f"SA@{t}{self._suffix}", per_image=True) for t in THRESHOLDS),
            *(Score(name=f"F1@{t}{self._suffix}") for t in THRESHOLDS[1:]),
            *(Score(name=f"recall@{_HALF} ({name}){self._suffix}") for name in _STRATA_NAMES),
        ]

    def statistics(self, sample: Sample, segmentation: Segmentation, prompts: Prompts) -> ImageStatistics | None:
        """Counts of one image, and a row per reference object and per prediction without partner.

        Raises:
            ContractError: the shapes differ.
        """
        if sample.labels is None:
            return None
        table = Contingency.of(*scored_labels(sample, segmentation))
        matches = match(table, self.options.convention)
        counts = _counts(table, matches, self.options.convention, partial=sample.partial)
        counts["reference_from_mask"] = float(sample.semantic)
        counts["prediction_from_mask"] = float(segmentation.semantic)
        return ImageStatistics(image=counts, objects=object_table(table, matches, segmentation.scores))

    def scores(self, totals: Mapping[str, NDArray[np.float64]]) -> Mapping[str, NDArray[np.float64]]:
        """Every reported score; NaN where nothing could be right or wrong (under ``stardist``, ``microsam``: 0)."""
        results: dict[str, NDArray[np.float64]] = {}
        for t in THRESHOLDS:
            tp, wrong = totals[f"tp@{t}"], totals[f"fp@{t}"] + totals[f"fn@{t}"]
            results[f"SA@{t}"] = ratio(tp, tp + wrong, empty=self._undefined)
            results[f"F1@{t}"] = ratio(2 * tp, 2 * tp + wrong, empty=self._undefined)
        results["mSA"] = np.mean([results[f"SA@{t}"] for t in THRESHOLDS], axis=0)
        results |= self._at_half(totals) | self._errors(totals)
        return {score.name: results[score.name.removesuffix(self._suffix)] for score in self.reported}

    def _at_half(self, totals: Mapping[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
        tp, fp, fn = (totals[f"{name}@{_HALF}"] for name in ("tp", "fp", "fn"))
        judged, empty = totals["judged_tp"], self._undefined
        return {
            "SQ": ratio(totals["iou_sum"], tp, empty=empty),
            "RQ": ratio(2 * tp, 2 * tp + fp + fn, empty=empty),
            "PQ": ratio(2 * totals["iou_sum"], 2 * tp + fp + fn, empty=empty),
            f"precision@{_HALF}": ratio(judged, judged + fp, empty=empty),
            f"recall@{_HALF}": ratio(tp, tp + fn, empty=empty),
        }

    def _errors(self, totals: Mapping[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
        return {
            "count error": ratio(totals["count_error"], totals["counted_images"]),
            "splits": ratio(totals["splits"], totals["references"]),
            "merges": ratio(totals["merges"], totals["references"]),
        } | {
            f"recall@{_HALF} ({name})": ratio(totals[f"found {name}"], totals[f"references {name}"])
            for name in _STRATA_NAMES
        }


def _counts(table: Contingency, matches: Matches, convention: Convention, *, partial: bool) -> dict[str, float]:
    references, predictions = table.reference_ids.size, table.prediction_ids.size
    wanted, offered = _largest_ids(table) if convention == "cellpose" else (references, predictions)
    counts: dict[str, Any] = {}
    for k, t in zip(TWENTIETHS, THRESHOLDS, strict=True):
        tp = np.count_nonzero(qualifies(matches.shared, matches.union, k, convention))
        counts |= {f"tp@{t}": tp, f"fp@{t}": 0 if partial else offered - tp, f"fn@{t}": wanted - tp}
    objects, found = found_by_size(table, matches)
    counts |= {
        "iou_sum": matches.iou.sum(),
        "judged_tp": 0 if partial else matches.iou.size,
        "references": references,
        "predictions": predictions,
        "counted_images": not partial,
        "count_error": 0 if partial else abs(predictions - references),
        "splits": count_splits(table),
        "merges": count_merges(table),
    }
    for index, name in enumerate(_STRATA_NAMES):
        counts |= {f"references {name}": objects[index], f"found {name}": found[index]}
    return {name: float(value) for name, value in counts.items()}


def _largest_ids(table: Contingency) -> tuple[int, int]:
    """What cellpose takes for the numbers of reference objects and of predictions."""
    return int(table.reference_ids.max(initial=0)), int(table.prediction_ids.max(initial=0))
