"""A benchmark that misses its target says so and fails."""

import importlib.util
import sys
from pathlib import Path

import pytest

SPEED = Path(__file__).parents[2] / "benchmarks" / "speed"


@pytest.fixture
def benchmark(monkeypatch):
    """Load a benchmark as a module."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    def load(name):
        spec = importlib.util.spec_from_file_location(f"benchmark_{name}", SPEED / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, spec.name, module)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.mark.parametrize(("ours", "status", "said"), [(1.0, 0, "reached"), (1.1, 1, "missed, matching 18.2x")])
def test_metrics_slower_than_their_target_fail(benchmark, capsys, ours, status, said):
    module = benchmark("instance_metrics")
    assert module.judge(module.Row("matching", ours, 20.0)) == status
    assert f"target 20x: {said}\n" == capsys.readouterr().out


@pytest.mark.parametrize(
    ("ratio", "clock", "status", "said"),
    [
        (15.0, "wall", 0, "target 15x: reached"),
        (5.0, "wall", 0, "target 15x: missed, 5.0x"),
        (4.9, "wall", 1, "below the floor: 4.9x on the wall clock; expected at least 5x"),
        (4.9, "cpu", 0, "target 15x: missed, 4.9x"),
    ],
)
def test_a_matrix_fails_only_below_its_floor_on_the_wall_clock(benchmark, capsys, ratio, clock, status, said):
    assert benchmark("encode_once").judge(ratio, clock) == status
    assert capsys.readouterr().out.splitlines()[-1] == said
