"""The options of the trainers ``sam`` and ``sam-ft``."""

from typing import Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from mitobench.options import InputPath, WeightsRef
from mitobench.training.timed import TimedTraining
from mitobench_sam.loss_sums import LOSS_NAMES, loss_terms
from mitobench_sam.options import ModelName, weights_name

__all__ = ["PUBLISHED_AUGMENTATION", "FineTuneOptions", "PromptedTrainingOptions", "ScratchOptions"]

PromptName = Literal["box", "union-box", "point", "mask", "point-box", "mixed"]
PUBLISHED_AUGMENTATION = {
    "rotation": "rotation",
    "flips": "flips",
    "shift": "shift",
    "elastic_sigma": "elastic_sigma",
    "elastic_alpha": "elastic_alpha",
    "contrast": "gain",
    "brightness": "offset",
    "poisson_noise": "poisson",
    "gaussian_noise": "gaussian",
    "equalise": "equalise",
}
"""The options of ``augmentation=published``, and what :class:`mitobench.training.augmentation.Augmentation` calls them."""
_ABSENT_AT_ZERO = frozenset({"box_enlarge", "union_share"})  # of later: without them a training is what it was before


class PromptedTrainingOptions(TimedTraining):
    """What both trainers can be told.

    The defaults are those of the published fine-tuning on electron microscopy but for its prompt, which is
    ``prompt=union-box,box_margin=20,multimask=single``.
    """

    not_identity: ClassVar[frozenset[str]] = frozenset({"cache_dir"})

    prompt: PromptName = Field(
        "box",
        description="what the decoder is shown of an object: its box; union-box = one box around all objects of the image, which are then one target; point; its low-resolution mask; point-box = point or box in turn; mixed = box, point or mask in turn",
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
    box_enlarge: float = Field(
        0.0, ge=0, le=1, description="each side of a box moves outward by up to this share of the box's own side"
    )
    objects: Literal["one", "many"] = Field(
        "many", description="one = per image and step one random object is the target; many = up to max_objects at once"
    )
    max_objects: int = Field(25, ge=1, le=1024, description="objects of an image in one step")
    min_area: int = Field(1, ge=1, description="smaller objects, in pixels of the image, are not trained on")
    union_share: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="share of the steps in which all objects of an image are one target, shown by one loose box around them; it teaches what kind of thing is meant",
    )
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
        description="of the learning rate: constant; cosine = rise over the first 5 %, then fall; plateau = times 0.9 after 4 epochs without a better validation score, and after each 4 more",
    )
    clip: float = Field(0.0, ge=0, description="largest norm of the gradient (0 = any)")
    averaging: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="decay of the moving average of the weights that is validated and kept; 0 = the weights themselves",
    )
    epochs: int | None = Field(
        5, ge=1, description="passes over the training samples; with minutes= alone, as many as fit"
    )
    minutes: float | None = Field(
        None,
        gt=0,
        description="train for so long instead of for a number of epochs; with epochs= too, until either is over; such a training does not repeat bit for bit",
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
    rotation: float = Field(
        45.0,
        ge=0,
        le=180,
        description="augmentation=published: degrees; the angle is uniform within plus and minus this",
    )
    flips: bool = Field(
        True, description="augmentation=published: mirror left-right and up-down, each with probability 0.5"
    )
    shift: float = Field(
        0.5,
        ge=0,
        allow_inf_nan=False,
        description="augmentation=published: pixels; uniform sub-pixel shift along each axis",
    )
    elastic_sigma: float = Field(
        10.0,
        gt=0,
        allow_inf_nan=False,
        description="augmentation=published: pixels; smoothing of the elastic field's white noise N(0, 1)",
    )
    elastic_alpha: tuple[float, float] = Field(
        (25.0, 35.0),
        description="augmentation=published: pixels; the smoothed noise is scaled by a uniform draw from this range; [0, 0] = no elastic field",
    )
    contrast: float = Field(
        0.2,
        ge=0,
        lt=1,
        description="augmentation=published: contrast is multiplied by a uniform draw from 1 - this .. 1 + this",
    )
    brightness: float = Field(
        0.1,
        ge=0,
        le=1,
        description="augmentation=published: brightness is moved by up to this share of full scale, up or down",
    )
    poisson_noise: float = Field(0.5, ge=0, le=1, description="augmentation=published: probability of shot noise")
    gaussian_noise: float = Field(
        0.03,
        ge=0,
        le=1,
        description="augmentation=published: Gaussian noise with a standard deviation uniform in 0 .. this share of full scale",
    )
    equalise: float = Field(
        0.25,
        ge=0,
        le=1,
        description="augmentation=published: probability of contrast-limited adaptive histogram equalisation",
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
        loss_terms(value)
        return value

    @field_validator("elastic_alpha")
    @classmethod
    def _is_a_range(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 0 <= value[0] <= value[1] < float("inf"):
            raise ValueError("expected [lowest, highest] with 0 <= lowest <= highest")
        return value

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.prompt == "union-box" and self.rounds > 1:
            raise ValueError(
                "prompt=union-box has one target per image; iterative prompting (rounds) needs another prompt"
            )
        apart = self.prompt != "union-box"
        uses = {
            "lora_rank": (self.trained == "lora", "train=lora"),
            "cache_dir": (
                self.trained == "decoder" and self.cache != "off",
                "a frozen encoder (train=decoder of sam-ft) and cache=memory",
            ),
            **dict.fromkeys(
                ("objects", "max_objects", "union_share"),
                (apart, "another prompt than union-box, which makes all objects one target"),
            ),
            **dict.fromkeys(PUBLISHED_AUGMENTATION, (self.augment > 0, "augment of 1 or more, the copies it is about")),
        }
        given = [name for name in PUBLISHED_AUGMENTATION if name in self.model_fields_set]
        if given and self.augmentation != "published":
            raise ValueError(
                f"{', '.join(given)}: of augmentation=published, but augmentation is {self.augmentation}; leave one of the two out"
            )
        for name, (used, needed) in uses.items():
            if name in self.model_fields_set and getattr(self, name) is not None and not used:
                raise ValueError(f"{name} would change nothing here; it needs {needed}. Leave it out")
        return self

    def identity(self) -> dict[str, Any]:
        """What identifies a checkpoint; how copies are made is left out where the published augmentation makes none."""
        used = self.augment > 0 and self.augmentation == "published"
        unused = frozenset() if used else frozenset(PUBLISHED_AUGMENTATION)
        unused |= {name for name in _ABSENT_AT_ZERO if not getattr(self, name)}
        return {name: value for name, value in super().identity().items() if name not in unused}

    @property
    def trained(self) -> Literal["decoder", "lora", "all"]:
        """Which weights change."""
        return "all"


_DESCRIBED = PromptedTrainingOptions.model_fields


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

    prompt: PromptName = Field("mixed", description=_DESCRIBED["prompt"].description)
    point: Literal["centroid", "random"] = Field("random", description="where on the object a point prompt lies")
    box_jitter: float = Field(0.05, ge=0, le=1, description=_DESCRIBED["box_jitter"].description)
    rounds: int = Field(3, ge=1, le=32, description=_DESCRIBED["rounds"].description)
    multimask: Literal["auto", "single", "both"] = Field("both", description=_DESCRIBED["multimask"].description)
    iou_weight: float = Field(1.0, ge=0, description=_DESCRIBED["iou_weight"].description)
    optimiser: Literal["adam", "adamw"] = Field("adamw", description="adam or adamw")
    lr: float = Field(1e-3, gt=0, description="highest learning rate")
    weight_decay: float = Field(0.05, ge=0, description="weight decay")
    schedule: Literal["constant", "cosine", "plateau"] = Field("cosine", description=_DESCRIBED["schedule"].description)
    clip: float = Field(1.0, ge=0, description="largest norm of the gradient (0 = any)")
    averaging: float = Field(0.998, ge=0, lt=1, description=_DESCRIBED["averaging"].description)
    epochs: int | None = Field(50, ge=1, description=_DESCRIBED["epochs"].description)
    max_objects: int = Field(8, ge=1, le=1024, description="objects of an image in one step")
    batch: int = Field(4, ge=1, description="images per step; cut into smaller pieces where memory runs out")
    augment: int = Field(1, ge=0, description="0 = the samples as they are, otherwise a new augmented copy every time")
    augmentation: Literal["published", "broad"] = Field("broad", description=_DESCRIBED["augmentation"].description)
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
