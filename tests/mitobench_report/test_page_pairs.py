"""The page shows the pairs with rank 1 alone, however many cells there are, and the seconds that the leaderboard has."""

import re
from dataclasses import replace
from itertools import combinations

import pytest

from mitobench.ranking.leaderboard import build_leaderboard
from mitobench.ranking.standings import Comparison, Leaderboard
from mitobench_report.page.datasets import chart_rows


@pytest.fixture(scope="module")
def table(pages, toy_run):
    """A table of four ranked cells with every pair of them."""
    table = build_leaderboard(pages.evidence(toy_run), resamples=0).tables[0]
    first = next(row for row in table.rows if row.rank == 1)
    rows = tuple(replace(first, rank=n + 1, cell=f"{n}" * 32, segmenter=f"segmenter {n}") for n in range(4))
    pairs = tuple(
        Comparison(first=one.cell, second=two.cell, difference=0.125, low=None, high=None, groups=7, left_out=left_out)
        for left_out, (one, two) in enumerate(combinations(rows, 2))
    )
    return replace(table, rows=rows, comparisons=pairs)


def section(page):
    """What the page says of pairs, without elements."""
    found = page[page.index("with rank 1 compared on") - 40 :]
    return " ".join(re.sub("<[^>]*>", " ", found[: found.index("</details>")]).split())


def test_only_pairs_with_rank_1_are_listed_and_where_the_others_are_is_said(pages, toy_run, table):
    text = section(pages.render(toy_run, board=Leaderboard(tables=(table,)), images=0, compare=0))
    assert f"3 pairs with rank 1 compared on {table.primary}" in text
    assert "All 6 pairs are in the JSON of this leaderboard" in text
    assert text.count("0.125") == 3
    assert text.count("segmenter 0") == 3
    assert all(text.count(f"segmenter {n}") == 1 for n in (1, 2, 3))


def test_a_pair_says_how_much_was_left_out_of_it(pages, toy_run, table):
    text = section(pages.render(toy_run, board=Leaderboard(tables=(table,)), images=0, compare=0))
    assert [int(n) for n in re.findall(r"7 (\d) left out, where only one is defined", text)] == [1, 2]


def test_where_those_are_all_pairs_nothing_more_is_promised(pages, toy_run, table):
    two = replace(table, rows=table.rows[:2], comparisons=table.comparisons[:1])
    text = section(pages.render(toy_run, board=Leaderboard(tables=(two,)), images=0, compare=0))
    assert "1 pair with rank 1 compared" in text
    assert "in the JSON" not in text


def test_the_seconds_of_charts_and_table_are_the_leaderboards_and_no_sum_of_means(pages, toy_run, table):
    """Means of the parts are over the images that know them; the leaderboard's sum is over those that know all."""
    costs = {"seconds_encode": 1.0, "seconds_prompt": 2.0, "seconds_segment": 4.0, "seconds": 6.25}
    unknown = {**costs, "seconds": None}
    rows = (replace(table.rows[0], costs=costs), replace(table.rows[1], costs=unknown))
    timed = replace(table, rows=rows, comparisons=())
    scores = chart_rows(timed, pages.evidence(toy_run), {row.cell: row.cell for row in rows})["scores"]
    names = scores["columns"]
    seconds = {(row[names.index("name")], row[names.index("seconds")]) for row in scores["rows"]}
    assert {paid for _, paid in seconds} == {6.25, None}
    page = pages.render(toy_run, board=Leaderboard(tables=(timed,)), images=0, compare=0)
    assert 'data-sort="6.25"' in page
    assert 'data-sort="7.0"' not in page
