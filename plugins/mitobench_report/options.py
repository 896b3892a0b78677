"""Options of the reporters."""

from typing import Literal

from pydantic import Field

from mitobench.options import ComponentOptions

__all__ = ["CsvOptions", "JsonOptions", "ReporterOptions", "TableOptions"]


class ReporterOptions(ComponentOptions):
    """What the reporters for readers have in common."""

    scores: Literal["headline", "all"] = Field("headline", description="show the headline scores, or all of them")
    intervals: bool = Field(True, description="show the 95 % interval of each score")
    costs: bool = Field(True, description="show seconds per image and peak memory")


class TableOptions(ReporterOptions):
    """Options of ``table``."""

    width: int | None = Field(None, ge=20, description="columns to fit into; as wide as needed by default")


class CsvOptions(ComponentOptions):
    """Options of ``csv``."""

    costs: bool = Field(True, description="write seconds per image and peak memory, which differ from run to run")


class JsonOptions(ComponentOptions):
    """Options of ``json``."""

    costs: bool = Field(False, description="write seconds per image and peak memory, which differ from run to run")
