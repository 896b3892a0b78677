"""Columns say which metric defines them, and a cell's scores are those of its own rows."""

import numpy as np
import pytest

from mitobench.interfaces import Score
from mitobench.ranking.columns import cell_scores, make_columns
from mitobench.ranking.resampling import resample
from mitobench.results.tables import encode_rows, read_parts


class Ratio:
    """x / n, once and per image."""

    def __init__(self, name="ratio", per_image=True):
        self.reported = (
            Score(name=name, per_image=per_image, headline=True, unit="px"),
            Score(name="n", higher_is_better=False, first_by=name),
        )
        self.name = name

    def scores(self, totals):
        return {self.name: totals["x"] / totals["n"], "n": totals["n"]}


@pytest.fixture
def table(tmp_path):
    rows = [
        {
            "cell": "c",
            "image": image,
            "group": "g",
            "status": "ok",
            "error": "",
            "error_kind": "",
            "m@1.measured": True,
            "m@1/x": x,
            "m@1/n": n,
        }
        for image, x, n in (("a", 1.0, 2.0), ("b", 3.0, 3.0))
    ]
    path = tmp_path / "0.images.parquet"
    path.write_bytes(encode_rows(rows))
    return read_parts([path]).cell("c")


def test_a_column_carries_what_its_score_says():
    ratio, mean, n = make_columns({"m@1": Ratio()})
    assert (ratio.name, ratio.metric, ratio.score, ratio.unit, ratio.headline, ratio.mean_of_images) == (
        "ratio",
        "m@1",
        "ratio",
        "px",
        True,
        False,
    )
    assert (mean.name, mean.score, mean.mean_of_images, mean.headline) == ("ratio (per image)", "ratio", True, False)
    assert (n.higher_is_better, n.first_by) == (False, "ratio")


def test_names_that_two_metrics_share_are_told_apart_in_every_column():
    columns = make_columns({"m@1": Ratio(), "m@2": Ratio()})
    assert [c.name for c in columns] == [
        "ratio",
        "ratio (per image)",
        "n",
        "ratio [m@2]",
        "ratio (per image) [m@2]",
        "n [m@2]",
    ]
    assert columns[-1].first_by == "ratio [m@2]"


def test_pooled_and_per_image_are_two_numbers(table):
    metrics = {"m@1": Ratio()}
    scores = cell_scores(table, metrics, make_columns(metrics), ["a", "b"], resample(["g", "g"], 5))
    assert scores["ratio"].value == pytest.approx(4 / 5)
    assert scores["ratio (per image)"].value == pytest.approx(0.75)
    assert scores["n"].value == 5


def test_images_that_the_cell_has_not_seen_add_nothing(table):
    metrics = {"m@1": Ratio()}
    scores = cell_scores(table, metrics, make_columns(metrics), ["a", "b", "unseen"], resample(["g"] * 3, 5))
    assert scores["ratio"].value == pytest.approx(4 / 5)
    assert scores["ratio"].defined == 2
    assert np.isfinite(scores["ratio"].resampled).any()


def test_a_metric_that_measured_nothing_has_no_scores(table):
    metrics = {"other@1": Ratio("other")}
    assert cell_scores(table, metrics, make_columns(metrics), ["a", "b"], resample(["g", "g"], 5)) == {}
