"""Checkpoints: safetensors files whose header carries a card that says what was trained, how, and on what."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mitobench.errors import MissingError
from mitobench.files import write_atomically

__all__ = ["Card", "continued", "parameter_count", "read_card", "read_checkpoint", "write_checkpoint"]

_CARD_KEY = "mitobench_card"


@dataclass(frozen=True, kw_only=True)
class Card:
    """What a checkpoint says about itself.

    Attributes:
        component: the name of the component that reads it, e.g. ``"unet"``.
        architecture: what is needed to rebuild the network, as plain data.
        trainer: name, version and resolved options of the trainer.
        base_sha256: SHA-256 of the weights that the training started from or stays on top of; "" for none.
        training_origins: ``Sample.origin`` of every training and validation image, sorted.
        training_groups: the groups (volumes, specimens) of those images, sorted.
        data: the training data source: spec without paths, fingerprint, number of samples.
        metrics: what was measured at the end, e.g. the validation Dice.
        history: by name, what was measured in every epoch (:meth:`mitobench.training.history.History.curves`); empty where unknown.
        versions: of Python, mitobench and the libraries that trained it.
        licence: of the weights; decided by the training data.
        notes: anything else worth a sentence.
    """

    component: str
    architecture: Mapping[str, Any] = field(default_factory=dict)
    trainer: Mapping[str, Any] = field(default_factory=dict)
    base_sha256: str = ""
    training_origins: tuple[str, ...] = ()
    training_groups: tuple[str, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    history: Mapping[str, Sequence[float | None]] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    licence: str = ""
    notes: str = ""


def write_checkpoint(path: Path, tensors: Mapping[str, NDArray[Any]], card: Card) -> None:
    """Write tensors and card as one safetensors file: to a temporary name, synced, then renamed."""
    from safetensors.numpy import save

    data = save(
        {key: np.asarray(value, order="C") for key, value in tensors.items()},
        metadata={_CARD_KEY: json.dumps(asdict(card), sort_keys=True)},
    )
    write_atomically(path, data)


def read_checkpoint(path: Path) -> tuple[dict[str, NDArray[Any]], Card]:
    """Read tensors and card.

    Raises:
        MissingError: no such file, not a safetensors file, truncated, or without a card.
    """
    card = read_card(path)
    from safetensors.numpy import load_file

    try:
        return load_file(path), card
    except Exception as error:
        raise MissingError(
            f"{path}: not a readable safetensors file ({error}). Train it again or copy it again."
        ) from None


def read_card(path: Path) -> Card:
    """Read only the card, not the tensors. Raises as :func:`read_checkpoint`."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
    except FileNotFoundError:
        raise MissingError(
            f"{path}: no such checkpoint. Give the path of a file that `mitobench train` wrote."
        ) from None
    except (SafetensorError, OSError) as error:
        raise MissingError(
            f"{path}: not a safetensors checkpoint ({error}). Give a file that `mitobench train` wrote, whole."
        ) from None
    try:
        fields = json.loads(metadata[_CARD_KEY])
        fields["training_origins"] = tuple(fields["training_origins"])
        fields["training_groups"] = tuple(fields["training_groups"])
        return Card(**fields)
    except (KeyError, TypeError, ValueError):
        raise MissingError(
            f"{path}: a safetensors file without a mitobench card, so what it holds is unknown. Give a file that `mitobench train` wrote."
        ) from None


def continued(card: Card, start: Path | None) -> Card:
    """A card that also names the images and groups which the weights it started from had seen.

    Args:
        card: of a training.
        start: what it started from; nothing is known of a file without a card.
    """
    if start is None:
        return card
    try:
        earlier = read_card(start)
    except MissingError:
        return card
    return replace(
        card,
        training_origins=tuple(sorted({*card.training_origins, *earlier.training_origins})),
        training_groups=tuple(sorted({*card.training_groups, *earlier.training_groups})),
    )


def parameter_count(path: Path) -> int | None:
    """How many floating-point numbers a safetensors file holds, from its header; None for any other file."""
    from safetensors import SafetensorError, safe_open

    if path.suffix != ".safetensors":
        return None
    try:
        with safe_open(path, framework="numpy") as file:
            slices = [file.get_slice(name) for name in file.keys()]  # noqa: SIM118  (not a mapping)
            return sum(int(math.prod(s.get_shape())) for s in slices if "F" in s.get_dtype())
    except (SafetensorError, OSError):
        return None
