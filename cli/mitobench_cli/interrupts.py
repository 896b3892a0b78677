"""Ctrl-C: the first one asks for an orderly stop, the second one stops at once."""

import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType

from mitobench_cli.terminal import say

__all__ = ["orderly_stop"]


@contextlib.contextmanager
def orderly_stop(message: str) -> Iterator[Callable[[], bool]]:
    """Within the block, SIGINT and SIGTERM only make the yielded function return True; a second one interrupts.

    Args:
        message: said on stderr when the first signal arrives.
    """
    asked: list[int] = []

    def stop(signum: int, _frame: FrameType | None) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(signum)
        say(message)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
