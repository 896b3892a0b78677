"""What is measured on predicted objects: one row per object, in pixels and, where the pixel size is known, in nanometres."""

import csv
import io
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mitobench.text import defused

__all__ = ["COLUMNS", "PHYSICAL_COLUMNS", "Measurements", "measure", "measurements_csv"]

COLUMNS = (
    "label",
    "score",
    "area_px",
    "perimeter_px",
    "eccentricity",
    "centroid_x_px",
    "centroid_y_px",
    "bbox_x0_px",
    "bbox_y0_px",
    "bbox_x1_px",
    "bbox_y1_px",
    "major_axis_px",
    "minor_axis_px",
    "mean_intensity",
)
"""Coordinates have their origin at the centre of the top-left pixel; a bounding box is half-open (x1 and y1 lie just outside);
``mean_intensity`` is of the 8-bit image that the components saw, averaged over colours."""

PHYSICAL_COLUMNS = (
    "area_nm2",
    "perimeter_nm",
    "centroid_x_nm",
    "centroid_y_nm",
    "major_axis_nm",
    "minor_axis_nm",
)
"""In nanometres. ``perimeter_nm`` is empty where pixels are not square: the estimator is defined for square ones only."""

_PROPERTIES = (
    "label",
    "area",
    "perimeter",
    "eccentricity",
    "centroid",
    "bbox",
    "axis_major_length",
    "axis_minor_length",
)


@dataclass(frozen=True)
class Measurements:
    """The table of one image: the names of its columns, and one row per object in the order of their labels."""

    columns: tuple[str, ...]
    rows: tuple[tuple[float | int | None, ...], ...]


def measure(
    image: NDArray[np.uint8],
    labels: NDArray[np.integer],
    scores: NDArray[np.floating],
    pixel_size_nm: tuple[float, float] | None,
) -> Measurements:
    """Measure every object of one image with scikit-image's ``regionprops_table``.

    Args:
        image: uint8 (H, W) or (H, W, 3).
        labels: (H, W), 0 = background, objects 1..K.
        scores: (K,), the confidence of each.
        pixel_size_nm: (y, x), or None where unknown; the physical columns are then absent. With pixels that are not square,
            ``eccentricity`` is that of the real shape.

    Returns:
        ``COLUMNS``, and ``PHYSICAL_COLUMNS`` where the pixel size is known; what is undefined is None.
    """
    from skimage.measure import regionprops_table

    names = COLUMNS if pixel_size_nm is None else COLUMNS + PHYSICAL_COLUMNS
    if not labels.any():
        return Measurements(names, ())
    grey = image if image.ndim == 2 else image.mean(axis=2)
    found = regionprops_table(labels, grey, properties=(*_PROPERTIES, "intensity_mean"))
    table: dict[str, NDArray[Any]] = {
        "label": found["label"],
        "score": scores[found["label"] - 1],
        "area_px": found["area"].astype(np.int64),
        "perimeter_px": found["perimeter"],
        "eccentricity": found["eccentricity"],
        "centroid_x_px": found["centroid-1"],
        "centroid_y_px": found["centroid-0"],
        "bbox_x0_px": found["bbox-1"],
        "bbox_y0_px": found["bbox-0"],
        "bbox_x1_px": found["bbox-3"],
        "bbox_y1_px": found["bbox-2"],
        "major_axis_px": found["axis_major_length"],
        "minor_axis_px": found["axis_minor_length"],
        "mean_intensity": found["intensity_mean"],
    }
    if pixel_size_nm is not None:
        table |= _physical(labels, pixel_size_nm, table)
    return Measurements(names, tuple(zip(*([_plain(value) for value in table[name]] for name in names), strict=True)))


def _physical(
    labels: NDArray[np.integer], size: tuple[float, float], table: Mapping[str, NDArray[Any]]
) -> dict[str, NDArray[Any]]:
    y, x = size
    found: dict[str, NDArray[Any]] = {
        "area_nm2": table["area_px"] * (y * x),
        "centroid_x_nm": table["centroid_x_px"] * x,
        "centroid_y_nm": table["centroid_y_px"] * y,
    }
    if y == x:
        lengths = ("perimeter", "major_axis", "minor_axis")
        return found | {f"{name}_nm": table[f"{name}_px"] * x for name in lengths}
    from skimage.measure import regionprops_table

    shapes = ("eccentricity", "axis_major_length", "axis_minor_length")
    real = regionprops_table(labels, properties=shapes, spacing=size)
    return found | {
        "perimeter_nm": np.full(len(real["eccentricity"]), math.nan),
        "eccentricity": real["eccentricity"],
        "major_axis_nm": real["axis_major_length"],
        "minor_axis_nm": real["axis_minor_length"],
    }


def measurements_csv(tables: Iterable[tuple[str, Measurements]]) -> str:
    """The tables of several images as one CSV document, UTF-8 with a header line; what is unknown is an empty cell.

    Args:
        tables: (image, its table), in the order wanted. An image's name that a spreadsheet would take for a formula gets an
            apostrophe in front.
    """
    listed = list(tables)
    physical = any(set(PHYSICAL_COLUMNS) <= set(table.columns) for _, table in listed)
    columns = COLUMNS + PHYSICAL_COLUMNS if physical else COLUMNS
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(("image", *columns))
    for image, table in listed:
        name = defused(image)
        for row in table.rows:
            values = dict(zip(table.columns, row, strict=True))
            writer.writerow((name, *(_cell(values.get(column)) for column in columns)))
    return buffer.getvalue()


def _cell(value: float | int | None) -> str:
    return "" if value is None else str(value) if isinstance(value, int) else f"{value:.9g}"


def _plain(value: Any) -> float | int | None:
    number = value.item() if hasattr(value, "item") else value
    return None if isinstance(number, float) and not math.isfinite(number) else number
