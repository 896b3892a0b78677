"""The whole plugin API.

A plugin is a module named in the entry-point group ``mitobench`` whose functions carry ``mitobench.hookimpl``. The first
six hooks return descriptors (plain data, so keep the module light); the last three observe a run and return nothing.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from mitobench.descriptors import (
        DataSourceDescriptor,
        MetricDescriptor,
        PrompterDescriptor,
        ReporterDescriptor,
        SegmenterDescriptor,
        TrainerDescriptor,
    )
    from mitobench.plan import Plan
    from mitobench.runner import ImageOutcome, RunOutcome

hookspec = pluggy.HookspecMarker("mitobench")
hookimpl = pluggy.HookimplMarker("mitobench")


@hookspec
def mitobench_data_sources() -> "Iterable[DataSourceDescriptor]":  # type: ignore[empty-body]
    """Return the data sources that this plugin offers."""


@hookspec
def mitobench_prompters() -> "Iterable[PrompterDescriptor]":  # type: ignore[empty-body]
    """Return the prompters that this plugin offers."""


@hookspec
def mitobench_segmenters() -> "Iterable[SegmenterDescriptor]":  # type: ignore[empty-body]
    """Return the segmenters that this plugin offers."""


@hookspec
def mitobench_metrics() -> "Iterable[MetricDescriptor]":  # type: ignore[empty-body]
    """Return the metrics that this plugin offers."""


@hookspec
def mitobench_trainers() -> "Iterable[TrainerDescriptor]":  # type: ignore[empty-body]
    """Return the trainers that this plugin offers."""


@hookspec
def mitobench_reporters() -> "Iterable[ReporterDescriptor]":  # type: ignore[empty-body]
    """Return the reporters that this plugin offers."""


@hookspec
def mitobench_run_started(plan: "Plan") -> None:
    """Observe that a run begins."""


@hookspec
def mitobench_image_done(outcome: "ImageOutcome") -> None:
    """Observe that one image went through one cell."""


@hookspec
def mitobench_run_finished(outcome: "RunOutcome") -> None:
    """Observe that a run ended, with its counts."""
