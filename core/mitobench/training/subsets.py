"""Some of the samples of a data source, chosen at random from a seed: larger choices hold the smaller ones."""

from collections.abc import Collection, Iterator

from mitobench.errors import UsageError
from mitobench.hashing import hash_data
from mitobench.interfaces import DataSource
from mitobench.samples import SampleRef
from mitobench.seeds import derive_rng

__all__ = ["SubsetSource", "nested_subsets"]


class SubsetSource:
    """The samples of a data source that are chosen, in the source's order.

    Args:
        source: a data source.
        ids: which of its samples.
    """

    def __init__(self, source: DataSource, ids: Collection[str]) -> None:
        self._source, self._ids = source, frozenset(ids)

    @property
    def fingerprint(self) -> str:
        """A hash of the source's fingerprint and the choice; the source's own where all are chosen."""
        if all(ref.id in self._ids for ref in self._source.refs()):
            return self._source.fingerprint
        return hash_data({"of": self._source.fingerprint, "ids": sorted(self._ids)})

    def refs(self) -> Iterator[SampleRef]:
        """The chosen samples."""
        return (ref for ref in self._source.refs() if ref.id in self._ids)


def nested_subsets(source: DataSource, sizes: Collection[int | None], seed: int) -> dict[int, SubsetSource]:
    """Random choices of so many samples each; every one holds the smaller ones.

    Args:
        source: a data source.
        sizes: how many samples; None = all.
        seed: another seed gives another choice.

    Returns:
        the choices by their size, ascending.

    Raises:
        UsageError: more samples are asked for than there are.
    """
    ids = [ref.id for ref in source.refs()]
    numbers = sorted({len(ids) if size is None else size for size in sizes})
    if not ids or numbers[-1] > len(ids) or numbers[0] < 1:
        raise UsageError(
            f"{numbers[-1] if ids else 'some'} training images were asked for and the data have {len(ids)}; expected 1 to {len(ids)}, or all."
        )
    order = derive_rng(seed, "subset").permutation(len(ids))
    return {number: SubsetSource(source, [ids[i] for i in order[:number]]) for number in numbers}
