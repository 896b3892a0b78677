"""A run that was killed anywhere, resumed, gives byte for byte the leaderboard of an undisturbed run."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCRIPT = """
import sys
from pathlib import Path
from mitobench.experiment import Experiment
from mitobench.plan import make_plan
from mitobench.plugins import Plugins
from mitobench.results.runfolder import RunFolder
from mitobench.runner import execute
from mitobench.specs import parse_spec
from mitobench.weights import WeightsStore

if __name__ == "__main__":
    plugins = Plugins.discover()
    experiment = Experiment(
        data=(parse_spec("toy-discs:n=16"),),
        prompters=(parse_spec("toy-centres"), parse_spec("toy-oracle")),
        segmenters=(parse_spec("toy-flood:delay=0.03"), parse_spec("toy-threshold")),
        metrics=(parse_spec("toy-overlap"), parse_spec("toy-prompted")),
    )
    folder = RunFolder.create_or_open(Path(sys.argv[1]))
    plan = make_plan(experiment, plugins, WeightsStore(plugins, offline=True), folder=folder)
    outcome = execute(plan, folder, plugins, device="cpu", batch=2, workers=int(sys.argv[2]))
    print(outcome.done)
"""


def start(script: Path, run: Path, workers: int = 0) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, script, run, str(workers)], stdout=subprocess.PIPE, text=True, start_new_session=True
    )


def kill_when(process: subprocess.Popen, run: Path, parts: int) -> None:
    """SIGKILL the process and its workers as soon as so many parts are committed."""
    deadline = time.monotonic() + 240
    while process.poll() is None and len(list((run / "parts").glob("*.images.parquet"))) < parts:
        assert time.monotonic() < deadline, "the run made no progress"
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


@pytest.fixture(scope="module")
def script(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("script") / "run.py"
    path.write_text(SCRIPT)
    return path


def answer(bench, run):
    return json.dumps(bench.leaderboard(run).to_data(), sort_keys=True)


@pytest.mark.parametrize("workers", [0, 2])
def test_killed_at_several_points_and_resumed_it_gives_the_same_bytes(bench, script, tmp_path, workers):
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    assert start(script, undisturbed).communicate()[0].strip() == "48"
    for parts in (0, 1, 3) if workers == 0 else (1,):
        process = start(script, killed, workers)
        if parts == 0:
            while not (killed / "run.json").exists():
                time.sleep(0.005)
        kill_when(process, killed, parts)
        assert process.returncode == -signal.SIGKILL
    last = start(script, killed, workers)
    done = int(last.communicate()[0])
    assert last.returncode == 0
    assert 0 < done < 48
    assert answer(bench, killed) == answer(bench, undisturbed)


def test_leftover_temporary_files_of_a_killed_run_count_for_nothing(bench, tmp_path):
    bench.run(tmp_path / "run", limit=2)
    (tmp_path / "run" / "parts" / ".00-000009-abc.images.parquet.123.tmp").write_bytes(b"half a part")
    (tmp_path / "run" / "predictions" / "x.tif").write_bytes(b"a prediction whose unit never committed")
    assert bench.run(tmp_path / "run", limit=2).done == 0
    assert bench.leaderboard(tmp_path / "run").tables[0].rows[0].images == 2


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_workers_end_with_the_process_that_started_them(script, tmp_path):
    process = start(script, tmp_path / "run", workers=2)
    deadline = time.monotonic() + 240
    while not list((tmp_path / "run" / "parts").glob("*")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()  # the parent alone, not its group
    process.communicate()
    deadline = time.monotonic() + 60
    while alive(process.pid):
        assert time.monotonic() < deadline, "a worker outlived its parent"
        time.sleep(0.05)


def alive(group: int) -> bool:
    """Whether any process of the group is left, zombies aside."""
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            return True
    return False
