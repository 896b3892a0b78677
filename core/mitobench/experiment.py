"""Experiments: what to compare with what, from the command line or from a TOML file."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from mitobench.errors import UsageError
from mitobench.specs import Spec, spec_from_table

__all__ = ["Experiment", "read_experiment"]

_LISTS = ("data", "prompters", "segmenters", "metrics")


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """The components of a matrix, and how to run it.

    Attributes:
        data, prompters, segmenters: every combination of one of each is a cell. No prompters: no prompts.
        metrics: what scores them; none = those that are on by default.
        seed: of everything random.
        limit: use only the first so many samples of each data source; None = all.
        base: the folder that relative paths in options start from.
    """

    data: tuple[Spec, ...]
    prompters: tuple[Spec, ...] = ()
    segmenters: tuple[Spec, ...]
    metrics: tuple[Spec, ...] = ()
    seed: int = 0
    limit: int | None = None
    base: Path = field(default_factory=Path.cwd)


def read_experiment(path: Path) -> Experiment:
    """Read an experiment file.

    Each of ``data``, ``prompters``, ``segmenters`` and ``metrics`` is a list of specs, as strings
    (``"unet:threshold=0.4"``) or as tables with a ``name`` and options; ``seed`` and ``limit`` are integers. Relative
    paths start from the file's folder.

    Raises:
        UsageError: no such file, not TOML, an unknown key (with a suggestion), a value of the wrong type.
    """
    table = _read_toml(path)
    known = [f.name for f in fields(Experiment) if f.name != "base"]
    for key in table:
        if key not in known:
            from mitobench.options import suggest

            raise UsageError(f"{path}: unknown key {key!r}.{suggest(key, known)} It knows {', '.join(known)}.")
    for needed in ("data", "segmenters"):
        if not table.get(needed):
            raise UsageError(f"{path}: no {needed}; an experiment needs at least one, such as {needed} = ['NAME'].")
    specs = {key: _specs(table.get(key, []), path, key) for key in _LISTS}
    seed = _integer(table, "seed", path, minimum=0)
    return Experiment(
        **specs,
        seed=0 if seed is None else seed,
        limit=_integer(table, "limit", path, minimum=1),
        base=path.resolve().parent,
    )


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"{path}: no such experiment file.") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path}: not a text file in UTF-8; expected an experiment in TOML.") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}); expected an experiment file in TOML.") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: not valid TOML ({error}).") from None


def _specs(value: Any, path: Path, key: str) -> tuple[Spec, ...]:
    items = [value] if isinstance(value, str | Mapping) else value
    if not isinstance(items, list):
        raise UsageError(f"{path}: {key} is {value!r}; expected a list of specs or tables.")
    specs = []
    for number, item in enumerate(items, start=1):
        if not isinstance(item, str | Mapping):
            raise UsageError(f"{path}: {key} number {number} is {item!r}; expected a spec or a table with a name.")
        try:
            specs.append(spec_from_table(item))
        except UsageError as error:
            raise UsageError(f"{path}: {key} number {number}: {error}") from None
    return tuple(specs)


def _integer(table: Mapping[str, Any], key: str, path: Path, *, minimum: int) -> int | None:
    value = table.get(key)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < minimum:
        raise UsageError(f"{path}: {key} is {value!r}; expected an integer of {minimum} or more.")
    return value
