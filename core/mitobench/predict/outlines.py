"""Objects as polygons, and as a zip of ImageJ ROIs."""

import io
import zipfile

import numpy as np
from numpy.typing import NDArray

__all__ = ["imagej_rois", "object_outlines"]


def object_outlines(labels: NDArray[np.integer]) -> list[tuple[int, int, NDArray[np.float64]]]:
    """The outer outline of every connected piece of every object.

    A polygon runs half-way between the object's pixels and those around it, so it encloses exactly the centres of the
    object's pixels; holes are not cut out.

    Args:
        labels: (H, W), 0 = background, objects 1..K.

    Returns:
        (label, piece, polygon) by label; pieces are counted from 1, polygons are float64 (N, 2), (x, y) in pixels with the
        origin at the centre of the top-left pixel.
    """
    from scipy import ndimage
    from skimage.measure import find_contours

    found: list[tuple[int, int, NDArray[np.float64]]] = []
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is None:
            continue
        filled = ndimage.binary_fill_holes(labels[box] == number)
        corner = np.array([box[1].start - 1, box[0].start - 1])
        contours = find_contours(np.pad(filled, 1).astype(np.float64), 0.5, fully_connected="high")
        found += [(number, piece, c[:-1, ::-1] + corner) for piece, c in enumerate(contours, start=1)]
    return found


def imagej_rois(labels: NDArray[np.integer]) -> bytes:
    """The objects of a label image (H, W) as a zip of ImageJ polygon ROIs, which the ROI manager opens.

    They are called by their label (``0007``), further pieces of one object ``0007-2``. ImageJ's origin is the top-left
    corner of the image. Equal labels give equal bytes.

    Source: the ROI format of ImageJ, as the roifile library writes it.
    """
    from roifile import ImagejRoi

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, piece, polygon in object_outlines(labels):
            name = f"{number:04d}" if piece == 1 else f"{number:04d}-{piece}"
            roi = ImagejRoi.frompoints(polygon + 0.5, name=name)
            archive.writestr(zipfile.ZipInfo(f"{name}.roi"), roi.tobytes(), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
