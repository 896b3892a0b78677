"""Splits are blocks in order, with a gap between them; sections can be named one by one."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mitobench.errors import DataError, UsageError
from mitobench.options import parse_options
from mitobench_data.options import SectionOptions
from mitobench_data.splits import SPLITS, block_split, choose_sections, parse_sections


@st.composite
def fractions(draw):
    parts = draw(st.lists(st.integers(0, 10), min_size=4, max_size=4).filter(lambda p: sum(p) > 0))
    return dict(zip(SPLITS, (part / sum(parts) for part in parts), strict=False))


@given(st.integers(0, 200), fractions(), st.integers(0, 5))
def test_splits_never_overlap_and_respect_the_gap(count, shares, gap):
    blocks = [block for block in block_split(count, **shares, gap=gap).values() if block]
    for first, second in pairwise(blocks):
        assert second.start >= first.stop + gap
    assert all(0 <= block.start < block.stop <= count for block in blocks)


@given(st.integers(10, 200), fractions(), st.integers(0, 2))
def test_each_block_is_as_large_as_its_fraction_to_one_section(count, shares, gap):
    blocks = block_split(count, **shares, gap=gap)
    usable = count - gap * (sum(share > 0 for share in shares.values()) - 1)
    for name in SPLITS:
        assert abs(len(blocks[name]) - shares[name] * usable) <= 1


@given(st.integers(1, 100), st.floats(0.05, 0.95))
def test_fractions_that_add_up_to_one_leave_only_the_gap(count, share):
    blocks = block_split(count, train=share, val=0, test=1 - share, gap=0)
    assert [*blocks["train"], *blocks["test"]] == list(range(count))


def test_the_defaults_cut_fourteen_sections_into_nine_a_gap_and_four():
    options = SectionOptions()
    blocks = block_split(14, **{name: options.fraction(name) for name in SPLITS}, gap=1)
    assert (blocks["train"], blocks["val"], blocks["test"]) == (range(9), range(0), range(10, 14))


def test_three_blocks_have_two_gaps():
    blocks = block_split(22, train=0.5, val=0.25, test=0.25, gap=1)
    assert (blocks["train"], blocks["val"], blocks["test"]) == (range(10), range(11, 16), range(17, 22))


def test_a_volume_shorter_than_its_gaps_gives_empty_blocks():
    assert not any(block_split(2, train=0.4, val=0.3, test=0.3, gap=3).values())


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("0-8", range(9)),
        ("10-", range(10, 14)),
        (3, [3]),
        ("3", [3]),
        ("0-2,7,12-", [0, 1, 2, 7, 12, 13]),
        ([5, "1-2"], [1, 2, 5]),
        (["0,2"], [0, 2]),
        ("4,4,3-5", [3, 4, 5]),
    ],
)
def test_sections_are_named_by_number_and_range(given, expected):
    assert choose_sections(given, 14, name="em.tif") == list(expected)


@pytest.mark.parametrize("given", ["a", "-3", "5-2", "1--3", "", "1.5", -1, ["x"]])
def test_what_is_no_range_is_refused(given):
    with pytest.raises(ValueError, match="no range of sections"):
        parse_sections(given)


@pytest.mark.parametrize("given", ["0-14", 14, "20-", "3,99"])
def test_a_section_that_is_not_there_is_refused(given):
    with pytest.raises(DataError, match=r"em\.tif: sections=.*there are 14, numbered 0 to 13"):
        choose_sections(given, 14, name="em.tif")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sections": "5-2"}, "no range of sections"),
        ({"train": 0.8, "val": 0.3}, "more than 1"),
        ({"split": "val"}, "fraction 0"),
        ({"split": "test", "train": 1.0}, "fraction 0"),
        ({"split": "tets"}, "'train', 'val' or 'test'"),
        ({"gap": -1}, "greater than or equal to 0"),
        ({"trian": 0.5}, "Did you mean 'train'"),
        ({"shuffle": True}, "unknown option"),
    ],
)
def test_options_that_make_no_sense_are_usage_errors(values, message):
    with pytest.raises(UsageError, match=message):
        parse_options(SectionOptions, values, owner="tiff-stack")


def test_the_test_fraction_is_what_the_others_leave():
    assert SectionOptions(train=0.6, val=0.1).fraction("test") == pytest.approx(0.3)
    assert SectionOptions(train=0.6, val=0.1, test=0.2).fraction("test") == 0.2


def test_named_sections_need_no_fraction():
    assert SectionOptions(sections="0-3", split="val").split == "val"
