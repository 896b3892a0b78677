"""Options of the prompters of this plugin."""

from typing import Literal, Self

from pydantic import Field, model_validator

from mitobench.descriptors import PromptKind
from mitobench.options import ComponentOptions, InputPath

__all__ = ["BoxOptions", "GridOptions", "ManualOptions", "MaskOptions", "PointOptions", "UnionBoxOptions"]


class BoxOptions(ComponentOptions):
    """Options of ``gt-box``."""

    jitter: float = Field(0, ge=0, allow_inf_nan=False, description="how far each side may move; 0 = the exact box")
    unit: Literal["px", "fraction"] = Field(
        "px",
        description="of jitter: px = whole pixels, 0..jitter-1; fraction = of the box's width or height, 0..jitter",
    )
    direction: Literal["outward", "random"] = Field(
        "outward", description="outward = sides only move away from the box's centre; random = either way"
    )

    @model_validator(mode="after")
    def _whole_pixels(self) -> Self:
        if self.unit == "px" and self.jitter != int(self.jitter):
            raise ValueError(
                f"jitter={self.jitter} with unit=px must be a whole number; give unit=fraction for a share"
            )
        return self


class UnionBoxOptions(ComponentOptions):
    """Options of ``gt-union-box``."""

    jitter: int = Field(
        0,
        ge=0,
        description="each side moves outward by a uniform whole number of pixels, 0..jitter-1; 0 = the exact box",
    )


class PointOptions(ComponentOptions):
    """Options of ``gt-point``."""

    mode: Literal["centroid", "random", "farthest"] = Field(
        "centroid",
        description="the first point: the mean pixel position (moved to the object's nearest pixel where it lies off it), "
        "a random pixel, or the pixel farthest from the object's border",
    )
    n: int = Field(1, ge=1, description="points on the object; all but the first are random pixels of it")
    negative: int = Field(
        0, ge=0, description="points off the object, on background or other objects in its neighbourhood"
    )


class MaskOptions(ComponentOptions):
    """Options of ``gt-mask``."""

    limit: float = Field(10.0, gt=0, le=80, description="logits are +limit on the object and -limit off it")


class ManualOptions(ComponentOptions):
    """Options of ``manual``."""

    path: InputPath = Field(
        description="a .csv or .json file, or a folder of them named after the images (napari saves one per layer)"
    )
    kind: Literal["any", "point", "box"] = Field("any", description="what the files must hold; any = what they do hold")
    missing: Literal["error", "skip"] = Field(
        "error", description="an image without a row: an error, or no prompts for it"
    )

    def emits(self) -> frozenset[PromptKind] | None:
        """The kind that was asked for, or those that the files hold."""
        from mitobench_prompts.manual_files import read_prompts

        if self.kind != "any":
            return frozenset({self.kind})
        return frozenset(kind for given in read_prompts(self.path) for kind in given.kinds)


class GridOptions(ComponentOptions):
    """Options of ``grid``."""

    side: int = Field(32, ge=1, le=4096, description="points along each axis")
    spacing: float | None = Field(
        None, ge=1, allow_inf_nan=False, description="pixels between neighbours, instead of side"
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if {"side", "spacing"} <= self.model_fields_set and self.spacing is not None:
            raise ValueError("give side or spacing, not both")
        return self
