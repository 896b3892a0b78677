"""Download one file with pooch, and say what came instead where it was not the right one."""

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mitobench.errors import MissingError, MitobenchError, ResourceError

__all__ = ["Downloader", "Progress", "describe_content", "download", "guarded_download"]

Progress = Callable[[int, int], None]
"""Called as ``progress(done, total)``, in bytes."""

Downloader = Callable[[str, Path, Progress], None]
"""Called as ``downloader(url, path, progress)``; writes what the URL gives to ``path``."""

_CHUNK = 1 << 20
_TIMEOUT_S = 30
_FULL = (errno.ENOSPC, errno.EDQUOT)


class _Bar:
    """The part of a tqdm bar that pooch uses, reporting to a callback."""

    def __init__(self, progress: Progress) -> None:
        self.total = 0
        self.done = 0
        self._progress = progress

    def update(self, count: int) -> None:
        self.done += count
        self._progress(min(self.done, self.total) if self.total else self.done, self.total)

    def reset(self) -> None:
        self.done = 0

    def close(self) -> None:
        pass


def download(url: str, path: Path, progress: Progress) -> None:
    """Write what an HTTP(S) URL gives to a file, in pieces."""
    import pooch

    fetch: Any = pooch.HTTPDownloader(progressbar=_Bar(progress), chunk_size=_CHUNK, timeout=_TIMEOUT_S)
    fetch(url, path, None)


def guarded_download(fetch: Downloader, url: str, path: Path, progress: Progress, *, advice: str) -> None:
    """Call a downloader; whatever it raises becomes one of our errors.

    Raises:
        ResourceError: the disk is full.
        MissingError: anything else: no network, no such page, a broken connection.
    """
    try:
        fetch(url, path, progress)
    except MitobenchError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _FULL:
            raise ResourceError(f"{path.parent}: the disk is full ({error.strerror}). Free some space.") from error
        reason = " ".join(str(error).split()) or type(error).__name__
        raise MissingError(f"{url} cannot be fetched ({type(error).__name__}: {reason[:200]}). {advice}") from error


def describe_content(path: Path) -> str:
    """What a file that is not the expected one seems to be, such as ``"an HTML page"``."""
    with path.open("rb") as file:
        head = file.read(512).lstrip().lower()
    if not head:
        return "an empty file"
    if head.startswith((b"<!doctype html", b"<html")) or (head.startswith(b"<") and b"<html" in head):
        return "an HTML page, not weights"
    if head.startswith(b"<?xml"):
        return "an XML document, not weights"
    if head.startswith(b"version https://git-lfs"):
        return "a git-lfs pointer, not the file that it points to"
    return "another file, or one that was cut short or damaged"
