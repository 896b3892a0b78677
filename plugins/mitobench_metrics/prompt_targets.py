"""What each prompt of one image should have segmented."""

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mitobench.errors import ContractError
from mitobench.prompts import ALL_OBJECTS, NO_OBJECT
from mitobench.samples import Sample
from mitobench_metrics.contingency import label_areas
from mitobench_metrics.object_boxes import Box, joint_box, object_boxes

__all__ = ["PromptTargets"]

_Corner = tuple[int, int]


class PromptTargets:
    """The reference pixels that each of N prompts stands for; compares them with masks on crops, never on whole frames.

    Attributes:
        ids: int64 (N,), reference labels, ``ALL_OBJECTS`` or ``NO_OBJECT``.
        areas: int64 (N,), pixels of each target that are not ignored; 0 for ``NO_OBJECT``.
        scorable: bool (N,), False where there is no object to compare with: ``NO_OBJECT``, or the whole foreground of a
            partially annotated image.

    >>> sample = Sample(id="a", image=np.zeros((1, 3), np.uint8), labels=np.array([[4, 4, 9]], np.int32))
    >>> targets = PromptTargets(sample, np.array([9, ALL_OBJECTS]))
    >>> targets.areas.tolist(), targets.overlap(0, (0, 1), np.array([[True, True]]))
    ([1, 3], (1, 2))
    """

    def __init__(self, sample: Sample, ids: NDArray[np.int64]) -> None:
        """Look the targets up.

        Args:
            sample: with its reference.
            ids: int64 (N,).

        Raises:
            ContractError: the sample has no reference, or an id is none of its labels.
        """
        if sample.labels is None:
            raise ContractError(f"sample {sample.id!r} has no reference labels; its prompts have no targets.")
        self.ids = ids
        self._ignore = sample.ignore if sample.ignore is not None and sample.ignore.any() else None
        self._labels = sample.labels if self._ignore is None else sample.labels * ~self._ignore
        self._present, areas = label_areas(self._labels)
        _check_known(sample, ids, self._present)
        place = np.searchsorted(self._present, ids).clip(max=max(self._present.size - 1, 0))
        found = self._present[place] == ids if self._present.size else np.zeros(ids.size, np.bool_)
        self.areas = np.where(found, areas[place], 0) if self._present.size else np.zeros(ids.size, np.int64)
        self.areas[ids == ALL_OBJECTS] = areas.sum()
        self.scorable = (ids != NO_OBJECT) & ~((ids == ALL_OBJECTS) & sample.partial)

    def overlap(self, index: int, corner: _Corner, mask: NDArray[np.bool_]) -> tuple[int, int]:
        """Pixels that a mask shares with target ``index``, and the mask's pixels that are not ignored.

        Args:
            index: of the prompt.
            corner: (y0, x0) of the mask in the frame.
            mask: bool (h, w).
        """
        box = _box(corner, mask)
        kept = mask if self._ignore is None else mask & ~self._ignore[box]
        return int(np.count_nonzero(self._target(index, box) & kept)), int(np.count_nonzero(kept))

    def window(
        self, index: int, corner: _Corner, mask: NDArray[np.bool_]
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Target ``index`` and a mask, bool (h, w) each, on the smallest window that holds both, ignored pixels removed.

        Args:
            index: of the prompt.
            corner: (y0, x0) of the mask in the frame.
            mask: bool (h, w).
        """
        own = _box(corner, mask)
        place = self._boxes.get(int(self.ids[index]))
        box = own if place is None else joint_box(place, own) if mask.size else place
        frame = np.zeros((box[0].stop - box[0].start, box[1].stop - box[1].start), np.bool_)
        if mask.size:
            top, left = corner[0] - box[0].start, corner[1] - box[1].start
            frame[top : top + mask.shape[0], left : left + mask.shape[1]] = mask
        return self._target(index, box), frame if self._ignore is None else frame & ~self._ignore[box]

    def _target(self, index: int, box: Box) -> NDArray[np.bool_]:
        wanted = int(self.ids[index])
        return self._labels[box] > 0 if wanted == ALL_OBJECTS else self._labels[box] == wanted

    @cached_property
    def _boxes(self) -> dict[int, Box]:
        boxes = object_boxes(self._labels, self._present)
        if boxes:
            rows = slice(min(b[0].start for b in boxes.values()), max(b[0].stop for b in boxes.values()))
            columns = slice(min(b[1].start for b in boxes.values()), max(b[1].stop for b in boxes.values()))
            boxes[ALL_OBJECTS] = rows, columns
        return boxes


def _box(corner: _Corner, mask: NDArray[np.bool_]) -> Box:
    return slice(corner[0], corner[0] + mask.shape[0]), slice(corner[1], corner[1] + mask.shape[1])


def _check_known(sample: Sample, ids: NDArray[np.int64], present: NDArray[np.int64]) -> None:
    doubtful = np.setdiff1d(ids[ids > 0], present)
    unknown = doubtful[~np.isin(doubtful, sample.labels)] if doubtful.size and sample.labels is not None else doubtful
    unknown = np.concatenate([unknown, ids[ids < ALL_OBJECTS]])
    if unknown.size:
        raise ContractError(
            f"prompted: target {int(unknown[0])} is no object of sample {sample.id!r}; expected a label of its reference, "
            f"{ALL_OBJECTS} (all objects) or {NO_OBJECT} (none). Were the prompts made for another image?"
        )
