"""The ``prompted`` metric: each prompt's own mask against the object that the prompt was made from."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mitobench.errors import ContractError
from mitobench.interfaces import BuildContext, ImageStatistics, Score
from mitobench.masks import PackedMasks
from mitobench.prompts import Prompts
from mitobench.samples import Sample
from mitobench.segmentations import Segmentation
from mitobench_metrics.options import PromptedOptions
from mitobench_metrics.prompt_targets import PromptTargets
from mitobench_metrics.ratios import ratio
from mitobench_metrics.surface_scores import SurfaceScale, SurfaceSums, surface_reported, surface_values

__all__ = ["PromptedMetric"]

_REPORTED = (
    Score(name="IoU (prompt)", per_image=True, headline=True),
    Score(name="Dice (prompt)", per_image=True, headline=True),
    Score(name="predicted IoU (prompt)"),
    Score(name="predicted IoU error (prompt)", higher_is_better=False),
)


class PromptedMetric:
    """Mean over prompts of IoU and Dice of the prompt's own mask, before overlaps were resolved, with its target.

    A prompt's target is a reference object, or the whole foreground for a prompt made from all objects. Prompts without an
    object, whose target lies wholly on ignored pixels with an empty mask, or that ask for the whole foreground of a partially
    annotated image count in no score. ``predicted IoU`` is the mean of the masks' predicted scores; its ``error`` the mean of
    abs(predicted - true IoU).

    Source: Kirillov et al., Segment Anything, ICCV 2023 (promptable protocol, mean IoU over prompts).

    >>> sample = Sample(id="a", image=np.zeros((1, 4), np.uint8), labels=np.array([[6, 6, 6, 9]], np.int32))
    >>> masks = PackedMasks.from_dense([np.array([[True, True, False, False]])], (1, 4))
    >>> segmentation = Segmentation(labels=np.array([[1, 1, 0, 0]], np.int32), scores=np.ones(1, np.float32),
    ...                             masks=masks, mask_scores=np.array([0.9], np.float32))
    >>> metric = PromptedMetric(PromptedOptions(), BuildContext())
    >>> measured = metric.statistics(sample, segmentation, Prompts(targets=np.array([6])))
    >>> scores = metric.scores({name: np.array(value) for name, value in measured.image.items()})
    >>> [round(float(scores[name]), 3) for name in ("IoU (prompt)", "Dice (prompt)", "predicted IoU error (prompt)")]
    [0.667, 0.8, 0.233]
    """

    def __init__(self, options: PromptedOptions, context: BuildContext) -> None:
        self.options = options
        self._surface = surface_reported(options, "prompt") if options.boundary else []

    @property
    def reported(self) -> Sequence[Score]:
        """IoU, Dice, predicted IoU and its error; with ``boundary``, NSD and HD95 too."""
        return [*_REPORTED, *self._surface]

    def statistics(self, sample: Sample, segmentation: Segmentation, prompts: Prompts) -> ImageStatistics | None:
        """Sums over the prompts, and a row per prompt; None without reference, targets or prompt masks.

        Raises:
            ContractError: shapes differ, targets and masks differ in number, or a target is no reference object.
            DataError: with ``boundary``: tau is in nm and the sample has no pixel size.
        """
        masks, scores = segmentation.masks, segmentation.mask_scores
        if sample.labels is None or prompts.targets is None or masks is None or scores is None:
            return None
        segmentation.check_shape(sample.shape)
        if len(masks) != prompts.targets.size:
            raise ContractError(f"prompted: {len(masks)} masks for {prompts.targets.size} prompts; expected one each.")
        targets = PromptTargets(sample, prompts.targets)
        rows = _overlaps(targets, masks, scores)
        image = _sums(rows)
        if self.options.boundary:
            image |= _surface_sums(targets, masks, rows["iou"], SurfaceScale.of(sample, self.options))
        return ImageStatistics(image=image, objects=rows)

    def scores(self, totals: Mapping[str, NDArray[np.float64]]) -> Mapping[str, NDArray[np.float64]]:
        """Means over the prompts that were scored; NaN where none was."""
        count = totals["prompts"]
        sums = ("iou_sum", "dice_sum", "predicted_sum", "error_sum")
        results = {score.name: ratio(totals[name], count) for score, name in zip(_REPORTED, sums, strict=True)}
        return results | (surface_values(totals, self._surface, pooled=False) if self._surface else {})


def _overlaps(targets: PromptTargets, masks: PackedMasks, scores: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
    shared, mask_area = np.zeros((2, len(masks)), np.int64)
    for index in range(len(masks)):
        shared[index], mask_area[index] = targets.overlap(index, *masks.crop(index))
    together = mask_area + targets.areas
    scored = targets.scorable & (together > 0)
    return {
        "prompt": np.arange(len(masks)),
        "target": targets.ids,
        "target_area": targets.areas,
        "mask_area": mask_area,
        "iou": np.where(scored, ratio(shared, together - shared), np.nan),
        "dice": np.where(scored, ratio(2 * shared, together), np.nan),
        "score": scores,
    }


def _sums(rows: Mapping[str, NDArray[Any]]) -> dict[str, float]:
    scored = ~np.isnan(rows["iou"])
    iou, predicted = rows["iou"][scored], rows["score"][scored].astype(np.float64)
    return {
        "prompts": float(scored.sum()),
        "prompts_not_scored": float((~scored).sum()),
        "iou_sum": float(iou.sum()),
        "dice_sum": float(rows["dice"][scored].sum()),
        "predicted_sum": float(predicted.sum()),
        "error_sum": float(np.abs(predicted - iou).sum()),
    }


def _surface_sums(
    targets: PromptTargets, masks: PackedMasks, iou: NDArray[np.float64], scale: SurfaceScale
) -> dict[str, float]:
    sums = SurfaceSums(scale.unit)
    for index in np.flatnonzero(~np.isnan(iou)):
        sums.add(*scale.measure(*targets.window(int(index), *masks.crop(int(index)))))
    return sums.statistics()
