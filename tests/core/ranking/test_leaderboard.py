"""Leaderboards say what was compared, keep oracles apart, and hide nothing."""

import json
import shutil

import numpy as np
import pytest

from mitobench.errors import UsageError
from mitobench.results.runfolder import RunFolder


def test_oracle_and_automatic_cells_never_share_a_table(bench, tmp_path):
    bench.run(tmp_path / "run", prompters=("toy-centres", "toy-oracle"), segmenters="toy-flood")
    automatic, oracle = bench.leaderboard(tmp_path / "run").tables
    assert [r.prompter for r in automatic.rows] == ["toy-centres"]
    assert [r.prompter for r in oracle.rows] == ["toy-oracle"]
    assert "oracle" in oracle.title
    assert "IoU (prompt)" in [c.name for c in oracle.columns]
    assert "IoU (prompt)" not in [c.name for c in automatic.columns]


def test_rows_come_by_rank_of_the_primary_column(bench, tmp_path):
    bench.run(
        tmp_path / "run",
        segmenters=("toy-threshold:threshold=40", "toy-threshold:threshold=70", "toy-threshold:threshold=150"),
    )
    table = bench.leaderboard(tmp_path / "run").tables[0]
    assert table.primary == "Dice"
    values = [row.scores["Dice"].value for row in table.rows]
    assert values == sorted(values, reverse=True)
    assert [row.rank for row in table.rows] == [1, 2, 3]
    assert all(row.rank_low <= row.rank <= row.rank_high for row in table.rows)
    assert all(row.scores["Dice"].low <= row.scores["Dice"].value <= row.scores["Dice"].high for row in table.rows)


def test_another_column_ranks_when_asked_and_an_unknown_one_is_refused(bench, tmp_path):
    bench.run(tmp_path / "run")
    assert bench.leaderboard(tmp_path / "run", primary="iou").tables[0].primary == "IoU"
    with pytest.raises(UsageError, match=r"no column 'AP' to rank by\. There are: Dice, Dice \(per image\), IoU"):
        bench.leaderboard(tmp_path / "run", primary="AP")


def test_the_beginning_of_a_column_s_name_is_answered_with_the_column(bench, tmp_path):
    bench.run(tmp_path / "run", metrics=("instance",))
    for wanted in ("F1", "f1"):
        with pytest.raises(UsageError, match=r"no column '[fF]1' to rank by\. Did you mean 'F1@0\.5'\? There are: "):
            bench.leaderboard(tmp_path / "run", primary=wanted)


def test_one_group_resamples_images_and_says_so_and_few_groups_are_too_few(bench, tmp_path):
    bench.run(tmp_path / "one")
    assert (
        "6 images of one group, which are not independent evidence; too few for a test"
        in bench.leaderboard(tmp_path / "one").tables[0].uncertainty
    )
    bench.run(tmp_path / "three", data="toy-discs:groups=3")
    assert "over 3 groups; too few for a test" in bench.leaderboard(tmp_path / "three").tables[0].uncertainty
    bench.run(tmp_path / "six", data="toy-discs:groups=6")
    assert bench.leaderboard(tmp_path / "six").tables[0].uncertainty.endswith("over 6 groups")


def test_one_image_has_no_interval(bench, tmp_path):
    bench.run(tmp_path / "run", limit=1)
    table = bench.leaderboard(tmp_path / "run").tables[0]
    assert table.rows[0].scores["Dice"].low is None
    assert table.uncertainty == "one image: no intervals"


def test_a_failed_cell_is_shown_last_without_a_rank(bench, tmp_path):
    bench.run(tmp_path / "run", prompters="toy-centres", segmenters=("toy-flood:shape_error=true", "toy-threshold"))
    good, bad = bench.leaderboard(tmp_path / "run").tables[0].rows
    assert (good.rank, good.status) == (1, "ok")
    assert (bad.rank, bad.status, bad.images, bad.failed) == (None, "failed", 0, 6)
    assert bad.scores == {}


def test_runs_merge_and_a_cell_in_both_counts_once(bench, tmp_path):
    bench.run(tmp_path / "a", segmenters=("toy-threshold", "toy-threshold:threshold=70"), limit=6)
    bench.run(tmp_path / "b", segmenters=("toy-threshold", "toy-threshold:threshold=60"), limit=3)
    table = bench.leaderboard(tmp_path / "a", tmp_path / "b").tables[0]
    assert sorted(row.segmenter for row in table.rows) == [
        "toy-threshold",
        "toy-threshold:threshold=60",
        "toy-threshold:threshold=70",
    ]
    assert {row.segmenter: row.images for row in table.rows}["toy-threshold"] == 6


def test_different_data_never_share_a_table(bench, tmp_path):
    bench.run(tmp_path / "run", data=("toy-discs", "toy-discs:seed=1"))
    assert len(bench.leaderboard(tmp_path / "run").tables) == 2


def rename_metric(path, old, new):
    """Make a run look as if it had been scored by another version or plugin."""
    record = json.loads((path / "run.json").read_text())
    record["metrics"][new] = record["metrics"].pop(old)
    (path / "run.json").write_text(json.dumps(record))


def test_results_of_another_metric_version_are_not_shown_until_scored_again(bench, tmp_path):
    from mitobench.results.scoring import rescore
    from mitobench.specs import parse_spec

    bench.run(tmp_path / "run", metrics="toy-overlap")
    rename_metric(tmp_path / "run", "mitobench-toy/toy-overlap@1", "mitobench-toy/toy-overlap@0")
    with pytest.raises(UsageError, match=r"toy-overlap@0 \(here it is .*toy-overlap@1; `mitobench score` adds that\)"):
        bench.leaderboard(tmp_path / "run")
    rescore(RunFolder.open(tmp_path / "run"), [parse_spec("toy-overlap")], bench.plugins)
    table = bench.leaderboard(tmp_path / "run").tables[0]
    assert table.rows[0].scores["Dice"].value > 0.8
    assert "not shown: mitobench-toy/toy-overlap@0" in table.uncertainty


def test_cells_that_saw_different_images_are_not_ranked_against_each_other(bench, tmp_path):
    bench.run(tmp_path / "run", segmenters="toy-threshold", limit=2)
    bench.run(tmp_path / "run", segmenters="toy-threshold:threshold=70")
    rows = {row.segmenter: row for row in bench.leaderboard(tmp_path / "run").tables[0].rows}
    assert (rows["toy-threshold:threshold=70"].rank, rows["toy-threshold:threshold=70"].status) == (1, "ok")
    assert (rows["toy-threshold"].rank, rows["toy-threshold"].status) == (None, "partial")
    assert (rows["toy-threshold"].images, rows["toy-threshold"].total) == (2, 6)


def test_a_cell_that_the_ranking_metric_could_not_measure_everywhere_has_no_rank(bench, tmp_path):
    bench.run(tmp_path / "run", metrics="toy-overlap:fail_on=disc1")
    row = bench.leaderboard(tmp_path / "run").tables[0].rows[0]
    assert row.rank is None
    assert any("cannot measure this one" in note for note in row.notes)


def test_a_metric_added_later_does_not_change_what_ranks(bench, tmp_path):
    bench.run(tmp_path / "run", metrics="toy-overlap")
    bench.run(tmp_path / "run", metrics=("toy-overlap", "boundary"))
    assert bench.leaderboard(tmp_path / "run").tables[0].primary == "Dice"


def test_cells_of_one_label_are_told_apart(bench, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "points.csv").write_text(
            "image,x,y\n" + "".join(f"disc{i},{12 + (name == 'b')},12\n" for i in range(6))
        )
    prompters = tuple(f"manual:path={tmp_path}/{name}/points.csv" for name in ("a", "b"))
    bench.run(tmp_path / "run", prompters=prompters, segmenters="toy-flood")
    labels = [row.segmenter for row in bench.leaderboard(tmp_path / "run").tables[0].rows]
    assert len(set(labels)) == 2
    assert all(label.startswith("toy-flood [") for label in labels)


def test_instances_made_of_a_mask_are_said_to_be(bench, tmp_path):
    bench.run(tmp_path / "run")
    assert (
        "instances are connected components of a mask: prediction"
        in bench.leaderboard(tmp_path / "run").tables[0].rows[0].notes
    )


def test_weights_trained_on_the_evaluated_images_are_shown(bench, tmp_path):
    bench.run(tmp_path / "run")
    folder = RunFolder.open(tmp_path / "run")
    (cell,) = folder.results().cells()
    origins = folder.results().cell(cell).origins
    record = folder.record()
    record["cells"][cell]["segmenter"]["trained_on"] = [origins[0], origins[1], "elsewhere"]
    (tmp_path / "run" / "run.json").write_text(json.dumps(record))
    (badge,) = bench.leaderboard(tmp_path / "run").tables[0].rows[0].badges
    assert badge.name == "in-domain"
    assert (
        badge.explanation
        == "the segmenter's weights were trained on these very images: 2 of the 6 evaluated source images"
    )


def test_json_without_costs_depends_on_results_alone(bench, tmp_path):
    bench.run(tmp_path / "slow", segmenters="toy-threshold:delay=0.01")
    bench.run(tmp_path / "fast")
    slow, fast = (bench.leaderboard(tmp_path / name).to_data() for name in ("slow", "fast"))
    for data in (slow, fast):
        data["tables"][0]["rows"][0].pop("segmenter")
    assert slow == fast
    assert (
        bench.leaderboard(tmp_path / "slow").to_data(costs=True)["tables"][0]["rows"][0]["costs"]["seconds_encode"]
        >= 0.01
    )


def test_a_run_can_be_moved(bench, tmp_path):
    bench.run(tmp_path / "run")
    before = bench.leaderboard(tmp_path / "run").to_data()
    shutil.move(tmp_path / "run", tmp_path / "elsewhere")
    assert bench.leaderboard(tmp_path / "elsewhere").to_data() == before


def test_an_empty_run_and_no_run_are_refused_with_what_to_do(bench, tmp_path):
    with pytest.raises(UsageError, match="no run here"):
        bench.leaderboard(tmp_path / "nothing")
    RunFolder.create_or_open(tmp_path / "empty")
    with pytest.raises(UsageError, match="no results yet"):
        bench.leaderboard(tmp_path / "empty")


def test_a_folder_that_holds_something_else_is_not_taken_over(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").write_bytes(b"")
    with pytest.raises(UsageError, match="is not a run folder"):
        RunFolder.create_or_open(tmp_path / "photos")


def test_a_limit_that_left_images_out_is_said_until_all_are_asked_for(bench, tmp_path):
    def said():
        return [n for n in bench.leaderboard(tmp_path / "run").tables[0].rows[0].notes if "limit" in n]

    bench.run(tmp_path / "run", limit=2)
    assert said() == ["cut short by a limit: the first 2 images of the data source, which has more"]
    bench.run(tmp_path / "run", limit=6)
    assert said() == []
    bench.run(tmp_path / "run", limit=2)
    assert said() == []


def test_checkpoints_may_lie_in_the_folder_of_a_run_before_it_begins(tmp_path):
    (tmp_path / "run" / "models").mkdir(parents=True)
    (tmp_path / "run" / "models" / "mine.safetensors").write_bytes(b"mine")
    RunFolder.create_or_open(tmp_path / "run")
    assert (tmp_path / "run" / "models" / "mine.safetensors").read_bytes() == b"mine"


def test_two_metrics_with_one_name_have_a_column_each(bench, tmp_path):
    bench.run(tmp_path / "run", metrics=("toy-overlap", "toy-overlap:margin=12"))
    table = bench.leaderboard(tmp_path / "run").tables[0]
    plain, marked = (c.name for c in table.columns if c.score == "IoU")
    assert plain == "IoU"
    assert marked.startswith("IoU [mitobench-toy/toy-overlap@1#")
    assert table.rows[0].scores[plain].value != table.rows[0].scores[marked].value


def test_a_metric_whose_plugin_is_gone_is_not_shown_and_that_is_said(bench, tmp_path):
    bench.run(tmp_path / "run")
    path = tmp_path / "run" / "run.json"
    record = json.loads(path.read_text())
    record["metrics"]["lost@1"] = {
        **record["metrics"]["mitobench-toy/toy-overlap@1"],
        "identity": {"component": "lost-plugin/lost"},
    }
    path.write_text(json.dumps(record))
    table = bench.leaderboard(tmp_path / "run").tables[0]
    assert table.uncertainty.endswith("Known: boundary, instance, prompted, semantic, toy-overlap, toy-prompted.)")


def test_finding_nothing_is_said(bench, tmp_path):
    bench.run(tmp_path / "run", segmenters="toy-threshold:threshold=255")
    notes = bench.leaderboard(tmp_path / "run").tables[0].rows[0].notes
    assert "found no object in 6 of 6 images; are its weights made for such images?" in notes


def test_costs_are_per_image_and_per_megapixel_and_the_parts_add_up(bench, tmp_path):
    bench.run(tmp_path / "run", segmenters="toy-threshold:delay=0.01")
    costs = bench.leaderboard(tmp_path / "run").tables[0].rows[0].costs
    parts = sum(costs[name] for name in ("seconds_encode", "seconds_prompt", "seconds_segment"))
    assert costs["seconds"] == pytest.approx(parts)
    assert costs["seconds"] >= 0.01
    assert costs["megapixel_seconds"] == pytest.approx(costs["seconds"] * 1e6 / 48**2)
    assert costs["parameters"] is None


def test_parameters_are_those_of_all_weights_each_file_once(bench, tmp_path):
    bench.run(tmp_path / "run", limit=1)
    path = tmp_path / "run" / "run.json"

    def with_weights(*counts):
        record = json.loads(path.read_text())
        (cell,) = record["cells"].values()
        weights = [{"role": "w", "name": "w", "sha256": str(c), "parameters": c} for c in counts]
        cell["segmenter"]["weights"], cell["prompter"]["weights"] = weights, weights[:1]
        path.write_text(json.dumps(record))
        return bench.leaderboard(tmp_path / "run").tables[0].rows[0].costs["parameters"]

    assert with_weights(100, 20) == 120
    assert with_weights(100, None) is None


def test_ranked_cells_of_six_groups_are_tested_in_pairs(bench, tmp_path):
    segmenters = tuple(f"toy-threshold:threshold={t}" for t in (70, 75, 200))
    bench.run(tmp_path / "run", data="toy-discs:groups=6", segmenters=segmenters)
    table = bench.leaderboard(tmp_path / "run").tables[0]
    assert [(c.first, c.second) for c in table.comparisons] == [
        (table.rows[i].cell, table.rows[j].cell) for i, j in ((0, 1), (0, 2), (1, 2))
    ]
    first, last = table.rows[0].scores["Dice"].value, table.rows[2].scores["Dice"].value
    assert table.comparisons[1].difference == pytest.approx(first - last)
    assert table.comparisons[1].p == pytest.approx(2 / 2**6)
    assert "no difference can be told from chance" in table.test
    assert {row.cell for row in table.not_distinguishable()} == {row.cell for row in table.rows[1:]}


def test_each_data_source_of_a_leaderboard_draws_its_own_resamples(bench, tmp_path):
    """Mean ranks are averaged draw by draw, as if the draws of different data were independent: they must be."""
    from mitobench.ranking.evidence import Evidence
    from mitobench.ranking.leaderboard import _resampling

    bench.run(tmp_path / "run", data=("toy-discs:groups=6", "toy-discs:groups=6,seed=1"))
    cells = Evidence([RunFolder.open(tmp_path / "run")], bench.plugins).cells.values()
    one, two = (_resampling([cell], 2000, 0)[1].weights for cell in cells)
    assert one.shape == two.shape
    assert abs(np.corrcoef(one[:, 0], two[:, 0])[0, 1]) < 0.1


def test_the_comparisons_with_rank_1_are_those_of_its_row(bench, tmp_path):
    segmenters = tuple(f"toy-threshold:threshold={t}" for t in (70, 75, 200))
    bench.run(tmp_path / "run", data="toy-discs:groups=6", segmenters=segmenters)
    table = bench.leaderboard(tmp_path / "run").tables[0]
    assert table.against_best() == table.comparisons[:2]


def test_what_was_too_little_to_test_names_nobody_as_equal(bench, tmp_path):
    bench.run(tmp_path / "run", segmenters=("toy-threshold", "toy-threshold:threshold=70"))
    table = bench.leaderboard(tmp_path / "run").tables[0]
    assert table.test == "too few for a test: 1 independent group, at least 6 are needed"
    assert table.not_distinguishable() is None
    assert table.comparisons[0].low is not None


def test_everything_is_in_the_data_and_the_data_are_json(bench, tmp_path):
    data_sources = ("toy-discs:groups=6", "toy-discs:groups=6,seed=1")
    bench.run(tmp_path / "run", data=data_sources, segmenters=("toy-threshold", "toy-threshold:threshold=70"))
    data = json.loads(json.dumps(bench.leaderboard(tmp_path / "run").to_data(), allow_nan=False))
    (comparison,) = data["tables"][0]["comparisons"]
    assert {"first", "second", "difference", "low", "high", "groups", "left_out", "p", "p_corrected"} == set(comparison)
    assert data["tables"][0]["rows"][0]["badges"] == []
    assert [row["ranks"].keys() for row in data["mean_ranks"][0]["rows"]] == [
        {"toy-discs:groups=6", "toy-discs:groups=6,seed=1"}
    ] * 2
