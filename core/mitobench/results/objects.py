"""Object rows: what metrics measured on single objects, as units store them beside the rows of images.

An object row has ``cell``, ``image``, ``metric`` and the metric's own columns as ``<metric>/<name>``. A part of object rows
counts only where its part of image rows is there, because that one is written last.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from mitobench.errors import DataError

__all__ = ["ObjectTable", "read_objects"]

_IMAGES, _OBJECTS = ".images.parquet", ".objects.parquet"


@dataclass(frozen=True, eq=False)
class ObjectTable:
    """What one metric measured on the objects of one cell; each image's rows are together and in the metric's order.

    Attributes:
        images: str (n,), the image of each object.
        columns: by name, (n,) each; numbers are float64 with NaN where nothing is stored.
    """

    images: NDArray[Any]
    columns: Mapping[str, NDArray[Any]]

    def __len__(self) -> int:
        return len(self.images)


def read_objects(folder: Path, metric: str) -> dict[str, ObjectTable]:
    """Read the object rows of one metric.

    Args:
        folder: ``parts`` of a run.
        metric: its key.

    Returns:
        by cell; cells without such rows are absent. Where an image was scored twice, the first part's rows count.

    Raises:
        DataError: a part that is not a whole Parquet file.
    """
    pieces: dict[str, list[pa.Table]] = {}
    seen: set[tuple[str, str]] = set()
    for path in sorted(folder.glob(f"*{_OBJECTS}")):
        if path.with_name(path.name.removesuffix(_OBJECTS) + _IMAGES).exists():
            table = _read(path, metric)
            for cell in pc.unique(table["cell"]).to_pylist():
                rows = table.filter(pc.equal(table["cell"], cell))
                new = [image for image in pc.unique(rows["image"]).to_pylist() if (cell, image) not in seen]
                seen.update((cell, image) for image in new)
                pieces.setdefault(cell, []).append(rows.filter(pc.is_in(rows["image"], pa.array(new, pa.string()))))
    return {cell: _table(tables, f"{metric}/") for cell, tables in pieces.items()}


def _read(path: Path, metric: str) -> pa.Table:
    try:
        file = pq.ParquetFile(path.absolute())
        names = [n for n in file.schema_arrow.names if n in ("cell", "image", "metric") or n.startswith(f"{metric}/")]
        table = file.read(columns=names)
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(
            f"{path}: damaged ({error}). Delete this file and the one of its images, and run again."
        ) from None
    return table.filter(pc.equal(table["metric"], metric))


def _table(pieces: Sequence[pa.Table], prefix: str) -> ObjectTable:
    table = pa.concat_tables(pieces, promote_options="permissive")
    columns = {name.removeprefix(prefix): _numpy(table[name]) for name in table.column_names if name.startswith(prefix)}
    return ObjectTable(np.asarray(table["image"].to_numpy(), object), columns)


def _numpy(column: pa.ChunkedArray) -> NDArray[Any]:
    if pa.types.is_string(column.type):
        return np.asarray(pc.fill_null(column, "").to_numpy(), object)
    return np.asarray(pc.fill_null(column.cast(pa.float64()), np.nan).to_numpy(), np.float64)
