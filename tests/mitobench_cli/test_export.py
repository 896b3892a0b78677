"""``mitobench export``: from a run to a file, from files to a leaderboard."""

import json
import shlex

import pytest

from mitobench.experiment import Experiment
from mitobench.plan import make_plan
from mitobench.plugins import Plugins
from mitobench.results.runfolder import RunFolder
from mitobench.runner import execute
from mitobench.specs import parse_spec
from mitobench.weights import WeightsStore


@pytest.fixture
def run(tmp_path):
    """Make a run as `mitobench run` does, but for the reports."""

    def run(name, segmenter):
        asked = Experiment(
            data=(parse_spec("toy-discs:n=2"),),
            segmenters=(parse_spec(segmenter),),
            metrics=(parse_spec("toy-overlap"),),
            base=tmp_path,
        )
        plugins, folder = Plugins.discover(), RunFolder.create_or_open(tmp_path / name)
        plan = make_plan(asked, plugins, WeightsStore(plugins, cache=tmp_path / "cache", offline=True))
        assert execute(plan, folder, plugins, device="cpu").exit_code == 0
        return name

    return run


def test_exports_and_runs_share_a_leaderboard(mitobench, run, tmp_path):
    done = mitobench("export", run("a", "toy-threshold"), "--out", "all/a.zip")
    assert done.code == 0, done.err
    assert done.out.startswith("all/a.zip: 1 cells, 2 results, no predictions, sha256 ")
    run("b", "toy-threshold:threshold=120")
    (tmp_path / "b").rename(tmp_path / "all" / "b")
    shown = mitobench("leaderboard", "all", "--format", "csv")
    assert shown.code == 0, shown.err
    assert "toy-threshold" in shown.out
    assert "toy-threshold:threshold=120" in shown.out
    both = mitobench("leaderboard", "all/a.zip", "all/b", "--format", "csv")
    assert both.out == shown.out


def test_exports_are_compared_as_the_runs_that_they_are_of(mitobench, run):
    for name, segmenter in (("a", "toy-threshold"), ("b", "toy-threshold:threshold=120")):
        assert mitobench("export", run(name, segmenter), "--out", f"{name}.zip").code == 0
    asked = ("compare", "--json", "--resamples", 0)

    def differences(*sides):
        (found,) = json.loads(mitobench(*asked, *sides).out)["comparisons"]
        return [score for name, score in sorted(found.items()) if name in ("columns", "scores", "data", "images")]

    expected = differences("a:toy-threshold", "b:toy-threshold:threshold=120")
    assert expected
    assert differences("a.zip:toy-threshold", "b.zip:toy-threshold:threshold=120") == expected
    assert differences("a:toy-threshold", "b.zip:toy-threshold:threshold=120") == expected


def test_json_and_predictions(mitobench, run):
    done = mitobench("export", run("a", "toy-threshold"), "--out", "a.zip", "--predictions", "--json")
    (found,) = json.loads(done.out)
    assert (found["export"], found["cells"], found["results"], found["predictions"]) == ("a.zip", 1, 2, 2)
    assert json.loads(mitobench("export", "--check", "a.zip", "--json").out) == [found]


def test_a_check_reads_exports_and_folders_of_them(mitobench, run, tmp_path):
    mitobench("export", run("a", "toy-threshold"), "--out", "all/a.zip")
    mitobench("export", "a", "--out", "all/b.zip")
    done = mitobench("export", "--check", "all")
    assert done.code == 0
    assert len(done.out.splitlines()) == 2
    damaged = tmp_path / "all" / "b.zip"
    damaged.write_bytes(damaged.read_bytes()[:-40])
    for command in (["export", "--check", "all"], ["leaderboard", "all"]):
        failed = mitobench(*command)
        assert (failed.code, failed.out) == (3, "")
        assert failed.err.count("\n") == 1
        assert "b.zip: not a whole export" in failed.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["a"],
        ["a", "b", "--out", "x.zip"],
        ["a", "--out", "x.tar"],
        ["--check", "a", "--out", "x.zip"],
        ["--check", "a"],
        ["a", "--prompts", "none", "--out", "x.csv"],
        ["a", "--prompts", "x", "--out", "x.zip"],
        ["a", "--prompts", "x", "--out", "x.csv", "--predictions"],
        ["a", "--data", "x", "--out", "x.zip"],
    ],
)
def test_wrong_usage(mitobench, run, arguments):
    run("a", "toy-threshold")
    done = mitobench("export", *arguments)
    assert done.code == 2
    assert done.err.startswith("error: ")


def scores(found):
    """Every score of the comparison, by its column, of both sides."""
    (compared,) = found["comparisons"]
    assert (compared["images"], compared["only_first"], compared["only_second"]) == (4, 0, 0)
    return {each["column"]["name"]: (each["first"], each["second"]) for each in compared["columns"]}


def test_the_prompts_of_a_run_give_its_scores_again(mitobench):
    matrix = ("run", "--data", "toy-discs:n=4", "--segmenter", "toy-flood", "--metric", "instance", "--offline")
    assert mitobench(*matrix, "--prompter", "toy-centres", "--out", "a").code == 0
    done = mitobench("export", "a", "--prompts", "toy-centres", "--out", "points.csv")
    assert done.code == 0, done.err
    assert done.out.splitlines() == [
        "points.csv: 25 prompts (points) of toy-centres on 4 images",
        "use: --prompter manual:path=points.csv",
    ]
    assert mitobench(*matrix, "--prompter", "manual:path=points.csv", "--out", "b").code == 0
    compared = mitobench("compare", "a:toy-centres x *", "b:manual:path=points.csv x *", "--json", "--resamples", 0)
    found = scores(json.loads(compared.out))
    assert found["F1@0.5"][0] > 0.5
    assert all(first == second for first, second in found.values())


MATRIX = ("run", "--data", "toy-discs:n=3", "--segmenter", "toy-flood", "--metric", "toy-overlap", "--offline")


def test_images_without_prompts_are_said_and_skipped(mitobench, tmp_path):
    (tmp_path / "some.csv").write_text("image,x,y\ndisc0,10,10\ndisc2,30,30\n")
    mitobench(*MATRIX, "--prompter", "manual:path=some.csv,missing=skip", "--out", "a")
    done = mitobench("export", "a", "--prompts", "manual", "--out", "p.csv", "--json")
    found = json.loads(done.out)
    assert (found["images"], found["without"], found["failed"], found["prompts"]) == (2, ["disc1"], [], 2)
    assert found["use"] == "manual:path=p.csv,missing=skip"
    assert mitobench(*MATRIX, "--prompter", found["use"], "--out", "b").code == 0


def test_images_that_failed_are_said_and_are_not_scored_as_empty(mitobench):
    mitobench(*MATRIX, "--prompter", "toy-centres:fail_on=disc1", "--out", "a")
    asked = ("export", "a", "--prompts", "toy-centres", "--out", "p.csv")
    found = json.loads(mitobench(*asked, "--json").out)
    assert (found["images"], found["without"], found["failed"], found["prompts"]) == (2, [], ["disc1"], 8)
    assert found["use"] == "manual:path=p.csv"
    assert "on 2 images, 1 images failed" in mitobench(*asked).out
    again = mitobench(*MATRIX, "--prompter", found["use"], "--out", "b")
    assert again.code != 0
    assert "disc1" in again.out + again.err


def test_the_prompter_that_is_printed_can_be_given_to_a_shell(mitobench):
    mitobench(*MATRIX, "--prompter", "toy-centres", "--out", "a")
    done = mitobench("export", "a", "--prompts", "toy-centres", "--out", "it's; mine.csv")
    assert done.code == 0, done.err
    _, option, prompter = shlex.split(done.out.splitlines()[1])
    assert option == "--prompter"
    assert parse_spec(prompter).options == {"path": "it's; mine.csv"}
    assert mitobench(*MATRIX, "--prompter", prompter, "--out", "b").code == 0


def test_no_run(mitobench):
    assert mitobench("export", "absent", "--out", "x.zip").code == 2
    assert "no run here" in mitobench("leaderboard", "absent").err
