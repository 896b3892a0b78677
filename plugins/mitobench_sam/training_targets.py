"""From a sample's reference to what one training step needs: targets at low resolution, and first prompts."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

from mitobench.prompts import mask_logits
from mitobench.samples import Sample
from mitobench_sam.frames import Frame
from mitobench_sam.prompt_simulation import Kind, Simulated, centre_pixel, random_pixel
from mitobench_sam.trainer_options import PromptedTrainingOptions

__all__ = ["Targets", "first_prompts", "low_resolution", "targets_of"]

_PARTIAL_RIM = 8


@dataclass(frozen=True, eq=False)
class Targets:
    """K objects of one sample.

    Attributes:
        masks: bool (K, H, W), in the sample's pixels.
        low: float32 (K, 4g, 4g), the share of each low-resolution pixel that the object covers.
        hidden: bool (4g, 4g), pixels that do not count: beyond the image, ignored or, where all objects are one target and only
            some of them are annotated, away from the annotated ones.
        frame: of the sample.
    """

    masks: NDArray[np.bool_]
    low: Tensor
    hidden: Tensor
    frame: Frame


def targets_of(sample: Sample, side: int, options: PromptedTrainingOptions, rng: np.random.Generator) -> Targets | None:
    """Choose the objects of a sample that are trained on; None where it has none (left).

    Args:
        sample: with labels 1..K, some of which may be absent.
        side: of SAM's square input.
        options: how many objects, and whether they are one target.
        rng: decides which.
    """
    labels = np.asarray(sample.labels)
    areas = np.bincount(labels.reshape(-1))
    ids = np.flatnonzero(areas[1:] >= options.min_area) + 1
    if not ids.size:
        return None
    if options.prompt == "union-box":
        masks = np.isin(labels, ids)[None]
    else:
        count = 1 if options.objects == "one" else min(options.max_objects, ids.size)
        masks = labels[None] == np.sort(rng.choice(ids, count, replace=False))[:, None, None]
    frame = Frame.of(sample.shape, side)
    hidden = low_resolution(np.ones((1, *sample.shape), np.bool_), frame)[0] < 0.5
    if sample.ignore is not None:
        hidden |= low_resolution(sample.ignore[None], frame)[0] > 0.5
    if sample.partial and options.prompt == "union-box":
        near = ndimage.binary_dilation(labels > 0, np.ones((3, 3), bool), iterations=_PARTIAL_RIM)
        hidden |= low_resolution(~near[None], frame)[0] > 0.5
    return Targets(masks, low_resolution(masks, frame), hidden, frame)


def low_resolution(masks: NDArray[np.bool_], frame: Frame) -> Tensor:
    """Masks (K, H, W) as SAM's low-resolution output should show them, float32 (K, side / 4, side / 4) in 0..1.

    The inverse of what is done with that output: scaled to the square input with antialiasing, padded, averaged down.
    """
    height, width = frame.scaled
    whole = torch.from_numpy(np.ascontiguousarray(masks)).float()[:, None]
    scaled = functional.interpolate(whole, (height, width), mode="bilinear", align_corners=False, antialias=True)
    square = functional.pad(scaled, (0, frame.side - width, 0, frame.side - height))
    return functional.avg_pool2d(square, 4)[:, 0].clamp(0, 1)


def first_prompts(
    targets: Targets, kind: Kind, options: PromptedTrainingOptions, rng: np.random.Generator
) -> Simulated:
    """One prompt of a kind for each object, in the coordinates of the square input."""
    count = len(targets.masks)
    boxes, masks = None, None
    points, labels = torch.zeros(count, 0, 2), torch.zeros(count, 0, dtype=torch.int64)
    if kind == "box":
        corners = np.stack([_box(mask, options, rng) for mask in targets.masks])
        boxes = torch.from_numpy(targets.frame.place(corners.reshape(count, 2, 2))).reshape(count, 4)
    elif kind == "point":
        places = np.array([_point(mask, options.point, rng) for mask in targets.masks], np.float64)
        points = torch.from_numpy(targets.frame.place(places))[:, None]
        labels = torch.ones(count, 1, dtype=torch.int64)
    else:
        whole = torch.from_numpy(np.stack([mask_logits(mask) for mask in targets.masks]))[:, None]
        masks = functional.interpolate(whole, tuple(targets.low.shape[1:]), mode="area")
    return Simulated(boxes, points, labels, masks)


def _box(mask: NDArray[np.bool_], options: PromptedTrainingOptions, rng: np.random.Generator) -> NDArray[np.float64]:
    """(x0, y0, x1, y1) around a mask, moved as the options say, within the image."""
    rows, columns = ndimage.find_objects(mask.astype(np.int8))[0]
    box = np.array([columns.start, rows.start, columns.stop - 1, rows.stop - 1], np.float64)
    sides = np.tile(box[2:] - box[:2] + 1, 2)
    box += rng.uniform(-1, 1, 4) * options.box_jitter * sides
    if options.box_enlarge:
        box += rng.uniform(0, options.box_enlarge, 4) * sides * (-1, -1, 1, 1)
    if options.box_margin:
        box += rng.integers(0, options.box_margin, 4) * (-1, -1, 1, 1)
    limit = np.array([mask.shape[1] - 1, mask.shape[0] - 1])
    corners = np.clip(box.reshape(2, 2), 0, limit)
    return np.concatenate([corners.min(0), corners.max(0)])


def _point(mask: NDArray[np.bool_], where: str, rng: np.random.Generator) -> tuple[float, float]:
    """(x, y) on a mask."""
    y, x = centre_pixel(mask) if where == "centroid" else random_pixel(mask, rng)
    return float(x), float(y)
