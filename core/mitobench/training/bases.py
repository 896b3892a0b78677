"""The weights below a checkpoint: what reads it is told of them as its trainer was, before there is a card that says so."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from mitobench.descriptors import Kind, TrainerDescriptor
from mitobench.experiment import Experiment
from mitobench.options import parse_options
from mitobench.plugins import Plugins
from mitobench.specs import Spec

__all__ = ["OPTION", "carrying", "on_their_bases", "whole"]

OPTION = "checkpoint"
"""The option through which a component gets what was trained."""

_CARRIED = ("model", "base")
"""The options by which a trainer and the component that reads its checkpoints name the weights below them."""


def carrying(kind: Kind, spec: Spec, trainer: Spec, plugins: Plugins) -> Spec:
    """A component with the base of its checkpoints as their trainer has it, where it has such options and no values for them."""
    known = plugins.find(kind, spec).options_model().model_fields
    carried = {name: trainer.options[name] for name in _CARRIED if name in trainer.options and name in known}
    return Spec(spec.name, {**carried, **spec.options}, spec.distribution)


def on_their_bases(experiment: Experiment, trainers: Mapping[Path, Spec], plugins: Plugins) -> Experiment:
    """An experiment whose prompters and segmenters that wait for checkpoints say what these are trained on.

    Args:
        experiment: what was asked.
        trainers: what will make the checkpoints, by where these will lie (as :func:`whole` gives it).
        plugins: what components there are.

    Raises:
        UsageError: an unknown component or option.
    """

    def told(kind: Kind, spec: Spec) -> Spec:
        if OPTION not in spec.options:
            return spec
        options = parse_options(
            plugins.find(kind, spec).options_model(), dict(spec.options), owner=spec.name, base=experiment.base
        )
        path = getattr(options, OPTION, None)
        trainer = trainers.get(whole(path)) if isinstance(path, Path) else None
        if trainer is None:
            return spec
        descriptor = plugins.find("trainer", trainer).descriptor
        made_for = descriptor.trains if isinstance(descriptor, TrainerDescriptor) else ()
        return carrying(kind, spec, trainer, plugins) if spec.name in made_for else spec

    return replace(
        experiment,
        prompters=tuple(told("prompter", spec) for spec in experiment.prompters),
        segmenters=tuple(told("segmenter", spec) for spec in experiment.segmenters),
    )


def whole(path: Path) -> Path:
    """The absolute path without ``..``; follows no link."""
    return Path(os.path.abspath(path))  # noqa: PTH100
