"""The segmenter ``unet``: probability maps to instances, without prompts."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mitobench.interfaces import BuildContext, Encoding
from mitobench.prompts import Prompts
from mitobench.samples import Sample
from mitobench.segmentations import Segmentation
from mitobench_unet.encoder import Encoder
from mitobench_unet.options import SegmenterOptions

__all__ = ["UnetSegmenter"]


class UnetSegmenter:
    """Segments an image by itself. ``semantic`` is set where instances are mere connected components."""

    def __init__(self, options: SegmenterOptions, context: BuildContext) -> None:
        self._encoder = Encoder(options, context)

    @property
    def encoder_key(self) -> str:
        """Equal for the prompter ``unet`` with the same weights, windows and flips."""
        return self._encoder.key

    def encode(self, images: Sequence[NDArray[np.uint8]]) -> Sequence[Encoding]:
        """Probability maps, float32 (2, H, W), of each image."""
        return self._encoder.encode(images)

    def segment(self, encoding: Encoding, sample: Sample, prompts: Prompts) -> Segmentation:
        """Instances with their mean foreground probability as score; prompts are not looked at."""
        labels, scores = self._encoder.instances(encoding)
        return Segmentation(labels=labels, scores=scores, semantic=self._encoder.split == "components")
