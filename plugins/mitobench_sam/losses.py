"""What a mask decoder can be trained by: losses of one predicted mask against one object, and their weighted sums.

Each takes logits (B, h, w) and soft targets (B, h, w) in 0..1 and gives one value per mask, (B,), so that the best of
SAM's three masks can be chosen before averaging.
"""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from mitobench.errors import UsageError
from mitobench_sam.loss_sums import loss_terms

__all__ = ["LOSSES", "Loss", "parse_loss"]

Loss = Callable[[Tensor, Tensor], Tensor]
_SMOOTH = 1e-5
_GAMMA = 2.0


def _dice(logits: Tensor, target: Tensor) -> Tensor:
    """MONAI's ``DiceLoss(sigmoid=True, squared_pred=True)``: 1 - 2 sum(p t) / (sum(p^2) + sum(t^2))."""
    p = logits.sigmoid()
    shared = (p * target).sum((1, 2))
    total = p.square().sum((1, 2)) + target.square().sum((1, 2))
    return 1 - (2 * shared + _SMOOTH) / (total + _SMOOTH)


def _cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    return functional.binary_cross_entropy_with_logits(logits, target, reduction="none").mean((1, 2))


def _dice_ce(logits: Tensor, target: Tensor) -> Tensor:
    """MONAI's ``DiceCELoss(sigmoid=True, squared_pred=True)``."""
    return _dice(logits, target) + _cross_entropy(logits, target)


def _focal(logits: Tensor, target: Tensor) -> Tensor:
    """Lin et al., ICCV 2017, with gamma 2 and without class weights, as MONAI's ``FocalLoss``."""
    entropy = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    wrong = (logits.sigmoid() - target).abs()
    return (wrong.pow(_GAMMA) * entropy).mean((1, 2))


def _boundary(logits: Tensor, target: Tensor) -> Tensor:
    """Kervadec et al., MIDL 2019: the mean of the probability times the signed distance to the outline, per side of the frame."""
    from scipy import ndimage

    signed = np.zeros(tuple(target.shape), np.float32)
    for plane, mask in zip(signed, target.detach().cpu().float().numpy() > 0.5, strict=True):
        if mask.any() and not mask.all():
            plane[:] = ndimage.distance_transform_edt(~mask) - ndimage.distance_transform_edt(mask)
    distance = torch.from_numpy(signed).to(logits.device) / max(target.shape[1:])
    return (logits.sigmoid() * distance).mean((1, 2))


def _hausdorff(logits: Tensor, target: Tensor) -> Tensor:
    """Karimi and Salcudean, IEEE TMI 2020 (distance transforms, alpha 2): errors weigh their squared distance to the outlines.

    Distances are in units of the frame's side, so that the loss does not depend on the resolution.
    """
    p = logits.sigmoid()
    squared = _outline_distance(p.detach()).square() + _outline_distance(target).square()
    return ((p - target).square() * squared / max(target.shape[1:]) ** 2).mean((1, 2))


def _outline_distance(values: Tensor) -> Tensor:
    """Distance of every pixel to the outline of ``values > 0.5``; 0 where there is none."""
    from scipy import ndimage

    found = np.zeros(tuple(values.shape), np.float32)
    for plane, mask in zip(found, values.detach().cpu().float().numpy() > 0.5, strict=True):
        if mask.any() and not mask.all():
            plane[:] = ndimage.distance_transform_edt(mask) + ndimage.distance_transform_edt(~mask)
    return torch.from_numpy(found).to(values.device)


LOSSES: Mapping[str, Loss] = {
    "dice-ce": _dice_ce,
    "dice": _dice,
    "ce": _cross_entropy,
    "focal": _focal,
    "boundary": _boundary,
    "hausdorff": _hausdorff,
}


def parse_loss(text: str) -> Loss:
    """A loss by name, or a weighted sum such as ``dice-ce + 0.5*boundary``.

    Raises:
        UsageError: an unknown loss, a weight that is not above 0, or text that is no such sum.
    """
    try:
        terms = [(weight, LOSSES[name]) for weight, name in loss_terms(text)]
    except ValueError as error:
        raise UsageError(f"loss {text!r}: {error}.") from None

    def total(logits: Tensor, target: Tensor) -> Tensor:
        values = [weight * loss(logits, target) for weight, loss in terms]
        return torch.stack(values).sum(0)

    return total
