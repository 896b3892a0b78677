"""The options of the metrics."""

import math
from typing import Literal

from pydantic import Field, model_validator

from mitobench.options import ComponentOptions

__all__ = ["BoundaryOptions", "Convention", "InstanceOptions", "PromptedOptions", "ToleranceOptions"]

Convention = Literal["exact", "stardist", "cellpose", "microsam"]


class InstanceOptions(ComponentOptions):
    """Options of ``instance``."""

    convention: Convention = Field(
        default="exact",
        description="whose arithmetic decides whether an IoU reaches a threshold: exact integers (the definition), or the "
        "floating-point rule of stardist, cellpose or micro-sam, to compare with numbers that those tools printed",
    )


class ToleranceOptions(ComponentOptions):
    """The tolerance tau of the normalised surface Dice, in pixels or in nanometres."""

    tolerance_px: float = Field(default=2.0, ge=0, allow_inf_nan=False, description="tau of NSD@tau in pixels")
    tolerance_nm: float | None = Field(
        default=None,
        ge=0,
        allow_inf_nan=False,
        description="tau in nanometres instead of pixels; every sample must then state its pixel size",
    )

    @model_validator(mode="after")
    def _one_unit(self) -> "ToleranceOptions":
        if self.tolerance_nm is not None and "tolerance_px" in self.model_fields_set:
            raise ValueError("give tolerance_px or tolerance_nm, not both")
        return self

    @property
    def tolerance(self) -> float:
        """Tau, in the unit of :attr:`unit`."""
        return self.tolerance_px if self.tolerance_nm is None else self.tolerance_nm

    @property
    def unit(self) -> Literal["px", "nm"]:
        """The unit of tau."""
        return "px" if self.tolerance_nm is None else "nm"

    @property
    def column(self) -> str:
        """What the score is called, e.g. ``NSD@2px``.

        >>> ToleranceOptions(tolerance_nm=12.5).column
        'NSD@12.5nm'
        """
        number = self.tolerance
        return f"NSD@{int(number) if math.floor(number) == number else number}{self.unit}"


class BoundaryOptions(ToleranceOptions):
    """Options of ``boundary``."""


class PromptedOptions(ToleranceOptions):
    """Options of ``prompted``."""

    boundary: bool = Field(default=False, description="also report NSD and HD95 of each prompt's mask")
