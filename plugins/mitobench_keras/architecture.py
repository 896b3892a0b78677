"""The network: the published Keras U-Net, and how a checkpoint's card describes it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from mitobench.checkpoints import Card
from mitobench.errors import MissingError
from mitobench.seeds import derive_seed
from mitobench_keras.intensities import NORMALISATION
from mitobench_keras.runtime import keras

__all__ = ["COMPONENT", "Architecture", "build_model", "read_architecture"]

COMPONENT = "unet-keras"
_NETWORK = "keras U-Net"


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """What is needed to rebuild the network and to feed it.

    Attributes:
        channels: feature channels of each level, finest first, the last being the bottleneck; every level halves the
            resolution.
        size: side of the square input in pixels.
        tiling: how an image becomes such inputs, unless the user says otherwise.
        normalisation: the intensity rule.
    """

    channels: tuple[int, ...] = (64, 128, 256, 512, 1024)
    size: int = 128
    tiling: Literal["patches", "resize"] = "patches"
    normalisation: str = NORMALISATION

    def plain(self) -> dict[str, Any]:
        """As plain data for a card."""
        return {"network": _NETWORK, **asdict(self), "channels": list(self.channels)}


def build_model(architecture: Architecture, *, seed: int = 0) -> Any:
    """The network with fresh weights (Glorot uniform), the same for the same seed; reads and writes no global generator.

    It maps float32 (N, S, S, 1) in 0..1 to float32 (N, S, S, 1), the probability of foreground. Two 3 x 3 ReLU
    convolutions a block, 2 x 2 max-pooling, 2 x 2 transposed convolutions, skip concatenation, a 1 x 1 sigmoid.

    Source: Ronneberger, Fischer and Brox, "U-Net", MICCAI 2015, with "same" padding.
    """
    layers = _Layers(seed)
    *encoder, bottleneck = architecture.channels
    planes = inputs = keras.Input((architecture.size, architecture.size, 1), dtype="float32", name="image")
    skips = []
    for level, width in enumerate(encoder):
        planes = layers.block(planes, f"down{level}", width)
        skips.append(planes)
        planes = layers.pool(planes, f"down{level}_pool")
    planes = layers.block(planes, "bottleneck", bottleneck)
    for level, width in reversed(list(enumerate(encoder))):
        planes = layers.rise(planes, f"up{level}_rise", width)
        planes = keras.layers.Concatenate(axis=-1, dtype="float32", name=f"up{level}_skip")([planes, skips[level]])
        planes = layers.block(planes, f"up{level}", width)
    return keras.Model(inputs, layers.convolution(planes, "foreground", 1, 1, "sigmoid"), name="unet")


class _Layers:
    """Layers whose names, dtype, axis order and seeds are said, so that no Keras configuration or counter changes them."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def block(self, planes: Any, name: str, width: int) -> Any:
        for index in range(2):
            planes = self.convolution(planes, f"{name}_conv{index}", width, 3, "relu")
        return planes

    def convolution(self, planes: Any, name: str, width: int, side: int, activation: str) -> Any:
        return keras.layers.Conv2D(width, side, activation=activation, **self._said(name))(planes)

    def rise(self, planes: Any, name: str, width: int) -> Any:
        return keras.layers.Conv2DTranspose(width, 2, strides=2, **self._said(name))(planes)

    def pool(self, planes: Any, name: str) -> Any:
        return keras.layers.MaxPooling2D(2, data_format="channels_last", dtype="float32", name=name)(planes)

    def _said(self, name: str) -> dict[str, Any]:
        initial = keras.initializers.GlorotUniform(seed=derive_seed(self._seed, COMPONENT, name) % 2**31)
        return {
            "padding": "same",
            "data_format": "channels_last",
            "kernel_initializer": initial,
            "dtype": "float32",
            "name": name,
        }


def read_architecture(card: Card, path: Path) -> Architecture:
    """The architecture that a card describes.

    Raises:
        MissingError: the checkpoint belongs to another component, or to a network that this version cannot build.
    """
    if card.component != COMPONENT:
        raise MissingError(
            f"{path}: a checkpoint of {card.component!r}, expected one of {COMPONENT!r}. Give a file that `mitobench train {COMPONENT}` wrote."
        )
    described: Mapping[str, Any] = card.architecture
    known = {name: described[name] for name in Architecture.__dataclass_fields__ if name in described}
    try:
        architecture = Architecture(**{**known, "channels": tuple(int(c) for c in described["channels"])})
        _check(architecture, described.get("network"))
    except (KeyError, TypeError, ValueError) as error:
        raise MissingError(
            f"{path}: its card describes no Keras U-Net that this version can build ({error}). Train it again, or update mitobench."
        ) from None
    return architecture


def _check(architecture: Architecture, network: object) -> None:
    channels, size = architecture.channels, architecture.size
    if network != _NETWORK:
        raise ValueError(f"network {network!r}; expected {_NETWORK!r}")
    if not 2 <= len(channels) <= 8 or min(channels) < 1:
        raise ValueError(f"channels {list(channels)}; expected two to eight positive numbers")
    if not isinstance(size, int) or size < 1 or size % 2 ** (len(channels) - 1):
        raise ValueError(f"size {size!r}; expected a positive multiple of {2 ** (len(channels) - 1)}")
    if architecture.normalisation != NORMALISATION:
        raise ValueError(f"normalisation {architecture.normalisation!r}; expected {NORMALISATION!r}")
    if architecture.tiling not in ("patches", "resize"):
        raise ValueError(f"tiling {architecture.tiling!r}; expected 'patches' or 'resize'")
