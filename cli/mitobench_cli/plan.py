"""``mitobench plan``: what a run would do, without running it."""

from typing import TYPE_CHECKING, Any

import click

from mitobench.errors import MissingError, UsageError
from mitobench_cli.fetching import fetchable
from mitobench_cli.matrix import Request, device_option, matrix_options
from mitobench_cli.terminal import columns, discover, only_json, show, show_json
from mitobench_cli.trainings import steps_data, steps_table

if TYPE_CHECKING:
    from mitobench.plan import Plan
    from mitobench.plugins import Plugins
    from mitobench.weights import WeightsStore

__all__ = ["check_runnable", "command", "plan_data", "show_plan"]


@click.command("plan")
@matrix_options
@device_option
def command(request: Request, device: str) -> None:  # noqa: ARG001  (checked as by `run`; a plan computes nothing)
    """Show what a run would do, without running it.

    Every cell of the matrix gets a status: run, done (its results are in the run folder), incompatible (why), or missing
    (what to install or fetch). Training steps of an experiment file come first, each with a status: train, resume, done,
    differs (its checkpoint was made otherwise), or missing. The same as `mitobench run --dry-run`.
    """
    show_plan(request)


def show_plan(request: Request, *, retrain: bool = False) -> None:
    """Plan and print, touching nothing.

    Raises:
        UsageError: no cell is possible, or a checkpoint is not what a training step asks for (unless ``retrain``).
        MissingError: something is missing for every possible cell, or not installed that a training step needs.
    """
    from mitobench.results.runfolder import RunFolder
    from mitobench.training.installed import check_installed
    from mitobench.training.steps import check_step, plan_experiment
    from mitobench.weights import WeightsStore

    with only_json(request.as_json):
        plugins = discover()
        experiment = request.experiment(plugins)
        path = request.folder(experiment)
        folder = RunFolder.open(path) if (path / "run.json").exists() else None
        store = WeightsStore(plugins, offline=request.offline)
        steps, plan = plan_experiment(experiment, plugins, store, folder=folder)
    if request.as_json:
        show_json({"run": str(path), "training": steps_data(steps), **plan_data(plan)})
    else:
        if steps:
            show(f"{steps_table(steps)}\n")
        brief = {} if request.offline else _to_fetch(plan, plugins, store)
        rows = [
            (c.status, c.data, c.prompter, c.segmenter, f"{c.done}/{c.total}", brief.get(c.key, c.reason))
            for c in plan.cells
        ]
        show(columns(rows, ("STATUS", "DATA", "PROMPTER", "SEGMENTER", "IMAGES", "REASON")))
    check_installed(steps, plan, plugins)
    for step in steps:
        if step.status == "differs":
            check_step(step, retrain=retrain)
    if request.offline or not _to_fetch(plan, plugins, store):
        check_runnable(plan)


def _to_fetch(plan: "Plan", plugins: "Plugins", store: "WeightsStore") -> dict[str, str]:
    """The cells that lack nothing but published weights, by key, with what `mitobench run` does about it."""
    from mitobench.components import reference_spec

    found = {}
    for cell in plan.with_status("missing"):
        lacking = [component for component in cell.components if component.missing]
        entries = fetchable(lacking, plugins, store)
        installed = not any(plugins.find(c.kind, reference_spec(c.reference)).missing() for c in lacking)
        if installed and {e.file.name for e in entries} >= {
            r.name for c in lacking for r in c.options(plugins).weights()
        }:
            size = sum(entry.file.size for entry in entries) / 1e6
            names = " ".join(entry.file.name for entry in entries)
            found[cell.key] = f"`mitobench run` fetches {size:.0f} MB first, as does `mitobench weights fetch {names}`"
    return found


def check_runnable(plan: "Plan") -> None:
    """Complain if no cell of the plan can run or is done.

    Raises:
        MissingError: something is missing for every possible cell.
        UsageError: no combination is possible.
    """
    reasons = "; ".join(dict.fromkeys(cell.reason.rstrip(".") for cell in plan.cells if cell.reason))
    if plan.with_status("run") or plan.with_status("done"):
        return
    if plan.with_status("missing"):
        raise MissingError(f"nothing can run: {reasons}.")
    raise UsageError(f"nothing can run: {reasons}.")


def plan_data(plan: "Plan") -> dict[str, Any]:
    """A plan as plain data."""
    return {
        "seed": plan.seed,
        "limit": plan.limit,
        "metrics": [metric.component.label for metric in plan.metrics],
        "cells": [
            {
                "key": cell.key,
                "data": cell.data,
                "prompter": cell.prompter,
                "segmenter": cell.segmenter,
                "oracle": cell.oracle,
                "status": cell.status,
                "reason": cell.reason,
                "done": cell.done,
                "total": cell.total,
            }
            for cell in plan.cells
        ],
    }
