"""All parts of a run as one: for a run that has very many, and for whoever takes a run elsewhere.

Merging is what reading does anyway (see :mod:`mitobench.results.tables` and :mod:`mitobench.results.objects`), so a run with its parts, with the
merged part, or with both at once reads the same: a crash at any moment of :func:`compact` changes nothing.

An object row has ``cell``, ``image``, ``metric`` and the metric's own columns as ``<metric>/<name>``. A part of object rows
counts only where its part of image rows is there, because that one is written last.
"""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mitobench.errors import DataError
from mitobench.files import write_atomically
from mitobench.hashing import hash_data
from mitobench.results.tables import read_parts

__all__ = [
    "IMAGES",
    "MOST_PARTS",
    "OBJECTS",
    "compact",
    "encode_table",
    "merged_images",
    "merged_objects",
    "object_parts",
]

MOST_PARTS = 200
"""A run with more of them gets them merged when it ends."""
IMAGES, OBJECTS = ".images.parquet", ".objects.parquet"
"""How the names of parts end."""
_KEY = ["cell", "image", "metric"]


def merged_images(folder: Path) -> pa.Table:
    """The image rows of all parts in a folder, one per (cell, image), sorted by both."""
    return read_parts(sorted(folder.glob(f"*{IMAGES}"))).rows


def merged_objects(folder: Path) -> pa.Table | None:
    """The object rows of all parts that were committed, sorted by cell, image and metric; None where there are none.

    The rows of one image keep their order.

    Raises:
        DataError: a damaged part.
    """
    kept = list(object_parts(folder))
    if not kept:
        return None
    whole = pa.concat_tables(kept, promote_options="permissive")
    whole = whole.append_column("__order", pa.array(np.arange(len(whole))))
    whole = whole.sort_by([(name, "ascending") for name in (*_KEY, "__order")])
    return whole.drop_columns(["__order"])


def object_parts(folder: Path, metric: str | None = None) -> Iterator[pa.Table]:
    """The object rows of each part that was committed; where an image was scored twice, the first part's rows count.

    Args:
        folder: ``parts`` of a run.
        metric: only the rows and columns of this one.

    Raises:
        DataError: a part that is not a whole Parquet file.
    """
    seen: set[tuple[str, ...]] = set()
    for path in sorted(folder.glob(f"*{OBJECTS}")):
        if not path.with_name(path.name.removesuffix(OBJECTS) + IMAGES).exists():
            continue
        table = _read_objects(path, metric)
        groups = table.group_by(_KEY, use_threads=False).aggregate([]).to_pylist()
        new = {tuple(group[name] for name in _KEY) for group in groups} - seen
        if len(new) < len(groups):
            rows = zip(*(table[name].to_pylist() for name in _KEY), strict=True)
            table = table.filter(pa.array([row in new for row in rows], pa.bool_()))
        seen |= new
        yield table


def _read_objects(path: Path, metric: str | None) -> pa.Table:
    try:
        file = pq.ParquetFile(path.absolute())
        if metric is None:
            return file.read()
        names = [name for name in file.schema_arrow.names if name in _KEY or name.startswith(f"{metric}/")]
        table = file.read(columns=names)
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{path}: damaged ({error}). Delete this file and its part of images, and run again.") from None
    return table.filter(pc.equal(table["metric"], metric))


def encode_table(table: pa.Table) -> bytes:
    """A table as Parquet bytes, its columns sorted by name; equal tables give equal bytes."""
    table = table.select(sorted(table.column_names)).replace_schema_metadata(None)
    texts = [name for name in table.column_names if pa.types.is_large_string(table.schema.field(name).type)]
    for name in texts:
        table = table.set_column(table.column_names.index(name), name, pc.cast(table[name], pa.string()))
    buffer = io.BytesIO()
    pq.write_table(table.combine_chunks(), buffer, compression="zstd")
    return buffer.getvalue()


def compact(folder: Path, *, above: int = MOST_PARTS) -> bool:
    """Replace the parts in a folder by one, if there are more than ``above``. Only for who holds the run for writing.

    The merged part is committed before the first of its sources goes.

    Returns:
        whether it was done.
    """
    images = sorted(folder.glob(f"*{IMAGES}"))
    if len(images) <= above:
        return False
    name = f"merged-{hash_data([path.name for path in images])[:16]}"
    objects = merged_objects(folder)
    if objects is not None:
        write_atomically(folder / f"{name}{OBJECTS}", encode_table(objects))
    write_atomically(folder / f"{name}{IMAGES}", encode_table(merged_images(folder)))
    for path in images:
        path.unlink()
        path.with_name(path.name.removesuffix(IMAGES) + OBJECTS).unlink(missing_ok=True)
    return True
