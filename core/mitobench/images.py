"""Pixels of any kind to the one form that samples hold: uint8 images and int32 label images.

Intensity. uint8 stays as it is. Any other type whose values are all integers within 0..255 is cast, so that one picture
stored as uint8, uint16 or float32 gives one result. Floating-point values within 0..1 are multiplied by 255. Everything
else is stretched from its own minimum and maximum to 0..255.

Colour. (H, W) is grey, (H, W, 3) is RGB. The alpha of (H, W, 4) is dropped. CMYK becomes RGB. Any other number of
channels needs ``channel``.

Labels. Any integers (or integral floats) become 1..K in the order of the original ids; 0 is the background. A binary
mask becomes its connected components, 8-connected.
"""

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mitobench.errors import DataError

__all__ = ["LabelImage", "Reference", "as_labels", "as_uint8", "connected_components", "distinct_labels"]

Reference = Literal["auto", "semantic", "instance"]
"""What a label image holds: objects with an id each, a foreground mask, or whichever its values suggest."""

_BLOCK_PIXELS = 1 << 22
_TABLE_LIMIT = 1 << 24


class LabelImage(NamedTuple):
    """A label image in the form that samples hold.

    Attributes:
        labels: int32 (H, W), 0 = background, objects 1..K.
        semantic: True where the objects are the connected components of a mask.
        ignore: bool (H, W), True where the declared ignore value was, or None where no such pixel is.
    """

    labels: NDArray[np.int32]
    semantic: bool
    ignore: NDArray[np.bool_] | None


def as_uint8(image: NDArray[Any], *, name: str, channel: int | None = None, cmyk: bool = False) -> NDArray[np.uint8]:
    """Bring an image to uint8 by the rules at the top of this module.

    Args:
        image: (H, W) or (H, W, C), boolean, integer or floating point, any byte order.
        name: what the image is called in messages, such as ``"em.tif, page 3"``.
        channel: use just this one of the C channels, counted from 0.
        cmyk: the four channels are cyan, magenta, yellow and black (0 = no ink), not RGB and alpha.

    Returns:
        uint8 (H, W) or (H, W, 3). The input itself where it is uint8 already.

    Raises:
        DataError: NaN or infinity (with place and count), no pixels, two or more than four channels without
            ``channel``, a channel that is not there, a type that is no number.
    """
    if image.dtype.kind not in "biuf":
        raise DataError(f"{name}: pixels are {image.dtype}; expected booleans, integers or floating-point numbers.")
    if image.size == 0 or image.ndim not in (2, 3):
        raise DataError(f"{name}: the image has shape {image.shape}; expected (H, W) or (H, W, C), none of them zero.")
    image = _choose_channels(image, name, channel)
    converted = image if image.dtype == np.uint8 else _intensities(image, name)
    if cmyk and converted.ndim == 3 and converted.shape[2] == 4:
        return _cmyk_to_rgb(converted)
    return np.ascontiguousarray(converted[:, :, :3]) if converted.ndim == 3 else converted


def as_labels(
    array: NDArray[Any], *, name: str, reference: Reference = "auto", ignore: int | None = None
) -> LabelImage:
    """Bring a label image or a mask to int32 labels 1..K.

    Args:
        array: (H, W), or (H, W, C) whose colour channels are all equal; boolean, integer or integral floating point.
        name: what the array is called in messages.
        reference: ``"instance"``: ids are objects, whether connected or not. ``"semantic"``: every non-zero pixel is
            foreground, objects are its 8-connected components. ``"auto"``: semantic where there is exactly one
            distinct value besides 0 and ``ignore``.
        ignore: pixels of this value become background and are reported in ``LabelImage.ignore``. Without it, negative
            values are refused.

    Returns:
        the labels; ids keep their order, so {5, 900, 2**31} become {1, 2, 3}. Memory is bounded by the number of
        pixels, whatever the ids.

    Raises:
        DataError: fractions, NaN, undeclared negative values (with place and count), colour, a type that is no number.
    """
    plane = _label_plane(array, name)
    ignored = plane == ignore if ignore is not None else None
    if ignored is not None and ignored.any():
        plane = np.where(ignored, plane.dtype.type(0), plane)
    else:
        ignored = None
    if plane.dtype.kind in "if" and plane.size and plane.min() < 0:
        _refuse(plane < 0, name, "negative", "Declare the value that marks ignored pixels with ignore=.")
    if reference == "auto":
        reference = "semantic" if len(distinct_labels(plane)) == 1 else "instance"
    if reference == "semantic":
        return LabelImage(connected_components(plane != 0), True, ignored)
    return LabelImage(_relabel(plane), False, ignored)


def distinct_labels(plane: NDArray[Any], *, limit: int = 2) -> list[int]:
    """The distinct non-zero values of a label image in ascending order, at most ``limit`` of them; cheap for a small limit."""
    found: list[int] = []
    for block in _blocks(plane):
        rest = block[block != 0]
        for value in found:
            rest = rest[rest != value]
        while rest.size and len(found) < limit:
            found.append(int(rest[0]))
            rest = rest[rest != rest[0]]
        if len(found) >= limit:
            break
    return sorted(found)


def connected_components(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """The 8-connected components of a bool (H, W) mask as int32 (H, W) labels 1..K in raster order."""
    from scipy import ndimage

    labels = np.empty(mask.shape, np.int32)
    ndimage.label(mask, structure=np.ones((3, 3), bool), output=labels)
    return labels


def _choose_channels(image: NDArray[Any], name: str, channel: int | None) -> NDArray[Any]:
    count = image.shape[2] if image.ndim == 3 else 1
    if channel is not None:
        if not 0 <= channel < count:
            raise DataError(
                f"{name}: channel={channel} was asked for but there are {count} channel(s), counted from 0."
            )
        return image[:, :, channel] if image.ndim == 3 else image
    if count not in (1, 3, 4):
        raise DataError(
            f"{name}: {count} channels (shape {image.shape}); expected 1 (grey), 3 (RGB) or 4 (RGBA). Choose one with channel=."
        )
    return image[:, :, 0] if image.ndim == 3 and count == 1 else image


def _intensities(image: NDArray[Any], name: str) -> NDArray[np.uint8]:
    if image.dtype.kind == "b":
        return image.astype(np.uint8)
    if image.dtype.kind == "f" and not all(np.isfinite(block).all() for block in _blocks(image)):
        _refuse(~np.isfinite(image), name, "NaN or infinite", "Replace them before scoring; no value is guessed.")
    low, high = image.min(), image.max()
    if low >= 0 and high <= 255 and _integral(image):
        return image.astype(np.uint8)
    result = np.empty(image.shape, np.uint8)
    unit = image.dtype.kind == "f" and low >= 0 and high <= 1
    start, half_span = (0.0, 0.5) if unit else (float(low), float(high) / 2 - float(low) / 2)
    for block, target in zip(_blocks(image), _blocks(result), strict=True):
        if half_span > 0:
            target[...] = np.rint((block.astype(np.float64) / 2 - start / 2) / half_span * 255)
        else:
            target[...] = 0
    return result


def _integral(image: NDArray[Any]) -> bool:
    return image.dtype.kind != "f" or all(bool((np.rint(block) == block).all()) for block in _blocks(image))


def _cmyk_to_rgb(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    ink = 255 - image.astype(np.uint16)
    return ((ink[:, :, :3] * ink[:, :, 3:] + 127) // 255).astype(np.uint8)


def _label_plane(array: NDArray[Any], name: str) -> NDArray[Any]:
    if array.dtype.kind not in "biuf":
        raise DataError(f"{name}: labels are {array.dtype}; expected integers.")
    if array.ndim == 3:
        colours = array[:, :, :3] if array.shape[2] == 4 else array[:, :, :1] if array.shape[2] == 2 else array
        if not (colours == colours[:, :, :1]).all():
            raise DataError(
                f"{name}: the labels are a colour image of shape {array.shape}; expected one integer per pixel. Convert colours to ids first."
            )
        array = colours[:, :, 0]
    if array.ndim != 2:
        raise DataError(f"{name}: the labels have shape {array.shape}; expected (H, W).")
    if array.dtype.kind != "f":
        return array
    if not all(np.isfinite(block).all() for block in _blocks(array)):
        _refuse(~np.isfinite(array), name, "NaN or infinite", "Labels are integers; 0 is the background.")
    if not _integral(array):
        _refuse(
            np.rint(array) != array,
            name,
            "not whole numbers",
            "Labels are integers; threshold a probability map first.",
        )
    return array


def _relabel(plane: NDArray[Any]) -> NDArray[np.int32]:
    """Ids to 1..K in their order, through a table for small ids and through runs of equal pixels for large ones."""
    if not plane.size:
        return plane.astype(np.int32)
    top = plane.max()
    if plane.dtype.kind != "f" and top < _TABLE_LIMIT:
        present = np.zeros(int(top) + 1, bool)
        present[plane.ravel() if plane.dtype.kind != "b" else plane.ravel().astype(np.uint8)] = True
        present[0] = False
        table: NDArray[np.int32] = (np.cumsum(present) * present).astype(np.int32)
        return np.asarray(table[plane.astype(np.uint8) if plane.dtype.kind == "b" else plane])
    flat = plane.ravel()
    starts = np.flatnonzero(np.concatenate([[True], flat[1:] != flat[:-1]]))
    ids, inverse = np.unique(flat[starts], return_inverse=True)
    new = (np.cumsum(ids != 0) * (ids != 0)).astype(np.int32)
    return np.repeat(new[inverse.ravel()], np.diff(np.append(starts, flat.size))).reshape(plane.shape)


def _blocks(array: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Views of whole rows, of bounded size, so that no temporary is as large as the image."""
    rows = max(1, _BLOCK_PIXELS // max(1, array[:1].size))
    for start in range(0, array.shape[0], rows):
        yield array[start : start + rows]


def _refuse(wrong: NDArray[np.bool_], name: str, what: str, advice: str) -> None:
    places = np.argwhere(wrong)
    row, column = int(places[0][0]), int(places[0][1])
    raise DataError(f"{name}: {len(places)} pixel(s) are {what}, the first at row {row}, column {column}. {advice}")
