"""Linear layers through oneDNN, where torch would take a slower library."""

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["is_slow", "linear", "sliced_linear"]

_SLICES = 16
_MIN_ROWS = 1024


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``torch.nn.functional.linear`` for x of shape (..., C), the same to about 4e-7, by the faster way."""
    rows = x.numel() // x.shape[-1]
    if rows % _SLICES or rows < _MIN_ROWS or not is_slow(x):
        return functional.linear(x, weight, bias)
    return sliced_linear(x, weight, bias)


def is_slow(x: Tensor) -> bool:
    """Whether torch gives matrix products of x to MKL, which runs at half of oneDNN's speed on some processors.

    It does so in single precision on a CPU. With gradients the detour does not pay.
    """
    single = x.device.type == "cpu" and x.dtype == torch.float32
    return single and not torch.is_grad_enabled() and not torch.is_autocast_enabled("cpu")


def sliced_linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """The same for a multiple of 16 rows x, by oneDNN.

    A 1 x 1 convolution of a batch of 16 or more goes to oneDNN, and the rows, cut into 16 slices, are such a batch without
    a copy.
    """
    slices = x.reshape(_SLICES, x.numel() // x.shape[-1] // _SLICES, 1, x.shape[-1]).permute(0, 3, 1, 2)
    out = functional.conv2d(slices, weight[:, :, None, None], bias)
    return out.permute(0, 2, 3, 1).reshape(*x.shape[:-1], weight.shape[0])
