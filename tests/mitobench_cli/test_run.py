"""``run`` and ``plan``: from a command line or an experiment file to results, whatever happens on the way."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from PIL import Image

TOY = ("--data", "toy-discs", "--prompter", "toy-centres", "--segmenter", "toy-flood", "--metric", "toy-overlap")
QUICK = (*TOY, "--limit", 2)


def statuses(mitobench, *arguments):
    return [(c["status"], c["done"]) for c in json.loads(mitobench("plan", *arguments, "--json").out)["cells"]]


def test_a_run_ends_in_a_leaderboard_and_names_data_and_report(mitobench, tmp_path):
    result = mitobench("run", *QUICK, "--out", "runs/first")
    assert result.code == 0
    assert "toy-discs: automatic" in result.out
    assert "toy-centres" in result.out
    assert "data: toy-discs (fingerprint " in result.out
    assert "2 done, 0 failed" in result.err
    report = tmp_path / "runs/first/report"
    assert sorted(p.name for p in report.iterdir()) == [
        f"leaderboard.{s}" for s in ("csv", "html", "json", "md", "txt")
    ]
    assert json.loads((report / "leaderboard.json").read_text())["tables"][0]["rows"][0]["images"] == 2
    assert "| `toy-centres` | `toy-flood` |" in (report / "leaderboard.md").read_text()


def test_without_out_the_folder_is_said_and_the_same_command_resumes(mitobench, tmp_path):
    first, second = mitobench("run", *QUICK), mitobench("run", *QUICK)
    folder = first.err.split("run folder: ")[1].split()[0]
    assert (tmp_path / folder / "run.json").exists()
    assert f"run folder: {folder} " in second.err
    assert "0 done, 0 failed, 2 were stored" in second.err
    assert first.out.replace("<", "") == second.out.replace("<", "")


def test_a_larger_limit_goes_on_where_the_smaller_ended(mitobench):
    mitobench("run", *TOY, "--limit", 2)
    assert "3 done, 0 failed, 2 were stored" in mitobench("run", *TOY, "--limit", 5).err


def test_json_is_all_there_is_on_stdout(process):
    result = process("run", *QUICK, "--json", "--out", "r")
    found = json.loads(result.out)
    assert result.code == found["exit_code"] == 0
    assert (found["run"], found["done"], found["failed"], found["interrupted"]) == ("r", 2, 0, False)
    assert found["plan"]["cells"][0]["prompter"] == "toy-centres"
    assert found["leaderboard"]["tables"][0]["rows"][0]["segmenter"] == "toy-flood"
    assert found["data"][0]["data"] == "toy-discs"


def test_plan_shows_each_cell_s_status_and_touches_nothing(mitobench, tmp_path):
    matrix = ("--data", "toy-discs", "--prompter", "toy-centres", "--prompter", "toy-boxes")
    both = ("--segmenter", "toy-flood", "--segmenter", "toy-absent")
    result = mitobench("plan", *matrix, *both)
    lines = [line.split() for line in result.out.splitlines()]
    assert lines[0] == ["STATUS", "DATA", "PROMPTER", "SEGMENTER", "IMAGES", "REASON"]
    assert [line[0] for line in lines[1:]] == ["run", "incompatible", "missing"]
    assert "toy-boxes emits box prompts, toy-flood accepts only point" in result.out
    assert "pip install no-such-distribution" in result.out
    assert result.code == 0
    assert list(tmp_path.iterdir()) == []
    assert mitobench("run", *matrix, *both, "--dry-run").out == result.out


def test_plan_knows_what_is_done(mitobench):
    assert statuses(mitobench, *QUICK, "--out", "r") == [("run", 0)]
    mitobench("run", *QUICK, "--out", "r")
    assert statuses(mitobench, *QUICK, "--out", "r") == [("done", 2)]
    assert statuses(mitobench, *TOY, "--limit", 3, "--out", "r") == [("run", 2)]


def test_planned_out_cells_are_said_and_a_missing_one_decides_the_exit_code(mitobench):
    result = mitobench("run", *QUICK, "--prompter", "toy-boxes", "--segmenter", "toy-absent", "--out", "r")
    assert "incompatible: toy-boxes x toy-flood on toy-discs: toy-boxes emits box" in result.err
    assert "missing: none x toy-absent on toy-discs: needs no-such-distribution" in result.err
    assert "toy-flood" in result.out
    assert result.code == 4


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--data", "toy-discs", "--segmenter", "toy-flood"), 2, "toy-flood needs prompts"),
        (("--data", "toy-discs", "--segmenter", "toy-absent"), 4, "pip install no-such-distribution"),
        (("--data", "toy-discs"), 2, "name at least one --segmenter"),
        ((), 2, "name at least one --segmenter"),
        (("--data", "toy-disc", "--segmenter", "unet"), 2, "Did you mean 'toy-discs'?"),
        (("--data", "toy-discs:sise=3", "--segmenter", "toy-threshold"), 2, "Did you mean 'size'?"),
        (("--data", "toy-discs:n=many", "--segmenter", "toy-threshold"), 2, "option 'n' is 'many'"),
        (("--data", "toy-discs:n", "--segmenter", "toy-threshold"), 2, "is not option=value"),
        ((*QUICK, "--metric", "toy-overlaps"), 2, "Did you mean 'toy-overlap'?"),
        ((*QUICK, "--device", "gpu"), 2, "expected auto, cpu, cuda"),
        ((*QUICK, "--limit", "0"), 2, "--limit"),
        (("absent.toml",), 2, "no such experiment file"),
    ],
)
def test_what_cannot_run_is_one_line_with_its_exit_code(mitobench, tmp_path, arguments, code, message):
    for verb in ("run", "plan"):
        if verb == "plan" and "--device" in arguments:
            continue
        result = mitobench(verb, *arguments)
        assert result.code == code
        last = result.err.splitlines()[-1]
        assert last.startswith("error: ")
        assert message in last
    assert not list(tmp_path.glob("runs/*/parts/*"))


def test_failed_images_are_counted_with_their_reason_and_the_others_are_kept(mitobench):
    result = mitobench("run", *TOY[:3], "toy-centres:fail_on=disc1", *TOY[4:], "--limit", 3, "--out", "r")
    assert result.code == 1
    assert "3 done, 1 failed" in result.err
    assert "failed 1x: toy-centres:fail_on=disc1 + toy-flood: " in result.err
    assert "no prompts for disc1" in result.err
    assert "2/3, 1 failed" in result.out


def test_an_output_folder_that_holds_something_else_is_refused(mitobench, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("")
    result = mitobench("run", *QUICK, "--out", "thesis")
    assert result.code == 2
    assert "is not a run folder" in result.err


def test_an_experiment_file_runs_and_options_replace_what_it_says(mitobench, tmp_path):
    (tmp_path / "discs.toml").write_text(
        "seed = 3\nlimit = 2\n"
        "data = [{ name = 'toy-discs', size = 32 }]\n"
        "prompters = ['toy-centres', 'toy-oracle']\n"
        "segmenters = ['toy-flood']\nmetrics = ['toy-overlap']\n"
    )
    result = mitobench("run", "discs.toml")
    assert result.code == 0
    assert "run folder: runs/discs " in result.err
    assert "toy-discs:size=32: automatic" in result.out
    assert "toy-discs:size=32: oracle prompts" in result.out
    assert "seed" not in result.err
    planned = json.loads(
        mitobench("plan", "discs.toml", "--prompter", "toy-oracle", "--limit", 1, "--seed", 4, "--json").out
    )
    assert [(c["prompter"], c["segmenter"], c["total"]) for c in planned["cells"]] == [("toy-oracle", "toy-flood", 1)]
    assert planned["seed"] == 4
    assert planned["limit"] == 1


def test_paths_start_from_the_experiment_file_in_it_and_from_here_on_the_command_line(mitobench, tmp_path):
    for folder, side in (("elsewhere/pictures", 8), ("pictures", 16)):
        (tmp_path / folder).mkdir(parents=True)
        Image.new("L", (side, side)).save(tmp_path / folder / "a.png")
    (tmp_path / "elsewhere/e.toml").write_text("data = ['folder:images=pictures']\nsegmenters = ['toy-threshold']\n")
    (tmp_path / "here.toml").write_text("data = ['folder:images=pictures']\nsegmenters = ['toy-threshold']\n")

    def key(*arguments):
        return json.loads(mitobench("plan", *arguments, "--json").out)["cells"][0]["key"]

    assert key("elsewhere/e.toml") != key("here.toml")
    assert key("elsewhere/e.toml", "--data", "folder:images=pictures") == key("here.toml")


def test_two_processes_give_the_same_leaderboard(mitobench, tmp_path):
    mitobench("run", *QUICK, "--out", "one")
    assert mitobench("run", *QUICK, "--out", "two", "--workers", 1, "--batch", 1).code == 0
    one, two = ((tmp_path / name / "report" / "leaderboard.json").read_bytes() for name in ("one", "two"))
    assert one == two


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_keeps_what_is_finished_and_the_same_command_resumes(tmp_path, process, mitobench, signum):
    slow = (
        "run",
        "--data",
        "toy-discs:n=12",
        "--segmenter",
        "toy-threshold:delay=0.2",
        "--metric",
        "toy-overlap",
        "--out",
        "r",
        "--batch",
        "1",
    )
    code = "from mitobench_cli.main import main; main()"
    running = subprocess.Popen(
        [sys.executable, "-c", code, *slow], cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 240
    while len(list((tmp_path / "r" / "parts").glob("*"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    running.send_signal(signum)
    out, err = running.communicate(timeout=240)
    assert running.returncode == 130, err
    assert out == ""
    assert "once more stops at once" in err
    assert "the same command resumes" in err
    finished = len(list((tmp_path / "r" / "parts").glob("*.images.parquet")))
    assert 2 <= finished < 12
    again = mitobench(*slow)
    assert again.code == 0
    assert f"{12 - finished} done, 0 failed, {finished} were stored" in again.err


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("workers", ["0", "1"])
def test_ctrl_c_twice_stops_at_once_and_the_same_command_resumes(twice_interrupted, mitobench, tmp_path, workers):
    """Each image takes ten minutes; nobody waits for one."""
    matrix = ("--metric", "toy-overlap", "--out", "r", "--batch", "1", "--workers", workers)
    slow = ("run", "--data", "toy-discs:n=2", "--segmenter", "toy-threshold:delay=600,log=calls", *matrix)
    result = twice_interrupted(*slow, begun=tmp_path / "calls")
    assert result.code == 130, result.err
    assert "stopped at once; the same command resumes" in result.err
    again = mitobench("run", "--data", "toy-discs:n=2", "--segmenter", "toy-threshold", *matrix)
    assert again.code == 0, again.err
    assert "2 done, 0 failed" in again.err


HOSTILE = """
    import mitobench
    from mitobench.descriptors import DataSourceDescriptor, SegmenterDescriptor

    @mitobench.hookimpl
    def mitobench_data_sources():
        return [DataSourceDescriptor(name="hostile", target="foreign_plugin:Source", options="foreign_plugin:options", summary="s")]

    @mitobench.hookimpl
    def mitobench_segmenters():
        return [SegmenterDescriptor(name="loud", target="foreign_plugin:Loud", options="foreign_plugin:options", summary="s")]

    def __getattr__(name):
        import os
        import numpy as np
        from mitobench.hashing import hash_array
        from mitobench.options import ComponentOptions
        from mitobench.samples import Sample, SampleRef
        from mitobench.segmentations import Segmentation
        from mitobench.errors import ContractError

        class options(ComponentOptions):
            label: str = ""

        class Source:
            fingerprint = "f" * 32

            def __init__(self, options, context):
                pass

            def refs(self):
                for id in ("=cmd()", "x[/red]\\\\x1b[31m", "../../x", "a", "A"):
                    id = id.encode().decode("unicode_escape")
                    yield SampleRef(id=id, read=lambda id=id: Sample(id=id, image=np.zeros((8, 8), np.uint8), labels=np.eye(8, dtype=np.int32)))

        class Loud:
            encoder_key = None

            def __init__(self, options, context):
                print("a library that talks")
                os.write(1, b"and one in C")

            def encode(self, images):
                return [None for _ in images]

            def segment(self, encoding, sample, prompts):
                if sample.id.startswith("x"):
                    raise ContractError(f"{sample.id} <img onerror=alert(1)>")
                return Segmentation(labels=np.eye(8, dtype=np.int32), scores=np.ones(1, np.float32))

        return locals()[name]
"""


def test_hostile_names_and_loud_components_are_inert_everywhere(process, foreign, tmp_path):
    foreign(HOSTILE)
    label = "loud:label='<img onerror=x>=|`[/red]'"
    result = process("run", "--data", "hostile", "--segmenter", label, "--metric", "semantic", "--out", "r", "--json")
    assert (result.code, result.out[:1]) == (1, "{"), result.err
    found = json.loads(result.out)
    assert (found["done"], found["failed"]) == (5, 1)
    assert "a library that talks" in result.err
    assert "and one in C" in result.err
    assert "\x1b" not in result.err + result.out
    inside = {p.resolve() for p in (tmp_path / "r").rglob("*")}
    assert all(tmp_path / "r" in p.parents for p in inside)
    assert not (tmp_path.parent / "x").exists()
    table = process("leaderboard", "r")
    assert "\x1b" not in table.out
    assert "[/red]" in table.out
    markdown = process("leaderboard", "r", "--format", "md").out
    assert "<img" not in markdown
    assert process("leaderboard", "r", "--format", "csv").code == 0


def test_a_named_device_that_is_missing_stops_before_anything_is_written(tmp_path):
    import subprocess
    import sys

    command = [
        sys.executable,
        "-m",
        "mitobench_cli",
        "run",
        "--data",
        "toy-discs",
        "--segmenter",
        "toy-threshold",
        "--device",
        "cuda:77",
    ]
    done = subprocess.run([*command, "--out", "run"], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 4
    assert "device 'cuda:77' was asked for and torch sees none such" in done.stderr
    assert not (tmp_path / "run").exists()


def test_without_data_a_few_generated_images_are_used_and_that_is_said(mitobench):
    result = mitobench("plan", "--segmenter", "toy-threshold")
    assert result.code == 0
    assert "no --data: generated images, synthetic:kind=em,n=8; name your own with --data" in result.err
    assert "synthetic:kind=em,n=8" in result.out


def test_a_folder_in_place_of_a_data_source_is_answered_with_the_spec_that_reads_it(mitobench, tmp_path):
    for part in ("images", "labels"):
        (tmp_path / "mine" / part).mkdir(parents=True)
    result = mitobench("plan", "--data", f"{tmp_path / 'mine'}/", "--segmenter", "toy-threshold")
    assert result.code == 2
    assert f"folder:root={tmp_path / 'mine'}" in result.err
