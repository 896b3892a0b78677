"""Which checks a component must pass."""

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mitobench.descriptors import (
    DataSourceDescriptor,
    Descriptor,
    Kind,
    MetricDescriptor,
    PrompterDescriptor,
    SegmenterDescriptor,
    TrainerDescriptor,
)
from mitobench.errors import UsageError
from mitobench.options import ComponentOptions, NoOptions, parse_options
from mitobench.plugins import Component, Plugin, Plugins
from mitobench.specs import parse_spec
from mitobench.testing import data_checks, descriptor_checks, metric_checks, prompter_checks, segmenter_checks
from mitobench.testing.case import Case, Check

__all__ = ["case", "checks", "checks_of"]

Subject = str | Callable[..., Any]
_SUITES: Mapping[Kind, tuple[Callable[[Case], None], ...]] = {
    "data": data_checks.CHECKS,
    "prompter": prompter_checks.CHECKS,
    "segmenter": segmenter_checks.CHECKS,
    "metric": metric_checks.CHECKS,
    "trainer": (),
    "reporter": (),
}
_DESCRIPTORS: Mapping[Kind, type[Descriptor]] = {
    "data": DataSourceDescriptor,
    "prompter": PrompterDescriptor,
    "segmenter": SegmenterDescriptor,
    "metric": MetricDescriptor,
    "trainer": TrainerDescriptor,
}


def checks(
    *,
    options: ComponentOptions | None = None,
    descriptor: Descriptor | None = None,
    weights: Mapping[str, Path] | None = None,
    other_weights: Mapping[str, Path] | None = None,
    device: str = "cpu",
    plugins: Plugins | None = None,
    expected_failures: Mapping[str, str] | None = None,
    **subject: Subject,
) -> list[Check]:
    """What one component must do, as a list for ``pytest.mark.parametrize("check", ..., ids=str)``.

    Args:
        subject: one of ``data=``, ``prompter=``, ``segmenter=``, ``metric=``, ``trainer=``, ``reporter=``: the spec of an
            installed component, or a class.
        options: its options; instead of those in a spec. Needed for a class unless it has none.
        descriptor: needed for a class whose descriptor says more than its name (``accepts``, ``uses_reference``).
        weights: paths by role, instead of those in the weights cache.
        other_weights: a second set, to check that ``encoder_key`` changes with the weights.
        device: where to run it.
        plugins: where specs are looked up; the installed plugins by default.
        expected_failures: reasons by check name.

    Raises:
        UsageError: not exactly one subject, or an expected failure of a check that does not exist.
    """
    if len(subject) != 1 or next(iter(subject)) not in _SUITES:
        raise UsageError(f"checks({', '.join(subject)}): expected one of {', '.join(_SUITES)}.")
    ((kind, what),) = subject.items()
    tested = case(
        kind,  # type: ignore[arg-type]
        what,
        options=options,
        descriptor=descriptor,
        weights=weights,
        other_weights=other_weights,
        device=device,
        plugins=plugins,
    )
    return checks_of(tested, expected_failures or {})


def case(
    kind: Kind,
    subject: Subject,
    *,
    options: ComponentOptions | None = None,
    descriptor: Descriptor | None = None,
    weights: Mapping[str, Path] | None = None,
    other_weights: Mapping[str, Path] | None = None,
    device: str = "cpu",
    plugins: Plugins | None = None,
) -> Case:
    """The component under test; arguments as for :func:`checks`."""
    if isinstance(subject, str):
        plugins = plugins or _installed()
        spec = parse_spec(subject)
        component = plugins.find(kind, spec)
        options = options or parse_options(component.options_model(), dict(spec.options), owner=spec.name)
        return Case(subject, component, options, None, weights, other_weights or {}, device, plugins)
    name = getattr(subject, "__name__", type(subject).__name__)
    if descriptor is None:
        if kind not in _DESCRIPTORS:
            raise UsageError(f"checks({kind}={name}): give its descriptor= too.")
        target = f"{subject.__module__}:{name}"
        descriptor = _DESCRIPTORS[kind](name=name, target=target, summary=f"{name} under test")
    plugin = Plugin("under test", subject.__module__, "under-test", "0")
    component = Component(descriptor, plugin)
    return Case(name, component, options or NoOptions(), subject, weights, other_weights or {}, device, plugins)


def checks_of(tested: Case, expected_failures: Mapping[str, str]) -> list[Check]:
    """The checks of a case: those of its descriptor, its options and its interface."""
    functions = {function.__name__: function for function in (*descriptor_checks.CHECKS, *_SUITES[tested.kind])}
    if tested.target is not None:
        functions = {n: f for n, f in functions.items() if f not in descriptor_checks.CHECKS}
    if unknown := sorted(set(expected_failures) - set(functions)):
        raise UsageError(f"expected_failures names {', '.join(unknown)}; the checks are {', '.join(functions)}.")
    return [Check(name, tested, function, expected_failures.get(name, "")) for name, function in functions.items()]


@functools.cache
def _installed() -> Plugins:
    return Plugins.discover()
