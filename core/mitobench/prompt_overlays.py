"""Pictures of prompts over an image, in numpy alone; see :mod:`mitobench.overlays` for pictures and colours."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mitobench.overlays import BOX, MASK, NEGATIVE_POINT, POSITIVE_POINT, Colour, Picture, outline
from mitobench.prompts import Prompts

__all__ = ["draw_prompts", "typical_diameter"]

_RIM: Colour = (255, 255, 255)
_MASK_OPACITY = 0.35
_POINTS_SHARE = 0.04
_POINT_PER_OBJECT = 0.22


def draw_prompts(
    picture: Picture, prompts: Prompts, *, scale: float = 1, width: int = 1, diameter: float | None = None
) -> Picture:
    """The picture with prompts: masks tinted, boxes outlined, points on the object as discs and off it as crosses.

    Points are smaller where they are many or the objects small, so that they leave the picture to be seen.

    Args:
        picture: uint8 (H, W, 3).
        prompts: of the image that the picture shows; what lies off the picture is not drawn.
        scale: how many times larger than the image the picture is (see :func:`enlarge`).
        width: of the lines, in pixels of the picture.
        diameter: of a typical object, in pixels of the image (see :func:`typical_diameter`); where it is unknown, that of
            the boxes, if there are any.
    """
    drawn = picture.copy()
    for logits in prompts.masks if prompts.masks is not None else ():
        _draw_mask(drawn, logits > 0, width)
    for box in prompts.boxes if prompts.boxes is not None else ():
        x0, y0, x1, y1 = (float(v) for v in box)
        left, top, right, bottom = (round(v * scale) for v in (x0, y0, x1 + 1, y1 + 1))
        _draw_box(drawn, left, top, right, bottom, width)
    if prompts.points is not None and prompts.point_labels is not None:
        kept = prompts.point_labels >= 0
        where = (prompts.points[kept] + 0.5) * scale - 0.5
        size = _box_diameter(prompts) if diameter is None else diameter
        radius = _point_radius(picture, len(where), width, None if size is None else size * scale)
        for (x, y), label in zip(where.tolist(), prompts.point_labels[kept].tolist(), strict=True):
            _draw_point(drawn, x, y, on_object=label == 1, radius=radius)
    return drawn


def typical_diameter(labels: NDArray[np.integer]) -> float | None:
    """The diameter, in pixels, of a disc as large as the median object of a label image (H, W); None without objects.

    >>> labels = np.repeat([0, 1, 2], [10, 100, 400]).reshape(15, 34)
    >>> round(typical_diameter(labels))
    18
    """
    areas = np.unique(labels[labels != 0], return_counts=True)[1]
    return float(2 * np.sqrt(np.median(areas) / np.pi)) if areas.size else None


def _box_diameter(prompts: Prompts) -> float | None:
    """The diameter of a disc that is as large as the median ellipse in a box, in pixels of the image."""
    if prompts.boxes is None or not len(prompts.boxes):
        return None
    sides: NDArray[Any] = prompts.boxes[:, 2:] - prompts.boxes[:, :2] + 1
    return float(np.sqrt(np.median(sides.prod(axis=1))))


def _point_radius(picture: Picture, count: int, width: int, diameter: float | None) -> float:
    """Pixels from the middle of a point's mark to its end: less for many points or small objects, but still to be seen."""
    height, wide = picture.shape[:2]
    room = max(1.0, float(np.sqrt(_POINTS_SHARE * height * wide / (np.pi * max(1, count)))))
    share = np.inf if diameter is None else max(0.75 * width, 1.0, _POINT_PER_OBJECT * diameter / 2)
    return float(min(2 * width + 1, room, share))


def _draw_mask(drawn: Picture, low: NDArray[np.bool_], width: int) -> None:
    """Tint what a mask in SAM's frame (side, side) covers: the picture's longer side spans the frame."""
    height, wide = drawn.shape[:2]
    scale = low.shape[0] / max(height, wide)
    rows, cols = (np.minimum(((np.arange(n) + 0.5) * scale).astype(int), low.shape[0] - 1) for n in (height, wide))
    in_row, in_col = np.asarray(low.any(axis=1)), np.asarray(low.any(axis=0))
    ys, xs = np.flatnonzero(in_row[rows]), np.flatnonzero(in_col[cols])
    if not (ys.size and xs.size):
        return
    window = drawn[ys[0] : ys[-1] + 1, xs[0] : xs[-1] + 1]
    mask = low[rows[ys[0] : ys[-1] + 1, None], cols[xs[0] : xs[-1] + 1]]
    tint = np.array(MASK, np.float64) * _MASK_OPACITY
    window[mask] = np.rint(window[mask] * (1 - _MASK_OPACITY) + tint).astype(np.uint8)
    window[outline(mask.astype(np.uint8), width=width)] = MASK


def _draw_box(drawn: Picture, left: int, top: int, right: int, bottom: int, width: int) -> None:
    """Draw the inner frame of the half-open rectangle, clipped to the picture."""
    height, wide = drawn.shape[:2]
    if right <= 0 or bottom <= 0 or left >= wide or top >= height:
        return
    left, top, right, bottom = max(left, 0), max(top, 0), min(right, wide), min(bottom, height)
    window = drawn[top:bottom, left:right]
    window[:width] = window[-width:] = BOX
    window[:, :width] = window[:, -width:] = BOX


def _draw_point(drawn: Picture, x: float, y: float, *, on_object: bool, radius: float) -> None:
    """Draw a disc, or a diagonal cross, with a white rim where it is large enough for one."""
    reach = int(radius) + 2
    top, left = max(0, int(y) - reach), max(0, int(x) - reach)
    window = drawn[top : max(0, int(y) + reach + 2), left : max(0, int(x) + reach + 2)]
    dy = np.arange(window.shape[0])[:, None] + top - y
    dx = np.arange(window.shape[1])[None] + left - x
    if on_object:
        distance = np.hypot(dy, dx) - radius
        colour = POSITIVE_POINT
    else:
        across = np.minimum(np.abs(dy - dx), np.abs(dy + dx)) / np.sqrt(2) - (radius - 1) / 4
        distance = np.maximum(across, np.hypot(dy, dx) - radius)
        colour = NEGATIVE_POINT
    window[distance <= (1 if radius >= 3 else 0)] = _RIM
    window[distance <= 0] = colour
