"""What is known of one weights file: its descriptor, its place, its state, and how to get it."""

import importlib.resources
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal
from urllib.parse import urlsplit

from mitobench.descriptors import WeightsFile

__all__ = ["LocatedWeights", "Verification", "WeightsEntry", "added_entry", "file_name", "registered_entry"]

_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,12}")


@dataclass(frozen=True)
class LocatedWeights:
    """A weights file that is here and is what it should be.

    Attributes:
        role: the key of ``BuildContext.weights``.
        name: its registered name, or the file's name where the user gave a path.
        path: where it lies.
        sha256: of its content; part of a result's identity.
        licence: as registered or added; "" where the user gave a path.
        bundled: it comes with a plugin.
    """

    role: str
    name: str
    path: Path
    sha256: str
    licence: str = ""
    bundled: bool = False


@dataclass(frozen=True)
class WeightsEntry:
    """One weights file that mitobench knows.

    Attributes:
        file: its descriptor; one that the user added has neither ``url`` nor ``bundled``.
        components: what may use it, such as ``"segmenter sam"``; empty for one that the user added.
        state: ``"bundled"`` with a plugin, ``"present"`` in the cache, or ``"absent"``. Says nothing of its content.
        path: where it lies, or would lie.
    """

    file: WeightsFile
    components: tuple[str, ...]
    state: Literal["bundled", "present", "absent"]
    path: Path

    @property
    def owners(self) -> str:
        """Who uses it, for messages."""
        return ", ".join(self.components) or "the user"

    def by_hand(self) -> str:
        """How to get the file without ``mitobench weights fetch``, as one or two sentences."""
        name, file = self.file.name, self.file
        if file.bundled:
            return f"They come with {file.bundled.partition(':')[0]}; install it again, as files."
        if not file.url:
            return f"Add the file with sha256 {file.sha256} again: `mitobench weights add FILE --name {name}`."
        return (
            f"Without a network: get {file.url} elsewhere (sha256 {file.sha256}) and run "
            f"`mitobench weights add FILE --name {name}`, or put it at {self.path}."
        )

    def how_to_get(self) -> str:
        """That the file is not here and how to get it, as a message."""
        name = self.file.name
        lead = f"weights {name!r} of {self.owners} are not at {self.path}."
        if self.file.url:
            lead += f" Fetch them with `mitobench weights fetch {name}` ({self.file.size / 1e6:.1f} MB)."
        return f"{lead} {self.by_hand()}"


@dataclass(frozen=True)
class Verification:
    """What rehashing one file found: ``sha256`` as it is; ``ok`` where it is what it should be."""

    entry: WeightsEntry
    sha256: str

    @property
    def ok(self) -> bool:
        """Whether the file is what its descriptor says."""
        return self.sha256 == self.entry.file.sha256


def added_entry(file: WeightsFile, path: Path) -> WeightsEntry:
    """The entry of a file that the user added."""
    return WeightsEntry(file, (), "present" if path.is_file() else "absent", path)


def registered_entry(file: WeightsFile, owners: Iterable[str], folder: Path) -> WeightsEntry:
    """The entry of a file that descriptors register; ``folder`` is where the cache holds weights."""
    components = tuple(dict.fromkeys(owners))
    path = folder / file_name(file, urlsplit(file.url).path)
    if file.bundled:
        inside = _bundled_path(file)
        here = inside is not None and inside.is_file()
        return WeightsEntry(file, components, "bundled" if here else "absent", inside or path)
    return WeightsEntry(file, components, "present" if path.is_file() else "absent", path)


def file_name(file: WeightsFile, original: str) -> str:
    """A name that is safe in any folder and differs between different files, with the original's suffix."""
    suffix = PurePosixPath(original).suffix
    suffix = suffix if _SUFFIX.fullmatch(suffix) else ""
    stem = re.sub(r"[^A-Za-z0-9._+-]", "_", file.name.removesuffix(suffix)).lstrip(".")[:100] or "weights"
    return f"{stem}-{re.sub('[^0-9a-f]', '_', file.sha256[:8])}{suffix}"


def _bundled_path(file: WeightsFile) -> Path | None:
    package, _, inside = file.bundled.partition(":")
    try:
        path = importlib.resources.files(package).joinpath(inside)
    except (ImportError, TypeError, ValueError):
        return None
    return path if isinstance(path, Path) else None
