"""The prompter ``unet``: every instance that the network finds becomes a point, a box or a mask."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mitobench.interfaces import BuildContext, Encoding
from mitobench.prompts import MASK_SIDE, Prompts, mask_logits
from mitobench.samples import Sample
from mitobench_unet.encoder import Encoder
from mitobench_unet.instances import inside_centres, tight_boxes
from mitobench_unet.options import PrompterOptions

__all__ = ["UnetPrompter"]


class UnetPrompter:
    """Prompts from the segmenter's own instances, one each, with the instance's score."""

    def __init__(self, options: PrompterOptions, context: BuildContext) -> None:
        self._encoder = Encoder(options, context)
        self._emit = options.emit

    @property
    def encoder_key(self) -> str:
        """Equal for the segmenter ``unet`` with the same weights, windows and flips."""
        return self._encoder.key

    def encode(self, images: Sequence[NDArray[np.uint8]]) -> Sequence[Encoding]:
        """Probability maps, float32 (2, H, W), of each image."""
        return self._encoder.encode(images)

    def prompt(self, encoding: Encoding, sample: Sample, rng: np.random.Generator) -> Prompts:
        """One prompt per instance, in the instances' order.

        A point is the mean pixel position, moved to the nearest pixel of the instance where that lies outside it. A mask
        holds the logits of the foreground probability within the instance, and the lowest logit elsewhere.
        """
        labels, scores = self._encoder.instances(encoding)
        if self._emit == "point":
            ones = np.ones((scores.size, 1), np.int8)
            return Prompts(points=inside_centres(labels)[:, None], point_labels=ones, scores=scores)
        if self._emit == "box":
            return Prompts(boxes=tight_boxes(labels), scores=scores)
        masks = np.zeros((scores.size, MASK_SIDE, MASK_SIDE), np.float32)
        for index in range(scores.size):
            masks[index] = mask_logits(np.where(labels == index + 1, encoding[0], 0))
        return Prompts(masks=masks, scores=scores)
