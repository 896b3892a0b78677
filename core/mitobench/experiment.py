"""Experiments: what to train, what to compare with what, and what was published, from the command line or from a TOML file."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from mitobench.errors import UsageError
from mitobench.specs import Spec, spec_from_table

__all__ = ["Experiment", "PublishedScore", "TrainingStep", "read_experiment"]

_LISTS = ("data", "prompters", "segmenters", "metrics")
_STEP = ("trainer", "data", "validation", "out", "seed")
_PUBLISHED = ("column", "value", "source", "differs", "data", "prompter", "segmenter", "checkpoint")


@dataclass(frozen=True, kw_only=True)
class TrainingStep:
    """A checkpoint that is trained before the matrix runs, unless it is there already.

    Attributes:
        trainer: which trainer, with its options.
        data: what it learns from; several are learnt from together.
        validation: what its best weights are chosen by; none = a part of ``data``.
        out: the checkpoint to write (``.safetensors``).
        seed: of everything random in it; None = the experiment's.
    """

    trainer: Spec
    data: tuple[Spec, ...]
    out: Path
    validation: tuple[Spec, ...] = ()
    seed: int | None = None


@dataclass(frozen=True, kw_only=True)
class PublishedScore:
    """A number that somebody published, to be shown beside ours.

    Attributes:
        column: the score of ours that measures the same: a column of the leaderboard, or a number of a checkpoint's card.
        value: as published.
        source: where.
        differs: what of ours is not as it was there (data, weights, protocol); "" only where nothing is.
        data, prompter, segmenter: the cell: components of these names with at least these options; None = any.
        checkpoint: the trained checkpoint whose card holds the number, instead of a cell.
    """

    column: str
    value: float
    source: str
    differs: str
    data: Spec | None = None
    prompter: Spec | None = None
    segmenter: Spec | None = None
    checkpoint: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """The components of a matrix, and how to run it.

    Attributes:
        data, prompters, segmenters: every combination of one of each is a cell. No prompters: no prompts.
        metrics: what scores them; none = those that are on by default.
        train: what is trained first, in this order.
        published: numbers to show beside ours.
        data_from: where the data are to be had, in a sentence or two.
        seed: of everything random.
        limit: use only the first so many samples of each data source; None = all.
        base: the folder that relative paths in options start from.
    """

    data: tuple[Spec, ...]
    prompters: tuple[Spec, ...] = ()
    segmenters: tuple[Spec, ...]
    metrics: tuple[Spec, ...] = ()
    train: tuple[TrainingStep, ...] = ()
    published: tuple[PublishedScore, ...] = ()
    data_from: str = ""
    seed: int = 0
    limit: int | None = None
    base: Path = field(default_factory=Path.cwd)


def read_experiment(path: Path, *, data_root: Path | None = None, run: Path | None = None) -> Experiment:
    """Read an experiment file.

    Each of ``data``, ``prompters``, ``segmenters`` and ``metrics`` is a list of specs, as strings
    (``"unet:threshold=0.4"``) or as tables with a ``name`` and options; ``seed`` and ``limit`` are integers. ``[[train]]``
    and ``[[published]]`` tables have the fields of :class:`TrainingStep` and :class:`PublishedScore`. Relative paths start
    from the file's folder; a path that begins with ``$data`` starts from ``data_root``, one with ``$run`` from ``run``.

    Args:
        path: the file.
        data_root: what ``$data`` stands for, or None if that was not said.
        run: what ``$run`` stands for.

    Raises:
        UsageError: no such file, not TOML, an unknown key (with a suggestion), a value of the wrong type, ``$data`` where
            nobody said what it is.
    """
    table = _read_toml(path)
    _check_keys(table, [f.name for f in fields(Experiment) if f.name != "base"], str(path))
    for needed in ("data", "segmenters"):
        if not table.get(needed):
            raise UsageError(f"{path}: no {needed}; an experiment needs at least one, such as {needed} = ['NAME'].")
    places = _Places(path, data_root, run)
    seed = _integer(table, "seed", str(path), minimum=0)
    return Experiment(
        **{key: _specs(table.get(key, []), f"{path}: {key}", places) for key in _LISTS},
        train=tuple(_step(*item, places) for item in _tables(table, "train", path)),
        published=tuple(_published(*item, places) for item in _tables(table, "published", path)),
        data_from=_text(table, "data_from", str(path), default=""),
        seed=0 if seed is None else seed,
        limit=_integer(table, "limit", str(path), minimum=1),
        base=path.resolve().parent,
    )


@dataclass(frozen=True)
class _Places:
    """What ``$data`` and ``$run`` stand for in one file."""

    file: Path
    data: Path | None
    run: Path | None

    def path(self, value: Any) -> Any:
        """The value; where it is a string that begins with a place, the path that it means."""
        if not isinstance(value, str) or not value.startswith("$"):
            return value
        place, _, rest = value.partition("/")
        if place not in ("$data", "$run"):
            return value
        folder = self.data if place == "$data" else self.run
        if folder is None:
            say = "--data-root DIR" if place == "$data" else "a run folder"
            raise UsageError(f"{self.file}: {value!r} starts from {place}, and nobody said where that is; give {say}.")
        return str(folder.absolute() / rest)

    def spec(self, spec: Spec) -> Spec:
        """The spec with the places in its options resolved."""
        return Spec(spec.name, {key: self.path(value) for key, value in spec.options.items()}, spec.distribution)


def _step(table: Mapping[str, Any], where: str, places: _Places) -> TrainingStep:
    _check_keys(table, _STEP, where)
    trainers = _specs(table.get("trainer", []), f"{where}: trainer", places)
    if len(trainers) != 1:
        raise UsageError(f"{where}: {len(trainers)} trainers; expected one, such as trainer = 'unet'.")
    if not table.get("data"):
        raise UsageError(f"{where}: no data; expected what to learn from, such as data = ['NAME'].")
    out = Path(places.path(_text(table, "out", where)))
    if out.suffix != ".safetensors":
        raise UsageError(f"{where}: out is {str(out)!r}; expected a file name that ends in .safetensors.")
    return TrainingStep(
        trainer=trainers[0],
        data=_specs(table["data"], f"{where}: data", places),
        validation=_specs(table.get("validation", []), f"{where}: validation", places),
        out=places.file.resolve().parent / out,
        seed=_integer(table, "seed", where, minimum=0),
    )


def _published(table: Mapping[str, Any], where: str, places: _Places) -> PublishedScore:
    _check_keys(table, _PUBLISHED, where)
    value = table.get("value")
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise UsageError(f"{where}: value is {value!r}; expected the published number.")
    cell: dict[str, Spec | None] = {}
    for key in ("data", "prompter", "segmenter"):
        specs = _specs(table.get(key, []), f"{where}: {key}", places)
        if len(specs) > 1:
            raise UsageError(f"{where}: {len(specs)} specs for {key}; expected one.")
        cell[key] = specs[0] if specs else None
    checkpoint = _text(table, "checkpoint", where, default="")
    if bool(checkpoint) == any(cell.values()):
        raise UsageError(f"{where}: expected either checkpoint, or at least one of data, prompter and segmenter.")
    return PublishedScore(
        column=_text(table, "column", where),
        value=float(value),
        source=_text(table, "source", where),
        differs=_text(table, "differs", where, empty=True),
        checkpoint=places.file.resolve().parent / places.path(checkpoint) if checkpoint else None,
        **cell,
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


def _check_keys(table: Mapping[str, Any], known: "tuple[str, ...] | list[str]", where: str) -> None:
    for key in table:
        if key not in known:
            from mitobench.options import suggest

            raise UsageError(f"{where}: unknown key {key!r}.{suggest(key, list(known))} It knows {', '.join(known)}.")


def _tables(table: Mapping[str, Any], key: str, path: Path) -> list[tuple[Mapping[str, Any], str]]:
    """The tables under ``[[key]]``, each with what messages call it."""
    found = table.get(key, [])
    if not isinstance(found, list) or not all(isinstance(item, Mapping) for item in found):
        raise UsageError(f"{path}: {key} is {found!r}; expected tables [[{key}]].")
    return [(item, f"{path}: {key} number {number}") for number, item in enumerate(found, start=1)]


def _specs(value: Any, where: str, places: _Places) -> tuple[Spec, ...]:
    items = [value] if isinstance(value, str | Mapping) else value
    if not isinstance(items, list):
        raise UsageError(f"{where} is {value!r}; expected a list of specs or tables.")
    specs = []
    for number, item in enumerate(items, start=1):
        if not isinstance(item, str | Mapping):
            raise UsageError(f"{where} number {number} is {item!r}; expected a spec or a table with a name.")
        try:
            specs.append(places.spec(spec_from_table(item)))
        except UsageError as error:
            told = str(error).startswith(f"{places.file}: ")
            raise UsageError(str(error) if told else f"{where} number {number}: {error}") from None
    return tuple(specs)


def _text(table: Mapping[str, Any], key: str, where: str, *, default: str | None = None, empty: bool = False) -> str:
    value = table.get(key, default)
    if not isinstance(value, str) or (not value and default is None and not empty):
        raise UsageError(f"{where}: {key} is {value!r}; expected a text.")
    return value


def _integer(table: Mapping[str, Any], key: str, where: str, *, minimum: int) -> int | None:
    value = table.get(key)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < minimum:
        raise UsageError(f"{where}: {key} is {value!r}; expected an integer of {minimum} or more.")
    return value
