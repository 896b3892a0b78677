"""Files that are either wholly there or not there, and names that are safe in any file system."""

import contextlib
import errno
import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from mitobench.errors import ResourceError, UsageError

__all__ = ["atomic_file", "held_folder", "is_there", "safe_name", "write_atomically"]

_RESERVED = re.compile(r"^(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)


def write_atomically(path: Path, data: bytes) -> None:
    """Write to a temporary name beside ``path``, sync to disk, rename. A crash leaves the old file or the new one.

    Raises:
        ResourceError: the disk is full or the folder cannot be written.
    """
    with atomic_file(path) as file:
        file.write(data)


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write piece by piece, which appears under its name when the block has ended well. See :func:`write_atomically`."""
    temporary = path.with_name(
        f".{path.name[:80]}.{os.getpid()}.{hashlib.blake2b(path.name.encode(), digest_size=4).hexdigest()}.tmp"
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise ResourceError(
            f"{path}: cannot be written ({error.strerror or error}). Free some space or choose another --out."
        ) from error
    finally:
        with contextlib.suppress(OSError):  # the error that matters is the one above
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def held_folder(folder: Path) -> Iterator[None]:
    """Hold a folder for this process alone, by ``.lock`` in it; the operating system frees it however the process ends.

    Raises:
        UsageError: another process writes to it now.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UsageError(
            f"{folder}: another mitobench process writes to it; wait for it or give another --out."
        ) from None
    try:
        yield
    finally:
        lock.release()


def is_there(path: Path) -> bool:
    """Whether a path exists; text that is too long for a name, or holds a null character, names nothing.

    Raises:
        OSError: it cannot be told, such as in a folder that must not be read.
    """
    try:
        return path.exists()
    except ValueError:
        return False
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        return False


def safe_name(text: str, *, limit: int = 60) -> str:
    """A file name for any text: readable, at most ``limit`` + 9 characters, distinct texts get distinct names.

    >>> safe_name("slice 3") == safe_name("slice_3")
    False
    """
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
    readable = re.sub(r"[^A-Za-z0-9._-]+", "_", text).strip("._-")[:limit].rstrip("._-") or "image"
    return f"{'_' if _RESERVED.match(readable) else ''}{readable}-{digest}"


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
