"""A run may be killed at any moment: the same command goes on, and the leaderboard is that of an undisturbed run."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

CODE = "from mitobench_cli.main import main; main()"
MATRIX = (
    "--prompter",
    "toy-centres",
    "--prompter",
    "toy-oracle",
    "--segmenter",
    "toy-flood:delay=0.03",
    "--segmenter",
    "toy-threshold",
)
COMMAND = (
    "run",
    "--data",
    "toy-discs:n=8,groups=2",
    *MATRIX,
    "--metric",
    "toy-overlap",
    "--metric",
    "instance",
    "--batch",
    "1",
)


def parts(folder):
    return sorted((folder / "parts").glob("*.images.parquet"))


def report(folder):
    return (folder / "report" / "leaderboard.json").read_bytes()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The leaderboard of a run that nothing disturbed."""
    here = tmp_path_factory.mktemp("undisturbed")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", CODE, *COMMAND, "--out", "r"]
    subprocess.run(command, cwd=here, env=environment, check=True, capture_output=True)
    return report(here / "r")


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
@pytest.mark.parametrize("kills", [(0,), (1, 4), (2, 3, 6)])
def test_killed_at_any_point_it_ends_in_the_same_bytes(mitobench, tmp_path, undisturbed, kills):
    for wanted in kills:
        running = subprocess.Popen(
            [sys.executable, "-c", CODE, *COMMAND, "--out", "r"],
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 240
        while running.poll() is None and time.monotonic() < deadline:
            if (tmp_path / "r" / "run.json").exists() and len(parts(tmp_path / "r")) >= wanted:
                break
            time.sleep(0.005)
        running.send_signal(signal.SIGKILL)
        running.wait()
    stored = len(parts(tmp_path / "r"))
    assert stored >= kills[-1]
    result = mitobench(*COMMAND, "--out", "r")
    assert result.code == 0, result.err
    assert report(tmp_path / "r") == undisturbed
    assert len(json.loads(undisturbed)["tables"]) == 2


def test_running_again_computes_nothing_and_changes_nothing(mitobench, tmp_path):
    mitobench(*COMMAND, "--out", "r")
    before, files = report(tmp_path / "r"), {p: p.stat().st_mtime_ns for p in parts(tmp_path / "r")}
    result = mitobench(*COMMAND, "--out", "r")
    assert "0 done, 0 failed, 24 were stored" in result.err
    assert report(tmp_path / "r") == before
    assert {p: p.stat().st_mtime_ns for p in parts(tmp_path / "r")} == files


@pytest.mark.parametrize(
    ("old", "new", "computed"),
    [
        ("toy-threshold", "toy-threshold:threshold=120", 8),
        ("toy-centres", "toy-centres:threshold=120", 8),
        ("toy-discs:n=8,groups=2", "toy-discs:n=8,groups=2,seed=1", 24),
    ],
)
def test_changing_one_option_computes_just_the_cells_that_have_it(mitobench, old, new, computed):
    mitobench(*COMMAND, "--out", "r")
    changed = [new if argument == old else argument for argument in COMMAND]
    assert f"{computed} done, 0 failed" in mitobench(*changed, "--out", "r").err


def test_another_seed_is_another_run(mitobench):
    mitobench(*COMMAND, "--out", "r")
    assert "24 done" in mitobench(*COMMAND, "--out", "r", "--seed", 1).err


def test_a_second_metric_is_computed_from_what_is_stored(mitobench):
    mitobench(*COMMAND, "--out", "r")
    found = json.loads(mitobench(*COMMAND, "--metric", "semantic", "--out", "r", "--json").out)
    assert found["failed"] == 0
    columns = {c["name"] for c in found["leaderboard"]["tables"][0]["columns"]}
    assert "pixel recall" in columns


def test_what_failed_is_tried_again(mitobench, tmp_path):
    command = (
        "run",
        "--data",
        "folder:images=i,labels=l",
        "--segmenter",
        "toy-threshold:log=log/calls",
        "--metric",
        "semantic",
        "--out",
        "r",
    )
    from PIL import Image

    for name, colour in (("i", 90), ("l", 0)):
        (tmp_path / name).mkdir()
        Image.new("L", (16, 16), colour).save(tmp_path / name / "a.png")
    first = mitobench(*command)
    assert first.code == 1
    assert "1 done, 1 failed" in first.err
    (tmp_path / "log").mkdir()
    second = mitobench(*command)
    assert second.code == 0
    assert "1 done, 0 failed" in second.err


def test_two_commands_cannot_write_one_run_at_once(mitobench, tmp_path):
    slow = (
        "run",
        "--data",
        "toy-discs:n=30",
        "--segmenter",
        "toy-threshold:delay=0.3",
        "--metric",
        "toy-overlap",
        "--out",
        "r",
        "--batch",
        "1",
    )
    running = subprocess.Popen(
        [sys.executable, "-c", CODE, *slow], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 240
        while not parts(tmp_path / "r") and time.monotonic() < deadline:
            time.sleep(0.02)
        result = mitobench(*slow)
        assert result.code == 2
        assert "another mitobench process writes to it" in result.err
    finally:
        running.kill()
        running.wait()


def test_a_damaged_part_is_named_and_deleting_it_costs_only_its_images(mitobench, tmp_path):
    mitobench(*COMMAND, "--out", "r")
    before = report(tmp_path / "r")
    victim = parts(tmp_path / "r")[0]
    victim.write_bytes(victim.read_bytes()[:-20])
    result = mitobench(*COMMAND, "--out", "r")
    assert result.code == 3
    assert victim.name in result.err
    victim.unlink()
    assert "3 done, 0 failed, 21 were stored" in mitobench(*COMMAND, "--out", "r").err
    assert report(tmp_path / "r") == before


def test_a_folder_that_cannot_be_written_is_a_resource_error(mitobench, tmp_path):
    (tmp_path / "file").write_text("")
    result = mitobench(*COMMAND, "--out", "file/r")
    assert result.code == 5
    assert "file/r" in result.err
    assert len(result.err.splitlines()[-1]) < 300
