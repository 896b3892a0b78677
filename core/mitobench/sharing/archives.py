"""Archives of exports, read as what a stranger may have sent: nothing is believed that was not checked.

Only names of our own pattern are accepted, so nothing can be written outside the folder that is meant; links, encryption, other
compression, names that differ only in case, and sizes beyond the limits are refused before anything is read.
"""

import hashlib
import json
import re
import stat
import struct
import weakref
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mitobench.errors import DataError

__all__ = ["FORMAT", "SCHEMA", "ExportArchive"]

FORMAT, SCHEMA = "mitobench export", 1
_PATTERNS = {
    re.compile(r"(manifest|run)\.json"): 1 << 27,
    re.compile(r"parts/results\.(images|objects)\.parquet"): 1 << 30,
    re.compile(r"predictions/[0-9a-f]{32}/[A-Za-z0-9_][A-Za-z0-9._-]{0,120}\.(tif|npz)"): 1 << 32,
}
"""What a file may be called, and how many bytes it may have."""
_MOST_BYTES = 1 << 38
_MOST_LISTING = 1 << 27
_LARGEST_RATIO = 200


class ExportArchive:
    """The files of an export. Opening reads the listing and the manifest; nothing is written.

    Raises:
        DataError: not an export, damaged, or with anything in it that no export has.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            _check_listing(path)
            self._zip = zipfile.ZipFile(path)
            weakref.finalize(self, self._zip.close)
            self._infos = {info.filename: info for info in self._zip.infolist()}
            if len(self._infos) != len(self._zip.infolist()):
                raise ValueError("a name occurs twice")
        except (zipfile.BadZipFile, OSError, ValueError, struct.error, NotImplementedError) as error:
            raise self.damaged(error) from None
        self._check_names()
        self._files = self._manifest()

    @property
    def names(self) -> Sequence[str]:
        """The files but for the manifest, sorted."""
        return sorted(self._files)

    def read(self, name: str) -> bytes:
        """The content of one file, which is what the manifest says.

        Raises:
            DataError: it is not.
        """
        said = self._files[name]
        content = self._content(name)
        if len(content) != said.get("bytes") or hashlib.sha256(content).hexdigest() != said.get("sha256"):
            raise self.damaged(f"{name} is not what the manifest says; its SHA-256 differs")
        return content

    def verify(self, name: str) -> None:
        """Check one file against the manifest without keeping it. Raises DataError where they differ."""
        digest, size = hashlib.sha256(), 0
        try:
            with self._zip.open(self._infos[name]) as member:
                while piece := member.read(1 << 20):
                    digest.update(piece)
                    size += len(piece)
        except Exception as error:  # whatever a damaged archive makes its decoder raise
            raise self.damaged(error) from None
        if size != self._files[name].get("bytes") or digest.hexdigest() != self._files[name].get("sha256"):
            raise self.damaged(f"{name} is not what the manifest says; its SHA-256 differs")

    def damaged(self, why: object) -> DataError:
        """The error that says what is wrong with this file."""
        return DataError(
            f"{self.path}: not a whole export of mitobench ({' '.join(str(why).split())}). Write it again with `mitobench export RUN --out {self.path.name}`."
        )

    def _content(self, name: str) -> bytes:
        try:
            return self._zip.read(self._infos[name])
        except Exception as error:  # whatever a damaged archive makes its decoder raise
            raise self.damaged(error) from None

    def _check_names(self) -> None:
        if len({name.lower() for name in self._infos}) != len(self._infos):
            raise self.damaged("two names differ only in case")
        for name, info in self._infos.items():
            limit = next((most for pattern, most in _PATTERNS.items() if pattern.fullmatch(name)), None)
            kind = stat.S_IFMT(info.external_attr >> 16)
            if limit is None:
                raise self.damaged(f"it holds {name!r}, which no export does")
            if kind not in (0, stat.S_IFREG) or info.flag_bits & 1:
                raise self.damaged(f"{name} is a link or encrypted")
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise self.damaged(f"{name} is compressed in a way that exports are not")
            if info.file_size > limit or info.file_size > max(1 << 20, _LARGEST_RATIO * info.compress_size):
                raise self.damaged(f"{name} claims {info.file_size} bytes, more than is read")
        if sum(info.file_size for info in self._infos.values()) > _MOST_BYTES:
            raise self.damaged("its files claim more bytes than are read")

    def _manifest(self) -> Mapping[str, Mapping[str, Any]]:
        if "manifest.json" not in self._infos:
            raise self.damaged("it holds no manifest.json")
        try:
            manifest = json.loads(self._content("manifest.json"))
            form, schema, files = manifest["format"], manifest["schema"], manifest["files"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise self.damaged(f"manifest.json cannot be read: {error!r}") from None
        if form != FORMAT or not isinstance(files, dict) or not all(isinstance(said, dict) for said in files.values()):
            raise self.damaged("manifest.json is not that of an export")
        if schema != SCHEMA:
            raise DataError(
                f"{self.path}: an export of schema {schema!r}; this version of mitobench reads schema {SCHEMA}. Export the run again."
            )
        if differing := set(files) ^ (set(self._infos) - {"manifest.json"}):
            raise self.damaged(f"the manifest and the files disagree about {sorted(differing)[0]!r}")
        if "run.json" not in files:
            raise self.damaged("it holds no run.json")
        return files


def _check_listing(path: Path) -> None:
    """Refuse a listing of files that is too long to be held in memory, before it is read."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - (1 << 16) - 22))
        tail = file.read()
    end = tail.rfind(b"PK\5\6")
    if end < 0 or len(tail) - end < 22:
        raise ValueError("not a zip archive, or cut short")
    (length,) = struct.unpack("<I", tail[end + 12 : end + 16])
    if length == 0xFFFFFFFF and tail[max(0, end - 20) :][:4] == b"PK\6\7":
        (at,) = struct.unpack("<Q", tail[end - 12 : end - 4])
        with path.open("rb") as file:
            file.seek(min(at, size))
            (length,) = struct.unpack("<Q", file.read(56)[40:48])
    if length > _MOST_LISTING:
        raise ValueError(f"its listing claims {length} bytes, more than is read")
