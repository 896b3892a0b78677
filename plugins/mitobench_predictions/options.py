"""Options of the segmenter of this plugin."""

import json
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from mitobench.options import ComponentOptions, InputPath

__all__ = ["PredictionsOptions"]

_Text = Annotated[str, BeforeValidator(lambda value: str(value) if isinstance(value, int | float) else value)]


class PredictionsOptions(ComponentOptions):
    """Options of ``predictions``."""

    not_identity: ClassVar[frozenset[str]] = frozenset({"max_pixels"})

    folder: InputPath = Field(
        description="the folder of label images or masks (TIFF, PNG), or one TIFF stack of them; also the predictions/CELL of a run"
    )
    name: str = Field("", max_length=80, description="what made them; leaderboards show it")
    version: _Text = Field("", max_length=40, description="its version; quote one that ends in 0")
    seconds_per_image: float | None = Field(
        None, ge=0, allow_inf_nan=False, description="what it took for an image; leaderboards say that this was given"
    )
    labels: Literal["auto", "instance", "semantic"] = Field(
        "auto", description="objects with an id each, a mask, or semantic where all files together hold one value"
    )
    suffix: str = Field(
        "", description="what the tool appended to each name, such as _cp_masks; other files are then left aside"
    )
    missing: Literal["error", "empty"] = Field(
        "error", description="an image without a label image: an error, or no object was found in it"
    )
    first_page: int = Field(0, ge=0, description="the number of the image that the first page of a stack belongs to")
    oracle: bool | None = Field(
        None, description="the tool was shown the reference; if not given, as the run says whose predictions these are"
    )
    max_pixels: int = Field(2**30, gt=0, description="refuse a label image of more pixels than this before reading it")

    def shown_as(self) -> str:
        """The given name and version, marked as predictions."""
        return f"{' '.join(part for part in (self.name, self.version) if part)} (predictions)" if self.name else ""

    def remarks(self) -> tuple[str, ...]:
        """That nothing was run here, where the time comes from, and whether absent label images count as empty."""
        seconds = self.seconds_per_image
        time = "its time is not known" if seconds is None else f"its time of {seconds:g} s an image is as given"
        made = f"label images that were not made in this run; {time}; what it was trained on is not known"
        absent = "images without a label image count as images in which nothing was found (missing=empty)"
        return (made, absent) if self.missing == "empty" else (made,)

    def looks_at_reference(self) -> bool:
        """As given, or as the run recorded it."""
        return bool(self._recorded().get("oracle")) if self.oracle is None else self.oracle

    def _recorded(self) -> dict[str, Any]:
        """What ``run.json`` says of the cell, where the folder is that of a run's cell."""
        folder = self.folder.resolve()
        if folder.parent.name != "predictions":
            return {}
        try:
            record = json.loads((folder.parent.parent / "run.json").read_text(encoding="utf-8"))
            found = record["cells"][folder.name]
        except (OSError, ValueError, KeyError, TypeError):
            return {}
        return found if isinstance(found, dict) else {}
