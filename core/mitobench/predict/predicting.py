"""Predictions of many images: each read, segmented, measured and written before the next; what is finished is not done again."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from mitobench.errors import INTERRUPTED, DeviceMemoryError, MitobenchError, ResourceError, UsageError
from mitobench.hashing import hash_array, hash_data
from mitobench.predict.folder import ImageRecord, PredictionFolder
from mitobench.predict.inputs import ImageInput
from mitobench.predict.measurements import measure
from mitobench.predict.predictor import Predicted, Predictor
from mitobench.samples import Sample
from mitobench.workbench import describe

__all__ = ["Extras", "FailedImage", "PredictionOutcome", "predict_images", "recipe_of"]


@dataclass(frozen=True, kw_only=True)
class Extras:
    """What is written of each image besides its labels: an outline picture, a zip of ImageJ ROIs."""

    overlay: bool = False
    rois: bool = False


@dataclass(frozen=True, kw_only=True)
class FailedImage:
    """An image without a prediction, and why."""

    image: str
    source: str
    error: str
    exit_code: int


@dataclass(frozen=True, kw_only=True)
class PredictionOutcome:
    """How it ended.

    Attributes:
        records: the images that are finished, in the order asked for.
        done, skipped: how many of them were segmented now, and before.
        failed: the others.
        interrupted: stopped before all images were seen.
        seconds: wall-clock time.
    """

    records: tuple[ImageRecord, ...]
    done: int
    skipped: int
    failed: tuple[FailedImage, ...]
    interrupted: bool
    seconds: float

    @property
    def exit_code(self) -> int:
        """0 all fine; 1 some failed; the failures' common code where nothing succeeded; 130 interrupted."""
        if self.interrupted:
            return INTERRUPTED
        codes = {failed.exit_code for failed in self.failed}
        return 0 if not codes else codes.pop() if len(codes) == 1 and not self.records else 1


def recipe_of(predictor: Predictor) -> str:
    """A hash of all but the image that a prediction depends on."""
    tiling = predictor.tiling
    return hash_data(
        {
            "components": [dict(c.identity) for c in (predictor.prompter, predictor.segmenter)],
            "tiling": [tiling.side, tiling.overlap, tiling.scored_side if tiling.side is None else None],
            "seed": predictor.bench.seed,
        }
    )


def predict_images(
    images: Sequence[ImageInput],
    predictor: Predictor,
    folder: PredictionFolder,
    *,
    extras: Extras = Extras(),
    about: Mapping[str, Any],
    overwrite: bool = False,
    progress: Callable[[int, int, str], None] = lambda _done, _total, _message: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> PredictionOutcome:
    """Segment, measure and write images one after the other.

    Args:
        images: what to segment.
        predictor: with what.
        folder: where results go; held for writing meanwhile.
        extras: what is written besides labels and measurements.
        about: what ``predict.json`` says besides the images.
        overwrite: an image of the same name but from elsewhere may be replaced.
        progress: told images done, images in all, and what is going on.
        should_stop: polled often; True ends after the tiles in flight.

    Raises:
        ResourceError: the disk is full.
        DataError: prompts that were made for certain images fit none of these.
    """
    start = time.perf_counter()
    records: list[ImageRecord] = []
    failed: list[FailedImage] = []
    skipped, interrupted = 0, False
    with folder.writing():
        predictor.check_images([image.id for image in images])
        folder.write_summary(about)  # before any result: whose folder this is
        for number, image in enumerate(images):
            finished = None
            if not should_stop():
                say = partial(_report, progress, image.id, number, len(images))
                finished = _attempt(image, predictor, folder, extras, overwrite, say, should_stop)
            if isinstance(finished, FailedImage):
                failed.append(finished)
                folder.leave_out(image.source, None if image.ref is None else image.name)
                continue
            if finished is None:
                interrupted = True
                break
            records.append(finished[0])
            skipped += finished[1]
            progress(number + 1, len(images), image.id)
        folder.write_summary({**about, "failed": [vars(f) for f in failed]})
    return PredictionOutcome(
        records=tuple(records),
        done=len(records) - skipped,
        skipped=skipped,
        failed=tuple(failed),
        interrupted=interrupted,
        seconds=time.perf_counter() - start,
    )


def _report(
    progress: Callable[[int, int, str], None], image: str, number: int, images: int, tile: int, tiles: int
) -> None:
    progress(number, images, f"{image}, tile {tile + 1} of {tiles}" if tiles > 1 else image)


def _attempt(
    image: ImageInput,
    predictor: Predictor,
    folder: PredictionFolder,
    extras: Extras,
    overwrite: bool,
    report: Callable[[int, int], None],
    should_stop: Callable[[], bool],
) -> tuple[ImageRecord, bool] | FailedImage | None:
    """As :func:`_one`, but an error costs this image alone. Raises where this machine's memory or disk ran out."""
    try:
        return _one(image, predictor, folder, extras, overwrite, report, should_stop)
    except (Exception, SystemExit) as error:
        if isinstance(error, MemoryError | ResourceError) and not isinstance(error, DeviceMemoryError):
            raise
        code = error.exit_code if isinstance(error, MitobenchError) else 1
        return FailedImage(image=image.id, source=image.source, error=describe(error), exit_code=code)


def _one(
    image: ImageInput,
    predictor: Predictor,
    folder: PredictionFolder,
    extras: Extras,
    overwrite: bool,
    report: Callable[[int, int], None],
    should_stop: Callable[[], bool],
) -> tuple[ImageRecord, bool] | None:
    """The finished image and whether it was finished before; None where it was stopped."""
    if image.ref is None:
        raise _given(image)
    sample = image.ref.load().without_reference()
    content = hash_data([hash_array(sample.image), sample.pixel_size_nm])
    record = folder.finished(image.name, content)
    before, labels = record is not None, None
    if record is None:
        _check_free(image, content, folder, overwrite)
        start = time.perf_counter()
        named = Sample(id=image.id, image=sample.image, pixel_size_nm=sample.pixel_size_nm)
        predicted = predictor.predict(named, should_stop=should_stop, progress=report)
        if predicted is None:
            return None
        labels = predicted.labels
        record = folder.write(_record(image, content, sample, predicted, time.perf_counter() - start), labels)
    folder.write_extras(record, sample, labels, overlay=extras.overlay, rois=extras.rois)
    return record, before


def _given(image: ImageInput) -> MitobenchError:
    """The error with which an image was found to be unreadable."""
    error = MitobenchError(image.error)
    error.exit_code = image.exit_code
    return error


def _check_free(image: ImageInput, content: str, folder: PredictionFolder, overwrite: bool) -> None:
    """Refuse to replace the prediction of another image that happens to have the same name."""
    there = folder.stored(image.name)
    if there is not None and there.source != image.source and there.content != content and not overwrite:
        raise UsageError(
            f"{folder.labels_path(image.name)} is the prediction of another image of that name ({there.source}). Give another --out, or replace it with --overwrite."
        )


def _record(image: ImageInput, content: str, sample: Sample, predicted: Predicted, seconds: float) -> ImageRecord:
    return ImageRecord(
        image=image.id,
        name=image.name,
        source=image.source,
        content=content,
        labels_hash="",
        shape=sample.shape,
        pixel_size_nm=sample.pixel_size_nm,
        objects=int(predicted.scores.size),
        tiles=predicted.tiles,
        tile_side=predicted.side,
        overlap=predicted.overlap,
        seconds=round(seconds, 3),
        measurements=measure(sample.image, predicted.labels, predicted.scores, sample.pixel_size_nm),
    )
