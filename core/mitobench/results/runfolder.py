"""The run folder: immutable files, the only source of truth about a run.

``run.json`` says what was asked, ``parts/*.parquet`` hold one row per (cell, image) and per (cell, object),
``predictions/<cell>/`` the label images, ``predictions/cells.csv`` says which cell is what. ``report/`` can be rebuilt at will.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mitobench.errors import UsageError
from mitobench.files import held_folder, write_atomically
from mitobench.hashing import hash_data
from mitobench.results.parts import IMAGES, OBJECTS
from mitobench.results.tables import ResultTable, encode_rows, read_parts
from mitobench.text import defused

__all__ = ["RunFolder"]

_SCHEMA = 1


class RunFolder:
    """A run's folder. Use :meth:`create_or_open` to write, :meth:`open` to read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._results: tuple[list[Path], ResultTable] | None = None

    @classmethod
    def open(cls, path: Path) -> "RunFolder":
        """Open a run that exists.

        Raises:
            UsageError: no run there, or one of another schema.
        """
        folder = cls(path)
        folder.record()
        return folder

    @classmethod
    def create_or_open(cls, path: Path) -> "RunFolder":
        """Open the run at ``path``, or begin one there; the folder must then be absent, or empty but for ``models``.

        Raises:
            UsageError: the folder holds something else.
        """
        if not (path / "run.json").exists():
            if path.exists() and (not path.is_dir() or any(not _ours(entry.name) for entry in path.iterdir())):
                raise UsageError(f"{path}: exists and is not a run folder; give another --out.")
            write_atomically(
                path / "run.json", _to_json({"schema": _SCHEMA, "cells": {}, "metrics": {}, "requests": []})
            )
        return cls.open(path)

    @property
    def source(self) -> Path:
        """What the user calls it: the folder, or the file that it was opened from."""
        return self.path

    @property
    def trusted(self) -> bool:
        """Whether this computer wrote it, so that the data sources that it names may be built and read."""
        return True

    @property
    def report(self) -> Path:
        """Where leaderboards and figures go."""
        return self.path / "report"

    def predictions(self, cell: str) -> Path:
        """Where the predictions of one cell lie."""
        return self.path / "predictions" / cell

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the run for this process alone. The operating system frees it when the process ends, however it ends.

        Raises:
            UsageError: another process writes to it now.
        """
        with held_folder(self.path):
            yield

    def record(self) -> dict[str, Any]:
        """What ``run.json`` says.

        Raises:
            UsageError: absent, unreadable, or of another schema.
        """
        try:
            record = json.loads((self.path / "run.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise UsageError(
                f"{self.path}: no run here (run.json is absent). Give the folder that `mitobench run --out` wrote."
            ) from None
        except (ValueError, OSError) as error:
            raise UsageError(f"{self.path / 'run.json'}: cannot be read ({error}).") from None
        if not isinstance(record, dict) or record.get("schema") != _SCHEMA:
            raise UsageError(
                f"{self.path / 'run.json'}: not of schema {_SCHEMA}; it was written by another version of mitobench."
            )
        return record

    def remember(self, *, cells: Mapping[str, Any], metrics: Mapping[str, Any], request: Mapping[str, Any]) -> None:
        """Add cells, metrics and a request to ``run.json``; what is there stays."""
        record = self.record()
        for key, cell in cells.items():
            before = record["cells"].get(key, {})
            most = max(cell, before, key=lambda each: each.get("total", 0))
            record["cells"][key] = {**before, **cell, "total": most["total"], "cut": most.get("cut", False)}
        for key, metric in metrics.items():
            order = record["metrics"].get(key, {}).get("order", len(record["metrics"]))
            record["metrics"][key] = {**metric, "order": order}
        record["requests"].append(dict(request))
        write_atomically(self.path / "run.json", _to_json(record))
        write_atomically(self.path / "predictions" / "cells.csv", _cell_index(record["cells"]))

    def write_part(self, unit: str, images: Sequence[Mapping[str, Any]], objects: Sequence[Mapping[str, Any]]) -> None:
        """Commit one unit's rows. The object rows are written first: the image rows are the commit.

        Args:
            unit: a readable prefix; the content decides the rest of the name, so that equal parts overwrite each other.
            images: one row per (cell, image); see :mod:`mitobench.results.tables`.
            objects: one row per (cell, object).
        """
        name = f"{unit}-{hash_data([[row['cell'], row['image'], row['status'], *sorted(row)] for row in images])[:16]}"
        if objects:
            write_atomically(self.path / "parts" / f"{name}{OBJECTS}", encode_rows(objects))
        write_atomically(self.path / "parts" / f"{name}{IMAGES}", encode_rows(images))

    def results(self) -> ResultTable:
        """All image rows, one per (cell, image)."""
        parts = sorted((self.path / "parts").glob(f"*{IMAGES}"))
        if self._results is None or self._results[0] != parts:
            self._results = parts, read_parts(parts)
        return self._results[1]

    def finished(self, cell: str, metrics: Iterable[str]) -> set[str]:
        """The images of a cell that went through it without error and are scored by all the metrics."""
        return self.results().finished(cell, metrics)


def _cell_index(cells: Mapping[str, Any]) -> bytes:
    """Which folder of predictions holds what: one line for each cell, with nothing that a spreadsheet would evaluate."""
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(["cell", "data", "prompter", "segmenter", "oracle"])
    for key, cell in sorted(cells.items()):
        labels = [defused(str(cell[part]["label"])) for part in ("data", "prompter", "segmenter")]
        writer.writerow([key, *labels, "yes" if cell["oracle"] else "no"])
    return lines.getvalue().encode("utf-8", "surrogatepass")


def _ours(name: str) -> bool:
    """What a run that was killed before ``run.json`` was there may have left; ``models`` may also hold checkpoints put there."""
    return name in (".lock", "models", "parts", "predictions") or (name.startswith(".") and name.endswith(".tmp"))


def _to_json(data: Any) -> bytes:
    return (json.dumps(data, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode("utf-8", "surrogatepass")
