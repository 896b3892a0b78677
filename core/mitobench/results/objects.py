"""Object rows: what metrics measured on single objects, as units store them beside the rows of images.

See :mod:`mitobench.results.parts` for what an object row has and which rows count.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mitobench.results.parts import object_parts

__all__ = ["ObjectTable", "read_objects"]


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
    for table in object_parts(folder, metric):
        for cell in pc.unique(table["cell"]).to_pylist():
            pieces.setdefault(cell, []).append(table.filter(pc.equal(table["cell"], cell)))
    return {cell: _table(tables, f"{metric}/") for cell, tables in pieces.items()}


def _table(pieces: Sequence[pa.Table], prefix: str) -> ObjectTable:
    table = pa.concat_tables(pieces, promote_options="permissive")
    columns = {name.removeprefix(prefix): _numpy(table[name]) for name in table.column_names if name.startswith(prefix)}
    return ObjectTable(np.asarray(table["image"].to_numpy(), object), columns)


def _numpy(column: pa.ChunkedArray) -> NDArray[Any]:
    if pa.types.is_string(column.type):
        return np.asarray(pc.fill_null(column, "").to_numpy(), object)
    return np.asarray(pc.fill_null(column.cast(pa.float64()), np.nan).to_numpy(), np.float64)
