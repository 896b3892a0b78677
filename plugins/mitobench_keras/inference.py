"""Images through the network, as tiles or resized."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mitobench_keras.intensities import as_grey, normalise
from mitobench_keras.runtime import device_memory, tf
from mitobench_keras.tiles import Corner, cut, resized, stitch, tile_corners

__all__ = ["Network", "Viewing", "inputs_resized", "probability_maps"]


@dataclass(frozen=True, kw_only=True)
class Viewing:
    """How images go through the network.

    Attributes:
        tiling: as tiles at full resolution, or each resized to one input.
        overlap: the share of a tile's side that neighbouring tiles share.
        batch: tiles at a time.
    """

    tiling: Literal["patches", "resize"] = "patches"
    overlap: float = 0.0
    batch: int = 16


class Network:
    """A model on its device, compiled for inputs of its size.

    Args:
        model: from :func:`~mitobench_keras.architecture.build_model`.
        device: TensorFlow's name of the device on which its weights lie.
    """

    def __init__(self, model: Any, device: str) -> None:
        self.size: int = model.input_shape[1]
        self._device = device
        self._forward = tf.function(
            lambda tiles: model(tiles, training=False),
            input_signature=[tf.TensorSpec((None, self.size, self.size, 1), tf.float32)],
            autograph=False,
        )

    def __call__(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Foreground probabilities, float32 (N, S, S) in 0..1, of grey tiles, uint8 (N, S, S).

        Raises:
            DeviceMemoryError: the device's memory ran out.
        """
        with device_memory(), tf.device(self._device):
            maps: NDArray[np.float32] = self._forward(tf.constant(normalise(tiles))).numpy()
        return maps[..., 0]


def probability_maps(
    network: Network, images: Sequence[NDArray[np.uint8]], viewing: Viewing
) -> list[NDArray[np.float32]]:
    """Foreground probabilities of each image.

    Tiles of all images go through together, ``viewing.batch`` at a time; which ones do changes a probability by no more than
    rounding.

    Args:
        network: the network.
        images: uint8 (H, W) or (H, W, 3) each, of any sizes.
        viewing: how.

    Returns:
        float32 (H, W) in 0..1 for each image, in order.

    Raises:
        DeviceMemoryError: the device's memory ran out.
    """
    size, overlap = network.size, viewing.overlap
    if viewing.tiling == "resize":
        small = _through(network, (inputs_resized(as_grey(image), size) for image in images), viewing.batch)
        return [resized(tile, image.shape[:2]) for tile, image in zip(small, images, strict=True)]
    corners = [tile_corners(image.shape[:2], size, overlap) for image in images]
    cuts = (
        np.asarray(cut(as_grey(image), corner, size), np.uint8)
        for image, places in zip(images, corners, strict=True)
        for corner in places
    )
    tiles = _through(network, cuts, viewing.batch)
    return [_stitched(tiles, places, image) for image, places in zip(images, corners, strict=True)]


def inputs_resized(grey: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """A grey image, uint8 (H, W), as one input, uint8 (S, S)."""
    return np.rint(resized(grey, (size, size))).astype(np.uint8)


def _stitched(
    tiles: Iterator[NDArray[np.float32]], corners: Sequence[Corner], image: NDArray[np.uint8]
) -> NDArray[np.float32]:
    return stitch([next(tiles) for _ in corners], corners, (image.shape[0], image.shape[1]))


def _through(network: Network, tiles: Iterator[NDArray[np.uint8]], batch: int) -> Iterator[NDArray[np.float32]]:
    """The map of each tile, computed in batches as they are asked for."""
    waiting: list[NDArray[np.uint8]] = []
    for tile in tiles:
        waiting.append(tile)
        if len(waiting) == batch:
            yield from network(np.stack(waiting))
            waiting = []
    if waiting:
        yield from network(np.stack(waiting))
