"""Options of components: pydantic models with errors that suggest what was meant."""

import difflib
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, ValidationInfo

from mitobench.descriptors import PromptKind
from mitobench.errors import UsageError

Options = TypeVar("Options", bound="ComponentOptions")

__all__ = ["ComponentOptions", "InputPath", "NoOptions", "WeightsRef", "parse_options", "suggest"]


def _resolve(value: object, info: ValidationInfo) -> object:
    base = (info.context or {}).get("base")
    if base is None or not isinstance(value, str | Path):
        return value
    try:
        return Path(base) / Path(value).expanduser()
    except RuntimeError as error:
        raise ValueError(f"{error}; give the folder in full") from None


InputPath = Annotated[Path, BeforeValidator(_resolve)]
"""A path option: relative to the working directory, or to the experiment file that names it.

Where a file lies is left out of a result's identity; what it holds is in it (by weights hash, data fingerprint or content hash).
"""


class WeightsRef(BaseModel):
    """One weights file that a component with given options will read.

    Attributes:
        role: the key under which the built component finds the path in ``BuildContext.weights``.
        name: a registered name (of a descriptor's ``weights`` or added by the user), or "".
        path: a local file, or None.
    """

    model_config = ConfigDict(frozen=True)
    role: str = "weights"
    name: str = ""
    path: Path | None = None


class ComponentOptions(BaseModel):
    """Base of every options model: frozen, no unknown names.

    A subclass gives each field a type, a default and a ``Field(description=...)``, which is what ``mitobench info`` shows. It
    must import without numpy's heavy friends: no torch, no tensorflow.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, validate_default=True)

    not_identity: ClassVar[frozenset[str]] = frozenset()
    """Fields that cannot change a number (an inference batch size, say), left out of a result's identity."""

    def weights(self) -> tuple[WeightsRef, ...]:
        """The weights files that a component built with these options reads."""
        return ()

    def emits(self) -> frozenset[PromptKind] | None:
        """The prompt kinds that a prompter with these options emits; None = all of its descriptor's."""
        return None

    def shown_as(self) -> str:
        """What leaderboards call a component with these options; "" = its spec."""
        return ""

    def remarks(self) -> tuple[str, ...]:
        """What a leaderboard must say about a component with these options."""
        return ()

    def looks_at_reference(self) -> bool:
        """Whether these options make an oracle of a component whose descriptor is none."""
        return False

    def identity(self) -> dict[str, Any]:
        """What of these options identifies a result, as plain data."""
        return self.model_dump(mode="json", exclude=set(self.path_fields() | self.not_identity))

    @classmethod
    def path_fields(cls) -> frozenset[str]:
        """The options that are paths."""
        return frozenset(name for name, field in cls.model_fields.items() if _holds_path(field.annotation))


class NoOptions(ComponentOptions):
    """A component without options."""


def _holds_path(annotation: Any) -> bool:
    arguments = getattr(annotation, "__args__", ())
    return annotation is Path or any(_holds_path(a) for a in arguments)


def suggest(wrong: str, known: list[str]) -> str:
    """`` Did you mean 'x'?`` or "" where nothing is close."""
    close = difflib.get_close_matches(wrong, known, n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else ""


def parse_options(model: type[Options], values: dict[str, Any], *, owner: str, base: Path | None = None) -> Options:
    """Validate plain values into an options model.

    Args:
        model: the options model.
        values: what the user gave.
        owner: the component's name, for messages.
        base: the folder that relative paths start from; the working directory by default.

    Raises:
        UsageError: an unknown option (with a suggestion), a value of the wrong type or out of range.
    """
    known = list(model.model_fields)
    for name in values:
        if name not in known:
            listing = f"It knows {', '.join(known)}." if known else "It has no options."
            raise UsageError(f"{owner}: unknown option {name!r}.{suggest(name, known)} {listing}")
    try:
        return model.model_validate(values, context={"base": base or Path.cwd()})
    except ValidationError as error:
        problems = "; ".join(_explain(problem) for problem in error.errors(include_url=False))
        raise UsageError(f"{owner}: {problems}.") from None


def _explain(problem: Any) -> str:
    where = ".".join(str(part) for part in problem["loc"])
    message = problem["msg"].removeprefix("Value error, ").rstrip(".")
    if not where:
        return str(message)
    if problem["type"] == "missing":
        return f"option {where!r} is required"
    return f"option {where!r} is {problem['input']!r}: {message[0].lower()}{message[1:]}"
