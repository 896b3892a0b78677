"""The options of ``sam`` and ``sam-ft``."""

from typing import ClassVar, Literal

from pydantic import Field

from mitobench.options import ComponentOptions, InputPath, WeightsRef

__all__ = ["FineTunedSamOptions", "PromptingOptions", "SamOptions"]

ModelName = Literal["vit_b", "vit_l", "vit_h", "vit_t"]


class PromptingOptions(ComponentOptions):
    """What every SAM segmenter can be told, whatever weights it has."""

    not_identity: ClassVar[frozenset[str]] = frozenset({"batch"})

    model: ModelName = Field("vit_b", description="image encoder: vit_b, vit_l, vit_h, or vit_t (MobileSAM)")
    multimask: Literal["best", "single", "auto"] = Field(
        "best",
        description="best = of SAM's three masks the one with the best predicted score; single = its one unambiguous mask; "
        "auto = best for a lone point, single for a box, a mask or several points",
    )
    threshold: float = Field(0.0, allow_inf_nan=False, description="logit above which a pixel belongs to the mask")
    nms: float = Field(
        1.0,
        ge=0,
        le=1,
        description="drop from the label image a mask whose IoU with a better one is above this (1 = keep all)",
    )
    min_score: float = Field(0.0, ge=0, le=1, description="drop from the label image masks with a lower score")
    min_stability: float = Field(
        0.0, ge=0, le=1, description="drop masks whose IoU between the thresholds +1 and -1 is lower"
    )
    min_area: int = Field(0, ge=0, description="drop from the label image masks with fewer pixels")
    batch: int = Field(0, ge=0, description="prompts per decoder call; 0 = 1 on a CPU, 64 on an accelerator")
    precision: Literal["fp32", "bf16"] = Field("fp32", description="numeric mode of the networks")


class SamOptions(PromptingOptions):
    """Options of ``sam``."""

    checkpoint: InputPath | None = Field(
        None, description="local weights (.pth, .pt or .safetensors) in place of the published ones of model"
    )

    def weights(self) -> tuple[WeightsRef, ...]:
        """The published weights of ``model``, or ``checkpoint``."""
        if self.checkpoint is not None:
            return (WeightsRef(path=self.checkpoint),)
        return (WeightsRef(name=self.model),)


class FineTunedSamOptions(PromptingOptions):
    """Options of ``sam-ft``."""

    checkpoint: InputPath = Field(description="fine-tuned decoder (.safetensors with a card)")
    base: InputPath | None = Field(
        None, description="local weights that the decoder was trained on, in place of the published ones of model"
    )

    def weights(self) -> tuple[WeightsRef, ...]:
        """The base weights under the role ``base``, the decoder under ``decoder``."""
        base = WeightsRef(role="base", path=self.base) if self.base else WeightsRef(role="base", name=self.model)
        return base, WeightsRef(role="decoder", path=self.checkpoint)
