"""The images that a user names on the command line: files, folders and patterns, each page of a stack an image of its own.

They are read by registered data sources alone; this module only says which files, and what each image is called.
"""

import glob
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Any

from mitobench.components import open_source
from mitobench.errors import DataError, MitobenchError, UsageError
from mitobench.files import safe_name
from mitobench.plugins import Plugins
from mitobench.predict.pixel_sizes import stored_pixel_size
from mitobench.samples import SampleRef
from mitobench.specs import Spec
from mitobench.workbench import describe

__all__ = ["ImageInput", "find_images", "images_of_files", "images_of_source"]

_SUFFIXES = (".tif", ".tiff", ".png")
_PLAIN = re.compile(r"(?![ .-])[\w .()+-]{1,100}(?<![ .])")
_READER = Spec("tiff-stack", {}, "mitobench")
"""Reads any TIFF, of one page or many, and PNG."""


@dataclass(frozen=True, kw_only=True)
class ImageInput:
    """One image to segment.

    Attributes:
        id: what it is called in tables and messages; any characters.
        name: what its files are called, without suffix: its id where that is a safe file name, else ``safe_name(id)``.
        source: the file that it comes from, or the data source's label.
        ref: how to read it; None where its file could not be opened.
        error, exit_code: why not.
    """

    id: str
    name: str
    source: str
    ref: SampleRef | None = None
    error: str = ""
    exit_code: int = 0


def find_images(given: Iterable[str]) -> list[Path]:
    """The image files that some paths and patterns name, each once.

    Args:
        given: a file; a folder, which means its TIFF and PNG files in the order of their names (hidden ones and folders
            within are left out); or a pattern with ``*``, ``?``, ``[...]`` or ``**``, where no file has that very name.

    Raises:
        DataError: nothing is there, or a folder or pattern without any image.
    """
    found: dict[Path, None] = {}
    for text in given:
        path = Path(text).expanduser()
        if path.is_dir():
            files = sorted(p for p in path.iterdir() if _is_image(p))
            if not files:
                raise DataError(f"{path}: holds no TIFF or PNG image. Convert the images, or give another folder.")
        elif path.exists():
            files = [path]
        elif glob.has_magic(text):
            matches = glob.glob(str(path), recursive=True)  # noqa: PTH207  (a pattern may begin at the root)
            files = sorted(match for match in map(Path, matches) if _is_image(match))
            if not files:
                raise DataError(f"{text}: no TIFF or PNG image has such a name.")
        else:
            raise DataError(
                f"{path}: does not exist; expected an image, a folder of images or a pattern such as '*.tif'."
            )
        found |= dict.fromkeys(files)
    return list(found)


def images_of_files(
    files: Sequence[Path], plugins: Plugins, *, reading: Mapping[str, Any] | None = None
) -> list[ImageInput]:
    """Open image files; every page of a stack is an image. One that cannot be opened is in the list with its error.

    A pixel size that a TIFF file states counts unless ``reading`` gives another.

    Args:
        files: TIFF or PNG.
        plugins: where the data source is.
        reading: its options but for the file, such as ``pixel_size_nm`` or ``axes``.

    Raises:
        UsageError: an option that it does not have.
    """
    named = dict(zip(files, _ids(files), strict=True))
    opened: list[ImageInput] = []
    for file, name in named.items():
        stated = stored_pixel_size(file)
        sized = {} if stated is None else {"pixel_size_nm": list(stated)}
        given = {**sized, **(reading or {}), "images": str(file.absolute())}
        try:
            _check_name(file)
            _, source = open_source(Spec(_READER.name, given, _READER.distribution), plugins, base=Path.cwd())
            refs = list(source.refs())
        except UsageError:
            raise
        except (Exception, SystemExit) as error:
            code = error.exit_code if isinstance(error, MitobenchError) else 1
            shown = os.fsencode(name).decode("utf-8", "backslashreplace")
            opened.append(ImageInput(id=shown, name="", source=str(file), error=describe(error), exit_code=code))
            continue
        ids = [name] if len(refs) == 1 else [f"{name}_{ref.id}" for ref in refs]
        opened += [ImageInput(id=i, name="", source=str(file), ref=ref) for i, ref in zip(ids, refs, strict=True)]
    return _with_names(opened)


def images_of_source(spec: Spec, plugins: Plugins, *, seed: int = 0) -> list[ImageInput]:
    """The samples of a data source.

    Raises:
        UsageError: no such data source or option, or no sample in it.
        DataError: its data cannot be used.
    """
    planned, source = open_source(spec, plugins, base=Path.cwd(), seed=seed)
    found = [ImageInput(id=ref.id, name="", source=planned.label, ref=ref) for ref in source.refs()]
    if not found:
        raise UsageError(f"the data source {planned.label} yields no image; choose other images.")
    return _with_names(found)


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in _SUFFIXES and not path.name.startswith(".") and path.is_file()


def _check_name(file: Path) -> None:
    try:
        str(file).encode()
    except UnicodeEncodeError:
        raise DataError(
            f"the file name {os.fsencode(file.name)!r} is not valid UTF-8; expected a name in UTF-8. Rename the file."
        ) from None


def _ids(files: Sequence[Path]) -> list[str]:
    """Each file's stem; where several have it, as much of the end of the path as tells them apart."""
    texts = [file.stem for file in files]
    depth = 0
    while clashing := {text for text, count in Counter(texts).items() if count > 1}:
        depth += 1
        ends = [PurePath(*file.absolute().parts[-depth:]).as_posix() for file in files]
        texts = [end if text in clashing else text for text, end in zip(texts, ends, strict=True)]
    return [unicodedata.normalize("NFC", text) for text in texts]


def _with_names(images: Sequence[ImageInput]) -> list[ImageInput]:
    """The images with file names, no two equal in a file system that ignores case."""
    plain = [_file_name(image.id) for image in images]
    count = Counter(name.casefold() for name in plain)
    unique = (count[name.casefold()] == 1 for name in plain)
    return [
        replace(image, name=name if alone else safe_name(f"{image.id}\n{image.source}", limit=100))
        for image, name, alone in zip(images, plain, unique, strict=True)
    ]


def _file_name(text: str) -> str:
    safe = safe_name(text, limit=100)
    reserved = safe.startswith("_")
    return text if _PLAIN.fullmatch(text) and len(text.encode()) <= 200 and not reserved else safe
