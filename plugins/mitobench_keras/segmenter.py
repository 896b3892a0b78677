"""The segmenter ``unet-keras``: a probability map to connected components, without prompts."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mitobench.interfaces import BuildContext, Encoding
from mitobench.prompts import Prompts
from mitobench.samples import Sample
from mitobench.segmentations import Segmentation
from mitobench_keras.encoder import Encoder
from mitobench_keras.options import SegmenterOptions

__all__ = ["KerasSegmenter"]


class KerasSegmenter:
    """Segments an image by itself."""

    def __init__(self, options: SegmenterOptions, context: BuildContext) -> None:
        self._encoder = Encoder(options, context)

    @property
    def encoder_key(self) -> str:
        """Equal for the prompter ``unet-keras`` with the same weights and tiling."""
        return self._encoder.key

    def encode(self, images: Sequence[NDArray[np.uint8]]) -> Sequence[Encoding]:
        """The probability map, float32 (H, W), of each image."""
        return self._encoder.encode(images)

    def segment(self, encoding: Encoding, sample: Sample, prompts: Prompts) -> Segmentation:
        """Connected components with their mean foreground probability as score; prompts are not looked at."""
        labels, scores = self._encoder.instances(encoding)
        return Segmentation(labels=labels, scores=scores, semantic=True)
