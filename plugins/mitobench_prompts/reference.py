"""The objects of a sample's reference, each in the window of its bounding box."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from mitobench.errors import DataError
from mitobench.masks import compact_labels
from mitobench.samples import Sample

__all__ = ["ReferenceObjects"]


@dataclass(frozen=True, eq=False)
class ReferenceObjects:
    """The objects of one label image, ignored pixels taken out; an object with no other pixel is not there.

    Attributes:
        labels: int (H, W), 0 = background, objects 1..K (some of which may have no pixel).
        excluded: bool (H, W), the ignored pixels, or None.
        ids: int64 (N,), the sample's label of each object, ascending.
        boxes: int64 (N, 4), half-open pixel bounds (y0, x0, y1, x1).
    """

    labels: NDArray[np.integer]
    excluded: NDArray[np.bool_] | None
    ids: NDArray[np.int64]
    boxes: NDArray[np.int64]
    _dense: NDArray[np.int64]

    @classmethod
    def of(cls, sample: Sample, prompter: str) -> "ReferenceObjects":
        """The objects of a sample.

        Raises:
            DataError: the sample has no reference.
        """
        if sample.labels is None:
            raise DataError(
                f"prompter {prompter!r} needs a reference, but sample {sample.id!r} has no labels. "
                "Give the data source labels, or use a prompter that needs none (unet, grid, manual)."
            )
        labels: NDArray[np.integer] = sample.labels
        if sample.ignore is not None:
            labels = np.where(sample.ignore, 0, labels)
        labels, names = compact_labels(labels)
        slices = ndimage.find_objects(labels)
        present = [(label, bounds) for label, bounds in enumerate(slices, start=1) if bounds is not None]
        dense = np.array([label for label, _ in present], np.int64)
        boxes = [(rows.start, cols.start, rows.stop, cols.stop) for _, (rows, cols) in present]
        ids = names[dense - 1]
        return cls(labels, sample.ignore, ids, np.array(boxes, np.int64).reshape(-1, 4), dense)

    def __len__(self) -> int:
        return int(self.ids.size)

    def tight_boxes(self) -> NDArray[np.float64]:
        """float64 (N, 4), (x0, y0, x1, y1): the centres of the outermost pixels."""
        y0, x0, y1, x1 = self.boxes.T
        return np.stack([x0, y0, x1 - 1, y1 - 1], axis=1).astype(np.float64)

    def crops(self) -> Iterator[tuple[tuple[int, int], NDArray[np.bool_]]]:
        """Each object as ((y0, x0), bool (h, w)) of its bounding box, in the order of ``ids``."""
        for label, (y0, x0, y1, x1) in zip(self._dense.tolist(), self.boxes.tolist(), strict=True):
            yield (y0, x0), self.labels[y0:y1, x0:x1] == label

    def surroundings(self, index: int, margin: int) -> tuple[tuple[int, int], NDArray[np.bool_]]:
        """What is known not to be the object within ``margin`` pixels of its box, as ((y0, x0), bool (h, w))."""
        y0, x0, y1, x1 = (int(v) for v in self.boxes[index])
        window = (
            slice(max(0, y0 - margin), y1 + margin),
            slice(max(0, x0 - margin), x1 + margin),
        )
        off = self.labels[window] != self._dense[index]
        if self.excluded is not None:
            off &= ~self.excluded[window]
        return (window[0].start, window[1].start), off
