"""What each kind of component must do. Everything at an interface is numpy; torch, TensorFlow and devices stay behind it.

A component's class is called as ``Class(options, context)`` with its validated options and a :class:`BuildContext`.
Importing its module may import heavy libraries; building it may load weights onto the device.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from mitobench.prompts import Prompts
from mitobench.samples import Sample, SampleRef
from mitobench.segmentations import Segmentation

if TYPE_CHECKING:
    from mitobench.ranking.evidence import Evidence
    from mitobench.ranking.leaderboard import Leaderboard

__all__ = [
    "BuildContext",
    "DataSource",
    "Encoding",
    "FixedInput",
    "ImageBoundPrompter",
    "ImageBoundSegmenter",
    "ImageStatistics",
    "Metric",
    "Prompter",
    "Reporter",
    "Score",
    "Segmenter",
    "Trainer",
    "TrainingEvent",
    "TrainingRequest",
    "TrainingResult",
]

Encoding = Any
"""What an encoder makes of one image. Only components with the same ``encoder_key`` look inside."""


@dataclass(frozen=True, kw_only=True)
class BuildContext:
    """What a component is told when it is built, besides its options.

    Attributes:
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``, or ``"auto"`` for the best there is. A named device that is
            missing is a ``MissingError``, never a silent CPU.
        seed: for whatever randomness the component has; derive from it with :func:`mitobench.seeds.derive_rng`.
        weights: local, verified paths of the files that ``options.weights()`` asked for, by role.
    """

    device: str = "cpu"
    seed: int = 0
    weights: Mapping[str, Path] = field(default_factory=dict)


@runtime_checkable
class DataSource(Protocol):
    """Yields samples. Opening one reads headers and hashes, not stacks."""

    @property
    def fingerprint(self) -> str:
        """A hash of all that the samples are made of (file contents, or seed and size), not of where it lies."""

    def refs(self) -> Iterator[SampleRef]:
        """The samples in their fixed order, unread. May be called often."""


@runtime_checkable
class Prompter(Protocol):
    """Turns a sample into prompts."""

    @property
    def encoder_key(self) -> str | None:
        """A hash of the weights and preprocessing that ``encode`` depends on; None if there is nothing to encode."""

    def encode(self, images: Sequence[NDArray[np.uint8]]) -> Sequence[Encoding]:
        """Encode a batch of images, (H, W) or (H, W, 3) each, of any sizes. Called once per image and ``encoder_key``."""

    def prompt(self, encoding: Encoding, sample: Sample, rng: np.random.Generator) -> Prompts:
        """Make the prompts for one sample.

        Args:
            encoding: what ``encode`` made of ``sample.image``; None where ``encoder_key`` is None.
            sample: without its reference unless the descriptor says ``uses_reference``.
            rng: seeded from the run's seed and the sample's id, so that every segmenter sees the same prompts.
        """


@runtime_checkable
class ImageBoundPrompter(Prompter, Protocol):
    """A prompter made for certain images, such as points that a person set: it can say what fits none of them."""

    def check_images(self, ids: Collection[str]) -> None:
        """Raise DataError where it holds prompts for an image that is not among the data source's ``ids``."""


@runtime_checkable
class Segmenter(Protocol):
    """Turns an image, and prompts if it is promptable, into a segmentation."""

    @property
    def encoder_key(self) -> str | None:
        """As a prompter's; components with equal keys share their encodings."""

    def encode(self, images: Sequence[NDArray[np.uint8]]) -> Sequence[Encoding]:
        """As a prompter's."""

    def segment(self, encoding: Encoding, sample: Sample, prompts: Prompts) -> Segmentation:
        """Segment one image.

        Args:
            encoding: what ``encode`` made of ``sample.image``; None where ``encoder_key`` is None.
            sample: always without its reference.
            prompts: the prompter's; empty for a segmenter that takes none. Zero prompts give an empty segmentation.

        A promptable segmenter returns the mask of each prompt, in the prompts' order. The result must not depend on that
        order otherwise.
        """


@runtime_checkable
class ImageBoundSegmenter(Segmenter, Protocol):
    """A segmenter that holds finished segmentations of certain images, found by ``sample.id``: another tool made them."""

    @property
    def seconds_per_image(self) -> float | None:
        """What the tool took for one image, as its user says; None where that is unknown.

        It stands for the whole cost of the cell: what is measured while files are read is no cost of the tool.
        """

    def check_images(self, ids: Collection[str]) -> None:
        """Raise DataError where one of these images has no segmentation, or two share one.

        Called for each data source before anything is computed, with the ids of all images that will be asked for.
        """


@runtime_checkable
class FixedInput(Protocol):
    """A segmenter, mostly, that scales every image to one size, and so loses detail on much larger ones."""

    @property
    def input_side(self) -> int:
        """The longer side in pixels to which images are scaled; ``mitobench predict`` tiles what is much larger."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageStatistics:
    """What a metric measured on one image: numbers that add up over images.

    Attributes:
        image: additive statistics by name (counts, sums); finite. Undefined parts add 0 to both their sum and count.
        objects: optional columns, one value per object or prompt, all of one length, for the object table.
    """

    image: Mapping[str, float]
    objects: Mapping[str, NDArray[Any]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Score:
    """One score that a metric reports.

    Attributes:
        name: column title, in the field's standard term, e.g. ``"F1@0.5"``.
        higher_is_better: the direction of ranks.
        unit: ``""``, ``"nm"``, ``"px"`` ...
        per_image: also report the mean of the score over images, as the separate column ``name (per image)``.
        headline: shown in the default leaderboard.
        first_by: another reported score, lower is better, that ranks before this one does: a distance that is null where
            one mask is empty must not win by leaving the hard images empty.
    """

    name: str
    higher_is_better: bool = True
    unit: str = ""
    per_image: bool = False
    headline: bool = False
    first_by: str = ""


@runtime_checkable
class Metric(Protocol):
    """Turns (reference, segmentation) into per-image statistics, and sums of statistics into scores.

    Because statistics add up, pooled scores, per-image means and bootstrap intervals are all ``scores`` of differently
    weighted sums of the same table.
    """

    @property
    def reported(self) -> Sequence[Score]:
        """The scores that ``scores`` returns, in column order."""

    def statistics(self, sample: Sample, segmentation: Segmentation, prompts: Prompts) -> ImageStatistics | None:
        """Measure one image.

        Args:
            sample: with its reference.
            segmentation: of that sample.
            prompts: those that the segmentation was made from.

        Returns:
            the statistics, always under the same names for one metric and options; None where this metric cannot be
            measured on this image at all (no reference, no prompt masks).
        """

    def scores(self, totals: Mapping[str, NDArray[np.float64]]) -> Mapping[str, NDArray[np.float64]]:
        """Turn sums of statistics into scores.

        Args:
            totals: each statistic summed over some images; arrays of any one shape S.

        Returns:
            each reported score by name, shape S; NaN where undefined (both empty, nothing matched).
        """


@dataclass(frozen=True, kw_only=True)
class TrainingEvent:
    """One step of progress: ``done`` of ``total`` optimiser steps (0 = unknown), and what was measured, if anything."""

    done: int
    total: int
    epoch: int
    values: Mapping[str, float] = field(default_factory=dict)
    message: str = ""


@dataclass(frozen=True, kw_only=True)
class TrainingRequest:
    """What to train on and where to write.

    Attributes:
        training: the samples to learn from (references needed).
        validation: the samples to choose the best checkpoint by; None = a block of the training samples is held out.
        out: the safetensors file to write; unfinished state lies beside it as ``<out>.resume`` until the training ends.
        data: what the training data source is, as plain data (spec and fingerprint), for the card.
        resume: continue from ``<out>.resume`` if it is there; False starts anew.
        report: called after every optimiser step and every epoch.
        should_stop: polled after every step and every validation but the last; True ends the training with a resumable state.
    """

    training: DataSource
    out: Path
    validation: DataSource | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    resume: bool = True
    report: Callable[[TrainingEvent], None] = lambda _event: None
    should_stop: Callable[[], bool] = lambda: False


@dataclass(frozen=True, kw_only=True)
class TrainingResult:
    """What came of a training. ``finished`` is False where ``should_stop`` ended it."""

    checkpoint: Path
    finished: bool
    best: Mapping[str, float]


@runtime_checkable
class Trainer(Protocol):
    """Makes a checkpoint for a prompter or segmenter from a data source."""

    def train(self, request: TrainingRequest) -> TrainingResult:
        """Train, validate every epoch, and write the best checkpoint with its card (:mod:`mitobench.checkpoints`)."""


@runtime_checkable
class Reporter(Protocol):
    """Writes a leaderboard in one format."""

    def render(self, leaderboard: "Leaderboard", evidence: "Evidence") -> str:
        """The whole document as text.

        Args:
            leaderboard: its tables.
            evidence: what they were made from: per-image scores, samples and predictions.
        """
