"""What prompters have in common that read no pixels: nothing to encode."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mitobench.interfaces import BuildContext, Encoding
from mitobench.options import ComponentOptions

__all__ = ["Unencoded"]


class Unencoded:
    """Base of the prompters of this plugin."""

    encoder_key: str | None = None

    def __init__(self, options: ComponentOptions, context: BuildContext) -> None:
        self.context = context

    def encode(self, images: Sequence[NDArray[np.uint8]]) -> Sequence[Encoding]:
        """One None per image."""
        return [None] * len(images)
