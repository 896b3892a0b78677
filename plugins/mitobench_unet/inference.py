"""Images through the network: whole, or in overlapping windows where they are large."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from mitobench.errors import DeviceMemoryError
from mitobench_torch.devices import device_memory
from mitobench_unet.architecture import MAPS, Architecture
from mitobench_unet.intensities import Levels, as_planes, find_levels

__all__ = ["Viewing", "probability_maps"]


@dataclass(frozen=True, kw_only=True)
class Viewing:
    """How images go through the network.

    Attributes:
        window: an image with a longer side than this many pixels goes through in windows of this side.
        overlap: the share of a window's side that neighbouring windows share, 0..0.5.
        batch: images or windows at a time.
        flips: average the maps of the image and of its three mirror images.
    """

    window: int = 1024
    overlap: float = 0.25
    batch: int = 4
    flips: bool = False


def probability_maps(
    network: nn.Module,
    architecture: Architecture,
    images: Sequence[NDArray[np.uint8]],
    viewing: Viewing,
    device: torch.device,
) -> list[NDArray[np.float32]]:
    """Foreground and interior probabilities of each image.

    An image is extended below and to the right by its mirror image to the network's multiple. Images that then have one
    size go through together; which ones do changes a probability by no more than rounding. Windows are blended with
    weights that fall linearly towards their edges. Where the device's memory runs out, half as many go through at a time,
    down to one.

    Args:
        network: in evaluation mode, on ``device``.
        architecture: the network's.
        images: uint8 (H, W) or (H, W, 3) each, of any sizes.
        viewing: windows and batches.
        device: where the network is.

    Returns:
        float32 (2, H, W) in 0..1 for each image, in order.

    Raises:
        DeviceMemoryError: the device's memory does not hold even one.
    """
    while True:
        try:
            return _all_maps(network, architecture, images, viewing, device)
        except DeviceMemoryError:
            if viewing.batch == 1:
                raise
        viewing = replace(viewing, batch=viewing.batch // 2)


def _all_maps(
    network: nn.Module,
    architecture: Architecture,
    images: Sequence[NDArray[np.uint8]],
    viewing: Viewing,
    device: torch.device,
) -> list[NDArray[np.float32]]:
    window = -(-viewing.window // architecture.multiple) * architecture.multiple
    results: list[NDArray[np.float32] | None] = [None] * len(images)
    alike: dict[tuple[int, int], list[int]] = defaultdict(list)
    for index, image in enumerate(images):
        height, width = _padded(image.shape[:2], architecture.multiple)
        if max(height, width) > window:
            results[index] = _in_windows(network, architecture, image, viewing, window, device)
        else:
            alike[height, width].append(index)
    for size, members in alike.items():
        for start in range(0, len(members), viewing.batch):
            part = members[start : start + viewing.batch]
            planes = [_planes(images[i], find_levels(images[i]), architecture, (0, 0), size) for i in part]
            for index, maps in zip(part, _forward(network, planes, viewing.flips, device), strict=True):
                height, width = images[index].shape[:2]
                results[index] = np.ascontiguousarray(maps[:, :height, :width])
    return [maps for maps in results if maps is not None]


def _padded(shape: tuple[int, ...], multiple: int) -> tuple[int, int]:
    return -(-shape[0] // multiple) * multiple, -(-shape[1] // multiple) * multiple


def _planes(
    image: NDArray[np.uint8],
    levels: Levels,
    architecture: Architecture,
    corner: tuple[int, int],
    size: tuple[int, int],
) -> NDArray[np.float32]:
    """The network's input planes of one window, float32 (C, h, w); beyond the image they mirror it."""
    rows, columns = (
        np.pad(np.arange(length), (0, max(0, start + side - length)), mode="reflect")[start : start + side]
        for length, start, side in zip(image.shape[:2], corner, size, strict=True)
    )
    return as_planes(levels.normalise(image[rows[:, None], columns[None, :]]), 3 if architecture.colour else 1)


@torch.inference_mode()
def _forward(
    network: nn.Module, planes: Sequence[NDArray[np.float32]], flips: bool, device: torch.device
) -> NDArray[np.float32]:
    """float32 (N, 2, h, w) probabilities of N equally large inputs."""
    with device_memory():
        batch = torch.from_numpy(np.stack(planes)).to(device)
        views: list[tuple[int, ...]] = [(), (2,), (3,), (2, 3)] if flips else [()]
        maps = [torch.flip(torch.sigmoid(network(torch.flip(batch, axes)).float()), axes) for axes in views]
        return np.asarray(torch.stack(maps).mean(dim=0).cpu().numpy(), np.float32)


def _in_windows(
    network: nn.Module,
    architecture: Architecture,
    image: NDArray[np.uint8],
    viewing: Viewing,
    window: int,
    device: torch.device,
) -> NDArray[np.float32]:
    height, width = _padded(image.shape[:2], architecture.multiple)
    sides = min(window, height), min(window, width)
    levels = find_levels(image)
    step = max(
        architecture.multiple, int(window * (1 - viewing.overlap)) // architecture.multiple * architecture.multiple
    )
    weight = np.minimum.outer(_ramp(sides[0]), _ramp(sides[1]))
    total = np.zeros((MAPS, height, width), np.float32)
    share = np.zeros((height, width), np.float32)
    for corners in _batches(_corners((height, width), sides, step), viewing.batch):
        planes = [_planes(image, levels, architecture, corner, sides) for corner in corners]
        for (top, left), maps in zip(corners, _forward(network, planes, viewing.flips, device), strict=True):
            place = slice(top, top + sides[0]), slice(left, left + sides[1])
            total[:, *place] += maps * weight
            share[place] += weight
    total /= share
    return np.ascontiguousarray(total[:, : image.shape[0], : image.shape[1]])


def _ramp(side: int) -> NDArray[np.float32]:
    """Weights of a window's pixels along one side: 1 at the edges, rising by 1 a pixel to the middle."""
    distance = np.arange(1, side + 1, dtype=np.float32)
    return np.minimum(distance, distance[::-1])


def _corners(size: tuple[int, int], sides: tuple[int, int], step: int) -> list[tuple[int, int]]:
    starts = [
        sorted({min(start, length - side) for start in range(0, length - side + step, step)})
        for length, side in zip(size, sides, strict=True)
    ]
    return [(top, left) for top in starts[0] for left in starts[1]]


def _batches(items: list[tuple[int, int]], size: int) -> Iterator[list[tuple[int, int]]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
