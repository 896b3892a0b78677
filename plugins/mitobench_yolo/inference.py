"""Images through the network: whole or in tiles, and what comes out as candidate boxes."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torchvision.ops import nms

from mitobench_torch.devices import device_memory
from mitobench_yolo.boxes import clip
from mitobench_yolo.options import LOWEST_CONFIDENCE
from mitobench_yolo.runtime import cv2
from mitobench_yolo.samples import PADDING, three_channels

__all__ = ["Viewing", "find_candidates", "suppress"]

_STRIDE = 32


@dataclass(frozen=True, kw_only=True)
class Viewing:
    """How images go through the network.

    Attributes:
        image_size: an image or tile is scaled so that its longer side has this many pixels.
        tile: an image with a longer side than this many pixels goes through in tiles of this side; None = always whole.
        overlap: the share of a tile's side that neighbouring tiles share, 0..0.5.
        batch: images or tiles at a time.
    """

    image_size: int
    tile: int | None = None
    overlap: float = 0.25
    batch: int = 8


class _Part(NamedTuple):
    """A part of an image: where it begins and ends, and the middle of it, whose boxes are its own (x0, y0, x1, y1)."""

    image: int
    left: int
    top: int
    right: int
    bottom: int
    core: tuple[float, float, float, float]


def find_candidates(
    network: nn.Module, images: Sequence[NDArray[np.uint8]], viewing: Viewing, device: torch.device
) -> list[NDArray[np.float32]]:
    """The candidate boxes of each image, before non-maximum suppression.

    A box that two tiles see is taken from the tile that has its centre in the middle; so an object is whole in one of them
    if it is no larger than what they share.

    Args:
        network: in evaluation mode, on ``device``.
        images: uint8 (H, W) or (H, W, 3) each, of any sizes.
        viewing: scale, tiles and batches.
        device: where the network is.

    Returns:
        float32 (K, 5) for each image: edges (x0, y0, x1, y1) in its pixels, cut to it, and the confidence; most confident first.

    Raises:
        DeviceMemoryError: the device's memory ran out.
    """
    alike: dict[tuple[int, int], list[_Part]] = defaultdict(list)
    for index, image in enumerate(images):
        for part in _parts(index, image.shape[:2], viewing):
            alike[_input_shape(part, viewing.image_size)].append(part)
    found: list[list[NDArray[np.float32]]] = [[] for _ in images]
    for parts in alike.values():
        for start in range(0, len(parts), viewing.batch):
            some = parts[start : start + viewing.batch]
            inputs = [
                _network_input(images[p.image][p.top : p.bottom, p.left : p.right], viewing.image_size) for p in some
            ]
            for part, rows in zip(some, _forward(network, inputs, device), strict=True):
                found[part.image].append(_into_image(rows, part, viewing.image_size))
    return [_ordered(np.concatenate(rows), image.shape[:2]) for rows, image in zip(found, images, strict=True)]


def suppress(candidates: NDArray[np.float32], *, confidence: float, iou: float) -> NDArray[np.float32]:
    """Non-maximum suppression: of two boxes with an IoU above ``iou`` the less confident goes.

    Unlike ultralytics' own it has no limit of boxes and none of time, so the result depends on nothing but its arguments.

    Args:
        candidates: float32 (K, 5), most confident first.
        confidence: boxes below it are left out.
        iou: 0..1.

    Returns:
        the rows that stay, in their order.
    """
    rows = candidates[candidates[:, 4] >= confidence]
    if len(rows) < 2:
        return rows
    kept = nms(torch.from_numpy(rows[:, :4].copy()), torch.from_numpy(rows[:, 4].copy()), iou)
    return np.asarray(rows[np.sort(kept.numpy())])


def _parts(index: int, shape: tuple[int, int], viewing: Viewing) -> Iterator[_Part]:
    height, width = shape
    if viewing.tile is None or max(height, width) <= viewing.tile:
        yield _Part(index, 0, 0, width, height, (-np.inf, -np.inf, np.inf, np.inf))
        return
    for top, bottom, y0, y1 in _spans(height, viewing.tile, viewing.overlap):
        for left, right, x0, x1 in _spans(width, viewing.tile, viewing.overlap):
            yield _Part(index, left, top, right, bottom, (x0, y0, x1, y1))


def _spans(length: int, tile: int, overlap: float) -> list[tuple[int, int, float, float]]:
    """Start and end of the tiles along one axis, and of their middles, which adjoin without gap or overlap."""
    step = max(1, int(tile * (1 - overlap)))
    starts = sorted({max(0, min(start, length - tile)) for start in range(0, max(1, length - tile + step), step)})
    ends = [min(length, start + tile) for start in starts]
    between = [(following + end) / 2 for following, end in zip(starts[1:], ends[:-1], strict=True)]
    return list(zip(starts, ends, [-np.inf, *between], [*between, np.inf], strict=True))


def _scaled_shape(height: int, width: int, image_size: int) -> tuple[int, int]:
    ratio = image_size / max(height, width)
    return max(1, round(height * ratio)), max(1, round(width * ratio))


def _input_shape(part: _Part, image_size: int) -> tuple[int, int]:
    height, width = _scaled_shape(part.bottom - part.top, part.right - part.left, image_size)
    return -(-height // _STRIDE) * _STRIDE, -(-width // _STRIDE) * _STRIDE


def _network_input(image: NDArray[np.uint8], image_size: int) -> NDArray[np.uint8]:
    """uint8 (3, h, w) RGB: the image scaled, in the top left corner, and grey beside it up to a multiple of the stride."""
    height, width = _scaled_shape(image.shape[0], image.shape[1], image_size)
    picture = three_channels(image)
    if picture.shape[:2] != (height, width):
        picture = cv2.resize(np.ascontiguousarray(picture), (width, height), interpolation=cv2.INTER_LINEAR)
    planes = np.full((3, -(-height // _STRIDE) * _STRIDE, -(-width // _STRIDE) * _STRIDE), PADDING, np.uint8)
    planes[:, :height, :width] = picture.transpose(2, 0, 1)
    return planes


@torch.inference_mode()
def _forward(
    network: nn.Module, inputs: Sequence[NDArray[np.uint8]], device: torch.device
) -> Iterator[NDArray[np.float32]]:
    """float32 (K, 5) for each of N equally large inputs: edges in the input's pixels and confidence."""
    with device_memory():
        batch = torch.from_numpy(np.stack(inputs)).to(device).float() / 255
        output = network(batch)
        output = output[0] if isinstance(output, tuple | list) else output
        centres, sides, scores = output[:, :2], output[:, 2:4], output[:, 4:].amax(dim=1, keepdim=True)
        rows = torch.cat([centres - sides / 2, centres + sides / 2, scores], dim=1).permute(0, 2, 1).float().cpu()
    return iter([np.ascontiguousarray(row[row[:, 4] >= LOWEST_CONFIDENCE].numpy()) for row in rows])


def _into_image(rows: NDArray[np.float32], part: _Part, image_size: int) -> NDArray[np.float32]:
    """Rows in the image's pixels, those whose centre lies in the part's middle."""
    height, width = part.bottom - part.top, part.right - part.left
    scaled_height, scaled_width = _scaled_shape(height, width, image_size)
    scale = np.array([width / scaled_width, height / scaled_height] * 2 + [1.0])
    moved = rows * scale + np.array([part.left, part.top] * 2 + [0.0])
    x, y = (moved[:, 0] + moved[:, 2]) / 2, (moved[:, 1] + moved[:, 3]) / 2
    x0, y0, x1, y1 = part.core
    return np.asarray(moved[(x >= x0) & (x < x1) & (y >= y0) & (y < y1)], np.float32)


def _ordered(rows: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Rows cut to the image, without those that lie off it, most confident first."""
    boxes = clip(rows[:, :4], shape)
    inside = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    kept = np.concatenate([boxes, rows[:, 4:]], axis=1)[inside].astype(np.float32)
    return kept[np.argsort(-kept[:, 4], kind="stable")]
