"""The prompter ``yolo``: a box with a confidence for every object that the network finds."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mitobench.errors import MissingError, MitobenchError
from mitobench.hashing import hash_data, hash_file
from mitobench.interfaces import BuildContext, Encoding
from mitobench.prompts import Prompts
from mitobench.samples import Sample
from mitobench_torch.devices import resolve_device
from mitobench_yolo.boxes import from_edges
from mitobench_yolo.inference import Viewing, find_candidates, suppress
from mitobench_yolo.options import ROLE, PrompterOptions
from mitobench_yolo.weights import load_network

__all__ = ["YoloPrompter"]


class YoloPrompter:
    """Boxes from a YOLO11 detector; the class that a detector of several gives an object is not looked at.

    On the CPU the same images in the same batches give the same boxes to the bit; another batch, another number of threads or
    a GPU rounds otherwise.

    Raises:
        MissingError: no checkpoint, or one that is not this network's (see :func:`mitobench_yolo.weights.load_network`).
    """

    def __init__(self, options: PrompterOptions, context: BuildContext) -> None:
        path = context.weights.get(ROLE, options.checkpoint)
        if not path.is_file():
            raise MissingError(
                f"{path}: no such checkpoint. Give the path of a file that `mitobench train yolo` wrote."
            )
        self._options, self._device = options, resolve_device(context.device)
        network, architecture = load_network(path, options.sha256)
        self._network = network.to(self._device).eval()
        self.confidence = architecture.confidence if options.confidence is None else options.confidence
        self._viewing = Viewing(
            image_size=options.image_size or architecture.image_size,
            tile=options.tile,
            overlap=options.overlap,
            batch=options.batch,
        )
        tiles = [options.tile, options.overlap] if options.tile else []
        self._key = hash_data(
            {"encoder": "yolo", "weights": hash_file(path), "image_size": self._viewing.image_size, "tiles": tiles}
        )

    @property
    def encoder_key(self) -> str:
        """Equal for the same weights, image size and tiles, whatever the confidence and IoU of the boxes to keep."""
        return self._key

    def encode(self, images: Sequence[NDArray[np.uint8]]) -> Sequence[Encoding]:
        """The candidates of each image, float32 (K, 5): see :func:`mitobench_yolo.inference.find_candidates`."""
        return find_candidates(self._network, images, self._viewing, self._device)

    def detect(self, encoding: Encoding, confidence: float | None = None) -> NDArray[np.float32]:
        """The boxes that stay after non-maximum suppression.

        Args:
            encoding: of an image.
            confidence: instead of the prompter's own.

        Returns:
            float32 (K, 5): edges (x0, y0, x1, y1) in pixels, and the confidence; most confident first.

        Raises:
            MitobenchError: more than ``max_objects`` boxes.
        """
        lowest = self.confidence if confidence is None else confidence
        rows = suppress(encoding, confidence=lowest, iou=self._options.iou)
        if len(rows) > self._options.max_objects:
            raise MitobenchError(
                f"yolo: {len(rows)} boxes of at least confidence {lowest:g} in one image, expected at most {self._options.max_objects}. "
                "Raise confidence=, lower iou=, or raise max_objects=; none is dropped silently."
            )
        return rows

    def prompt(self, encoding: Encoding, sample: Sample, rng: np.random.Generator) -> Prompts:
        """One box per object, most confident first, within the image."""
        rows = self.detect(encoding)
        return Prompts(boxes=from_edges(rows[:, :4]), scores=np.clip(rows[:, 4], 0, 1))
