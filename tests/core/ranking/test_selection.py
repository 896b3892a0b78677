"""Runs are merged where their cells may stand side by side, and refused, with what to do, where they may not."""

import json

import pytest

from mitobench.errors import UsageError
from mitobench.ranking.selection import Selection
from mitobench.ranking.sorting import sort_rows


def change(path, edit):
    """Edit the record of a run."""
    record = json.loads((path / "run.json").read_text())
    edit(record)
    (path / "run.json").write_text(json.dumps(record))


def other_content(record):
    """The same label, but other data."""
    for cell in record["cells"].values():
        cell["data"]["key"] = "k" * 32
        cell["data"]["identity"]["fingerprint"] = "f00df00d" * 4


def test_one_label_with_other_content_in_another_run_is_refused(bench, tmp_path):
    bench.run(tmp_path / "a", limit=2)
    bench.run(tmp_path / "b", segmenters="toy-threshold:threshold=70", limit=2)
    change(tmp_path / "b", other_content)
    with pytest.raises(UsageError, match=r"'toy-discs' is not the same in these runs .*f00df00d in .*/b.*--apart"):
        bench.leaderboard(tmp_path / "a", tmp_path / "b")


def test_when_asked_for_it_has_a_table_of_its_own_that_says_so(bench, tmp_path):
    bench.run(tmp_path / "a", limit=2)
    bench.run(tmp_path / "b", segmenters="toy-threshold:threshold=70", limit=2)
    change(tmp_path / "b", other_content)
    tables = bench.leaderboard(tmp_path / "a", tmp_path / "b", apart=True).tables
    assert [len(table.rows) for table in tables] == [1, 1]
    assert any(table.title.startswith("toy-discs [f00df00d]") for table in tables)
    for table in tables:
        assert "another data source is called 'toy-discs' too; their scores are not comparable" in table.remarks


def test_the_data_that_are_left_out_refuse_nothing(bench, tmp_path):
    bench.run(tmp_path / "a", data=("toy-discs", "toy-discs:seed=1"), limit=2)
    bench.run(tmp_path / "b", segmenters="toy-threshold:threshold=70", limit=2)
    change(tmp_path / "b", other_content)
    (table,) = bench.leaderboard(tmp_path / "a", tmp_path / "b", selection=Selection(data=["toy-discs:seed=1"])).tables
    assert len(table.rows) == 1


def rename_metric(old, new):
    def edit(record):
        record["metrics"][new] = record["metrics"].pop(old)

    return edit


def test_scores_of_two_versions_of_a_metric_are_refused(bench, tmp_path):
    for name in ("a", "b"):
        bench.run(tmp_path / name, metrics="toy-overlap", limit=2)
    change(tmp_path / "b", rename_metric("mitobench-toy/toy-overlap@1", "mitobench-toy/toy-overlap@0"))
    with pytest.raises(UsageError, match=r"other versions .*mitobench score .*/b --metric toy-overlap"):
        bench.leaderboard(tmp_path / "a", tmp_path / "b")


def test_metrics_that_only_one_run_has_refuse_nothing(bench, tmp_path):
    bench.run(tmp_path / "a", metrics="toy-overlap", limit=2)
    bench.run(tmp_path / "b", segmenters="toy-threshold:threshold=70", metrics="semantic", limit=2)
    (table,) = bench.leaderboard(tmp_path / "a", tmp_path / "b").tables
    unranked = next(row for row in table.rows if row.rank is None)
    assert any(note.startswith("no rank: not scored by ") for note in unranked.notes)


@pytest.mark.parametrize(
    ("selection", "left"),
    [
        (Selection(segmenters=["*70"]), {"toy-threshold:threshold=70"}),
        (Selection(segmenters=["toy-threshold"]), {"toy-threshold"}),
        (Selection(segmenters=["*70", "toy-threshold"]), {"toy-threshold", "toy-threshold:threshold=70"}),
        (Selection(prompters=["toy-*"]), {"toy-flood"}),
        (Selection(data=["toy-discs"], prompters=["none"]), {"toy-threshold", "toy-threshold:threshold=70"}),
    ],
)
def test_labels_and_patterns_choose_cells(bench, tmp_path, selection, left):
    segmenters = ("toy-threshold", "toy-threshold:threshold=70", "toy-flood")
    bench.run(tmp_path / "run", prompters="toy-centres", segmenters=segmenters, limit=2)
    (table,) = bench.leaderboard(tmp_path / "run", selection=selection).tables
    assert {row.segmenter for row in table.rows} == left
    assert table.rows[0].rank == 1


def test_a_pattern_that_matches_nothing_is_answered_with_what_there_is(bench, tmp_path):
    bench.run(tmp_path / "run", limit=1)
    with pytest.raises(UsageError, match=r"no data source matches 'em\*'. There are: toy-discs"):
        bench.leaderboard(tmp_path / "run", selection=Selection(data=["em*"]))
    bench.run(tmp_path / "run", prompters="toy-centres", segmenters="toy-flood", limit=1)
    with pytest.raises(UsageError, match="no cell matches all"):
        bench.leaderboard(tmp_path / "run", selection=Selection(prompters=["none"], segmenters=["toy-flood"]))


def test_cells_of_earlier_commands_are_shown_and_said_to_be(bench, tmp_path):
    bench.run(tmp_path / "run", limit=2)
    assert bench.leaderboard(tmp_path / "run").tables[0].remarks == ()
    bench.run(tmp_path / "run", segmenters="toy-threshold:threshold=70", limit=2)
    (table,) = bench.leaderboard(tmp_path / "run").tables
    assert len(table.rows) == 2
    assert table.remarks == ("1 of 2 cells were not part of the last command of their run",)


def test_rows_are_sorted_as_asked_and_keep_their_ranks(bench, tmp_path):
    segmenters = tuple(f"toy-threshold:threshold={t}" for t in (40, 70, 150))
    bench.run(tmp_path / "run", segmenters=segmenters, limit=2)
    board = bench.leaderboard(tmp_path / "run")
    by_name = sort_rows(board, "segmenter").tables[0].rows
    assert [row.segmenter for row in by_name] == sorted(segmenters)
    assert sorted(row.rank for row in by_name) == [1, 2, 3]
    by_score = sort_rows(board, "iou").tables[0].rows
    values = [row.scores["IoU"].value for row in by_score]
    assert values == sorted(values, reverse=True)
    by_cost = [row.costs["seconds"] for row in sort_rows(board, "seconds").tables[0].rows]
    assert by_cost == sorted(by_cost)
    with pytest.raises(UsageError, match=r"no column 'AP' to sort by. There are: rank, prompter"):
        sort_rows(board, "AP")
