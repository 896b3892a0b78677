"""Several data sources as one."""

import pickle

import numpy as np
import pytest

from mitobench.errors import DataError
from mitobench.samples import Sample, SampleRef
from mitobench.training.combined import CombinedSource


class Numbered:
    """Samples ``0`` .. ``n - 1`` whose pixels hold their number."""

    def __init__(self, n, start):
        self.n, self.start = n, start
        self.fingerprint = f"{n} from {start}"

    def refs(self):
        for index in range(self.n):
            yield SampleRef(id=str(index), group=f"g{self.start}", read=Reader(index, self.start))


class Reader:
    def __init__(self, index, start):
        self.index, self.start = index, start

    def __call__(self):
        image = np.full((4, 4), self.start + self.index, np.uint8)
        return Sample(id=str(self.index), image=image, group=f"g{self.start}")


def test_it_holds_every_sample_of_every_source_under_a_distinct_id():
    combined = CombinedSource([Numbered(3, 0), Numbered(5, 100)])
    samples = [ref.load() for ref in combined.refs()]
    assert sorted(int(s.image[0, 0]) for s in samples) == [0, 1, 2, 100, 101, 102, 103, 104]
    assert len({s.id for s in samples}) == 8
    assert all(s.id == f"{1 + (s.image[0, 0] >= 100)}/{s.image[0, 0] % 100}" for s in samples)


def test_any_block_holds_each_sources_share_and_sources_keep_their_order():
    ids = [ref.id for ref in CombinedSource([Numbered(90, 0), Numbered(10, 100)]).refs()]
    for start in range(0, 100, 10):
        assert sum(name.startswith("2/") for name in ids[start : start + 10]) == 1
    assert [name for name in ids if name.startswith("2/")] == [f"2/{n}" for n in range(10)]


def test_its_fingerprint_depends_on_every_source_and_their_order():
    a, b = Numbered(1, 0), Numbered(2, 0)
    assert len({CombinedSource(s).fingerprint for s in ([a], [b], [a, b], [b, a])}) == 4


def test_its_references_can_go_to_another_process():
    ref = next(iter(CombinedSource([Numbered(1, 7)]).refs()))
    assert int(pickle.loads(pickle.dumps(ref)).load().image[0, 0]) == 7


def test_an_empty_source_among_others_adds_nothing():
    assert len(list(CombinedSource([Numbered(0, 0), Numbered(2, 0)]).refs())) == 2


def test_nothing_to_combine_is_an_error():
    with pytest.raises(DataError, match="at least one"):
        CombinedSource([])
