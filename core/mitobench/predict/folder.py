"""A folder of predictions: label images that any tool reads, one table of measurements, and what made them.

<out>/labels/NAME.tif         smallest fitting unsigned type, objects 1..K, pixel size in the metadata where known
<out>/overlays/NAME.png       where asked for
<out>/rois/NAME.zip           where asked for
<out>/measurements.csv        one row per object of every image
<out>/predict.json            what made them
<out>/.images/NAME.json       written last, per image: what a repetition of the command need not do again
"""

import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mitobench.errors import UsageError
from mitobench.files import held_folder, write_atomically
from mitobench.hashing import hash_file
from mitobench.predict.measurements import Measurements, measurements_csv
from mitobench.predict.outlines import imagej_rois
from mitobench.samples import Sample

__all__ = ["ImageRecord", "PredictionFolder", "encode_labels", "smallest_type"]

_SCHEMA = 1
_NM_PER_CM = 1e7
_WIDEST_LINE = 3


@dataclass(frozen=True, kw_only=True)
class ImageRecord:
    """What is remembered of one finished image.

    Attributes:
        image, name, source: as the input's.
        content: hash of the pixels and the pixel size; with the recipe, of all that the result depends on.
        labels_hash: of the label file.
        shape: (H, W).
        pixel_size_nm: (y, x), or None.
        objects: how many.
        tiles, tile_side, overlap: how it was cut.
        seconds: what it took.
        measurements: of its objects.
    """

    image: str
    name: str
    source: str
    content: str
    labels_hash: str
    shape: tuple[int, int]
    pixel_size_nm: tuple[float, float] | None
    objects: int
    tiles: int
    tile_side: int
    overlap: int
    seconds: float
    measurements: Measurements


class PredictionFolder:
    """Reads and writes such a folder; it holds the predictions of one recipe.

    Args:
        path: the folder; absent, empty, or written by an earlier `mitobench predict`.
        recipe: hash of the components, the tiling and the seed.
        overwrite: remove the predictions of another recipe.

    Raises:
        UsageError: it holds something else, or another recipe's predictions and not ``overwrite``.
    """

    def __init__(self, path: Path, recipe: str, *, overwrite: bool = False) -> None:
        self.path, self.recipe, self._stale = path, recipe, False
        about = path / "predict.json"
        if about.exists():
            found = self._read_about(about)
            if found["recipe"] != recipe:
                if not overwrite:
                    made = " and ".join(
                        str(found.get(part, {}).get("label", "?")) for part in ("prompter", "segmenter")
                    )
                    raise UsageError(
                        f"{path}: holds predictions of {made} with other options, weights, tiles or seed. Give another --out, or replace them with --overwrite."
                    )
                self._stale = True
        elif path.exists() and (not path.is_dir() or any(p.name != ".lock" for p in path.iterdir())):
            raise UsageError(f"{path}: exists and is not a folder of predictions; give another --out.")
        path.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the folder for this process alone.

        Raises:
            UsageError: another process writes to it now.
        """
        with held_folder(self.path):
            if self._stale:
                self._clear()
            yield

    def labels_path(self, name: str) -> Path:
        """Where the label image of one image is."""
        return self.path / "labels" / f"{name}.tif"

    def finished(self, name: str, content: str) -> ImageRecord | None:
        """The record of an image that needs no segmenting again: the same pixels, and its label file as it was written."""
        record, outdated = self._stored(name)
        if record is None or record.content != content or not self._labels_are_of(record):
            return None
        if outdated:
            self._remember(record)
        return record

    def stored(self, name: str) -> ImageRecord | None:
        """What is remembered under a name for this recipe, or None where there is nothing or it is damaged."""
        return self._stored(name)[0]

    def records(self) -> list[ImageRecord]:
        """All images that are finished for this recipe, by name: label files as they were written, and none that has failed since."""
        found = map(self._stored, self._names())
        return [record for record, outdated in found if record and not outdated and self._labels_are_of(record)]

    def leave_out(self, source: str, name: str | None = None) -> None:
        """Take what fails now out of :meth:`records`, until it succeeds or has again the pixels that are stored.

        Its files stay: a disk that is not mounted makes every image fail. A namesake from elsewhere is not touched.

        Args:
            source: of the image, as its record has it.
            name: the image; None = all from that source, which can no longer be read.
        """
        for each in self._names() if name is None else [name]:
            record, outdated = self._stored(each)
            if record is not None and record.source == source and not outdated:
                self._remember(record, outdated=True)

    def write(self, record: ImageRecord, labels: NDArray[np.int32]) -> ImageRecord:
        """Write the label image, then the record of one image; returns the record with the file's hash."""
        path = self.labels_path(record.name)
        write_atomically(path, encode_labels(labels, record.image, record.pixel_size_nm))
        record = ImageRecord(**{**vars(record), "labels_hash": hash_file(path)})
        self._remember(record)
        return record

    def read_labels(self, record: ImageRecord) -> NDArray[np.int32]:
        """The label image of a finished image, int32 (H, W)."""
        import tifffile

        return np.asarray(tifffile.imread(self.labels_path(record.name)), np.int32)

    def write_extras(
        self, record: ImageRecord, sample: Sample, labels: NDArray[np.int32] | None, *, overlay: bool, rois: bool
    ) -> None:
        """Write the overlay and the ROIs of one image where they are asked for and not newer than its labels."""
        wanted = {"overlays": overlay and ".png", "rois": rois and ".zip"}
        made = self.labels_path(record.name).stat().st_mtime_ns
        for folder, suffix in wanted.items():
            if not suffix:
                continue
            path = self.path / folder / f"{record.name}{suffix}"
            if path.exists() and path.stat().st_mtime_ns >= made:
                continue
            labels = self.read_labels(record) if labels is None else labels
            write_atomically(path, imagej_rois(labels) if folder == "rois" else _overlay(sample.image, labels))

    def write_summary(self, about: Mapping[str, Any]) -> None:
        """Write ``measurements.csv`` and ``predict.json`` for all images that are finished, by name."""
        records = self.records()
        tables = ((record.image, record.measurements) for record in records)
        write_atomically(self.path / "measurements.csv", measurements_csv(tables).encode("utf-8", "surrogatepass"))
        images = [{k: v for k, v in vars(record).items() if k != "measurements"} for record in records]
        document = {"schema": _SCHEMA, "recipe": self.recipe, **about, "images": images}
        write_atomically(self.path / "predict.json", _to_json(document))

    def _names(self) -> list[str]:
        """The names under which something is remembered, sorted."""
        return sorted(path.stem for path in (self.path / ".images").glob("*.json"))

    def _stored(self, name: str) -> tuple[ImageRecord | None, bool]:
        """What is remembered under a name, and whether that image has failed since."""
        try:
            stored = json.loads(self._record_path(name).read_text(encoding="utf-8"))
            if (stored["schema"], stored["recipe"]) != (_SCHEMA, self.recipe):
                return None, False
            fields = dict(stored["record"])
            measured = fields.pop("measurements")
            table = Measurements(tuple(measured["columns"]), tuple(tuple(row) for row in measured["rows"]))
            return ImageRecord(**fields, measurements=table), bool(stored.get("outdated"))
        except (OSError, ValueError, KeyError, TypeError):
            return None, False

    def _remember(self, record: ImageRecord, *, outdated: bool = False) -> None:
        stored = {"schema": _SCHEMA, "recipe": self.recipe, "record": asdict(record), "outdated": outdated}
        write_atomically(self._record_path(record.name), _to_json(stored))

    def _labels_are_of(self, record: ImageRecord) -> bool:
        """Whether the label file is the one that was written with the record."""
        try:
            return hash_file(self.labels_path(record.name)) == record.labels_hash
        except OSError:
            return False

    def _record_path(self, name: str) -> Path:
        return self.path / ".images" / f"{name}.json"

    def _read_about(self, path: Path) -> dict[str, Any]:
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, OSError) as error:
            raise UsageError(f"{path}: cannot be read ({error}); give another --out.") from None
        if not isinstance(found, dict) or found.get("schema") != _SCHEMA or "recipe" not in found:
            raise UsageError(f"{path}: was written by something else than this mitobench predict; give another --out.")
        return found

    def _clear(self) -> None:
        """Remove what an earlier recipe left, and nothing that predict did not write."""
        for stored in (self.path / ".images").glob("*.json"):
            for folder, suffix in (("labels", ".tif"), ("overlays", ".png"), ("rois", ".zip")):
                (self.path / folder / f"{stored.stem}{suffix}").unlink(missing_ok=True)
            stored.unlink()


def smallest_type(largest: int) -> np.dtype[Any]:
    """The smallest unsigned integer type that holds ``largest``.

    >>> smallest_type(256)
    dtype('uint16')
    """
    return np.dtype(np.min_scalar_type(largest))


def encode_labels(labels: NDArray[np.integer], image: str, pixel_size_nm: tuple[float, float] | None) -> bytes:
    """A label image (H, W) as a TIFF file, with the pixel size as resolution (pixels per centimetre) where it is known."""
    import tifffile

    about = {"image": image, "objects": int(labels.max(initial=0)), "pixel_size_nm": pixel_size_nm, "axes": "YX"}
    given: dict[str, Any] = {}
    if pixel_size_nm is not None:
        y, x = pixel_size_nm
        given = {"resolution": (_NM_PER_CM / x, _NM_PER_CM / y), "resolutionunit": "CENTIMETER"}
    buffer = io.BytesIO()
    tifffile.imwrite(
        buffer,
        labels.astype(smallest_type(int(labels.max(initial=0)))),
        compression="zlib",
        description=json.dumps(about, sort_keys=True),
        metadata=None,
        **given,
    )
    return buffer.getvalue()


def _overlay(image: NDArray[np.uint8], labels: NDArray[np.int32]) -> bytes:
    from mitobench.overlays import PREDICTION, as_rgb, draw_outlines, line_width, stretched, write_png

    width = min(line_width(labels.shape), _WIDEST_LINE)  # an overlay is looked at enlarged
    return write_png(draw_outlines(stretched(as_rgb(image)), labels, PREDICTION, width=width))


def _to_json(data: Any) -> bytes:
    return (json.dumps(data, indent=1, sort_keys=True) + "\n").encode()
