"""A component under test, and one check of it."""

import unittest
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from mitobench.descriptors import Descriptor, Kind
from mitobench.errors import MissingError
from mitobench.interfaces import BuildContext
from mitobench.options import ComponentOptions
from mitobench.plugins import Component, Plugins

__all__ = ["Case", "Check", "require"]


def require(condition: object, message: str) -> None:
    """Raise AssertionError with the message unless the condition holds."""
    if not condition:
        raise AssertionError(message)


@dataclass(frozen=True, eq=False)
class Case:
    """A component under test: how to build it, as often as a check wants.

    Attributes:
        label: its spec or class name.
        component: its descriptor and plugin.
        options: its options.
        target: its class; that of the descriptor by default.
        weights: paths by role; located in the weights cache by default.
        other_weights: another set of them, for the check that ``encoder_key`` changes with the weights.
        device: where it runs.
        plugins: what the weights cache knows of; needed where ``weights`` are not given.
    """

    label: str
    component: Component
    options: ComponentOptions
    target: Callable[..., Any] | None = None
    weights: Mapping[str, Path] | None = None
    other_weights: Mapping[str, Path] = field(default_factory=dict)
    device: str = "cpu"
    plugins: Plugins | None = None

    @property
    def kind(self) -> Kind:
        """The component's kind."""
        return self.component.descriptor.kind

    @property
    def descriptor(self) -> Descriptor:
        """The component's descriptor."""
        return self.component.descriptor

    def build(self, *, seed: int = 0, options: ComponentOptions | None = None, other_weights: bool = False) -> Any:
        """Build it anew.

        Raises:
            MissingError: a distribution or weights that are not here.
        """
        context = BuildContext(
            device=self.device, seed=seed, weights=self.other_weights if other_weights else self._paths
        )
        return (self.target or self.component.target())(options or self.options, context)

    @cached_property
    def built(self) -> Any:
        """It, built once, for checks that do not care."""
        return self.build()

    def unavailable(self) -> str:
        """Why it cannot be built here (distributions or weights that are missing), or ""."""
        if reason := self.component.missing():
            return reason
        try:
            _ = self._paths
        except MissingError as error:
            return str(error)
        return ""

    @cached_property
    def _paths(self) -> Mapping[str, Path]:
        if self.weights is not None or self.plugins is None or not self.options.weights():
            return self.weights or {}
        from mitobench.weights import WeightsStore

        located = WeightsStore(self.plugins, offline=True).locate(self.component, self.options)
        return {weights.role: weights.path for weights in located}


@dataclass(frozen=True, eq=False)
class Check:
    """One thing that a component must do. Call it; it raises AssertionError where the component does not.

    A check whose failure is expected raises ``unittest.SkipTest`` (which pytest shows as skipped, with the reason) when it
    fails, and AssertionError when it passes after all. One that needs what the case does not give is skipped.
    """

    name: str
    case: Case
    function: Callable[[Case], None]
    expected_failure: str = ""

    def __call__(self) -> None:
        """Run it."""
        if not self.expected_failure:
            self.function(self.case)
            return
        try:
            self.function(self.case)
        except unittest.SkipTest:
            raise
        except Exception as error:
            raise unittest.SkipTest(f"expected failure: {self.expected_failure} ({error})") from error
        raise AssertionError(
            f"{self}: was expected to fail ({self.expected_failure}) but passes. Remove it from expected_failures."
        )

    def __str__(self) -> str:
        return f"{self.case.label}-{self.name}"
