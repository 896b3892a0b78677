"""Component specs: ``name``, ``name:option=value,...``, ``distribution/name:...``.

Values are TOML values; a bare word or path that is no TOML value is a string.
"""

import datetime as dt
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mitobench.errors import UsageError

__all__ = ["Spec", "parse_spec", "spec_from_table"]

_OPEN, _CLOSE, _QUOTES = "[{", "]}", "\"'"


@dataclass(frozen=True)
class Spec:
    """A component as the user named it.

    Attributes:
        name: the component's name.
        options: the options that were given, unvalidated.
        distribution: the distribution that must own it, or "".
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    distribution: str = ""

    @property
    def reference(self) -> str:
        """``name`` or ``distribution/name``."""
        return f"{self.distribution}/{self.name}" if self.distribution else self.name

    def __str__(self) -> str:
        given = ",".join(f"{key}={_format(value)}" for key, value in self.options.items())
        return f"{self.reference}:{given}" if given else self.reference


def parse_spec(text: str) -> Spec:
    """Parse one spec.

    >>> parse_spec("unet:threshold=0.4").options
    {'threshold': 0.4}

    Raises:
        UsageError: no name, an option without a value, an option given twice, an unbalanced quote or bracket.
    """
    head, _, tail = text.strip().partition(":")
    distribution, _, name = head.rpartition("/")
    if not name or any(character.isspace() for character in head):
        raise UsageError(f"spec {text!r}: expected name[:option=value,...], such as unet:threshold=0.4.")
    options: dict[str, Any] = {}
    for item in _split(tail, text):
        key, equals, value = item.partition("=")
        key = key.strip()
        if not equals or not key:
            raise UsageError(
                f"spec {text!r}: {item!r} is not option=value. A path is the value of an option, as in folder:root=PATH; quote a value that holds a comma."
            )
        if key in options:
            raise UsageError(f"spec {text!r}: option {key!r} is given twice.")
        options[key] = _value(value.strip(), text)
    return Spec(name, options, distribution)


def spec_from_table(table: "Mapping[str, Any] | str") -> Spec:
    """A spec from an experiment file: a string, or a table with ``name`` and its options."""
    if isinstance(table, str):
        return parse_spec(table)
    options = dict(table)
    name = options.pop("name", None)
    if not isinstance(name, str):
        raise UsageError(f"component {dict(table)!r}: expected a name, such as name = 'unet'.")
    head = parse_spec(name)
    if head.options:
        raise UsageError(f"component {dict(table)!r}: give options either in the name or as keys, not both.")
    return Spec(head.name, options, head.distribution)


def _split(text: str, whole: str) -> list[str]:
    items, start, depth, quote, escaped = [], 0, 0, "", False
    for position, character in enumerate(text):
        if quote:
            quote = "" if character == quote and not escaped else quote
            escaped = quote == '"' and character == "\\" and not escaped
        elif character in _QUOTES:
            quote = character
        elif character in _OPEN:
            depth += 1
        elif character in _CLOSE:
            depth -= 1
        elif character == "," and depth == 0:
            items.append(text[start:position])
            start = position + 1
    if quote or depth:
        raise UsageError(f"spec {whole!r}: a quote or bracket is not closed.")
    items.append(text[start:])
    return [item for item in items if item.strip()]


def _value(text: str, whole: str) -> Any:
    if text == "":
        raise UsageError(f"spec {whole!r}: an option has no value.")
    bare = text[0] not in _OPEN + _QUOTES
    if bare and ("#" in text or "\n" in text):
        return text
    try:
        parsed = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        if bare:
            return text
        raise UsageError(f"spec {whole!r}: {text} is not a TOML value.") from None
    if len(parsed) > 1:
        raise UsageError(f"spec {whole!r}: {text!r} is more than one TOML value.")
    return parsed["value"]


def _format(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_nested(v) for v in value) + "]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_quote(k)} = {_nested(v)}" for k, v in value.items()) + "}"
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    text = str(value)
    try:
        bare = _value(text, text) == text and _split(text, text) == [text] and text == text.strip()
    except UsageError:
        bare = False
    return text if bare and "\n" not in text else _quote(text)


def _nested(value: Any) -> str:
    return _quote(value) if isinstance(value, str) else _format(value)


def _quote(text: str) -> str:
    """A TOML literal string where that is possible, else a basic string (escaped as JSON does, and DEL besides)."""
    if "'" not in text and text.isprintable():
        return f"'{text}'"
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
