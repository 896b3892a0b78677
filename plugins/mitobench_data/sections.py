"""Sections as samples: what every data source that reads files shares."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mitobench.errors import DataError
from mitobench.hashing import hash_data
from mitobench.images import LabelImage, Reference, as_labels
from mitobench.samples import Sample, SampleRef
from mitobench_data.cache import PlaneCache
from mitobench_data.options import PlaneOptions
from mitobench_data.tiling import Tile, tiles
from mitobench_data.volumes import Volume, shared_reference

__all__ = ["Section", "SectionReader", "SectionSource"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Section:
    """One plane of a volume, chosen to be a sample.

    Attributes:
        id: its sample's id, where it is not cut into patches.
        volume, index: where it is.
        group, split: as the sample's.
        partial: True or False where that is known; None = as the volume's markers say.
    """

    id: str
    volume: Volume
    index: int = 0
    group: str = ""
    split: str = ""
    partial: bool | None = False


@dataclass(frozen=True, kw_only=True, eq=False)
class SectionReader:
    """Reads one section, or one patch of it, as a sample. Picklable, so that a worker process can call it."""

    section: Section
    id: str
    tile: Tile | None
    reference: Reference
    ignore: int | None
    pixel_size_nm: tuple[float, float] | None

    def __call__(self) -> Sample:
        """Read the sample. Raises DataError as :func:`as_uint8`, :func:`as_labels` and the files do."""
        section = self.section
        plane = section.volume.plane(section.index, keep=self.tile is not None)
        window = self.window
        labels = self._labels(plane.labels[window]) if plane.labels is not None else None
        return Sample(
            id=self.id,
            image=np.array(plane.image[window]),
            labels=labels.labels if labels else None,
            ignore=labels.ignore if labels else None,
            partial=plane.partial if section.partial is None else section.partial and labels is not None,
            group=section.group,
            split=section.split,
            pixel_size_nm=self.pixel_size_nm,
            semantic=labels.semantic if labels else False,
            origin=plane.origin,
        )

    @property
    def window(self) -> tuple[slice, slice]:
        """What it takes of the plane."""
        return self.tile.window if self.tile else (slice(None), slice(None))

    def _labels(self, stored: NDArray[Any]) -> LabelImage:
        name = self.section.volume.name(self.section.index, "labels", self.tile)
        return as_labels(stored, name=name, reference=self.reference, ignore=self.ignore)


class SectionSource:
    """A data source made of sections. Subclasses say which sections, and what the files hold.

    Attributes:
        volumes: every volume whose labels say what the reference is, whether its sections are chosen or not.
    """

    volumes: list[Volume]

    def __init__(self, options: PlaneOptions, *, reference: Reference, ignore: int | None) -> None:
        """Keep the options; opens nothing."""
        self._options = options
        self._asked, self._ignore = reference, ignore
        self._cache = PlaneCache()

    @cached_property
    def sections(self) -> Sequence[Section]:
        """The chosen sections in their fixed order."""
        raise NotImplementedError

    def contents(self) -> list[str]:
        """Content hashes of every file that the samples come from, and their names where the ids depend on them."""
        raise NotImplementedError

    @cached_property
    def fingerprint(self) -> str:
        """A hash of what the files hold and of the options that select from it; not of where they lie."""
        return hash_data({"contents": self.contents(), "options": self._options.identity()})

    def reference_of(self, volume: Volume) -> Reference:
        """What the labels of a volume are: settled once for all volumes together, so that every split agrees."""
        return self._shared_reference

    @cached_property
    def _shared_reference(self) -> Reference:
        return self._asked if self._asked != "auto" else shared_reference(self.volumes, self._ignore)

    def refs(self) -> Iterator[SampleRef]:
        """The samples in their fixed order, unread."""
        if not self._options.drop_empty:
            yield from self._all_refs()
            return
        if not any(volume.labels for volume in self.volumes):
            raise DataError("drop_empty=true needs labels, and none are given; give labels= or leave drop_empty out.")
        kept = self._occupied
        if not kept:
            raise DataError("drop_empty=true leaves no sample: the reference of every image is all background.")
        yield from kept

    @cached_property
    def _occupied(self) -> list[SampleRef]:
        return [ref for ref in self._all_refs() if _has_reference(ref)]

    def _all_refs(self) -> Iterator[SampleRef]:
        options = self._options
        for section in self.sections:
            reference = self.reference_of(section.volume)
            cuts = tiles(section.volume.shape, options.patch, options.overlap) if options.patch else (None,)
            for tile in cuts:
                name = section.id if tile is None else f"{section.id}_{tile}"
                reader = SectionReader(
                    section=section,
                    id=name,
                    tile=tile,
                    reference=reference,
                    ignore=self._ignore,
                    pixel_size_nm=options.pixel_size,
                )
                yield SampleRef(id=name, read=reader, group=section.group, split=section.split)


def _has_reference(ref: SampleRef) -> bool:
    reader = ref.read
    if not isinstance(reader, SectionReader):
        raise TypeError(f"a sample of this data source is read by {type(reader).__name__}, not by a SectionReader")
    return reader.section.volume.occupied(reader.section.index, reader.window, reader.ignore)
