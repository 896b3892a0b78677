"""Prompts: where the objects of one image are said to be."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mitobench.descriptors import PromptKind
from mitobench.errors import ContractError

__all__ = ["ALL_OBJECTS", "MASK_SIDE", "NO_OBJECT", "Prompts", "mask_logits"]

MASK_SIDE = 256
NO_OBJECT = 0
ALL_OBJECTS = -1


@dataclass(frozen=True, kw_only=True, eq=False)
class Prompts:
    """N prompts for one image; each may combine a box, points and a low-resolution mask.

    Coordinates are (x, y) in pixels, the origin at the centre of the top-left pixel. A box that tightly encloses the
    pixels of columns a..b and rows c..d is (a, c, b, d).

    Attributes:
        boxes: float32 (N, 4), (x0, y0, x1, y1) with x0 <= x1 and y0 <= y1, or None.
        points: float32 (N, P, 2), or None. Set exactly when ``point_labels`` is.
        point_labels: int8 (N, P): 1 = on the object, 0 = not on it, -1 = padding.
        masks: float32 (N, 256, 256) logits in the frame of SAM's mask input: the image scaled so that its longer side
            is 256, at the top left, padded below or to the right (see :func:`mask_logits`); or None.
        targets: int64 (N,), what each prompt was made from: a reference label, ``ALL_OBJECTS`` (-1) for the whole
            foreground or ``NO_OBJECT`` (0); None where no reference was looked at.
        scores: float32 (N,) in 0..1, the prompter's confidence, or None.
    """

    boxes: NDArray[np.float32] | None = None
    points: NDArray[np.float32] | None = None
    point_labels: NDArray[np.int8] | None = None
    masks: NDArray[np.float32] | None = None
    targets: NDArray[np.int64] | None = None
    scores: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        if (self.points is None) != (self.point_labels is None):
            raise ContractError("prompts: points and point_labels must be given together.")
        per_point = self.points.shape[1] if self.points is not None and self.points.ndim == 3 else 0
        shapes = {
            "boxes": (np.float32, (4,)),
            "points": (np.float32, (per_point, 2)),
            "point_labels": (np.int8, (per_point,)),
            "masks": (np.float32, (MASK_SIDE, MASK_SIDE)),
            "targets": (np.int64, ()),
            "scores": (np.float32, ()),
        }
        count: int | None = None
        for name, (dtype, shape) in shapes.items():
            value = getattr(self, name)
            if value is None:
                continue
            if (
                not isinstance(value, np.ndarray)
                or value.dtype != dtype
                or value.shape[1:] != shape
                or value.ndim != 1 + len(shape)
            ):
                found = f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__
                raise ContractError(f"prompts: {name} are {found}; expected {np.dtype(dtype)} {('N', *shape)}.")
            if count not in (None, value.shape[0]):
                raise ContractError(f"prompts: {name} has {value.shape[0]} rows; other fields have {count}.")
            count = value.shape[0]
            if not np.isfinite(value).all():
                raise ContractError(f"prompts: {name} hold NaN or infinity.")
        self._check_values()

    def _check_values(self) -> None:
        if self.boxes is not None and np.any(self.boxes[:, 2:] < self.boxes[:, :2]):
            row = int(np.flatnonzero((self.boxes[:, 2:] < self.boxes[:, :2]).any(axis=1))[0])
            raise ContractError(
                f"prompts: box {row} is {self.boxes[row].tolist()}; expected (x0, y0, x1, y1) with x0 <= x1 and y0 <= y1."
            )
        if self.point_labels is not None and not np.isin(self.point_labels, (-1, 0, 1)).all():
            raise ContractError("prompts: point_labels must be 1 (object), 0 (not the object) or -1 (padding).")
        if self.scores is not None and self.scores.size and (self.scores.min() < 0 or self.scores.max() > 1):
            raise ContractError(f"prompts: scores span {self.scores.min()}..{self.scores.max()}; expected 0..1.")

    def __len__(self) -> int:
        for value in (self.boxes, self.points, self.masks, self.targets, self.scores):
            if value is not None:
                return int(value.shape[0])
        return 0

    @property
    def kinds(self) -> frozenset[PromptKind]:
        """The kinds of prompt that are present."""
        present: dict[PromptKind, object] = {"box": self.boxes, "point": self.points, "mask": self.masks}
        return frozenset(kind for kind, value in present.items() if value is not None)

    def check_inside(self, shape: tuple[int, int]) -> None:
        """Raise :class:`ContractError` where a box or point lies off an (H, W) image, naming it."""
        limit = np.array([shape[1], shape[0]], np.float32) - 0.5
        if self.points is not None and self.point_labels is not None:
            off = (self.point_labels >= 0) & ((self.points < -0.5) | (self.points > limit)).any(axis=2)
            if off.any():
                row, column = (int(v) for v in np.argwhere(off)[0])
                raise ContractError(
                    f"prompts: point {self.points[row, column].tolist()} (x, y) of prompt {row} is off the image of shape {shape} (H, W)."
                )
        if self.boxes is not None:
            corners = self.boxes.reshape(-1, 2, 2)
            outside = ((corners < -0.5) | (corners > limit)).any(axis=(1, 2))
            if outside.any():
                row = int(np.flatnonzero(outside)[0])
                raise ContractError(
                    f"prompts: box {self.boxes[row].tolist()} (x0, y0, x1, y1) of prompt {row} is off the image of shape {shape} (H, W)."
                )


def mask_logits(probability: NDArray[np.floating], *, limit: float = 10.0) -> NDArray[np.float32]:
    """A probability map of one object as SAM's mask input.

    Args:
        probability: (H, W) in 0..1; a binary mask is fine.
        limit: logits are clipped to -limit..limit.

    Returns:
        float32 (256, 256): the map scaled (Gaussian-smoothed where it shrinks, then linear) so that its longer side is 256, as logits, at the top left;
        the padding holds ``-limit``.
    """
    from skimage.transform import resize

    height, width = probability.shape
    scale = MASK_SIDE / max(height, width)
    size = max(1, round(height * scale)), max(1, round(width * scale))
    small = resize(probability.astype(np.float32), size, order=1, anti_aliasing=scale < 1, preserve_range=True)
    floor = 1.0 / (1.0 + np.exp(limit))
    small = np.clip(small, floor, 1 - floor)
    frame = np.full((MASK_SIDE, MASK_SIDE), -limit, np.float32)
    frame[: size[0], : size[1]] = np.log(small / (1 - small))
    return frame
