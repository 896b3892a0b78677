"""The prompts of a run as a table that the prompter ``manual`` reads: one row per point or box, with the id of its image.

Points are ``image,x,y,label,prompt`` (rows of an image with the same number ``prompt`` make one prompt; ``label`` is 1 on the
object and 0 off it), boxes are ``image,x0,y0,x1,y1,prompt``; both in pixels, the origin at the centre of the top-left pixel.
Numbers are written so that reading them gives the same 32-bit floats.
"""

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mitobench.descriptors import PromptKind
from mitobench.errors import DataError, UsageError
from mitobench.files import write_atomically
from mitobench.prompts import Prompts
from mitobench.results.predictions import read_prediction
from mitobench.results.runfolder import RunFolder
from mitobench.results.tables import CellTable

__all__ = ["PromptTable", "export_prompts", "prompt_table"]

_COLUMNS: Mapping[PromptKind, tuple[str, ...]] = {
    "point": ("image", "x", "y", "label", "prompt"),
    "box": ("image", "x0", "y0", "x1", "y1", "prompt"),
}


@dataclass(frozen=True, kw_only=True)
class PromptTable:
    """What was written.

    Attributes:
        path: the file.
        data, prompter: what the run calls them.
        kind: "point" or "box".
        images: those with a prompt.
        without: ids of those on which nothing was found.
        failed: ids of those that failed in every cell of the prompter, so that what it would find is not known.
        prompts: the number of prompts.
    """

    path: Path
    data: str
    prompter: str
    kind: PromptKind
    images: int
    without: tuple[str, ...]
    failed: tuple[str, ...]
    prompts: int


def export_prompts(folder: RunFolder, out: Path, prompter: str, *, data: str | None = None) -> PromptTable:
    """Write what a prompter of a run made of each image, read from any of its cells in which the image did not fail. No model is run.

    Args:
        folder: the run, with its predictions, where prompts are stored.
        out: the CSV file; replaced if it is there.
        prompter: its label in the run, or its name.
        data: the label of the data source, needed where the run holds several.

    Raises:
        UsageError: no such prompter or data source, several that are meant, or one that looked at the reference.
        DataError: no prompt at all, prompts that a table cannot hold, or a stored prediction that cannot be read.
        ResourceError: the file cannot be written.
    """
    cells = _cells(folder, prompter, data)
    results = folder.results()
    tables = {key: results.cell(key) for key in cells}
    found: dict[str, Prompts] = {}
    for key in sorted(tables, key=lambda key: (int((tables[key].status == "ok").sum()), key), reverse=True):
        found.update(_stored(folder, key, tables[key], without=frozenset(found)))
    found = dict(sorted(found.items()))
    seen = sorted({str(image) for table in tables.values() for image in table.images})
    kind, text = prompt_table(found)
    write_atomically(out, text.encode("utf-8"))
    return PromptTable(
        path=out,
        data=_listed(cells, "data"),
        prompter=_listed(cells, "prompter"),
        kind=kind,
        images=sum(len(prompts) > 0 for prompts in found.values()),
        without=tuple(image for image, prompts in found.items() if not len(prompts)),
        failed=tuple(image for image in seen if image not in found),
        prompts=sum(len(prompts) for prompts in found.values()),
    )


def prompt_table(found: Mapping[str, Prompts]) -> tuple[PromptKind, str]:
    r"""The prompts of some images, by id, as the text of a CSV file; and their kind.

    >>> box = Prompts(boxes=np.array([[1, 2, 3.5, 4]], np.float32))
    >>> prompt_table({"a": box, "empty": Prompts()})
    ('box', 'image,x0,y0,x1,y1,prompt\na,1,2,3.5,4,1\n')

    Raises:
        DataError: no prompt at all, masks, boxes together with points, or an id that a table cannot hold.
    """
    kinds = {kind for prompts in found.values() if len(prompts) for kind in prompts.kinds}
    if not kinds:
        raise DataError(f"no prompt on any of {len(found)} images; there is nothing to write.")
    if len(kinds) > 1 or "mask" in kinds:
        raise DataError(
            f"the prompts hold {' and '.join(sorted(kinds))}; expected points alone or boxes alone, which is what a table can hold."
        )
    (kind,) = kinds
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS[kind])
    for image, prompts in found.items():
        if image != image.strip() or not image.isprintable():
            raise DataError(
                f"image {image!r}: its id holds line breaks, control characters or spaces at its ends, which a table cannot keep."
            )
        writer.writerows((image, *row) for row in _rows(prompts))
    return kind, text.getvalue()


def _rows(prompts: Prompts) -> Iterable[tuple[str, ...]]:
    if prompts.boxes is not None:
        for number, box in enumerate(prompts.boxes, start=1):
            yield (*map(_number, box), str(number))
    if prompts.points is not None and prompts.point_labels is not None:
        for number, (points, labels) in enumerate(zip(prompts.points, prompts.point_labels, strict=True), start=1):
            for (x, y), label in zip(points, labels, strict=True):
                if label >= 0:
                    yield _number(x), _number(y), str(int(label)), str(number)


def _number(value: np.float32) -> str:
    return np.format_float_positional(value, unique=True, trim="-")


def _stored(folder: RunFolder, key: str, table: CellTable, *, without: frozenset[str]) -> Iterable[tuple[str, Prompts]]:
    """The prompts of the images that did not fail in a cell, but for some images."""
    for image, status in zip(map(str, table.images), table.status, strict=True):
        shape = table.shape(image) if status == "ok" and image not in without else None
        if shape is not None:
            yield image, read_prediction(folder.predictions(key), cell=key, image=image, shape=shape).prompts


def _cells(folder: RunFolder, prompter: str, data: str | None) -> dict[str, Any]:
    """The cells of one prompter on one data source, with one seed."""
    everything = {key: cell for key, cell in folder.record()["cells"].items() if _name(cell) != "none"}
    labelled = {key: cell for key, cell in everything.items() if cell["prompter"]["label"] == prompter}
    cells = labelled or {key: cell for key, cell in everything.items() if _name(cell) == prompter}
    if not cells:
        known = _listed(everything, "prompter")
        raise UsageError(f"{folder.source}: no prompter is called {prompter!r}. There are: {known or 'none'}.")
    if all(cell["oracle"] for cell in cells.values()):
        raise UsageError(
            f"{folder.source}: {prompter!r} looked at the reference, and a run with a table of its prompts would rank them among automatic "
            "ones. Name it as the prompter instead; it makes the same prompts again."
        )
    if data is not None:
        chosen = {key: cell for key, cell in cells.items() if cell["data"]["label"] == data}
        if not chosen:
            raise UsageError(
                f"{folder.source}: {prompter!r} saw no data {data!r}. There are: {_listed(cells, 'data')}."
            )
        cells = chosen
    if len({cell["data"]["key"] for cell in cells.values()}) > 1:
        raise UsageError(
            f"{folder.source}: {prompter!r} saw several data sources: {_listed(cells, 'data')}. Name one of them with --data."
        )
    if len({(cell["prompter"]["key"], cell["seed"]) for cell in cells.values()}) > 1:
        raise UsageError(
            f"{folder.source}: {prompter!r} is several prompters, or one with several seeds: {_listed(cells, 'prompter')}. "
            "Give the whole spec of one, or make a run of it alone."
        )
    return cells


def _name(cell: Mapping[str, Any]) -> str:
    return str(cell["prompter"]["identity"]["component"]).rpartition("/")[2]


def _listed(cells: Mapping[str, Any], part: str) -> str:
    return "; ".join(sorted({str(cell[part]["label"]) for cell in cells.values()}))
