"""The ``semantic`` metric: overlap of the foregrounds."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mitobench.interfaces import BuildContext, ImageStatistics, Score
from mitobench.options import NoOptions
from mitobench.prompts import Prompts
from mitobench.samples import Sample
from mitobench.segmentations import Segmentation
from mitobench_metrics.ratios import ratio
from mitobench_metrics.scored_labels import scored_labels

__all__ = ["SemanticMetric"]

_REPORTED = (
    Score(name="Dice", per_image=True, headline=True),
    Score(name="IoU", per_image=True, headline=True),
    Score(name="pixel precision", per_image=True),
    Score(name="pixel recall", per_image=True),
)


class SemanticMetric:
    """Dice = 2 TP / (2 TP + FP + FN), IoU = TP / (TP + FP + FN), precision and recall, all of foreground pixels.

    Pooled scores divide sums of pixels over all images of a group. The background is never scored. Where only some objects
    are annotated (``sample.partial``) a predicted pixel outside them is no known error, so such an image counts in the
    recall and in nothing else.

    Source: Dice, Ecology 26, 1945; Jaccard, New Phytologist 11, 1912.

    >>> sample = Sample(id="a", image=np.zeros((1, 4), np.uint8), labels=np.array([[1, 1, 0, 0]], np.int32))
    >>> segmentation = Segmentation(labels=np.array([[0, 1, 1, 0]], np.int32), scores=np.ones(1, np.float32))
    >>> metric = SemanticMetric(NoOptions(), BuildContext())
    >>> measured = metric.statistics(sample, segmentation, Prompts())
    >>> scores = metric.scores({name: np.array(value) for name, value in measured.image.items()})
    >>> float(scores["Dice"]), round(float(scores["IoU"]), 3)
    (0.5, 0.333)
    """

    def __init__(self, options: NoOptions, context: BuildContext) -> None:
        self.options = options

    @property
    def reported(self) -> Sequence[Score]:
        """Dice, IoU, pixel precision, pixel recall."""
        return _REPORTED

    def statistics(self, sample: Sample, segmentation: Segmentation, prompts: Prompts) -> ImageStatistics | None:
        """Pixels shared, missed and added; None without reference.

        Raises:
            ContractError: the shapes differ.
        """
        if sample.labels is None:
            return None
        reference, prediction = (labels > 0 for labels in scored_labels(sample, segmentation))
        shared = int(np.count_nonzero(reference & prediction))
        missed = int(np.count_nonzero(reference)) - shared
        added = int(np.count_nonzero(prediction)) - shared
        complete = not sample.partial
        return ImageStatistics(
            image={
                "tp": float(shared * complete),
                "fp": float(added * complete),
                "fn": float(missed * complete),
                "annotated_tp": float(shared),
                "annotated_fn": float(missed),
            }
        )

    def scores(self, totals: Mapping[str, NDArray[np.float64]]) -> Mapping[str, NDArray[np.float64]]:
        """Dice and IoU are NaN where both foregrounds are empty; precision without prediction, recall without reference."""
        tp, fp, fn = totals["tp"], totals["fp"], totals["fn"]
        return {
            "Dice": ratio(2 * tp, 2 * tp + fp + fn),
            "IoU": ratio(tp, tp + fp + fn),
            "pixel precision": ratio(tp, tp + fp),
            "pixel recall": ratio(totals["annotated_tp"], totals["annotated_tp"] + totals["annotated_fn"]),
        }
