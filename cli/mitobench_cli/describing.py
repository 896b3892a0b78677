"""Components in words: what ``mitobench info`` and the generated documentation say about one."""

import types
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

if TYPE_CHECKING:
    from mitobench.plugins import Component

__all__ = ["OptionInfo", "capabilities", "options_of", "type_text"]

_NAMES = {str: "text", Path: "path", int: "integer", float: "number", bool: "true or false", type(None): "nothing"}
_BOUNDS = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}


@dataclass(frozen=True, kw_only=True)
class OptionInfo:
    """One option: its name, what it takes, its default as one would type it, and what it does."""

    name: str
    type: str
    default: str
    description: str


def options_of(component: "Component") -> list[OptionInfo]:
    """The options of a component, in the model's order.

    Raises:
        MissingError: the options model cannot be imported.
    """
    model = component.options_model()
    found = []
    for name, field in model.model_fields.items():
        bounds = [
            f"{word} {getattr(item, bound):g}"
            for item in field.metadata
            for bound, word in _BOUNDS.items()
            if isinstance(getattr(item, bound, None), int | float)
        ]
        default = "required" if field.is_required() else _default_text(field.get_default(call_default_factory=True))
        found.append(
            OptionInfo(
                name=name,
                type=", ".join([type_text(field.annotation), *bounds]),
                default=default,
                description=field.description or "",
            )
        )
    return found


def capabilities(component: "Component") -> list[tuple[str, str]]:
    """What the planner knows of a component beside its options, as (title, text)."""
    descriptor = component.descriptor
    facts: list[tuple[str, str]] = []
    for attribute, title in (("emits", "emits"), ("accepts", "accepts")):
        if hasattr(descriptor, attribute):
            facts.append((title, ", ".join(sorted(getattr(descriptor, attribute))) or "no prompts"))
    if getattr(descriptor, "uses_reference", False):
        facts.append(("oracle", "it looks at the reference"))
    if hasattr(descriptor, "default"):
        facts.append(("default", "yes" if descriptor.default else "no, ask for it"))
    if trains := getattr(descriptor, "trains", ()):
        facts.append(("trains", ", ".join(trains)))
    if suffix := getattr(descriptor, "suffix", ""):
        facts.append(("writes", f"leaderboard{suffix}"))
    if descriptor.requires:
        facts.append(("needs", ", ".join(descriptor.requires)))
    facts.append(("licence", descriptor.licence))
    if descriptor.citation:
        facts.append(("citation", descriptor.citation))
    return facts


def type_text(annotation: Any) -> str:
    """A type as a user would say it: ``integer``, ``text or nothing``, ``a | b``, ``list of number``."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " | ".join(str(argument) for argument in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(type_text(argument) for argument in arguments))
    if origin in (list, tuple, set, frozenset):
        inner = [argument for argument in arguments if argument is not Ellipsis]
        if origin is tuple and Ellipsis not in arguments:
            return "[" + ", ".join(type_text(argument) for argument in inner) + "]"
        return f"list of {type_text(inner[0])}" if inner else "list"
    if origin is not None and hasattr(annotation, "__metadata__"):
        return type_text(arguments[0])
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return " | ".join(str(member.value) for member in annotation)
    return _NAMES.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _default_text(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_default_text(item) for item in value) + "]"
    return repr(value) if isinstance(value, str) and not value else str(value)
