"""Options of the data source ``synthetic``."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from mitobench.options import ComponentOptions

__all__ = ["SyntheticOptions"]

MAX_PIXELS = 1 << 28

_PIXEL_SIZE_NM = {"em": (4.6, 1.0, 40.0), "nuclei": (500.0, 50.0, 5000.0)}


def _both_sides(value: object) -> object:
    """One number means a square."""
    return (value, value) if isinstance(value, int) and not isinstance(value, bool) else value


Side = Annotated[int, Field(ge=1, le=1 << 20)]


class SyntheticOptions(ComponentOptions):
    """What to generate. Every field changes the samples, so every field is part of the fingerprint."""

    kind: Literal["em", "nuclei"] = Field(
        "em",
        description="em: electron microscopy of neural tissue, mitochondria labelled; nuclei: fluorescence nuclei.",
    )
    n: int = Field(16, ge=0, description="Number of images; they are made when they are read, so any number will do.")
    size: Annotated[tuple[Side, Side], BeforeValidator(_both_sides)] = Field(
        (256, 256), description="Pixels: one number, or [height, width]."
    )
    seed: int = Field(0, description="Another seed gives other images.")
    split: Literal["all", "train", "val", "test"] = Field(
        "all",
        description="Each split has images of its own: no two splits share one. `all` is a fourth such set, marked as no split.",
    )
    objects: float = Field(1.0, ge=0, le=4, description="Multiplier on how densely objects lie; 0 gives empty images.")
    pixel_size_nm: float | None = Field(
        None, description="Nanometres per pixel: 1 to 40 for em (default 4.6), 50 to 5000 for nuclei (default 500)."
    )
    group_size: int = Field(
        1, ge=1, description="Images per simulated volume: they share preparation and microscope, and form one group."
    )

    @property
    def pixel_nm(self) -> float:
        """Nanometres per pixel, the kind's default where none was given."""
        return _PIXEL_SIZE_NM[self.kind][0] if self.pixel_size_nm is None else self.pixel_size_nm

    @model_validator(mode="after")
    def _within_reach(self) -> "SyntheticOptions":
        _, low, high = _PIXEL_SIZE_NM[self.kind]
        if not low <= self.pixel_nm <= high:
            raise ValueError(
                f"option 'pixel_size_nm' is {self.pixel_nm}; for kind={self.kind} give {low:g} to {high:g} nanometres"
            )
        if self.size[0] * self.size[1] > MAX_PIXELS:
            raise ValueError(
                f"option 'size' is {list(self.size)}; an image may have at most {MAX_PIXELS} pixels: ask for more and smaller images"
            )
        return self

    def identity(self) -> dict[str, Any]:
        """The options with the pixel size resolved: naming the default changes nothing."""
        return super().identity() | {"pixel_size_nm": self.pixel_nm}
