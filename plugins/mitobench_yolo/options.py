"""Options of the YOLO prompter and trainer. Imports nothing heavy."""

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from mitobench.options import ComponentOptions, InputPath, WeightsRef
from mitobench.training.timed import TimedTraining

__all__ = ["LOWEST_CONFIDENCE", "ROLE", "PrompterOptions", "TrainerOptions"]

ROLE = "weights"
LOWEST_CONFIDENCE = 0.001
"""Candidates below this confidence are not kept in an encoding."""

_SHA256 = r"^([0-9a-fA-F]{64})?$"


class PrompterOptions(ComponentOptions):
    """Options of the prompter ``yolo``."""

    not_identity: ClassVar[frozenset[str]] = frozenset({"batch", "max_objects"})

    checkpoint: InputPath = Field(
        description="A checkpoint that `mitobench train yolo` wrote (none is bundled), or an ultralytics .pt file together with sha256=.",
    )
    sha256: str = Field(
        "",
        pattern=_SHA256,
        description="SHA-256 of a .pt checkpoint. Such a file is a pickle and can run code, so it is loaded only if its hash is given and right.",
    )
    confidence: float | None = Field(
        None,
        ge=LOWEST_CONFIDENCE,
        lt=1,
        description="Keep boxes of at least this confidence. By default the one at which F1 peaked on the checkpoint's validation samples (0.25 for a .pt file).",
    )
    iou: float = Field(
        0.7,
        ge=0,
        le=1,
        description="Non-maximum suppression: of two boxes that overlap by more than this IoU, the less confident is dropped.",
    )
    max_objects: int = Field(
        100_000,
        ge=1,
        description="More boxes than this in one image are an error. Boxes are never dropped silently.",
    )
    image_size: int | None = Field(
        None,
        ge=64,
        le=8192,
        multiple_of=32,
        description="Images (or tiles) are scaled so that their longer side has this many pixels. By default as in training.",
    )
    tile: int | None = Field(
        None,
        ge=64,
        le=16384,
        description="Images with a longer side than this are seen in overlapping tiles of this side. By default every image is seen whole.",
    )
    overlap: float = Field(
        0.25,
        ge=0,
        le=0.5,
        description="The share of a tile's side that neighbouring tiles share; it should exceed the largest object.",
    )
    batch: int = Field(8, ge=1, description="Images or tiles that go through the network together.")

    def weights(self) -> tuple[WeightsRef, ...]:
        """The checkpoint."""
        return (WeightsRef(role=ROLE, path=self.checkpoint),)


class TrainerOptions(TimedTraining):
    """Options of the trainer ``yolo``; what is not named here is as ultralytics has it."""

    not_identity: ClassVar[frozenset[str]] = frozenset({"report", "report_iou"})

    size: Literal["n", "s", "m"] = Field(
        "n", description="YOLO11 nano (2.6 M parameters), small (9.4 M) or medium (20 M)."
    )
    epochs: int | None = Field(
        100,
        ge=1,
        description="Passes over the training images; after each one the held-out are scored. With minutes= alone, as many as fit.",
    )
    minutes: float | None = Field(
        None,
        gt=0,
        description="Train for so long instead of for a number of epochs; with epochs= too, until either is over. The learning rate follows the time. Such a training does not repeat bit for bit.",
    )
    batch: int = Field(16, ge=1, description="Images per optimiser step.")
    image_size: int = Field(
        640,
        ge=64,
        le=4096,
        multiple_of=32,
        description="Images are scaled so that their longer side has this many pixels.",
    )
    lr: float = Field(
        2e-3, gt=0, description="Highest learning rate (AdamW); it rises over the first 5 % and falls as a cosine."
    )
    weight_decay: float = Field(5e-4, ge=0, description="AdamW's weight decay; biases and normalisation have none.")
    averaging: float = Field(
        0.995,
        ge=0,
        lt=1,
        description="Decay of the moving average of the weights, which is what is scored and written; 0 = the weights themselves.",
    )
    mosaic: float = Field(
        1.0, ge=0, le=1, description="Augmentation: share of images that are pieced together from four."
    )
    close_mosaic: float = Field(
        0.1, ge=0, le=1, description="The last share of the training that does without mosaics."
    )
    degrees: float = Field(
        0.0, ge=0, le=180, description="Augmentation: largest rotation in degrees. Boxes grow with it."
    )
    scale: float = Field(
        0.5, ge=0, lt=1, description="Augmentation: objects are enlarged or shrunk by up to this share."
    )
    translate: float = Field(0.1, ge=0, le=1, description="Augmentation: largest shift as a share of the image.")
    flips: bool = Field(True, description="Augmentation: mirror half of the images along each axis.")
    hue: float = Field(0.015, ge=0, le=1, description="Augmentation: largest change of hue (colour images).")
    saturation: float = Field(
        0.7, ge=0, le=1, description="Augmentation: largest change of saturation (colour images)."
    )
    brightness: float = Field(0.4, ge=0, le=1, description="Augmentation: largest change of brightness.")
    validation_share: float = Field(
        0.1,
        gt=0,
        lt=1,
        description="Without a validation source: the last share of the training samples, at least one, is held out.",
    )
    report: InputPath | None = Field(
        None,
        description="A folder for the detection report of the validation samples (figures, JSON, Parquet), written when the training ends. A checkpoint that is there already is not trained again and so gets none: --retrain, or mitobench_yolo.report.evaluate in Python.",
    )
    report_iou: float = Field(
        0.5,
        gt=0,
        le=1,
        description="The detection report counts a box as right from this IoU with an object on: its confusion matrix and curves (ultralytics' own matrix has 0.45). Its AP, and all that is in the checkpoint's card, stay at their own IoU.",
    )
    half: bool = Field(False, description="Write the weights as 16-bit numbers: half the size.")
    licence: str = Field(
        "",
        description="Licence of the weights, for the card. Ultralytics holds that weights trained with it fall under AGPL-3.0.",
    )
    init: InputPath | None = Field(
        None,
        description="Start from this checkpoint (.safetensors, or .pt together with init_sha256=) of the same size instead of random weights.",
    )
    init_sha256: str = Field(
        "", pattern=_SHA256, description="SHA-256 of a .pt file to start from; without it such a file is refused."
    )

    @model_validator(mode="after")
    def _hash_has_file(self) -> Self:
        if self.init_sha256 and self.init is None:
            raise ValueError("init_sha256= is given without init=")
        return self

    def weights(self) -> tuple[WeightsRef, ...]:
        """The checkpoint to start from, if any."""
        return () if self.init is None else (WeightsRef(role=ROLE, path=self.init),)
