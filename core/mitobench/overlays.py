"""Pictures of labels and prompts over an image, in numpy alone: for galleries, figures, previews and predictions.

A picture is uint8 (H, W, 3), RGB. Every function returns a new one. The colours are those of Okabe and Ito (Color Universal
Design, 2008), told apart by people with any common colour vision, and light enough for grey micrographs. Drawn lines lie
inside their object, so that objects which touch keep a line each.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mitobench.images import as_uint8
from mitobench.matched_labels import match_labels
from mitobench.prompts import Prompts

__all__ = [
    "BOX",
    "FALSE_NEGATIVE",
    "FALSE_POSITIVE",
    "MASK",
    "NEGATIVE_POINT",
    "POSITIVE_POINT",
    "PREDICTION",
    "REFERENCE",
    "TRUE_POSITIVE",
    "UNJUDGED",
    "Colour",
    "Picture",
    "as_rgb",
    "draw_comparison",
    "draw_outlines",
    "draw_prompts",
    "enlarge",
    "line_width",
    "outline",
    "stretched",
    "write_png",
]

Colour = tuple[int, int, int]
Picture = NDArray[np.uint8]

TRUE_POSITIVE: Colour = (86, 180, 233)
"""Sky blue: a predicted object that matches a reference object."""

FALSE_POSITIVE: Colour = (213, 94, 0)
"""Vermillion: a predicted object that matches none."""

FALSE_NEGATIVE: Colour = (240, 228, 66)
"""Yellow: a reference object that no prediction matches."""

UNJUDGED: Colour = (190, 190, 190)
"""Grey: a predicted object that matches none where only some objects are annotated."""

REFERENCE: Colour = FALSE_NEGATIVE
PREDICTION: Colour = TRUE_POSITIVE

BOX: Colour = (230, 159, 0)
"""Orange: a box prompt."""

POSITIVE_POINT: Colour = (0, 158, 115)
"""Bluish green, a disc: a point on the object."""

NEGATIVE_POINT: Colour = (213, 94, 0)
"""Vermillion, a cross: a point off the object."""

MASK: Colour = (204, 121, 167)
"""Reddish purple: a mask prompt."""

_RIM: Colour = (255, 255, 255)
_MASK_OPACITY = 0.35
_POINTS_SHARE = 0.04


def as_rgb(image: NDArray[Any]) -> Picture:
    """An image of any kind as a picture.

    Args:
        image: (H, W) or (H, W, C); boolean, integer or floating point. Intensities as :func:`mitobench.images.as_uint8`
            has them, but for booleans (True is white) and for NaN and infinity, which show as the darkest pixel.

    Raises:
        DataError: no pixels, a shape that is no image, a type that is no number.
    """
    if image.dtype.kind == "b":
        image = image.astype(np.uint8) * np.uint8(255)
    if image.dtype.kind == "f" and not (finite := np.isfinite(image)).all():
        image = np.where(finite, image, image[finite].min() if finite.any() else 0)
    grey_or_rgb = as_uint8(image, name="image")
    return np.stack([grey_or_rgb] * 3, axis=-1) if grey_or_rgb.ndim == 2 else grey_or_rgb.copy()


def stretched(picture: Picture) -> Picture:
    """A picture, (H, W) or (H, W, 3), with its contrast stretched for display; one without contrast stays as it is.

    All channels are on one scale, from black at the darkest to white at the lightest thousandth of the values.
    """
    low, high = (float(v) for v in np.quantile(picture, (0.001, 0.999)))
    if high <= low:
        return picture.copy()
    table = np.clip(np.rint((np.arange(256) - low) * 255 / (high - low)), 0, 255).astype(np.uint8)
    return np.asarray(table[picture], np.uint8)


def outline(labels: NDArray[np.integer], *, width: int = 1) -> NDArray[np.bool_]:
    """The inner boundaries of all objects.

    Args:
        labels: (H, W), any integers, 0 = background.
        width: pixels.

    Returns:
        bool (H, W), True on object pixels within ``width`` steps (up, down, left, right) of a pixel of another label or of
        the image's edge.
    """
    inside = labels != 0
    padded = np.pad(labels, 1)
    for ours, neighbour in _four_neighbours():
        inside[...] &= padded[neighbour] == padded[ours]
    for _ in range(width - 1):
        padded_inside = np.pad(inside, 1)
        for _, neighbour in _four_neighbours():
            inside &= padded_inside[neighbour]
    return np.asarray((labels != 0) & ~inside)


def draw_outlines(picture: Picture, labels: NDArray[np.integer], colour: Colour, *, width: int = 1) -> Picture:
    """The picture with the outline of every object of ``labels`` (H, W) in one colour."""
    drawn = picture.copy()
    drawn[outline(labels, width=width)] = colour
    return drawn


def draw_comparison(
    picture: Picture,
    reference: NDArray[np.integer],
    predicted: NDArray[np.integer],
    *,
    threshold: float = 0.5,
    width: int = 1,
    ignore: NDArray[np.bool_] | None = None,
    partial: bool = False,
) -> Picture:
    """The picture with what was found, invented and missed.

    Matched predictions are outlined in ``TRUE_POSITIVE``, other predictions in ``FALSE_POSITIVE``, and reference objects
    that nothing matches in ``FALSE_NEGATIVE``, beneath the others.

    Args:
        picture: uint8 (H, W, 3).
        reference, predicted: (H, W) label images.
        threshold: of IoU; see :func:`mitobench.matched_labels.match_labels`.
        width: of the lines, in pixels.
        ignore: bool (H, W), pixels that count for neither.
        partial: only some objects are annotated; predictions that match none are ``UNJUDGED`` then, not false.

    Raises:
        ValueError: the shapes differ.
    """
    if ignore is not None:
        reference, predicted = np.where(ignore, 0, reference), np.where(ignore, 0, predicted)
    matches = match_labels(reference, predicted, threshold=threshold)
    drawn = picture.copy()
    for labels, ids, colour in (
        (reference, matches.missed, FALSE_NEGATIVE),
        (predicted, matches.spurious, UNJUDGED if partial else FALSE_POSITIVE),
        (predicted, matches.predicted, TRUE_POSITIVE),
    ):
        drawn[outline(labels, width=width) & np.isin(labels, ids)] = colour
    return drawn


def draw_prompts(picture: Picture, prompts: Prompts, *, scale: float = 1, width: int = 1) -> Picture:
    """The picture with prompts: masks tinted, boxes outlined, points on the object as discs and off it as crosses.

    Points are smaller where they are many, so that they leave the picture to be seen.

    Args:
        picture: uint8 (H, W, 3).
        prompts: of the image that the picture shows; what lies off the picture is not drawn.
        scale: how many times larger than the image the picture is (see :func:`enlarge`).
        width: of the lines, in pixels of the picture.
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
        room = np.sqrt(_POINTS_SHARE * picture.shape[0] * picture.shape[1] / (np.pi * max(1, len(where))))
        radius = min(2.0 * width + 1, max(1.0, float(room)))
        for (x, y), label in zip(where.tolist(), prompts.point_labels[kept].tolist(), strict=True):
            _draw_point(drawn, x, y, on_object=label == 1, radius=radius)
    return drawn


def enlarge(array: NDArray[Any], factor: int) -> NDArray[Any]:
    """A picture or label image with every pixel ``factor`` times as high and wide, so that fine lines can be drawn on it."""
    return array.repeat(factor, axis=0).repeat(factor, axis=1)


def line_width(shape: tuple[int, ...]) -> int:
    """Pixels of a line that stays visible where an (H, W) picture is shown a few hundred pixels wide."""
    return max(1, round(max(shape[:2]) / 400))


def write_png(picture: NDArray[np.uint8]) -> bytes:
    """A picture as the bytes of a PNG file.

    Args:
        picture: uint8 (H, W) grey or (H, W, 3) RGB.

    Raises:
        ValueError: another shape or type.

    Source: ISO/IEC 15948, Portable Network Graphics.
    """
    if (
        picture.dtype != np.uint8
        or picture.ndim not in (2, 3)
        or picture.shape[2:] not in ((), (3,))
        or not picture.size
    ):
        raise ValueError(f"picture is {picture.dtype} {picture.shape}; expected uint8 (H, W) or (H, W, 3) with pixels.")
    height, width = picture.shape[:2]
    rows = np.ascontiguousarray(picture).reshape(height, -1)
    filtered = np.empty((height, rows.shape[1] + 1), np.uint8)
    filtered[:, 0] = 2  # each row as its difference from the row above
    filtered[:, 1:] = rows
    filtered[1:, 1:] -= rows[:-1]
    header = struct.pack(">IIBBBBB", width, height, 8, 0 if picture.ndim == 2 else 2, 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(filtered.tobytes(), 6)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _four_neighbours() -> Iterator[tuple[tuple[slice, slice], tuple[slice, slice]]]:
    """(the pixels themselves, a neighbour of each) as windows of an array padded by one pixel."""
    middle = slice(1, -1)
    for before_or_after in (slice(None, -2), slice(2, None)):
        yield (middle, middle), (before_or_after, middle)
        yield (middle, middle), (middle, before_or_after)


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
