"""The options of the data sources that read files."""

import re
from typing import ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from mitobench.options import ComponentOptions, InputPath
from mitobench_data.splits import SPLITS, parse_sections

__all__ = [
    "CtcOptions",
    "EpflOptions",
    "FolderOptions",
    "Hdf5Options",
    "PlaneOptions",
    "SectionOptions",
    "SplitOptions",
    "TiffStackOptions",
]


class PlaneOptions(ComponentOptions):
    """How a plane is read, and how it is cut into patches."""

    not_identity: ClassVar[frozenset[str]] = frozenset({"max_pixels", "max_expansion"})

    patch: int = Field(
        0,
        ge=0,
        description="Cut each image into patches of this many pixels a side; 0 = whole images. A side that it does not divide is cut into equal smaller parts.",
    )
    overlap: int = Field(
        0, ge=0, description="Pixels that neighbouring patches share at least; 0 = each pixel is in one patch."
    )
    drop_empty: bool = Field(
        False, description="Leave out the patches (or whole images) whose reference is all background."
    )
    pixel_size_nm: float | tuple[float, float] | None = Field(
        None, description="Size of a pixel in nanometres, one number or [y, x]; unknown if not given."
    )
    channel: int | None = Field(
        None, ge=0, description="Use only this channel of a multi-channel image, counted from 0."
    )
    axes: str = Field(
        "",
        description="What the axes of the images are, such as ZYX, CYX, YXC or ZCYX (Z or T = sections, C = channels); needed only where the file leaves it open.",
    )
    max_pixels: int = Field(2**30, gt=0, description="Refuse a plane of more pixels than this before reading it.")

    @field_validator("axes")
    @classmethod
    def _known_axes(cls, value: str) -> str:
        axes = value.upper()
        if axes and (len(set(axes)) != len(axes) or not set("YX") <= set(axes) <= set("ZTCSYX")):
            raise ValueError("expected distinct letters of Z, T, C, S, Y and X, with Y and X among them")
        return axes

    @field_validator("pixel_size_nm")
    @classmethod
    def _positive(cls, value: float | tuple[float, float] | None) -> float | tuple[float, float] | None:
        sizes = value if isinstance(value, tuple) else () if value is None else (value,)
        if not all(0 < size < float("inf") for size in sizes):
            raise ValueError("expected positive numbers of nanometres")
        return value

    @model_validator(mode="after")
    def _overlap_below_patch(self) -> Self:
        if self.overlap and self.overlap >= self.patch:
            raise ValueError(f"overlap={self.overlap} must be smaller than patch={self.patch}")
        return self

    @property
    def pixel_size(self) -> tuple[float, float] | None:
        """(y, x) in nanometres, or None."""
        size = self.pixel_size_nm
        return size if isinstance(size, tuple) or size is None else (size, size)


class LabelOptions(ComponentOptions):
    """What the label images hold."""

    reference: Literal["auto", "semantic", "instance"] = Field(
        "auto",
        description="What the labels are: semantic = a mask, whose 8-connected components within a patch are the objects; instance = an id per object; auto = semantic where one single non-zero value occurs in all of them.",
    )
    ignore: int | None = Field(
        None, description="Label value of pixels that count neither as background nor as object, such as -1 or 255."
    )


class SplitOptions(ComponentOptions):
    """Splits by contiguous blocks. There is no shuffled split: neighbouring sections show the same objects."""

    split: Literal["all", "train", "val", "test"] = Field("all", description="Which block to use.")
    train: float = Field(0.7, ge=0, le=1, description="Fraction of the sections in the first block.")
    val: float = Field(0.0, ge=0, le=1, description="Fraction of the sections in the second block.")
    test: float | None = Field(
        None, ge=0, le=1, description="Fraction of the sections in the last block; by default the rest."
    )
    gap: int | None = Field(
        None,
        ge=0,
        description="Sections left out between two blocks. By default 1, or 0 where every image or group stands for itself (folder with group=file or a pattern).",
    )

    @property
    def by_fraction(self) -> bool:
        """Whether the split is a block given by the fractions."""
        return True

    @model_validator(mode="after")
    def _fractions(self) -> Self:
        if self.train + self.val + (self.test or 0) > 1 + 1e-9:
            raise ValueError("train, val and test add up to more than 1")
        if self.by_fraction and self.split in SPLITS and not self.fraction(self.split):
            raise ValueError(
                f"split={self.split} has the fraction 0; give {self.split}= a fraction, such as {self.split}=0.1"
            )
        return self

    def fraction(self, split: str) -> float:
        """The fraction of one split."""
        rest = max(0.0, 1 - self.train - self.val)
        rest = rest if rest > 1e-9 else 0.0
        return {"train": self.train, "val": self.val, "test": rest if self.test is None else self.test}[split]


class SectionOptions(SplitOptions):
    """Splits of a stack, or sections by number."""

    sections: str | int | list[int | str] = Field(
        "",
        description='Use exactly these sections, counted from 0: such as 0-8, 10- (to the end), 5 or "0-3,7"; takes the place of train, val, test and gap, and split is then only the name they get.',
    )

    @field_validator("sections")
    @classmethod
    def _readable(cls, value: str | int | list[int | str]) -> str | int | list[int | str]:
        if value != "":
            parse_sections(value)
        return value

    @property
    def by_fraction(self) -> bool:
        """Whether the split is a block: not where sections are named."""
        return self.sections == ""


class _StackOptions(PlaneOptions, LabelOptions, SectionOptions):
    group: str = Field(
        "",
        description="The specimen that the sections come from; by default volume- with a hash of what the file holds, whatever its name.",
    )


class TiffStackOptions(_StackOptions):
    """Options of ``tiff-stack``."""

    images: InputPath = Field(description="Multi-page TIFF of the sections.")
    labels: InputPath | None = Field(
        None, description="Multi-page TIFF of their labels; without it there is no reference."
    )


class EpflOptions(_StackOptions):
    """Options of ``epfl``."""

    root: InputPath = Field(
        description="Folder that holds training.tif, training_groundtruth.tif and, if there is one, the testing pair."
    )
    split: Literal["all", "train", "val", "test"] = Field(
        "all",
        description="train = training.tif, test = testing.tif, all = both. Where there is no testing.tif (or val is given), blocks of training.tif.",
    )

    @property
    def by_fraction(self) -> bool:
        """Not for ``test``, which may be a stack of its own."""
        return self.sections == "" and self.split != "test"


class Hdf5Options(_StackOptions):
    """Options of ``hdf5``."""

    file: InputPath = Field(description="HDF5 file.")
    images: str = Field("/raw", description="Data set of the sections.")
    labels: str = Field("/labels", description='Data set of the labels; "" where there is no reference.')
    max_expansion: int = Field(
        1000, gt=0, description="Refuse a data set that claims more than this many times the bytes stored for it."
    )


class FolderOptions(PlaneOptions, LabelOptions, SplitOptions):
    """Options of ``folder``."""

    root: InputPath | None = Field(None, description="Folder that holds the folders images and labels.")
    images: InputPath | None = Field(None, description="Folder of the images (in place of root).")
    labels: InputPath | None = Field(
        None, description="Folder of the label images (in place of root); without it there is no reference."
    )
    skip_unpaired: bool = Field(
        False, description="Leave out images without labels and labels without an image; else they are an error."
    )
    group: str = Field(
        "file",
        description="What counts as independent: file = every image, folder = all images are of one specimen, or a regular expression searched in the name (its first group, or all of it), such as '^[^_]+'.",
    )

    @field_validator("group")
    @classmethod
    def _pattern(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"expected file, folder or a regular expression ({error})") from None
        return value

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.root is None) == (self.images is None) or (self.root is not None and self.labels is not None):
            raise ValueError("give either root (with its folders images and labels), or images and labels")
        return self


class CtcOptions(PlaneOptions, SectionOptions):
    """Options of ``ctc``."""

    root: InputPath = Field(
        description="Folder of one data set, such as Fluo-N2DL-HeLa, which holds 01, 01_GT and so on."
    )
    sequence: str | int | list[str | int] = Field(
        "",
        description="Sequences to use, such as 1, '02' or [1, 2]; by default all. Splits are blocks of the frames of each.",
    )
    annotation: Literal["gold", "silver"] = Field(
        "gold", description="gold = 01_GT/SEG (people), silver = 01_ST/SEG (fused algorithms)."
    )
    frames: Literal["annotated", "all"] = Field(
        "annotated",
        description="annotated = only frames with a label image; all = the others too, without a reference.",
    )
    partial: Literal["auto"] | bool = Field(
        "auto",
        description="Whether some objects of a frame are not annotated: true, false, or auto = where a tracking marker (TRA) of the frame touches no annotated object.",
    )
    ignore: int | None = Field(
        None, description="Label value of pixels that count neither as background nor as object."
    )
