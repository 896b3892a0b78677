"""Importing ultralytics through this plugin reaches no network, prints nothing, leaves no file and changes nothing for others."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import mitobench_yolo

SCRIPT = """
import os, sys, socket, warnings, logging
import numpy as np, torch

def refuse(*_, **__):
    raise AssertionError("network")

socket.getaddrinfo = socket.create_connection = socket.socket.connect = refuse
before = dict(os.environ), torch.save, torch.load, np.get_printoptions(), list(warnings.filters), repr(torch.ones(3) / 3)
import mitobench_yolo.runtime
from mitobench_yolo.architecture import build_network, yolo11
build_network(yolo11("n", 64), seed=0)
after = dict(os.environ), torch.save, torch.load, np.get_printoptions(), list(warnings.filters), repr(torch.ones(3) / 3)
for name, a, b in zip(("environment", "save", "load", "print", "filters", "tensor"), before, after):
    assert a == b, (name, a, b)
import ultralytics.utils as u
assert not u.ONLINE and not u.AUTOINSTALL and not u.VERBOSE
assert not any(value is True for value in u.SETTINGS.values()), dict(u.SETTINGS)
logging.getLogger("ultralytics").info("said")
(folder,) = [p for p in u.SETTINGS_FILE.parents if p.name.startswith("mitobench-yolo-")]
sys.stderr.write(str(folder))
"""


def fresh(script: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Run a script with a home and working directory of its own, as no test: ultralytics behaves otherwise under pytest."""
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "YOLO", "XDG"))}
    kept |= {"HOME": str(home), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-c", script], cwd=work, env=kept, capture_output=True, text=True, check=False
    )


def test_the_import_has_no_side_effects(tmp_path):
    done = fresh(SCRIPT, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert not Path(done.stderr).exists()  # the private folder of settings is gone with the process
    assert not list((tmp_path / "work").iterdir())
    assert not [p for p in (tmp_path / "home").rglob("*") if "ltralytics" in p.name]


def test_listing_imports_nothing_heavy_and_says_the_licence(tmp_path):
    script = """
import sys, mitobench_yolo
found = [*mitobench_yolo.mitobench_prompters(), *mitobench_yolo.mitobench_trainers()]
assert [d.name for d in found] == ["yolo", "yolo"]
assert all(d.licence.startswith("AGPL-3.0") and "AGPL-3.0" in d.summary for d in found)
assert "AGPL-3.0" in mitobench_yolo.__doc__
import mitobench_yolo.options
heavy = {"numpy", "torch", "ultralytics", "cv2", "matplotlib", "scipy"} & set(sys.modules)
assert not heavy, heavy
"""
    done = fresh(script, tmp_path)
    assert done.returncode == 0, done.stderr


def test_only_the_figures_import_matplotlib():
    package = Path(mitobench_yolo.__file__).parent
    found = {path.name for path in package.glob("*.py") if "matplotlib" in imported(path)}
    assert found == {"figures.py"}


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").partition(".")[0])
    return names
