"""Many masks of one image, kept compactly, and their resolution into one label image."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mitobench.errors import ContractError

__all__ = ["PackedMasks", "compact_labels", "numbered_labels", "resolve_overlaps"]


_FEW = 1 << 16


@dataclass(frozen=True, eq=False)
class PackedMasks:
    """N binary masks of one (H, W) image, each stored as the packed bits of its bounding box.

    Attributes:
        shape: (H, W).
        boxes: int32 (N, 4), half-open pixel bounds (y0, x0, y1, x1); all zero for an empty mask.
        bits: uint8 (B,), the masks' boxes in row-major order, each packed by ``numpy.packbits`` and padded to a byte.
    """

    shape: tuple[int, int]
    boxes: NDArray[np.int32]
    bits: NDArray[np.uint8]

    def __post_init__(self) -> None:
        if self.boxes.ndim != 2 or self.boxes.shape[1] != 4 or self.boxes.dtype != np.int32:
            raise ContractError(
                f"packed masks: boxes are {self.boxes.dtype} {self.boxes.shape}; expected int32 (N, 4)."
            )
        y0, x0, y1, x1 = self.boxes.T.astype(np.int64)
        height, width = self.shape
        if np.any((y0 < 0) | (x0 < 0) | (y1 < y0) | (x1 < x0) | (y1 > height) | (x1 > width)):
            raise ContractError(f"packed masks: a box lies outside the image of shape {self.shape}.")
        if int(self._lengths().sum()) != self.bits.size or self.bits.dtype != np.uint8:
            raise ContractError(
                f"packed masks: {self.bits.size} bytes ({self.bits.dtype}); the boxes need {int(self._lengths().sum())} (uint8)."
            )

    def _lengths(self) -> NDArray[np.int64]:
        y0, x0, y1, x1 = self.boxes.T.astype(np.int64)
        return np.asarray(((y1 - y0) * (x1 - x0) + 7) // 8, dtype=np.int64)

    @classmethod
    def from_dense(cls, masks: Iterable[NDArray[np.bool_]], shape: tuple[int, int]) -> "PackedMasks":
        """Pack full-frame masks, each bool (H, W). They may come one at a time."""
        return cls.from_crops((((0, 0), mask) for mask in masks), shape)

    @classmethod
    def from_crops(
        cls, crops: Iterable[tuple[tuple[int, int], NDArray[np.bool_]]], shape: tuple[int, int]
    ) -> "PackedMasks":
        """Pack masks given as ((y0, x0), bool (h, w)) windows of the frame, False outside the window."""
        boxes: list[tuple[int, int, int, int]] = []
        pieces: list[NDArray[np.uint8]] = []
        for (top, left), crop in crops:
            rows = np.flatnonzero(crop.any(axis=1))
            if rows.size == 0:
                boxes.append((0, 0, 0, 0))
                continue
            cols = np.flatnonzero(crop.any(axis=0))
            y0, y1, x0, x1 = int(rows[0]), int(rows[-1]) + 1, int(cols[0]), int(cols[-1]) + 1
            boxes.append((top + y0, left + x0, top + y1, left + x1))
            pieces.append(np.packbits(crop[y0:y1, x0:x1]))
        bits = np.concatenate(pieces) if pieces else np.zeros(0, np.uint8)
        return cls(shape, np.asarray(boxes, np.int32).reshape(-1, 4), bits)

    @classmethod
    def from_labels(cls, labels: NDArray[np.integer], ids: Sequence[int]) -> "PackedMasks":
        """Pack the objects ``ids`` of a label image (H, W), in that order; 0 or an absent id gives an empty mask."""
        from scipy import ndimage

        dense, names = compact_labels(labels)
        slices = ndimage.find_objects(dense)
        place = {int(name): index for index, name in enumerate(names.tolist())}

        def crops() -> Iterator[tuple[tuple[int, int], NDArray[np.bool_]]]:
            for wanted in ids:
                index = place.get(int(wanted))
                if index is None or index >= len(slices) or slices[index] is None:
                    yield (0, 0), np.zeros((1, 1), np.bool_)
                    continue
                rows, cols = slices[index]
                yield (rows.start, cols.start), dense[rows, cols] == index + 1

        return cls.from_crops(crops(), (labels.shape[0], labels.shape[1]))

    def __len__(self) -> int:
        return int(self.boxes.shape[0])

    def crop(self, index: int) -> tuple[tuple[int, int], NDArray[np.bool_]]:
        """Mask ``index`` as ((y0, x0), bool (h, w)) of its bounding box; h = w = 0 for an empty mask."""
        y0, x0, y1, x1 = (int(v) for v in self.boxes[index])
        count = (y1 - y0) * (x1 - x0)
        start = int(self._starts()[index])
        flat = np.unpackbits(self.bits[start : start + (count + 7) // 8], count=count)
        return (y0, x0), flat.astype(np.bool_).reshape(y1 - y0, x1 - x0)

    def _starts(self) -> NDArray[np.int64]:
        cached: NDArray[np.int64] | None = self.__dict__.get("_starts_cache")
        if cached is None:
            cached = np.concatenate([np.zeros(1, np.int64), np.cumsum(self._lengths())])
            self.__dict__["_starts_cache"] = cached
        return cached

    def dense(self, index: int) -> NDArray[np.bool_]:
        """Mask ``index`` as bool (H, W)."""
        (top, left), crop = self.crop(index)
        frame = np.zeros(self.shape, np.bool_)
        frame[top : top + crop.shape[0], left : left + crop.shape[1]] = crop
        return frame

    def areas(self) -> NDArray[np.int64]:
        """int64 (N,): pixels of each mask."""
        return np.array([int(self.crop(i)[1].sum()) for i in range(len(self))], np.int64)


def resolve_overlaps(
    masks: PackedMasks, scores: NDArray[np.floating], keep: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Turn overlapping masks into one label image, the same whatever the order in which the masks came.

    A contested pixel goes to the mask with the higher score, then the larger area, then the earlier box, then the
    lexicographically smaller bits. Instances are numbered 1..K in the raster order of their first pixel; masks that keep
    no pixel get no number.

    Args:
        masks: N masks of one image.
        scores: (N,), higher is better.
        keep: bool (N,), the masks that take part; all by default.

    Returns:
        labels int32 (H, W) and the score of each instance, float32 (K,).
    """
    chosen = np.arange(len(masks)) if keep is None else np.flatnonzero(keep)
    areas = masks.areas()
    starts = masks._starts()

    def order(index: int) -> tuple[float, int, list[int], bytes]:
        piece = masks.bits[int(starts[index]) : int(starts[index + 1])].tobytes()
        return -float(scores[index]), -int(areas[index]), masks.boxes[index].tolist(), piece

    winners = sorted((int(i) for i in chosen if areas[i]), key=order)
    painted = np.zeros(masks.shape, np.int32)
    for rank, index in zip(range(len(winners), 0, -1), reversed(winners), strict=True):
        (top, left), crop = masks.crop(index)
        painted[top : top + crop.shape[0], left : left + crop.shape[1]][crop] = rank
    first = [_first_pixel(painted, masks.boxes[index], rank) for rank, index in enumerate(winners, start=1)]
    in_raster_order = sorted((pixel, rank) for rank, pixel in enumerate(first, start=1) if pixel is not None)
    renumber = np.zeros(len(winners) + 1, np.int32)
    renumber[[rank for _, rank in in_raster_order]] = np.arange(1, len(in_raster_order) + 1)
    kept_scores = np.array([scores[winners[rank - 1]] for _, rank in in_raster_order], np.float32)
    return renumber[painted], kept_scores


def _first_pixel(painted: NDArray[np.int32], box: NDArray[np.int32], rank: int) -> tuple[int, int] | None:
    """(y, x) of the first pixel in raster order that a mask kept, or None."""
    y0, x0, y1, x1 = (int(v) for v in box)
    kept = painted[y0:y1, x0:x1] == rank
    position = int(kept.argmax())
    row, col = divmod(position, x1 - x0)
    return (y0 + row, x0 + col) if kept[row, col] else None


def compact_labels(labels: NDArray[np.integer]) -> tuple[NDArray[np.integer], NDArray[np.int64]]:
    """Number the objects of a label image without large gaps, in memory that does not depend on how large the labels are.

    Args:
        labels: (H, W), 0 = background, any other integers.

    Returns:
        dense: int (H, W), the same objects under other numbers, 0 = background; ``labels`` itself where it has no
            label that is negative or far above the number of pixels.
        names: int64 (K,), the old label of each number k at index k-1; not all of them need have pixels.
    """
    low, high = (int(labels.min()), int(labels.max())) if labels.size else (0, 0)
    if low >= 0 and high <= max(labels.size, _FEW):
        return labels, np.arange(1, high + 1, dtype=np.int64)
    flat = labels.reshape(-1)
    starts = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1])
    values = flat[starts]
    names = np.unique(values[values != 0])
    numbers = np.where(values == 0, 0, np.searchsorted(names, values) + 1).astype(np.int32)
    dense = np.repeat(numbers, np.diff(starts, append=flat.size)).reshape(labels.shape)
    return dense, names.astype(np.int64)


def numbered_labels(labels: NDArray[np.integer]) -> NDArray[np.int32]:
    """The objects of a label image (H, W) under the numbers 1..K, in the order of their labels; 0 = background."""
    dense, _ = compact_labels(labels)
    present = np.bincount(dense.reshape(-1), minlength=1) > 0
    present[0] = False
    return np.asarray(np.cumsum(present, dtype=np.int32)[dense])
