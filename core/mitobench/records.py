"""What ``run.json`` says about a run: what was asked, resolved, and on what machine and versions it ran."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from mitobench.components import ComponentPlan
from mitobench.plan import Plan, PlannedCell
from mitobench.runfolder import RunFolder
from mitobench.scoring import metric_record

__all__ = ["remember_run"]


def remember_run(plan: Plan, folder: RunFolder, **settings: Any) -> None:
    """Write into ``run.json`` what was asked, resolved, and on what machine and versions it runs."""
    folder.remember(
        cells={cell.key: _cell_record(cell, plan) for cell in plan.cells if cell.status in ("run", "done")},
        metrics={metric.key: metric_record(metric) for metric in plan.metrics},
        request={
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "cells": [c.key for c in plan.cells],
            "seed": plan.seed,
            "limit": plan.limit,
            "settings": settings,
            "machine": {"system": platform.platform(), "processor": platform.processor(), "cores": os.cpu_count()},
            "versions": {"python": platform.python_version(), **_versions(plan)},
            "git": _git_revision(),
        },
    )


def _cell_record(cell: PlannedCell, plan: Plan) -> dict[str, Any]:
    """A cell as ``run.json`` keeps it."""
    data, prompter, segmenter = cell.components
    return {
        "data": _component_record(data),
        "prompter": _component_record(prompter),
        "segmenter": _component_record(segmenter),
        "oracle": cell.oracle,
        "seed": plan.seed,
        "total": cell.total,
    }


def _component_record(component: ComponentPlan) -> dict[str, Any]:
    return {
        "label": component.label,
        "key": component.key,
        "identity": dict(component.identity),
        "given": {name: str(value) if isinstance(value, Path) else value for name, value in component.given.items()},
        "base": str(component.base),
        "weights": [{"role": w.role, "name": w.name, "sha256": w.sha256} for w in component.weights],
        "trained_on": sorted(component.trained_on),
        "licence": component.licence,
        "citation": component.citation,
    }


def _versions(plan: Plan) -> dict[str, str]:
    owners = {c.reference.rpartition("/")[0] for cell in plan.cells for c in cell.components}
    wanted = {"mitobench", "numpy", "torch", *owners}
    installed = {}
    for name in sorted(wanted):
        try:
            installed[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return installed


def _git_revision() -> str:
    """The revision of the working tree that the command was typed in, or ""."""
    try:
        found = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=False)  # noqa: S607
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return found.stdout.strip() if found.returncode == 0 else ""
