"""Options of the Keras U-Net's segmenter, prompter and trainer; the defaults are the published system's. Imports nothing heavy."""

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from mitobench.descriptors import PromptKind
from mitobench.options import ComponentOptions, InputPath, WeightsRef

__all__ = ["ROLE", "KerasOptions", "PrompterOptions", "SegmenterOptions", "TrainerOptions"]

ROLE = "weights"


class KerasOptions(ComponentOptions):
    """What the segmenter and the prompter share: the weights, the forward pass and how the map becomes instances."""

    not_identity: ClassVar[frozenset[str]] = frozenset({"batch"})

    checkpoint: InputPath = Field(
        description="A checkpoint that `mitobench train unet-keras` wrote (none is bundled), or a Keras weights-only file (.weights.h5) of such a network.",
    )
    threshold: float = Field(
        0.5, gt=0, lt=1, description="Foreground probability above which a pixel belongs to an instance."
    )
    min_area: int = Field(0, ge=0, description="Drop instances of fewer pixels.")
    tiling: Literal["auto", "patches", "resize"] = Field(
        "auto",
        description="How an image becomes the network's square inputs: tiles at full resolution, or the whole image resized. auto: as in training.",
    )
    overlap: float = Field(
        0.0, ge=0, le=0.5, description="The share of a tile's side that neighbouring tiles share (tiling=patches)."
    )
    batch: int = Field(16, ge=1, description="Tiles that go through the network together.")

    def weights(self) -> tuple[WeightsRef, ...]:
        """The checkpoint."""
        return (WeightsRef(role=ROLE, path=self.checkpoint),)


class SegmenterOptions(KerasOptions):
    """Options of the segmenter ``unet-keras``."""


class PrompterOptions(KerasOptions):
    """Options of the prompter ``unet-keras``."""

    emit: Literal["point", "box", "mask"] = Field(
        "point", description="Per instance: its centroid, its tight box, or its mask as logits."
    )
    centroid: Literal["mean", "inside"] = Field(
        "mean",
        description="The point: the mean pixel position even where that lies off the instance (as published), or moved to the instance's nearest pixel.",
    )

    def emits(self) -> frozenset[PromptKind]:
        """The one kind that ``emit`` names."""
        return frozenset({self.emit})


class TrainerOptions(ComponentOptions):
    """Options of the trainer ``unet-keras``."""

    epochs: int = Field(
        20, ge=1, description="Passes over the training inputs; after each one the held-out are scored."
    )
    batch: int = Field(16, ge=1, description="Inputs per optimiser step.")
    lr: float = Field(1e-3, gt=0, description="Learning rate (Adam), constant.")
    channels: tuple[int, ...] = Field(
        (64, 128, 256, 512, 1024),
        min_length=2,
        max_length=8,
        description="Feature channels of each level, finest first; the last is the bottleneck.",
    )
    size: int = Field(128, ge=16, le=2048, description="Side of the network's square input in pixels.")
    tiling: Literal["patches", "resize"] = Field(
        "patches",
        description="How a section becomes inputs: tiles without overlap at full resolution, or the whole section resized.",
    )
    validation_share: float = Field(
        0.1,
        gt=0,
        lt=1,
        description="Without a validation source: the last share of the training samples, at least one, is held out.",
    )
    keep: Literal["loss", "dice", "last"] = Field(
        "loss",
        description="Write the weights of the epoch with the lowest validation loss (Keras's own default), the highest validation Dice, or of the last epoch.",
    )
    half: bool = Field(False, description="Write the weights as 16-bit numbers: half the size.")
    licence: str = Field("", description="Licence of the weights, for the card; it follows from the training data.")
    init: InputPath | None = Field(
        None, description="Start from this checkpoint of the same architecture instead of random weights."
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if min(self.channels) < 1:
            raise ValueError(f"channels {list(self.channels)} must be positive")
        multiple = 2 ** (len(self.channels) - 1)
        if self.size % multiple:
            raise ValueError(
                f"size {self.size} must be a multiple of {multiple}, because {len(self.channels)} levels halve it that often"
            )
        return self

    def weights(self) -> tuple[WeightsRef, ...]:
        """The checkpoint to start from, if any."""
        return () if self.init is None else (WeightsRef(role=ROLE, path=self.init),)
