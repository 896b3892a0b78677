"""Progress on stderr: a live line in a terminal, a plain line now and then elsewhere."""

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from mitobench.text import inert
from mitobench_cli.terminal import say

if TYPE_CHECKING:
    from rich.progress import Progress as Live

__all__ = ["ProgressLine"]


class ProgressLine:
    """Shows ``done`` of ``total`` with a message; use as a context manager.

    Args:
        what: the unit that is counted, such as ``"images"``.
        every: seconds between plain lines where stderr is no terminal.
    """

    def __init__(self, what: str, *, every: float = 30.0) -> None:
        self.what = what
        self.every = every
        self._live: Live | None = None
        self._last = time.monotonic()

    def __enter__(self) -> Self:
        """Start the live line if there is a terminal."""
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            self._live = Progress(
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TextColumn(self.what),
                TimeRemainingColumn(elapsed_when_finished=True),
                TextColumn("{task.description}", markup=False),
                console=Console(stderr=True, markup=False, highlight=False),
                transient=True,
            )
            self._live.start()
            self._live.add_task("", total=None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the live line."""
        if self._live is not None:
            self._live.stop()

    def update(self, done: int, total: int, message: str = "") -> None:
        """Show a new state; cheap enough to call for every image."""
        if self._live is not None:
            task = self._live.task_ids[0]
            self._live.update(task, completed=done, total=total or None, description=inert(message))
        elif time.monotonic() - self._last >= self.every or (total and done == total):
            self._last = time.monotonic()
            say(f"{done}/{total} {self.what} {message}".rstrip())

    def update_bytes(self, done: int, total: int) -> None:
        """Show bytes as megabytes."""
        self.update(done // 10**6, max(1, total // 10**6))
