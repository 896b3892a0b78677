"""The training samples: checked once, kept in memory as far as they fit, and cut into random patches."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from mitobench.errors import DataError
from mitobench.hashing import hash_array
from mitobench.interfaces import DataSource
from mitobench.masks import numbered_labels
from mitobench.samples import Sample, SampleRef
from mitobench.training.holdout import hold_out
from mitobench_unet.augmentation import Augmentation, change_intensities, cut, random_geometry
from mitobench_unet.intensities import Levels, as_planes, find_levels

__all__ = ["Facts", "Patch", "Pool", "read_pools"]

CACHE_BYTES = 1 << 30
_PARTIAL_RIM = 8


@dataclass(frozen=True, eq=False)
class _Picture:
    """One sample as patches are cut from it: labels numbered 1..K, boxes (K, 4) half-open (y0, x0, y1, x1)."""

    sample: Sample
    labels: NDArray[np.int32]
    ignore: NDArray[np.bool_] | None
    levels: Levels
    boxes: NDArray[np.int32]

    @property
    def nbytes(self) -> int:
        planes = (self.sample.image, self.labels, self.ignore, self.boxes)
        return sum(plane.nbytes for plane in planes if plane is not None)


@dataclass(frozen=True, eq=False)
class Patch:
    """float32 (C, P, P) planes, int32 (P, P) labels and bool (P, P) pixels that do not count."""

    planes: NDArray[np.float32]
    labels: NDArray[np.int32]
    ignore: NDArray[np.bool_]


@dataclass(frozen=True)
class Facts:
    """What one reading of every sample showed.

    Attributes:
        origins, groups: of all samples, each once, sorted.
        areas: pixels of every object.
        semantic: every reference is the components of a binary mask.
    """

    origins: tuple[str, ...]
    groups: tuple[str, ...]
    areas: tuple[int, ...]
    semantic: bool


class Pool:
    """Samples with references, from which random patches are drawn.

    A sample is drawn in proportion to the number of patches that cover it, whatever the data source's own patch size.

    Args:
        refs: the samples; all are read once now.

    Raises:
        DataError: a sample without reference.
    """

    def __init__(self, refs: Sequence[SampleRef], patch: int) -> None:
        self.refs = tuple(refs)
        self.patch = patch
        self._cache: OrderedDict[int, _Picture] = OrderedDict()
        self._cached_bytes = 0
        origins, groups, areas, covers, semantic = set(), set(), [], [], True
        for index in range(len(self.refs)):
            picture = self._picture(index)
            sample = picture.sample
            origins.add(sample.origin or hash_array(sample.image))
            groups.add(sample.group)
            areas += np.bincount(picture.labels.reshape(-1))[1:].tolist()
            covers.append(int(np.prod([-(-side // patch) for side in sample.shape])))
            semantic &= sample.semantic
        self.facts = Facts(tuple(sorted(origins)), tuple(sorted(groups)), tuple(areas), semantic)
        self._shares = np.cumsum(covers) / max(1, sum(covers))

    def __len__(self) -> int:
        return len(self.refs)

    def judged(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.int32], NDArray[np.bool_] | None]:
        """Image, reference labels numbered 1..K and the pixels that do not count of sample ``index``."""
        picture = self._picture(index)
        return picture.sample.image, picture.labels, picture.ignore

    def draw(self, channels: int, augmentation: Augmentation, object_share: float, rng: np.random.Generator) -> Patch:
        """Draw one augmented patch; ``object_share`` of them are centred near an object."""
        picture = self._picture(int(np.searchsorted(self._shares, rng.random(), side="right").clip(0, len(self) - 1)))
        geometry = random_geometry(self._centre(picture, object_share, rng), self.patch, augmentation, rng)
        values = picture.levels.normalise(cut(picture.sample.image, geometry, nearest=False))
        labels = cut(picture.labels, geometry, nearest=True).astype(np.int32)
        ignore = np.zeros(labels.shape, np.bool_)
        if picture.ignore is not None:
            ignore = cut(picture.ignore, geometry, nearest=True) > 0
        return Patch(change_intensities(as_planes(values, channels), augmentation, rng), labels, ignore)

    def _centre(self, picture: _Picture, object_share: float, rng: np.random.Generator) -> tuple[float, float]:
        sides = picture.sample.shape
        free = [float(rng.uniform(min(self.patch, s) / 2, max(s - self.patch / 2, s / 2))) for s in sides]
        if len(picture.boxes) == 0 or rng.random() >= object_share:
            return free[0], free[1]
        y0, x0, y1, x1 = (float(v) for v in picture.boxes[int(rng.integers(len(picture.boxes)))])
        jitter = self.patch / 3
        return (
            float(rng.uniform(y0, y1) + rng.uniform(-jitter, jitter)),
            float(rng.uniform(x0, x1) + rng.uniform(-jitter, jitter)),
        )

    def _picture(self, index: int) -> _Picture:
        if index in self._cache:
            self._cache.move_to_end(index)
            return self._cache[index]
        picture = _prepare(self.refs[index].load())
        self._cache[index] = picture
        self._cached_bytes += picture.nbytes
        while self._cached_bytes > CACHE_BYTES and len(self._cache) > 1:
            self._cached_bytes -= self._cache.popitem(last=False)[1].nbytes
        return picture


def _prepare(sample: Sample) -> _Picture:
    if sample.labels is None:
        raise DataError(
            f"training sample {sample.id!r} has no reference; expected labels for every training and validation sample."
        )
    labels = numbered_labels(sample.labels)
    boxes = [[r.start, c.start, r.stop, c.stop] for r, c in ndimage.find_objects(labels)]
    return _Picture(
        sample, labels, _uncounted(sample), find_levels(sample.image), np.array(boxes, np.int32).reshape(-1, 4)
    )


def _uncounted(sample: Sample) -> NDArray[np.bool_] | None:
    """Declared ignored pixels and, where only some objects are annotated, what lies away from all annotated ones."""
    if not sample.partial or sample.labels is None:
        return sample.ignore
    near = ndimage.binary_dilation(sample.labels > 0, np.ones((3, 3), bool), iterations=_PARTIAL_RIM)
    far = np.asarray(~near, np.bool_)
    return far if sample.ignore is None else far | sample.ignore


def read_pools(training: DataSource, validation: DataSource | None, patch: int, share: float) -> tuple[Pool, Pool]:
    """The samples to learn from and those to choose the best checkpoint by.

    Without a validation source the last ``share`` of the training samples, at least one, are held out, in their order: a
    block, because neighbouring sections of a volume show the same objects.

    Args:
        training, validation: data sources.
        patch: side of a patch in pixels.
        share: of the training samples.

    Raises:
        DataError: no samples, a sample without reference, too few for a validation block, or no object in one of the two.
    """
    learn, judge = hold_out(training, validation, share)
    pools = Pool(learn, patch), Pool(judge, patch)
    if not pools[0].facts.areas:
        raise DataError(
            f"none of the {len(learn)} training samples holds an object; expected labels above 0. Check that the labels belong to the images."
        )
    if not pools[1].facts.areas:
        raise DataError(
            f"none of the {len(judge)} validation samples holds an object; expected at least one. "
            "Check that the labels belong to the images, or give a validation source or a larger validation_share=."
        )
    return pools
