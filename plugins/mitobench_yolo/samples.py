"""Samples as YOLO's data set on disk: PNG images, one text file of boxes for each, and a data.yaml that names both."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from mitobench.errors import DataError, ResourceError
from mitobench.files import safe_name
from mitobench.hashing import hash_array
from mitobench.samples import Sample, SampleRef
from mitobench_yolo.boxes import reference_boxes, to_yolo
from mitobench_yolo.runtime import cv2

__all__ = [
    "PADDING",
    "Block",
    "counted",
    "read_boxes",
    "read_image",
    "three_channels",
    "write_dataset",
]

PADDING = 114
"""YOLO's grey for what is no picture: margins, and pixels that do not count."""
_PARTIAL_RIM = 8
_COMPRESSION = [cv2.IMWRITE_PNG_COMPRESSION, 1]


@dataclass(frozen=True)
class Block:
    """The samples of one block (training or validation) as they were written.

    Attributes:
        images: the PNG files, in the samples' order.
        shapes: (H, W) of each of them.
        objects: how many objects each of them has.
        origins, groups: of all samples, each once, sorted.
    """

    images: tuple[Path, ...]
    shapes: tuple[tuple[int, int], ...]
    objects: tuple[int, ...]
    origins: tuple[str, ...]
    groups: tuple[str, ...]


def write_dataset(learn: Sequence[SampleRef], judge: Sequence[SampleRef], folder: Path) -> tuple[Block, Block]:
    """Write both blocks as ``images/{train,val}``, ``labels/{train,val}`` and ``data.yaml``, as ultralytics reads them.

    Raises:
        DataError: a sample without reference; no object in a block.
        ResourceError: the disk is full.
    """
    blocks = _write_block(learn, folder, "train"), _write_block(judge, folder, "val")
    for block, what, advice in zip(
        blocks,
        ("training", "validation"),
        (
            "Check that the labels belong to the images.",
            "Give a validation source with objects or a larger validation_share=.",
        ),
        strict=True,
    ):
        if not sum(block.objects):
            raise DataError(
                f"none of the {len(block.images)} {what} samples holds an object; expected labels above 0. {advice}"
            )
    lines = [f"path: {json.dumps(str(folder))}", "train: images/train", "val: images/val", "names:", "  0: object", ""]
    (folder / "data.yaml").write_text("\n".join(lines), encoding="utf-8")
    return blocks


def _write_block(refs: Sequence[SampleRef], folder: Path, name: str) -> Block:
    images, labels = folder / "images" / name, folder / "labels" / name
    images.mkdir(parents=True)
    labels.mkdir(parents=True)
    files: list[Path] = []
    shapes: list[tuple[int, int]] = []
    counts: list[int] = []
    origins: set[str] = set()
    groups: set[str] = set()
    for number, ref in enumerate(refs):
        sample = ref.load()
        picture, boxes = counted(sample)
        stem = f"{number:06d}-{safe_name(sample.id)}"
        files.append(images / f"{stem}.png")
        _write_image(files[-1], picture)
        rows = ("0 " + " ".join(f"{value:.17g}" for value in row) for row in to_yolo(boxes, sample.shape))
        (labels / f"{stem}.txt").write_text("\n".join(rows), encoding="ascii")
        shapes.append(sample.shape)
        counts.append(len(boxes))
        origins.add(sample.origin or hash_array(sample.image))
        groups.add(sample.group)
    return Block(tuple(files), tuple(shapes), tuple(counts), tuple(sorted(origins)), tuple(sorted(groups - {""})))


def counted(sample: Sample) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """What of a sample a detector may learn from or be judged on.

    Pixels that do not count (declared as ignored, or away from the annotated objects where only some are annotated) become
    the grey of the padding, and the reference has nothing there.

    Returns:
        the picture, uint8 (H, W, 3) RGB, and the objects' boxes, edges float64 (K, 4).

    Raises:
        DataError: the sample has no reference.
    """
    if sample.labels is None:
        raise DataError(
            f"sample {sample.id!r} has no reference; expected labels for every training and validation sample."
        )
    picture, labels = three_channels(sample.image), sample.labels
    hidden = sample.ignore
    if sample.partial:
        far = ~ndimage.binary_dilation(labels > 0, np.ones((3, 3), bool), iterations=_PARTIAL_RIM)
        hidden = far if hidden is None else far | hidden
    if hidden is not None and hidden.any():
        picture = np.where(hidden[:, :, None], np.uint8(PADDING), picture)
        labels = np.where(hidden, np.int32(0), labels)
    if labels.size and not labels.min() and not labels.max():
        return picture, np.zeros((0, 4))
    return picture, reference_boxes(labels)


def three_channels(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """uint8 (H, W, 3) RGB of an image (H, W) or (H, W, 3)."""
    return image if image.ndim == 3 else np.repeat(image[:, :, None], 3, axis=2)


def read_boxes(image: Path) -> NDArray[np.float64]:
    """float64 (K, 4): the rows (centre x, centre y, width, height) of an image's label file."""
    text = (image.parents[2] / "labels" / image.parent.name / f"{image.stem}.txt").read_text(encoding="ascii")
    return np.array([[float(v) for v in line.split()[1:]] for line in text.splitlines()], np.float64).reshape(-1, 4)


def read_image(path: Path) -> NDArray[np.uint8]:
    """uint8 (H, W, 3) RGB: a PNG file of the data set."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise ResourceError(
            f"{path}: the temporary data set was removed or damaged during the training. Start it again."
        )
    return np.ascontiguousarray(image[:, :, ::-1])


def _write_image(path: Path, picture: NDArray[np.uint8]) -> None:
    encoded, data = cv2.imencode(".png", np.ascontiguousarray(picture[:, :, ::-1]), _COMPRESSION)
    if not encoded:
        raise ResourceError(
            f"{path.name}: an image of shape {picture.shape} could not be encoded as PNG. Tile it with patch=."
        )
    try:
        path.write_bytes(data.tobytes())
    except OSError as error:
        raise ResourceError(
            f"{path}: cannot be written ({error.strerror or error}). The data set needs room in the temporary folder (TMPDIR)."
        ) from error
