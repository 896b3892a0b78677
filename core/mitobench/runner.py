"""The runner: sends units to an executor, keeps a few in flight, and reports what became of them."""

import contextlib
import functools
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from dataclasses import dataclass
from itertools import islice

from mitobench.errors import INTERRUPTED, ResourceError
from mitobench.image_checks import check_images
from mitobench.plan import Plan
from mitobench.plugins import Plugins
from mitobench.records import remember_run
from mitobench.results.parts import MOST_PARTS, compact
from mitobench.results.runfolder import RunFolder
from mitobench.results.scoring import score_stored
from mitobench.samples import SampleRef
from mitobench.units import ImageOutcome, Unit, UnitOutcome, run_unit
from mitobench.workbench import Workbench
from mitobench.workers import units_executor

__all__ = ["ImageOutcome", "Progress", "RunOutcome", "execute"]

_IN_FLIGHT = 3
"""Units in flight in one process: one reads, one computes, one is scored."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a run is: ``done`` of ``total`` (cell, image) pairs, and the last one that ended, or what is being done now."""

    done: int
    total: int
    cell: str = ""
    image: str = ""
    message: str = ""


@dataclass(frozen=True, kw_only=True)
class RunOutcome:
    """How a run ended.

    Attributes:
        done, failed: (cell, image) pairs computed now, and how many of them failed.
        skipped: pairs that earlier runs had stored.
        missing: cells that could not run because something is not installed or fetched.
        seconds: wall-clock time.
        interrupted: stopped before all was done.
        errors: the distinct errors, each with how often it came.
        exit_code: 0 all fine; 1 some failed and the rest are stored; the failures' common code where nothing succeeded; 4
            where cells are only missing; 130 interrupted.
    """

    done: int
    failed: int
    skipped: int
    missing: int
    seconds: float
    interrupted: bool
    errors: tuple[tuple[str, int], ...]
    exit_code: int


def execute(
    plan: Plan,
    folder: RunFolder,
    plugins: Plugins,
    *,
    device: str = "auto",
    workers: int = 0,
    batch: int = 8,
    executor: Executor | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> RunOutcome:
    """Run every cell of a plan that is not done.

    Args:
        plan: what to run; what the folder already holds is not computed again, what failed is.
        folder: where results go; held for writing meanwhile.
        plugins: what components there are.
        device: for every component.
        workers: processes; 0 runs in this one, in threads that overlap reading, computing and scoring.
        batch: images per unit and per encoder call.
        executor: any executor to use instead; its workers must see the same files and have the same plugins installed.
        progress: told after every image, and where that takes long what is being done; always by the caller's thread.
        should_stop: polled often; True lets what is in flight go and returns ``interrupted``.

    Raises:
        UsageError: another process writes to the folder.
        DataError: a component that is made for certain images does not fit those of the plan; nothing is remembered then.
        ResourceError: the disk is full, or a worker process died.
    """
    start = time.perf_counter()
    with folder.writing():
        bench = Workbench(plugins, device, plan.seed)
        check_images(plan, bench)
        remember_run(plan, folder, device=device, workers=workers, batch=batch)
        plugins.notify("mitobench_run_started", plan=plan)
        _score_stored(
            plan,
            folder,
            bench,
            should_stop,
            lambda done, total: progress(Progress(done=done, total=total, message="scoring what is stored")),
        )
        tally = _Tally(plan, folder)
        units = _units(plan, folder, batch)
        waiting = _waiting(bench, lambda doing: progress(tally.now(doing)))
        with contextlib.closing(_run_units(units, bench, executor, workers, should_stop, waiting)) as images:
            for image in images:
                progress(tally.add(image))
                plugins.notify("mitobench_image_done", outcome=image)
        outcome = tally.outcome(time.perf_counter() - start)
        if not outcome.interrupted:
            compact(folder.path / "parts", above=MOST_PARTS)
        plugins.notify("mitobench_run_finished", outcome=outcome)
    return outcome


def _score_stored(
    plan: Plan,
    folder: RunFolder,
    bench: Workbench,
    should_stop: Callable[[], bool],
    progress: Callable[[int, int], None],
) -> None:
    """Score what is stored with the metrics that it lacks; what cannot be scored so is computed again."""
    cells: dict[str, list[str]] = {}
    for cell in plan.with_status("run"):
        cells.setdefault(cell.components[0].key, []).append(cell.key)
    score_stored(
        folder,
        {key: plan.refs(key) for key in cells},
        cells,
        plan.metrics,
        bench,
        should_stop=should_stop,
        progress=progress,
    )


def _units(plan: Plan, folder: RunFolder, batch: int) -> Iterator[Unit]:
    """The units that still have something to do, in order. Where one begins and ends does not depend on what is done."""
    metrics = [m.key for m in plan.metrics]
    for number, data_key in enumerate(plan.sources):
        cells = tuple(c for c in plan.with_status("run") if c.components[0].key == data_key)
        finished = {c.key: folder.finished(c.key, metrics) for c in cells}
        for index, refs in enumerate(_chunks(plan.refs(data_key), batch) if cells else ()):
            wanted = tuple(frozenset(c.key for c in cells if ref.id not in finished[c.key]) for ref in refs)
            if any(wanted):
                yield Unit(
                    name=f"{number:02d}-{index:06d}",
                    refs=refs,
                    cells=cells,
                    wanted=wanted,
                    metrics=plan.metrics,
                    folder=folder.path,
                    batch=batch,
                    seed=plan.seed,
                )


def _chunks(refs: Iterator[SampleRef], size: int) -> Iterator[tuple[SampleRef, ...]]:
    while chunk := tuple(islice(refs, size)):
        yield chunk


def _run_units(
    units: Iterator[Unit],
    bench: Workbench,
    executor: Executor | None,
    workers: int,
    should_stop: Callable[[], bool],
    waiting: Callable[[], None],
) -> Generator[ImageOutcome, None, None]:
    """Run units wherever they are to run; what became of each image, as its unit ends."""
    remote = executor is not None or workers > 0
    if remote:
        bench.doing = "waiting for other processes"
    here = functools.partial(run_unit, bench=bench, should_stop=should_stop)
    run = functools.partial(_run_remote, bench.device) if remote else here
    with units_executor(executor, workers, threads=_IN_FLIGHT) as pool:
        most = max(workers, 1) * 2 if remote else _IN_FLIGHT
        for finished in _in_flight(pool, run, units, most, should_stop, waiting):
            yield from finished.images


def _in_flight(
    pool: Executor,
    run: Callable[[Unit], UnitOutcome],
    units: Iterator[Unit],
    most: int,
    should_stop: Callable[[], bool],
    waiting: Callable[[], None],
) -> Iterator[UnitOutcome]:
    flying: set[Future[UnitOutcome]] = set()
    exhausted = False
    try:
        while True:
            while not exhausted and len(flying) < most and not should_stop():
                unit = next(units, None)
                if unit is None:
                    exhausted = True
                else:
                    flying.add(pool.submit(run, unit))
            if not flying:
                return
            landed, flying = wait(flying, timeout=0.5, return_when=FIRST_COMPLETED)
            if not landed:
                waiting()
            for future in landed:
                yield future.result()
    except BrokenExecutor:
        raise ResourceError(
            "a worker process died (killed by the system for its memory, or crashed in native code). What was finished is stored; "
            "run again with fewer --workers or a smaller --batch."
        ) from None
    finally:
        for future in flying:
            future.cancel()


def _waiting(bench: Workbench, tell: Callable[[str], None]) -> Callable[[], None]:
    """What to do whenever nothing has ended for a while: tell what is being done, if it is another thing than before."""
    bench.doing = told = ""

    def waiting() -> None:
        nonlocal told
        if bench.doing != told:
            told = bench.doing
            tell(told)

    return waiting


def _run_remote(device: str, unit: Unit) -> UnitOutcome:
    return run_unit(unit, _worker_bench(device, unit.seed))


@functools.lru_cache(maxsize=1)
def _worker_bench(device: str, seed: int) -> Workbench:
    """This process's workbench, kept so that models are loaded once per worker."""
    return Workbench(Plugins.discover(), device, seed)


class _Tally:
    """Counts what became of every (cell, image) pair."""

    def __init__(self, plan: Plan, folder: RunFolder) -> None:
        runnable = plan.with_status("run")
        stored = {c.key: plan.stored(c, folder) for c in runnable}
        self._labels = {c.key: f"{c.prompter} + {c.segmenter}" for c in plan.cells}
        self._skipped = sum(stored.values()) + sum(c.total for c in plan.with_status("done"))
        self._total = sum(c.total - stored[c.key] for c in runnable)
        self._missing = plan.with_status("missing")
        self._done = self._failed = 0
        self._codes: set[int] = {4} if self._missing else set()
        self._errors: dict[str, int] = {}

    def add(self, image: ImageOutcome) -> Progress:
        self._done += 1
        if image.exit_code:
            self._failed += 1
            self._codes.add(image.exit_code)
            message = f"{self._labels.get(image.cell, image.cell)}: {image.error}"
            self._errors[message] = self._errors.get(message, 0) + 1
        return Progress(
            done=self._done,
            total=self._total,
            cell=self._labels.get(image.cell, image.cell),
            image=image.image,
            message=image.error,
        )

    def now(self, doing: str) -> Progress:
        return Progress(done=self._done, total=self._total, message=doing)

    def outcome(self, seconds: float) -> RunOutcome:
        interrupted = self._done < self._total
        return RunOutcome(
            done=self._done,
            failed=self._failed,
            skipped=self._skipped,
            missing=len(self._missing),
            seconds=seconds,
            interrupted=interrupted,
            errors=tuple(self._errors.items()),
            exit_code=INTERRUPTED if interrupted else self._exit_code(),
        )

    def _exit_code(self) -> int:
        """The failures' common code where nothing succeeded; 1 where something did; 4 where cells are only missing."""
        if self._failed and (self._failed < self._done or self._skipped):
            return 1
        return next(iter(self._codes)) if len(self._codes) == 1 else 1 if self._codes else 0
