"""Stored predictions are scored without a model, and only against the data that were evaluated."""

import json

import pytest

from mitobench.errors import DataError
from mitobench.results.runfolder import RunFolder
from mitobench.results.scoring import rescore
from mitobench.specs import parse_spec


def test_a_new_metric_equals_one_that_was_there_from_the_start(bench, tmp_path):
    asked = {"prompters": "toy-oracle", "segmenters": ("toy-flood", "toy-threshold")}
    bench.run(tmp_path / "later", metrics="toy-overlap", **asked)
    outcome = rescore(
        RunFolder.open(tmp_path / "later"),
        [parse_spec("toy-prompted"), parse_spec("toy-overlap:margin=2")],
        bench.plugins,
    )
    assert (outcome.done, outcome.failed, outcome.exit_code) == (12, 0, 0)
    bench.run(tmp_path / "start", metrics=("toy-overlap", "toy-prompted", "toy-overlap:margin=2"), **asked)
    assert bench.leaderboard(tmp_path / "later").to_data() == bench.leaderboard(tmp_path / "start").to_data()


def test_what_is_scored_already_is_not_scored_again(bench, tmp_path):
    bench.run(tmp_path / "run")
    seen = []
    outcome = rescore(
        RunFolder.open(tmp_path / "run"), [parse_spec("toy-overlap")], bench.plugins, progress=lambda *n: seen.append(n)
    )
    assert (outcome.done, seen) == (0, [])


def test_a_lost_prediction_is_counted_and_named_and_the_rest_is_scored(bench, tmp_path):
    bench.run(tmp_path / "run", metrics="toy-overlap")
    folder = RunFolder.open(tmp_path / "run")
    next((tmp_path / "run" / "predictions").rglob("disc3-*.tif")).unlink()
    outcome = rescore(folder, [parse_spec("toy-overlap:margin=2")], bench.plugins)
    assert (outcome.done, outcome.failed, outcome.exit_code) == (5, 1, 1)
    assert "disc3" in outcome.errors[0]


def test_other_data_than_were_evaluated_are_refused(bench, tmp_path):
    bench.run(tmp_path / "run")
    path = tmp_path / "run" / "run.json"
    record = json.loads(path.read_text())
    for cell in record["cells"].values():
        cell["data"]["given"] = {"seed": 5}
    path.write_text(json.dumps(record))
    with pytest.raises(DataError, match="has changed since the run"):
        rescore(RunFolder.open(tmp_path / "run"), [parse_spec("toy-prompted")], bench.plugins)
