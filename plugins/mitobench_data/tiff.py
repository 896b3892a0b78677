"""TIFF stacks: mapped where they are uncompressed, one page at a time where they are not."""

import functools
import math
import struct
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

import numpy as np
import tifffile
from numpy.typing import NDArray

from mitobench.errors import DataError
from mitobench_data.axes import Layout, Role, resolve_axes
from mitobench_data.handles import Handle
from mitobench_data.limits import check_plane
from mitobench_data.planes import PlaneFile

__all__ = ["TiffPlanes", "count_pages"]


class TiffPlanes:
    """The planes of one TIFF or BigTIFF file of any byte order, tiling and compression that tifffile reads.

    A file of several images that are all alike (as written page by page) counts as one stack.
    """

    def __init__(self, file: PlaneFile, role: Role, labels: Layout | None = None) -> None:
        """Read the headers and check that every page's data lie within the file.

        Raises:
            DataError: cut short (naming the page), images of different shapes, axes that remain open, too many pixels.
        """
        self._path = file.path
        self._handle = Handle(functools.partial(_open, file.path))
        count_pages(file.path)
        tiff = self._handle.get()
        shape, axes, self._pages = _stack(tiff, file)
        page = tiff.series[0].keyframe
        self.dtype = np.dtype(page.dtype if page.dtype is not None else np.void)
        self._page_axes = len(page.shape)
        self._offset = tiff.series[0].dataoffset if len(tiff.series) == 1 else None
        self._byteorder: Literal["<", ">"] = tiff.byteorder
        self.cmyk = page.photometric == tifffile.PHOTOMETRIC.SEPARATED
        self._palette = page.colormap if role == "image" and page.photometric == tifffile.PHOTOMETRIC.PALETTE else None
        _check_claims(shape, axes, file)
        declared = int((tiff.imagej_metadata or {}).get("images", 1))
        if declared > self._pages:
            raise DataError(
                f"{file.path}: declares {declared} images but holds {self._pages}; the file is cut short. Copy it again."
            )
        self._check_stored(shape)
        self.layout = resolve_axes(
            shape, axes, asked=file.axes if role == "image" else "", role=role, labels=labels, name=str(file.path)
        )
        check_plane(self.layout.plane, file.max_pixels, str(file.path))
        self._mapped: NDArray[Any] | None = None
        self._release()

    def read(self, section: int) -> NDArray[Any]:
        """One plane, (H, W) or (H, W, C), in the file's byte order; a view of the mapped file where it is uncompressed."""
        index = self.layout.index(section)
        plane = self._map()[index] if self._offset is not None else self._decode(index)
        self._release()
        plane = plane.transpose(self.layout.order)
        return plane if self._palette is None else np.moveaxis(self._palette, 0, -1)[plane] // 257

    def _release(self) -> None:
        """Hold no file open for a single page: a folder may have more of them than a process may have open files."""
        if self._pages == 1 or self._offset is not None:
            self._handle.close()
        if self._pages == 1:
            self._mapped = None

    def _map(self) -> NDArray[Any]:
        if self._mapped is None:
            dtype, offset = self.dtype.newbyteorder(self._byteorder), self._offset or 0
            self._mapped = np.memmap(self._path, dtype, "r", offset, self.layout.shape)
        return self._mapped

    def _decode(self, index: tuple[int | slice, ...]) -> NDArray[Any]:
        split = len(index) - self._page_axes
        leading, shape = index[:split], self.layout.shape[:split]
        for axis, part in enumerate(leading):
            if isinstance(part, slice):
                chosen = [(*leading[:axis], one, *index[axis + 1 :]) for one in range(shape[axis])]
                return np.stack([self._decode(choice) for choice in chosen], axis=0)
        number = 0
        for part, length in zip(leading, shape, strict=True):
            number = number * length + cast("int", part)
        try:
            return np.asarray(self._page(number).asarray()[index[split:]])
        except Exception as error:
            raise DataError(
                f"{self._path}: page {number} (counted from 0) cannot be decoded ({type(error).__name__}: {error}). Copy the file again."
            ) from None

    def _page(self, number: int) -> Any:
        series = self._handle.get().series
        return series[number].pages[0] if len(series) > 1 else series[0].pages[number]

    def _check_stored(self, shape: tuple[int, ...]) -> None:
        size = self._path.stat().st_size
        if self._offset is not None:
            page_bytes = self.dtype.itemsize * math.prod(shape[len(shape) - self._page_axes :])
            stored = size - self._offset
            if stored < page_bytes * self._pages:
                raise _cut_short(self._path, "last pixel", stored // page_bytes)
            return
        for number in range(self._pages):
            page = self._page(number)
            ends = (
                [offset + length for offset, length in zip(page.dataoffsets, page.databytecounts, strict=False)]
                if page
                else []
            )
            if not ends or max(ends) > size or not sum(page.databytecounts):
                raise _cut_short(self._path, "last pixel", number)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_mapped": None}


def count_pages(path: Path) -> int:
    """Follow a TIFF file's chain of page headers to its end and count them.

    Raises:
        DataError: the chain leaves the file or runs in a circle; names the page.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(16)
        order = "<" if head[:2] == b"II" else ">"
        big = head[2:4] in (b"+\0", b"\0+")
        offset = _number(head[8:16], order, 8) if big else _number(head[4:8], order, 4)
        seen: set[int] = set()
        while offset:
            if offset in seen:
                raise DataError(
                    f"{path}: the page headers run in a circle after page {len(seen) - 1}. The file is damaged."
                )
            seen.add(offset)
            following = _next_header(file, offset, order, big) if offset < size else None
            if following is None:
                raise _cut_short(path, "header", len(seen) - 1)
            offset = following
    if not seen:
        raise DataError(f"{path}: a TIFF file without any page.")
    return len(seen)


def _next_header(file: BinaryIO, offset: int, order: str, big: bool) -> int | None:
    """The offset of the page header after the one at ``offset``, 0 at the end; None where the file ends before that."""
    wide, entry = (8, 20) if big else (2, 12)
    file.seek(offset)
    entries = _number(file.read(wide), order, wide)
    if entries is None:
        return None
    file.seek(offset + wide + entries * entry)
    return _number(file.read(8 if big else 4), order, 8 if big else 4)


def _number(data: bytes, order: str, size: int) -> int | None:
    """The unsigned integer in ``data``, or None where the file ended before its ``size`` bytes."""
    return int(struct.unpack(order + {2: "H", 4: "I", 8: "Q"}[size], data)[0]) if len(data) == size else None


def _open(path: Path) -> tifffile.TiffFile:
    try:
        tiff = tifffile.TiffFile(path)
        if not tiff.series:
            raise ValueError("no image in it")
        return tiff
    except Exception as error:
        raise DataError(f"{path}: not a readable TIFF file ({error}). Copy it again.") from None


def _stack(tiff: tifffile.TiffFile, file: PlaneFile) -> tuple[tuple[int, ...], str, int]:
    """Shape, axes and number of pages of the file's one stack."""
    shapes = {(one.shape, one.axes, one.dtype) for one in tiff.series}
    if len(tiff.series) == 1:
        (shape, axes, _), pages = shapes.pop(), len(tiff.series[0].pages)
        return tuple(shape), axes, pages
    if len(shapes) != 1 or any(len(one.pages) != 1 for one in tiff.series):
        found = ", ".join(sorted({str(tuple(shape)) for shape, _, _ in shapes})[:4])
        raise DataError(
            f"{file.path}: {len(tiff.series)} images that are not alike ({found}); expected sections of one shape."
        )
    (shape, axes, _) = shapes.pop()
    return (len(tiff.series), *shape), "Q" + axes, len(tiff.series)


def _check_claims(shape: tuple[int, ...], axes: str, file: PlaneFile) -> None:
    """Check the two longest axes before the layout is known, so that nothing that depends on it can allocate."""
    if 0 in shape or not shape:
        raise DataError(f"{file.path}: a TIFF file of shape {shape}; expected at least one pixel.")
    if "Y" in axes and "X" in axes:
        check_plane((shape[axes.rfind("Y")], shape[axes.rfind("X")]), file.max_pixels, str(file.path))


def _cut_short(path: Path, part: str, page: int) -> DataError:
    return DataError(f"{path}: the file ends before the {part} of page {page} (counted from 0). Copy it again.")
