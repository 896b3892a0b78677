"""From an image's pixels to SAM's square input, and back from its low-resolution logits to the image's pixels."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from segment_anything.utils.transforms import ResizeLongestSide
from torch import Tensor
from torch.nn import functional

__all__ = ["Frame", "mask_crop", "network_input"]

_UPSCALING = 4
_MARGIN = 1e-5


@dataclass(frozen=True)
class Frame:
    """How an image lies in SAM's square input.

    Attributes:
        original: (H, W) of the image.
        scaled: (h, w) of the image scaled so that its longer side is ``side``; it lies at the top left.
        side: of the square input in pixels; the low-resolution masks have a quarter of it.
    """

    original: tuple[int, int]
    scaled: tuple[int, int]
    side: int

    @classmethod
    def of(cls, shape: tuple[int, int], side: int) -> "Frame":
        """The frame of an (H, W) image; an extremely elongated one keeps at least one pixel across."""
        height, width = ResizeLongestSide.get_preprocess_shape(shape[0], shape[1], side)
        return cls((shape[0], shape[1]), (max(1, height), max(1, width)), side)

    def place(self, coordinates: NDArray[np.floating]) -> NDArray[np.float32]:
        """Take (..., 2) coordinates (x, y) from the image into the square input, as ``SamPredictor`` does."""
        scale = np.array([self.scaled[1] / self.original[1], self.scaled[0] / self.original[0]])
        return (coordinates.astype(np.float64) * scale).astype(np.float32)


def network_input(image: NDArray[np.uint8], frame: Frame, mean: Tensor, std: Tensor) -> Tensor:
    """Scale (antialiased, in uint8 as ``SamPredictor``), normalise and pad one image.

    Args:
        image: uint8 (H, W) or (H, W, 3); grey is shown to SAM as equal R, G, B.
        frame: of that image.
        mean, std: float (3, 1, 1), of the pixel values.

    Returns:
        float32 (3, side, side) on the device of ``mean``; zeros beyond the image.
    """
    from PIL import Image

    height, width = frame.scaled
    scaled = np.array(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))
    channels = np.ascontiguousarray(
        np.broadcast_to(scaled, (3, height, width)) if scaled.ndim == 2 else scaled.transpose(2, 0, 1)
    )
    pixels = (torch.from_numpy(channels).to(mean.device) - mean) / std
    return functional.pad(pixels, (0, frame.side - width, 0, frame.side - height))


def mask_crop(logits: Tensor, frame: Frame, threshold: float) -> tuple[tuple[int, int], NDArray[np.bool_]]:
    """The binary mask of low-resolution logits in the image's pixels, computed only where it can be set.

    ``SamPredictor`` scales the logits bilinearly to the square input, cuts off the padding, scales them bilinearly to the
    image and thresholds. A scaled value above the threshold has a low-resolution neighbour above it, so all that lies
    farther from these neighbours than the two scalings reach need not be computed.

    Args:
        logits: float32 (g, g) on the CPU, g = ``frame.side / 4``.
        frame: of the image.
        threshold: a pixel is set where its logit is above.

    Returns:
        ((y0, x0), bool (h, w)): a window of the image; no pixel outside it is set.
    """
    above = logits > threshold - _MARGIN * abs(threshold)
    rows = _axis(above.any(dim=1), frame.scaled[0], frame.original[0])
    columns = _axis(above.any(dim=0), frame.scaled[1], frame.original[1])
    if rows is None or columns is None:
        return (0, 0), np.zeros((1, 1), np.bool_)
    if 2 * rows.reach() * columns.reach() > frame.original[0] * frame.original[1]:
        return (0, 0), _whole(logits, frame, threshold)
    low = logits[rows.low, columns.low][None, None]
    middle = functional.interpolate(low, scale_factor=_UPSCALING, mode="bilinear", align_corners=False)[0, 0]
    middle = middle[rows.middle, columns.middle]
    middle = _resampled(_resampled(middle, columns, dim=1), rows, dim=0)
    return (rows.out.start, columns.out.start), np.ascontiguousarray((middle > threshold).numpy())


def _whole(logits: Tensor, frame: Frame, threshold: float) -> NDArray[np.bool_]:
    """The same over the whole image: ``Sam.postprocess_masks`` and the threshold."""
    square = functional.interpolate(logits[None, None], (frame.side, frame.side), mode="bilinear", align_corners=False)
    cut = square[..., : frame.scaled[0], : frame.scaled[1]]
    if frame.scaled != frame.original:
        cut = functional.interpolate(cut, frame.original, mode="bilinear", align_corners=False)
    return (cut[0, 0] > threshold).numpy()


@dataclass(frozen=True)
class _Axis:
    """One axis of a crop.

    Attributes:
        low: the low-resolution pixels that are scaled up.
        middle: what of their fourfold upscaling is valid and within the image.
        out: the image's pixels that can be set.
        start: the middle pixel, in the whole frame, at which ``middle`` starts.
        scaled, original: the whole axis' length in middle and in image pixels.
    """

    low: slice
    middle: slice
    out: slice
    start: int
    scaled: int
    original: int

    def reach(self) -> int:
        """The number of image pixels that can be set."""
        return self.out.stop - self.out.start


def _axis(above: Tensor, scaled: int, original: int) -> _Axis | None:
    """Plan one axis from the low-resolution positions with any value above the threshold; None if no pixel can be set."""
    found = torch.nonzero(above)
    if found.numel() == 0:
        return None
    first, last, grid = int(found[0]), int(found[-1]), above.shape[0]
    low = slice(max(0, first - 2), min(grid, last + 3))
    reach = max(0, _UPSCALING * first - 2), min(scaled, _UPSCALING * last + 6)
    if reach[0] >= reach[1]:
        return None
    start = 0 if low.start == 0 else _UPSCALING * low.start + 2
    stop = scaled if low.stop == grid else min(scaled, _UPSCALING * low.stop - 2)
    middle = slice(start - _UPSCALING * low.start, stop - _UPSCALING * low.start)
    if scaled == original:
        return _Axis(low, middle, slice(start, stop), start, scaled, original)
    ratio = original / scaled
    out = slice(max(0, int((reach[0] - 0.5) * ratio - 1.5)), min(original, int((reach[1] + 0.5) * ratio + 1.5)))
    return _Axis(low, middle, out, start, scaled, original)


def _resampled(values: Tensor, axis: _Axis, dim: int) -> Tensor:
    """Scale one axis of a 2D crop bilinearly to the image's pixels ``axis.out``, as torch's interpolation does."""
    if axis.scaled == axis.original:
        return values
    places = torch.arange(axis.out.start, axis.out.stop, dtype=torch.float32)
    source = ((places + 0.5) * float(np.float32(axis.scaled) / np.float32(axis.original)) - 0.5).clamp_(min=0)
    left = source.long().clamp_(max=axis.scaled - 1)
    weight = (source - left).clamp_(0, 1).unsqueeze(1 - dim)
    right = (left + 1).clamp_(max=axis.scaled - 1)
    stop = values.shape[dim] - 1
    low, high = (values.index_select(dim, (index - axis.start).clamp_(0, stop)) for index in (left, right))
    return low.mul_(1 - weight).add_(high.mul_(weight))
