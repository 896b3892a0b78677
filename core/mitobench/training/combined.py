"""Several data sources as one, for training on all of them."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from mitobench.errors import DataError
from mitobench.hashing import hash_data
from mitobench.interfaces import DataSource
from mitobench.samples import Sample, SampleRef

__all__ = ["CombinedSource"]


class CombinedSource:
    """The samples of several data sources, evenly mixed, so that any block of them has its share of each.

    A sample's id is preceded by its source's number, counted from 1: ``"2/t000"``.

    Args:
        sources: at least one.
    """

    def __init__(self, sources: Sequence[DataSource]) -> None:
        if not sources:
            raise DataError("combined data sources: none was given; expected at least one.")
        self._sources = tuple(sources)

    @property
    def fingerprint(self) -> str:
        """A hash of the sources' fingerprints, in their order."""
        return hash_data({"combined": [source.fingerprint for source in self._sources]})

    def refs(self) -> Iterator[SampleRef]:
        """All samples: those of a source keep their order, and lie evenly among the others."""
        listed = [list(source.refs()) for source in self._sources]
        order = sorted(
            ((place + 0.5) / len(refs), number, place)
            for number, refs in enumerate(listed)
            for place in range(len(refs))
        )
        for _, number, place in order:
            yield _renamed(listed[number][place], number + 1)


def _renamed(ref: SampleRef, number: int) -> SampleRef:
    return replace(ref, id=f"{number}/{ref.id}", read=_Renamed(ref, number))


class _Renamed:
    """Reads a sample under its new id; picklable."""

    def __init__(self, ref: SampleRef, number: int) -> None:
        self._ref, self._number = ref, number

    def __call__(self) -> Sample:
        sample = self._ref.load()
        return replace(sample, id=f"{self._number}/{sample.id}")
