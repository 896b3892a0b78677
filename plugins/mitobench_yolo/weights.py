"""Weights: safetensors with a card; an ultralytics pickle only where the user names it together with its hash."""

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mitobench.checkpoints import read_card
from mitobench.errors import MissingError
from mitobench_torch.weights import load_into, read_state
from mitobench_yolo.architecture import Architecture, build_network, find_problem, read_architecture
from mitobench_yolo.runtime import DetectionModel

__all__ = ["load_network", "start_from"]


def load_network(path: Path, sha256: str = "") -> tuple[DetectionModel, Architecture]:
    """The network of a checkpoint, on the CPU.

    Args:
        path: a ``.safetensors`` file with a card, or an ultralytics ``.pt`` file.
        sha256: of the ``.pt`` file; 64 hexadecimal digits.

    Raises:
        MissingError: absent, truncated, another component's, weights that do not fit; a ``.pt`` file without its hash, or
            whose hash is another. Such a file is refused before anything of it is unpickled.
    """
    if path.suffix == ".safetensors":
        architecture = read_architecture(read_card(path), path)
        state: Mapping[str, Tensor] = read_state(path)
    else:
        state, architecture = _read_pickle(path, sha256)
    network = build_network(architecture)
    load_into(network, state, source=str(path))
    if not all(bool(torch.isfinite(value).all()) for value in state.values()):
        raise MissingError(f"{path}: the weights hold NaN or infinity; expected finite weights. Train it again.")
    return network, architecture


def start_from(network: DetectionModel, path: Path, sha256: str = "") -> tuple[int, int]:
    """Load the weights of a checkpoint of the same size; the layers that depend on the number of classes may differ.

    Returns:
        how many tensors were taken over, of how many.

    Raises:
        MissingError: as :func:`load_network`, or a network of another size.
    """
    other, _ = load_network(path, sha256)
    own, found = network.state_dict(), other.state_dict()
    fitting = {key: value for key, value in found.items() if key in own and own[key].shape == value.shape}
    last = f"model.{len(network.model) - 1}.cv3."
    strange = [key for key in own if key not in fitting and not key.startswith(last)]
    if strange:
        raise MissingError(
            f"{path}: a network of another size ({len(strange)} of {len(own)} tensors differ, the first {strange[0]}). Give the same size=."
        )
    network.load_state_dict({**own, **fitting})
    return len(fitting), len(own)


def _read_pickle(path: Path, sha256: str) -> tuple[dict[str, Tensor], Architecture]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise MissingError(f"{path}: cannot be read ({error.strerror}).") from None
    found = hashlib.sha256(data).hexdigest()
    if not sha256:
        raise MissingError(
            f"{path}: refused unread. Expected a .safetensors checkpoint; any other file is taken to be a pickle, which can run code. "
            f"If you trust its origin, give its hash (sha256= or init_sha256=); this file's is {found}."
        )
    if found != sha256.lower():
        raise MissingError(
            f"{path}: refused unread. Its SHA-256 is {found}, expected {sha256.lower()}. Fetch it again."
        )
    try:
        stored = torch.load(io.BytesIO(data), map_location="cpu", weights_only=False)
        network = stored.get("ema") or stored["model"]
        layers: dict[str, Any] = dict(network.yaml)
        arguments = stored.get("train_args") or {}
        size = max(32, int(arguments.get("imgsz", 640)) // 32 * 32)
        state = {
            key: value.float() if value.is_floating_point() else value for key, value in network.state_dict().items()
        }
    except Exception as error:
        raise MissingError(
            f"{path}: not an ultralytics detection checkpoint ({type(error).__name__}: {error})."
        ) from None
    scale = layers.get("scale")
    layers["scales"] = {scale: layers.get("scales", {}).get(scale)}
    problem = find_problem(layers)
    if problem:
        raise MissingError(f"{path}: not a YOLO11 detection network ({problem}). Give a YOLO11 n, s or m .pt file.")
    return state, Architecture(layers=layers, image_size=size)
