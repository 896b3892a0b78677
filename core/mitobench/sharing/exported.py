"""A run in an export, opened like a run folder: what was sent is checked, and read from a private temporary folder."""

import json
import os
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from mitobench.errors import DataError
from mitobench.files import write_atomically
from mitobench.hashing import hash_data
from mitobench.plan import cell_key
from mitobench.results.runfolder import RunFolder
from mitobench.sharing.archives import ExportArchive
from mitobench.sharing.scrubbing import is_foreign_path

__all__ = ["ExportedRun"]

_NOWHERE = str(Path(os.sep, "PATH", "OF", "THE", "FILES"))
"""What relative paths in an export start from: they must not reach the reader's files, and a reader must see why."""
_MOST_ROWS = {"images": 1_000_000, "objects": 10_000_000}
_MOST_COLUMNS = 10_000
_MOST_VALUES = 100_000_000
_FEW_VALUES, _VALUES_PER_BYTE = 10_000_000, 64
"""A table of more than a few values must take room on disk, as measurements do."""
_MOST_TEXT = 1 << 29
_MOST_PIXELS = 1 << 28
"""Of an image with a stored prediction."""
_REQUEST = {"cells": list, "settings": dict, "machine": dict, "versions": dict, "rescore": list}
_TEXTS = frozenset({"cell", "image", "group", "status", "error", "error_kind", "origin", "metric"})


class ExportedRun(RunFolder):
    """A run in an export. Its rows are unpacked at once and its predictions when asked for; what was unpacked goes with it.

    Args:
        archive: the export.

    Raises:
        DataError: damaged, altered, or holding what no run writes.
    """

    def __init__(self, archive: Path) -> None:
        self.archive = ExportArchive(archive)
        folder = Path(tempfile.mkdtemp(prefix="mitobench-export-"))
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        super().__init__(folder)
        record = self._record()
        write_atomically(folder / "run.json", json.dumps(record).encode())
        asked = sum(cell["total"] for cell in record["cells"].values())
        for name in self.archive.names:
            if name.startswith("parts/"):
                content = self.archive.read(name)
                self._check_table(name, content, asked)
                write_atomically(folder / name, content)
        self._unpacked: set[str] = set()

    @property
    def source(self) -> Path:
        """The export."""
        return self.archive.path

    @property
    def trusted(self) -> bool:
        """No: whoever made it chose what it names, such as a data source of a billion images."""
        return False

    def predictions(self, cell: str) -> Path:
        """Where the predictions of one cell lie; they are unpacked at the first call.

        Raises:
            DataError: the export holds none of this cell, or they are damaged.
        """
        if cell not in self._unpacked:
            names = [name for name in self.archive.names if name.startswith(f"predictions/{cell}/")]
            if not names:
                raise DataError(
                    f"{self.source}: holds no predictions of this cell; `mitobench export --predictions` takes them along."
                )
            for name in names:
                write_atomically(self.path / name, self.archive.read(name))
            self._unpacked.add(cell)
        return super().predictions(cell)

    def _record(self) -> dict[str, Any]:
        """``run.json``, of the right form, its keys those of what it says, and without any path to anywhere."""
        try:
            record = _Record.model_validate(json.loads(self.archive.read("run.json"))).model_dump(by_alias=True)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            raise self.archive.damaged(f"run.json: {place}: {first['msg']}") from None
        except (ValueError, RecursionError) as error:
            raise self.archive.damaged(f"run.json: {error}") from None
        for key, cell in record["cells"].items():
            parts = [cell[kind] for kind in ("data", "prompter", "segmenter")]
            if key != _key(cell["seed"], parts) or any(part["key"] != _key(None, [part]) for part in parts):
                raise self.archive.damaged(f"run.json: cell {key!r} is not the one that its components make")
            for part in parts:
                self._anchor(part)
        for metric in record["metrics"].values():
            self._anchor(metric)
        return record

    def _anchor(self, component: dict[str, Any]) -> None:
        """Let relative paths start from where nothing is, and refuse all others."""
        if any(is_foreign_path(text) for text in _texts(component["given"])):
            raise self.archive.damaged(
                f"run.json: an option of {component.get('label', '')!r} is a path out of the export"
            )
        component["base"] = _NOWHERE

    def _check_table(self, name: str, content: bytes, asked: int) -> None:
        """Check the columns of a table, and its size as it will be in memory, whatever it is on disk.

        Args:
            name: of the file.
            content: its bytes.
            asked: (cell, image) pairs that the run's record speaks of.
        """
        of_images = name.endswith(".images.parquet")
        try:
            file = pq.ParquetFile(pa.BufferReader(content))
            _check_size(file, len(content), "images" if of_images else "objects", asked)
            texts = _texts_of(file.schema_arrow, {"cell", "image", "status" if of_images else "metric"})
            packed = pq.ParquetFile(pa.BufferReader(content), read_dictionary=texts).read()
            if sum(_text_bytes(packed[text]) for text in texts) > _MOST_TEXT:
                raise ValueError("its texts are longer than is read")
            if of_images and any(other.startswith("predictions/") for other in self.archive.names):
                _check_pixels(packed)
        except (pa.ArrowException, ValueError, OSError, OverflowError) as error:
            raise self.archive.damaged(f"{name}: {error}") from None


class _Lenient(BaseModel):
    model_config = ConfigDict(extra="allow")


class _Weights(_Lenient):
    role: str
    name: str
    sha256: str
    licence: str = ""
    bundled: bool = False
    parameters: int | None = None
    training_groups: list[str] = []
    training_data: str = ""


class _Identified(_Lenient):
    identity: dict[str, Any]
    given: dict[str, Any]

    @field_validator("identity")
    @classmethod
    def _names_its_component(cls, identity: dict[str, Any]) -> dict[str, Any]:
        if not isinstance(identity.get("component"), str):
            raise ValueError("names no component")
        if not isinstance(identity.get("version"), int) or not isinstance(identity.get("options"), dict):
            raise ValueError("has no version or options")
        return identity


class _Component(_Identified):
    label: str
    key: str
    weights: list[_Weights] = []
    trained_on: list[str] = []
    licence: str = ""
    citation: str = ""
    remarks: list[str] = []


class _Data(_Component):
    @field_validator("identity")
    @classmethod
    def _has_a_fingerprint(cls, identity: dict[str, Any]) -> dict[str, Any]:
        if not isinstance(identity.get("fingerprint"), str):
            raise ValueError("has no fingerprint")
        return identity


class _Cell(_Lenient):
    data: _Data
    prompter: _Component
    segmenter: _Component
    oracle: bool
    seed: int = Field(ge=0, lt=1 << 64)
    total: int = Field(ge=0, lt=1 << 40)


class _Metric(_Identified):
    order: int = 0


class _Record(_Lenient):
    schema_: Literal[1] = Field(alias="schema", serialization_alias="schema")
    cells: dict[str, _Cell]
    metrics: dict[str, _Metric]
    requests: list[dict[str, Any]] = []

    @field_validator("requests")
    @classmethod
    def _are_of_known_forms(cls, requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for request in requests:
            for name, form in _REQUEST.items():
                if not isinstance(request.get(name, form()), form):
                    raise ValueError(f"{name} is {type(request[name]).__name__}")
        return requests


def _key(seed: int | None, parts: list[dict[str, Any]]) -> str:
    """The key that belongs to identities: of a cell, or of one component; "" for what can have none, such as NaN."""
    try:
        identities = [part["identity"] for part in parts]
        return hash_data(identities[0]) if seed is None else cell_key(seed, identities)
    except (ValueError, RecursionError):
        return ""


def _check_size(file: pq.ParquetFile, on_disk: int, kind: str, asked: int) -> None:
    groups = [file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)]
    rows, columns = max(file.metadata.num_rows, sum(groups)), len(file.schema_arrow)
    most = min(_MOST_VALUES, _FEW_VALUES + _VALUES_PER_BYTE * on_disk)
    if rows > _MOST_ROWS[kind] or columns > _MOST_COLUMNS or rows * columns > most:
        raise ValueError(f"{rows} rows of {columns} columns are more than is read from {on_disk} bytes")
    if kind == "images" and rows > asked:
        raise ValueError(f"{rows} results, but its cells were asked for {asked}")


def _check_pixels(images: pa.Table) -> None:
    sides = [images[name].cast(pa.float64()) for name in ("height", "width") if name in images.column_names]
    most = pc.max(pc.multiply(*sides)).as_py() if len(sides) == 2 else None
    if most is not None and not most <= _MOST_PIXELS:
        raise ValueError(f"predictions of images of {most:.0f} pixels; at most {_MOST_PIXELS} are read")


def _texts_of(schema: pa.Schema, needed: set[str]) -> list[str]:
    """The names of the columns of text. Raises ValueError where one is lacking or of another kind than runs write."""
    if lacking := needed - set(schema.names):
        raise ValueError(f"no column {sorted(lacking)[0]}")
    if len(set(schema.names)) < len(schema):
        raise ValueError("two columns have one name")
    texts = []
    for field in schema:
        is_text = pa.types.is_string(field.type) or pa.types.is_large_string(field.type)
        if not _fits(field.name, field.type, is_text=is_text):
            raise ValueError(f"column {field.name!r} is {field.type}")
        texts += [field.name] if is_text else []
    return texts


def _fits(name: str, kind: pa.DataType, *, is_text: bool) -> bool:
    if name in _TEXTS or name.endswith(".error"):
        return is_text or (pa.types.is_null(kind) and name not in ("cell", "image", "status", "metric"))
    return is_text or any(
        test(kind) for test in (pa.types.is_boolean, pa.types.is_integer, pa.types.is_floating, pa.types.is_null)
    )


def _text_bytes(column: pa.ChunkedArray) -> int:
    total = 0
    for chunk in column.chunks:
        lengths = pc.binary_length(chunk.dictionary)
        total += pc.sum(pc.take(lengths, chunk.indices)).as_py() or 0
    return total


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for each in value.values() for text in _texts(each)]
    if isinstance(value, list):
        return [text for each in value for text in _texts(each)]
    return [value] if isinstance(value, str) else []
