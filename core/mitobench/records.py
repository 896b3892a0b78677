"""What ``run.json`` says about a run: what was asked, resolved, and on what machine and versions it ran."""

import os
import platform
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from mitobench.checkpoints import Card, parameter_count
from mitobench.components import ComponentPlan
from mitobench.plan import Plan, PlannedCell
from mitobench.results.runfolder import RunFolder
from mitobench.results.scoring import metric_record
from mitobench.weights import LocatedWeights

__all__ = ["component_record", "installed_versions", "remember_run"]


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
            "versions": installed_versions(c for cell in plan.cells for c in cell.components),
            "git": _git_revision(),
        },
    )


def _cell_record(cell: PlannedCell, plan: Plan) -> dict[str, Any]:
    """A cell as ``run.json`` keeps it."""
    data, prompter, segmenter = cell.components
    return {
        "data": component_record(data),
        "prompter": component_record(prompter),
        "segmenter": component_record(segmenter),
        "oracle": cell.oracle,
        "seed": plan.seed,
        "total": cell.total,
        "cut": data.key in plan.cut,
    }


def component_record(component: ComponentPlan) -> dict[str, Any]:
    """A component as ``run.json`` keeps it: enough to build the same one again, and to know that it is the same."""
    return {
        "label": component.label,
        "key": component.key,
        "identity": dict(component.identity),
        "given": {name: str(value) if isinstance(value, Path) else value for name, value in component.given.items()},
        "base": str(component.base),
        "weights": [_weights_record(w, component.cards.get(w.role)) for w in component.weights],
        "trained_on": sorted(component.trained_on),
        "licence": component.licence,
        "citation": component.citation,
        "remarks": list(component.remarks),
    }


def _weights_record(weights: LocatedWeights, card: Card | None) -> dict[str, Any]:
    return {
        "role": weights.role,
        "name": weights.name,
        "sha256": weights.sha256,
        "licence": weights.licence or (card.licence if card else ""),
        "bundled": weights.bundled,
        "parameters": parameter_count(weights.path),
        "training_groups": list(card.training_groups) if card else [],
        "training_data": str(card.data.get("spec", "")) if card else "",
    }


def installed_versions(components: Iterable[ComponentPlan]) -> dict[str, str]:
    """The versions of Python, of what mitobench computes with, and of the distributions that some components come from."""
    owners = {component.reference.rpartition("/")[0] for component in components}
    wanted = {"mitobench", "numpy", "torch", *owners}
    installed = {"python": platform.python_version()}
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
