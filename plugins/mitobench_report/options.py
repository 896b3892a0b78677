"""Options of the reporters."""

from typing import Literal

from pydantic import Field

from mitobench.options import ComponentOptions

__all__ = ["CsvOptions", "HtmlOptions", "JsonOptions", "ReporterOptions", "TableOptions"]


class ReporterOptions(ComponentOptions):
    """What the reporters for readers have in common."""

    scores: Literal["headline", "all"] = Field("headline", description="show the headline scores, or all of them")
    intervals: bool = Field(True, description="show the 95 % interval of each score")
    costs: bool = Field(True, description="show seconds per image and peak memory")


class TableOptions(ReporterOptions):
    """Options of ``table``."""

    width: int | None = Field(
        None,
        ge=20,
        description="characters to fit into, leaving out scores and costs from the right; as wide as needed by default",
    )


class CsvOptions(ComponentOptions):
    """Options of ``csv``."""

    costs: bool = Field(True, description="write seconds per image and peak memory, which differ from run to run")


class JsonOptions(ComponentOptions):
    """Options of ``json``."""

    costs: bool = Field(False, description="write seconds per image and peak memory, which differ from run to run")


class HtmlOptions(ComponentOptions):
    """Options of ``html``."""

    images: int = Field(3, ge=0, le=50, description="pictures of each cell, from its best image to its worst")
    compare: int = Field(
        4, ge=0, le=500, description="images of each data source on which any two cells can be laid over each other"
    )
    megabytes: float = Field(
        25, gt=0, allow_inf_nan=False, description="about how large the page may grow; pictures are left out beyond it"
    )
    drawn: int = Field(
        240,
        ge=0,
        description="predictions that are drawn at most, so that a page takes seconds; pictures are left out beyond it",
    )
