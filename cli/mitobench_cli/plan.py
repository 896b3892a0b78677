"""``mitobench plan``: what a run would do, without running it."""

from typing import TYPE_CHECKING, Any

import click

from mitobench.errors import MissingError, UsageError
from mitobench_cli.matrix import Request, matrix_options
from mitobench_cli.terminal import columns, discover, only_json, show, show_json

if TYPE_CHECKING:
    from mitobench.plan import Plan

__all__ = ["check_runnable", "command", "plan_data", "show_plan"]


@click.command("plan")
@matrix_options
def command(request: Request) -> None:
    """Show what a run would do, without running it.

    Every cell of the matrix gets a status: run, done (its results are in the run folder), incompatible (why), or missing
    (what to install or fetch). The same as `mitobench run --dry-run`.
    """
    show_plan(request)


def show_plan(request: Request) -> None:
    """Plan and print, touching nothing.

    Raises:
        UsageError: no cell is possible.
        MissingError: something is missing for every possible cell.
    """
    from mitobench.plan import make_plan
    from mitobench.runfolder import RunFolder
    from mitobench.weights import WeightsStore

    with only_json(request.as_json):
        plugins = discover()
        experiment = request.experiment(plugins)
        path = request.folder(experiment)
        folder = RunFolder.open(path) if (path / "run.json").exists() else None
        plan = make_plan(experiment, plugins, WeightsStore(plugins, offline=request.offline), folder=folder)
    if request.as_json:
        show_json({"run": str(path), **plan_data(plan)})
    else:
        rows = [(c.status, c.data, c.prompter, c.segmenter, f"{c.done}/{c.total}", c.reason) for c in plan.cells]
        show(columns(rows, ("STATUS", "DATA", "PROMPTER", "SEGMENTER", "IMAGES", "REASON")))
    check_runnable(plan)


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
