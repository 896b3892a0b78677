"""Ranks over data sources: averaged, tested where there are enough, and never averaged over what was not seen."""

import numpy as np
import pytest
from scipy import stats

from mitobench.ranking.mean_ranks import RankedSource, rank_over_sources
from mitobench.ranking.places import Ranking
from mitobench.ranking.resampling import resample
from mitobench.ranking.significance import critical_difference
from mitobench.ranking.standings import Column
from mitobench.ranking.statistics import estimate


class Cell:
    """What this module reads of a cell's evidence."""

    def __init__(self, name, source):
        self.key = f"{name}-{source}"
        self.record = {
            "prompter": {"key": "none", "label": "none"},
            "segmenter": {"key": name, "label": name},
            "seed": 0,
        }


def source(title, scores, *, oracle=False, column="F1", higher_is_better=True):
    """One data source where each cell has these scores, one per group."""
    cells = {name: Cell(name, title) for name in scores}
    length = len(next(iter(scores.values())))
    drawn = resample([f"g{i}" for i in range(length)], 200, data=title)

    def made(values):
        rows = np.stack([np.ones(length), np.array(values, float)], axis=1)
        return estimate(lambda t: {"x": t["x"] / t["n"]}, ("n", "x"), rows, drawn)["x"][0]

    ranking = Ranking(
        column=Column(name=column, metric="m@1", higher_is_better=higher_is_better),
        cells=tuple(cells.values()),
        estimates={cells[name].key: made(values) for name, values in scores.items()},
        units=length,
    )
    return RankedSource(title=title, oracle=oracle, ranking=ranking)


def constant(**scores):
    return {name: [value] * 6 for name, value in scores.items()}


def test_ranks_are_averaged_and_equals_share_theirs():
    (found,) = rank_over_sources(
        [source("em", constant(a=0.9, b=0.8, c=0.8)), source("nuclei", constant(a=0.5, b=0.7, c=0.6))]
    )
    assert [(row.segmenter, row.mean) for row in found.rows] == [("b", 1.75), ("a", 2.0), ("c", 2.25)]
    assert found.rows[0].ranks == {"em": 2.5, "nuclei": 1.0}
    assert found.rows[0].cells == {"em": "b-em", "nuclei": "b-nuclei"}


def test_lower_is_better_where_the_column_says_so():
    tables = [source(t, constant(a=3.0, b=1.0), column="HD95", higher_is_better=False) for t in ("em", "nuclei")]
    assert [row.segmenter for row in rank_over_sources(tables)[0].rows] == ["b", "a"]


def test_the_interval_of_a_mean_rank_is_as_wide_as_the_resamples_of_its_data_sources():
    even = {"a": [0.8, 0.7] * 4, "b": [0.7, 0.8] * 4}
    (found,) = rank_over_sources([source("em", even), source("nuclei", constant(a=0.9, b=0.1))])
    assert {(row.low, row.high) for row in found.rows} == {(1.0, 1.5), (1.5, 2.0)}


def test_a_cell_that_one_data_source_lacks_has_no_mean_and_is_shown():
    (found,) = rank_over_sources(
        [source("em", constant(a=0.9, b=0.8, c=0.95)), source("nuclei", constant(a=0.5, b=0.7))]
    )
    assert [(row.segmenter, row.mean) for row in found.rows] == [("a", 1.5), ("b", 1.5), ("c", None)]
    assert found.rows[2].cells == {"em": "c-em"}
    assert found.remark == "too few for a test: 2 cells ranked on all 2 data sources, at least 3 are needed"


def test_six_data_sources_are_tested_as_scipy_does():
    scores = np.random.default_rng(0).normal(0.8, 0.1, (7, 4))
    tables = [source(f"d{i}", constant(**dict(zip("abcd", row, strict=True)))) for i, row in enumerate(scores)]
    (found,) = rank_over_sources(tables)
    expected = stats.friedmanchisquare(*(-scores).T)
    assert (found.statistic, found.p) == pytest.approx((expected.statistic, expected.pvalue))
    assert found.critical_difference == pytest.approx(critical_difference(4, 7))
    assert found.remark.startswith(f"Friedman's test over 7 data sources: p = {expected.pvalue:.2g}")


def test_fewer_data_sources_have_a_critical_difference_for_orientation_and_no_p_value():
    tables = [source(f"d{i}", constant(a=0.9, b=0.8, c=0.7)) for i in range(5)]
    (found,) = rank_over_sources(tables)
    assert (found.p, found.statistic) == (None, None)
    assert found.critical_difference == pytest.approx(critical_difference(3, 5))
    assert found.remark.startswith("too few for a test: 5 data sources, at least 6 are needed")


def test_bars_span_the_rows_that_lie_within_the_critical_difference():
    tables = [source(f"d{i}", constant(a=0.9, b=0.8, c=0.7, d=0.6)) for i in range(8)]
    (found,) = rank_over_sources(tables)
    assert 1 < found.critical_difference < 2
    assert found.bars() == ((0, 1), (1, 2), (2, 3))


def test_one_data_source_has_no_mean_ranks_and_oracles_are_ranked_apart():
    scores = constant(a=0.9, b=0.8)
    assert rank_over_sources([source("em", scores)]) == ()
    tables = [source(t, scores, oracle=oracle) for t in ("em", "nuclei") for oracle in (False, True)]
    assert [found.oracle for found in rank_over_sources(tables)] == [False, True]
    assert rank_over_sources(tables[:3])[0].data == ("em", "nuclei")


def test_data_sources_ranked_by_different_columns_are_not_averaged():
    scores = constant(a=0.9, b=0.8)
    (found,) = rank_over_sources([source("em", scores, column="F1"), source("nuclei", scores, column="Dice")])
    assert found.rows == ()
    assert found.remark == "ranked by different columns (Dice, F1); choose one with --primary"


def test_nothing_in_common_is_said():
    (found,) = rank_over_sources([source("em", constant(a=0.9)), source("nuclei", constant(b=0.8))])
    assert [row.mean for row in found.rows] == [None, None]
    assert found.remark == "no cells ranked on all 2 data sources; at least 2 are needed"
