"""Training steps: checkpoints that are made before a matrix runs, unless they are there and were made as asked."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mitobench.components import ComponentPlan, open_source, plan_component, reference_spec
from mitobench.errors import DataError, MissingError, UsageError
from mitobench.experiment import Experiment, TrainingStep
from mitobench.files import write_atomically
from mitobench.interfaces import DataSource, TrainingEvent, TrainingRequest, TrainingResult
from mitobench.plan import Plan, PlannedCell, make_plan
from mitobench.plugins import Plugins
from mitobench.specs import Spec
from mitobench.training.bases import on_their_bases, whole
from mitobench.training.combined import CombinedSource
from mitobench.training.loop import resume_path
from mitobench.training.made_by import TrainingStatus, note_beside, state_of, what_makes

if TYPE_CHECKING:
    from mitobench.results.runfolder import RunFolder
    from mitobench.weights import WeightsStore

__all__ = [
    "PlannedTraining",
    "after_training",
    "check_step",
    "open_sources",
    "plan_experiment",
    "plan_step",
    "plan_steps",
    "plan_training",
    "train",
]


@dataclass(frozen=True, kw_only=True, eq=False)
class PlannedTraining:
    """A checkpoint to make, as far as it is known before it is made.

    Attributes:
        out: where it will lie, or lies.
        trainer: the trainer with resolved options.
        training, validation: the opened data sources.
        data: how tables show the training data.
        samples: how many there are to learn from.
        seed: of everything random.
        made_by: plain data that identify the checkpoint: trainer, data, seed.
        status, reason: ``train``; ``resume`` where an unfinished training goes on; ``done`` where the checkpoint is there;
            ``differs`` where it, or its unfinished state, was made otherwise; ``missing`` where it is not done and the trainer
            lacks something.
    """

    out: Path
    trainer: ComponentPlan
    training: DataSource
    validation: DataSource | None
    data: str
    samples: int
    seed: int
    made_by: Mapping[str, Any]
    status: TrainingStatus
    reason: str = ""

    @property
    def to_do(self) -> bool:
        """Whether there is something to train."""
        return self.status in ("train", "resume")


def plan_experiment(
    experiment: Experiment, plugins: Plugins, store: "WeightsStore", *, folder: "RunFolder | None" = None
) -> tuple[tuple[PlannedTraining, ...], Plan]:
    """Plan an experiment's training steps, and its matrix as it will be after them; see :func:`mitobench.plan.make_plan`.

    Raises:
        UsageError: an unknown component or option, or nothing to run.
        DataError: a data source that cannot be opened; says where the data are to be had if the experiment does.
    """
    try:
        steps = plan_steps(experiment, plugins, store)
        trainers = {out: experiment.train[number - 1].trainer for out, number in _pending(steps).items()}
        plan = make_plan(on_their_bases(experiment, trainers, plugins), plugins, store, folder=folder)
    except DataError as error:
        if not experiment.data_from:
            raise
        raise DataError(f"{str(error).rstrip('.')}. Where the data are to be had: {experiment.data_from}") from error
    return steps, after_training(plan, steps, plugins, store)


def plan_steps(experiment: Experiment, plugins: Plugins, store: "WeightsStore") -> tuple[PlannedTraining, ...]:
    """Plan the training steps of an experiment in their order; a later one may start from what an earlier one writes.

    Raises:
        UsageError: an unknown component or option, or two steps that write one file.
        DataError: a data source that cannot be opened.
    """
    planned: list[PlannedTraining] = []
    for number, step in enumerate(experiment.train, start=1):
        if step.out in [p.out for p in planned]:
            raise UsageError(f"training step {number} writes {step.out}, as an earlier one does; give it another out.")
        pending = _pending(planned)
        planned.append(plan_step(step, experiment, plugins, store, pending=pending))
    return tuple(planned)


def plan_step(
    step: TrainingStep,
    experiment: Experiment,
    plugins: Plugins,
    store: "WeightsStore",
    *,
    pending: Mapping[Path, int] | None = None,
) -> PlannedTraining:
    """Plan one training step of an experiment; ``pending`` are checkpoints that earlier steps, by number, have yet to write."""
    seed = experiment.seed if step.seed is None else step.seed
    trainer = plan_component("trainer", step.trainer, plugins, store, base=experiment.base)
    label, training = open_sources(step.data, plugins, base=experiment.base, seed=seed)
    held_out = open_sources(step.validation, plugins, base=experiment.base, seed=seed)[1] if step.validation else None
    planned = plan_training(trainer, training, held_out, label=label, seed=seed, out=step.out)
    if planned.status == "missing":
        first = _awaited(trainer, pending or {}, plugins, store)
        if first is not None:
            return replace(
                planned, status="train", reason=f"after training step {first}, from whose checkpoint it starts"
            )
    return planned


def open_sources(specs: Sequence[Spec], plugins: Plugins, *, base: Path, seed: int) -> tuple[str, DataSource]:
    """Open data sources as one; returns how tables show it, and it."""
    opened = [open_source(spec, plugins, base=base, seed=seed) for spec in specs]
    source = opened[0][1] if len(opened) == 1 else CombinedSource([source for _, source in opened])
    return " + ".join(described.label for described, _ in opened), source


def plan_training(
    trainer: ComponentPlan, training: DataSource, validation: DataSource | None, *, label: str, seed: int, out: Path
) -> PlannedTraining:
    """Say what identifies a training and what there is of it at ``out``."""
    made_by = what_makes(trainer, training, validation, seed)
    status, reason = state_of(out, made_by)
    if trainer.missing and status != "done":
        status, reason = "missing", trainer.missing
    return PlannedTraining(
        out=out,
        trainer=trainer,
        training=training,
        validation=validation,
        data=label,
        samples=sum(1 for _ in training.refs()),
        seed=seed,
        made_by=made_by,
        status=status,
        reason=reason,
    )


def check_step(planned: PlannedTraining, *, retrain: bool) -> None:
    """Complain about what cannot be trained, or must not be without being asked for.

    Raises:
        UsageError: what lies at ``out`` was made otherwise, and ``retrain`` does not allow to replace it.
        MissingError: the trainer lacks something.
    """
    if planned.status == "missing":
        raise MissingError(planned.reason)
    if planned.status == "differs" and not retrain:
        raise UsageError(
            f"{planned.reason}. Train it again with --retrain, write it elsewhere (another out, or another --out), or ask for what it was made with."
        )


def train(
    planned: PlannedTraining,
    plugins: Plugins,
    *,
    device: str = "auto",
    resume: bool = True,
    report: Callable[[TrainingEvent], None] = lambda _event: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> TrainingResult:
    """Train now, whatever lies at ``out``.

    Args:
        planned: what.
        plugins: where the trainer is.
        device: for the trainer.
        resume: go on from the unfinished state that may lie beside ``out``; False deletes it and begins anew.
        report, should_stop: as a :class:`TrainingRequest` has them.

    Raises:
        MissingError: the trainer lacks something.
        DataError: the data cannot be learnt from.
    """
    if planned.trainer.missing:
        raise MissingError(planned.trainer.missing)
    built = planned.trainer.build(plugins, device=device, seed=planned.seed)
    _begin(planned, resume=resume)
    request = TrainingRequest(
        training=planned.training,
        validation=planned.validation,
        out=planned.out,
        data={
            "spec": planned.data,
            "fingerprint": planned.training.fingerprint,
            "samples": planned.samples,
            "made_by": dict(planned.made_by),
        },
        resume=resume,
        report=report,
        should_stop=should_stop,
    )
    try:
        result: TrainingResult = built.train(request)
    finally:
        if not resume_path(planned.out).exists():
            # finished, or failed before there was anything to go on from
            note_beside(planned.out).unlink(missing_ok=True)
    return result


def _begin(planned: PlannedTraining, *, resume: bool) -> None:
    """Say beside ``out`` what is trained there now; what the unfinished state to go on from is a training of stays said."""
    state, note = resume_path(planned.out), note_beside(planned.out)
    if not resume:
        state.unlink(missing_ok=True)
    if not (state.exists() and note.exists()):
        write_atomically(note, json.dumps(planned.made_by, indent=1, sort_keys=True).encode())


def after_training(plan: Plan, steps: Sequence[PlannedTraining], plugins: Plugins, store: "WeightsStore") -> Plan:
    """The plan as it will be when the steps are done: cells that lack only what will be trained are to be run."""
    pending = _pending(steps)
    cells = tuple(_cell_after(cell, pending, steps, plugins, store) for cell in plan.cells)
    return replace(plan, cells=cells)


def _cell_after(
    cell: PlannedCell,
    pending: Mapping[Path, int],
    steps: Sequence[PlannedTraining],
    plugins: Plugins,
    store: "WeightsStore",
) -> PlannedCell:
    if cell.status != "missing":
        return cell
    numbers: set[int] = set()
    reasons: list[str] = []
    for component in (c for c in cell.components if c.missing):
        number = _awaited(component, pending, plugins, store)
        if number is None:
            reasons.append(component.missing)
        elif steps[number - 1].status == "missing":
            reasons.append(f"training step {number} cannot run: {steps[number - 1].reason}")
        else:
            numbers.add(number)
    if reasons:
        return replace(cell, reason="; ".join(dict.fromkeys(reasons)))
    return replace(cell, status="run", reason=f"trained first, in step {' and '.join(map(str, sorted(numbers)))}")


def _pending(steps: Sequence[PlannedTraining]) -> dict[Path, int]:
    """The checkpoints that steps, by number, have yet to write."""
    return {whole(step.out): number for number, step in enumerate(steps, start=1) if step.status != "done"}


def _awaited(
    component: ComponentPlan, pending: Mapping[Path, int], plugins: Plugins, store: "WeightsStore"
) -> int | None:
    """The step whose checkpoint is all that the component lacks, or None where it lacks something else (too)."""
    if plugins.find(component.kind, reference_spec(component.reference)).missing():
        return None
    references = component.options(plugins).weights()
    steps = [pending[whole(r.path)] for r in references if r.path is not None and whole(r.path) in pending]
    others = [r for r in references if r.path is None or whole(r.path) not in pending]
    here = {entry.file.name for entry in store.entries() if entry.state != "absent"}
    lacks = any(not r.path.is_file() if r.path is not None else r.name not in here for r in others)
    return max(steps) if steps and not lacks else None
