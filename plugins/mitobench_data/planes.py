"""Files as planes: what every format offers, and which format a file is in."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from mitobench.errors import DataError
from mitobench_data.axes import Layout, Role
from mitobench_data.limits import check_file

__all__ = ["PlaneFile", "Planes", "open_planes"]

_PNG = b"\x89PNG\r\n\x1a\n"
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_HDF5 = b"\x89HDF\r\n\x1a\n"


class Planes(Protocol):
    """The planes of one file. Opening it reads headers; ``read`` reads one plane. Picklable."""

    layout: Layout
    cmyk: bool

    def read(self, section: int) -> NDArray[Any]:
        """One plane as stored, (H, W) or (H, W, C); a view of the file where it is mapped."""


@dataclass(frozen=True, kw_only=True)
class PlaneFile:
    """Where planes are and how to take them; nothing is opened yet.

    Attributes:
        path: the file.
        key: the data set of an HDF5 file.
        axes: the user's word on the axes, or "".
        max_pixels: the most pixels of a plane.
        max_expansion: the most bytes claimed per byte stored (HDF5).
    """

    path: Path
    key: str = ""
    axes: str = ""
    max_pixels: int = 2**30
    max_expansion: int = 1000

    @property
    def name(self) -> str:
        """The file's path, with the data set where there is one."""
        return f"{self.path}:{self.key}" if self.key else str(self.path)


def open_planes(file: PlaneFile, role: Role, labels: Layout | None = None) -> Planes:
    """Open a TIFF, PNG or HDF5 file, told by its first bytes.

    Args:
        file: what to open.
        role: palette colours are kept as indices in labels and looked up in images.
        labels: the layout of the labels that belong to the images, which settles axes that the file leaves open.

    Raises:
        DataError: absent, empty, truncated, of another format, or claiming too much.
    """
    check_file(file.path)
    with file.path.open("rb") as opened:
        head = opened.read(8)
    if head.startswith(_TIFF):
        from mitobench_data.tiff import TiffPlanes

        return TiffPlanes(file, role, labels)
    if head == _PNG:
        from mitobench_data.png import PngPlane

        return PngPlane(file, role)
    if head == _HDF5 and file.key:
        from mitobench_data.hdf5 import Hdf5Planes

        return Hdf5Planes(file, role, labels)
    raise DataError(f"{file.path}: neither TIFF nor PNG{' nor HDF5' if file.key else ''} (it starts with {head!r}).")
