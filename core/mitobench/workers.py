"""Where units run: threads of this process, worker processes, or an executor that the caller brings."""

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import AbstractContextManager

__all__ = ["units_executor"]


def units_executor(given: Executor | None, workers: int, *, threads: int) -> AbstractContextManager[Executor]:
    """What runs units, shut down at the end of the block unless it was given.

    Args:
        given: an executor of the caller's, which stays open.
        workers: processes; 0 = threads of this process.
        threads: how many of them.
    """
    if given is not None:
        return contextlib.nullcontext(given)
    if workers <= 0:
        return ThreadPoolExecutor(threads, thread_name_prefix="mitobench-unit")
    return _processes(workers)


@contextlib.contextmanager
def _processes(workers: int) -> Iterator[Executor]:
    """A pool of spawned processes that share the cores; libraries read their number of threads when they are imported."""
    threads = str(max(1, (os.cpu_count() or 1) // workers))
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
    added = [name for name in names if name not in os.environ]
    os.environ.update(dict.fromkeys(added, threads))
    try:
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, mp_context=spawn, initializer=_begin_worker) as pool:
            yield pool
    finally:
        for name in added:
            del os.environ[name]


def _begin_worker() -> None:
    """A worker leaves Ctrl-C to the process that started it, and ends when that process does, however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    multiprocessing.connection.wait([sentinel])
    os._exit(1)
