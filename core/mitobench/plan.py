"""The planner: expands an experiment into cells and says of each whether it runs, is done, cannot run, or lacks something.

It reads descriptors, options, file headers and hashes; it builds no prompter and no segmenter.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

from mitobench.components import ComponentPlan, PlannedMetric, open_source, plan_component, plan_metrics, reference_spec
from mitobench.descriptors import PrompterDescriptor, SegmenterDescriptor
from mitobench.errors import UsageError
from mitobench.hashing import hash_data
from mitobench.interfaces import DataSource
from mitobench.plugins import Plugins
from mitobench.samples import SampleRef
from mitobench.specs import Spec

if TYPE_CHECKING:
    from mitobench.experiment import Experiment
    from mitobench.results.runfolder import RunFolder
    from mitobench.weights import WeightsStore

__all__ = [
    "ComponentPlan",
    "Plan",
    "PlannedCell",
    "PlannedMetric",
    "cell_key",
    "make_plan",
    "mismatch",
    "open_source",
    "plan_component",
]

SCHEMA = 1
Status = Literal["run", "done", "incompatible", "missing"]


@dataclass(frozen=True, kw_only=True)
class PlannedCell:
    """One (data source, prompter, segmenter) combination.

    Attributes:
        key: identifies its results; changes with any component's name, version, options or weights, with the data and
            with the seed.
        components: data source, prompter and segmenter.
        oracle: the prompter or the segmenter looks at the reference.
        status, reason: what will happen, and why where that is not "run".
        done, total: images that are stored and asked for.
    """

    key: str
    components: tuple[ComponentPlan, ComponentPlan, ComponentPlan]
    oracle: bool
    status: Status
    reason: str = ""
    done: int = 0
    total: int = 0

    @property
    def data(self) -> str:
        """The data source's label."""
        return self.components[0].label

    @property
    def prompter(self) -> str:
        """The prompter's label."""
        return self.components[1].label

    @property
    def segmenter(self) -> str:
        """The segmenter's label."""
        return self.components[2].label


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """The expanded matrix.

    Attributes:
        cells: in the order asked for: by data source, segmenter, prompter.
        metrics: what every cell is scored with.
        sources: the opened data sources by their component key.
        seed, limit: as asked.
        cut: keys of the data sources that hold more samples than the limit.
    """

    cells: tuple[PlannedCell, ...]
    metrics: tuple[PlannedMetric, ...]
    sources: Mapping[str, DataSource] = field(repr=False)
    seed: int = 0
    limit: int | None = None
    cut: frozenset[str] = frozenset()

    def refs(self, data_key: str) -> Iterator[SampleRef]:
        """The samples of one data source, up to the limit."""
        return islice(self.sources[data_key].refs(), self.limit)

    def stored(self, cell: PlannedCell, folder: "RunFolder") -> int:
        """How many of the images asked for went through the cell and are scored by every metric, as a run holds them."""
        finished = folder.finished(cell.key, [m.key for m in self.metrics])
        if self.limit is None or not finished:
            return min(len(finished), cell.total)
        return sum(ref.id in finished for ref in self.refs(cell.components[0].key))

    def with_status(self, status: Status) -> tuple[PlannedCell, ...]:
        """The cells of one status."""
        return tuple(cell for cell in self.cells if cell.status == status)


def make_plan(
    experiment: "Experiment", plugins: Plugins, store: "WeightsStore", *, folder: "RunFolder | None" = None
) -> Plan:
    """Expand an experiment.

    Args:
        experiment: what was asked.
        plugins: what components there are.
        store: where weights are looked up (nothing is fetched).
        folder: a run whose stored results count as done.

    Raises:
        UsageError: an unknown component or option, or nothing to run.
        DataError: a data source that cannot be opened.
    """
    if not experiment.data or not experiment.segmenters:
        raise UsageError("an experiment needs at least one data source and one segmenter; give --data and --segmenter.")
    sources: dict[str, DataSource] = {}
    data_plans: list[ComponentPlan] = []
    for spec in experiment.data:
        data_plan, source = open_source(spec, plugins, base=experiment.base, seed=experiment.seed)
        if data_plan.key not in sources:
            sources[data_plan.key] = source
            data_plans.append(data_plan)
    prompters = _unique(
        plan_component("prompter", s, plugins, store, base=experiment.base) for s in experiment.prompters
    )
    segmenters = _unique(
        plan_component("segmenter", s, plugins, store, base=experiment.base) for s in experiment.segmenters
    )
    metrics = plan_metrics(experiment.metrics, plugins, store, base=experiment.base)
    most = experiment.limit
    counted = None if most is None else most + 1
    counts = {key: sum(1 for _ in islice(source.refs(), counted)) for key, source in sources.items()}
    totals = {key: count if most is None else min(count, most) for key, count in counts.items()}
    unprompted = plan_component("prompter", Spec("none", {}, "mitobench"), plugins, store, base=experiment.base)
    cells: dict[str, PlannedCell] = {}
    for data_plan in data_plans:
        for segmenter in segmenters:
            for prompter in _prompters_for(segmenter, prompters, unprompted, plugins):
                cell = _cell((data_plan, prompter, segmenter), plugins, experiment.seed, totals[data_plan.key])
                cells.setdefault(cell.key + "".join(map(_absent, cell.components)), cell)
    plan = Plan(
        cells=tuple(cells.values()),
        metrics=metrics,
        sources=sources,
        seed=experiment.seed,
        limit=most,
        cut=frozenset(key for key, count in counts.items() if count > totals[key]),
    )
    return plan if folder is None else replace(plan, cells=tuple(_with_progress(c, plan, folder) for c in plan.cells))


def cell_key(seed: int, identities: Sequence[Mapping[str, Any]]) -> str:
    """The key of a cell from the seed and the identities of its data source, prompter and segmenter."""
    return hash_data({"schema": SCHEMA, "seed": seed, "components": [dict(identity) for identity in identities]})


def _prompters_for(
    segmenter: ComponentPlan, asked: list[ComponentPlan], unprompted: ComponentPlan, plugins: Plugins
) -> list[ComponentPlan]:
    """A segmenter that takes no prompts runs once, without a prompter, whatever prompters were asked for."""
    promptable = bool(_segmenter(segmenter, plugins).accepts)
    return asked or [unprompted] if promptable else [unprompted]


def _cell(
    components: tuple[ComponentPlan, ComponentPlan, ComponentPlan], plugins: Plugins, seed: int, total: int
) -> PlannedCell:
    _, prompter, segmenter = components
    oracle = prompter.oracle or segmenter.oracle
    key = cell_key(seed, [c.identity for c in components])
    missing = "; ".join(c.missing for c in components if c.missing)
    reason = mismatch(prompter, segmenter, plugins)
    status: Status = "incompatible" if reason else "missing" if missing else "run"
    return PlannedCell(
        key=key, components=components, oracle=oracle, status=status, reason=reason or missing, total=total
    )


def mismatch(prompter: ComponentPlan, segmenter: ComponentPlan, plugins: Plugins) -> str:
    """Why a segmenter cannot use a prompter's prompts, or ""."""
    described = plugins.find("prompter", reference_spec(prompter.reference)).descriptor
    assert isinstance(described, PrompterDescriptor)  # noqa: S101  (find() returns the kind asked for)
    narrowed = prompter.options(plugins).emits()
    emits = described.emits if narrowed is None else narrowed
    accepts = _segmenter(segmenter, plugins).accepts
    if not accepts:
        return ""
    if not emits:
        return f"{segmenter.label} needs prompts and {prompter.label} emits none; give a --prompter"
    if refused := emits - accepts:
        return f"{prompter.label} emits {', '.join(sorted(refused))} prompts, {segmenter.label} accepts only {', '.join(sorted(accepts))}"
    return ""


def _segmenter(planned: ComponentPlan, plugins: Plugins) -> SegmenterDescriptor:
    descriptor = plugins.find("segmenter", reference_spec(planned.reference)).descriptor
    assert isinstance(descriptor, SegmenterDescriptor)  # noqa: S101  (find() returns the kind asked for)
    return descriptor


def _with_progress(cell: PlannedCell, plan: Plan, folder: "RunFolder") -> PlannedCell:
    if cell.status in ("incompatible", "missing"):
        return cell
    done = plan.stored(cell, folder)
    return replace(cell, done=done, status="done" if done == cell.total and cell.total else "run")


def _unique(plans: Iterator[ComponentPlan]) -> list[ComponentPlan]:
    return list({plan.key + _absent(plan): plan for plan in plans}.values())


def _absent(plan: ComponentPlan) -> str:
    """What tells components apart whose files are not there to be hashed: how they were given."""
    return f"{plan.missing} {dict(plan.given)}" if plan.missing else ""
