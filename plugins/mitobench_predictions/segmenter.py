"""The segmenter `predictions`: reads what another tool found."""

from collections.abc import Collection, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mitobench.errors import DataError
from mitobench.files import safe_name
from mitobench.images import as_labels, distinct_labels
from mitobench.interfaces import BuildContext, Encoding
from mitobench.prompts import Prompts
from mitobench.results.predictions import read_prediction
from mitobench.samples import Sample
from mitobench.segmentations import Segmentation
from mitobench_predictions.catalogue import Catalogue, Place
from mitobench_predictions.label_files import Origin, origin_of, read_labels, stored_planes
from mitobench_predictions.options import PredictionsOptions

__all__ = ["StoredSegmentations"]


class StoredSegmentations:
    """Label images that exist already, one for each image; see :class:`Catalogue` for which belongs to which.

    The predictions that mitobench itself stored are taken exactly as they were: their labels, their scores, and whether
    they were a mask; they are refused for another picture than the one that they were made from. Scores of single prompts
    are not among what they give again, as there are no prompts. Other tools' labels are
    brought to 1..K by :func:`mitobench.images.as_labels` and get a score of 1 each.
    """

    encoder_key: str | None = None

    def __init__(self, options: PredictionsOptions, context: BuildContext) -> None:
        self._options = options

    @cached_property
    def _catalogue(self) -> Catalogue:
        return Catalogue(self._options.folder, suffix=self._options.suffix, first_page=self._options.first_page)

    @property
    def seconds_per_image(self) -> float | None:
        """As the user gave it."""
        return self._options.seconds_per_image

    def check_images(self, ids: Collection[str]) -> None:
        """Check that each of these images has a label image of its own. Raises DataError where one has not."""
        self._catalogue.check(ids, missing_allowed=self._options.missing == "empty")

    def encode(self, images: Sequence[NDArray[np.uint8]]) -> Sequence[Encoding]:
        """One None per image."""
        return [None] * len(images)

    def segment(self, encoding: Encoding, sample: Sample, prompts: Prompts) -> Segmentation:
        """Read the segmentation of one image.

        Raises:
            DataError: none for this image, several, of another size, made from another image, or damaged.
        """
        place = self._catalogue.find(sample.id)
        if place is None:
            if self._options.missing == "empty":
                return Segmentation(labels=np.zeros(sample.shape, np.int32), scores=np.zeros(0, np.float32))
            raise DataError(
                f"{self._options.folder}: no label image for {sample.id!r}. Add it, or count it as empty with missing=empty."
            )
        ours = origin_of(place.path)
        if ours is not None:
            if ours.origin and sample.origin and ours.origin != sample.origin:
                raise DataError(
                    f"{place.path}: is the prediction of {ours.image!r} in a run on other images than this {sample.id!r}; expected the "
                    "predictions of a run on the same data."
                )
            if place.path.with_suffix(".npz").is_file() and place.path.stem == safe_name(sample.id):
                return self._as_stored(place, ours, sample)
        return self._from_labels(place, sample, ours is not None and ours.semantic)

    def _as_stored(self, place: Place, ours: Origin, sample: Sample) -> Segmentation:
        stored = read_prediction(place.path.parent, cell=ours.cell, image=sample.id, shape=sample.shape)
        if stored.prompts.targets is not None and not self._options.looks_at_reference():
            raise DataError(
                f"{place.path}: was made from prompts that came from the reference, so it is an oracle's; say so with oracle=true, or give "
                "the folder in the run that it is from."
            )
        found = stored.segmentation
        return Segmentation(labels=found.labels, scores=found.scores, semantic=found.semantic)

    def _from_labels(self, place: Place, sample: Sample, was_mask: bool) -> Segmentation:
        stored = read_labels(place.path, place.page, sample.shape)
        if was_mask:  # its components have ids already
            found = as_labels(stored, name=str(place), reference="instance")._replace(semantic=True)
        else:
            asked = self._options.labels
            rule = ("semantic" if self._masks else "instance") if asked == "auto" else asked
            found = as_labels(stored, name=str(place), reference=rule)
        count = int(found.labels.max(initial=0))
        return Segmentation(labels=found.labels, scores=np.ones(count, np.float32), semantic=found.semantic)

    @cached_property
    def _masks(self) -> bool:
        """Whether exactly one value besides 0 occurs in all files together; files that hold no labels do not count."""
        values: set[int] = set()
        for path in self._catalogue.paths:
            if origin_of(path) is not None:
                return False
            for plane in stored_planes(path, self._options.max_pixels):
                if plane.ndim == 2 and plane.dtype.kind in "biu":
                    values |= set(distinct_labels(plane))
                if len(values) > 1:
                    return False
        return bool(values)
