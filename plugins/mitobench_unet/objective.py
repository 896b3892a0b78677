"""What the network learns: a foreground map and an interior map, by Dice plus cross-entropy."""

import torch
from torch import Tensor

__all__ = ["Objective", "target_maps"]


def target_maps(labels: Tensor, border: int) -> Tensor:
    """Foreground and interior of instance labels.

    A pixel is interior where all pixels within ``border`` (a square, cut off at the patch's edge) carry its own label: the
    rim of an object is left out also where it touches another one.

    Args:
        labels: (N, H, W) numbers, 0 = background.
        border: rim width in pixels; 0 makes both maps equal.

    Returns:
        float32 (N, 2, H, W) of 0 and 1.
    """
    ids = labels.float()[:, None]
    highest, lowest = _window_maximum(ids, border), -_window_maximum(-ids, border)
    return torch.cat([ids > 0, (lowest == highest) & (ids > 0)], dim=1).float()


def _window_maximum(values: Tensor, border: int) -> Tensor:
    side = 2 * border + 1
    columns = torch.nn.functional.max_pool2d(values, (side, 1), stride=1, padding=(border, 0))
    return torch.nn.functional.max_pool2d(columns, (1, side), stride=1, padding=(0, border))


class Objective:
    """MONAI's Dice + cross-entropy, of the foreground map plus that of the interior map.

    The Dice term pools over the batch, so that patches without objects neither dominate nor divide by zero. Ignored
    pixels add nothing and pass no gradient.

    Source: Milletari et al., "V-Net", 3DV 2016, with the squared denominator; Isensee et al., 2021, for the sum.
    """

    def __init__(self, border: int) -> None:
        from monai.losses.dice import DiceCELoss

        self.border = border
        self._loss = DiceCELoss(sigmoid=True, squared_pred=True, batch=True)

    def __call__(self, logits: Tensor, labels: Tensor, ignore: Tensor) -> Tensor:
        """The loss of one batch, a scalar.

        Args:
            logits: (N, 2, H, W).
            labels: (N, H, W) instance labels.
            ignore: bool (N, H, W).
        """
        hidden = ignore[:, None]
        target = target_maps(labels, self.border) * ~hidden
        seen = torch.where(hidden, torch.full_like(logits, -30.0), logits).float()
        foreground: Tensor = self._loss(seen[:, :1], target[:, :1])
        interior: Tensor = self._loss(seen[:, 1:], target[:, 1:])
        return foreground + interior
