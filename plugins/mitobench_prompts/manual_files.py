"""Files of prompts that a person gave: our CSV and JSON, and the CSV that napari saves of points and shapes layers.

Coordinates are in pixels, the origin at the centre of the top-left pixel, as everywhere here and in napari.

* CSV: ``image,x,y[,label][,prompt]`` or ``image,x0,y0,x1,y1[,prompt]``. Without ``image`` the file's stem names it. ``label`` is 1 (on the object,
  the default) or 0. Rows of one image with the same ``prompt`` make one prompt; without it every row is one.
* JSON: a list of ``{"image": .., "box": [x0, y0, x1, y1]}`` or ``{"image": .., "points": [[x, y], ..], "labels": [1, ..]}``, or
  both in one; or a mapping from images to such lists.
* napari points: ``index,axis-0,axis-1``; shapes: ``index,shape-type,vertex-index,axis-0,axis-1``, whose bounding boxes are
  taken. Axes are (row, column); one more axis in front is the index of the image.
"""

import csv
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mitobench.descriptors import PromptKind
from mitobench.errors import DataError

__all__ = ["ManualPrompt", "Point", "prompt_files", "read_prompts"]

_CORNERS = ("x0", "y0", "x1", "y1")
_AREAS = ("rectangle", "ellipse", "polygon")
Row = Mapping[str, str]


@dataclass(frozen=True)
class Point:
    """One point (x, y) in px; ``label`` 1 = on the object, 0 = off it; ``where`` names the row that gave it."""

    x: float
    y: float
    label: int
    where: str


@dataclass(frozen=True)
class ManualPrompt:
    """One prompt as a file gives it.

    Attributes:
        image: id, stem or index of its image, as the file has it.
        where: the file and the row, for messages.
        box: (x0, y0, x1, y1) in px, or None.
        points: its points.
    """

    image: str
    where: str
    box: tuple[float, float, float, float] | None = None
    points: tuple[Point, ...] = field(default=())

    @property
    def kinds(self) -> tuple[PromptKind, ...]:
        """What it holds."""
        box: tuple[PromptKind, ...] = () if self.box is None else ("box",)
        return (*box, "point") if self.points else box


def prompt_files(path: Path) -> list[Path]:
    """The ``.csv`` and ``.json`` files of a folder, sorted, or the file itself.

    Raises:
        DataError: no such file or folder, or a folder without such files.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise DataError(f"{path}: no such file or folder. Give a .csv or .json file of prompts, or a folder of them.")
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in (".csv", ".json") and file.is_file())
    if not files:
        raise DataError(f"{path}: holds no .csv or .json file. Give a folder of prompt files named after the images.")
    return files


def read_prompts(path: Path) -> list[ManualPrompt]:
    """Every prompt of a file or folder, in order.

    Raises:
        DataError: not readable, unknown columns, or a value that is no number; names the row.
    """
    return [prompt for file in prompt_files(path) for prompt in _read(file)]


def _read(path: Path) -> list[ManualPrompt]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not readable as UTF-8 text ({error}).") from None
    if path.suffix.lower() == ".json":
        return list(_from_json(text, path))
    return _from_csv(text, path)


def _from_csv(text: str, path: Path) -> list[ManualPrompt]:
    reader = csv.DictReader(text.splitlines(), skipinitialspace=True)
    columns = [name.strip() for name in reader.fieldnames or []]
    reader.fieldnames = columns
    rows = [(f"{path.name}, line {reader.line_num}", row) for row in reader]
    if broken := next((where for where, row in rows if None in row or None in row.values()), ""):
        raise DataError(f"{broken}: expected {len(columns)} values ({','.join(columns)}).")
    if "axis-0" in columns:
        rows = [(where, {**row, **_napari(row, columns, path, where)}) for where, row in rows]
        if "shape-type" in columns:
            return _shapes(rows)
        columns = [*columns, "x", "y"]
    if set(_CORNERS) <= set(columns):
        return [
            ManualPrompt(_image(row, path), where, box=_box([row[c] for c in _CORNERS], where)) for where, row in rows
        ]
    if {"x", "y"} <= set(columns):
        return _points(rows, path)
    raise DataError(
        f"{path}: columns are {','.join(columns) or 'missing'}; expected image,x,y[,label][,prompt] or image,x0,y0,x1,y1, or napari's."
    )


def _napari(row: Row, columns: Sequence[str], path: Path, where: str) -> dict[str, str]:
    axes = [name for name in columns if name.startswith("axis-")]
    if len(axes) not in (2, 3):
        raise DataError(f"{where}: {len(axes)} axes; expected row and column, with the image's index in front or not.")
    found = {"y": row[axes[-2]], "x": row[axes[-1]]}
    if len(axes) == 3:
        return {**found, "image": str(round(_number(row[axes[0]], where)))}
    return {"image": path.stem, **row, **found}


def _shapes(rows: Sequence[tuple[str, Row]]) -> list[ManualPrompt]:
    shapes: dict[str, list[tuple[str, Row]]] = {}
    for where, row in rows:
        if row["shape-type"] not in _AREAS:
            raise DataError(f"{where}: a shape of type {row['shape-type']!r}; expected {', '.join(_AREAS)}.")
        shapes.setdefault(row["index"], []).append((where, row))
    return [_bounding_box(vertices) for vertices in shapes.values()]


def _bounding_box(vertices: Sequence[tuple[str, Row]]) -> ManualPrompt:
    where, first = vertices[0]
    if len({row["image"] for _, row in vertices}) > 1:
        raise DataError(f"{where}: shape {first['index']} spans several images; expected one.")
    x = [_number(row["x"], place) for place, row in vertices]
    y = [_number(row["y"], place) for place, row in vertices]
    return ManualPrompt(first["image"], where, box=(min(x), min(y), max(x), max(y)))


def _points(rows: Sequence[tuple[str, Row]], path: Path) -> list[ManualPrompt]:
    together: dict[tuple[str, str], list[Point]] = {}
    for where, row in rows:
        point = Point(_number(row["x"], where), _number(row["y"], where), _label(row.get("label", "1"), where), where)
        together.setdefault((_image(row, path), row.get("prompt") or f"\0{where}"), []).append(point)
    return [ManualPrompt(image, points[0].where, points=tuple(points)) for (image, _), points in together.items()]


def _image(row: Row, path: Path) -> str:
    return row.get("image", path.stem).strip()


def _from_json(text: str, path: Path) -> Iterator[ManualPrompt]:
    try:
        content = json.loads(text)
    except ValueError as error:
        raise DataError(f"{path}: not JSON ({error}).") from None
    entries = [content] if not isinstance(content, list | dict) else content
    if isinstance(entries, dict):
        groups = {key: value if isinstance(value, list) else [value] for key, value in entries.items()}
        entries = [{"image": key, **_mapping(entry, path.name)} for key, group in groups.items() for entry in group]
    for number, given in enumerate(entries, start=1):
        where = f"{path.name}, entry {number}"
        entry = _mapping(given, where)
        box = _box(entry["box"], where) if "box" in entry else None
        points = _json_points(entry, where)
        if box is None and not points:
            raise DataError(f"{where}: holds {', '.join(map(str, entry)) or 'nothing'}; expected a box or points.")
        yield ManualPrompt(str(entry.get("image", path.stem)), where, box, points)


def _json_points(entry: Mapping[str, Any], where: str) -> tuple[Point, ...]:
    places = entry.get("points", [entry["point"]] if "point" in entry else [])
    labels = entry.get("labels", [1] * len(places) if isinstance(places, list) else 1)
    if not isinstance(places, list) or not isinstance(labels, list) or len(places) != len(labels):
        raise DataError(f"{where}: expected points [[x, y], ..] with one label (1 or 0) each.")
    if wrong := [place for place in places if not isinstance(place, list) or len(place) != 2]:
        raise DataError(f"{where}: point {wrong[0]!r}; expected [x, y].")
    return tuple(
        Point(_number(x, where), _number(y, where), _label(label, where), where)
        for (x, y), label in zip(places, labels, strict=True)
    )


def _mapping(entry: object, where: str) -> Mapping[str, Any]:
    if not isinstance(entry, Mapping):
        raise DataError(f"{where}: {entry!r}; expected an object such as {{'image': 'a.tif', 'points': [[x, y]]}}.")
    return entry


def _box(corners: object, where: str) -> tuple[float, float, float, float]:
    if not isinstance(corners, Sequence) or isinstance(corners, str) or len(corners) != len(_CORNERS):
        raise DataError(f"{where}: box {corners!r}; expected [x0, y0, x1, y1].")
    x0, y0, x1, y1 = (_number(value, where) for value in corners)
    if x1 < x0 or y1 < y0:
        raise DataError(f"{where}: box {[x0, y0, x1, y1]}; expected x0 <= x1 and y0 <= y1.")
    return x0, y0, x1, y1


def _number(value: object, where: str) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise DataError(f"{where}: {value!r} is not a number; expected a position in pixels.")
    return number


def _label(value: object, where: str) -> int:
    number = _number(value, where)
    if number not in (0, 1):
        raise DataError(f"{where}: label {value!r}; expected 1 (on the object) or 0 (off it).")
    return int(number)
