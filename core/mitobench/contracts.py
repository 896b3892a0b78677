"""What components are given and return, held to what their interfaces promise."""

from typing import Any

from mitobench.components import ComponentPlan
from mitobench.errors import ContractError
from mitobench.prompts import Prompts
from mitobench.samples import Sample
from mitobench.segmentations import Segmentation

__all__ = ["checked_prompts", "checked_segmentation", "frozen"]


def frozen(sample: Sample) -> Sample:
    """The sample with arrays that cannot be written to: one component must not change what the others see."""
    for array in (sample.image, sample.labels, sample.ignore):
        if array is not None:
            array.flags.writeable = False
    return sample


def checked_prompts(prompts: Any, planned: ComponentPlan, sample: Sample | None) -> Prompts:
    """What a prompter returned, made unwritable; raises ContractError where it is no prompts or they lie off the image."""
    if not isinstance(prompts, Prompts):
        raise ContractError(f"{planned.label}: prompt returned {type(prompts).__name__}; expected Prompts.")
    if sample is not None:
        prompts.check_inside(sample.shape)
    for array in vars(prompts).values():
        if array is not None:
            array.flags.writeable = False
    return prompts


def checked_segmentation(segmentation: Any, planned: ComponentPlan, sample: Sample, prompts: Prompts) -> Segmentation:
    """What a segmenter returned; raises ContractError where it is no segmentation of this sample and these prompts."""
    if not isinstance(segmentation, Segmentation):
        raise ContractError(
            f"{planned.label}: segment returned {type(segmentation).__name__}; expected a Segmentation."
        )
    segmentation.check_shape(sample.shape)
    if segmentation.masks is not None and len(segmentation.masks) != len(prompts):
        raise ContractError(
            f"{planned.label}: segment returned {len(segmentation.masks)} masks for {len(prompts)} prompts."
        )
    return segmentation
