"""The options of the trainers ``sam`` and ``sam-ft``."""

from typing import ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from mitobench.options import ComponentOptions, InputPath, WeightsRef
from mitobench_sam.options import ModelName, weights_name

__all__ = ["FineTuneOptions", "PromptedTrainingOptions", "ScratchOptions"]

PromptName = Literal["box", "union-box", "point", "mask", "mixed"]
LOSS_NAMES = ("dice-ce", "dice", "ce", "focal", "boundary", "hausdorff")


class PromptedTrainingOptions(ComponentOptions):
    """What both trainers can be told. The defaults are those of the published fine-tuning on electron microscopy."""

    not_identity: ClassVar[frozenset[str]] = frozenset({"cache_dir"})

    prompt: PromptName = Field(
        "box",
        description="what the decoder is shown of an object: its box; union-box = one box around all objects of the image, which are then one target; point; its low-resolution mask; mixed = box, point or mask in turn",
    )
    point: Literal["centroid", "random"] = Field("centroid", description="where on the object a point prompt lies")
    box_jitter: float = Field(
        0.0, ge=0, le=1, description="each side of a box moves by up to this share of the box's own side, in or out"
    )
    box_margin: int = Field(
        0,
        ge=0,
        description="each side of a box moves outward by a uniform whole number of pixels below this (published: 20)",
    )
    objects: Literal["one", "many"] = Field(
        "many", description="one = per image and step one random object is the target; many = up to max_objects at once"
    )
    max_objects: int = Field(25, ge=1, le=1024, description="objects of an image in one step")
    min_area: int = Field(1, ge=1, description="smaller objects, in pixels of the image, are not trained on")
    rounds: int = Field(
        1,
        ge=1,
        le=32,
        description="1 = one prompt per object; more = iterative prompting: each next round adds a point where the object was missed and one where it was overrun",
    )
    multimask: Literal["auto", "single", "both"] = Field(
        "auto",
        description="which of SAM's masks are trained: auto = the best of three for a lone point, the single one otherwise; single; both = the single one and the best of three",
    )
    loss: str = Field("dice-ce", description=f"{', '.join(LOSS_NAMES)}, or a weighted sum such as dice-ce+0.5*boundary")
    iou_weight: float = Field(
        0.0, ge=0, description="weight of the squared error of the predicted IoU (0 = not trained)"
    )
    optimiser: Literal["adam", "adamw"] = Field("adam", description="adam or adamw")
    lr: float = Field(1e-5, gt=0, description="highest learning rate")
    weight_decay: float = Field(0.0, ge=0, description="weight decay")
    schedule: Literal["constant", "cosine", "plateau"] = Field(
        "constant",
        description="of the learning rate: constant; cosine = rise over the first 5 %, then fall; plateau = times 0.9 after 3 epochs without a better validation score",
    )
    clip: float = Field(0.0, ge=0, description="largest norm of the gradient (0 = any)")
    averaging: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="decay of the moving average of the weights that is validated and kept; 0 = the weights themselves",
    )
    epochs: int = Field(5, ge=1, description="passes over the training samples")
    minutes: float | None = Field(
        None,
        gt=0,
        description="end after this much training time if that comes first; such a training does not repeat bit for bit",
    )
    patience: int = Field(
        0, ge=0, description="stop after this many epochs without a better validation score; 0 = never"
    )
    batch: int = Field(2, ge=1, description="images per step; cut into smaller pieces where memory runs out")
    augment: int = Field(
        0,
        ge=0,
        description="augmented copies of each sample beside the sample itself; with a frozen encoder each is encoded once, otherwise any number above 0 draws a new copy every time",
    )
    augmentation: Literal["published", "broad"] = Field(
        "published",
        description="kind of such copies: published = rotation, elastic field, intensity jitter and noise as in the published fine-tuning on nuclei; broad = extracts, quarter turns, and a wide range of brightness, contrast, sharpness and noise",
    )
    validation_share: float = Field(
        0.1,
        gt=0,
        lt=1,
        description="without a validation source: the last share of the samples, at least one, is held out",
    )
    cache: Literal["memory", "off"] = Field(
        "memory", description="where a frozen encoder's embeddings are kept (16 bit); off = encode in every step"
    )
    cache_dir: InputPath | None = Field(None, description="folder to keep embeddings in as well, for later trainings")
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="numeric mode: auto = bf16 on a GPU that has it, otherwise fp32"
    )
    licence: str = Field("", description="licence of the weights, for the card; it follows from the training data")
    half: bool = Field(False, description="write the weights as 16-bit numbers: half the size")

    @field_validator("loss")
    @classmethod
    def _known_loss(cls, value: str) -> str:
        names = [part.rpartition("*")[2] for part in value.replace(" ", "").split("+")]
        if wrong := [name for name in names if name not in LOSS_NAMES]:
            raise ValueError(
                f"{wrong[0]!r} is no loss; expected {', '.join(LOSS_NAMES)} or a sum such as dice-ce+0.5*boundary"
            )
        return value

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.prompt == "union-box" and self.rounds > 1:
            raise ValueError(
                "prompt=union-box has one target per image; iterative prompting (rounds) needs prompt=box, point or mixed"
            )
        return self

    @property
    def trained(self) -> Literal["decoder", "lora", "all"]:
        """Which weights change."""
        return "all"


class FineTuneOptions(PromptedTrainingOptions):
    """Options of the trainer ``sam-ft``."""

    model: ModelName = Field("vit_b", description="the SAM to start from")
    base: InputPath | None = Field(None, description="local weights in place of the published ones of model")
    train: Literal["decoder", "lora", "all"] = Field(
        "decoder",
        description="decoder = the mask decoder alone; lora = it and low-rank changes of the encoder's queries and values; all = every weight",
    )
    lora_rank: int = Field(4, ge=1, le=256, description="rank of those changes")

    @property
    def trained(self) -> Literal["decoder", "lora", "all"]:
        """Which weights change."""
        return self.train

    def weights(self) -> tuple[WeightsRef, ...]:
        """The base weights, under the role ``base``."""
        if self.base is not None:
            return (WeightsRef(role="base", path=self.base),)
        return (WeightsRef(role="base", name=weights_name(self.model)),)


class ScratchOptions(PromptedTrainingOptions):
    """Options of the trainer ``sam``: a whole small SAM from random weights, by iterative prompting."""

    prompt: PromptName = Field("mixed", description=PromptedTrainingOptions.model_fields["prompt"].description)
    point: Literal["centroid", "random"] = Field("random", description="where on the object a point prompt lies")
    box_jitter: float = Field(
        0.05, ge=0, le=1, description=PromptedTrainingOptions.model_fields["box_jitter"].description
    )
    rounds: int = Field(3, ge=1, le=32, description=PromptedTrainingOptions.model_fields["rounds"].description)
    multimask: Literal["auto", "single", "both"] = Field(
        "both", description=PromptedTrainingOptions.model_fields["multimask"].description
    )
    iou_weight: float = Field(1.0, ge=0, description=PromptedTrainingOptions.model_fields["iou_weight"].description)
    optimiser: Literal["adam", "adamw"] = Field("adamw", description="adam or adamw")
    lr: float = Field(1e-3, gt=0, description="highest learning rate")
    weight_decay: float = Field(0.05, ge=0, description="weight decay")
    schedule: Literal["constant", "cosine", "plateau"] = Field(
        "cosine", description=PromptedTrainingOptions.model_fields["schedule"].description
    )
    clip: float = Field(1.0, ge=0, description="largest norm of the gradient (0 = any)")
    averaging: float = Field(
        0.998, ge=0, lt=1, description=PromptedTrainingOptions.model_fields["averaging"].description
    )
    epochs: int = Field(50, ge=1, description="passes over the training samples")
    max_objects: int = Field(8, ge=1, le=1024, description="objects of an image in one step")
    batch: int = Field(4, ge=1, description="images per step; cut into smaller pieces where memory runs out")
    augment: int = Field(1, ge=0, description="0 = the samples as they are, otherwise a new augmented copy every time")
    augmentation: Literal["published", "broad"] = Field(
        "broad", description=PromptedTrainingOptions.model_fields["augmentation"].description
    )
    image_size: int = Field(512, ge=32, le=4096, description="side of the square input in pixels, a multiple of 32")
    width: int = Field(
        192, ge=16, le=1024, description="channels at stride 32; half and a quarter of it at strides 16 and 8"
    )
    depth: int = Field(6, ge=1, le=64, description="blocks at stride 32")
    heads: int = Field(6, ge=1, le=64, description="attention heads")
    attention: tuple[int, ...] = Field((2, 5), description="which of these blocks attend to the whole image")
    prompt_dim: int = Field(128, ge=16, le=1024, description="channels of embeddings and prompts, a multiple of 16")
    decoder_mlp: int = Field(512, ge=16, le=4096, description="inner width of the mask decoder's perceptrons")
    init: InputPath | None = Field(
        None,
        description="start from what this trainer wrote before, with the same sizes except image_size, instead of random weights",
    )

    def weights(self) -> tuple[WeightsRef, ...]:
        """The checkpoint to start from, if any."""
        return () if self.init is None else (WeightsRef(role="init", path=self.init),)
