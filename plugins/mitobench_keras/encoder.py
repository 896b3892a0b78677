"""The forward pass that the segmenter and the prompter share."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mitobench.hashing import hash_data, hash_file
from mitobench.interfaces import BuildContext
from mitobench_keras.inference import Network, Viewing, probability_maps
from mitobench_keras.instances import find_instances
from mitobench_keras.options import ROLE, KerasOptions
from mitobench_keras.runtime import resolve_device
from mitobench_keras.weights import load_model

__all__ = ["Encoder"]


class Encoder:
    """A trained network, and the probability maps that it makes of images.

    Args:
        options: which weights, and how images go through.
        context: the device and the weights' path.

    Raises:
        MissingError: no such device, or weights that are not this network's (see :func:`~mitobench_keras.weights.load_model`).
    """

    def __init__(self, options: KerasOptions, context: BuildContext) -> None:
        path = context.weights.get(ROLE, options.checkpoint)
        device = resolve_device(context.device)
        model, self.architecture = load_model(path, device)
        self._network = Network(model, device)
        tiling = self.architecture.tiling if options.tiling == "auto" else options.tiling
        self._viewing = Viewing(tiling=tiling, overlap=options.overlap, batch=options.batch)
        seen = {"tiling": tiling, "overlap": options.overlap if tiling == "patches" else 0.0}
        self.key = hash_data(
            {
                "encoder": "unet-keras",
                "weights": hash_file(path),
                "normalisation": self.architecture.normalisation,
                **seen,
            }
        )
        self._threshold, self._min_area = options.threshold, options.min_area

    def encode(self, images: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.float32]]:
        """Foreground probabilities, float32 (H, W) in 0..1, of each image, uint8 (H, W) or (H, W, 3)."""
        return probability_maps(self._network, images, self._viewing)

    def instances(self, probability: NDArray[np.float32]) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Instance labels int32 (H, W) and their scores float32 (K,) from one image's map."""
        return find_instances(probability, threshold=self._threshold, min_area=self._min_area)
