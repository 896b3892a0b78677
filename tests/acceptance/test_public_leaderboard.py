"""The example of a public leaderboard does what its page says: its own commands, on two exports."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
import yaml

from mitobench.experiment import Experiment
from mitobench.plan import make_plan
from mitobench.plugins import Plugins
from mitobench.results.runfolder import RunFolder
from mitobench.runner import execute
from mitobench.sharing.exports import export_run
from mitobench.specs import parse_spec
from mitobench.weights import WeightsStore
from mitobench_cli.main import cli

DOCS = Path(__file__).parents[2] / "docs"
WORKFLOW = yaml.safe_load((DOCS / "examples" / "leaderboard.yml").read_text(encoding="utf-8"))
BUILD = [step for step in WORKFLOW["jobs"]["build"]["steps"] if "mitobench " in step.get("run", "")]


@pytest.fixture
def repository(tmp_path):
    """A repository with two exports, and a `mitobench` on the path."""
    plugins = Plugins.discover()
    for name in ("toy-threshold", "toy-threshold:threshold=120"):
        asked = Experiment(
            data=(parse_spec("toy-discs:n=2"),),
            segmenters=(parse_spec(name),),
            metrics=(parse_spec("instance"),),
            base=tmp_path,
        )
        folder = RunFolder.create_or_open(tmp_path / "runs" / str(len(name)))
        plan = make_plan(asked, plugins, WeightsStore(plugins, cache=tmp_path / "cache", offline=True))
        assert execute(plan, folder, plugins, device="cpu").exit_code == 0
        export_run(folder, tmp_path / "repository" / "exports" / f"{len(name)}.zip", plugins)
    command = tmp_path / "bin" / "mitobench"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m mitobench_cli "$@"\n')
    command.chmod(0o755)
    return tmp_path / "repository"


def follow(step, repository):
    environment = {
        **os.environ,
        "PATH": f"{repository.parent / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "GITHUB_STEP_SUMMARY": str(repository.parent / "summary.md"),
    }
    return subprocess.run(
        ["bash", "-eo", "pipefail", "-c", step["run"]], cwd=repository, env=environment, capture_output=True, text=True
    )


@pytest.mark.skipif(os.name != "posix", reason="the workflow's shell is bash")
def test_the_workflow_builds_a_leaderboard_from_two_exports(repository):
    assert len(BUILD) == 2
    for step in BUILD:
        done = follow(step, repository)
        assert done.returncode == 0, done.stderr
    table = (repository / "public" / "leaderboard.md").read_text()
    assert "`toy-threshold`" in table
    assert "`toy-threshold:threshold=120`" in table
    assert (repository.parent / "summary.md").read_text() == table
    page = (repository / "public" / "index.html").read_text()
    assert "toy-threshold:threshold=120" in page
    assert str(repository.parent) not in page + table
    assert "mitobench-export-" not in page + table  # the folder that an export is unpacked to for a moment


@pytest.mark.skipif(os.name != "posix", reason="the workflow's shell is bash")
def test_the_workflow_stops_at_a_damaged_export(repository):
    (path, *_) = sorted((repository / "exports").iterdir())
    path.write_bytes(path.read_bytes()[:-100])
    done = follow(BUILD[0], repository)
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1
    assert path.name in done.stderr


def test_a_pull_request_publishes_nothing_and_can_write_nothing():
    assert WORKFLOW["permissions"] == {"contents": "read"}
    triggers = WORKFLOW[True]  # YAML reads the key "on" so
    assert set(triggers) == {"push", "pull_request"}
    jobs = WORKFLOW["jobs"]
    assert jobs["publish"]["if"] == "github.event_name == 'push'"
    assert jobs["publish"]["needs"] == "build"
    assert "permissions" not in jobs["build"]
    uploads = [step for step in jobs["build"]["steps"] if "upload" in step.get("uses", "")]
    assert [step["if"] for step in uploads] == ["github.event_name == 'push'"]
    assert "secrets" not in (DOCS / "examples" / "leaderboard.yml").read_text(encoding="utf-8")
    expressions = [e for step in BUILD for e in re.findall(r"\$\{\{.*?\}\}", step["run"])]
    assert expressions == []  # nothing of a pull request becomes a command


def test_every_command_of_the_page_is_one(monkeypatch):
    text = (DOCS / "public-leaderboard.md").read_text(encoding="utf-8")
    lines = [shlex.split(line)[1:] for line in re.findall(r"^mitobench .*", text, re.MULTILINE)]
    assert len(lines) >= 6
    for verb, *arguments in lines:
        command = cli.get_command(None, verb)
        with command.make_context(verb, arguments, parent=click.Context(cli, **cli.context_settings)):
            pass
