"""A foreign plugin package is built, installed, listed and run; broken in four ways, it costs only itself and says why."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("hatchling", reason="building the foreign package needs hatchling, of the test extra")

PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "foreign-prompts"
version = "2.3.4"
dependencies = ["mitobench"]

[project.entry-points.mitobench]
centre = "foreign_prompts"

[tool.hatch.build.targets.wheel]
packages = ["foreign_prompts"]
"""
FRONT = """
from mitobench import hookimpl
from mitobench.descriptors import PrompterDescriptor


@hookimpl
def mitobench_prompters():
    return [
        PrompterDescriptor(
            name="foreign-bright",
            target="foreign_prompts.bright:Brightest",
            options="foreign_prompts.options:BrightOptions",
            summary="the brightest pixels, one prompt each",
            emits=frozenset({"point"}),
        )
    ]
"""
OPTIONS = '''
from pydantic import Field

from mitobench.options import ComponentOptions


class BrightOptions(ComponentOptions):
    """Options of foreign-bright."""

    count: int = Field(3, ge=1, description="how many")
'''
BRIGHT = """
import numpy as np

from mitobench.prompts import Prompts


class Brightest:
    encoder_key = None

    def __init__(self, options, context):
        self.options = options

    def encode(self, images):
        return [None] * len(images)

    def prompt(self, encoding, sample, rng):
        grey = sample.image if sample.image.ndim == 2 else sample.image.max(axis=2)
        brightest = np.argsort(grey, axis=None, kind="stable")[::-1][: self.options.count]
        y, x = np.unravel_index(brightest, grey.shape)
        points = np.stack([x, y], axis=1).astype(np.float32)[:, None]
        return Prompts(points=points, point_labels=np.ones(points.shape[:2], np.int8))
"""
MAIN = "import sys; from mitobench_cli.main import main; sys.exit(main())"
FOREIGN = "foreign-prompts/centre"


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """The foreign package, built by pip from source and installed into a folder of its own."""
    source = tmp_path_factory.mktemp("source")
    (source / "pyproject.toml").write_text(PROJECT)
    (source / "foreign_prompts").mkdir()
    for name, text in (("__init__", FRONT), ("options", OPTIONS), ("bright", BRIGHT)):
        (source / "foreign_prompts" / f"{name}.py").write_text(text)
    target = tmp_path_factory.mktemp("site")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    install += ["--no-build-isolation", "--no-index", "--target", str(target), str(source)]
    done = subprocess.run(install, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture
def foreign(built, tmp_path, monkeypatch) -> Path:
    """A copy of the installed package that every subprocess finds; answers the folder of its modules."""
    site = tmp_path / "site"
    shutil.copytree(built, site)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    return site / "foreign_prompts"


@pytest.fixture
def mitobench(tmp_path):
    """Run the command in an empty folder."""

    def call(*arguments):
        return subprocess.run(
            [sys.executable, "-c", MAIN, *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            timeout=240,
        )

    return call


def run_both(mitobench):
    """Run the foreign prompter beside one that works."""
    cells = ["--prompter", "foreign-bright", "--prompter", "grid:side=2", "--segmenter", "toy-flood"]
    return mitobench(
        "run",
        "--data",
        "synthetic:n=1,size=48",
        *cells,
        "--metric",
        "semantic",
        "--out",
        "r",
        "--offline",
        "--json",
    )


def break_off(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_it_is_listed_with_its_provenance(foreign, mitobench):
    listed = json.loads(mitobench("list", "prompter", "--json").stdout)
    (ours,) = [row for row in listed if row["name"] == "foreign-bright"]
    assert ours["reference"] == "foreign-prompts/foreign-bright"
    assert "foreign-bright" in mitobench("list", "prompter").stdout
    (plugin,) = [p for p in json.loads(mitobench("plugins", "--json").stdout) if p["distribution"] == "foreign-prompts"]
    assert (plugin["name"], plugin["version"], plugin["error"], plugin["components"]) == (
        "centre",
        "2.3.4",
        "",
        ["foreign-bright"],
    )


def test_its_options_are_shown_and_checked(foreign, mitobench):
    assert "how many" in mitobench("info", "foreign-bright").stdout
    cells = ["--data", "synthetic", "--segmenter", "toy-flood", "--out", "r", "--dry-run"]
    wrong = mitobench("run", "--prompter", "foreign-bright:cont=2", *cells)
    assert wrong.returncode == 2
    assert "unknown option 'cont'. Did you mean 'count'?" in " ".join(wrong.stderr.split())


def test_it_runs(foreign, mitobench):
    done = run_both(mitobench)
    assert done.returncode == 0, done.stderr
    assert {row["prompter"] for row in json.loads(done.stdout)["plan"]["cells"]} == {"foreign-bright", "grid:side=2"}
    assert json.loads(done.stdout)["done"] == 2


def test_it_keeps_the_contract(foreign):
    code = "from mitobench.testing import checks\nfor check in checks(prompter='foreign-bright:count=2'): check()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("raise RuntimeError('the disc is missing')", "import failed (RuntimeError: the disc is missing)"),
        ("import sys; sys.exit('no licence')", "import failed (SystemExit: no licence)"),
    ],
    ids=["raises", "exits"],
)
def test_one_that_raises_or_exits_on_import_costs_only_itself(foreign, mitobench, statement, said):
    (foreign / "__init__.py").write_text(statement)
    listed = mitobench("list", "prompter")
    assert listed.returncode == 0
    assert "gt-box" in listed.stdout
    assert "foreign-bright" not in listed.stdout
    assert f"plugin {FOREIGN}: {said}" in " ".join(listed.stderr.split())
    assert said in " ".join(mitobench("plugins").stdout.split())
    cells = ["run", "--data", "synthetic:n=1,size=48", "--segmenter", "toy-flood", "--out", "r", "--offline"]
    asked = mitobench(*cells, "--prompter", "foreign-bright")
    assert asked.returncode == 2
    assert "'centre' of foreign-prompts did not load" in " ".join(asked.stderr.split())
    others = mitobench(*cells, "--prompter", "grid:side=2", "--metric", "semantic")
    assert others.returncode == 0, others.stderr


def test_one_that_prints_on_import_still_works_and_does_not_spoil_the_output(foreign, mitobench):
    break_off(
        foreign / "__init__.py",
        "\nfrom mitobench import hookimpl",
        "\nprint('hello from far')\nfrom mitobench import hookimpl",
    )
    listed = mitobench("list", "prompter", "--json")
    assert "foreign-bright" in {row["name"] for row in json.loads(listed.stdout)}
    assert f"plugin {FOREIGN}: import printed to stdout ('hello from far')" in " ".join(listed.stderr.split())
    done = run_both(mitobench)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["done"] == 2


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[:, None]", "", "points are float32 (3, 2)"),
        ("np.stack([x, y], axis=1)", "np.stack([x + 99, y], axis=1)", "off the image"),
        ("return Prompts(points=points, point_labels=np.ones(points.shape[:2], np.int8))", "return points", "Prompts"),
    ],
    ids=["shape", "place", "type"],
)
def test_one_that_returns_what_it_must_not_fails_its_own_cells_only(foreign, mitobench, old, new, said):
    break_off(foreign / "bright.py", old, new)
    done = run_both(mitobench)
    assert done.returncode == 1, done.stderr
    result = json.loads(done.stdout)
    assert result["failed"] == 1
    errors = json.dumps(result["errors"]) + done.stderr
    assert said in errors
    assert "foreign-bright" in errors


def test_one_whose_class_is_gone_is_missing_and_says_whose_it_is(foreign, mitobench):
    (foreign / "bright.py").unlink()
    done = run_both(mitobench)
    told = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 1, "the other cell is done, so the run did not fail as a whole"
    assert (json.loads(done.stdout)["done"], json.loads(done.stdout)["failed"]) == (2, 1)
    assert "plugin 'centre' of foreign-prompts" in told
    assert "foreign_prompts.bright:Brightest cannot be imported" in told


def test_one_that_is_disabled_is_not_imported(foreign, mitobench, monkeypatch, tmp_path):
    marker = tmp_path / "imported"
    (foreign / "__init__.py").write_text(f"open({str(marker)!r}, 'w')")
    monkeypatch.setenv("MITOBENCH_DISABLE_PLUGINS", "foreign-prompts")
    listed = mitobench("list", "prompter")
    assert (listed.returncode, listed.stderr, marker.exists()) == (0, "", False)
