"""Tables of results: rows as units write them, columns as leaderboards read them.

An image row has ``cell, image, group, status, error, error_kind, origin, height, width, prompts, instances, semantic`` and
the costs ``seconds_encode, seconds_prompt, seconds_segment, peak_memory_mb, encode_batch``. A metric with key ``K`` adds
``K.measured`` (False where it does not apply, null where it failed), ``K.error`` and one column ``K/<statistic>`` each. A later part may hold only
some of these for a (cell, image) that an earlier one has: rows are merged, the successful before the failed.
"""

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from mitobench.errors import DataError

__all__ = ["COSTS", "CellTable", "ResultTable", "encode_rows", "read_parts"]

COSTS = ("seconds_encode", "seconds_prompt", "seconds_segment", "peak_memory_mb")


@dataclass(frozen=True, eq=False)
class CellTable:
    """The rows of one cell, sorted by image id.

    Attributes:
        images, groups, status, origins: str (n,) each.
        errors: str (n,), "" where there was none.
        error_kinds: str (n,), the class of the error.
        costs: float64 (n,) per name in ``COSTS``; NaN where unknown.
        pixels: float64 (n,), the image's height times its width; NaN where unknown.
        instances: float64 (n,), objects in the prediction; NaN where there is none.
        semantic, predicted_semantic: bool (n,), where the instances are the connected components of a mask.
    """

    images: NDArray[Any]
    groups: NDArray[Any]
    status: NDArray[Any]
    errors: NDArray[Any]
    error_kinds: NDArray[Any]
    origins: NDArray[Any]
    costs: Mapping[str, NDArray[np.float64]]
    pixels: NDArray[np.float64]
    instances: NDArray[np.float64]
    semantic: NDArray[np.bool_]
    predicted_semantic: NDArray[np.bool_]
    _table: pa.Table

    @property
    def sides(self) -> NDArray[np.float64]:
        """float64 (n,): each image's longer side in pixels; NaN where unknown."""
        both = (_numpy(self._table, name, np.nan).astype(np.float64) for name in ("height", "width"))
        return np.maximum(*both)

    def shape(self, image: str) -> tuple[int, int] | None:
        """(H, W) of an image; None where it has no row or its size is not known."""
        table = self._table.filter(pc.equal(self._table["image"], image))
        found = [_numpy(table, name, np.nan).astype(np.float64)[:1] for name in ("height", "width")]
        if not np.isfinite(found).all() or not len(table):
            return None
        return int(found[0][0]), int(found[1][0])

    def statistics(self, metric: str) -> tuple[tuple[str, ...], NDArray[np.float64], NDArray[np.bool_]]:
        """One metric's statistics.

        Returns:
            names (k,), values float64 (n, k) with 0 where not measured, and measured bool (n,).
        """
        prefix = f"{metric}/"
        names = tuple(sorted(c.removeprefix(prefix) for c in self._table.column_names if c.startswith(prefix)))
        measured = _numpy(self._table, f"{metric}.measured", False).astype(np.bool_)
        columns = [_numpy(self._table, prefix + name, 0.0).astype(np.float64) for name in names]
        values = np.stack(columns, axis=1) if columns else np.zeros((len(self.images), 0))
        return names, np.where(measured[:, None], values, 0.0), measured

    def metric_errors(self, metric: str) -> NDArray[Any]:
        """str (n,): why the metric failed on each image, "" where it did not (or did not in a later attempt)."""
        column = f"{metric}.measured"
        failed = (
            self._table[column].is_null().to_numpy()
            if column in self._table.column_names
            else np.ones(len(self.images), np.bool_)
        )
        return np.where(failed, _numpy(self._table, f"{metric}.error", ""), "")


class ResultTable:
    """All results of a run, merged to one row per (cell, image)."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        cells = _numpy(table, "cell", "")
        self._rows: dict[str, NDArray[np.int64]] = {}
        if cells.size:
            order = np.argsort(cells, kind="stable")
            starts = np.flatnonzero(np.r_[True, cells[order][1:] != cells[order][:-1]])
            for rows in np.split(order, starts[1:]):
                self._rows[str(cells[rows[0]])] = rows

    @property
    def rows(self) -> pa.Table:
        """The merged rows, sorted by cell and image."""
        return self._table

    def cells(self) -> list[str]:
        """The keys of the cells that have rows."""
        return sorted(self._rows)

    def cell(self, key: str) -> CellTable:
        """The rows of one cell; none where nothing is stored."""
        table = self._table.take(pa.array(self._rows.get(key, np.zeros(0, np.int64))))
        return CellTable(
            images=_numpy(table, "image", ""),
            groups=_numpy(table, "group", ""),
            status=_numpy(table, "status", ""),
            errors=_numpy(table, "error", ""),
            error_kinds=_numpy(table, "error_kind", ""),
            origins=_numpy(table, "origin", ""),
            instances=_numpy(table, "instances", np.nan).astype(np.float64),
            semantic=_numpy(table, "semantic", False).astype(np.bool_),
            predicted_semantic=_numpy(table, "predicted_semantic", False).astype(np.bool_),
            costs={name: _numpy(table, name, np.nan).astype(np.float64) for name in COSTS},
            pixels=(_numpy(table, "height", np.nan) * _numpy(table, "width", np.nan)).astype(np.float64),
            _table=table,
        )

    def finished(self, cell: str, metrics: Iterable[str]) -> set[str]:
        """The images of a cell with status ``ok`` that every one of the metrics has seen without error."""
        if cell not in self._rows:
            return set()
        table = self._table.take(pa.array(self._rows[cell]))
        fine = _numpy(table, "status", "") == "ok"
        for metric in metrics:
            column = f"{metric}.measured"
            fine &= table[column].is_valid().to_numpy() if column in table.column_names else False
        return set(_numpy(table, "image", "")[fine].tolist())


def encode_rows(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Rows as Parquet bytes; a column absent from a row is null there."""
    columns = sorted({name for row in rows for name in row})
    table = pa.table({name: pa.array([_storable(row.get(name)) for row in rows]) for name in columns})
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def _storable(value: Any) -> Any:
    """Text that UTF-8 cannot hold (a file name of other bytes) with those bytes spelled out."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


def read_parts(paths: Sequence[Path]) -> ResultTable:
    """Read and merge parts.

    Raises:
        DataError: a part that is not a whole Parquet file (parts are renamed into place, so this means damage).
    """
    tables = []
    for path in paths:
        try:
            tables.append(pq.ParquetFile(path.absolute()).read())
        except (pa.ArrowInvalid, OSError) as error:
            raise DataError(
                f"{path}: damaged ({error}). Delete this file and run again; only its images are computed again."
            ) from None
    if not tables:
        return ResultTable(pa.table({"cell": pa.array([], pa.string()), "image": pa.array([], pa.string())}))
    return ResultTable(_merge(pa.concat_tables(tables, promote_options="permissive")))


def _merge(table: pa.Table) -> pa.Table:
    """One row per (cell, image): for each column the first value, successful rows before failed ones."""
    failed = pc.fill_null(pc.equal(table["status"], "failed"), False).combine_chunks()
    table = table.append_column("__failed", failed).append_column("__order", pa.array(np.arange(len(table))))
    table = table.sort_by(
        [("cell", "ascending"), ("image", "ascending"), ("__failed", "ascending"), ("__order", "ascending")]
    )
    table = table.drop_columns(["__failed", "__order"])
    cells, images = _numpy(table, "cell", ""), _numpy(table, "image", "")
    first = np.r_[True, (cells[1:] != cells[:-1]) | (images[1:] != images[:-1])]
    if first.all():
        return table
    table = table.append_column("__row", pa.array(np.cumsum(first)))
    names = [name for name in table.column_names if name != "__row"]
    grouped = table.group_by("__row", use_threads=False).aggregate(
        [(name, "first", pc.ScalarAggregateOptions(skip_nulls=True)) for name in names]
    )
    return grouped.drop_columns(["__row"]).rename_columns(names)


def _numpy(table: pa.Table, name: str, missing: Any) -> NDArray[Any]:
    """A column as numpy; nulls, or a column that is not there, hold ``missing``."""
    if name not in table.column_names:
        return np.full(len(table), missing, dtype=object if isinstance(missing, str) else None)
    column = table[name]
    if pa.types.is_null(column.type):
        return np.full(len(table), missing, dtype=object if isinstance(missing, str) else None)
    if isinstance(missing, float):
        column = column.cast(
            pa.float64()
        )  # a part with only whole numbers has an integer column, which NaN does not fit
    return np.asarray(pc.fill_null(column, missing).to_numpy())
