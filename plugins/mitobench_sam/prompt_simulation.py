"""Prompts simulated from the reference, as a user would give them: at first, and then where the last mask was wrong.

Source: Archit et al., Segment Anything for Microscopy, Nature Methods 2025, after Kirillov et al., 2023.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["TURNS", "Kind", "Simulated", "centre_pixel", "corrected", "joined", "random_pixel", "validated_kinds"]

Kind = Literal["box", "point", "mask"]
TURNS: Mapping[str, tuple[Kind, ...]] = {
    "box": ("box",),
    "union-box": ("box",),
    "point": ("point",),
    "mask": ("mask",),
    "point-box": ("point", "box"),
    "mixed": ("point", "box", "point", "box", "mask"),
}
"""The kinds of prompt of successive steps, which repeat, by the option ``prompt``."""
_NOT_A_POINT = -1


@dataclass(frozen=True, eq=False)
class Simulated:
    """Prompts for B objects in the coordinates of SAM's square input.

    Attributes:
        boxes: float32 (B, 4), (x0, y0, x1, y1), or None.
        points: float32 (B, P, 2), (x, y); P may be 0.
        labels: int64 (B, P): 1 = on the object, 0 = off it, -1 = no point.
        masks: float32 (B, 1, 4g, 4g) logits, or None.
    """

    boxes: Tensor | None
    points: Tensor
    labels: Tensor
    masks: Tensor | None = None

    def to(self, device: torch.device) -> "Simulated":
        """The same prompts on a device."""
        boxes, masks = (None if t is None else t.to(device) for t in (self.boxes, self.masks))
        return Simulated(boxes, self.points.to(device), self.labels.to(device), masks)

    def __getitem__(self, rows: slice) -> "Simulated":
        """The prompts of some of the objects."""
        boxes, masks = (None if t is None else t[rows] for t in (self.boxes, self.masks))
        return Simulated(boxes, self.points[rows], self.labels[rows], masks)

    @property
    def lone_point(self) -> bool:
        """Whether each prompt is one point and nothing else, which leaves open how much around it is meant."""
        return self.boxes is None and self.masks is None and self.labels.shape[1] == 1


def validated_kinds(prompt: str) -> tuple[Kind, ...]:
    """The kinds of prompt that a training with the option ``prompt`` is judged by."""
    return TURNS[prompt] if len(TURNS[prompt]) == 1 else ("box", "point")


def joined(several: Sequence[Simulated]) -> Simulated:
    """Prompts of one kind for several images as one batch."""
    first = several[0]
    return Simulated(
        None if first.boxes is None else torch.cat([s.boxes for s in several if s.boxes is not None]),
        torch.cat([s.points for s in several]),
        torch.cat([s.labels for s in several]),
        None if first.masks is None else torch.cat([s.masks for s in several if s.masks is not None]),
    )


def corrected(
    prompts: Simulated, logits: Tensor, target: Tensor, rngs: Sequence[np.random.Generator], *, with_mask: bool
) -> Simulated:
    """The prompts with one more pair of points: on the object where it was missed, off it where it was overrun.

    Where nothing was missed the positive point lies anywhere on the object; where nothing was overrun there is no
    negative one. Points lie at the centres of low-resolution pixels.

    Args:
        prompts: of B objects.
        logits: (B, h, w), the masks that they gave.
        target: (B, h, w) in 0..1, what they meant.
        rngs: B generators (an image's objects may share one) that decide which of the wrong pixels.
        with_mask: also give the logits as the next mask prompt.
    """
    found = (logits.detach() > 0).cpu().numpy()
    meant = (target > 0.5).cpu().numpy()
    points = np.zeros((len(found), 2, 2), np.float32)
    labels = np.full((len(found), 2), _NOT_A_POINT, np.int64)
    for index, (mask, real) in enumerate(zip(found, meant, strict=True)):
        missed, overrun = real & ~mask, mask & ~real
        for column, region in enumerate((missed if missed.any() else real, overrun)):
            if region.any():
                y, x = random_pixel(region, rngs[index])
                points[index, column] = 4 * x + 1.5, 4 * y + 1.5
                labels[index, column] = 1 - column
    device = prompts.points.device
    return replace(
        prompts,
        points=torch.cat([prompts.points, torch.from_numpy(points).to(device)], 1),
        labels=torch.cat([prompts.labels, torch.from_numpy(labels).to(device)], 1),
        masks=logits.detach()[:, None].float() if with_mask else None,
    )


def random_pixel(mask: NDArray[np.bool_], rng: np.random.Generator) -> tuple[int, int]:
    """A uniformly random (y, x) of a mask with at least one pixel."""
    places = np.flatnonzero(mask)
    y, x = divmod(int(places[rng.integers(places.size)]), mask.shape[1])
    return y, x


def centre_pixel(mask: NDArray[np.bool_]) -> tuple[float, float]:
    """The mean (y, x) of a mask or, where that lies off it, its pixel nearest to it."""
    rows, columns = np.nonzero(mask)
    y, x = float(rows.mean()), float(columns.mean())
    if mask[int(np.rint(y)), int(np.rint(x))]:
        return y, x
    nearest = int(np.argmin((rows - y) ** 2 + (columns - x) ** 2))
    return float(rows[nearest]), float(columns[nearest])
