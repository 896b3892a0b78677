"""Validation samples are a block at the end, and there is always something to learn from."""

import pytest
from mitobench_toy_components import Discs, DiscsOptions

from mitobench.errors import DataError
from mitobench.interfaces import BuildContext
from mitobench.training.holdout import hold_out


def discs(n):
    return Discs(DiscsOptions(n=n), BuildContext())


def ids(refs):
    return [ref.id for ref in refs]


@pytest.mark.parametrize(("share", "held"), [(0.0, 1), (0.1, 1), (0.25, 2), (0.5, 5)])
def test_the_last_share_is_held_out_in_order_and_at_least_one(share, held):
    learn, judge = hold_out(discs(10), None, share)
    assert len(judge) == held
    assert ids(learn) + ids(judge) == [f"disc{i}" for i in range(10)]


def test_a_validation_source_is_taken_whole_and_nothing_is_held_out():
    learn, judge = hold_out(discs(3), discs(2), 0.5)
    assert (len(learn), len(judge)) == (3, 2)


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_samples_are_refused_with_what_to_do(n):
    with pytest.raises(DataError, match=rf"has {n} sample\(s\); expected at least one to learn from"):
        hold_out(discs(n), None, 0.2)


def test_an_empty_validation_source_is_refused():
    with pytest.raises(DataError, match="validation data source has no samples"):
        hold_out(discs(3), discs(0), 0.2)
