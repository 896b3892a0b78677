"""The unit of work: a batch of images through every cell that is still missing for them.

Reading and scoring run in the unit's own thread while another unit holds the device; a finished unit is one part.
"""

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mitobench.components import ComponentPlan, PlannedMetric
from mitobench.contracts import checked_prompts, checked_segmentation, frozen
from mitobench.errors import MitobenchError
from mitobench.interfaces import ImageBoundSegmenter
from mitobench.plan import PlannedCell
from mitobench.prompts import Prompts
from mitobench.results.predictions import StoredPrediction, write_prediction
from mitobench.results.runfolder import RunFolder
from mitobench.results.scoring import score_image
from mitobench.samples import Sample, SampleRef
from mitobench.seeds import derive_rng
from mitobench.workbench import Encoded, Workbench, describe, timed

__all__ = ["ImageOutcome", "Unit", "UnitOutcome", "run_unit"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Unit:
    """Some images of one data source and the cells each still has to go through.

    Attributes:
        name: readable prefix of the part.
        refs: the images.
        cells: the cells, in plan order.
        wanted: for each image, the keys of its missing cells.
        metrics: what to score with.
        folder: the run's folder.
        batch: images per encoder call.
        seed: the run's.
    """

    name: str
    refs: tuple[SampleRef, ...]
    cells: tuple[PlannedCell, ...]
    wanted: tuple[frozenset[str], ...]
    metrics: tuple[PlannedMetric, ...]
    folder: Path
    batch: int
    seed: int


@dataclass(frozen=True, kw_only=True)
class ImageOutcome:
    """What became of one image in one cell."""

    cell: str
    image: str
    status: str
    error: str = ""
    error_kind: str = ""
    exit_code: int = 0


@dataclass(frozen=True)
class UnitOutcome:
    """What became of a unit."""

    images: tuple[ImageOutcome, ...] = ()


@dataclass(eq=False)
class _Job:
    """One image on its way through one cell."""

    cell: PlannedCell
    ref: SampleRef
    position: int
    sample: Sample | None = None
    prediction: StoredPrediction | None = None
    error: BaseException | None = None
    costs: dict[str, float] = field(default_factory=dict)


def run_unit(unit: Unit, bench: Workbench, should_stop: Callable[[], bool] = lambda: False) -> UnitOutcome:
    """Read, compute, score and commit one unit. Stopped before it commits, it leaves nothing behind that counts."""
    jobs = [_Job(cell, ref, i) for i, ref in enumerate(unit.refs) for cell in unit.cells if cell.key in unit.wanted[i]]
    bench.doing = bench.doing or "reading images"
    _read(unit, jobs)
    with bench.device_lock:
        if should_stop():
            return UnitOutcome()
        _compute(unit, jobs, bench, should_stop)
        bench.doing = "scoring"
    if should_stop() and any(job.prediction is None and job.error is None for job in jobs):
        return UnitOutcome()
    folder = RunFolder(unit.folder)
    images: list[dict[str, Any]] = []
    objects: list[dict[str, Any]] = []
    for job in jobs:
        row = _row(job)
        if job.sample is not None and job.prediction is not None:
            write_prediction(
                folder.predictions(job.cell.key),
                cell=job.cell.key,
                image=job.ref.id,
                origin=job.sample.origin,
                segmentation=job.prediction.segmentation,
                prompts=job.prediction.prompts,
            )
            columns, rows = score_image(job.sample, job.prediction, unit.metrics, bench)
            row |= columns
            objects += [{"cell": job.cell.key, "image": job.ref.id, **o} for o in rows]
        images.append(row)
    folder.write_part(unit.name, images, objects)
    return UnitOutcome(tuple(_outcome(job, row) for job, row in zip(jobs, images, strict=True)))


def _read(unit: Unit, jobs: list[_Job]) -> None:
    for position, ref in enumerate(unit.refs):
        mine = [job for job in jobs if job.position == position]
        if not mine:
            continue
        try:
            sample = frozen(ref.load())
        except (Exception, SystemExit) as error:
            for job in mine:
                job.error = error
            continue
        for job in mine:
            job.sample = sample


def _compute(unit: Unit, jobs: list[_Job], bench: Workbench, should_stop: Callable[[], bool]) -> None:
    encoded: dict[tuple[str, int], Encoded] = {}
    ready = [job for job in jobs if job.error is None]
    for planned in {c.key: c for job in ready for c in job.cell.components[1:]}.values():
        _encode(planned, ready, encoded, bench, unit.batch, should_stop)
    prompted: dict[tuple[str, int], tuple[Prompts, float] | BaseException] = {}
    for job in ready:
        if should_stop():
            return
        if job.error is None:
            bench.doing = f"{job.cell.prompter} + {job.cell.segmenter} on {job.ref.id}"
            try:
                _segment(job, unit.seed, encoded, prompted, bench)
            except (Exception, SystemExit) as error:
                job.error = error


def _encode(
    planned: ComponentPlan,
    jobs: list[_Job],
    encoded: dict[tuple[str, int], Encoded],
    bench: Workbench,
    batch: int,
    should_stop: Callable[[], bool],
) -> None:
    """Encode every image that this component will see and no component with its key has encoded yet."""
    users = [job for job in jobs if planned.key in {c.key for c in job.cell.components[1:]}]
    try:
        key = bench.component(planned).encoder_key
    except (Exception, SystemExit) as error:
        for job in users:
            job.error = job.error or error
        return
    if key is None:
        return
    waiting = {
        job.position: job.sample.image for job in users if job.sample is not None and (key, job.position) not in encoded
    }
    results = bench.encode(planned, list(waiting.values()), batch, should_stop)
    encoded |= {(key, position): result for position, result in zip(waiting, results, strict=False)}


def _segment(
    job: _Job,
    seed: int,
    encoded: dict[tuple[str, int], Encoded],
    prompted: dict[tuple[str, int], "tuple[Prompts, float] | BaseException"],
    bench: Workbench,
) -> None:
    assert job.sample is not None  # noqa: S101  (jobs without a sample have an error and do not get here)
    _, prompter_plan, segmenter_plan = job.cell.components
    prompter, segmenter = bench.component(prompter_plan), bench.component(segmenter_plan)
    unreferenced = job.sample.without_reference()
    needed = {
        k: _found(encoded, k, job.position) for k in (prompter.encoder_key, segmenter.encoder_key) if k is not None
    }
    where = (prompter_plan.key, job.position)
    if where not in prompted:
        try:
            seen = job.sample if prompter_plan.oracle else unreferenced
            value = needed[prompter.encoder_key].value if prompter.encoder_key is not None else None
            rng = derive_rng(seed, "prompter", job.ref.id)
            prompted[where] = timed(
                lambda: checked_prompts(prompter.prompt(value, seen, rng), prompter_plan, job.sample)
            )
        except (Exception, SystemExit) as error:
            prompted[where] = error
    made = prompted[where]
    if isinstance(made, BaseException):
        raise made
    prompts, prompt_seconds = made
    value = needed[segmenter.encoder_key].value if segmenter.encoder_key is not None else None
    segmentation, segment_seconds = timed(lambda: segmenter.segment(value, unreferenced, prompts))
    job.prediction = StoredPrediction(checked_segmentation(segmentation, segmenter_plan, job.sample, prompts), prompts)
    job.costs = {
        "seconds_encode": sum(e.seconds for e in needed.values()),
        "seconds_prompt": prompt_seconds,
        "seconds_segment": segment_seconds,
        "peak_memory_mb": _peak_memory_mb(),
        "encode_batch": min((e.batch for e in needed.values()), default=0),
        **_stated_costs(segmenter),
    }


def _stated_costs(segmenter: Any) -> dict[str, float]:
    """What replaces the measured costs where the segmentations were made elsewhere: what the user says, or unknown."""
    if not isinstance(segmenter, ImageBoundSegmenter):
        return {}
    stated = segmenter.seconds_per_image
    rest = math.nan if stated is None else 0.0
    return {
        "seconds_encode": rest,
        "seconds_prompt": rest,
        "seconds_segment": math.nan if stated is None else float(stated),
        "peak_memory_mb": math.nan,
    }


def _found(encoded: dict[tuple[str, int], Encoded], key: str, position: int) -> Encoded:
    result = encoded[key, position]
    if result.error is not None:
        raise result.error
    return result


def _row(job: _Job) -> dict[str, Any]:
    row: dict[str, Any] = {
        "cell": job.cell.key,
        "image": job.ref.id,
        "group": job.ref.group,
        "status": "ok",
        "error": "",
        "error_kind": "",
    }
    if job.sample is not None:
        height, width = job.sample.shape
        row |= {
            "height": height,
            "width": width,
            "origin": job.sample.origin,
            "group": job.sample.group,
            "semantic": job.sample.semantic,
        }
    if job.prediction is not None:
        row |= {
            "prompts": len(job.prediction.prompts),
            "instances": int(job.prediction.segmentation.scores.size),
            "predicted_semantic": job.prediction.segmentation.semantic,
            **job.costs,
        }
    else:
        error = job.error or MitobenchError("stopped")
        row |= {"status": "failed", "error": describe(error), "error_kind": type(error).__name__}
    return row


def _outcome(job: _Job, row: dict[str, Any]) -> ImageOutcome:
    failures = [value for name, value in row.items() if name.endswith(".error") and value]
    code = (
        0
        if job.prediction is not None and not failures
        else job.error.exit_code
        if isinstance(job.error, MitobenchError)
        else 1
    )
    error = row["error"] or "; ".join(failures)
    return ImageOutcome(
        cell=row["cell"],
        image=row["image"],
        status=row["status"],
        error=error,
        error_kind=row["error_kind"],
        exit_code=code,
    )


def _peak_memory_mb() -> float:
    """Peak resident memory of this process so far, in MiB; NaN where the system does not say."""
    try:
        import resource
    except ImportError:
        return float("nan")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)
