"""The runner: encodes once, isolates failures, keeps what is finished, gives the same answer however it is run."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from mitobench.errors import ResourceError, UsageError
from mitobench.results.predictions import read_prediction
from mitobench.results.runfolder import RunFolder

MATRIX = {
    "prompters": ("toy-centres", "toy-centres:threshold=100", "toy-oracle"),
    "segmenters": ("toy-flood", "toy-threshold"),
}


def answer(bench, *paths):
    return json.dumps(bench.leaderboard(*paths).to_data(), sort_keys=True)


def test_a_matrix_runs_and_finds_the_discs(bench, tmp_path):
    outcome = bench.run(tmp_path / "run", **MATRIX)
    assert (outcome.done, outcome.failed, outcome.exit_code, outcome.interrupted) == (24, 0, 0, False)
    automatic, oracle = bench.leaderboard(tmp_path / "run").tables
    assert (automatic.oracle, oracle.oracle) == (False, True)
    assert {(r.prompter, r.segmenter) for r in automatic.rows} == {
        ("toy-centres", "toy-flood"),
        ("toy-centres:threshold=100", "toy-flood"),
        ("none", "toy-threshold"),
    }
    assert all(row.scores["Dice"].value > 0.85 and row.images == row.total == 6 for row in automatic.rows)
    assert all(row.costs["seconds_encode"] > 0 for row in automatic.rows)


def test_each_image_is_encoded_once_for_all_prompters_and_segmenters(bench, tmp_path):
    log = tmp_path / "log.txt"
    matrix = {"prompters": MATRIX["prompters"], "segmenters": (f"toy-flood:log={log}", f"toy-threshold:log={log}")}
    bench.run(tmp_path / "run", **matrix)
    calls = log.read_text().split()
    assert len(calls) == len(set(calls)) == 6


def test_a_segmenter_never_sees_the_reference_and_only_an_oracle_prompter_does(bench, tmp_path):
    assert bench.run(tmp_path / "run", **MATRIX).failed == 0  # the toy components assert it


def test_workers_and_any_executor_give_the_same_leaderboard(bench, tmp_path):
    bench.run(tmp_path / "threads", **MATRIX)
    bench.run(tmp_path / "processes", workers=2, **MATRIX)
    with ThreadPoolExecutor(2) as pool:
        bench.run(tmp_path / "pool", executor=pool, **MATRIX)
        pool.submit(int).result()  # a borrowed executor is left open
    assert (
        answer(bench, tmp_path / "threads") == answer(bench, tmp_path / "processes") == answer(bench, tmp_path / "pool")
    )


def test_a_failing_component_costs_its_image_in_its_cells_and_the_rest_goes_on(bench, tmp_path):
    outcome = bench.run(
        tmp_path / "run", prompters=("toy-centres:fail_on=disc2", "toy-oracle"), segmenters=("toy-flood",)
    )
    assert (outcome.done, outcome.failed, outcome.exit_code) == (12, 1, 1)
    assert outcome.errors == (("toy-centres:fail_on=disc2 + toy-flood: no prompts for disc2", 1),)
    row = bench.leaderboard(tmp_path / "run").tables[0].rows[0]
    assert (row.status, row.images, row.failed, row.total, row.rank) == ("partial", 5, 1, 6, None)
    assert "failed: no prompts for disc2" in row.notes


def test_a_wrong_shape_is_a_contract_error_that_names_what_was_expected(bench, tmp_path):
    outcome = bench.run(tmp_path / "run", prompters="toy-centres", segmenters="toy-flood:shape_error=true")
    assert outcome.failed == 6
    assert "labels have shape (1, 1) but the image has (48, 48)" in outcome.errors[0][0]


def test_an_unreadable_image_fails_in_every_cell_and_the_others_are_scored(bench, tmp_path):
    outcome = bench.run(tmp_path / "run", data="toy-discs:broken=disc1")
    assert (outcome.done, outcome.failed) == (6, 1)
    assert "this image cannot be read" in outcome.errors[0][0]


def test_a_failing_metric_costs_its_column_and_is_named(bench, tmp_path):
    outcome = bench.run(tmp_path / "run", metrics=("toy-overlap:fail_on=disc3", "toy-overlap"))
    assert outcome.failed == 1
    assert any(
        "cannot measure this one" in note for note in bench.leaderboard(tmp_path / "run").tables[0].rows[0].notes
    )


def test_running_out_of_device_memory_halves_the_batch_and_says_so(bench, tmp_path):
    assert bench.run(tmp_path / "run", batch=4, segmenters="toy-threshold:memory=1").exit_code == 0
    table = RunFolder.open(tmp_path / "run").results()
    assert table._table["encode_batch"].to_pylist() == [1] * 6


def test_one_image_that_does_not_fit_fails_alone_with_the_memory_code(bench, tmp_path, monkeypatch):
    import mitobench_toy_components as toy

    def encode(self, images):
        raise toy.DeviceMemoryError("toy device is full")

    monkeypatch.setattr(toy.Flood, "encode", encode)
    outcome = bench.run(tmp_path / "run")
    assert (outcome.failed, outcome.exit_code) == (6, 5)


def test_a_component_that_cannot_be_built_fails_its_cells_once_per_image_and_is_built_once(
    bench, tmp_path, monkeypatch
):
    import mitobench_toy_components as toy

    built = []

    def init(self, options, context):
        built.append(1)
        raise SystemExit(3)

    monkeypatch.setattr(toy.Threshold, "__init__", init)
    outcome = bench.run(tmp_path / "run")
    assert (outcome.failed, len(built)) == (6, 1)
    assert bench.leaderboard(tmp_path / "run").tables[0].rows[0].status == "failed"


def test_missing_cells_are_counted_and_set_the_exit_code(bench, tmp_path):
    outcome = bench.run(tmp_path / "run", segmenters=("toy-absent", "toy-threshold"))
    assert (outcome.done, outcome.missing, outcome.exit_code) == (6, 1, 4)


def test_a_second_run_computes_nothing_and_a_changed_option_computes_its_cells_alone(bench, tmp_path):
    log = tmp_path / "log.txt"
    first = {"prompters": ("toy-centres", "toy-oracle"), "segmenters": f"toy-flood:log={log}"}
    bench.run(tmp_path / "run", **first)
    assert bench.run(tmp_path / "run", **first).done == 0
    changed = bench.run(
        tmp_path / "run", prompters=("toy-centres:threshold=95", "toy-oracle"), segmenters=f"toy-flood:log={log}"
    )
    assert (changed.done, changed.skipped) == (6, 6)


def test_a_failed_image_is_tried_again_and_the_success_counts(bench, tmp_path, monkeypatch):
    import mitobench_toy_components as toy

    original = toy.Threshold.segment

    def fail(self, encoding, sample, prompts):
        raise ValueError("flaky")

    monkeypatch.setattr(toy.Threshold, "segment", fail)
    assert bench.run(tmp_path / "run").failed == 6
    monkeypatch.setattr(toy.Threshold, "segment", original)
    assert bench.run(tmp_path / "run").failed == 0
    bench.run(tmp_path / "straight")
    assert answer(bench, tmp_path / "run") == answer(bench, tmp_path / "straight")


def test_a_new_metric_is_scored_from_stored_predictions_without_encoding(bench, tmp_path):
    log = tmp_path / "log.txt"
    asked = {"prompters": "toy-oracle", "segmenters": f"toy-flood:log={log}"}
    bench.run(tmp_path / "run", metrics="toy-overlap", **asked)
    before = log.read_text()
    assert bench.run(tmp_path / "run", metrics=("toy-overlap", "toy-prompted"), **asked).done == 0
    assert log.read_text() == before
    bench.run(tmp_path / "straight", metrics=("toy-overlap", "toy-prompted"), **asked)
    assert answer(bench, tmp_path / "run") == answer(bench, tmp_path / "straight")


def test_whoever_waits_is_told_what_is_being_done(bench, tmp_path, monkeypatch):
    import mitobench_toy_components as toy

    heard, expected = [], ["toy-threshold encodes 2 images", "none + toy-threshold on disc0"]

    def after(message, original):
        def waits(*arguments):
            deadline = time.monotonic() + 20
            while message not in [p.message for p, _ in heard] and time.monotonic() < deadline:
                time.sleep(0.01)
            return original(*arguments)

        return waits

    for message, method in zip(expected, ("encode", "segment"), strict=True):
        monkeypatch.setattr(toy.Threshold, method, after(message, getattr(toy.Threshold, method)))
    bench.run(
        tmp_path / "run", data="toy-discs:n=2", progress=lambda p: heard.append((p, threading.current_thread().name))
    )
    assert {name for _, name in heard} == {threading.current_thread().name}
    before = [p.message for p, _ in heard if p.done == 0]
    assert [message for message in before if message in expected] == expected
    assert len(before) == len(set(before))
    assert {p.total for p, _ in heard} == {2}


def test_whoever_waits_for_other_processes_is_told_so(bench, tmp_path):
    heard, told = [], threading.Event()

    def hear(progress):
        heard.append((progress.done, progress.message))
        told.set()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(told.wait, 20)
        bench.run(tmp_path / "run", executor=pool, progress=hear)
    assert heard[0] == (0, "waiting for other processes")


def test_stopping_keeps_what_is_finished_and_resuming_gives_the_same_answer(bench, tmp_path):
    stop = threading.Event()
    outcome = bench.run(
        tmp_path / "run", batch=1, progress=lambda p: stop.set() if p.done >= 2 else None, should_stop=stop.is_set
    )
    assert outcome.interrupted
    assert outcome.exit_code == 130
    assert 2 <= outcome.done < 6
    assert bench.run(tmp_path / "run", batch=1).done == 6 - outcome.done
    bench.run(tmp_path / "straight", batch=1)
    assert answer(bench, tmp_path / "run") == answer(bench, tmp_path / "straight")


def test_a_worker_that_dies_keeps_what_is_finished_and_says_what_to_do(bench, tmp_path):
    with pytest.raises(ResourceError, match="a worker process died"):
        bench.run(tmp_path / "run", batch=1, workers=1, prompters="toy-centres", segmenters="toy-flood:die_on=disc4")
    assert bench.run(tmp_path / "run", batch=1, prompters="toy-centres", segmenters="toy-flood").done < 6


def test_a_run_that_another_process_writes_is_refused(bench, tmp_path):
    folder = RunFolder.create_or_open(tmp_path / "run")
    with folder.writing(), pytest.raises(UsageError, match="another mitobench process"):
        bench.run(tmp_path / "run")


def test_predictions_are_stored_and_know_their_image(bench, tmp_path):
    bench.run(tmp_path / "run", prompters="toy-oracle", segmenters="toy-flood")
    folder = RunFolder.open(tmp_path / "run")
    (cell,) = folder.results().cells()
    stored = read_prediction(folder.predictions(cell), cell=cell, image="disc0", shape=(48, 48))
    assert len(stored.segmentation.masks) == len(stored.prompts) == 4
    assert np.unique(stored.segmentation.labels).size > 1


def test_observers_are_told_and_a_failing_one_is_ignored(bench, tmp_path):
    seen = []

    class Observer:
        @staticmethod
        def started(plan):
            seen.append(len(plan.cells))

        @staticmethod
        def image(outcome):
            seen.append(outcome.image)
            raise ValueError("observer trouble")

    import mitobench

    module = type(
        "module",
        (),
        {
            "mitobench_run_started": mitobench.hookimpl(Observer.started),
            "mitobench_image_done": mitobench.hookimpl(Observer.image),
        },
    )
    bench.plugins._manager.register(module, name="watcher")
    assert bench.run(tmp_path / "run", limit=1).exit_code == 0
    assert seen == [1, "disc0"]
    assert "observer trouble" in bench.plugins.warnings[-1]


def test_run_json_says_what_was_asked_resolved_and_on_what(bench, tmp_path):
    bench.run(tmp_path / "run", prompters="toy-centres", segmenters="toy-flood", seed=7)
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    (cell,) = record["cells"].values()
    assert cell["segmenter"]["identity"]["options"] == {"threshold": 80, "shape_error": False}
    assert cell["seed"] == 7
    assert cell["data"]["identity"]["fingerprint"]
    request = record["requests"][0]
    assert request["settings"]["batch"] == 2
    assert {"python", "mitobench", "mitobench-toy", "numpy"} <= set(request["versions"])


def test_a_component_that_exits_costs_its_own_cells_alone(bench, tmp_path, monkeypatch):
    import mitobench_toy_components as toy

    def leave(self, encoding, sample, prompts):
        raise SystemExit("goodbye")

    monkeypatch.setattr(toy.Flood, "segment", leave)
    outcome = bench.run(tmp_path / "run", prompters="toy-centres", segmenters=("toy-flood", "toy-threshold"))
    assert (outcome.done, outcome.failed, outcome.exit_code) == (12, 6, 1)
    assert "SystemExit: goodbye" in outcome.errors[0][0]


def test_a_component_that_writes_into_the_image_fails_and_spoils_nothing(bench, tmp_path, monkeypatch):
    import mitobench_toy_components as toy

    def paint(self, encoding, sample, prompts):
        sample.image[...] = 0

    bench.run(tmp_path / "alone")
    monkeypatch.setattr(toy.Flood, "segment", paint)
    outcome = bench.run(tmp_path / "run", prompters="toy-centres", segmenters=("toy-flood", "toy-threshold"))
    assert "read-only" in outcome.errors[0][0]
    best = {path: bench.leaderboard(tmp_path / path).tables[0].rows[0].scores for path in ("alone", "run")}
    assert best["alone"] == best["run"]


def test_a_mask_too_few_is_a_contract_error(bench, tmp_path, monkeypatch):
    import mitobench_toy_components as toy

    from mitobench.masks import PackedMasks
    from mitobench.segmentations import Segmentation

    def one(self, encoding, sample, prompts):
        masks = PackedMasks.from_dense([sample.image > 0], sample.shape)
        empty = np.zeros(sample.shape, np.int32)
        return Segmentation(
            labels=empty, scores=np.zeros(0, np.float32), masks=masks, mask_scores=np.ones(1, np.float32)
        )

    monkeypatch.setattr(toy.Flood, "segment", one)
    outcome = bench.run(tmp_path / "run", prompters="toy-oracle", segmenters="toy-flood", metrics="toy-overlap")
    assert "1 masks for 4 prompts" in outcome.errors[0][0]


def test_a_damaged_prediction_is_computed_again(bench, tmp_path):
    bench.run(tmp_path / "run", metrics="toy-overlap")
    path = next((tmp_path / "run" / "predictions").rglob("disc3-*.tif"))
    data = bytearray(path.read_bytes())
    data[200:220] = bytes(20)
    path.write_bytes(bytes(data))
    assert bench.run(tmp_path / "run", metrics=("toy-overlap", "toy-overlap:margin=3")).done == 1


def test_a_limit_asks_for_the_first_images_not_for_any(bench, tmp_path):
    bench.run(tmp_path / "run", batch=1)
    folder = RunFolder.open(tmp_path / "run")
    for part in (tmp_path / "run" / "parts").glob("00-000000-*"):
        part.unlink()
    assert [(c.status, c.done) for c in bench.plan(folder, limit=3).cells] == [("run", 2)]
    assert bench.run(tmp_path / "run", batch=1, limit=3).done == 1


def test_a_foreign_component_named_like_a_built_in_does_not_break_a_default_run(bench, tmp_path):
    from dataclasses import replace

    from mitobench.plugins import Component

    for kind, name in (("metric", "semantic"), ("prompter", "none")):
        ours = bench.plugins.find(kind, f"mitobench/{name}".partition("/")[2])
        foreign = replace(ours.plugin, distribution="foreign")
        descriptor = replace(ours.descriptor, default=False) if kind == "metric" else ours.descriptor
        bench.plugins._components[kind].append(Component(descriptor, foreign))
    assert bench.run(tmp_path / "run", metrics=()).exit_code == 0


def test_a_folder_that_a_kill_left_before_its_first_file_can_be_used(bench, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".run.json.123.abc.tmp").write_bytes(b"half")
    assert bench.run(tmp_path / "run").exit_code == 0
