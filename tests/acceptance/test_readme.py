"""What the README says is what happens: its commands run, in its order, and CI and tox run the same ones."""

import configparser
import os
import re
import shlex
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import tifffile

from mitobench.experiment import read_experiment
from mitobench_cli.main import cli

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```bash\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
FIRST, SECOND = (block.strip() for block in BLOCKS[:2])
COMMANDS = [FIRST.partition(" && ")[2], *(line for block in BLOCKS[2:] for line in block.strip().splitlines())]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A working directory with somebody's own data: sections with bright squares, as files and as a stack."""
    here = tmp_path_factory.mktemp("readme")
    rng = np.random.default_rng(0)
    labels = np.zeros((10, 96, 96), np.uint8)
    labels[:, 20:40, 30:60] = 255
    images = np.clip(rng.normal(90, 12, labels.shape) + labels / 4, 0, 255).astype(np.uint8)
    for name in ("my/images", "my/labels"):
        (here / name).mkdir(parents=True)
    for index in range(2):
        tifffile.imwrite(here / f"my/images/s{index}.tif", images[index])
        tifffile.imwrite(here / f"my/labels/s{index}.tif", labels[index])
    tifffile.imwrite(here / "my/stack.tif", images, photometric="minisblack")
    tifffile.imwrite(here / "my/labels.tif", labels, photometric="minisblack")
    return here


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_does_what_it_promises(command, folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MITOBENCH_CACHE", str(folder / "cache"))
    monkeypatch.setenv("MITOBENCH_DISABLE_PLUGINS", "toy")
    program, *arguments = shlex.split(command)
    assert program == "mitobench"
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments, prog_name="mitobench")
    out, err = capsys.readouterr()
    assert not ended.value.code, err
    if "sam:model=vit_t" in command:
        assert "mitobench weights fetch vit_t" in out
        assert re.search(r"^run .*sam:model=tiny", out, re.MULTILINE), "the bundled model needs no download"
    assert out.strip()
    if " run " in command:
        table = out.split("\n\n")[0]
        assert "automatic" in table
        assert re.search(r"\d\.\d{3}", table), "a leaderboard holds scores"
        assert "failed" not in table


def test_the_first_command_s_report_is_where_the_readme_says(folder):
    report = folder / "runs" / "first" / "report"
    if not report.exists():
        pytest.skip("the first command has not run in this session")
    named = re.search(r"report/leaderboard\.\{([a-z,]+)\}", README)[1].split(",")
    assert sorted(p.suffix[1:] for p in report.iterdir()) == sorted(named)


def test_the_experiment_file_is_valid(tmp_path):
    (block,) = re.findall(r"^```toml\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    (tmp_path / "experiment.toml").write_text(block)
    experiment = read_experiment(tmp_path / "experiment.toml")
    assert [s.name for s in experiment.segmenters] == ["sam", "unet"]
    assert [s.name for s in experiment.data] == ["folder"]


def test_ci_runs_the_readme_s_test_command_in_an_environment_of_its_own_and_nothing_else():
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    lines = [line for line in script.read_text().splitlines() if line and not line.startswith("#")]
    assert lines[-1] == SECOND == "pip install '.[test]' && python -m pytest"
    assert any("-m venv" in line for line in lines)
    assert "mktemp -d" in script.read_text()


def test_tox_wraps_the_same_two_commands():
    tox = configparser.ConfigParser()
    tox.read(ROOT / "tox.ini")
    assert tox["testenv:run"]["commands"] == FIRST.partition(" && ")[2]
    assert tox["testenv:test"]["commands"] == "python -m pytest {posargs}"
    assert tox["testenv:test"]["extras"] == "test"
    assert [e.strip() for e in tox["tox"]["env_list"].split(",")] == ["run", "test", "lint", "type"]


def test_the_readme_names_the_pythons_that_the_package_accepts():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    versions = [c.rpartition(" ")[2] for c in project["classifiers"] if re.search(r"Python :: 3\.\d+$", c)]
    assert f"Python {versions[0]} to {versions[-1]}" in README
    assert project["requires-python"] == f">={versions[0]}"
    assert f"{sys.version_info.major}.{sys.version_info.minor}" in versions
