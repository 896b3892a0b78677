"""The data source ``synthetic``: electron microscopy or nuclei, generated from a seed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from mitobench.hashing import hash_array, hash_data
from mitobench.interfaces import BuildContext
from mitobench.samples import Sample, SampleRef
from mitobench.seeds import derive_rng
from mitobench_data.synthetic_em import generate_em
from mitobench_data.synthetic_nuclei import generate_nuclei
from mitobench_data.synthetic_options import SyntheticOptions

__all__ = ["GENERATOR_VERSION", "SyntheticSource"]

GENERATOR_VERSION = 1
"""Raised whenever the same options give other pixels."""

Generate = Callable[
    [np.random.Generator, np.random.Generator, tuple[int, int], float, float],
    tuple[NDArray[np.uint8], NDArray[np.int32]],
]

_GENERATORS: dict[str, Generate] = {"em": generate_em, "nuclei": generate_nuclei}


class SyntheticSource:
    """Generates its samples when they are read, each from its own seed, so that any number costs no memory to list.

    The same options give the same pixels, whatever is read before, in whichever process. (numpy and scipy promise that for
    the random numbers; in the last bit of floating-point functions they may differ between processors and versions, which
    can move a rare pixel by one grey level.)

    Args:
        options: what to generate.
        context: not used; the seed is an option, since it says which images these are.
    """

    def __init__(self, options: SyntheticOptions, context: BuildContext) -> None:
        del context
        self._options = options

    @property
    def fingerprint(self) -> str:
        """A hash of the options and the generator's version."""
        return hash_data({"synthetic": GENERATOR_VERSION, "options": self._options.identity()})

    def refs(self) -> Iterator[SampleRef]:
        """The samples in the order of their index, none of them generated yet."""
        for index in range(self._options.n):
            place = _place(self._options, index)
            read = partial(read_sample, self._options, index)
            yield SampleRef(id=place.id, group=place.group, split=place.split, read=read)


@dataclass(frozen=True)
class _Place:
    id: str
    group: str
    split: str
    volume: int


def _place(options: SyntheticOptions, index: int) -> _Place:
    stem = f"{options.kind}-{options.split}-{options.seed}"
    volume = index // options.group_size
    split = "" if options.split == "all" else options.split
    return _Place(id=f"{stem}-{index:06d}", group=f"{stem}-volume-{volume:06d}", split=split, volume=volume)


def read_sample(options: SyntheticOptions, index: int) -> Sample:
    """Generate one sample: uint8 (H, W) image, int32 (H, W) labels with ids 1..K."""
    place = _place(options, index)
    names = (options.kind, options.split)
    image, labels = _GENERATORS[options.kind](
        derive_rng(options.seed, "synthetic-volume", *names, place.volume),
        derive_rng(options.seed, "synthetic", *names, index),
        options.size,
        options.pixel_nm,
        options.objects,
    )
    return Sample(
        id=place.id,
        image=image,
        labels=labels,
        group=place.group,
        split=place.split,
        pixel_size_nm=(options.pixel_nm, options.pixel_nm),
        origin=hash_array(image),
    )
