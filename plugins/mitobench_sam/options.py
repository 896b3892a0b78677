"""The options of ``sam`` and ``sam-ft``."""

from typing import Any, ClassVar, Literal, Self, get_args

from pydantic import Field, TypeAdapter, ValidationError, ValidationInfo, model_validator

from mitobench.errors import MissingError
from mitobench.options import ComponentOptions, InputPath, WeightsRef

__all__ = ["BUNDLED_DECODER", "FineTunedSamOptions", "ModelName", "PromptingOptions", "SamOptions", "weights_name"]

ModelName = Literal["vit_b", "vit_l", "vit_h", "vit_t", "tiny"]


BUNDLED_DECODER = "sam-ft-em"
"""The fine-tuned decoder that comes with mitobench."""


def weights_name(model: ModelName) -> str:
    """The name under which a model's weights are registered."""
    return "sam-tiny" if model == "tiny" else model


class PromptingOptions(ComponentOptions):
    """What every SAM segmenter can be told, whatever weights it has."""

    not_identity: ClassVar[frozenset[str]] = frozenset({"batch"})

    model: ModelName = Field(
        "vit_b", description="image encoder: vit_b, vit_l, vit_h, vit_t (MobileSAM), or tiny (comes with mitobench)"
    )
    multimask: Literal["best", "single", "auto"] = Field(
        "best",
        description="best = of SAM's three masks the one with the best predicted score; single = its one unambiguous mask; "
        "auto = best for a lone point, single for a box, a mask or several points",
    )
    threshold: float = Field(0.0, allow_inf_nan=False, description="logit above which a pixel belongs to the mask")
    within_box: bool = Field(
        False,
        description="cut every mask off at its box: for boxes that are known to enclose their objects, such as those of a reference",
    )
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
        return (WeightsRef(name=weights_name(self.model)),)


class FineTunedSamOptions(PromptingOptions):
    """Options of ``sam-ft``."""

    model: ModelName = Field(
        "tiny",
        description="image encoder: tiny (comes with mitobench); with checkpoint= the one that it was trained on, as its card says (vit_b, vit_l, vit_h, vit_t = MobileSAM, tiny); with base= vit_b unless another is given",
    )
    multimask: Literal["best", "single", "auto"] = Field(
        "auto",
        description="as it was trained: auto = SAM's best of three masks for a lone point, its single mask for a box, a mask or several points; best; single",
    )
    checkpoint: InputPath | None = Field(
        None,
        description="fine-tuned weights (.safetensors with a card); without them the decoder that comes with mitobench, on model=tiny",
    )
    base: InputPath | None = Field(
        None, description="local weights that the checkpoint was trained on, in place of the published ones of model"
    )

    @model_validator(mode="before")
    @classmethod
    def _model(cls, given: Any, info: ValidationInfo) -> Any:
        """Where no model is named: that of the bundled decoder, of a checkpoint the one on its card, and vit_b with a base."""
        if not isinstance(given, dict) or "model" in given:
            return given
        if "base" in given:
            return {"model": "vit_b", **given}
        checkpoint = given.get("checkpoint")
        return given if checkpoint is None else {"model": _trained_on(checkpoint, info.context), **given}

    @model_validator(mode="after")
    def _bundled_base(self) -> Self:
        if self.checkpoint is None and (self.model != "tiny" or self.base is not None):
            raise ValueError(
                "without checkpoint= there is only the decoder that comes with mitobench, for model=tiny; give the checkpoint that `mitobench train sam-ft` wrote"
            )
        return self

    def weights(self) -> tuple[WeightsRef, ...]:
        """The base weights under the role ``base``, the fine-tuned ones under ``decoder``."""
        known = WeightsRef(role="base", name=weights_name(self.model))
        base = known if self.base is None else WeightsRef(role="base", path=self.base)
        if self.checkpoint is None:
            return base, WeightsRef(role="decoder", name=BUNDLED_DECODER)
        return base, WeightsRef(role="decoder", path=self.checkpoint)


def _trained_on(checkpoint: object, context: Any) -> str:
    """The model that a checkpoint was trained on, by its card; vit_b where that cannot be read, or the file is yet to come."""
    from mitobench.checkpoints import read_card

    try:
        trainer = read_card(TypeAdapter(InputPath).validate_python(checkpoint, context=context)).trainer
        model = trainer["options"]["model"]
    except (ValidationError, MissingError, LookupError, TypeError):
        return "vit_b"
    return str(model) if model in get_args(ModelName) else "vit_b"
