"""Pictures of labels over an image, in numpy alone: for galleries, figures, previews and predictions.

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
