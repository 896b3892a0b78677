"""Evidence opens again what a leaderboard was made from: each cell once, its images' scores, samples and predictions."""

import numpy as np
import pytest

from mitobench.errors import DataError, UsageError
from mitobench.ranking.evidence import Evidence
from mitobench.results.runfolder import RunFolder


@pytest.fixture
def run(bench, tmp_path):
    bench.run(tmp_path / "run", prompters="toy-oracle", segmenters="toy-flood")
    return RunFolder.open(tmp_path / "run")


@pytest.fixture
def evidence(bench, run):
    return Evidence([run], bench.plugins)


def only(evidence):
    return next(iter(evidence.cells))


def test_the_mean_of_the_images_own_scores_is_the_leaderboards_column_of_that_name(bench, run, evidence):
    images, scores = evidence.image_scores(only(evidence))
    row = bench.leaderboard(run.path).tables[0].rows[0]
    assert len(images) == row.images == 6
    assert "Dice (per image)" not in scores
    assert np.nanmean(scores["Dice"]) == pytest.approx(row.scores["Dice (per image)"].value)


def test_an_image_that_failed_has_no_score_but_a_place(bench, tmp_path):
    bench.run(tmp_path / "run", segmenters="toy-threshold", data="toy-discs:broken=disc2")
    evidence = Evidence([RunFolder.open(tmp_path / "run")], bench.plugins)
    images, scores = evidence.image_scores(only(evidence))
    failed = [str(i) for i, value in zip(images, scores["Dice"], strict=True) if not np.isfinite(value)]
    assert failed == ["disc2"]


def test_sample_and_prediction_of_a_row_fit_each_other(evidence):
    cell = only(evidence)
    image = str(evidence.cells[cell].table.images[0])
    sample = evidence.sample(cell, image)
    prediction = evidence.cells[cell].prediction(image)
    assert sample.id == image
    prediction.segmentation.check_shape(sample.shape)
    assert len(prediction.prompts) == len(np.unique(sample.labels)) - 1


def test_an_unknown_image_and_changed_data_are_refused(bench, run, evidence):
    with pytest.raises(DataError, match="has no sample 'nowhere'"):
        evidence.sample(only(evidence), "nowhere")
    changed = Evidence([run], bench.plugins)
    record = changed.cells[only(changed)].record
    record["data"]["given"]["n"] = 4
    with pytest.raises(DataError, match="has changed since the run"):
        changed.sample(only(changed), "disc0")


def test_a_cell_of_two_runs_comes_from_the_one_with_more_images(bench, tmp_path):
    bench.run(tmp_path / "few", limit=2)
    bench.run(tmp_path / "many")
    for order in (("few", "many"), ("many", "few")):
        found = Evidence([RunFolder.open(tmp_path / name) for name in order], bench.plugins)
        assert len(found.cells) == 1
        cell = found.cells[only(found)]
        assert (cell.succeeded, cell.folder.path.name) == (6, "many")


def test_an_empty_run_is_no_evidence(bench, tmp_path):
    RunFolder.create_or_open(tmp_path / "empty")
    with pytest.raises(UsageError, match="hold no results yet"):
        Evidence([RunFolder.open(tmp_path / "empty")], bench.plugins)
