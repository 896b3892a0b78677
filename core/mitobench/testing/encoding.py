"""Encode as the runner does."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mitobench.interfaces import Encoding
from mitobench.testing.case import require

__all__ = ["encode"]


def encode(component: Any, images: Sequence[NDArray[np.uint8]]) -> Sequence[Encoding]:
    """One encoding per image in one batch; None each, without a call, where ``encoder_key`` is None."""
    if component.encoder_key is None:
        return [None] * len(images)
    encodings: Sequence[Encoding] = component.encode(images)
    require(len(encodings) == len(images), f"encode returned {len(encodings)} encodings for {len(images)} images.")
    return encodings
