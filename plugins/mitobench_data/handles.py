"""Open files that survive pickling and forking by being opened again."""

import os
import weakref
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

__all__ = ["Handle"]


class _Closable(Protocol):
    def close(self) -> None: ...


Opened = TypeVar("Opened", bound=_Closable)


class Handle(Generic[Opened]):
    """Opens on first use in each process, closes when it is collected; a pickle holds only how to open."""

    def __init__(self, opener: Callable[[], Opened]) -> None:
        """Args: opener: picklable; opens the file."""
        self._opener = opener
        self._opened: Opened | None = None
        self._process = 0

    def get(self) -> Opened:
        """The open file."""
        if self._opened is None or self._process != os.getpid():
            self._opened, self._process = self._opener(), os.getpid()
            self._closing = weakref.finalize(self, self._opened.close)
        return self._opened

    def close(self) -> None:
        """Close the file now; ``get`` opens it again."""
        if self._opened is not None:
            self._closing()
            self._opened = None

    def __getstate__(self) -> Callable[[], Opened]:
        return self._opener

    def __setstate__(self, opener: Callable[[], Opened]) -> None:
        self._opener, self._opened, self._process = opener, None, 0
