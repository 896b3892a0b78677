"""Stored predictions: what a segmenter said about one image, so that a new metric needs no model."""

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mitobench.errors import DataError
from mitobench.files import safe_name, write_atomically
from mitobench.masks import PackedMasks
from mitobench.prompts import Prompts
from mitobench.segmentations import Segmentation

__all__ = ["StoredPrediction", "read_prediction", "write_prediction"]

_PROMPT_FIELDS = ("boxes", "points", "point_labels", "masks", "targets", "scores")


@dataclass(frozen=True, eq=False)
class StoredPrediction:
    """A segmentation with the prompts that it was made from."""

    segmentation: Segmentation
    prompts: Prompts


def write_prediction(
    folder: Path, *, cell: str, image: str, origin: str, segmentation: Segmentation, prompts: Prompts
) -> None:
    """Write ``<image>.tif`` (labels, smallest fitting unsigned type) and ``<image>.npz`` (scores, prompts, prompt masks).

    Args:
        folder: the cell's folder of predictions.
        cell, image, origin: stored in both files and checked on reading.
        segmentation, prompts: what to store.
    """
    import tifffile

    stem = safe_name(image)
    about = {"cell": cell, "image": image, "origin": origin, "semantic": segmentation.semantic}
    buffer = io.BytesIO()
    labels = segmentation.labels.astype(np.min_scalar_type(int(segmentation.labels.max(initial=0))))
    tifffile.imwrite(buffer, labels, compression="zlib", description=json.dumps(about, sort_keys=True), metadata=None)
    arrays: dict[str, NDArray[Any]] = {
        "about": np.frombuffer(json.dumps(about, sort_keys=True).encode(), np.uint8),
        "instance_scores": segmentation.scores,
    }
    arrays |= {f"prompt_{name}": value for name in _PROMPT_FIELDS if (value := getattr(prompts, name)) is not None}
    if segmentation.masks is not None and segmentation.mask_scores is not None:
        arrays |= {
            "mask_boxes": segmentation.masks.boxes,
            "mask_bits": segmentation.masks.bits,
            "mask_scores": segmentation.mask_scores,
        }
    rest = io.BytesIO()
    np.savez_compressed(rest, allow_pickle=False, **arrays)
    write_atomically(folder / f"{stem}.npz", rest.getvalue())
    write_atomically(folder / f"{stem}.tif", buffer.getvalue())


def read_prediction(folder: Path, *, cell: str, image: str) -> StoredPrediction:
    """Read what :func:`write_prediction` wrote.

    Raises:
        DataError: absent, unreadable, or stored for another image or cell.
    """
    import tifffile

    path = folder / f"{safe_name(image)}.tif"
    try:
        with tifffile.TiffFile(path) as file:
            about = json.loads(file.pages[0].description)  # type: ignore[union-attr]
            labels = file.asarray().astype(np.int32)
        with np.load(io.BytesIO(path.with_suffix(".npz").read_bytes()), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        meant, scores = json.loads(arrays["about"].tobytes()), arrays["instance_scores"]
        found = about["cell"], about["image"]
    except Exception as error:  # whatever a damaged file makes its decoder raise
        raise DataError(f"{path}: the stored prediction cannot be read ({error}). Run the cell again.") from None
    if found != (cell, image) or meant != about:
        raise DataError(
            f"{path}: holds the prediction of image {about['image']!r} in cell {about['cell']}; expected {image!r} in {cell}."
        )
    masks = (
        PackedMasks((labels.shape[0], labels.shape[1]), arrays["mask_boxes"], arrays["mask_bits"])
        if "mask_boxes" in arrays
        else None
    )
    segmentation = Segmentation(
        labels=labels,
        scores=scores,
        masks=masks,
        mask_scores=arrays.get("mask_scores"),
        semantic=bool(about["semantic"]),
    )
    return StoredPrediction(segmentation, Prompts(**{name: arrays.get(f"prompt_{name}") for name in _PROMPT_FIELDS}))
