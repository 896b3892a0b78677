"""Evidence opens again what a leaderboard was made from: each cell once, its images' scores, samples and predictions."""

import itertools

import numpy as np
import pytest

from mitobench.errors import DataError, UsageError
from mitobench.files import safe_name
from mitobench.ranking.evidence import Evidence
from mitobench.ranking.leaderboard import build_leaderboard
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


def test_a_prediction_is_read_only_as_large_as_its_row_says(bench, run, evidence):
    cell = only(evidence)
    found = evidence.cells[cell]
    assert found.table.shape("disc0") == (48, 48)
    assert found.table.shape("nowhere") is None
    with pytest.raises(DataError, match="holds no result of image 'nowhere'"):
        found.prediction("nowhere")
    row = {"cell": cell, "image": "disc9", "status": "ok", "height": 4, "width": 6}
    run.write_part("more", [row], [])
    for suffix in (".tif", ".npz"):
        (path,) = run.predictions(cell).glob(f"disc0-*{suffix}")
        path.with_name(f"{safe_name('disc9')}{suffix}").write_bytes(path.read_bytes())
    with pytest.raises(DataError, match="labels of 48 x 48 pixels for an image of 4 x 6"):
        Evidence([run], bench.plugins).cells[cell].prediction("disc9")


def test_no_more_of_a_data_source_is_looked_at_than_a_run_was_asked_for(bench, tmp_path):
    bench.run(tmp_path / "run", limit=2)
    bench.run(tmp_path / "more", limit=3)
    few, both = (
        Evidence([RunFolder.open(tmp_path / name) for name in names], bench.plugins)
        for names in (["run"], ["run", "more"])
    )
    assert few.sample(only(few), "disc1").id == "disc1"
    assert both.sample(only(both), "disc2").id == "disc2"
    with pytest.raises(DataError, match="has no sample 'disc2'"):
        few.sample(only(few), "disc2")


def test_a_cell_of_two_runs_comes_from_the_one_with_more_images(bench, tmp_path):
    bench.run(tmp_path / "few", limit=2)
    bench.run(tmp_path / "many")
    for order in (("few", "many"), ("many", "few")):
        found = Evidence([RunFolder.open(tmp_path / name) for name in order], bench.plugins)
        assert len(found.cells) == 1
        cell = found.cells[only(found)]
        assert (cell.succeeded, cell.folder.path.name) == (6, "many")


METRIC = "mitobench-toy/toy-overlap@1"


@pytest.fixture
def orders(bench, tmp_path):
    """The evidence of some runs, in every order in which they can be given."""

    def of(*names):
        for order in itertools.permutations(names):
            yield Evidence([RunFolder.open(tmp_path / name) for name in order], bench.plugins)

    return of


def test_of_equally_many_images_the_run_counts_that_measured_more(bench, tmp_path, orders, lose_metric):
    bench.run(tmp_path / "a", metrics="toy-overlap")
    bench.run(tmp_path / "b", metrics=("semantic", "toy-overlap"))
    bench.run(tmp_path / "c", metrics=("semantic", "toy-overlap"))
    lose_metric(tmp_path / "c", METRIC, {"disc1"})
    assert {found.cells[only(found)].folder.path.name for found in orders("a", "b", "c")} == {"b"}


def test_a_leaderboard_does_not_depend_on_the_order_of_its_runs(bench, tmp_path, orders):
    bench.run(tmp_path / "a", metrics="toy-overlap")
    bench.run(tmp_path / "b", metrics=("semantic", "toy-overlap"), data="toy-discs:n=6")
    bench.run(tmp_path / "c", metrics=("toy-overlap", "boundary"), segmenters="toy-threshold:threshold=70")
    one, *others = (build_leaderboard(found, resamples=20).to_data() for found in orders("a", "b", "c"))
    assert len(others) == 5
    assert all(other == one for other in others)


@pytest.mark.parametrize("limit", [None, 4])
def test_runs_that_say_other_things_of_one_cell_are_refused_whichever_comes_first(
    bench, tmp_path, orders, alter_images, limit
):
    bench.run(tmp_path / "honest", limit=limit)
    bench.run(tmp_path / "forged")

    def change(row):
        if row["image"] == "disc1":
            row[f"{METRIC}/both"] += 1

    alter_images(tmp_path / "forged", change)
    messages = set()
    for order in (("honest", "forged"), ("forged", "honest")):
        with pytest.raises(UsageError, match="differs on the image 'disc1'") as refused:
            Evidence([RunFolder.open(tmp_path / name) for name in order], bench.plugins)
        messages.add(str(refused.value))
    (message,) = messages
    assert f"{tmp_path / 'forged'} and {tmp_path / 'honest'} hold other results of one cell" in message
    assert len(list(orders("forged"))) == 1


def test_two_runs_that_agree_are_told_from_a_third_that_does_not(bench, tmp_path, orders, alter_images, lose_metric):
    """The fullest run shares no image with the forged one, so that comparing with the fullest alone would miss it."""
    for name in ("a", "b"):
        bench.run(tmp_path / name, limit=2)
    alter_images(tmp_path / "b", lambda row: row.update({f"{METRIC}/both": 1.0}))
    bench.run(tmp_path / "c")
    lose_metric(tmp_path / "c", METRIC, {"disc0", "disc1"})
    with pytest.raises(UsageError, match="hold other results of one cell"):
        list(orders("a", "b", "c"))


def test_an_empty_run_is_no_evidence(bench, tmp_path):
    RunFolder.create_or_open(tmp_path / "empty")
    with pytest.raises(UsageError, match="hold no results yet"):
        Evidence([RunFolder.open(tmp_path / "empty")], bench.plugins)
