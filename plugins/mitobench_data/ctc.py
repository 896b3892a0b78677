"""The data source `ctc`: two-dimensional sequences in the layout of the Cell Tracking Challenge.

A frame's label image need not show every cell. The tracking truth does mark every cell of every frame, so a frame counts
as partially annotated where some tracking marker (``01_GT/TRA/man_trackNNN.tif``) touches no annotated object. Without
tracking truth a frame counts as complete unless ``partial=true`` says otherwise.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

from mitobench.errors import DataError
from mitobench.hashing import hash_file
from mitobench.interfaces import BuildContext
from mitobench_data.limits import check_file
from mitobench_data.options import CtcOptions
from mitobench_data.planes import PlaneFile
from mitobench_data.sections import Section, SectionSource
from mitobench_data.stacks import chosen_indices
from mitobench_data.volumes import Volume

__all__ = ["CtcSource"]

_ANNOTATION = {"gold": "GT", "silver": "ST"}


class CtcSource(SectionSource):
    """Frames of one or more sequences; each sequence is one group."""

    def __init__(self, options: CtcOptions, context: BuildContext) -> None:
        """List the folders.

        Raises:
            DataError: no such sequence, no frame, a label image without its frame, no annotated frame, 3-D annotations.
        """
        super().__init__(options, reference="instance", ignore=options.ignore)
        self._options: CtcOptions = options
        self._frames = {name: self._sequence(name) for name in _sequences(options)}
        self.volumes = [volume for frames in self._frames.values() for _, volume in frames]

    def contents(self) -> list[str]:
        """Sequence and number of each frame with the hashes of its image, labels and tracking markers."""
        return [
            part
            for sequence, frames in self._frames.items()
            for frame, volume in frames
            for part in (
                f"{sequence}_t{frame}",
                *(hash_file(file.path) if file else "" for file in (volume.images, volume.labels, volume.markers)),
            )
        ]

    @cached_property
    def sections(self) -> Sequence[Section]:
        """The chosen frames, sequence by sequence."""
        return [section for name in self._frames for section in self._chosen(name)]

    def _chosen(self, sequence: str) -> Iterator[Section]:
        options, frames = self._options, self._frames[sequence]
        split = "" if options.split == "all" else options.split
        partial = None if options.partial == "auto" else options.partial
        for index in chosen_indices(options, len(frames), name=str(options.root / sequence)):
            frame, volume = frames[index]
            yield Section(id=f"{sequence}_t{frame}", volume=volume, group=sequence, split=split, partial=partial)

    def _sequence(self, name: str) -> list[tuple[str, Volume]]:
        """(frame number as written, volume) of each usable frame in temporal order."""
        options = self._options
        images = _numbered(options.root / name, "t")
        if not images:
            raise DataError(f"{options.root / name}: no frame; expected t000.tif, t001.tif and so on.")
        truth = options.root / f"{name}_{_ANNOTATION[options.annotation]}" / "SEG"
        labels = _numbered(truth, "man_seg")
        markers = _numbered(options.root / f"{name}_GT" / "TRA", "man_track") if options.partial == "auto" else {}
        stray = sorted(labels.keys() - images.keys())
        if stray:
            raise DataError(
                f"{labels[stray[0]]}: no frame t{stray[0]:03d}.tif in {options.root / name}; expected an image for each label image."
            )
        if options.frames == "annotated" and not labels:
            raise DataError(
                f"{truth}: no man_seg000.tif or the like; use annotation=gold or silver as there is, or frames=all."
            )
        chosen = sorted(images if options.frames == "all" else labels)
        return [
            (images[frame].stem.removeprefix("t"), self._volume(images[frame], labels.get(frame), markers.get(frame)))
            for frame in chosen
        ]

    def _volume(self, image: Path, labels: Path | None, markers: Path | None) -> Volume:
        options = self._options
        for path in filter(None, (image, labels, markers)):
            check_file(path)
        image_file = PlaneFile(path=image, axes=options.axes, max_pixels=options.max_pixels)
        others = [PlaneFile(path=path, max_pixels=options.max_pixels) if path else None for path in (labels, markers)]
        return Volume(image_file, others[0], self._cache, options.channel, markers=others[1], single=True)


def _sequences(options: CtcOptions) -> list[str]:
    """The names of the asked-for sequences, ``01`` and so on; all that are there by default."""
    if not options.root.is_dir():
        raise DataError(f"{options.root}: does not exist or is no folder; expected one that holds 01, 01_GT and so on.")
    present = sorted(
        path.name for path in options.root.iterdir() if path.is_dir() and re.fullmatch(r"\d{2}", path.name)
    )
    if not present:
        raise DataError(f"{options.root}: no sequence; expected folders 01, 01_GT and so on.")
    if options.sequence == "":
        return present
    given = options.sequence if isinstance(options.sequence, list) else [options.sequence]
    names = [f"{int(one):02d}" if str(one).isdecimal() else str(one) for one in given]
    if missing := [name for name in names if name not in present]:
        raise DataError(f"{options.root}: no sequence {missing[0]}; there are {', '.join(present)}.")
    return sorted(set(names))


def _numbered(folder: Path, prefix: str) -> dict[int, Path]:
    """The files ``<prefix>NNN.tif`` of a folder by their number; none where there is no such folder.

    Raises:
        DataError: annotations of single slices of 3-D frames.
    """
    found: dict[int, Path] = {}
    for path in folder.glob(f"{prefix}*.tif") if folder.is_dir() else ():
        number = re.fullmatch(rf"{prefix}_?(\d+)\.tif", path.name)
        if number:
            found[int(number.group(1))] = path
        elif re.fullmatch(rf"{prefix}_\d+_\d+\.tif", path.name):
            raise DataError(f"{path}: annotates one slice of a 3-D frame; only 2-D sequences are read.")
    return found
