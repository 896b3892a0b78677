"""The weights cache on disk: locks, atomic writes, remembered hashes, and the record of what the user added."""

import contextlib
import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mitobench.descriptors import WeightsFile
from mitobench.errors import MissingError, ResourceError
from mitobench.hashing import sha256_file

__all__ = ["CACHE_VARIABLE", "AddedWeights", "HashCache", "cache_root", "install", "locked", "writing"]

CACHE_VARIABLE = "MITOBENCH_CACHE"


def cache_root() -> Path:
    """``MITOBENCH_CACHE``, or the user's cache folder for mitobench."""
    if given := os.environ.get(CACHE_VARIABLE):
        return Path(given).expanduser()
    import platformdirs

    return platformdirs.user_cache_path("mitobench", appauthor=False)


@contextlib.contextmanager
def _write_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ResourceError(f"{folder}: the disk is full ({error.strerror}). Free some space.") from error
        raise MissingError(
            f"{folder}: the weights cache cannot be written ({error.strerror or error}). "
            f"Set {CACHE_VARIABLE} to a folder that can, or fetch the weights as a user who may write here."
        ) from error


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a cached file (``<file>.lock`` beside it) against other threads and processes.

    Raises:
        MissingError: the cache cannot be written.
    """
    from filelock import FileLock

    lock = FileLock(path.with_name(f"{path.name}.lock"))
    with _write_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def writing(path: Path) -> Iterator[Path]:
    """A temporary file beside ``path`` that takes its place if the block ends well, and is removed if not.

    Raises:
        ResourceError: the disk is full.
        MissingError: the cache cannot be written.
    """
    with _write_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with _write_errors(path.parent):
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def install(source: Path, target: Path, *, expected: str) -> None:
    """Copy a file into the cache; the copy, not the source, is checked against the expected SHA-256."""
    with writing(target) as temporary:
        with _write_errors(target.parent):
            shutil.copyfile(source, temporary)
        if sha256_file(temporary) != expected:
            raise MissingError(f"{source} changed while it was copied. Add it again.")


class HashCache:
    """SHA-256 of files, remembered by path, size, modification time and inode, in memory and in ``verified.json``."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "verified.json"
        self._known: dict[str, list[Any]] | None = None

    def sha256(self, path: Path, *, rehash: bool = False) -> str:
        """The SHA-256 of a file; ``rehash`` reads every byte again whatever is remembered."""
        status = path.stat()
        key, stamp = str(path.absolute()), [status.st_size, status.st_mtime_ns, status.st_ino]
        known = self._load()
        if not rehash and known.get(key, [])[:3] == stamp:
            return str(known[key][3])
        digest = sha256_file(path)
        if known.get(key) != [*stamp, digest]:
            known[key] = [*stamp, digest]
            self._save(known)
        return digest

    def _load(self) -> dict[str, list[Any]]:
        if self._known is None:
            self._known = {key: value for key, value in _read_json(self._path).items() if _is_record(value)}
        return self._known

    def _save(self, known: Mapping[str, list[Any]]) -> None:
        """Remember on disk, best effort: a read-only cache only costs hashing again."""
        with contextlib.suppress(MissingError, ResourceError), writing(self._path) as temporary:
            temporary.write_text(json.dumps(known, sort_keys=True, indent=0), encoding="utf-8")


class AddedWeights:
    """What the user added, in ``added.json``: file descriptors with the file's name in the cache."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "added.json"

    def files(self) -> dict[str, tuple[WeightsFile, Path]]:
        """Descriptor and path by name.

        Raises:
            MissingError: the record is not readable.
        """
        added: dict[str, tuple[WeightsFile, Path]] = {}
        for name, record in _read_json(self._path, strict=True).items():
            try:
                fields = dict(record)
                path = self._folder / Path(fields.pop("file")).name
                added[name] = WeightsFile(name=name, **fields), path
            except (KeyError, TypeError, ValueError):
                raise MissingError(
                    f"{self._path}: the record of {name!r} is damaged. Remove it there and add the file again."
                ) from None
        return added

    def record(self, file: WeightsFile, path: Path) -> None:
        """Add or replace one record. Call it with ``lock`` held."""
        records = dict(_read_json(self._path, strict=True))
        fields = {key: value for key, value in asdict(file).items() if key != "name"}
        records[file.name] = {**fields, "file": path.name}
        with writing(self._path) as temporary:
            temporary.write_text(json.dumps(records, sort_keys=True, indent=2), encoding="utf-8")

    def lock(self) -> contextlib.AbstractContextManager[None]:
        """The lock to hold between ``files`` and ``record``."""
        return locked(self._path)


def _read_json(path: Path, *, strict: bool = False) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:
        if strict:
            raise MissingError(
                f"{path}: not readable ({error}). Repair it, or remove it and add the files again."
            ) from None
        return {}
    if strict and not isinstance(content, dict):
        raise MissingError(f"{path}: expected a JSON object, found {type(content).__name__}. Remove it.")
    return content if isinstance(content, dict) else {}


def _is_record(value: object) -> bool:
    return isinstance(value, list) and len(value) == 4 and isinstance(value[3], str)
