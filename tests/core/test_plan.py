"""The planner says of every combination what will happen, before anything runs."""

import pytest

from mitobench.errors import MissingError, UsageError
from mitobench.results.runfolder import RunFolder


def shown(plan):
    return [(cell.prompter, cell.segmenter, cell.status) for cell in plan.cells]


def test_every_prompter_meets_every_promptable_segmenter(bench):
    plan = bench.plan(prompters=("toy-centres", "toy-oracle"), segmenters=("toy-flood", "toy-flood:threshold=70"))
    assert shown(plan) == [
        ("toy-centres", "toy-flood", "run"),
        ("toy-oracle", "toy-flood", "run"),
        ("toy-centres", "toy-flood:threshold=70", "run"),
        ("toy-oracle", "toy-flood:threshold=70", "run"),
    ]
    assert [cell.oracle for cell in plan.cells] == [False, True, False, True]
    assert all(cell.total == 6 and cell.done == 0 for cell in plan.cells)


def test_a_segmenter_without_prompts_runs_once_whatever_the_prompters(bench):
    plan = bench.plan(prompters=("toy-centres", "toy-oracle"), segmenters=("toy-threshold",))
    assert shown(plan) == [("none", "toy-threshold", "run")]


def test_an_impossible_pairing_is_planned_out_with_a_reason(bench):
    plan = bench.plan(prompters=("toy-boxes", "none"), segmenters=("toy-flood",))
    boxes, none = plan.cells
    assert (boxes.status, none.status) == ("incompatible", "incompatible")
    assert boxes.reason == "toy-boxes emits box prompts, toy-flood accepts only point"
    assert "none emits none" in none.reason


def test_a_missing_distribution_is_said_with_how_to_get_it_and_nothing_is_imported(bench):
    plan = bench.plan(segmenters=("toy-absent",))
    assert plan.cells[0].status == "missing"
    assert (
        plan.cells[0].reason
        == "needs no-such-distribution>=1, which is not installed; pip install no-such-distribution"
    )


def test_the_same_component_asked_for_twice_is_one_cell(bench):
    assert len(bench.plan(segmenters=("toy-threshold", "toy-threshold:threshold=80")).cells) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"data": "toy-discs:n=6,seed=1"},
        {"data": "toy-discs:size=40"},
        {"segmenters": "toy-threshold:threshold=81"},
        {"segmenters": "toy-flood", "prompters": "toy-centres"},
        {"seed": 1},
    ],
)
def test_any_change_of_what_makes_a_result_makes_another_cell(bench, change):
    assert bench.plan(**change).cells[0].key != bench.plan().cells[0].key


def test_a_limit_or_a_log_file_makes_no_other_cell(bench, tmp_path):
    same = bench.plan(limit=2, segmenters=f"toy-threshold:log={tmp_path}/log.txt")
    assert same.cells[0].key == bench.plan().cells[0].key
    assert same.cells[0].total == 2
    assert same.cells[0].segmenter == "toy-threshold:log=log.txt"


def test_what_a_run_holds_is_done(bench, tmp_path):
    folder = RunFolder.create_or_open(tmp_path / "run")
    bench.run(folder, limit=4)
    assert [(c.status, c.done, c.total) for c in bench.plan(folder).cells] == [("run", 4, 6)]
    assert [(c.status, c.done, c.total) for c in bench.plan(folder, limit=4).cells] == [("done", 4, 4)]


def test_unknown_names_and_options_suggest_what_was_meant(bench):
    with pytest.raises(UsageError, match=r"unknown segmenter 'toy-flod'\. Did you mean 'toy-flood'\?"):
        bench.plan(segmenters="toy-flod")
    with pytest.raises(UsageError, match=r"unknown option 'treshold'\. Did you mean 'threshold'\?"):
        bench.plan(segmenters="toy-threshold:treshold=3")
    with pytest.raises(UsageError, match="option 'threshold' is 'much'"):
        bench.plan(segmenters="toy-threshold:threshold=much")


def test_a_plan_needs_data_and_a_segmenter(bench):
    with pytest.raises(UsageError, match="at least one data source"):
        bench.plan(data=())


def test_a_metric_with_other_options_has_another_key(bench):
    keys = [m.key for m in bench.plan(metrics=("toy-overlap", "toy-overlap:margin=3")).metrics]
    assert keys[0] == "mitobench-toy/toy-overlap@1"
    assert keys[1].startswith("mitobench-toy/toy-overlap@1#")


def test_a_missing_metric_distribution_stops_the_plan(bench, monkeypatch):
    found = bench.plugins.find("metric", "toy-overlap")
    monkeypatch.setattr(type(found), "missing", lambda self: "needs x" if self.descriptor.kind == "metric" else "")
    with pytest.raises(MissingError, match="needs x"):
        bench.plan()
