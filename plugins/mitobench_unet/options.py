"""Options of the U-Net's segmenter, prompter and trainer. Imports nothing heavy."""

from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from mitobench.descriptors import PromptKind
from mitobench.options import ComponentOptions, InputPath, WeightsRef
from mitobench.training.timed import TimedTraining

__all__ = ["ROLE", "PrompterOptions", "SegmenterOptions", "TrainerOptions", "UnetOptions"]

ROLE = "weights"
BundledName = Literal["em", "nuclei", "unet-em", "unet-nuclei"]


class UnetOptions(ComponentOptions):
    """What the segmenter and the prompter share: the weights, the forward pass and how maps become instances."""

    not_identity: ClassVar[frozenset[str]] = frozenset({"batch"})

    model: Literal["em", "nuclei"] | None = Field(
        None,
        description="Bundled weights: em (mitochondria in electron microscopy) or nuclei (fluorescence). em if neither this nor checkpoint is given.",
    )
    checkpoint: InputPath | None = Field(
        None, description="A checkpoint that `mitobench train unet` wrote, instead of a bundled one."
    )
    threshold: float = Field(
        0.5, gt=0, lt=1, description="Foreground probability from which a pixel belongs to an instance."
    )
    min_area: int | None = Field(
        None,
        ge=0,
        description="Drop instances of fewer pixels. By default what the checkpoint's card says; trainings choose it on their held-out samples.",
    )
    split: Literal["auto", "components", "watershed"] = Field(
        "auto",
        description="Instances: connected components, or a watershed from the predicted interiors that parts touching objects. auto: watershed if the network was trained on instance labels.",
    )
    window: int = Field(
        1024,
        ge=32,
        le=16384,
        description="Images with a longer side than this many pixels are seen in windows of this side.",
    )
    overlap: float = Field(
        0.25, ge=0, le=0.5, description="The share of a window's side that neighbouring windows share."
    )
    flips: bool = Field(
        False,
        description="Average the maps of the image and its three mirror images: 4 times the work, a little better.",
    )
    batch: int = Field(4, ge=1, description="Images or windows that go through the network together.")

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.model is not None and self.checkpoint is not None:
            raise ValueError("give model= or checkpoint=, not both")
        return self

    def weights(self) -> tuple[WeightsRef, ...]:
        """The checkpoint, or the bundled weights by name."""
        if self.checkpoint is not None:
            return (WeightsRef(role=ROLE, path=self.checkpoint),)
        return (WeightsRef(role=ROLE, name=f"unet-{self.model or 'em'}"),)


class SegmenterOptions(UnetOptions):
    """Options of the segmenter ``unet``."""


class PrompterOptions(UnetOptions):
    """Options of the prompter ``unet``."""

    emit: Literal["point", "box", "mask"] = Field(
        "point",
        description="Per instance: a point inside it (its centroid if that lies inside), its tight box, or its mask as logits.",
    )

    def emits(self) -> frozenset[PromptKind]:
        """The one kind that ``emit`` names."""
        return frozenset({self.emit})


class TrainerOptions(TimedTraining):
    """Options of the trainer ``unet``."""

    epochs: int | None = Field(
        20,
        ge=1,
        description="Epochs; after each one the held-out samples are scored. With minutes= alone, as many as fit.",
    )
    steps_per_epoch: int = Field(
        100,
        ge=1,
        description="Optimiser steps of an epoch (patches are drawn at random, so an epoch is a number, not a pass).",
    )
    minutes: float | None = Field(
        None,
        gt=0,
        description="Train for so long instead of for a number of epochs; with epochs= too, until either is over. The learning rate follows the time. Such a training does not repeat bit for bit.",
    )
    batch: int = Field(8, ge=1, description="Patches per step.")
    patch: int = Field(
        256, ge=16, le=4096, description="Side of a patch in pixels; smaller images are extended by their mirror image."
    )
    lr: float = Field(
        2e-3, gt=0, description="Highest learning rate (AdamW); it rises over the first 5 % and falls as a cosine."
    )
    weight_decay: float = Field(1e-4, ge=0, description="AdamW's weight decay.")
    averaging: float = Field(
        0.99,
        ge=0,
        lt=1,
        description="Decay of the moving average of the weights, which is what is scored and written; 0 = the weights themselves.",
    )
    channels: tuple[int, ...] = Field(
        (16, 32, 64, 128, 256), min_length=2, max_length=8, description="Feature channels of each level, finest first."
    )
    residual_units: int = Field(2, ge=0, le=8, description="Residual units per level.")
    colour: bool = Field(False, description="Three input channels (RGB) instead of one (luminance).")
    border: int = Field(
        2,
        ge=1,
        le=16,
        description="Rim in pixels that the interior map leaves out, so that touching objects come apart.",
    )
    objects: float = Field(
        0.5, ge=0, le=1, description="Share of patches drawn near an object; the others lie anywhere."
    )
    zoom: float = Field(
        1.3, ge=1, le=4, description="Augmentation: largest factor by which objects are enlarged or shrunk."
    )
    rotate: float = Field(
        0.5, ge=0, le=1, description="Augmentation: share of patches turned by any angle, not only by quarter turns."
    )
    elastic: float = Field(
        4.0, ge=0, description="Augmentation: largest standard deviation in pixels of the smooth displacement."
    )
    intensity: float = Field(
        1.0, ge=0, le=2, description="Augmentation: strength of gamma, contrast, brightness, blur and noise; 0 = none."
    )
    validation_share: float = Field(
        0.1,
        gt=0,
        lt=1,
        description="Without a validation source: the last share of the training samples, at least one, is held out.",
    )
    split: Literal["auto", "components", "watershed"] = Field(
        "auto",
        description="How the checkpoint makes instances by default. auto: watershed if the references are instance labels, components if semantic.",
    )
    half: bool = Field(False, description="Write the weights as 16-bit numbers: half the size.")
    licence: str = Field("", description="Licence of the weights, for the card; it follows from the training data.")
    init: BundledName | InputPath | None = Field(
        None,
        union_mode="left_to_right",
        description="Start from these weights of the same architecture instead of random ones: the path of a checkpoint, or the bundled em or nuclei (also unet-em, unet-nuclei; a file of such a name is ./em).",
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if min(self.channels) < 1:
            raise ValueError(f"channels {list(self.channels)} must be positive")
        multiple = 2 ** (len(self.channels) - 1)
        if self.patch % multiple:
            raise ValueError(
                f"patch {self.patch} must be a multiple of {multiple}, because {len(self.channels)} levels halve it that often"
            )
        return self

    def weights(self) -> tuple[WeightsRef, ...]:
        """The checkpoint, or the bundled weights by name, to start from, if any."""
        if self.init is None:
            return ()
        if isinstance(self.init, Path):
            return (WeightsRef(role=ROLE, path=self.init),)
        return (WeightsRef(role=ROLE, name=f"unet-{self.init.removeprefix('unet-')}"),)
