"""Which file, and which page of it, holds the segmentation of which image."""

import json
import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mitobench.errors import DataError
from mitobench.files import safe_name
from mitobench_predictions.label_files import count_pages

__all__ = ["Catalogue", "Place"]

_SUFFIXES = (".tif", ".tiff", ".png")
_NUMBERED = re.compile(r"(?:(?P<stack>.+)[_/ -])?[tzs]?(?P<number>\d+)")
_SHOWN = 3


@dataclass(frozen=True)
class Place:
    """A label image: a file, or one page of it (counted from 0; None = the file is one image)."""

    path: Path
    page: int | None = None

    def __str__(self) -> str:
        return self.path.name if self.page is None else f"{self.path.name}, page {self.page}"


class Catalogue:
    """The label images of a folder by the images that they belong to.

    An image belongs to the file whose path below the folder is its id, without the suffixes of either; failing that, to
    the one file whose path ends in the whole of its id, or in whose path its id ends (``a.tif`` is that of ``train/a``,
    ``test/a.tif`` is not); failing that, to the file that mitobench itself names after it;
    failing that, where its id ends in a number, to that page of a stack, which has the name that comes before the number
    or is the only file.

    Args:
        folder: the folder, or one TIFF stack.
        suffix: what follows the image's name in every file's name; files without it are left aside.
        first_page: the number of the image that the first page of a stack belongs to.

    Raises:
        DataError: no such folder, no label image in it, or a run folder, of which one cell is wanted.
    """

    def __init__(self, folder: Path, *, suffix: str = "", first_page: int = 0) -> None:
        self._folder, self._first_page = folder, first_page
        self._files: dict[str, list[Path]] = {}
        for path in _label_files(folder):
            name = PurePosixPath(path.relative_to(folder if folder.is_dir() else folder.parent).as_posix())
            stem = _normal(str(name.with_suffix("")))
            if stem.endswith(suffix) and stem != suffix:
                self._files.setdefault(stem.removesuffix(suffix), []).append(path)
        if not self._files:
            wanted = f"whose name ends in {suffix!r}" if suffix else "(.tif, .tiff, .png)"
            raise DataError(f"{folder}: holds no label image {wanted}; expected one for each image.")
        self._by_last: dict[str, list[str]] = {}
        for stem in self._files:
            self._by_last.setdefault(stem.rpartition("/")[2], []).append(stem)
        self._pages: dict[Path, int] = {}

    @property
    def paths(self) -> Sequence[Path]:
        """All files, in order."""
        return sorted(path for paths in self._files.values() for path in paths)

    def find(self, image: str) -> Place | None:
        """Where the segmentation of an image is; None where there is none.

        Raises:
            DataError: several files could be meant, or a stack has no such page.
        """
        wanted = _normal(image.replace("\\", "/"))
        plain = str(PurePosixPath(wanted).with_suffix("")) if wanted.lower().endswith(_SUFFIXES) else wanted
        for stem in dict.fromkeys((wanted, plain, safe_name(image))):
            if stem in self._files:
                return Place(self._only(self._files[stem], image))
        stems = [
            stem
            for stem in self._by_last.get(plain.rpartition("/")[2], [])
            if _ends_in(stem, plain) or _ends_in(plain, stem)
        ]
        if stems:
            return Place(self._only([path for stem in stems for path in self._files[stem]], image))
        return self._page(plain)

    def check(self, images: Collection[str], *, missing_allowed: bool) -> None:
        """Check that every image has a label image of its own.

        Raises:
            DataError: images without (unless allowed for some), or two images with the same one.
        """
        taken: dict[Place, str] = {}
        without = []
        for image in images:
            place = self.find(image)
            if place is None:
                without.append(image)
            elif place in taken:
                raise DataError(
                    f"{self._folder}: {place} would be taken for image {taken[place]!r} and for image {image!r}; name the files by "
                    "their path, as in train/a.tif and test/a.tif."
                )
            else:
                taken[place] = image
        if without and not (missing_allowed and taken):
            raise DataError(
                f"{self._folder}: no label image for {len(without)} of {len(images)} images, such as {_some(without)}; the files are "
                f"named {_some(list(self._files))}. Name them after the images, say with suffix= what the tool appended, "
                "or count absent ones as empty with missing=empty."
            )

    def _only(self, paths: Sequence[Path], image: str) -> Path:
        if len(paths) > 1:
            names = " and ".join(str(path.relative_to(self._folder)) for path in paths[:_SHOWN])
            raise DataError(
                f"{self._folder}: {names} could both be the label image of {image!r}; expected one. Remove the other."
            )
        return paths[0]

    def _page(self, image: str) -> Place | None:
        """The page of a stack that an id such as ``z0004`` or ``training_z0004`` names."""
        numbered = _NUMBERED.fullmatch(image)
        if numbered is None:
            return None
        everything = self.paths
        if len(everything) == 1:
            path = everything[0]
        else:
            stack = numbered["stack"] or ""
            found = self._files.get(stack) or [p for s in self._by_last.get(stack, []) for p in self._files[s]]
            if not found:
                return None
            path = self._only(found, image)
        if path not in self._pages:
            self._pages[path] = count_pages(path)
        if self._pages[path] == 1 and len(everything) > 1:
            return None
        page = int(numbered["number"]) - self._first_page
        if not 0 <= page < self._pages[path]:
            last = self._first_page + self._pages[path] - 1
            raise DataError(
                f"{path}: its {self._pages[path]} page(s) are for images {self._first_page} to {last}, and {image!r} is none of these. "
                "Say with first_page= which image the first page belongs to."
            )
        return Place(path, page)


def _ends_in(path: str, end: str) -> bool:
    return f"/{path}".endswith(f"/{end}")


def _label_files(folder: Path) -> list[Path]:
    if folder.is_file():
        return [folder]
    if not folder.is_dir():
        raise DataError(f"{folder}: no such file or folder; expected a folder of label images, or one TIFF stack.")
    if (folder / "run.json").is_file():
        raise DataError(f"{folder}: is a run folder; give the predictions of one of its cells: {_cells_of(folder)}.")
    found = (path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES and path.is_file())
    return sorted(path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts))


def _cells_of(run: Path) -> str:
    """The folders of predictions of a run, each with what made them."""
    try:
        cells: Mapping[str, Mapping[str, Mapping[str, str]]] = json.loads((run / "run.json").read_text("utf-8"))[
            "cells"
        ]
        named = [
            f"{run / 'predictions' / k} ({c['prompter']['label']} x {c['segmenter']['label']})"
            for k, c in cells.items()
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        named = [str(run / "predictions" / "CELL")]
    return ", ".join(named)


def _normal(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _some(names: Sequence[str]) -> str:
    more = " ..." if len(names) > _SHOWN else ""
    return ", ".join(repr(name) for name in names[:_SHOWN]) + more
