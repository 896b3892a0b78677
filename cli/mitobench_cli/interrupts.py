"""Ctrl-C: the first one asks for an orderly stop, the second one stops at once."""

import contextlib
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import NoReturn

from mitobench.errors import INTERRUPTED
from mitobench_cli.terminal import say

__all__ = ["orderly_stop"]

_SHOW_CURSOR = "\x1b[?25h"


@contextlib.contextmanager
def orderly_stop(message: str) -> Iterator[Callable[[], bool]]:
    """Within the block, SIGINT and SIGTERM only make the yielded function return True; a second one ends the process.

    The second one does not wait for threads that compute, and leaves no worker process behind. Nothing half written counts:
    run parts and checkpoints appear under their names when they are complete.

    Args:
        message: said on stderr when the first signal arrives.
    """
    asked: list[int] = []

    def stop(signum: int, _frame: FrameType | None) -> None:
        if asked:
            _end_now()
        asked.append(signum)
        say(message)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_now() -> NoReturn:
    with contextlib.suppress(Exception):
        for child in multiprocessing.active_children():
            child.kill()
    for stream in (sys.stderr, sys.stdout):
        with contextlib.suppress(Exception):
            if stream is sys.stderr:
                stream.write(f"{_SHOW_CURSOR if stream.isatty() else ''}stopped at once; the same command resumes\n")
            stream.flush()
    os._exit(INTERRUPTED)
