"""The samples that a SAM is trained on: checked once, kept in memory as far as they fit, with augmented copies."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mitobench.errors import DataError
from mitobench.hashing import hash_array
from mitobench.interfaces import DataSource
from mitobench.masks import numbered_labels
from mitobench.samples import Sample, SampleRef
from mitobench.seeds import derive_rng
from mitobench.training.augmentation import Augmentation, augment
from mitobench.training.broad_augmentation import vary
from mitobench.training.holdout import hold_out
from mitobench_sam.trainer_options import PUBLISHED_AUGMENTATION, PromptedTrainingOptions

__all__ = ["TrainingImages", "change_of", "read_images"]

CACHE_BYTES = 2 << 30

Change = Callable[[Sample, np.random.Generator], Sample]


def change_of(options: PromptedTrainingOptions) -> Change:
    """What makes the augmented copies that some options ask for."""
    if options.augmentation == "broad":
        return vary
    how = Augmentation(**{name: getattr(options, option) for option, name in PUBLISHED_AUGMENTATION.items()})
    return lambda sample, rng: augment(sample, how, rng)


@dataclass(frozen=True)
class Facts:
    """What one reading of every sample showed: origins and groups, each once and sorted, and the number of objects."""

    origins: tuple[str, ...]
    groups: tuple[str, ...]
    objects: int


class TrainingImages:
    """Those samples of a data source that hold an object.

    Args:
        refs: the samples; all are read once now.
        min_area: objects with fewer pixels do not count.
        seed: of the augmented copies.
        change: makes such a copy; by default the published augmentation as it was published.

    Raises:
        DataError: a sample without reference.
    """

    def __init__(self, refs: Sequence[SampleRef], min_area: int, seed: int, change: Change | None = None) -> None:
        self._change = change or change_of(PromptedTrainingOptions.model_validate({}))
        self._cache: OrderedDict[tuple[int, int], Sample] = OrderedDict()
        self._bytes, self._seed = 0, seed
        self._refs = list(refs)
        origins, groups, objects, useful = set(), set(), 0, []
        for index, ref in enumerate(self._refs):
            sample = self._sample(index)
            origins.add(sample.origin or hash_array(sample.image))
            groups.add(ref.group)
            areas = np.bincount(np.asarray(sample.labels).reshape(-1))[1:]
            objects += int((areas >= min_area).sum())
            if (areas >= min_area).any():
                useful.append(index)
        self._useful = useful
        self.facts = Facts(tuple(sorted(origins)), tuple(sorted(group for group in groups if group)), objects)

    def __len__(self) -> int:
        return len(self._useful)

    def __getitem__(self, index: int) -> Sample:
        """Sample ``index`` of those that hold an object, its labels numbered 1..K."""
        return self._sample(self._useful[index])

    def copy(self, index: int, number: int, *, keep: bool) -> Sample:
        """Copy ``number`` of a sample: 0 = as it is, others augmented, the same each time; ``keep`` = asked for again."""
        sample = self[index]
        if number == 0:
            return sample
        if keep and (self._useful[index], number) in self._cache:
            return self._cached((self._useful[index], number))
        changed = self._change(sample, derive_rng(self._seed, "augmentation", sample.id, number))
        if keep:
            self._remember((self._useful[index], number), changed)
        return changed

    def _sample(self, index: int) -> Sample:
        if (index, 0) in self._cache:
            return self._cached((index, 0))
        sample = _numbered(self._refs[index].load())
        self._remember((index, 0), sample)
        return sample

    def _cached(self, key: tuple[int, int]) -> Sample:
        self._cache.move_to_end(key)
        return self._cache[key]

    def _remember(self, key: tuple[int, int], sample: Sample) -> None:
        self._cache[key] = sample
        self._bytes += _nbytes(sample)
        while self._bytes > CACHE_BYTES and len(self._cache) > 1:
            self._bytes -= _nbytes(self._cache.popitem(last=False)[1])


def _nbytes(sample: Sample) -> int:
    return sample.image.nbytes + (0 if sample.labels is None else sample.labels.nbytes)


def _numbered(sample: Sample) -> Sample:
    if sample.labels is None:
        raise DataError(
            f"training sample {sample.id!r} has no reference; expected labels for every training and validation sample."
        )
    return replace(sample, labels=numbered_labels(sample.labels))


def read_images(
    training: DataSource,
    validation: DataSource | None,
    *,
    share: float,
    min_area: int,
    seed: int,
    change: Change | None = None,
) -> tuple[TrainingImages, TrainingImages]:
    """The samples to learn from and those to choose the best checkpoint by; samples without objects are left out.

    Without a validation source the last ``share`` of the training samples, at least one, are held out, in their order: a
    block, because neighbouring sections of a volume show the same objects. ``change`` makes augmented copies of the former.

    Raises:
        DataError: no samples, a sample without reference, too few for a validation block, or no object.
    """
    learn, judge = hold_out(training, validation, share)
    pools = TrainingImages(learn, min_area, seed, change), TrainingImages(judge, min_area, seed)
    for pool, refs, part in zip(pools, (learn, judge), ("training", "validation"), strict=True):
        if not len(pool):
            raise DataError(
                f"none of the {len(refs)} {part} samples holds an object of {min_area} pixel(s) or more; expected at least one. "
                "Check that the labels belong to the images, or give min_area= or a validation source."
            )
    return pools
