"""What of a mask counts, and which masks take part in the label image."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mitobench.masks import PackedMasks

__all__ = ["Crop", "cut_to_box", "stability", "suppress"]

Crop = tuple[tuple[int, int], NDArray[np.bool_]]
"""((y0, x0), bool (h, w)): the window of an image outside which a mask is empty."""

_OFFSET = 1.0


def cut_to_box(crop: Crop, box: NDArray[np.floating]) -> Crop:
    """A mask without its pixels beyond a box.

    Args:
        crop: the mask.
        box: (x0, y0, x1, y1) in pixels; pixels whose centres lie on its edge are inside.
    """
    (top, left), mask = crop
    rows, columns = top + np.arange(mask.shape[0]), left + np.arange(mask.shape[1])
    x0, y0, x1, y1 = box
    inside = ((rows >= y0) & (rows <= y1))[:, None] & ((columns >= x0) & (columns <= x1))
    return (top, left), mask & inside


def stability(logits: Tensor, valid: tuple[int, int], threshold: float) -> Tensor:
    """IoU between the masks at ``threshold + 1`` and ``threshold - 1`` (the stability score of Kirillov et al., 2023).

    Args:
        logits: float (B, g, g), low-resolution.
        valid: (rows, columns) of the logits that show the image; the rest is padding.
        threshold: of the mask.

    Returns:
        float (B,) in 0..1; 0 where both are empty.
    """
    seen = logits[:, : valid[0], : valid[1]].flatten(1)
    inner = (seen > threshold + _OFFSET).sum(dim=1, dtype=torch.float32)
    outer = (seen > threshold - _OFFSET).sum(dim=1, dtype=torch.float32)
    return inner / outer.clamp(min=1)


def suppress(
    masks: PackedMasks, scores: NDArray[np.floating], keep: NDArray[np.bool_], limit: float
) -> NDArray[np.bool_]:
    """Drop every mask whose IoU with a better mask that stays is above ``limit``.

    Better is a higher score, then a larger area, then an earlier box, then smaller bits: the order in which the masks
    came plays no part.

    Args:
        masks: N masks.
        scores: (N,), higher is better.
        keep: bool (N,), the masks that take part.
        limit: 0..1; at 1 nothing is dropped.

    Returns:
        bool (N,).
    """
    if limit >= 1:
        return keep
    areas = masks.areas()
    ranked = sorted(
        (int(i) for i in np.flatnonzero(keep)),
        key=lambda i: (-scores[i], -areas[i], masks.boxes[i].tolist(), masks.crop(i)[1].tobytes()),
    )
    kept: list[int] = []
    for index in ranked:
        others = _possible(masks.boxes, areas, index, np.array(kept, np.int64), limit)
        if not any(_iou(masks, areas, index, int(other)) > limit for other in others):
            kept.append(index)
    chosen = np.zeros(len(masks), np.bool_)
    chosen[kept] = True
    return chosen


def _possible(
    boxes: NDArray[np.int32], areas: NDArray[np.int64], index: int, kept: NDArray[np.int64], limit: float
) -> NDArray[np.int64]:
    """Those of ``kept`` whose IoU with ``index`` may exceed the limit, as their boxes and areas bound it."""
    low = np.maximum(boxes[kept, :2], boxes[index, :2])
    high = np.minimum(boxes[kept, 2:], boxes[index, 2:])
    shared = np.prod(np.clip(high - low, 0, None).astype(np.int64), axis=1)
    most = np.minimum(shared, np.minimum(areas[kept], areas[index]))
    return kept[most > limit * (areas[kept] + areas[index] - most)]


def _iou(masks: PackedMasks, areas: NDArray[np.int64], first: int, second: int) -> float:
    y0, x0 = np.maximum(masks.boxes[first, :2], masks.boxes[second, :2])
    y1, x1 = np.minimum(masks.boxes[first, 2:], masks.boxes[second, 2:])
    windows = []
    for index in (first, second):
        (top, left), crop = masks.crop(index)
        windows.append(crop[y0 - top : y1 - top, x0 - left : x1 - left])
    shared = int(np.count_nonzero(windows[0] & windows[1]))
    return shared / max(1, int(areas[first] + areas[second]) - shared)
