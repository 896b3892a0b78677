"""Prompts that a person gave, matched to images and checked against them."""

import re
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

import numpy as np

from mitobench.errors import DataError
from mitobench.interfaces import BuildContext, Encoding
from mitobench.prompts import Prompts
from mitobench.samples import Sample
from mitobench_prompts.manual_files import ManualPrompt, read_prompts
from mitobench_prompts.options import ManualOptions
from mitobench_prompts.unencoded import Unencoded

__all__ = ["ManualPrompts"]

_INDEX = re.compile(r"[tzs]?0*(\d+)")


class ManualPrompts(Unencoded):
    """``manual``: the prompts of a file, by image.

    A row belongs to the image whose id it gives; failing that, whose id has the same last part (``a``, ``a.tif``, ``train/a.tif``); failing
    that, whose id holds the row's whole number as a part of its own (``3`` for ``testing/0003``).
    """

    def __init__(self, options: ManualOptions, context: BuildContext) -> None:
        super().__init__(options, context)
        self.options = options
        self._by_image: dict[str, list[ManualPrompt]] = {}
        for given in read_prompts(options.path):
            if options.kind != "any" and given.kinds != (options.kind,):
                held = " and ".join(given.kinds)
                raise DataError(f"{given.where}: holds a {held}, but kind={options.kind} was asked for.")
            self._by_image.setdefault(given.image, []).append(given)

    def check_images(self, ids: Iterable[str]) -> None:
        """Check that every row names exactly one of these images.

        Raises:
            DataError: a row that names none of them, or several.
        """
        named: dict[str, list[str]] = {}
        for sample_id in ids:
            if (key := self._key(sample_id)) is not None:
                named.setdefault(key, []).append(sample_id)
        for key, rows in self._by_image.items():
            found = named.get(key, [])
            if len(found) != 1:
                which = f"several images ({', '.join(found[:3])} ...)" if found else "no image of the data source"
                raise DataError(f"{rows[0].where}: {key!r} names {which}. Give the id of one image.")

    def prompt(self, encoding: Encoding, sample: Sample, rng: np.random.Generator) -> Prompts:
        """The rows of this image, in the file's order.

        Raises:
            DataError: a coordinate off the image, or no row for it where ``missing=error``.
        """
        key = self._key(sample.id)
        if key is None:
            if self.options.missing == "skip":
                return Prompts()
            named = ", ".join(repr(image) for image in list(self._by_image)[:5]) or "none"
            raise DataError(
                f"{self.options.path.name} has no row for image {sample.id!r}; it names {named}. Correct the names, or allow it with missing=skip."
            )
        rows = self._by_image[key]
        for row in rows:
            _check_inside(row, sample)
        return _assemble(rows)

    def _key(self, sample_id: str) -> str | None:
        if sample_id in self._by_image:
            return sample_id
        stem, index = _stem(sample_id), _index(sample_id)
        for key in self._by_image:
            if "/" not in key and _stem(key) == stem:
                return key
        return next((key for key in self._by_image if key.isdecimal() and int(key) == index), None)


def _stem(name: str) -> str:
    """The last part of an id, without the suffix of an image file."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return PurePosixPath(last).stem if re.search(r"\.(tiff?|png|jpe?g|bmp|h5|hdf5|ome)$", last, re.IGNORECASE) else last


def _index(sample_id: str) -> int | None:
    """The last part of an id that is a whole number, perhaps after t, z or s."""
    parts = [_INDEX.fullmatch(part) for part in re.split(r"[^A-Za-z0-9]+", sample_id)]
    numbers = [int(match[1]) for match in parts if match]
    return numbers[-1] if numbers else None


def _check_inside(row: ManualPrompt, sample: Sample) -> None:
    height, width = sample.shape
    places = [(point.x, point.y, point.where) for point in row.points]
    if row.box is not None:
        places += [(*row.box[:2], row.where), (*row.box[2:], row.where)]
    for x, y, where in places:
        if not (-0.5 <= x <= width - 0.5 and -0.5 <= y <= height - 0.5):
            raise DataError(
                f"{where}: (x={x:g}, y={y:g}) is off image {sample.id!r}, which is {width} wide and {height} high; "
                f"expected x in -0.5..{width - 0.5:g} and y in -0.5..{height - 0.5:g}."
            )


def _assemble(rows: Sequence[ManualPrompt]) -> Prompts:
    boxed, pointed = [row.box is not None for row in rows], [bool(row.points) for row in rows]
    for what, present in (("box", boxed), ("points", pointed)):
        if any(present) and not all(present):
            raise DataError(
                f"{rows[present.index(False)].where}: has no {what}, but {rows[present.index(True)].where} has; "
                "the prompts of one image must be of the same kinds."
            )
    boxes = np.array([row.box for row in rows], np.float32) if boxed[0] else None
    if not pointed[0]:
        return Prompts(boxes=boxes)
    points = np.zeros((len(rows), max(len(row.points) for row in rows), 2), np.float32)
    labels = np.full(points.shape[:2], -1, np.int8)
    for index, row in enumerate(rows):
        points[index, : len(row.points)] = [(point.x, point.y) for point in row.points]
        labels[index, : len(row.points)] = [point.label for point in row.points]
    return Prompts(boxes=boxes, points=points, point_labels=labels)
