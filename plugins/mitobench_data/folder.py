"""The data source `folder`: images and labels in two folders, paired by stem."""

import os
import re
import unicodedata
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from mitobench.errors import DataError
from mitobench.hashing import hash_file
from mitobench.interfaces import BuildContext
from mitobench_data.limits import check_file
from mitobench_data.options import FolderOptions
from mitobench_data.planes import PlaneFile
from mitobench_data.sections import Section, SectionSource
from mitobench_data.splits import block_split
from mitobench_data.volumes import Volume

__all__ = ["FolderSource", "files_by_stem", "pair_by_stem"]

_SUFFIXES = (".tif", ".tiff", ".png")
_SHOWN = 3


class FolderSource(SectionSource):
    """Pairs of files, each one image. A split is a block of the files (or groups) in the order of their names."""

    def __init__(self, options: FolderOptions, context: BuildContext) -> None:
        """List the folders. Raises DataError where one is empty or a file has no partner."""
        super().__init__(options, reference=options.reference, ignore=options.ignore)
        self._options: FolderOptions = options
        images = options.images if options.images is not None else (options.root or Path()) / "images"
        labels = options.labels if options.images is not None else (options.root or Path()) / "labels"
        self._pairs = pair_by_stem(images, labels, skip_unpaired=options.skip_unpaired)
        self._volumes = {stem: self._volume(*pair) for stem, pair in self._pairs.items()}
        self.volumes = list(self._volumes.values())

    def contents(self) -> list[str]:
        """Name, hash of the image and hash of the labels of each pair."""
        return [
            part
            for stem, (image, labels) in self._pairs.items()
            for part in (stem, hash_file(image), hash_file(labels) if labels else "")
        ]

    @cached_property
    def sections(self) -> Sequence[Section]:
        """The chosen images."""
        split = "" if self._options.split == "all" else self._options.split
        return [
            Section(id=stem, volume=self._volumes[stem], group=self._group(stem), split=split)
            for stem in self._chosen()
        ]

    def _volume(self, image: Path, labels: Path | None) -> Volume:
        options = self._options
        label_file = PlaneFile(path=labels, max_pixels=options.max_pixels) if labels else None
        image_file = PlaneFile(path=image, axes=options.axes, max_pixels=options.max_pixels)
        return Volume(image_file, label_file, self._cache, options.channel, single=True)

    def _chosen(self) -> list[str]:
        """The stems of the split: whole groups where there are several, files where there is one."""
        options, stems = self._options, list(self._pairs)
        if options.split == "all":
            return stems
        one_group = options.group == "folder"
        units: dict[str, list[str]] = {}
        for stem in stems:
            units.setdefault(stem if one_group else self._group(stem), []).append(stem)
        gap = options.gap if options.gap is not None else 1 if one_group else 0
        fractions = {split: options.fraction(split) for split in ("train", "val", "test")}
        block = block_split(len(units), **fractions, gap=gap)[options.split]
        if not block:
            raise DataError(
                f"folder: split={options.split} holds none of the {len(units)} {'image' if one_group else 'group'}(s); change train=, val=, test= or gap=."
            )
        members = list(units.values())
        return [stem for unit in block for stem in members[unit]]

    def _group(self, stem: str) -> str:
        rule = self._options.group
        if rule == "file":
            return stem
        if rule == "folder":
            return "folder"
        found = re.search(rule, stem)
        if found is None:
            raise DataError(
                f"folder: group={rule!r} is not found in the name {stem!r}; expected a pattern that every name holds."
            )
        return (found.group(1) if found.re.groups else found.group(0)) or ""


def files_by_stem(folder: Path) -> dict[str, Path]:
    """The TIFF and PNG files of a folder by name without suffix (Unicode NFC), in the order of these names.

    Raises:
        DataError: no such folder, none of these files in it, two of one stem, or a name that is no UTF-8.
    """
    if not folder.is_dir():
        raise DataError(
            f"{folder}: {'is a file' if folder.exists() else 'does not exist'}; expected a folder of TIFF or PNG images."
        )
    visible = [path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")]
    found: dict[str, Path] = {}
    for path in visible:
        if path.suffix.lower() not in _SUFFIXES:
            continue
        stem = unicodedata.normalize("NFC", _readable_stem(path))
        if stem in found:
            raise DataError(
                f"{folder}: {found[stem].name} and {path.name} have the same stem; expected one file for each."
            )
        found[stem] = path
    if not found:
        others = f" but {len(visible)} other file(s), such as {visible[0].name}" if visible else ""
        raise DataError(f"{folder}: holds no TIFF or PNG image{others}. Convert the images, or give another folder.")
    return dict(sorted(found.items()))


def _readable_stem(path: Path) -> str:
    """A file's name without suffix. Raises DataError where it is not valid UTF-8: ids are stored as UTF-8."""
    try:
        path.name.encode()
    except UnicodeEncodeError:
        raise DataError(
            f"{path.parent}: the file name {os.fsencode(path.name)!r} is not valid UTF-8; expected a name in UTF-8. Rename the file."
        ) from None
    return path.stem


def pair_by_stem(images: Path, labels: Path | None, *, skip_unpaired: bool) -> dict[str, tuple[Path, Path | None]]:
    """Image and label file of each stem, in order; without a label folder, images alone.

    Raises:
        DataError: as :func:`files_by_stem`; a file without partner unless ``skip_unpaired``; no pair at all; an empty file.
    """
    image_files = files_by_stem(images)
    if labels is None:
        pairs: dict[str, tuple[Path, Path | None]] = {stem: (path, None) for stem, path in image_files.items()}
    else:
        label_files = files_by_stem(labels)
        if not skip_unpaired:
            _check_partners(image_files, label_files, "image", "labels", labels)
            _check_partners(label_files, image_files, "label image", "image", images)
        pairs = {stem: (path, label_files[stem]) for stem, path in image_files.items() if stem in label_files}
    if not pairs:
        raise DataError(
            f"{images}: no image has labels of the same name in {labels}{_unlike(image_files, label_files if labels else {})}; expected "
            "pairs such as a.tif and a.png."
        )
    for pair in pairs.values():
        for path in pair:
            if path is not None:
                check_file(path)
    return pairs


def _check_partners(files: dict[str, Path], others: dict[str, Path], what: str, partner: str, where: Path) -> None:
    alone = [path.name for stem, path in files.items() if stem not in others]
    if alone:
        more = f" and {len(alone) - _SHOWN} more" if len(alone) > _SHOWN else ""
        raise DataError(
            f"{len(alone)} {what}(s) without {partner} in {where}: {', '.join(alone[:_SHOWN])}{more}. The names of an image and of its labels "
            f"must be equal but for the suffix{_unlike(files, others)}. Rename or add them, or leave them out with skip_unpaired=true."
        )


def _unlike(files: dict[str, Path], others: dict[str, Path]) -> str:
    """One example of each side that has no partner, such as `` (here a.tif and a_mask.tif)``; "" where one side has none."""
    first = next((path for stem, path in files.items() if stem not in others), None)
    second = next((path for stem, path in others.items() if stem not in files), None)
    if first is None or second is None:
        return ""
    return f" (here {first.parent.name}/{first.name} and {second.parent.name}/{second.name})"
