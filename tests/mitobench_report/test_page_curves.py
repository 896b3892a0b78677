"""Curves from object rows agree with counting by hand, and picks with sorting."""

import numpy as np
import pytest

from mitobench_report.page.curves import confidence_curve, recall_by_size
from mitobench_report.page.datasets import chart_rows, on_front
from mitobench_report.page.picks import most_telling, pick_images


def objects(rng, references=40, predictions=60, matches=25):
    """An object table: matched pairs first, then missed references, then predictions without partner."""
    missed, alone = references - matches, predictions - matches
    score = np.round(rng.uniform(size=predictions), 2)
    return {
        "reference_id": np.r_[np.arange(1, references + 1), np.zeros(alone)].astype(float),
        "reference_area": np.r_[rng.integers(1, 5000, references), np.zeros(alone)].astype(float),
        "prediction_id": np.r_[np.arange(1, matches + 1), np.zeros(missed), np.arange(1, alone + 1)].astype(float),
        "matched": np.r_[np.ones(matches), np.zeros(missed + alone)],
        "score": np.r_[score[:matches], np.full(missed, np.nan), score[matches:]],
    }


def test_precision_recall_and_f1_are_those_of_the_predictions_kept():
    table = objects(np.random.default_rng(0))
    curve = confidence_curve(table)
    references = (table["reference_id"] > 0).sum()
    for confidence, precision, recall, f1 in zip(
        curve.confidence, curve.precision, curve.recall, curve.f1, strict=True
    ):
        kept = (table["prediction_id"] > 0) & (table["score"] >= confidence)
        right = (kept & (table["matched"] > 0)).sum()
        assert precision == right / kept.sum()
        assert recall == right / references
        assert f1 == pytest.approx(2 * right / (kept.sum() + references))


def test_many_confidences_are_thinned_but_the_ends_stay():
    table = objects(np.random.default_rng(1), predictions=3000, references=200, matches=100)
    table["score"][~np.isnan(table["score"])] = np.random.default_rng(2).uniform(size=3000)
    curve = confidence_curve(table)
    assert len(curve.confidence) <= 60
    assert curve.confidence[0] == np.nanmin(table["score"])
    assert curve.confidence[-1] == np.nanmax(table["score"])


def test_there_is_no_curve_where_confidence_tells_nothing_apart():
    table = objects(np.random.default_rng(3))
    table["score"][~np.isnan(table["score"])] = 1.0
    assert confidence_curve(table) is None


def test_there_is_no_curve_without_reference_objects():
    table = objects(np.random.default_rng(4), references=0, matches=0)
    assert confidence_curve(table) is None


def test_recall_by_size_counts_every_reference_object_once():
    table = objects(np.random.default_rng(5), references=300, matches=120, predictions=150)
    rows = recall_by_size(table)
    assert sum(count for _, count, _ in rows) == 300
    assert sum(found for _, _, found in rows) == 120
    for low, count, found in rows:
        inside = (table["reference_area"] >= low) & (table["reference_area"] < 2 * low) & (table["reference_id"] > 0)
        assert (count, found) == (inside.sum(), (inside & (table["matched"] > 0)).sum())


def test_the_front_holds_what_nothing_beats():
    rng = np.random.default_rng(6)
    points = [(float(a), float(b)) for a, b in rng.integers(0, 8, (40, 2))]
    for higher in (True, False):
        front = on_front(points, higher_is_better=higher)
        for (cost, score), on in zip(points, front, strict=True):
            better = [
                (c, s)
                for c, s in points
                if c <= cost and (s >= score if higher else s <= score) and (c, s) != (cost, score)
            ]
            assert on == (not better)
        assert any(front)


def test_best_median_and_worst_are_picked_and_undefined_images_are_not():
    values = np.array([0.5, np.nan, 0.9, 0.1, 0.7, 0.3])
    picks = pick_images(list("abcdef"), values, count=3, higher_is_better=True)
    assert [(p.place, p.image) for p in picks] == [("best", "c"), ("median", "a"), ("worst", "d")]
    assert next(iter(pick_images(list("abcdef"), values, count=3, higher_is_better=False))).image == "d"
    assert values[[p.row for p in picks]].tolist() == [p.value for p in picks]


@pytest.mark.parametrize(("defined", "places"), [(0, []), (1, ["only"]), (2, ["best", "worst"])])
def test_fewer_images_give_fewer_picks(defined, places):
    values = np.r_[np.linspace(0.2, 0.4, defined), np.full(3, np.nan)]
    picks = pick_images([f"i{n}" for n in range(len(values))], values, count=3, higher_is_better=True)
    assert [p.place for p in picks] == places


def test_images_on_which_cells_differ_most_are_compared():
    values = np.array([[0.5, 0.9, np.nan, 0.2], [0.5, 0.1, 0.8, 0.4]])
    assert most_telling(["a", "b", "c", "d"], values, 2) == ["b", "d"]


def test_chart_rows_hold_the_leaderboard_s_numbers(pages, toy_run):
    from mitobench.ranking.leaderboard import build_leaderboard

    evidence = pages.evidence(toy_run)
    table = build_leaderboard(evidence, resamples=20).tables[0]
    data = chart_rows(table, evidence, {row.cell: row.cell for row in table.rows})
    for name in ("scores", "images", "thresholds", "sizes"):
        assert {len(row) for row in data[name]["rows"]} == {len(data[name]["columns"])}, name
    scores = [dict(zip(data["scores"]["columns"], row, strict=True)) for row in data["scores"]["rows"]]
    for row in table.rows:
        for name, cell in row.scores.items():
            found = [s["value"] for s in scores if s["score"] == name and s["order"] == table.rows.index(row)]
            if name not in {s["score"] for s in scores} or cell.value is None:
                assert found == []
            else:
                assert found == [pytest.approx(cell.value, rel=1e-4)]
    thresholds = {row[3] for row in data["thresholds"]["rows"]}
    assert thresholds == {k / 20 for k in range(10, 20)}
