"""Whether an experiment's trainings, and what uses their checkpoints, are installed: asked first, since a training takes long."""

from collections.abc import Sequence, Set
from pathlib import Path

from mitobench.components import ComponentPlan, reference_spec
from mitobench.errors import MissingError
from mitobench.plan import Plan
from mitobench.plugins import Plugins
from mitobench.training.bases import whole
from mitobench.training.steps import PlannedTraining

__all__ = ["check_installed"]


def check_installed(steps: Sequence[PlannedTraining], plan: Plan, plugins: Plugins) -> None:
    """Complain if distributions are missing for a step that is still to be trained, or for what reads a step's checkpoint.

    Other cells that lack something are left to the runner, which leaves them out.

    Raises:
        MissingError: names every such component, what it needs and how that is installed.
    """
    made = {whole(step.out) for step in steps}
    needed = [step.trainer for step in steps if step.status == "missing"]
    needed += [c for cell in plan.with_status("missing") for c in cell.components if _reads(c, made, plugins)]
    found = [plugins.find(component.kind, reference_spec(component.reference)) for component in needed]
    lacking = dict.fromkeys(f"{c.descriptor.name} {reason}" for c in found if (reason := c.missing()))
    if lacking:
        raise MissingError(
            f"nothing was trained or run: {'; '.join(lacking)}. Install that first, or take out what needs it."
        )


def _reads(component: ComponentPlan, made: Set[Path], plugins: Plugins) -> bool:
    paths = [reference.path for reference in component.options(plugins).weights()]
    return any(path is not None and whole(path) in made for path in paths)
