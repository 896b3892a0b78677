"""Label images as files: sizes are checked before anything is decoded."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL.PngImagePlugin import PngImageFile

from mitobench.errors import DataError, MitobenchError

__all__ = ["Origin", "count_pages", "origin_of", "read_labels", "stored_planes"]


@dataclass(frozen=True)
class Origin:
    """What mitobench wrote into a stored prediction: its cell, image and source image, and whether it was a mask."""

    cell: str
    image: str
    origin: str
    semantic: bool


def count_pages(path: Path) -> int:
    """The pages of a TIFF file; 1 for a PNG image.

    Raises:
        DataError: not readable.
    """
    if path.suffix.lower() == ".png":
        return 1
    try:
        with tifffile.TiffFile(path) as file:
            return len(file.pages)
    except Exception as error:
        raise _damaged(path, error) from None


def read_labels(path: Path, page: int | None, shape: tuple[int, int]) -> NDArray[Any]:
    """One label image as it is stored, (H, W) or (H, W, C).

    Args:
        path: a TIFF or PNG file.
        page: of a stack, from 0; None where the file must hold one image.
        shape: (H, W) of the image that it must fit.

    Raises:
        DataError: of another size, several pages where one is expected, damaged.
    """
    return _read_png(path, shape) if path.suffix.lower() == ".png" else _read_tiff(path, page, shape)


def stored_planes(path: Path, max_pixels: int) -> Iterator[NDArray[Any]]:
    """Every page of a file as it is stored. Raises DataError where one claims more pixels than allowed, or is damaged."""
    for page in range(count_pages(path)):
        height, width = _size(path, page)
        if height * width > max_pixels:
            raise DataError(
                f"{path}: claims {height} x {width} pixels; at most {max_pixels} are read. If that is right, raise max_pixels=."
            )
        yield read_labels(path, page, (height, width))


def origin_of(path: Path) -> Origin | None:
    """What a stored prediction of mitobench says about itself; None for any other file."""
    if path.suffix.lower() == ".png":
        return None
    try:
        with tifffile.TiffFile(path) as file:
            said = json.loads(file.pages[0].description)
        return Origin(str(said["cell"]), str(said["image"]), str(said["origin"]), bool(said["semantic"]))
    except Exception:  # whatever is not ours
        return None


def _size(path: Path, page: int) -> tuple[int, int]:
    try:
        if path.suffix.lower() == ".png":
            with PngImageFile(path) as image:
                return image.height, image.width
        with tifffile.TiffFile(path) as file:
            found = file.pages[page]
            return int(found.imagelength), int(found.imagewidth)
    except Exception as error:
        raise _damaged(path, error) from None


def _read_tiff(path: Path, page: int | None, shape: tuple[int, int]) -> NDArray[Any]:
    try:
        with tifffile.TiffFile(path) as file:
            if page is None and len(file.pages) > 1:
                raise DataError(
                    f"{path}: holds {len(file.pages)} pages; expected one label image. Save its pages apart."
                )
            found = file.pages[page or 0]
            _check_shape(path, (int(found.imagelength), int(found.imagewidth)), shape)
            return np.asarray(found.asarray())
    except MitobenchError:
        raise
    except Exception as error:
        raise _damaged(path, error) from None


def _read_png(path: Path, shape: tuple[int, int]) -> NDArray[Any]:
    try:
        with PngImageFile(path) as image:
            _check_shape(path, (image.height, image.width), shape)
            return np.asarray(image.convert("L") if image.mode == "LA" else image)
    except MitobenchError:
        raise
    except Exception as error:
        raise _damaged(path, error) from None


def _check_shape(path: Path, found: tuple[int, int], expected: tuple[int, int]) -> None:
    if found != expected:
        raise DataError(
            f"{path}: labels of {found[0]} x {found[1]} pixels (H x W) for an image of {expected[0]} x {expected[1]}; they must be of "
            "the same pixels. Give the tool's result at the image's own size."
        )


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(f"{path}: not a readable label image ({type(error).__name__}: {error}). Write it again.")
