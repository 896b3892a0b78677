"""``leaderboard`` shows runs in every format; ``score`` adds metrics to stored predictions without running a model."""

import csv
import io
import json
import sys
from pathlib import Path

import pytest

RUN = (
    "run",
    "--data",
    "toy-discs:n=3",
    "--prompter",
    "toy-centres",
    "--prompter",
    "toy-oracle",
    "--segmenter",
    "toy-flood",
)


@pytest.fixture
def run(mitobench):
    """A finished run ``r``."""
    assert mitobench(*RUN, "--metric", "toy-overlap", "--out", "r").code == 0
    return mitobench


def test_oracle_and_automatic_cells_are_in_tables_apart_with_intervals(run):
    result = run("leaderboard", "r")
    assert result.code == 0
    automatic, oracle = result.out.split("\n\n")
    assert "toy-centres" in automatic
    assert "toy-oracle" not in automatic
    assert "toy-oracle" in oracle
    assert "oracle prompts" in oracle
    assert "95 % intervals" in automatic
    assert "[0." in automatic


def test_every_format_holds_the_same_scores(run):
    data = json.loads(run("leaderboard", "r", "--format", "json").out)
    value = data["tables"][0]["rows"][0]["scores"]["Dice"]["value"]
    records = list(csv.DictReader(io.StringIO(run("leaderboard", "r", "--format", "csv").out)))
    assert float(records[0]["Dice"]) == value
    assert f"{value:.3f}" in run("leaderboard", "r", "--format", "md").out
    assert f"{value:.3f}" in run("leaderboard", "r", "--format", "table:width=60").out


def test_a_format_takes_options_and_a_mistyped_one_is_refused(run):
    assert "[" not in run("leaderboard", "r", "--format", "md:intervals=false,costs=false").out
    result = run("leaderboard", "r", "--format", "jsn")
    assert result.code == 2
    assert "Did you mean 'json'?" in result.err


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_tables_fit_the_terminal_and_are_whole_in_a_pipe(run, monkeypatch, columns):
    asked = ("leaderboard", "r"), ("leaderboard", "r", "--format", "table"), ("score", "r")
    whole = [run(*arguments).out for arguments in asked]
    assert all("peak MB" in text and "no room" not in text for text in whole)
    assert run("leaderboard", "r", "--format", "csv").out
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    for arguments in asked:
        lines = run(*arguments).out.splitlines()
        assert max(len(line) for line in lines if not line.startswith("report: ")) <= columns
        assert any(line.startswith("#  prompter ") for line in lines)
    assert run("leaderboard", "r", "--format", "csv").code == 0
    assert "peak MB" in run("leaderboard", "r", "--format", "table:width=300").out.splitlines()[1]
    assert run("leaderboard", "r", "--out", "board.txt").code == 0
    assert "no room" not in Path("board.txt").read_text()


def test_any_score_can_rank(run):
    table = json.loads(run("leaderboard", "r", "--primary", "IoU", "--format", "json").out)["tables"][0]
    assert table["primary"] == "IoU"
    result = run("leaderboard", "r", "--primary", "AP")
    assert result.code == 2
    assert "There are: Dice" in result.err


def test_runs_are_merged(run):
    run("run", "--data", "toy-discs:n=3", "--segmenter", "toy-threshold", "--metric", "toy-overlap", "--out", "s")
    rows = json.loads(run("leaderboard", "r", "s", "--format", "json").out)["tables"][0]["rows"]
    assert {row["segmenter"] for row in rows} == {"toy-flood", "toy-threshold"}


def rows_of(result):
    assert result.code == 0, result.err
    return [row for table in json.loads(result.out)["tables"] for row in table["rows"]]


def test_cells_are_chosen_by_label_and_pattern(run):
    assert [
        row["prompter"] for row in rows_of(run("leaderboard", "r", "--prompter", "*centres", "--format", "json"))
    ] == ["toy-centres"]
    assert len(rows_of(run("leaderboard", "r", "--data", "toy-*", "--segmenter", "toy-flood", "--format", "json"))) == 2
    result = run("leaderboard", "r", "--data", "em*")
    assert result.code == 2
    assert "no data source matches 'em*'. There are: toy-discs:n=3." in result.err


def test_rows_are_sorted_by_any_column(run):
    more = ("--segmenter", "toy-threshold", "--segmenter", "toy-threshold:threshold=150", "--metric", "toy-overlap")
    assert run("run", "--data", "toy-discs:n=3", *more, "--out", "s").code == 0
    shown = ("leaderboard", "s", "--format", "json:costs=true")
    ranks = [row["rank"] for row in rows_of(run(*shown))]
    assert ranks == sorted(ranks)
    names = [row["segmenter"] for row in rows_of(run(*shown, "--sort", "segmenter"))]
    assert names == sorted(names)
    seconds = [row["costs"]["seconds"] for row in rows_of(run(*shown, "--sort", "SECONDS"))]
    assert seconds == sorted(seconds)
    result = run("leaderboard", "s", "--sort", "beauty")
    assert result.code == 2
    assert "no column 'beauty' to sort by. There are: rank, prompter" in result.err


def test_a_leaderboard_is_written_in_the_format_that_its_file_is_called_after(run, tmp_path):
    result = run("leaderboard", "r", "--out", "here/board.md")
    assert (result.code, result.out, result.err) == (0, "here/board.md\n", "")
    assert (tmp_path / "here" / "board.md").read_text().startswith("## toy-discs:n=3: automatic")
    assert run("leaderboard", "r", "--out", "board.txt", "--format", "json").code == 0
    assert json.loads((tmp_path / "board.txt").read_text())["schema"] == 1
    result = run("leaderboard", "r", "--out", "board.docx")
    assert result.code == 2
    assert "no reporter writes .docx. Give --format, or one of: .csv," in result.err


def test_runs_on_other_content_under_one_name_are_refused_or_shown_apart(run, tmp_path):
    assert run(*RUN, "--metric", "toy-overlap", "--out", "s").code == 0
    path = tmp_path / "s" / "run.json"
    record = json.loads(path.read_text())
    record["cells"] = {f"f{key[1:]}": cell for key, cell in record["cells"].items()}
    for cell in record["cells"].values():
        cell["data"] |= {"key": "k" * 32, "identity": {**cell["data"]["identity"], "fingerprint": "f" * 32}}
    path.write_text(json.dumps(record))
    result = run("leaderboard", "r", "s")
    assert result.code == 2
    assert "'toy-discs:n=3' is not the same in these runs" in result.err
    assert run("leaderboard", "r", "s", "--apart").code == 0


def test_several_data_sources_have_mean_ranks(run):
    segmenters = ("--segmenter", "toy-threshold", "--segmenter", "toy-threshold:threshold=150")
    data = ("--data", "toy-discs:n=2", "--data", "toy-discs:n=2,seed=1")
    assert run("run", *data, *segmenters, "--metric", "toy-overlap", "--out", "s").code == 0
    (ranks,) = json.loads(run("leaderboard", "s", "--format", "json").out)["mean_ranks"]
    assert sum(row["mean"] for row in ranks["rows"]) == 3
    assert "mean rank over 2 data sources: automatic" in run("leaderboard", "s").out


def test_a_folder_that_is_no_run_is_a_usage_error(mitobench):
    for verb in ("leaderboard", "score"):
        result = mitobench(verb, "nowhere")
        assert result.code == 2
        assert "no run here" in result.err


def test_score_adds_a_metric_without_running_a_model(run, tmp_path, monkeypatch):
    import mitobench_toy_components

    def refuse(*_):
        raise AssertionError("no model may run")

    monkeypatch.setattr(mitobench_toy_components.Flood, "__init__", refuse)
    result = run("score", "r", "--metric", "semantic", "--json")
    assert result.code == 0, result.err
    found = json.loads(result.out)
    assert (found["done"], found["failed"]) == (6, 0)
    columns = {c["name"] for c in found["leaderboard"]["tables"][0]["columns"]}
    assert {"Dice", "IoU", "pixel recall"} <= columns
    assert "pixel recall" in (tmp_path / "r" / "report" / "leaderboard.csv").read_text()


def test_score_of_what_is_scored_already_does_nothing(run):
    result = run("score", "r", "--metric", "toy-overlap")
    assert result.code == 0
    assert "0 scored, 0 failed" in result.err
    assert "toy-centres" in result.out


def test_score_answers_an_unknown_metric_with_the_one_that_was_meant(run):
    result = run("score", "r", "--metric", "semantics")
    assert result.code == 2
    assert "Did you mean 'semantic'?" in result.err


FAILING_REPORTER = """
    import mitobench
    from mitobench.descriptors import ReporterDescriptor

    @mitobench.hookimpl
    def mitobench_reporters():
        return [
            ReporterDescriptor(name="broken", target="foreign_plugin:Broken", summary="s", suffix=".broken"),
            ReporterDescriptor(name="outside", target="foreign_plugin:Broken", summary="s", suffix="/../../x"),
            ReporterDescriptor(name="second", target="foreign_plugin:Broken", summary="s", suffix=".md"),
        ]

    class Broken:
        def __init__(self, options, context):
            pass

        def render(self, leaderboard, evidence):
            raise ValueError("cannot draw")
"""


def test_a_broken_reporter_costs_a_warning_and_its_own_file(foreign, mitobench, tmp_path):
    foreign(FAILING_REPORTER)
    result = mitobench(*RUN, "--metric", "toy-overlap", "--out", "r")
    assert result.code == 0
    assert "reporter foreign/broken failed (ValueError: cannot draw)" in result.err
    assert "reporter foreign/second: leaderboard.md is written by another reporter" in result.err
    assert "reporter foreign/outside" in result.err
    assert sorted(p.name for p in (tmp_path / "r" / "report").iterdir()) == [
        f"leaderboard.{s}" for s in ("csv", "html", "json", "md", "txt")
    ]


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("raise RuntimeError('no ink')", "RuntimeError: no ink"),
        ("raise OSError('printer on fire')", "OSError: printer on fire"),
        ("raise ZeroDivisionError", "ZeroDivisionError"),
        ("raise SystemExit('no licence')", "SystemExit: no licence"),
        ("return b'bytes'", "AttributeError"),
    ],
)
def test_however_a_reporter_fails_it_costs_only_its_own_file(foreign, mitobench, tmp_path, statement, said):
    foreign(FAILING_REPORTER.replace('raise ValueError("cannot draw")', statement))
    result = mitobench(*RUN, "--metric", "toy-overlap", "--out", "r")
    assert result.code == 0, result.err
    assert f"warning: reporter foreign/broken failed ({said}" in result.err
    assert (tmp_path / "r" / "report" / "leaderboard.csv").exists()
    assert "automatic" in result.out


def test_a_reporter_that_finds_the_disk_full_stops_the_command(foreign, mitobench):
    full = "from mitobench.errors import ResourceError; raise ResourceError('no space left on the disk')"
    foreign(FAILING_REPORTER.replace('raise ValueError("cannot draw")', full))
    result = mitobench(*RUN, "--metric", "toy-overlap", "--out", "r")
    assert result.code == 5
    assert "no space left on the disk" in result.err


def test_a_foreign_reporter_called_table_does_not_stand_in_for_ours(foreign, mitobench):
    foreign(FAILING_REPORTER.replace('"broken"', '"table"'))
    result = mitobench(*RUN, "--metric", "toy-overlap", "--out", "r")
    assert result.code == 0, result.err
    assert "reporter foreign/table failed (ValueError: cannot draw)" in result.err
    shown = mitobench("leaderboard", "r")
    assert shown.code == 0, shown.err
    assert "automatic" in shown.out
    assert "automatic" in result.out
