"""Layers: what lies on top of each other in a picture of the page, each as one small file."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mitobench.matched_labels import match_labels
from mitobench.overlays import (
    FALSE_NEGATIVE,
    FALSE_POSITIVE,
    TRUE_POSITIVE,
    Colour,
    as_rgb,
    line_width,
    outline,
    stretched,
)
from mitobench.prompt_overlays import draw_prompts, typical_diameter
from mitobench.prompts import Prompts

__all__ = ["Frame", "contours_layer", "image_layer", "labels_layer", "prompts_layer"]

SIDE = 560
"""About the longer side of a picture in pixels: larger images are shown smaller, smaller ones enlarged by a whole number, so
that lines stay thin."""
_LINE = 2
"""Width of contours: tiles are shown at about half the size of their pictures."""
_FILLS = ((86, 180, 233), (230, 159, 0), (0, 158, 115), (204, 121, 167), (240, 228, 66), (0, 114, 178), (213, 94, 0))
_FILL_OPACITY = 0.45


@dataclass(frozen=True)
class Frame:
    """How an image of (height, width) pixels is brought to the size of its pictures."""

    height: int
    width: int

    @property
    def scale(self) -> float:
        """Picture pixels per image pixel: below 1 for large images, a whole number for small ones."""
        longer = max(self.height, self.width)
        return SIDE / longer if longer > SIDE else float(SIDE // longer)

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of the pictures."""
        return max(1, round(self.height * self.scale)), max(1, round(self.width * self.scale))

    def labels(self, labels: NDArray[np.integer]) -> NDArray[np.integer]:
        """A label image (height, width) at the pictures' size, by nearest neighbours."""
        rows, columns = (
            np.minimum(((np.arange(n) + 0.5) / self.scale).astype(np.int64), limit - 1)
            for n, limit in zip(self.shape, labels.shape, strict=True)
        )
        return np.asarray(labels[rows[:, None], columns])

    def prompts(self, prompts: Prompts) -> Prompts:
        """Prompts in the pictures' coordinates."""
        boxes = None
        if prompts.boxes is not None:
            corners = prompts.boxes.reshape(-1, 2, 2).astype(np.float64)
            low, high = corners[:, 0] * self.scale, (corners[:, 1] + 1) * self.scale - 1
            boxes = np.concatenate([low, np.maximum(low, high)], axis=1).astype(np.float32)
        points = prompts.points
        if points is not None:
            points = ((points + 0.5) * self.scale - 0.5).astype(np.float32)
        return replace(prompts, boxes=boxes, points=points)


def image_layer(image: NDArray[np.uint8], frame: Frame) -> bytes:
    """The image, uint8 (H, W) or (H, W, 3), as JPEG, its contrast stretched; the page enlarges small ones."""
    picture = Image.fromarray(stretched(as_rgb(image) if image.ndim == 3 else image))
    if frame.scale < 1:
        picture = picture.resize(frame.shape[::-1], Image.Resampling.BOX)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=82)
    return buffer.getvalue()


def labels_layer(labels: NDArray[np.integer], frame: Frame) -> bytes:
    """Every object of a label image (H, W) filled in a colour of its own, transparent elsewhere, as PNG."""
    shown = frame.labels(labels)
    index = np.where(shown != 0, 1 + shown % len(_FILLS), 0)
    index[outline(shown, width=_LINE)] += len(_FILLS)
    clear = [(*colour, round(255 * _FILL_OPACITY)) for colour in _FILLS]
    return _palette_png(index, [(0, 0, 0, 0), *clear, *((*colour, 255) for colour in _FILLS)])


def contours_layer(
    reference: NDArray[np.integer],
    predicted: NDArray[np.integer],
    frame: Frame,
    *,
    ignore: NDArray[np.bool_] | None = None,
) -> bytes:
    """What was found, invented and missed at IoU 0.5, as contours in the colours of :mod:`mitobench.overlays`, as PNG.

    Args:
        reference, predicted: (H, W) label images; objects are matched at this size, and drawn at the frame's.
        frame: of the image.
        ignore: bool (H, W), pixels that count for neither.
    """
    if ignore is not None:
        reference, predicted = np.where(ignore, 0, reference), np.where(ignore, 0, predicted)
    matches = match_labels(reference, predicted)
    wanted, offered = frame.labels(reference), frame.labels(predicted)
    lines = outline(offered, width=_LINE)
    index = np.zeros(frame.shape, np.int64)
    index[outline(wanted, width=_LINE) & np.isin(wanted, matches.missed)] = 1
    index[lines & np.isin(offered, matches.spurious)] = 2
    index[lines & np.isin(offered, matches.predicted)] = 3
    return _palette_png(index, [(0, 0, 0, 0), *_opaque(FALSE_NEGATIVE, FALSE_POSITIVE, TRUE_POSITIVE)])


def prompts_layer(prompts: Prompts, frame: Frame, reference: NDArray[np.integer] | None = None) -> bytes:
    """Boxes, points and masks of prompts, transparent elsewhere, as PNG; points are smaller on small reference objects."""
    moved, width = frame.prompts(prompts), line_width(frame.shape)
    typical = None if reference is None or prompts.points is None else typical_diameter(reference)
    diameter = None if typical is None else typical * frame.scale
    grounds = (np.full((*frame.shape, 3), grey, np.uint8) for grey in (0, 255))
    return _png(*(draw_prompts(g, moved, width=width, diameter=diameter).astype(np.float64) for g in grounds))


def _png(black: NDArray[np.float64], white: NDArray[np.float64]) -> bytes:
    """What was drawn on a black and on a white picture (H, W, 3) alike: the two tell colour and opacity."""
    opacity = 1 - (white - black).mean(axis=2, keepdims=True) / 255
    colour = np.divide(black, opacity, out=np.zeros_like(black), where=opacity > 1 / 255)
    rgba = np.rint(np.concatenate([np.clip(colour, 0, 255), opacity * 255], axis=2)).astype(np.uint8)
    packed = np.ascontiguousarray(rgba).view(np.uint32)[..., 0]
    colours, index = np.unique(packed, return_inverse=True)
    if len(colours) <= 256:
        return _palette_png(index.reshape(packed.shape), colours.view(np.uint8).reshape(-1, 4).tolist())
    buffer = io.BytesIO()
    Image.fromarray(rgba).save(buffer, "PNG")
    return buffer.getvalue()


def _palette_png(index: NDArray[np.integer], palette: Sequence[Sequence[int]]) -> bytes:
    """A picture (H, W) of positions in a palette of at most 256 colours (red, green, blue, opacity), as PNG."""
    colours = np.array(palette, np.uint8)
    picture = Image.fromarray(index.astype(np.uint8))
    picture.putpalette(colours[:, :3].tobytes())
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", transparency=colours[:, 3].tobytes())
    return buffer.getvalue()


def _opaque(*colours: Colour) -> list[tuple[int, int, int, int]]:
    return [(*colour, 255) for colour in colours]
