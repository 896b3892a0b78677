"""Label efficiency: how good a trained component is after how many annotated images.

For every training size and seed a checkpoint is trained on a random choice of the images (larger choices hold the smaller
ones), and all checkpoints are evaluated as any matrix is. Checkpoints are named by what makes them, so a sweep is resumed,
extended or changed by asking again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mitobench.components import ComponentPlan, plan_component
from mitobench.descriptors import Kind, TrainerDescriptor
from mitobench.errors import MissingError, UsageError
from mitobench.experiment import Experiment
from mitobench.hashing import hash_data
from mitobench.interfaces import DataSource
from mitobench.options import parse_options
from mitobench.plan import PlannedCell, make_plan
from mitobench.plugins import Plugins
from mitobench.specs import Spec
from mitobench.training.bases import OPTION, carrying
from mitobench.training.made_by import what_makes
from mitobench.training.steps import PlannedTraining, after_training, open_sources, plan_training
from mitobench.training.subsets import nested_subsets

if TYPE_CHECKING:
    from mitobench.weights import WeightsStore

__all__ = ["PlannedSweep", "Sweep", "SweepStep", "plan_sweep"]


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """What to train, how often, and what to evaluate it on.

    Attributes:
        trainer: which trainer, with its options.
        data: the annotated images to choose from.
        evaluate: the data sources that every checkpoint is evaluated on.
        validation: what the best weights are chosen by; none = the chosen images themselves, so that no others are used.
        prompters, segmenters, metrics: as an experiment's. Those that the trainer makes checkpoints for, and that name
            no weights, get every checkpoint in turn; the others are evaluated as they are, for comparison.
        sizes: numbers of images; None among them = all. Empty: 1, 2, 5, 10 and so on as far as there are so many, and all.
        seeds: how many seeds, counted from ``seed``; each chooses images and starts a training of its own.
        seed: the first one, and that of the evaluation.
        limit: evaluate only the first so many samples of each data source.
        equal_steps: give the smaller sizes proportionally more epochs, so that all take equally many steps.
        base: the folder that relative paths in options start from.
    """

    trainer: Spec
    data: tuple[Spec, ...]
    evaluate: tuple[Spec, ...]
    validation: tuple[Spec, ...] = ()
    prompters: tuple[Spec, ...] = ()
    segmenters: tuple[Spec, ...] = ()
    metrics: tuple[Spec, ...] = ()
    sizes: tuple[int | None, ...] = ()
    seeds: int = 3
    seed: int = 0
    limit: int | None = None
    equal_steps: bool = False
    base: Path = field(default_factory=Path.cwd)


@dataclass(frozen=True, kw_only=True, eq=False)
class SweepStep:
    """One checkpoint of a sweep: how many images, which seed, and its training."""

    size: int
    seed: int
    training: PlannedTraining


@dataclass(frozen=True, kw_only=True, eq=False)
class PlannedSweep:
    """A sweep with every training planned.

    Attributes:
        asked: the sweep.
        steps: its trainings, by seed, then size.
        trained: the prompters and segmenters that get the checkpoints.
        data: how tables show the training data.
    """

    asked: Sweep
    steps: tuple[SweepStep, ...]
    trained: tuple[Spec, ...]
    data: str

    @property
    def sizes(self) -> tuple[int, ...]:
        """The numbers of images, ascending."""
        return tuple(sorted({step.size for step in self.steps}))

    def of_seed(self, seed: int) -> tuple[SweepStep, ...]:
        """The trainings of one seed."""
        return tuple(step for step in self.steps if step.seed == seed)

    def experiment(self, steps: Sequence[SweepStep]) -> Experiment:
        """The matrix that evaluates the checkpoints of some steps."""
        asked = self.asked
        return Experiment(
            data=asked.evaluate,
            prompters=self._expanded(asked.prompters, steps),
            segmenters=self._expanded(asked.segmenters, steps),
            metrics=asked.metrics,
            seed=asked.seed,
            limit=asked.limit,
            base=asked.base,
        )

    def _expanded(self, specs: Sequence[Spec], steps: Sequence[SweepStep]) -> tuple[Spec, ...]:
        found: list[Spec] = []
        for spec in specs:
            made = [_with(spec, **{OPTION: str(step.training.out)}) for step in steps]
            found += made if spec in self.trained else [spec]
        return tuple(found)


def plan_sweep(asked: Sweep, plugins: Plugins, store: "WeightsStore", out: Path) -> PlannedSweep:
    """Open the data, choose the images, and plan every training; checkpoints lie in ``out/models``.

    Raises:
        UsageError: an unknown component or option, too many images asked for, or nothing that the trainer trains.
        DataError: a data source that cannot be opened.
        MissingError: the trainer, or what is to be evaluated, lacks something.
    """
    if asked.seeds < 1:
        raise UsageError(f"{asked.seeds} seeds; expected at least one.")
    asked, trained = _completed(asked, plugins)
    label, source = open_sources(asked.data, plugins, base=asked.base, seed=asked.seed)
    held_out: DataSource | None = None
    if asked.validation:
        held_out = open_sources(asked.validation, plugins, base=asked.base, seed=asked.seed)[1]
    sizes = asked.sizes or _usual_sizes(source)
    steps: list[SweepStep] = []
    for seed in range(asked.seed, asked.seed + asked.seeds):
        chosen = nested_subsets(source, sizes, seed)
        for size, subset in chosen.items():
            spec = _with_epochs(asked, plugins, max(chosen) / size)
            trainer = plan_component("trainer", spec, plugins, store, base=asked.base)
            if trainer.missing:
                raise MissingError(trainer.missing)
            step = _step(
                trainer,
                subset,
                subset if held_out is None else held_out,
                label=f"{size} of {label}",
                seed=seed,
                folder=out / "models",
            )
            steps.append(SweepStep(size=size, seed=seed, training=step))
    planned = PlannedSweep(asked=asked, steps=tuple(steps), trained=trained, data=label)
    _check(planned, plugins, store)
    return planned


def _step(
    trainer: ComponentPlan, subset: DataSource, validation: DataSource, *, label: str, seed: int, folder: Path
) -> PlannedTraining:
    made_by = hash_data(what_makes(trainer, subset, validation, seed))
    size = sum(1 for _ in subset.refs())
    out = folder / f"n{size:05d}-seed{seed}-{made_by[:12]}.safetensors"
    return plan_training(trainer, subset, validation, label=label, seed=seed, out=out)


def _completed(asked: Sweep, plugins: Plugins) -> tuple[Sweep, tuple[Spec, ...]]:
    """The sweep with the trained segmenter where none was named, and the components that get the checkpoints.

    These say which weights lie below as the trainer does, where they do not say it themselves.

    Raises:
        UsageError: none gets them.
    """
    trainer = plugins.find("trainer", asked.trainer).descriptor
    assert isinstance(trainer, TrainerDescriptor)  # noqa: S101  (find() returns the kind asked for)
    if not asked.segmenters:
        names = [c.descriptor.name for c in plugins.components("segmenter") if c.descriptor.name in trainer.trains]
        if not names:
            raise UsageError(f"{trainer.name} trains no segmenter; give --segmenter, such as sam:model=tiny.")
        asked = replace(asked, segmenters=(Spec(names[0]),))
    trained: list[Spec] = []

    def completed(kind: Kind, specs: tuple[Spec, ...]) -> tuple[Spec, ...]:
        found = list(specs)
        for index, spec in enumerate(specs):
            if spec.name in trainer.trains and _takes(kind, spec, plugins):
                found[index] = carrying(kind, spec, asked.trainer, plugins)
                trained.append(found[index])
        return tuple(found)

    asked = replace(
        asked,
        prompters=completed("prompter", asked.prompters),
        segmenters=completed("segmenter", asked.segmenters),
    )
    if not trained:
        named = ", ".join(str(spec) for spec in (*asked.prompters, *asked.segmenters))
        raise UsageError(
            f"none of {named} takes what {trainer.name} trains; expected a prompter or segmenter {' or '.join(trainer.trains)} without {OPTION}=."
        )
    return asked, tuple(trained)


def _takes(kind: Kind, spec: Spec, plugins: Plugins) -> bool:
    """Whether a component's options leave room for a checkpoint (``unet:model=em`` says which weights it wants)."""
    model = plugins.find(kind, spec).options_model()
    if OPTION in spec.options or OPTION not in model.model_fields:
        return False
    try:
        parse_options(model, {**spec.options, OPTION: "x.safetensors"}, owner=spec.name)
    except UsageError:
        parse_options(model, dict(spec.options), owner=spec.name)
        return False
    return True


def _usual_sizes(source: DataSource) -> tuple[int | None, ...]:
    """1, 2, 5, 10, 20, 50 ... below the number of samples, and all."""
    count = sum(1 for _ in source.refs())
    steps = [digit * 10**power for power in range(len(str(count))) for digit in (1, 2, 5)]
    return (*(size for size in steps if size < count), None)


def _with_epochs(asked: Sweep, plugins: Plugins, factor: float) -> Spec:
    """The trainer; where equal steps were asked for, with so many times its epochs."""
    model = plugins.find("trainer", asked.trainer).options_model()
    if not asked.equal_steps or "epochs" not in model.model_fields or "steps_per_epoch" in model.model_fields:
        return asked.trainer
    options: Any = parse_options(model, dict(asked.trainer.options), owner=asked.trainer.name, base=asked.base)
    if options.epochs is None:
        return asked.trainer  # time alone ends it: all train for equally long
    return _with(asked.trainer, epochs=max(1, round(options.epochs * factor)))


def _check(planned: PlannedSweep, plugins: Plugins, store: "WeightsStore") -> None:
    """Complain before anything is trained about what could not be evaluated after it.

    Raises:
        MissingError: a component lacks more than its checkpoint.
        UsageError: a combination that is not possible.
    """
    steps = planned.of_seed(planned.asked.seed)[:1]
    plan = after_training(
        make_plan(planned.experiment(steps), plugins, store), [step.training for step in steps], plugins, store
    )
    paths = {str(step.training.out) for step in steps}
    cells = [c for c in plan.cells if any(str(part.given.get(OPTION, "")) in paths for part in c.components)]
    if all(cell.status == "incompatible" for cell in cells):
        raise UsageError(f"nothing that is trained can be evaluated: {'; '.join(dict.fromkeys(_reasons(cells)))}.")
    if lacking := [cell for cell in cells if cell.status == "missing"]:
        raise MissingError(f"what is trained cannot be evaluated: {'; '.join(dict.fromkeys(_reasons(lacking)))}")


def _reasons(cells: Sequence[PlannedCell]) -> list[str]:
    return [cell.reason.rstrip(".") for cell in cells if cell.reason]


def _with(spec: Spec, **options: Any) -> Spec:
    return Spec(spec.name, {**spec.options, **options}, spec.distribution)
