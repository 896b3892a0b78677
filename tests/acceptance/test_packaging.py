"""The wheel holds all of mitobench and nothing else."""

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import mitobench
from mitobench.plugins import KINDS, Plugins

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = [Path(p) for p in PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (path,) = out.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


def test_every_source_file_of_every_package_is_in_it(wheel):
    names = set(wheel.namelist())
    for package in PACKAGES:
        sources = {p.relative_to(ROOT / package.parent).as_posix() for p in (ROOT / package).rglob("*.py")}
        assert sources <= names
        assert f"{package.name}/py.typed" in names, f"{package} is typed and should say so"


def test_nothing_else_is_in_it(wheel):
    tops = {name.partition("/")[0] for name in wheel.namelist()}
    assert tops == {p.name for p in PACKAGES} | {f"mitobench-{mitobench.__version__}.dist-info"}
    assert not [name for name in wheel.namelist() if "test_" in name or "__pycache__" in name]


def test_every_package_of_the_tree_is_listed():
    found = {
        p.parent.relative_to(ROOT) for root in ("core", "cli", "plugins") for p in ROOT.glob(f"{root}/*/__init__.py")
    }
    assert found == set(PACKAGES)


def test_bundled_weights_are_in_it(wheel):
    names = set(wheel.namelist())
    for component in (c for kind in KINDS for c in Plugins.discover().components(kind)):
        for weights in component.descriptor.weights:
            if weights.bundled:
                package, _, inside = weights.bundled.partition(":")
                assert f"{package.replace('.', '/')}/{inside}" in names


def test_its_metadata_name_the_licence_the_version_and_the_command(wheel):
    folder = f"mitobench-{mitobench.__version__}.dist-info"
    metadata = wheel.read(f"{folder}/METADATA").decode()
    assert f"Version: {mitobench.__version__}\n" in metadata
    assert "License-Expression: Apache-2.0\n" in metadata
    assert f"{folder}/licenses/LICENSE" in wheel.namelist()
    entry_points = wheel.read(f"{folder}/entry_points.txt").decode()
    assert "mitobench = mitobench_cli.main:main" in entry_points
    assert "[mitobench]" in entry_points


def test_no_path_of_the_machine_that_built_it_is_in_it(wheel):
    for name in wheel.namelist():
        if not name.endswith((".safetensors",)):
            assert str(ROOT).encode() not in wheel.read(name), name
