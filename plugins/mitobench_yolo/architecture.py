"""What a YOLO checkpoint must say to be rebuilt, checked before ultralytics sees it."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch

from mitobench.checkpoints import Card
from mitobench.errors import MissingError
from mitobench_yolo.runtime import DetectionModel, layers_of_yolo11

__all__ = ["COMPONENT", "DEFAULT_CONFIDENCE", "Architecture", "build_network", "read_architecture", "yolo11"]

COMPONENT = "yolo"
DEFAULT_CONFIDENCE = 0.25
"""Ultralytics' own, for checkpoints that do not know where their F1 peaks."""

_MODULES = frozenset({"Conv", "C3k2", "SPPF", "C2PSA", "nn.Upsample", "Concat", "Detect"})
_WORDS = frozenset({"None", "nearest", "nc"})
_KEYS = frozenset({"nc", "scale", "scales", "backbone", "head", "ch", "channels", "yaml_file"})
_MOST_CHANNELS = 4096
_MOST_CLASSES = 1000
_MOST_LAYERS = 64
_MOST_REPEATS = 16
_LARGEST_ARGUMENT = 16
"""Of a layer, but for its channels: kernel, stride and the like."""
_LARGEST_SCALE = 4
"""Of depth and width."""


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """The network and how images go into it.

    Attributes:
        layers: ultralytics' description of the layers (its yaml file as plain data), with ``scale`` and ``nc``.
        image_size: pixels of the longer side of an input.
        confidence: where F1 peaked on the validation samples.
    """

    layers: Mapping[str, Any] = field(repr=False)
    image_size: int
    confidence: float = DEFAULT_CONFIDENCE

    @property
    def classes(self) -> int:
        """How many classes the network tells apart; 1 where mitobench trained it."""
        return int(self.layers["nc"])

    def plain(self) -> dict[str, Any]:
        """As plain data, for a card."""
        return {"layers": dict(self.layers), "image_size": self.image_size, "confidence": self.confidence}


def yolo11(size: Literal["n", "s", "m"], image_size: int) -> Architecture:
    """YOLO11 of a size for one class."""
    layers = layers_of_yolo11()
    scales = layers["scales"]
    assert isinstance(scales, dict)  # noqa: S101 - ultralytics' own file
    return Architecture(
        layers={**layers, "nc": 1, "scale": size, "scales": {size: scales[size]}}, image_size=image_size
    )


def build_network(architecture: Architecture, *, seed: int | None = None) -> DetectionModel:
    """The network on the CPU, in training mode, its weights random: from ``seed`` where given."""
    with torch.random.fork_rng(devices=[]):
        if seed is not None:
            torch.manual_seed(seed)
        layers = copy.deepcopy(dict(architecture.layers))
        return DetectionModel(layers, ch=3, nc=architecture.classes, verbose=False)


def read_architecture(card: Card, path: Path) -> Architecture:
    """The architecture that a card describes.

    Ultralytics evaluates some strings of such a description as Python, so nothing but known layers with numbers gets there.

    Raises:
        MissingError: another component's card, or a description that is not YOLO11's.
    """
    if card.component != COMPONENT:
        raise MissingError(
            f"{path}: a checkpoint of {card.component!r}, expected one of 'yolo'. Give a file that `mitobench train yolo` wrote."
        )
    try:
        architecture = Architecture(
            layers=dict(card.architecture["layers"]),
            image_size=int(card.architecture["image_size"]),
            confidence=float(card.architecture["confidence"]),
        )
        problem = find_problem(architecture.layers)
        if not (0 < architecture.confidence < 1 and 32 <= architecture.image_size <= 8192):
            problem = f"image_size {architecture.image_size}, confidence {architecture.confidence}"
    except (KeyError, TypeError, ValueError) as error:
        problem = f"{type(error).__name__}: {error}"
    if problem:
        raise MissingError(
            f"{path}: its card does not describe a YOLO11 network ({problem}). Train it again or copy it again."
        )
    return architecture


def find_problem(layers: Mapping[str, Any]) -> str:
    """What in a description of layers is not known to be harmless, or ""."""
    unknown = sorted(str(key) for key in layers if key not in _KEYS)
    if unknown:
        return f"unknown key {unknown[0]!r}"
    depth, width, channels = layers["scales"][layers["scale"]]
    if list(layers["scales"]) != [layers["scale"]] or not _plain([depth, width], _LARGEST_SCALE):
        return "scales"
    if not _plain([channels, *(layers[key] for key in ("ch", "channels") if key in layers)], _MOST_CHANNELS):
        return "channels"
    if not _whole(layers["nc"], _MOST_CLASSES):
        return "nc"
    rows = [*layers["backbone"], *layers["head"]]
    if not 1 <= len(rows) <= _MOST_LAYERS:
        return f"{len(rows)} layers"
    for number, (source, repeats, module, arguments) in enumerate(rows):
        first, rest = arguments[:1], arguments[1:]
        if module not in _MODULES:
            return f"layer {number} is {module!r}"
        if not _whole(repeats, _MOST_REPEATS) or not _plain(source, len(rows)):
            return f"layer {number}"
        if not _plain(first, _MOST_CHANNELS) or not _plain(rest, _LARGEST_ARGUMENT):
            return f"the arguments of layer {number}"
    return ""


def _whole(value: Any, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most


def _plain(value: Any, largest: int, *, nested: bool = True) -> bool:
    """Whether a value, or a list of them, is a bounded number, a truth value or one of the few words that YOLO11 uses."""
    if isinstance(value, list | tuple):
        return nested and all(_plain(item, largest, nested=False) for item in value)
    if isinstance(value, str):
        return value in _WORDS
    return value is None or (isinstance(value, int | float) and abs(value) <= largest)
