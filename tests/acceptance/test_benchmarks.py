"""A benchmark that misses its target says so and fails."""

import dataclasses
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


@pytest.mark.parametrize(("seconds", "status", "said"), [(4.9, 0, "reached"), (5.0, 1, "missed, 5.0 s")])
def test_a_leaderboards_uncertainty_that_takes_too_long_fails(benchmark, capsys, seconds, status, said):
    assert benchmark("bootstrap").judge(seconds) == status
    assert capsys.readouterr().out == f"target 5 s: {said}\n"


@pytest.mark.parametrize(
    ("ratios", "losses", "status", "said"),
    [
        ({"wall": 10.0, "cpu": 9.0}, [1.0, 0.5], 0, "target 10x: reached"),
        ({"wall": 9.0, "cpu": 10.0}, [1.001, 0.5], 0, "target 10x: reached"),
        ({"wall": 9.8, "cpu": 9.7}, [1.0, 0.5], 1, "target 10x: missed, 9.8x"),
        ({"wall": 20.0, "cpu": 20.0}, [1.0, 0.502], 1, "relative difference 4.0e-03: not the same"),
    ],
    ids=["reached", "reached by the CPU's clock", "missed", "other losses"],
)
def test_fine_tuning_fails_where_it_is_slower_than_asked_or_its_losses_are_others(
    benchmark, capsys, ratios, losses, status, said
):
    assert benchmark("fine_tuning").judge(ratios, losses, [1.0, 0.5]) == status
    assert said in capsys.readouterr().out


def test_fine_tuning_takes_the_steps_of_the_notebook(benchmark):
    """Ours on cached embeddings, and the official modules with MONAI's loss: the same losses, step by step."""
    module = benchmark("fine_tuning")
    small = dataclasses.replace(module.QUICK, image_size=64, embed_dim=32, depth=1, global_blocks=(0,))
    images, ours, theirs = module.patches(3), module.Way(), module.Way()
    module.our_way(module.make_task(small, images), images, 3, ours)
    steps = module.StepItems(images, module.OPTIONS, 0, small.image_size)
    module.notebook_way(module.official_sam(small), steps, 3, theirs)
    assert len(ours.losses) == 6
    assert ours.losses == pytest.approx(theirs.losses, rel=module.TOLERANCE)
    assert ours.losses[-1] != ours.losses[0]
    assert min(ours.total("cpu"), theirs.total("cpu")) > 0
