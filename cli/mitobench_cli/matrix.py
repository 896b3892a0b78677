"""What ``run`` and ``plan`` share: the options that name a matrix, and the experiment that they make."""

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mitobench.errors import MissingError
from mitobench.experiment import Experiment, read_experiment
from mitobench.files import is_there, safe_name
from mitobench.specs import Spec, parse_spec
from mitobench_cli.terminal import debug_option, json_option, say

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from mitobench.descriptors import Kind
    from mitobench.plugins import Plugins

    _SpecParameter = click.ParamType[Spec]
else:
    _SpecParameter = click.ParamType

__all__ = ["Request", "SpecType", "device_option", "matrix_options", "offline_option"]

_TRIAL_DATA = Spec("synthetic", {"kind": "em", "n": 8}, "")
"""What a command without ``--data`` runs on, so that components can be tried as they are named."""


class SpecType(_SpecParameter):
    """A component spec on the command line; completes the names of one kind."""

    name = "spec"

    def __init__(self, kind: "Kind") -> None:
        self.kind = kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Spec:
        """Parse the spec; whether there is such a component is asked later."""
        if isinstance(value, Spec):
            return value
        text = str(value)
        folder = is_there(Path(text)) and Path(text).is_dir()
        return parse_spec(text.rstrip("/") if folder else text)  # a folder is answered as a folder

    def shell_complete(
        self,
        ctx: click.Context,
        param: click.Parameter,
        incomplete: str,
    ) -> "list[CompletionItem]":
        """The components of this kind that begin so."""
        from click.shell_completion import CompletionItem

        from mitobench.plugins import Plugins

        found = [c.descriptor for c in Plugins.discover().components(self.kind)]
        return [CompletionItem(d.name, help=d.summary) for d in found if d.name.startswith(incomplete)]


def _check_device(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", value):
        raise click.BadParameter(f"{value!r}; expected auto, cpu, cuda, cuda:N or mps.")
    if value not in ("auto", "cpu") and not _torch_has(value):
        raise MissingError(
            f"device {value!r} was asked for and torch sees none such. Use --device auto or cpu, or install a driver."
        )
    return value


def _torch_has(device: str) -> bool:
    """Whether torch sees a named device; True where there is no torch to ask. Imports torch."""
    try:
        import torch
    except ImportError:
        return True
    if device == "mps":
        return torch.backends.mps.is_available()
    return int(device.partition(":")[2] or 0) < (torch.cuda.device_count() if torch.cuda.is_available() else 0)


device_option = click.option(
    "--device",
    default="auto",
    show_default=True,
    metavar="NAME",
    callback=_check_device,
    help="auto, cpu, cuda, cuda:N or mps. A named device that is missing is an error.",
)
offline_option = click.option("--offline", is_flag=True, help="Fetch nothing; weights that are absent are an error.")
_OPTIONS = (
    click.argument("experiment", required=False, type=click.Path(path_type=Path)),
    click.option(
        "--data",
        multiple=True,
        type=SpecType("data"),
        help="A data source. Repeatable. Without one and without a file: a few generated images.",
    ),
    click.option(
        "--prompter", multiple=True, type=SpecType("prompter"), help="A prompter. Repeatable; none: no prompts."
    ),
    click.option("--segmenter", multiple=True, type=SpecType("segmenter"), help="A segmenter. Repeatable."),
    click.option(
        "--metric", multiple=True, type=SpecType("metric"), help="A metric. Repeatable; default metrics if none."
    ),
    click.option("--out", type=click.Path(path_type=Path), metavar="FOLDER", help="The run folder, such as runs/NAME."),
    click.option(
        "--data-root",
        type=click.Path(path_type=Path, file_okay=False, exists=True),
        metavar="DIR",
        help="What $data stands for in the paths of an experiment file.",
    ),
    click.option("--limit", type=click.IntRange(min=1), help="Use only the first so many images of each data source."),
    click.option("--seed", type=click.IntRange(min=0), help="The seed of everything random (0 by default)."),
    offline_option,
    json_option,
    debug_option,
)


@dataclass(frozen=True, kw_only=True)
class Request:
    """A matrix as the command line names it.

    Attributes:
        file: an experiment file, or None.
        data, prompters, segmenters, metrics: the specs given; where there are none, the file's count.
        seed, limit: as given; None = the file's, or the default.
        out: the run folder, or None for one derived from the rest.
        data_root: what ``$data`` stands for in the file's paths.
        offline: fetch nothing.
        as_json: JSON on stdout.
    """

    file: Path | None
    data: tuple[Spec, ...]
    prompters: tuple[Spec, ...]
    segmenters: tuple[Spec, ...]
    metrics: tuple[Spec, ...]
    seed: int | None
    limit: int | None
    out: Path | None
    data_root: Path | None
    offline: bool
    as_json: bool

    def experiment(self, plugins: "Plugins") -> Experiment:
        """The experiment that this names.

        Raises:
            UsageError: the file cannot be used, or a spec names no component.
        """
        if self.file is None:
            if self.data_root is not None:
                raise click.UsageError("--data-root is what $data stands for in an experiment file, and there is none.")
            if not self.segmenters:
                raise click.UsageError("name at least one --segmenter, or an experiment file.")
            if not self.data:
                say(f"no --data: generated images, {_TRIAL_DATA}; name your own with --data")
            return Experiment(
                data=self.data or (_TRIAL_DATA,),
                prompters=self.prompters,
                segmenters=self.segmenters,
                metrics=self.metrics,
                seed=self.seed or 0,
                limit=self.limit,
            )
        read = read_experiment(self.file, data_root=self.data_root, run=self.out or _folder_of(self.file))
        return replace(
            read,
            data=_anchored("data", self.data, plugins) or read.data,
            prompters=_anchored("prompter", self.prompters, plugins) or read.prompters,
            segmenters=_anchored("segmenter", self.segmenters, plugins) or read.segmenters,
            metrics=_anchored("metric", self.metrics, plugins) or read.metrics,
            seed=read.seed if self.seed is None else self.seed,
            limit=read.limit if self.limit is None else self.limit,
        )

    def folder(self, experiment: Experiment) -> Path:
        """The run folder; where none was given, equal commands get equal ones, so that repeating one resumes it."""
        if self.out is not None:
            return self.out
        if self.file is not None:
            return _folder_of(self.file)
        parts = (*experiment.data, *experiment.prompters, *experiment.segmenters)
        return Path("runs") / safe_name(" ".join([*map(str, parts), f"seed={experiment.seed}"]), limit=40)


def _folder_of(file: Path) -> Path:
    """The run folder of an experiment file where none was named."""
    return Path("runs") / file.stem


def matrix_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The argument and options that name a matrix; the function gets them as one ``request``."""

    @functools.wraps(function)
    def collected(**given: Any) -> Any:
        request = Request(
            file=given.pop("experiment"),
            data=given.pop("data"),
            prompters=given.pop("prompter"),
            segmenters=given.pop("segmenter"),
            metrics=given.pop("metric"),
            **{name: given.pop(name) for name in ("seed", "limit", "out", "data_root", "offline", "as_json")},
        )
        return function(request, **given)

    for option in reversed(_OPTIONS):
        collected = option(collected)
    return collected


def _anchored(kind: "Kind", specs: tuple[Spec, ...], plugins: "Plugins") -> tuple[Spec, ...]:
    """Specs from the command line beside an experiment file: their relative paths start from the working directory."""
    anchored = []
    for spec in specs:
        paths = plugins.find(kind, spec).options_model().path_fields()
        options = {
            name: str(Path(value).absolute()) if name in paths and isinstance(value, str) else value
            for name, value in spec.options.items()
        }
        anchored.append(Spec(spec.name, options, spec.distribution))
    return tuple(anchored)
