"""The training samples as the network's inputs: read once, checked, and kept in memory, three bytes a pixel."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from mitobench.errors import DataError
from mitobench.hashing import hash_array
from mitobench.interfaces import DataSource
from mitobench.samples import Sample, SampleRef
from mitobench.training.holdout import hold_out
from mitobench_keras.inference import inputs_resized
from mitobench_keras.intensities import as_grey
from mitobench_keras.tiles import cut, resized, resized_mask, tile_corners

__all__ = ["Pool", "read_pools"]

_PARTIAL_RIM = 8


@dataclass(frozen=True, eq=False)
class Pool:
    """The inputs of some samples, in the samples' order.

    Attributes:
        images: uint8 (N, S, S), grey.
        targets: bool (N, S, S), foreground of the reference.
        counted: bool (N, S, S), False where neither loss nor score counts.
        samples: how many samples they come from.
        origins, groups: of those samples, each once, sorted.
    """

    images: NDArray[np.uint8]
    targets: NDArray[np.bool_]
    counted: NDArray[np.bool_]
    samples: int
    origins: tuple[str, ...]
    groups: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.images)


def read_pools(
    training: DataSource,
    validation: DataSource | None,
    *,
    size: int,
    tiling: Literal["patches", "resize"],
    share: float,
) -> tuple[Pool, Pool]:
    """The inputs to learn from and those to choose the best weights by.

    Without a validation source the last ``share`` of the training samples, at least one, are held out, in their order: a
    block, because neighbouring sections of a volume show the same objects.

    Args:
        training, validation: data sources.
        size: side of an input in pixels.
        tiling: samples to tiles without overlap, or each resized to one input.
        share: of the training samples.

    Raises:
        DataError: no samples, a sample without reference, too few for a validation block, or no object in one of the two.
    """
    learn, judge = hold_out(training, validation, share)
    pools = _read(learn, size, tiling), _read(judge, size, tiling)
    if not (pools[0].targets & pools[0].counted).any():
        raise DataError(
            f"none of the {len(learn)} training samples holds an object; expected labels above 0. Check that the labels belong to the images."
        )
    if not pools[1].counted.any():
        raise DataError(
            f"none of the {len(judge)} validation samples has a pixel that counts; expected some outside ignore. Give other ones."
        )
    if not (pools[1].targets & pools[1].counted).any():
        raise DataError(
            f"none of the {len(judge)} validation samples holds an object; expected at least one. "
            "Check that the labels belong to the images, or give a validation source or a larger validation_share=."
        )
    return pools


def _read(refs: Sequence[SampleRef], size: int, tiling: Literal["patches", "resize"]) -> Pool:
    images: list[NDArray[np.generic]] = []
    targets: list[NDArray[np.generic]] = []
    counted: list[NDArray[np.generic]] = []
    origins, groups = set(), set()
    for ref in refs:
        sample = ref.load()
        foreground, counts = _reference(sample)
        grey = as_grey(sample.image)
        if tiling == "resize":
            images.append(inputs_resized(grey, size))
            targets.append(resized_mask(foreground, (size, size)))
            counted.append(resized(counts, (size, size)) >= 1)
        else:
            for corner in tile_corners(sample.shape, size):
                for planes, plane in ((images, grey), (targets, foreground), (counted, counts)):
                    planes.append(cut(plane, corner, size))
        origins.add(sample.origin or hash_array(sample.image))
        groups.add(sample.group)
    return Pool(
        np.array(images, np.uint8),
        np.array(targets, np.bool_),
        np.array(counted, np.bool_),
        len(refs),
        tuple(sorted(origins)),
        tuple(sorted(groups)),
    )


def _reference(sample: Sample) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Foreground and counted pixels, bool (H, W) each.

    Ignored pixels do not count nor, where only some objects are annotated, does what lies away from all annotated ones.
    """
    if sample.labels is None:
        raise DataError(
            f"training sample {sample.id!r} has no reference; expected labels for every training and validation sample."
        )
    foreground = sample.labels > 0
    counts = np.ones(sample.shape, np.bool_) if sample.ignore is None else ~sample.ignore
    if sample.partial:
        counts &= ndimage.binary_dilation(foreground, np.ones((3, 3), bool), iterations=_PARTIAL_RIM)
    return foreground, counts
