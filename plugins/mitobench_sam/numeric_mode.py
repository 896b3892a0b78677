"""The numeric mode of a training."""

import contextlib
from contextlib import AbstractContextManager
from typing import Any

import torch

from mitobench_torch.training import mixed_precision

__all__ = ["autocast", "numeric_mode"]


def numeric_mode(wanted: str, device: torch.device) -> str:
    """``fp32`` or ``bf16``: the one wanted, and for ``auto`` bf16 on a GPU that has it."""
    if wanted != "auto":
        return wanted
    with mixed_precision(device) as mode:
        return "fp32" if mode is None else "bf16"


def autocast(mode: str, device: torch.device) -> AbstractContextManager[Any]:
    """The context in which a network computes in such a mode."""
    return contextlib.nullcontext() if mode == "fp32" else torch.autocast(device.type, torch.bfloat16)
