"""Linear layers through oneDNN, where torch would take a slower library."""

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["linear"]

_SLICES = 16
_MIN_ROWS = 1024


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``torch.nn.functional.linear`` for x of shape (..., C), the same to about 4e-7.

    On a CPU torch gives single-precision matrix products to MKL, which runs at half of oneDNN's speed on some
    processors. A 1 x 1 convolution of a batch of 16 or more does go to oneDNN, and the rows of x, cut into 16 slices,
    are such a batch without a copy.
    """
    rows = x.numel() // x.shape[-1]
    plain = x.device.type != "cpu" or x.dtype != torch.float32 or rows % _SLICES or rows < _MIN_ROWS
    if plain or torch.is_grad_enabled() or torch.is_autocast_enabled("cpu"):
        return functional.linear(x, weight, bias)
    slices = x.reshape(_SLICES, rows // _SLICES, 1, x.shape[-1]).permute(0, 3, 1, 2)
    out = functional.conv2d(slices, weight[:, :, None, None], bias)
    return out.permute(0, 2, 3, 1).reshape(*x.shape[:-1], weight.shape[0])
