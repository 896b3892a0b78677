"""Exports: one run as one file that can be shared, and opening runs wherever they lie.

An export is a zip archive of ``run.json``, ``parts/`` and, if wanted, ``predictions/`` of a run folder, with ``manifest.json``, which
names every file with its size and SHA-256. Nothing in it says where, on what host or by whom the run was made
(:mod:`mitobench.sharing.scrubbing`). One run gives the same bytes whenever it is exported.
"""

import hashlib
import json
import os
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc

from mitobench import __version__
from mitobench.components import reference_spec
from mitobench.descriptors import Kind
from mitobench.errors import DataError, MitobenchError, ResourceError, UsageError
from mitobench.files import safe_name
from mitobench.hashing import sha256_file
from mitobench.plugins import Plugins
from mitobench.results.parts import encode_table, merged_images, merged_objects
from mitobench.results.runfolder import RunFolder
from mitobench.sharing.archives import FORMAT, SCHEMA, ExportArchive
from mitobench.sharing.exported import ExportedRun
from mitobench.sharing.scrubbing import Scrubber, scrub_record

__all__ = ["ExportSummary", "check_export", "export_run", "find_runs", "open_run", "open_runs"]

_EPOCH = (1980, 1, 1, 0, 0, 0)
_CHUNK = 1 << 20
_OURS = frozenset({"cell", "status", "error_kind", "origin", "metric"})
"""Columns whose texts are not the user's."""


@dataclass(frozen=True, kw_only=True)
class ExportSummary:
    """What an export holds: cells, results (one per cell and image), stored predictions, and its SHA-256."""

    path: Path
    cells: int
    results: int
    predictions: int
    sha256: str


def open_runs(paths: Sequence[Path]) -> list[RunFolder]:
    """Open runs: run folders, exports, and folders that hold such, at any depth.

    Raises:
        UsageError: no run there.
        DataError: a damaged export, or a file that is none.
    """
    found = dict.fromkeys(found for path in paths for found in find_runs(path))
    return [open_run(path) for path in found]


def open_run(path: Path) -> RunFolder:
    """Open one run: a run folder, or an export.

    Raises:
        UsageError: no run there.
        DataError: a damaged export, or a file that is none.
    """
    return ExportedRun(path) if path.is_file() else RunFolder.open(path)


def find_runs(path: Path) -> list[Path]:
    """The run folders and exports that a path names or holds, sorted; hidden folders are left aside.

    Raises:
        UsageError: none.
    """
    if path.is_file() or (path / "run.json").exists():
        return [path.parent if path.name == "run.json" else path]
    found: list[Path] = []
    for folder, inner, files in os.walk(path):
        here = Path(folder)
        if "run.json" in files:
            found.append(here)
            inner.clear()
            continue
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        found += [here / name for name in files if name.lower().endswith(".zip") and not name.startswith(".")]
    if not found:
        raise UsageError(
            f"{path}: no run here (run.json is absent, and no export either). Give the folder that `mitobench run --out` wrote, a file "
            "that `mitobench export` wrote, or a folder of them."
        )
    return sorted(found)


def check_export(path: Path) -> ExportSummary:
    """Read every byte of an export and compare it with the manifest.

    Raises:
        DataError: damaged, altered, or not an export.
    """
    archive = ExportArchive(path)
    for name in archive.names:
        archive.verify(name)
    run = ExportedRun(path)
    return ExportSummary(
        path=path,
        cells=len(run.record()["cells"]),
        results=len(run.results().rows),
        predictions=sum(name.endswith(".tif") for name in archive.names),
        sha256=sha256_file(path),
    )


def export_run(folder: RunFolder, out: Path, plugins: Plugins, *, predictions: bool = False) -> ExportSummary:
    """Write a run as one file.

    Args:
        folder: the run.
        out: the file; replaced if it is there, once the new one is whole.
        plugins: say which options are paths.
        predictions: with the stored predictions.

    Raises:
        UsageError: the run holds no results.
        DataError: image names or options hold a path or name of this computer or of its user, which cannot be taken out of them.
        ResourceError: the disk is full.
    """
    record = folder.record()
    scrubber = Scrubber.of_run(folder.path, record)
    images = _only_known(merged_images(folder.path / "parts"), record)
    if not len(images):
        raise UsageError(f"{folder.path}: holds no results yet; run `mitobench run` on it first.")
    objects = merged_objects(folder.path / "parts")
    scrubbed = scrub_record(record, scrubber, lambda kind, reference: _path_options(plugins, kind, reference))
    members: dict[str, bytes | Path] = {
        "run.json": _json(scrubbed),
        "parts/results.images.parquet": encode_table(_scrubbed(images, scrubber)),
    }
    if objects is not None:
        kept = _only_known(objects, record)
        members["parts/results.objects.parquet"] = encode_table(_scrubbed(kept, scrubber))
    if predictions:
        members |= dict(_predictions(folder, images))
    return _write(out, members)


def _only_known(table: pa.Table, record: dict[str, Any]) -> pa.Table:
    return table.filter(pc.is_in(table["cell"], pa.array(sorted(record["cells"]), pa.string())))


def _scrubbed(table: pa.Table, scrubber: Scrubber) -> pa.Table:
    """The table with its messages scrubbed; every other text is checked."""
    for position, name in enumerate(table.column_names):
        if not (pa.types.is_string(table[name].type) or pa.types.is_large_string(table[name].type)):
            continue
        if name.endswith("error"):
            texts = [scrubber.text(text) if text else text for text in table[name].to_pylist()]
            table = table.set_column(position, name, pa.array(texts, pa.string()))
        else:
            texts = [text for text in pc.unique(table[name]).to_pylist() if text]
            scrubber.check(texts, f"column {name}:", names=name not in _OURS)
    return table


def _predictions(folder: RunFolder, images: pa.Table) -> Iterator[tuple[str, Path]]:
    fine = images.filter(pc.equal(images["status"], "ok"))
    for cell, image in zip(fine["cell"].to_pylist(), fine["image"].to_pylist(), strict=True):
        for suffix in (".npz", ".tif"):
            path = folder.predictions(cell) / f"{safe_name(image)}{suffix}"
            if path.is_file():
                yield f"predictions/{cell}/{path.name}", path


def _path_options(plugins: Plugins, kind: str, reference: str) -> frozenset[str] | None:
    try:
        component = plugins.find(cast("Kind", kind), reference_spec(reference))
        paths: frozenset[str] = component.options_model().path_fields()
    except (MitobenchError, ImportError):
        return None
    return paths


def _write(out: Path, members: dict[str, bytes | Path]) -> ExportSummary:
    """Write the archive beside ``out``, read it as whoever gets it will, and rename it once it is whole."""
    temporary = out.with_name(f".{out.name[:80]}.{os.getpid()}.tmp")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
                listed = {name: _add(archive, name, members[name]) for name in sorted(members)}
                about = {"format": FORMAT, "schema": SCHEMA, "written_by": f"mitobench {__version__}", "files": listed}
                _add(archive, "manifest.json", _json(about))
            file.flush()
            os.fsync(file.fileno())
        summary = replace(check_export(temporary), path=out)
        temporary.replace(out)
        return summary
    except OSError as error:
        raise ResourceError(
            f"{out}: cannot be written ({error.strerror or error}). Free some space or choose another --out."
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _add(archive: zipfile.ZipFile, name: str, content: bytes | Path) -> dict[str, Any]:
    info = zipfile.ZipInfo(name, _EPOCH)
    info.create_system, info.external_attr = 3, 0o100644 << 16
    info.file_size = len(content) if isinstance(content, bytes) else content.stat().st_size
    digest, size = hashlib.sha256(), 0
    with archive.open(info, "w") as member:
        for piece in _pieces(content):
            digest.update(piece)
            size += len(piece)
            member.write(piece)
    if size != info.file_size:
        raise DataError(f"{name}: changed while it was read; export again when nothing writes to the run.")
    return {"sha256": digest.hexdigest(), "bytes": size}


def _pieces(content: bytes | Path) -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield content
        return
    with content.open("rb") as file:
        while piece := file.read(_CHUNK):
            yield piece


def _json(data: Any) -> bytes:
    return (json.dumps(data, indent=1, sort_keys=True, ensure_ascii=True) + "\n").encode()
