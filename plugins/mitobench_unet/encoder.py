"""The forward pass that the segmenter and the prompter share."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from mitobench.checkpoints import read_card
from mitobench.errors import MissingError
from mitobench.hashing import hash_data, hash_file
from mitobench.interfaces import BuildContext
from mitobench_torch.devices import resolve_device
from mitobench_torch.weights import load_into, read_state
from mitobench_unet.architecture import Architecture, build_network, read_architecture
from mitobench_unet.inference import Viewing, probability_maps
from mitobench_unet.instances import find_instances
from mitobench_unet.options import ROLE, UnetOptions

__all__ = ["Encoder", "load_network"]


class Encoder:
    """A trained network, and the probability maps that it makes of images.

    Args:
        options: which weights, and how images go through.
        context: the device and the weights' path.

    Raises:
        MissingError: no weights, or weights that are not this network's (see :func:`load_network`).
    """

    def __init__(self, options: UnetOptions, context: BuildContext) -> None:
        path = context.weights.get(ROLE, options.checkpoint)
        if path is None:
            raise MissingError(
                f"unet: the weights {options.weights()[0].name!r} are not here. Run `mitobench weights fetch {options.weights()[0].name}` or give checkpoint=."
            )
        self.device = resolve_device(context.device)
        network, self.architecture = load_network(path)
        self._network = network.to(self.device).eval()
        self._viewing = Viewing(
            window=options.window, overlap=options.overlap, batch=options.batch, flips=options.flips
        )
        seen = {"window": options.window, "overlap": options.overlap, "flips": options.flips}
        self.key = hash_data(
            {"encoder": "unet", "weights": hash_file(path), "normalisation": self.architecture.normalisation, **seen}
        )
        self._threshold = options.threshold
        self._min_area = self.architecture.min_area if options.min_area is None else options.min_area
        self.split: Literal["components", "watershed"] = (
            self.architecture.split if options.split == "auto" else options.split
        )

    def encode(self, images: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.float32]]:
        """Foreground and interior probabilities, float32 (2, H, W) in 0..1, of each image, uint8 (H, W) or (H, W, 3)."""
        return probability_maps(self._network, self.architecture, images, self._viewing, self.device)

    def instances(self, maps: NDArray[np.float32]) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Instance labels int32 (H, W) and their scores float32 (K,) from one image's maps."""
        return find_instances(maps, threshold=self._threshold, min_area=self._min_area, split=self.split)


def load_network(path: Path) -> tuple[torch.nn.Module, Architecture]:
    """The network of a checkpoint, on the CPU.

    Raises:
        MissingError: absent, not a safetensors file with a card (a pickle is refused unread), another component's, or
            weights that do not fit the architecture that the card describes.
    """
    architecture = read_architecture(read_card(path), path)
    network = build_network(architecture)
    load_into(network, read_state(path), source=str(path))
    return network, architecture
