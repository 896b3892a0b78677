"""The network: MONAI's residual U-Net with two output maps, and how a checkpoint's card describes it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from mitobench.checkpoints import Card
from mitobench.errors import MissingError
from mitobench_unet.intensities import NORMALISATION

__all__ = ["COMPONENT", "MAPS", "Architecture", "build_network", "read_architecture"]

COMPONENT = "unet"
MAPS = 2
"""Output maps, as logits: 0 = foreground, 1 = interior (foreground without a rim, so that touching objects come apart)."""

_RARE = -2.0
"""First value of the output's bias: objects are rare. Started at 0, the first steps do nothing but push every map down, and may
push features down with it for good."""


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """What is needed to rebuild the network and to read its maps.

    Attributes:
        colour: three input channels instead of one.
        channels: feature channels of each level, finest first; every level halves the resolution.
        residual_units: residual units per level.
        border: width in pixels of the rim that the interior map leaves out.
        split: how maps become instances unless the user says otherwise.
        min_area: the smallest instance in pixels unless the user says otherwise.
        normalisation: the intensity rule.
    """

    colour: bool = False
    channels: tuple[int, ...] = (16, 32, 64, 128, 256)
    residual_units: int = 2
    border: int = 2
    split: Literal["components", "watershed"] = "components"
    min_area: int = 0
    normalisation: str = NORMALISATION

    @property
    def multiple(self) -> int:
        """Height and width of an input must be multiples of this many pixels."""
        return int(2 ** (len(self.channels) - 1))

    def plain(self) -> dict[str, Any]:
        """As plain data for a card."""
        return {"network": "monai.networks.nets.UNet", **asdict(self), "channels": list(self.channels)}


def build_network(architecture: Architecture) -> nn.Module:
    """The network with fresh weights from torch's global generator.

    It maps float32 (N, 1 or 3, H, W) to float32 (N, 2, H, W) logits. Batch norm rather than instance norm: in evaluation a
    pixel's value then depends only on its surroundings, so windows of a large image fit together. Channels last, which is faster on CPU and GPU
    alike; leaky ReLU rather than PReLU, whose backward pass takes a quarter of a CPU training, and rather than ReLU, which may
    die in MONAI's two-channel last level.

    Source: Kerfoot et al., "Left-ventricle quantification using residual U-Net", STACOM 2018, as implemented in MONAI.
    """
    from monai.networks.nets.unet import UNet

    network = UNet(
        spatial_dims=2,
        in_channels=3 if architecture.colour else 1,
        out_channels=MAPS,
        channels=architecture.channels,
        strides=(2,) * (len(architecture.channels) - 1),
        num_res_units=architecture.residual_units,
        norm="BATCH",
        act=("LEAKYRELU", {"negative_slope": 0.1}),
    )
    last = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)][-1]
    if last.bias is not None:
        nn.init.constant_(last.bias, _RARE)
    return network.to(memory_format=torch.channels_last)


def read_architecture(card: Card, path: Path) -> Architecture:
    """The architecture that a card describes.

    Raises:
        MissingError: the checkpoint belongs to another component, or to a network that this version cannot build.
    """
    if card.component != COMPONENT:
        raise MissingError(
            f"{path}: a checkpoint of {card.component!r}, expected one of 'unet'. Give a file that `mitobench train unet` wrote."
        )
    described: Mapping[str, Any] = card.architecture
    known = {name: described[name] for name in Architecture.__dataclass_fields__ if name in described}
    try:
        architecture = Architecture(**{**known, "channels": tuple(int(c) for c in described["channels"])})
        _check(architecture)
    except (KeyError, TypeError, ValueError) as error:
        raise MissingError(
            f"{path}: its card describes no U-Net that this version can build ({error}). Train it again, or update mitobench."
        ) from None
    return architecture


def _check(architecture: Architecture) -> None:
    if len(architecture.channels) < 2 or min(architecture.channels) < 1:
        raise ValueError(f"channels {list(architecture.channels)}; expected two or more positive numbers")
    if architecture.normalisation != NORMALISATION:
        raise ValueError(f"normalisation {architecture.normalisation!r}; expected {NORMALISATION!r}")
    if architecture.split not in ("components", "watershed"):
        raise ValueError(f"split {architecture.split!r}; expected 'components' or 'watershed'")
