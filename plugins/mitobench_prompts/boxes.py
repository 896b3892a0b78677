"""Boxes from the reference: one per object, or one around all of them."""

import numpy as np
from numpy.typing import NDArray

from mitobench.interfaces import BuildContext, Encoding
from mitobench.prompts import ALL_OBJECTS, Prompts
from mitobench.samples import Sample
from mitobench_prompts.options import BoxOptions, UnionBoxOptions
from mitobench_prompts.reference import ReferenceObjects
from mitobench_prompts.unencoded import Unencoded

__all__ = ["ObjectBoxes", "UnionBox", "clip_boxes", "move_sides"]

_OUTWARD = np.array([-1.0, -1.0, 1.0, 1.0])


class ObjectBoxes(Unencoded):
    """``gt-box``: the tight box of each object, its sides moved at random, clipped to the image."""

    def __init__(self, options: BoxOptions, context: BuildContext) -> None:
        super().__init__(options, context)
        self.options = options

    def prompt(self, encoding: Encoding, sample: Sample, rng: np.random.Generator) -> Prompts:
        """One box per reference object, in ascending order of labels."""
        objects = ReferenceObjects.of(sample, "gt-box")
        tight = objects.tight_boxes()
        boxes = move_sides(tight, self._distances(tight, rng)) if self.options.jitter else tight
        return Prompts(boxes=clip_boxes(boxes, sample.shape), targets=objects.ids)

    def _distances(self, boxes: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
        """float64 (N, 4): how far outward each side moves, in px; negative is inward."""
        jitter, inward = self.options.jitter, self.options.direction == "random"
        if self.options.unit == "px":
            reach = int(jitter) - 1
            return rng.integers(-reach if inward else 0, reach, boxes.shape, endpoint=True).astype(np.float64)
        extent = boxes[:, 2:] - boxes[:, :2] + 1
        return rng.uniform(-jitter if inward else 0.0, jitter, boxes.shape) * np.tile(extent, 2)


class UnionBox(Unencoded):
    """``gt-union-box``: one box around all objects, each side pushed outward, clipped to the image."""

    def __init__(self, options: UnionBoxOptions, context: BuildContext) -> None:
        super().__init__(options, context)
        self.options = options

    def prompt(self, encoding: Encoding, sample: Sample, rng: np.random.Generator) -> Prompts:
        """One box whose target is ``ALL_OBJECTS``, or none where there is no object."""
        tight = ReferenceObjects.of(sample, "gt-union-box").tight_boxes()
        if not len(tight):
            return Prompts(boxes=np.zeros((0, 4), np.float32), targets=np.zeros(0, np.int64))
        union = np.concatenate([tight[:, :2].min(axis=0), tight[:, 2:].max(axis=0)])[None]
        pushed = move_sides(union, rng.integers(0, max(1, self.options.jitter), (1, 4)).astype(np.float64))
        return Prompts(boxes=clip_boxes(pushed, sample.shape), targets=np.array([ALL_OBJECTS], np.int64))


def move_sides(boxes: NDArray[np.float64], outward: NDArray[np.float64]) -> NDArray[np.float64]:
    """Move the sides of boxes outward; a side that moves inward stops at the box's centre.

    Args:
        boxes: (N, 4), (x0, y0, x1, y1).
        outward: (N, 4), how far each side moves away from the centre, in px.
    """
    half = np.tile((boxes[:, 2:] - boxes[:, :2]) / 2, 2)
    return np.asarray(boxes + _OUTWARD * np.maximum(outward, -half), np.float64)


def clip_boxes(boxes: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Clip boxes to the centres of the outermost pixels of an (H, W) image: x in 0..W-1, y in 0..H-1."""
    limit = np.array([shape[1] - 1, shape[0] - 1] * 2, np.float64)
    return np.clip(boxes, 0.0, limit).astype(np.float32)
