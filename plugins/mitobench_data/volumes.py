"""A volume: images with their labels, read one plane at a time and remembered while patches are cut from it."""

import threading
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mitobench.errors import DataError
from mitobench.hashing import hash_array
from mitobench.images import Reference, as_uint8, distinct_labels
from mitobench_data.cache import PlaneCache
from mitobench_data.planes import PlaneFile, Planes, open_planes
from mitobench_data.tiling import Tile

__all__ = ["Plane", "Volume", "shared_reference"]


@dataclass(frozen=True, eq=False)
class Plane:
    """One section.

    Attributes:
        image: uint8 (H, W) or (H, W, 3); a view of the file where it is mapped and uint8.
        labels: (H, W) or (H, W, C) as stored, or None.
        origin: content hash of ``image``.
        partial: True where a tracking marker touches no label.
    """

    image: NDArray[np.uint8]
    labels: NDArray[Any] | None
    origin: str
    partial: bool

    @property
    def nbytes(self) -> int:
        """Memory that it holds; mapped files hold none."""
        return sum(a.nbytes for a in (self.image, self.labels) if a is not None and not isinstance(a, np.memmap))


@dataclass(eq=False)
class Volume:
    """The planes of an image file and of the label file that belongs to it. Opened on first use; picklable.

    Attributes:
        images, labels: the files; labels is None where there is no reference.
        cache: of the data source.
        channel: the channel to use, or None.
        markers: label image with a marker for every object (one plane), by which partial annotation shows, or None.
        single: the files must hold one plane each.
    """

    images: PlaneFile
    labels: PlaneFile | None
    cache: PlaneCache
    channel: int | None = None
    markers: PlaneFile | None = None
    single: bool = False
    _opened: tuple[Planes, Planes | None] | None = field(default=None, repr=False)
    _lock: Any = field(default_factory=threading.RLock, repr=False)

    @property
    def count(self) -> int:
        """The number of sections."""
        return self.open()[0].layout.count

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of every section."""
        return self.open()[0].layout.plane

    def open(self) -> tuple[Planes, Planes | None]:
        """Read the headers, once.

        Raises:
            DataError: a file that cannot be used, or images and labels that are not of the same pixels.
        """
        with self._lock:
            if self._opened is None:
                labels = open_planes(self.labels, "labels") if self.labels else None
                images = open_planes(self.images, "image", labels.layout if labels else None)
                self._check_alike(images, labels)
                self._opened = images, labels
            return self._opened

    def plane(self, section: int, *, keep: bool) -> Plane:
        """One section, image as uint8; ``keep`` remembers it for the next patch of it."""
        return self.cache.plane(self._key(section), lambda: self._read(section)) if keep else self._read(section)

    def stored_labels(self, section: int) -> NDArray[Any] | None:
        """The label plane as stored, or None where there is no reference."""
        with self._lock:
            labels = self.open()[1]
            return None if labels is None else labels.read(section)

    def distinct(self, known: set[int], ignore: int | None) -> set[int]:
        """``known`` with the distinct label values besides 0 and ``ignore`` of this volume, once two are found no more."""
        values = set(known)
        for section in range(self.count if self.labels else 0):
            plane = self.stored_labels(section)
            if plane is not None:
                values |= set(distinct_labels(plane, limit=3)) - {ignore}
            if len(values) > 1:
                break
        return values

    def occupied(self, section: int, window: tuple[slice, slice], ignore: int | None) -> bool:
        """Whether the reference within a window of a section holds anything but background and ``ignore``."""
        if self.labels is None:
            return False
        stored = self.cache.plane((*self._key(section), "labels"), lambda: self.stored_labels(section))
        part = stored[window]
        return bool(((part != 0) & (part != ignore)).any() if ignore is not None else part.any())

    def name(self, section: int, what: str = "image", tile: Tile | None = None) -> str:
        """What a section is called in messages: file, page and patch."""
        file = self.labels if what == "labels" and self.labels else self.images
        page = f", section {section}" if self.count > 1 else ""
        return f"{file.name}{page}{f', patch at y={tile.y}, x={tile.x}' if tile else ''}"

    def _key(self, section: int) -> tuple[Any, ...]:
        return self.images, self.labels, section

    def _read(self, section: int) -> Plane:
        with self._lock:
            images, _ = self.open()
            stored_image = images.read(section)
        image = as_uint8(stored_image, name=self.name(section), channel=self.channel, cmyk=images.cmyk)
        origin = self.cache.note(self._key(section), lambda: hash_array(image))
        labels = self.stored_labels(section)
        return Plane(image, labels, origin, self._markers_missed(labels))

    def _markers_missed(self, stored: NDArray[Any] | None) -> bool:
        """Whether some marker of this frame touches no annotated object."""
        if self.markers is None or stored is None:
            return False
        markers = open_planes(self.markers, "labels").read(0)
        if markers.shape != stored.shape:
            raise DataError(
                f"{self.markers.name}: markers of shape {markers.shape} for labels of shape {stored.shape}; they must be of the same pixels."
            )
        return not set(np.unique(markers)) - {0} <= set(np.unique(markers[stored != 0]))

    def _check_alike(self, images: Planes, labels: Planes | None) -> None:
        if labels is not None and self.labels is not None:
            theirs, ours = labels.layout, images.layout
            if ours.plane != theirs.plane:
                raise DataError(
                    f"{self.images.name} has images of {ours.plane} (H, W) but {self.labels.name} has labels of {theirs.plane}; they must be of the same pixels."
                )
            if ours.count != theirs.count:
                advice = " If its channels are sections, say axes=ZYX." if ours.channel is not None else ""
                raise DataError(
                    f"{self.images.name} has {ours.count} section(s) but {self.labels.name} has {theirs.count}; expected a label image for each.{advice}"
                )
        if self.single and images.layout.count > 1:
            raise DataError(
                f"{self.images.name}: holds {images.layout.count} sections; expected one image. Use tiff-stack for stacks, or name the axes, such as axes=CYX."
            )
        channel = images.layout.channel
        if (
            channel is not None
            and self.channel is None
            and not images.layout.samples
            and images.layout.shape[channel] != 3
        ):
            raise DataError(
                f"{self.images.name}: {images.layout.shape[channel]} channels (shape {images.layout.shape}); expected one, or three for RGB. Choose one with channel=."
            )

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.RLock())


def shared_reference(volumes: list[Volume], ignore: int | None) -> Reference:
    """What the labels of several volumes are: semantic where exactly one distinct value occurs in all of them together."""
    values: set[int] = set()
    for volume in volumes:
        values = volume.distinct(values, ignore)
        if len(values) > 1:
            return "instance"
    return "semantic" if values else "instance"
