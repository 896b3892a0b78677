"""Progress on stderr: a live line in a terminal, elsewhere a plain line about every ten seconds, whether or not anything is done."""

import sys
import threading
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

    def __init__(self, what: str, *, every: float = 10.0) -> None:
        self.what = what
        self.every = every
        self._live: Live | None = None
        self._begun = self._last = time.monotonic()
        self._state = f"no {what} done yet"
        self._over = threading.Event()
        self._repeater: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Start the live line, or where there is no terminal what repeats the plain one."""
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
        else:
            self._repeater = threading.Thread(target=self._repeat, name="progress", daemon=True)
            self._repeater.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the live line, or end the plain ones."""
        if self._live is not None:
            self._live.stop()
        self._over.set()
        if self._repeater is not None:
            self._repeater.join()

    def update(self, done: int, total: int, message: str = "") -> None:
        """Show a new state (a total of 0 is an unknown one); cheap enough to call for every image."""
        if self._live is not None:
            task = self._live.task_ids[0]
            self._live.update(task, completed=done, total=total or None, description=inert(message))
            return
        count = f"{done}/{total}" if total else str(done)
        self._state = f"{count} {self.what} {message}".rstrip()
        if time.monotonic() - self._last >= self.every or (total and done == total):
            self._last = time.monotonic()
            say(self._state)

    def update_bytes(self, done: int, total: int) -> None:
        """Show bytes as megabytes."""
        self.update(done // 10**6, max(1, total // 10**6))

    def _repeat(self) -> None:
        """While nothing new comes for long, the last state again, with the seconds since the start."""
        while not self._over.wait(max(0.01, self._last + self.every - time.monotonic())):
            now = time.monotonic()
            if now - self._last >= self.every:
                self._last = now
                say(f"{self._state}, {now - self._begun:.0f} s so far")
