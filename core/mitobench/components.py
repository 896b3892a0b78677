"""Components as a plan knows them: resolved options, located weights, identity. Nothing is built yet."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from mitobench.checkpoints import Card, read_card
from mitobench.descriptors import Kind, MetricDescriptor
from mitobench.errors import DataError, MissingError
from mitobench.hashing import hash_data, hash_file
from mitobench.interfaces import BuildContext, DataSource
from mitobench.options import ComponentOptions, parse_options
from mitobench.plugins import Component, Plugins
from mitobench.specs import Spec

if TYPE_CHECKING:
    from mitobench.weights import LocatedWeights, WeightsStore

__all__ = ["ComponentPlan", "PlannedMetric", "open_source", "plan_component", "plan_metrics", "reference_spec"]


@dataclass(frozen=True, kw_only=True)
class ComponentPlan:
    """One component with resolved options: what a worker needs to build it, and what identifies its results.

    Attributes:
        kind, reference, version: which component (``reference`` is ``distribution/name``).
        label: what tables call it: the spec with paths shortened to their last part, or the name that its options give.
        given: the options as the user gave them.
        base: the folder that relative paths in ``given`` start from.
        identity: plain data that identify its results.
        weights: the located weights files.
        trained_on: ``Sample.origin`` of the images that the weights have seen, from their cards.
        cards: the cards of the weights that have one, by role.
        licence, citation: from the descriptor.
        missing: why it cannot be built here, or "".
        remarks: what a leaderboard must say about it.
        oracle: it looks at the reference.
    """

    kind: Kind
    reference: str
    version: int
    label: str
    given: Mapping[str, Any]
    base: Path
    identity: Mapping[str, Any]
    weights: "tuple[LocatedWeights, ...]" = ()
    trained_on: frozenset[str] = frozenset()
    cards: Mapping[str, Card] = field(default_factory=dict)
    licence: str = ""
    citation: str = ""
    missing: str = ""
    remarks: tuple[str, ...] = ()
    oracle: bool = False

    @property
    def key(self) -> str:
        """A hash of the identity."""
        return hash_data(dict(self.identity))

    def options(self, plugins: Plugins) -> ComponentOptions:
        """The validated options."""
        return _options(plugins.find(self.kind, reference_spec(self.reference)), self.given, self.base)

    def build(self, plugins: Plugins, *, device: str = "cpu", seed: int = 0) -> Any:
        """Import and build the component."""
        component = plugins.find(self.kind, reference_spec(self.reference))
        context = BuildContext(device=device, seed=seed, weights={w.role: w.path for w in self.weights})
        return component.target()(self.options(plugins), context)


@dataclass(frozen=True, kw_only=True)
class PlannedMetric:
    """A metric and the key under which its columns are stored: ``name@version``.

    A foreign metric's distribution comes first, and a hash follows where options are not the default ones.
    """

    component: ComponentPlan
    key: str


def open_source(spec: Spec, plugins: Plugins, *, base: Path, seed: int = 0) -> tuple[ComponentPlan, DataSource]:
    """Plan and open a data source; its fingerprint becomes part of its identity."""
    plain = plan_component("data", spec, plugins, None, base=base)
    if plain.missing:
        raise MissingError(plain.missing)
    source: DataSource = plain.build(plugins, seed=seed)
    identity = {**plain.identity, "fingerprint": source.fingerprint}
    return replace(plain, identity=identity), source


def plan_component(
    kind: Kind, spec: Spec, plugins: Plugins, store: "WeightsStore | None", *, base: Path
) -> ComponentPlan:
    """Resolve one spec: component, options, weights. What is missing is said in ``missing``, not raised."""
    component = plugins.find(kind, spec)
    options = _options(component, spec.options, base)
    missing = component.missing()
    weights: tuple[LocatedWeights, ...] = ()
    cards: dict[str, Card] = {}
    try:
        if store is not None:
            weights = store.locate(component, options)
            cards = {w.role: read_card(w.path) for w in weights if w.path.suffix == ".safetensors"}
    except MissingError as error:
        missing = missing or str(error)
    descriptor = component.descriptor
    return ComponentPlan(
        kind=kind,
        reference=component.reference,
        version=descriptor.version,
        label=options.shown_as() or _label(spec, options.path_fields()),
        given=dict(spec.options),
        base=base,
        identity={
            "kind": kind,
            "component": component.reference,
            "version": descriptor.version,
            "options": options.identity(),
            "weights": {w.role: w.sha256 for w in weights},
            **({"files": contents} if (contents := _contents(kind, options)) else {}),
        },
        weights=weights,
        trained_on=frozenset(origin for card in cards.values() for origin in card.training_origins),
        cards=cards,
        licence=descriptor.licence,
        citation=descriptor.citation,
        missing=missing,
        remarks=options.remarks(),
        oracle=getattr(descriptor, "uses_reference", False) or options.looks_at_reference(),
    )


def plan_metrics(
    specs: tuple[Spec, ...], plugins: Plugins, store: "WeightsStore | None", *, base: Path
) -> tuple[PlannedMetric, ...]:
    """The metrics asked for, or those that are on by default."""
    chosen = specs or tuple(
        reference_spec(c.reference)
        for c in plugins.components("metric")
        if isinstance(c.descriptor, MetricDescriptor) and c.descriptor.default
    )
    planned: dict[str, PlannedMetric] = {}
    for spec in chosen:
        component = plan_component("metric", spec, plugins, store, base=base)
        if component.missing:
            raise MissingError(component.missing)
        default = plan_component("metric", Spec(spec.name, {}, spec.distribution), plugins, store, base=base)
        suffix = "" if default.key == component.key else f"#{component.key[:8]}"
        key = f"{component.reference.removeprefix('mitobench/')}@{component.version}{suffix}"
        planned[key] = PlannedMetric(component=component, key=key)
    return tuple(planned.values())


def reference_spec(reference: str) -> Spec:
    """The spec, without options, of ``distribution/name``."""
    distribution, _, name = reference.rpartition("/")
    return Spec(name, {}, distribution)


def _contents(kind: Kind, options: ComponentOptions) -> dict[str, list[list[str]]]:
    """What the files hold that path options name, but for weights (known by their own hash) and data (by fingerprint)."""
    if kind == "data":
        return {}
    weights = {reference.path for reference in options.weights()}
    paths = {name: getattr(options, name) for name in sorted(options.path_fields() - options.not_identity)}
    return {name: _files(path) for name, path in paths.items() if isinstance(path, Path) and path not in weights}


def _files(path: Path) -> list[list[str]]:
    """Name and content hash of a file, or of every file below a folder."""
    try:
        if path.is_dir():
            return [[str(f.relative_to(path)), hash_file(f)] for f in sorted(path.rglob("*")) if f.is_file()]
        return [[path.name, hash_file(path)]]
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}).") from None


def _options(component: Component, given: Mapping[str, Any], base: Path) -> ComponentOptions:
    model = component.options_model()
    options: ComponentOptions = parse_options(model, dict(given), owner=component.descriptor.name, base=base)
    return options


def _label(spec: Spec, paths: frozenset[str]) -> str:
    shown = {key: PurePath(str(value)).name or value if key in paths else value for key, value in spec.options.items()}
    return str(Spec(spec.name, shown, "" if spec.distribution == "mitobench" else spec.distribution))
