"""Data sets of HDF5 files, read one section at a time."""

import functools
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from mitobench.errors import DataError
from mitobench_data.axes import Layout, Role, resolve_axes
from mitobench_data.handles import Handle
from mitobench_data.limits import check_plane
from mitobench_data.planes import PlaneFile

__all__ = ["Hdf5Planes", "find_dataset"]

_CHUNK_CACHE = 1 << 26
_MOST_LINKS = 16
_SMALL = 1 << 20


class Hdf5Planes:
    """One data set as planes. Nothing outside the file is followed, and no claim far beyond what is stored is believed."""

    cmyk = False

    def __init__(self, file: PlaneFile, role: Role, labels: Layout | None = None) -> None:
        """Read the data set's header.

        Raises:
            DataError: no such data set (listing those there are), external or virtual storage, no numbers, axes that
                remain open, too many pixels, or a size that the stored bytes cannot account for.
        """
        self._file = file
        self._handle = Handle(functools.partial(_open, file.path))
        dataset = find_dataset(self._handle.get(), file.key, file.path)
        _check_storage(dataset, file)
        self.layout = resolve_axes(
            dataset.shape,
            "?" * dataset.ndim,
            asked=file.axes if role == "image" else "",
            role=role,
            labels=labels,
            name=file.name,
        )
        check_plane(self.layout.plane, file.max_pixels, file.name)

    def read(self, section: int) -> NDArray[Any]:
        """One plane, (H, W) or (H, W, C)."""
        try:
            plane = self._handle.get()[self._file.key][self.layout.index(section)]
        except OSError as error:
            raise DataError(
                f"{self._file.name}: section {section} cannot be read ({error}). Copy the file again."
            ) from None
        return np.asarray(plane).transpose(self.layout.order)


def find_dataset(file: h5py.File, key: str, path: Path) -> h5py.Dataset:
    """The data set under ``key``, reached without leaving the file.

    Raises:
        DataError: an external link on the way, or no data set there; lists the data sets of the file.
    """
    parts, done, followed = [part for part in key.split("/") if part], "", 0
    while parts:
        part = parts.pop(0)
        group = file[done] if done else file
        link = group.get(part, getlink=True) if isinstance(group, h5py.Group) else None
        if isinstance(link, h5py.ExternalLink):
            raise DataError(
                f"{path}:{key} is an external link to {link.filename!r}; only data inside the file are read. Copy them in."
            )
        if isinstance(link, h5py.SoftLink):
            followed += 1
            target = [piece for piece in link.path.split("/") if piece]
            parts, done = target + parts, "" if link.path.startswith("/") else done
        elif link is None:
            raise _no_such_key(file, key, path)
        else:
            done = f"{done}/{part}"
        if followed > _MOST_LINKS:
            raise DataError(f"{path}:{key} is a circle of soft links.")
    found = file[done] if done else file
    if not isinstance(found, h5py.Dataset):
        raise _no_such_key(file, key, path)
    return found


def _no_such_key(file: h5py.File, key: str, path: Path) -> DataError:
    known: list[str] = []

    def note(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            known.append(f"/{name} {item.shape} {item.dtype}")

    file.visititems(note)
    return DataError(f"{path}: no data set {key!r}. It holds {'; '.join(known[:20]) or 'no data set'}.")


def _check_storage(dataset: h5py.Dataset, file: PlaneFile) -> None:
    if dataset.external or dataset.is_virtual:
        raise DataError(
            f"{file.name}: its values are stored in other files; only data inside the file are read. Copy them in."
        )
    if dataset.dtype.kind not in "biuf" or dataset.shape is None:
        raise DataError(f"{file.name}: {dataset.dtype}; expected booleans, integers or floating-point numbers.")
    if 0 in dataset.shape or dataset.ndim < 2:
        raise DataError(f"{file.name}: an array of shape {dataset.shape}; expected sections of rows and columns.")
    stored = dataset.id.get_storage_size()
    if not stored or (dataset.nbytes > _SMALL and dataset.nbytes > file.max_expansion * stored):
        raise DataError(
            f"{file.name}: claims {dataset.nbytes} bytes (shape {dataset.shape}) but {stored} are stored; at most {file.max_expansion} times as many are believed. Raise max_expansion= if that is right."
        )
    if dataset.chunks and int(np.prod(dataset.chunks)) > file.max_pixels:
        raise DataError(
            f"{file.name}: chunks of {dataset.chunks}; a chunk may hold at most max_pixels={file.max_pixels} values."
        )


def _open(path: Path) -> h5py.File:
    try:
        return h5py.File(path, "r", rdcc_nbytes=_CHUNK_CACHE)
    except OSError as error:
        raise DataError(f"{path}: not a readable HDF5 file ({error}). Copy it again.") from None
