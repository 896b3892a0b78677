"""``run.json`` says what was asked, resolved, with which versions, and adds up over requests."""

import json

import pytest

from mitobench.errors import UsageError
from mitobench.results.runfolder import RunFolder


def record(path):
    return json.loads((path / "run.json").read_text())


def test_cells_of_every_request_are_kept_and_each_request_is_listed(bench, tmp_path):
    bench.run(tmp_path / "run", segmenters="toy-threshold", limit=2)
    bench.run(tmp_path / "run", segmenters=("toy-threshold", "toy-threshold:threshold=70"), seed=0)
    found = record(tmp_path / "run")
    assert len(found["cells"]) == 2
    assert [request["limit"] for request in found["requests"]] == [2, None]
    assert {cell["total"] for cell in found["cells"].values()} == {6}


def test_a_smaller_request_does_not_shrink_what_was_asked_before(bench, tmp_path):
    bench.run(tmp_path / "run")
    bench.run(tmp_path / "run", limit=2)
    assert [cell["total"] for cell in record(tmp_path / "run")["cells"].values()] == [6]


def test_incompatible_and_missing_cells_are_not_recorded(bench, tmp_path):
    bench.run(tmp_path / "run", prompters="toy-boxes", segmenters=("toy-flood", "toy-absent", "toy-threshold"))
    labels = [cell["segmenter"]["label"] for cell in record(tmp_path / "run")["cells"].values()]
    assert labels == ["toy-threshold"]


def test_metrics_are_kept_in_the_order_asked_for_with_what_builds_them_again(bench, tmp_path):
    bench.run(tmp_path / "run", metrics="toy-prompted")
    bench.run(tmp_path / "run", metrics=("toy-overlap:margin=2", "toy-prompted"))
    metrics = record(tmp_path / "run")["metrics"]
    by_order = sorted(metrics, key=lambda key: metrics[key]["order"])
    assert by_order[0] == "mitobench-toy/toy-prompted@1"
    assert metrics[by_order[1]]["given"] == {"margin": 2}
    assert metrics[by_order[1]]["identity"]["component"] == "mitobench-toy/toy-overlap"


def test_a_request_names_machine_versions_and_settings(bench, tmp_path):
    bench.run(tmp_path / "run", batch=3)
    request = record(tmp_path / "run")["requests"][0]
    assert request["settings"] == {"device": "cpu", "workers": 0, "batch": 3}
    assert request["machine"]["cores"] >= 1
    assert request["versions"]["mitobench-toy"] == "1.0"
    assert request["time"].endswith("+00:00")


def test_a_part_is_named_by_what_it_holds(tmp_path):
    folder = RunFolder.create_or_open(tmp_path / "run")
    row = {"cell": "c", "image": "a", "status": "ok"}
    folder.write_part("u", [row], [])
    folder.write_part("u", [row], [])
    assert len(list((tmp_path / "run" / "parts").iterdir())) == 1
    folder.write_part("u", [{**row, "status": "failed"}], [{"cell": "c", "image": "a", "x": 1}])
    assert len(list((tmp_path / "run" / "parts").glob("*.images.parquet"))) == 2
    assert len(list((tmp_path / "run" / "parts").glob("*.objects.parquet"))) == 1


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": 99}'])
def test_a_record_that_cannot_be_read_is_an_error_that_names_it(tmp_path, text):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text(text)
    with pytest.raises(UsageError, match=r"run\.json"):
        RunFolder.open(tmp_path / "run")
