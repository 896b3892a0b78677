"""Data sources of volumes: `tiff-stack`, `epfl` and `hdf5`."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

from mitobench.errors import DataError
from mitobench.hashing import hash_file
from mitobench.images import Reference
from mitobench.interfaces import BuildContext
from mitobench_data.options import EpflOptions, Hdf5Options, SectionOptions, TiffStackOptions
from mitobench_data.planes import PlaneFile
from mitobench_data.sections import Section, SectionSource
from mitobench_data.splits import block_split, choose_sections
from mitobench_data.volumes import Volume, shared_reference

__all__ = ["EpflSource", "Hdf5Source", "TiffStackSource", "chosen_indices"]

_HASH_DIGITS = 8


class _VolumeSource(SectionSource):
    """Whole volumes, one group each, of which some sections are chosen."""

    def __init__(self, options: TiffStackOptions | EpflOptions | Hdf5Options) -> None:
        super().__init__(options, reference=options.reference, ignore=options.ignore)
        self._group = options.group
        self._hashes: dict[Path, str] = {}
        self._references: dict[PlaneFile, Reference] = {}

    def reference_of(self, volume: Volume) -> Reference:
        """What the labels of one stack are; stacks may differ, such as one mask of 0 and 1 and one of 0 and 255."""
        if self._asked != "auto":
            return self._asked
        if volume.images not in self._references:
            self._references[volume.images] = shared_reference([volume], self._ignore)
        return self._references[volume.images]

    def contents(self) -> list[str]:
        """Hash of every image and label file, in order; "" for no labels."""
        return [
            self._hash(file.path) if file else "" for volume in self.volumes for file in (volume.images, volume.labels)
        ]

    def _tiff(self, images: Path, labels: Path | None) -> Volume:
        options = self._options
        image_file = PlaneFile(path=images, axes=options.axes, max_pixels=options.max_pixels)
        label_file = PlaneFile(path=labels, max_pixels=options.max_pixels) if labels else None
        return Volume(image_file, label_file, self._cache, options.channel)

    def _hash(self, path: Path) -> str:
        if path not in self._hashes:
            self._hashes[path] = hash_file(path)
        return self._hashes[path]

    def _chosen(self, volume: Volume, options: SectionOptions, split: str, prefix: str = "") -> Iterator[Section]:
        path = volume.images.path
        group = self._group or f"volume-{self._hash(path)[:_HASH_DIGITS]}"  # by content alone, as the fingerprint
        for index in chosen_indices(options, volume.count, name=volume.images.name):
            yield Section(id=f"{prefix}z{index:04d}", volume=volume, index=index, group=group, split=split)


class TiffStackSource(_VolumeSource):
    """A multi-page TIFF with a multi-page TIFF of labels."""

    def __init__(self, options: TiffStackOptions, context: BuildContext) -> None:
        """Read the headers. Raises DataError where the files cannot be used together."""
        super().__init__(options)
        self._options: TiffStackOptions = options
        self.volumes = [self._tiff(options.images, options.labels)]
        self.volumes[0].open()

    @cached_property
    def sections(self) -> Sequence[Section]:
        """The chosen sections."""
        options = self._options
        return list(self._chosen(self.volumes[0], options, _split_name(options)))


class EpflSource(_VolumeSource):
    """The layout of the EPFL data: a training and, mostly, a testing stack, each with its ground truth.

    With testing.tif, ``split=train`` is training.tif and ``split=test`` is testing.tif; with ``val`` above 0, train and val
    are blocks of training.tif. Without it, the three splits are blocks of training.tif.
    """

    def __init__(self, options: EpflOptions, context: BuildContext) -> None:
        """Read the headers. Raises DataError where training.tif is absent or the files do not fit together."""
        super().__init__(options)
        self._options: EpflOptions = options
        root = options.root
        self._training = self._pair(root, "training")
        self._testing = self._pair(root, "testing") if (root / "testing.tif").exists() else None
        self.volumes = [volume for volume in (self._training, self._testing) if volume]
        for volume in self.volumes:
            volume.open()

    def _pair(self, root: Path, name: str) -> Volume:
        images, labels = root / f"{name}.tif", root / f"{name}_groundtruth.tif"
        for path in (images, labels):
            if not path.is_file():
                raise DataError(
                    f"{root}: no {path.name}; expected training.tif and training_groundtruth.tif (and the testing pair, if there is one)."
                )
        return self._tiff(images, labels)

    @cached_property
    def sections(self) -> Sequence[Section]:
        """The chosen sections."""
        options, split = self._options, self._options.split
        if self._testing is None:
            return list(self._chosen(self._training, options, _split_name(options), "training_"))
        if split == "all":
            if options.sections != "":
                raise DataError("epfl: sections= with both stacks; say which with split=train or split=test.")
            return [
                *self._chosen(self._training, options, "", "training_"),
                *self._chosen(self._testing, options, "", "testing_"),
            ]
        if split == "test":
            whole = options.model_copy(update={"split": "all"})
            return list(self._chosen(self._testing, whole, "test", "testing_"))
        blocks = options.model_copy(update={"train": 1 - options.val, "test": 0.0})
        return list(self._chosen(self._training, blocks, split, "training_"))


class Hdf5Source(_VolumeSource):
    """Two data sets of one HDF5 file."""

    def __init__(self, options: Hdf5Options, context: BuildContext) -> None:
        """Read the headers. Raises DataError where a data set is absent, outside the file, or they do not fit together."""
        super().__init__(options)
        self._options: Hdf5Options = options
        images, labels = (
            PlaneFile(
                path=options.file,
                key=key,
                axes=options.axes,
                max_pixels=options.max_pixels,
                max_expansion=options.max_expansion,
            )
            if key
            else None
            for key in (options.images, options.labels)
        )
        if images is None:
            raise DataError("hdf5: images= is empty; expected the data set of the sections, such as /raw.")
        self.volumes = [Volume(images, labels, self._cache, options.channel)]
        self.volumes[0].open()

    def contents(self) -> list[str]:
        """Hash of the file; which data sets are used is among the options."""
        return [self._hash(self._options.file)]

    @cached_property
    def sections(self) -> Sequence[Section]:
        """The chosen sections."""
        return list(self._chosen(self.volumes[0], self._options, _split_name(self._options)))


def chosen_indices(options: SectionOptions, count: int, *, name: str) -> Sequence[int]:
    """The sections of ``count`` that the options choose.

    Raises:
        DataError: a section that is not there, or a split that holds none.
    """
    if options.sections != "":
        return choose_sections(options.sections, count, name=name)
    if options.split == "all":
        return range(count)
    fractions = {split: options.fraction(split) for split in ("train", "val", "test")}
    gap = 1 if options.gap is None else options.gap
    chosen = block_split(count, **fractions, gap=gap)[options.split]
    if not chosen:
        raise DataError(
            f"{name}: split={options.split} holds none of its {count} section(s) with {_shares(fractions)} and gap={gap}. Change them, or choose with sections=."
        )
    return chosen


def _shares(fractions: dict[str, float]) -> str:
    return ", ".join(f"{name}={value:g}" for name, value in fractions.items())


def _split_name(options: SectionOptions) -> str:
    return "" if options.split == "all" else options.split
