"""Random choices of samples: nested, seeded, in the source's order."""

import pytest
from mitobench_toy_components import Discs, DiscsOptions

from mitobench.errors import UsageError
from mitobench.interfaces import BuildContext
from mitobench.training.subsets import nested_subsets


def source(n=12, seed=0):
    return Discs(DiscsOptions(n=n, seed=seed), BuildContext())


def ids(subset):
    return [ref.id for ref in subset.refs()]


def test_larger_choices_hold_the_smaller_ones_in_the_source_s_order():
    whole = ids(source())
    chosen = nested_subsets(source(), (5, 1, None, 2), seed=0)
    assert list(chosen) == [1, 2, 5, 12]
    for size, subset in chosen.items():
        assert len(ids(subset)) == size
        assert ids(subset) == sorted(ids(subset), key=whole.index)
    assert set(ids(chosen[1])) < set(ids(chosen[2])) < set(ids(chosen[5])) < set(ids(chosen[12]))
    assert [ref.load().id for ref in chosen[2].refs()] == ids(chosen[2])


def test_the_seed_decides_and_seeds_differ():
    first = [ids(nested_subsets(source(), (4,), seed=0)[4]) for _ in range(2)]
    assert first[0] == first[1]
    assert len({tuple(ids(nested_subsets(source(), (4,), seed=s)[4])) for s in range(6)}) > 1


def test_a_fingerprint_is_that_of_the_source_and_the_choice():
    chosen = nested_subsets(source(), (1, 2, None), seed=0)
    other = nested_subsets(source(seed=1), (1, 2), seed=0)
    assert chosen[12].fingerprint == source().fingerprint
    assert len({chosen[n].fingerprint for n in chosen} | {other[n].fingerprint for n in other}) == 5


@pytest.mark.parametrize(("n", "sizes"), [(3, (1, 4)), (0, (None,)), (3, (0, 1))])
def test_more_than_there_are_cannot_be_chosen(n, sizes):
    with pytest.raises(UsageError, match="expected 1 to"):
        nested_subsets(source(n), sizes, seed=0)
