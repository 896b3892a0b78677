"""Weights without code: safetensors with a card, or Keras weights-only HDF5; never a full-model file, never a pickle."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mitobench.checkpoints import Card, read_checkpoint, write_checkpoint
from mitobench.errors import MissingError
from mitobench_keras.architecture import Architecture, build_model, read_architecture
from mitobench_keras.hdf5 import read_channels
from mitobench_keras.runtime import device_memory, tf

__all__ = ["load_model", "read_weights", "set_weights", "write_weights"]

_HDF5 = ".weights.h5"


def load_model(path: Path, device: str) -> tuple[Any, Architecture]:
    """The network of a checkpoint, on a device.

    Args:
        path: a ``.safetensors`` file with a card, or a ``.weights.h5`` file of the published layers, whose channels are read
            from its shapes and which is taken to have been trained on 128 x 128 tiles of pixels divided by 255.
        device: TensorFlow's name.

    Raises:
        DeviceMemoryError: the device's memory ran out.
        MissingError: absent, truncated, another kind of file, another component's, or weights that do not fit the
            architecture. Full-model files (``.keras``, ``.h5``, SavedModel) and pickles are refused unread.
    """
    if path.name.endswith(_HDF5):
        return _load_hdf5(path, device)
    if path.suffix != ".safetensors":
        raise MissingError(
            f"{path}: refused unread. Expected a .safetensors checkpoint or a Keras weights-only file (.weights.h5); full-model "
            "files and pickles can hold code. Save such a model's weights with model.save_weights('NAME.weights.h5')."
        )
    tensors, card = read_checkpoint(path)
    architecture = read_architecture(card, path)
    with device_memory(), tf.device(device):
        model = build_model(architecture)
        set_weights(model, tensors, source=str(path))
    return model, architecture


def _load_hdf5(path: Path, device: str) -> tuple[Any, Architecture]:
    architecture = Architecture(channels=read_channels(path))
    with device_memory(), tf.device(device):
        model = build_model(architecture)
        try:
            with warnings.catch_warnings():
                # Keras only warns where it leaves a layer's random weights as they are.
                warnings.simplefilter("error", UserWarning)
                model.load_weights(path)
        except (ValueError, KeyError, OSError, UserWarning) as error:
            raise MissingError(
                f"{path}: weights that do not fit the network that their shapes suggest ({str(error).splitlines()[0]})."
            ) from None
    _check_finite(read_weights(model), str(path))
    return model, architecture


def read_weights(model: Any) -> dict[str, NDArray[np.float32]]:
    """The weights by name (``down0_conv0/kernel``), float32."""
    return {variable.path: np.array(variable.value.numpy()) for variable in model.weights}


def set_weights(model: Any, tensors: Mapping[str, NDArray[Any]], *, source: str) -> None:
    """Set a model's weights by name.

    Raises:
        MissingError: names or shapes differ: the weights are of another architecture. Names the first few.
    """
    own = {variable.path: variable for variable in model.weights}
    problems = [f"missing {name}" for name in own if name not in tensors]
    problems += [f"unexpected {name}" for name in tensors if name not in own]
    problems += [
        f"{name} is {tensors[name].shape}, expected {tuple(own[name].shape)}"
        for name in own
        if name in tensors and tensors[name].shape != tuple(own[name].shape)
    ]
    if problems:
        raise MissingError(
            f"{source}: weights of another architecture ({'; '.join(problems[:3])}{' ...' if len(problems) > 3 else ''}; {len(problems)} differences)."
        )
    _check_finite(tensors, source)
    for name, variable in own.items():
        variable.assign(tensors[name].astype(np.float32))


def _check_finite(tensors: Mapping[str, NDArray[Any]], source: str) -> None:
    for name, values in tensors.items():
        if not np.isfinite(values).all():
            raise MissingError(f"{source}: {name} holds NaN or infinity; expected finite weights. Train it again.")


def write_weights(path: Path, weights: Mapping[str, NDArray[np.float32]], card: Card, *, half: bool = False) -> None:
    """Write weights as a safetensors checkpoint with its card; ``half`` stores them as fp16."""
    write_checkpoint(path, {name: w.astype(np.float16) if half else w for name, w in weights.items()}, card)
