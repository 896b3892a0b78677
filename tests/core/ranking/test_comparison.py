"""Two cells are compared on the images that both have seen, and a regression is what the user said it is."""

import json

import numpy as np
import pytest

from mitobench.errors import UsageError
from mitobench.ranking.comparison import compare_cells
from mitobench.ranking.evidence import Evidence
from mitobench.ranking.pairing import find_cells, pair_cells
from mitobench.results.runfolder import RunFolder

GOOD, BAD = "toy-threshold:threshold=70", "toy-threshold:threshold=180"
DICE = "mitobench-toy/toy-overlap@1"


@pytest.fixture
def evidence(bench, tmp_path):
    """Run segmenters on discs; the evidence of that run."""

    def of(name="run", segmenters=(GOOD, BAD), data="toy-discs:groups=6", **asked):
        bench.run(tmp_path / name, data=data, segmenters=segmenters, **asked)
        return Evidence([RunFolder.open(tmp_path / name)], bench.plugins)

    return of


def compare(first, second, **options):
    return compare_cells(first, second, resamples=200, **options)


def cell(evidence, text):
    (key,) = find_cells(evidence, text)
    return evidence, key


def test_the_difference_is_the_second_minus_the_first_for_every_score(evidence, bench, tmp_path):
    found = evidence()
    compared = compare(cell(found, GOOD), cell(found, BAD))
    rows = {row.segmenter: row for row in bench.leaderboard(tmp_path / "run").tables[0].rows}
    assert compared.primary == "Dice"
    for column in compared.columns:
        scores = [rows[label].scores[column.column.name].value for label in (GOOD, BAD)]
        assert (column.first, column.second) == pytest.approx(tuple(scores))
        assert column.difference == pytest.approx(scores[1] - scores[0])
        assert column.low <= column.difference <= column.high
    assert (compared.images, compared.total, compared.groups) == (6, 6, 6)
    assert compared.p == pytest.approx(2 / 2**6)


def test_images_are_counted_by_which_cell_is_better_on_them(evidence):
    found = evidence()
    first, second = cell(found, GOOD), cell(found, BAD)
    dice = [found.image_scores(key)[1]["Dice"] for _, key in (first, second)]
    column = compare(first, second).of("Dice")
    assert (column.better, column.equal, column.worse) == (
        int((dice[1] > dice[0]).sum()),
        int((dice[1] == dice[0]).sum()),
        int((dice[1] < dice[0]).sum()),
    )
    turned = compare(second, first).of("Dice")
    assert (turned.better, turned.worse) == (column.worse, column.better)


def test_where_lower_is_better_a_smaller_score_wins():
    from mitobench.ranking.comparison import _count

    first, second = np.array([1.0, 2.0, 3.0, np.nan]), np.array([0.5, 2.0, 4.0, 1.0])
    assert _count(first, second, False) == (1, 1, 1, 1)
    assert _count(first, second, True) == (1, 1, 1, 1)
    assert _count(first[:1], second[:1], False) == (1, 0, 0, 0)
    assert _count(first[:1], second[:1], True) == (0, 0, 1, 0)


def test_only_images_that_both_were_scored_on_count_and_the_others_are_said(evidence):
    first = evidence("a", GOOD)
    second = evidence("b", BAD, limit=4)
    compared = compare(cell(first, GOOD), cell(second, BAD))
    assert (compared.images, compared.total, compared.only_first, compared.only_second) == (4, 6, 2, 0)
    dice = [e.image_scores(key)[1]["Dice"][:4].mean() for e, key in (cell(first, GOOD), cell(second, BAD))]
    per_image = compared.of("Dice (per image)")
    assert (per_image.first, per_image.second) == pytest.approx(tuple(dice))


def test_few_groups_are_not_tested(evidence):
    found = evidence(data="toy-discs")
    compared = compare(cell(found, GOOD), cell(found, BAD))
    assert compared.p is None
    assert compared.test == "too few for a test: 1 independent group, at least 6 are needed"
    assert compared.of("Dice").low is not None


def test_a_regression_is_a_loss_beyond_what_is_allowed(evidence):
    found = evidence()
    compared = compare(cell(found, GOOD), cell(found, BAD))
    loss = compared.of("Dice").first - compared.of("Dice").second
    assert loss > 0.05
    assert compared.regression(loss + 1e-9) == ""
    assert f"worse by {loss:.4g}; 0.01 is allowed" in compared.regression(0.01)
    assert compare(cell(found, BAD), cell(found, GOOD)).regression(0) == ""


def test_images_that_were_lost_are_a_regression_however_good_the_others_are(evidence):
    first, second = evidence("a", BAD), evidence("b", GOOD, limit=5)
    compared = compare(cell(first, BAD), cell(second, GOOD))
    assert compared.regression(1.0) == "1 images that the first was scored on, the second was not"


@pytest.fixture
def half_measured(evidence, bench, tmp_path, lose_metric):
    """Two runs of one cell, the second of which a metric could not be measured on some images of; compared."""

    def of(images, metrics=("toy-overlap", "semantic"), **options):
        first = evidence("a", GOOD, metrics=metrics)
        evidence("b", GOOD, metrics=metrics)
        lose_metric(tmp_path / "b", DICE, images)
        second = Evidence([RunFolder.open(tmp_path / "b")], bench.plugins)
        there = compare(cell(first, GOOD), cell(second, GOOD), **options)
        return there, compare(cell(second, GOOD), cell(first, GOOD), **options)

    return of


def test_images_on_which_the_metric_of_the_second_failed_are_a_regression(half_measured):
    there, back = half_measured({"disc0", "disc1", "disc4"})
    assert (there.images, there.lost, there.gained) == (6, 3, 0)
    assert there.of("Dice").difference == 0
    said = "Dice could be measured on 3 images in the first and not in the second (it cannot measure this one)"
    assert there.regression(1.0) == said
    assert (back.lost, back.gained, back.regression(0.0)) == (0, 3, "")


def test_a_metric_that_failed_everywhere_stays_the_primary_one_and_is_a_regression(half_measured):
    there, _ = half_measured({f"disc{i}" for i in range(6)})
    assert there.primary == "Dice"
    column = there.of("Dice")
    assert column.first > 0.8
    assert (column.second, column.difference, column.undefined) == (None, None, 6)
    assert (there.p, there.groups) == (None, 0)
    assert "on 6 images in the first and not in the second" in there.regression(1.0)
    assert json.dumps(there.to_data(), allow_nan=False)


def test_what_is_undefined_in_one_is_left_out_of_both_and_becoming_empty_is_a_regression(evidence):
    """The second finds nothing in disc2, where HD95 is undefined; "one empty" ranks before it."""
    worse = "toy-threshold:threshold=175"
    found = evidence(segmenters=(GOOD, worse), metrics="boundary")
    first, second = cell(found, GOOD), cell(found, worse)
    compared = compare(first, second, primary="HD95 (px)")
    own = [e.image_scores(key)[1]["HD95 (px)"] for e, key in (first, second)]
    both = np.isfinite(own[0]) & np.isfinite(own[1])
    assert both.tolist() == [True, True, False, True, True, True]
    column = compared.of("HD95 (px)")
    assert (column.first, column.second) == pytest.approx(tuple(values[both].mean() for values in own))
    assert column.difference == pytest.approx(column.second - column.first)
    assert (column.left_out, compared.groups) == (1, 5)
    assert compared.regression(1000) == "one empty, which decides before HD95 (px), was 0 and is 0.1667"


def test_data_are_json(evidence):
    found = evidence()
    data = json.loads(json.dumps(compare(cell(found, GOOD), cell(found, BAD)).to_data(), allow_nan=False))
    assert data["first"]["segmenter"] == GOOD
    assert data["columns"][0]["column"]["name"] == "Dice"


def test_an_unknown_column_and_metrics_that_are_not_shared_are_refused(evidence):
    found = evidence(metrics="toy-overlap")
    with pytest.raises(UsageError, match=r"no column 'AP' in the first. There are: Dice"):
        compare(cell(found, GOOD), cell(found, BAD), primary="AP")
    other = evidence("other", BAD, metrics="semantic")
    with pytest.raises(UsageError, match="no metric in common"):
        compare(cell(found, GOOD), cell(other, BAD))


def test_cells_are_found_by_label_pattern_or_key(evidence):
    found = evidence()
    (key,) = find_cells(found, GOOD)
    assert find_cells(found, f"none x {GOOD}") == [key]
    assert find_cells(found, "*=70") == [key]
    assert find_cells(found, key[:8]) == [key]
    assert len(find_cells(found, "toy-*")) == 2
    with pytest.raises(UsageError, match=r"no cell is called 'sam'. There are: none x toy-threshold"):
        find_cells(found, "sam")


def test_two_runs_are_paired_by_labels_and_what_is_left_over_is_named(evidence):
    first = evidence("a", (GOOD, BAD))
    second = evidence("b", (GOOD, "toy-threshold"))
    pairs, alone = pair_cells((first, first.cells), (second, second.cells))
    assert pairs == [(find_cells(first, GOOD)[0], find_cells(second, GOOD)[0])]
    assert sorted(alone) == [f"none x {s}" for s in ("toy-threshold", BAD)]


def test_the_only_cells_of_two_runs_belong_together_whatever_they_are_called(evidence):
    first, second = evidence("a", GOOD), evidence("b", BAD)
    assert pair_cells((first, first.cells), (second, second.cells))[0] == [(*first.cells, *second.cells)]


def test_the_same_data_under_another_label_are_the_same_data(evidence):
    first, second = evidence("a", GOOD), evidence("b", BAD, data="toy-discs:n=6,groups=6")
    labels = {e.cells[key].record["data"]["label"] for e in (first, second) for key in e.cells}
    assert len(labels) == 2
    pairs, alone = pair_cells((first, first.cells), (second, second.cells))
    assert (pairs, alone) == ([(*first.cells, *second.cells)], [])


def test_what_cannot_be_paired_is_refused_with_what_to_do(evidence):
    found = evidence()
    with pytest.raises(UsageError, match="nothing to compare: name two different cells"):
        pair_cells((found, found.cells), (found, found.cells))
    other = evidence("other", GOOD, data="toy-discs:groups=6,seed=1")
    with pytest.raises(UsageError, match="seen no data in common: toy-discs:groups=6 "):
        pair_cells((found, found.cells), (other, other.cells))
