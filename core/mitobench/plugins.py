"""The one place that knows pluggy: finds plugins, isolates the broken ones, and answers what components there are."""

import contextlib
import importlib
import importlib.metadata
import io
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, cast

import pluggy

from mitobench import hookspecs
from mitobench.compilers import keep_compilers_apart
from mitobench.descriptors import (
    DataSourceDescriptor,
    Descriptor,
    Kind,
    MetricDescriptor,
    PrompterDescriptor,
    ReporterDescriptor,
    SegmenterDescriptor,
    TrainerDescriptor,
)
from mitobench.errors import MissingError, UsageError
from mitobench.specs import Spec

__all__ = ["DISABLE_VARIABLE", "KINDS", "Component", "Plugin", "Plugins"]

DISABLE_VARIABLE = "MITOBENCH_DISABLE_PLUGINS"
_GROUP = "mitobench"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
_TARGET = re.compile(r"[\w.]+:\w+")
_OTHER_TOOLS = " Results of other tools join as label images: predictions:folder=DIR,name=..."
_Result = TypeVar("_Result")
_HOOKS: Mapping[Kind, tuple[str, type[Descriptor]]] = {
    "data": ("mitobench_data_sources", DataSourceDescriptor),
    "prompter": ("mitobench_prompters", PrompterDescriptor),
    "segmenter": ("mitobench_segmenters", SegmenterDescriptor),
    "metric": ("mitobench_metrics", MetricDescriptor),
    "trainer": ("mitobench_trainers", TrainerDescriptor),
    "reporter": ("mitobench_reporters", ReporterDescriptor),
}
KINDS: tuple[Kind, ...] = tuple(_HOOKS)


@dataclass(frozen=True)
class Plugin:
    """One entry point that was found.

    Attributes:
        name: the entry point's name.
        module: what it points to.
        distribution, version: who ships it.
        error: what failed while it was imported or asked, in one line; "" where it works.
        disabled: filtered out by ``MITOBENCH_DISABLE_PLUGINS`` before it was imported.
    """

    name: str
    module: str
    distribution: str
    version: str
    error: str = ""
    disabled: bool = False


@dataclass(frozen=True)
class Component:
    """A descriptor with the plugin that offers it."""

    descriptor: Descriptor
    plugin: Plugin

    @property
    def reference(self) -> str:
        """``distribution/name``, which is never ambiguous."""
        return f"{self.plugin.distribution}/{self.descriptor.name}"

    def missing(self) -> str:
        """Why it cannot be built here, from distribution metadata alone; "" if nothing is missing."""
        from packaging.requirements import InvalidRequirement, Requirement

        for text in self.descriptor.requires:
            try:
                requirement = Requirement(text)
            except InvalidRequirement:
                return f"needs {text!r}, which is not a requirement that can be read (tell the authors of {self.plugin.distribution})"
            if requirement.marker is not None and not requirement.marker.evaluate():
                continue
            hint = f"; {self.descriptor.install}" if self.descriptor.install else ""
            try:
                found = importlib.metadata.version(requirement.name)
            except importlib.metadata.PackageNotFoundError:
                return f"needs {text}, which is not installed{hint}"
            if not requirement.specifier.contains(found, prereleases=True):
                return f"needs {text} but {found} is installed{hint}"
        return ""

    def options_model(self) -> Any:
        """The options model, imported now."""
        return self._resolve(self.descriptor.options)

    def target(self) -> Any:
        """The component's class, imported now.

        Raises:
            MissingError: a distribution is missing, or the import fails (naming the plugin and why).
        """
        if reason := self.missing():
            raise MissingError(f"{self.descriptor.kind} {self.descriptor.name!r} {reason}.")
        return self._resolve(self.descriptor.target)

    def _resolve(self, path: str) -> Any:
        module, _, attribute = path.partition(":")
        keep_compilers_apart()
        try:
            return getattr(importlib.import_module(module), attribute)
        except (Exception, SystemExit) as error:
            raise MissingError(
                f"plugin {self.plugin.name!r} of {self.plugin.distribution}: {path} cannot be imported ({_one_line(error)})."
            ) from error


class Plugins:
    """Every plugin that was found and what the working ones offer.

    A plugin that raises, exits or prints while it is imported or asked costs one warning and its own components.

    Attributes:
        found: every entry point, working or not, sorted by distribution and name.
        warnings: one line each, for stderr.
    """

    def __init__(self, entry_points: Iterable[importlib.metadata.EntryPoint], *, disabled: Iterable[str] = ()) -> None:
        self.found: list[Plugin] = []
        self.warnings: list[str] = []
        self._failures: dict[str, str] = {}
        self._components: dict[Kind, list[Component]] = {kind: [] for kind in KINDS}
        self._manager = pluggy.PluginManager(_GROUP)
        self._manager.add_hookspecs(hookspecs)
        blocked = set(disabled)
        for point in sorted(entry_points, key=lambda p: (p.dist.name if p.dist else "", p.name)):
            self.found.append(self._load(point, blocked))

    @classmethod
    def discover(cls) -> "Plugins":
        """Load the plugins of every installed distribution but those named in ``MITOBENCH_DISABLE_PLUGINS``."""
        blocked = [name.strip() for name in os.environ.get(DISABLE_VARIABLE, "").split(",") if name.strip()]
        return cls(importlib.metadata.entry_points(group=_GROUP), disabled=blocked)

    def components(self, kind: Kind) -> list[Component]:
        """All components of one kind, clashing ones included, by name."""
        return sorted(self._components[kind], key=lambda c: (c.descriptor.name, c.plugin.distribution))

    def find(self, kind: Kind, spec: Spec | str) -> Component:
        """The component that a spec names.

        Raises:
            UsageError: unknown name (with a suggestion), or a name that two distributions claim.
        """
        from mitobench.options import suggest

        wanted = Spec(spec) if isinstance(spec, str) else spec
        owners = [
            c
            for c in self._components[kind]
            if c.descriptor.name == wanted.name and wanted.distribution in ("", c.plugin.distribution)
        ]
        if not owners:
            names = sorted({c.descriptor.name for c in self._components[kind]})
            broken = "".join(
                f" Plugin {p.name!r} of {p.distribution} did not load ({p.error})." for p in self.found if p.error
            )
            known = ", ".join(names) or "none"
            meant = _as_path(kind, wanted.reference) or suggest(wanted.name, names)
            other = _OTHER_TOOLS if kind == "segmenter" and "predictions" in names else ""
            raise UsageError(f"unknown {kind} {wanted.reference!r}.{meant} Known: {known}.{broken}{other}")
        if len(owners) > 1:
            both = " and ".join(c.reference for c in owners)
            raise UsageError(f"{kind} {wanted.name!r} is offered by {both}; name one of them in full.")
        return owners[0]

    def notify(self, hook: str, **arguments: Any) -> None:
        """Tell every observer; one that fails is warned about and ignored."""
        for plugin, function in self._implementations(hook):
            self._guard(plugin, hook, lambda call=function: call(**arguments))  # type: ignore[misc]

    def _load(self, point: importlib.metadata.EntryPoint, blocked: set[str]) -> Plugin:
        distribution = point.dist.name if point.dist else "?"
        version = point.dist.version if point.dist else "?"
        plugin = Plugin(point.name, point.value, distribution, version)
        if blocked & {point.name, distribution, f"{distribution}/{point.name}"}:
            return replace(plugin, disabled=True)
        key = f"{distribution}/{point.name}"
        self._guard(plugin, "import", lambda: self._register(point, key))
        if self._manager.has_plugin(key):
            self._collect(plugin, key)
        return replace(plugin, error=self._failures.get(key, ""))

    def _register(self, point: importlib.metadata.EntryPoint, key: str) -> None:
        module = point.load()
        self._manager.register(module, name=key)
        try:
            self._manager.check_pending()
        except pluggy.PluginValidationError:
            self._manager.unregister(name=key)
            raise

    def _collect(self, plugin: Plugin, key: str) -> None:
        for kind, (hook, expected) in _HOOKS.items():
            for owner, function in self._implementations(hook):
                if owner != key:
                    continue
                offered = self._guard(plugin, hook, lambda call=function: list(call())) or []  # type: ignore[misc]
                for descriptor in offered:
                    if problem := _problem(descriptor, expected):
                        self._fail(plugin, f"{hook} returned {problem}")
                    else:
                        self._components[kind].append(Component(descriptor, plugin))

    def _implementations(self, hook: str) -> list[tuple[str, Callable[..., Any]]]:
        caller = getattr(self._manager.hook, hook)
        return [(implementation.plugin_name, _by_name(implementation)) for implementation in caller.get_hookimpls()]

    def _guard(self, plugin: "Plugin | str", doing: str, call: Callable[[], _Result]) -> _Result | None:
        printed = io.StringIO()
        try:
            with contextlib.redirect_stdout(printed):
                return call()
        except (Exception, SystemExit) as error:
            self._fail(plugin, f"{doing} failed ({_one_line(error)})")
            return None
        finally:
            if printed.getvalue().strip():
                self._warn(plugin, f"{doing} printed to stdout ({printed.getvalue().strip().splitlines()[0][:80]!r})")

    def _fail(self, plugin: "Plugin | str", what: str) -> None:
        self._failures.setdefault(_key(plugin), what)
        self._warn(plugin, what)

    def _warn(self, plugin: "Plugin | str", what: str) -> None:
        self.warnings.append(f"plugin {_key(plugin)}: {what}")


def _key(plugin: "Plugin | str") -> str:
    return plugin if isinstance(plugin, str) else f"{plugin.distribution}/{plugin.name}"


def _as_path(kind: Kind, name: str) -> str:
    """How data are given that lie at a path that was taken for a name; "" where nothing is there."""
    path = Path(name)
    try:
        if kind != "data" or not path.exists():
            return ""
    except OSError:  # longer than any path can be
        return ""
    if not path.is_dir():
        return " It is a file: give it as an option of the data source that reads it (see `mitobench list data`)."
    if all((path / part).is_dir() for part in ("images", "labels")):
        return f" It is a folder with images and labels: say {Spec('folder', {'root': name})}."
    return f" It is a folder: say {Spec('folder', {'images': name})},labels=LABELS, where LABELS is the folder of label images."


def _problem(descriptor: Any, expected: type[Descriptor]) -> str:
    """What is wrong with what a hook returned, or ""."""
    if not isinstance(descriptor, expected):
        return f"{type(descriptor).__name__}, expected {expected.__name__}"
    if not isinstance(descriptor.name, str) or not _NAME.fullmatch(descriptor.name):
        return f"the name {descriptor.name!r}, expected letters, digits and ._+-"
    for path in (descriptor.target, descriptor.options):
        if not isinstance(path, str) or not _TARGET.fullmatch(path):
            return f"{path!r} for {descriptor.name!r}, expected 'package.module:Class'"
    return ""


def _by_name(implementation: Any) -> Callable[..., Any]:
    """Call a hook implementation with just the arguments that it declares, as pluggy does."""
    wanted = implementation.argnames
    return cast("Callable[..., Any]", lambda **given: implementation.function(**{name: given[name] for name in wanted}))


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
