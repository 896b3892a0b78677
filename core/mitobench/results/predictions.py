"""Stored predictions: what a segmenter said about one image, so that a new metric needs no model."""

import io
import json
import zipfile
from collections.abc import Mapping
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

_COMPRESSIONS = (1, 8, 32946)  # none, and both codes of deflate
_MOST_BITS, _MOST_BYTES = 28, 1 << 32
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


def read_prediction(folder: Path, *, cell: str, image: str, shape: tuple[int, int]) -> StoredPrediction:
    """Read what :func:`write_prediction` wrote. Sizes are checked before anything is decoded.

    Args:
        folder: the cell's folder of predictions.
        cell, image: what it must be the prediction of.
        shape: (H, W) of the image; a file that claims more is not decoded.

    Raises:
        DataError: absent, unreadable, of another size, or stored for another image or cell.
    """
    path = folder / f"{safe_name(image)}.tif"
    try:
        about, labels = _read_labels(path, shape)
        arrays = _read_arrays(path.with_suffix(".npz"), shape)
        if (about["cell"], about["image"]) == (cell, image) and json.loads(arrays["about"].tobytes()) == about:
            return _assembled(labels, arrays, semantic=bool(about["semantic"]))
        found = f"the prediction of image {about['image']!r} in cell {about['cell']}"
    except Exception as error:  # whatever a damaged file makes its decoder raise
        raise DataError(f"{path}: the stored prediction cannot be read ({error}). Run the cell again.") from None
    raise DataError(f"{path}: holds {found}; expected {image!r} in {cell}.")


def _read_labels(path: Path, shape: tuple[int, int]) -> tuple[dict[str, Any], NDArray[np.int32]]:
    """What the file says about itself, and its labels (H, W)."""
    import tifffile

    with tifffile.TiffFile(path) as file:
        page: Any = file.pages[0]
        if (page.imagelength, page.imagewidth) != shape:
            raise ValueError(
                f"labels of {page.imagelength} x {page.imagewidth} pixels for an image of {shape[0]} x {shape[1]}"
            )
        plain = page.shape == shape and page.dtype.kind == "u" and page.dtype.itemsize <= 4
        if not plain or page.is_tiled or page.compression not in _COMPRESSIONS:
            raise ValueError(f"a TIFF image of {page.dtype} {page.shape} of another kind than predictions are")
        return json.loads(page.description), page.asarray().astype(np.int32)


def _read_arrays(path: Path, shape: tuple[int, int]) -> dict[str, NDArray[Any]]:
    """The other arrays. There may be very many prompts, but not more bytes than a mask of the image for each of thousands."""
    most = min((1 << _MOST_BITS) + (shape[0] * shape[1] << 10), _MOST_BYTES)
    content = path.read_bytes()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        claimed = sum(info.file_size for info in archive.infolist())
    if claimed > most:
        raise ValueError(f"{path.name} claims {claimed} bytes; at most {most} are read for an image of this size")
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def _assembled(labels: NDArray[np.int32], arrays: Mapping[str, NDArray[Any]], *, semantic: bool) -> StoredPrediction:
    masks = (
        PackedMasks((labels.shape[0], labels.shape[1]), arrays["mask_boxes"], arrays["mask_bits"])
        if "mask_boxes" in arrays
        else None
    )
    segmentation = Segmentation(
        labels=labels,
        scores=arrays["instance_scores"],
        masks=masks,
        mask_scores=arrays.get("mask_scores"),
        semantic=semantic,
    )
    return StoredPrediction(segmentation, Prompts(**{name: arrays.get(f"prompt_{name}") for name in _PROMPT_FIELDS}))
