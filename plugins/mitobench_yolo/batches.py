"""Training batches with ultralytics' augmentation, each of which depends on the seed and the step's number alone."""

import contextlib
import random
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mitobench.seeds import derive_rng, derive_seed
from mitobench_yolo.options import TrainerOptions
from mitobench_yolo.runtime import DEFAULTS, Settings, YOLODataset, cv2
from mitobench_yolo.samples import Block, read_boxes, read_image

__all__ = ["Batches", "settings"]

CACHE_BYTES = 1 << 30


def settings(options: TrainerOptions) -> Settings:
    """Ultralytics' settings with ours in their place: augmentation, and the weights of the loss's parts."""
    flip = 0.5 if options.flips else 0.0
    changes = {
        "imgsz": options.image_size,
        "mosaic": options.mosaic,
        "degrees": options.degrees,
        "scale": options.scale,
        "translate": options.translate,
        "fliplr": flip,
        "flipud": flip,
        "hsv_h": options.hue,
        "hsv_s": options.saturation,
        "hsv_v": options.brightness,
    }
    return Settings(**{**DEFAULTS, **changes})


class Batches:
    """The batches of a training.

    Args:
        block: the training images with their label files.
        options: the trainer's.
        seed: of the training.
    """

    def __init__(self, block: Block, options: TrainerOptions, seed: int) -> None:
        self._size, self._seed = options.batch, seed
        with _randomness(0):  # the constructor may try the speed of a few files at random
            self._images = _Images(block, options)
        self.steps_per_epoch = -(-len(block.images) // options.batch)

    def batch(self, step: int, *, mosaics: bool) -> dict[str, Any]:
        """The batch of step ``step`` (0, 1, ...), with or without mosaics.

        Returns:
            ``img`` uint8 (B, 3, S, S) RGB; for N objects ``bboxes`` float32 (N, 4) as in label files, ``cls`` (N, 1), all 0, and
            ``batch_idx`` (N,), the image that each belongs to.
        """
        self._images.use_mosaics(mosaics)
        epoch, place = divmod(step, self.steps_per_epoch)
        order = derive_rng(self._seed, "yolo", "epoch", epoch).permutation(len(self._images.im_files))
        chosen = order[place * self._size : (place + 1) * self._size]
        with _randomness(derive_seed(self._seed, "yolo", "step", step)):
            return dict(YOLODataset.collate_fn([self._images[int(index)] for index in chosen]))


class _Images(YOLODataset):  # type: ignore[misc, unused-ignore]
    """Ultralytics' data set, without its pickled cache of labels and its memory of the images it has seen before."""

    def __init__(self, block: Block, options: TrainerOptions) -> None:
        self._block, self._settings = block, settings(options)
        self._held: OrderedDict[int, tuple[NDArray[np.uint8], tuple[int, int]]] = OrderedDict()
        self._held_bytes = 0
        self._mosaics = True
        super().__init__(
            img_path=str(block.images[0].parent),
            imgsz=options.image_size,
            cache=False,
            augment=True,
            hyp=self._settings,
            batch_size=options.batch,
            data={"names": {0: "object"}, "nc": 1, "channels": 3},
            task="detect",
        )
        # What a mosaic is pieced together from: any of the images, not those that happened to come before.
        self.buffer = list(range(len(self.im_files)))

    def get_img_files(self, img_path: Any) -> list[str]:
        return [str(path) for path in self._block.images]

    def get_labels(self) -> list[dict[str, Any]]:
        self.label_files: list[str] = []
        return [
            _label(str(path), read_boxes(path), shape)
            for path, shape in zip(self._block.images, self._block.shapes, strict=True)
        ]

    def build_transforms(self, hyp: Any = None) -> Any:
        transforms = super().build_transforms(hyp)
        # Albumentations' own would join in wherever that library happens to be installed.
        transforms.transforms = [t for t in transforms.transforms if type(t).__name__ != "Albumentations"]
        return transforms

    def use_mosaics(self, wanted: bool) -> None:
        if wanted != self._mosaics:
            self._mosaics = wanted
            changes = {} if wanted else {"mosaic": 0.0}
            self.transforms = self.build_transforms(Settings(**{**vars(self._settings), **changes}))

    def load_image(self, i: int, *_: Any, **__: Any) -> tuple[NDArray[np.uint8], tuple[int, int], tuple[int, ...]]:
        if i not in self._held:
            self._held[i] = _scaled(read_image(self._block.images[i]), self.imgsz)
            self._held_bytes += self._held[i][0].nbytes
            while self._held_bytes > CACHE_BYTES and len(self._held) > 1:
                self._held_bytes -= self._held.popitem(last=False)[1][0].nbytes
        image, before = self._held[i]
        return image.copy(), before, image.shape[:2]


def _scaled(picture: NDArray[np.uint8], side: int) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """The picture in OpenCV's order of channels with its longer side ``side``, and its (H, W) before."""
    height, width = picture.shape[:2]
    ratio = side / max(height, width)
    size = max(1, min(side, round(width * ratio))), max(1, min(side, round(height * ratio)))
    resized = cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR) if ratio != 1 else picture
    return np.ascontiguousarray(resized[:, :, ::-1]), (height, width)


def _label(path: str, boxes: NDArray[np.float64], shape: tuple[int, int]) -> dict[str, Any]:
    """One image's label in ultralytics' form."""
    return {
        "im_file": path,
        "shape": shape,
        "cls": np.zeros((len(boxes), 1), np.float32),
        "bboxes": boxes.astype(np.float32),
        "segments": [],
        "keypoints": None,
        "normalized": True,
        "bbox_format": "xywh",
    }


@contextlib.contextmanager
def _randomness(seed: int) -> Iterator[None]:
    """Seed the global generators, which ultralytics draws from, and put their states back afterwards."""
    python, legacy = random.getstate(), np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng(devices=[]):
        random.seed(seed)
        np.random.seed(seed % (1 << 32))  # noqa: NPY002
        torch.manual_seed(seed >> 1)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(legacy)  # noqa: NPY002
