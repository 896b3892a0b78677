"""All of SAM's masks for prompts of several images at once, and what training makes of them."""

from dataclasses import dataclass

import torch
from segment_anything.modeling import Sam
from torch import Tensor

from mitobench_sam.losses import Loss
from mitobench_sam.mask_decoder import ImageSide, decode_all
from mitobench_sam.prompt_simulation import Simulated

__all__ = ["Judged", "Objective", "overlap", "predict", "shown_masks"]

_SURELY_NOT = -30.0


def predict(sam: Sam, images: Tensor, prompts: Simulated) -> tuple[Tensor, Tensor]:
    """All four masks of each prompt, as the official mask decoder computes them.

    Args:
        sam: prompt encoder and mask decoder of it are used.
        images: float (B, C, g, g), the embedding of each prompt's image.
        prompts: B of them.

    Returns:
        logits float32 (B, 4, 4g, 4g), the single mask first, and predicted IoU float32 (B, 4).
    """
    points = (prompts.points, prompts.labels) if prompts.points.shape[1] else None
    with torch.autocast(images.device.type, enabled=False):  # 16-bit coordinates would be off by a pixel
        sparse, dense = sam.prompt_encoder(points=points, boxes=prompts.boxes, masks=prompts.masks)
        position = sam.prompt_encoder.get_dense_pe().flatten(2).transpose(1, 2)
    keys = (images + dense).flatten(2).transpose(1, 2).contiguous()
    side = ImageSide(keys, keys + position, position, (images.shape[2], images.shape[3]))
    return decode_all(sam.mask_decoder, side, sparse)


def shown_masks(sam: Sam, image: Tensor, prompts: Simulated, *, ambiguous: bool) -> Tensor:
    """The mask of each of B prompts of one image (1, C, g, g) that a user would be shown, logits float32 (B, 4g, 4g).

    The single mask or, where it is ambiguous what a prompt means, of the three others the one with the best predicted IoU.
    """
    logits, iou = predict(sam, image.expand(len(prompts.points), -1, -1, -1), prompts)
    best = 1 + iou[:, 1:].argmax(1) if ambiguous else torch.zeros_like(iou[:, 0], dtype=torch.int64)
    return logits[torch.arange(len(best), device=best.device), best]


def overlap(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """IoU and Dice, each (...), of the masks ``logits > 0`` and ``target > 0.5``, both (..., h, w)."""
    found, meant = logits > 0, target > 0.5
    shared = (found & meant).sum((-2, -1)).float()
    both = found.sum((-2, -1)) + meant.sum((-2, -1)).float()
    return shared / (both - shared).clamp(min=1), 2 * shared / both.clamp(min=1)


@dataclass(frozen=True, eq=False)
class Judged:
    """The loss of each of B prompts, (B,), and the masks from which the next prompts are made, float32 (B, h, w)."""

    loss: Tensor
    logits: Tensor


class Objective:
    """What is minimised for each prompt.

    Args:
        loss: of one mask.
        multimask: ``auto``, ``single`` or ``both``: which masks are trained.
        iou_weight: of the squared error of the predicted IoU.
    """

    def __init__(self, loss: Loss, multimask: str, iou_weight: float) -> None:
        self._loss, self._multimask, self._iou_weight = loss, multimask, iou_weight

    def __call__(self, logits: Tensor, iou: Tensor, target: Tensor, hidden: Tensor, *, lone_point: bool) -> Judged:
        """Judge all masks of B prompts.

        Args:
            logits: float32 (B, 4, h, w), the single mask first.
            iou: float32 (B, 4), as predicted.
            target: float32 (B, h, w) in 0..1.
            hidden: bool (B, h, w), pixels that do not count; the target is 0 there.
            lone_point: whether each prompt is one point alone.
        """
        seen = logits.masked_fill(hidden[:, None], _SURELY_NOT)
        ambiguous = lone_point and self._multimask != "single"
        total = torch.zeros_like(iou[:, 0])
        if self._multimask == "both" or not ambiguous:
            total = total + self._of(seen[:, :1], iou[:, :1], target)
        if self._multimask == "both" or ambiguous:
            total = total + self._of(seen[:, 1:], iou[:, 1:], target)
        best = 1 + iou[:, 1:].argmax(1) if ambiguous else torch.zeros_like(iou[:, 0], dtype=torch.int64)
        return Judged(total, seen[torch.arange(len(seen), device=seen.device), best].detach())

    def _of(self, logits: Tensor, iou: Tensor, target: Tensor) -> Tensor:
        """The loss of the best of M masks (B, M, h, w), and of the predicted IoU of all of them."""
        each = torch.stack([self._loss(mask, target) for mask in logits.unbind(1)], 1)
        best = each.min(1).values
        if not self._iou_weight:
            return best
        with torch.no_grad():
            real = overlap(logits, target[:, None].expand_as(logits))[0]
        return best + self._iou_weight * (iou - real).square().mean(1)
