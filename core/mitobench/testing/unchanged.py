"""Notice a component that writes to what it was given."""

import contextlib
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import numpy as np

from mitobench.testing.case import require

__all__ = ["unchanged"]


@contextlib.contextmanager
def unchanged(*given: Any) -> Iterator[None]:
    """Raise AssertionError where the block changed an array of these dataclasses."""
    before = [(thing, name, value.copy()) for thing in given for name, value in _arrays(thing)]
    yield
    for thing, name, copy in before:
        same = np.array_equal(getattr(thing, name), copy)
        require(same, f"{name} of the {type(thing).__name__.lower()} were overwritten; copy before writing.")


def _arrays(thing: Any) -> list[tuple[str, Any]]:
    values = [(field.name, getattr(thing, field.name)) for field in fields(thing)]
    return [(name, value) for name, value in values if isinstance(value, np.ndarray)]
