"""Samples: one image with what is known about it."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mitobench.errors import DataError

__all__ = ["Sample", "SampleRef"]

MAX_SIDE = 1 << 20


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """One image, its reference, and where they come from.

    Attributes:
        id: unique in its data source, stable between runs; may hold any characters.
        image: uint8, (H, W) grey or (H, W, 3) RGB. Data sources bring other inputs to this form with
            :func:`mitobench.images.as_uint8`.
        labels: int32 (H, W) reference instance labels, 0 = background, or None where there is no reference.
        ignore: bool (H, W), True where neither reference nor prediction counts, or None.
        partial: True where only some of the objects are annotated; predictions that match none are then not errors.
        group: the volume or specimen that the image comes from; the unit of independent evidence.
        split: ``"train"``, ``"val"``, ``"test"`` or ``""``.
        pixel_size_nm: (y, x) in nanometres, or None where unknown.
        semantic: True where ``labels`` are the connected components of a binary mask.
        origin: content hash of the untiled source image (see :func:`mitobench.hashing.hash_array`); equal origins mean
            the same picture, which is how an overlap of training and evaluated data is found.
    """

    id: str
    image: NDArray[np.uint8]
    labels: NDArray[np.int32] | None = None
    ignore: NDArray[np.bool_] | None = None
    partial: bool = False
    group: str = ""
    split: str = ""
    pixel_size_nm: tuple[float, float] | None = None
    semantic: bool = False
    origin: str = ""

    def __post_init__(self) -> None:
        _check_image(self.id, self.image)
        if self.labels is not None:
            _check_plane(self.id, "labels", self.labels, np.dtype(np.int32), self.shape)
            if self.labels.size and int(self.labels.min()) < 0:
                raise DataError(
                    f"sample {self.id!r}: labels hold {int(self.labels.min())}; expected 0 or more. Declare ignored pixels with ignore=."
                )
        if self.ignore is not None:
            _check_plane(self.id, "ignore", self.ignore, np.dtype(np.bool_), self.shape)
        if self.pixel_size_nm is not None and not all(np.isfinite(s) and s > 0 for s in self.pixel_size_nm):
            raise DataError(
                f"sample {self.id!r}: pixel_size_nm is {self.pixel_size_nm}; expected two positive numbers (y, x)."
            )

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of the image."""
        return self.image.shape[0], self.image.shape[1]

    def without_reference(self) -> "Sample":
        """The same sample as a component sees it that may not look at the reference."""
        return replace(self, labels=None, ignore=None)


@dataclass(frozen=True, kw_only=True)
class SampleRef:
    """A sample not yet read: what planning needs, and how to read it.

    Attributes:
        id, group, split: as the sample's.
        read: reads and returns the sample; picklable, so that a worker process can call it.
    """

    id: str
    read: Callable[[], Sample] = field(repr=False, compare=False)
    group: str = ""
    split: str = ""

    def load(self) -> Sample:
        """Read the sample; its id, group and split are this reference's."""
        sample = self.read()
        if (sample.id, sample.group, sample.split) != (self.id, self.group, self.split):
            raise DataError(
                f"sample {self.id!r} ({self.group!r}, {self.split!r}) was read as {sample.id!r} ({sample.group!r}, {sample.split!r}); "
                "the data source must return the sample that it listed."
            )
        return sample


def _check_image(name: str, image: NDArray[Any]) -> None:
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        found = image.dtype if isinstance(image, np.ndarray) else type(image).__name__
        raise DataError(f"sample {name!r}: the image is {found}; expected uint8 (mitobench.images.as_uint8 converts).")
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] != 3) or 0 in image.shape:
        raise DataError(
            f"sample {name!r}: the image has shape {image.shape}; expected (H, W) or (H, W, 3) with at least one pixel."
        )
    if max(image.shape[:2]) > MAX_SIDE:
        raise DataError(
            f"sample {name!r}: the image has shape {image.shape}; a side may have at most {MAX_SIDE} pixels. Tile it with patch=."
        )


def _check_plane(name: str, what: str, plane: NDArray[Any], dtype: np.dtype[Any], shape: tuple[int, int]) -> None:
    if not isinstance(plane, np.ndarray) or plane.dtype != dtype:
        found = plane.dtype if isinstance(plane, np.ndarray) else type(plane).__name__
        raise DataError(f"sample {name!r}: {what} are {found}; expected {dtype}.")
    if plane.shape != shape:
        raise DataError(
            f"sample {name!r}: {what} have shape {plane.shape} but the image has {shape}; they must be of the same pixels."
        )
