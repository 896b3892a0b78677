"""The plugin API fits one screen, is documented, and every hook of it is called."""

import ast
import inspect
from pathlib import Path

import pytest

import mitobench
from mitobench import hookspecs
from mitobench.descriptors import (
    DataSourceDescriptor,
    MetricDescriptor,
    PrompterDescriptor,
    ReporterDescriptor,
    SegmenterDescriptor,
    TrainerDescriptor,
)

HOOKS = {name: value for name, value in vars(hookspecs).items() if name.startswith("mitobench_")}
DOCUMENTATION = Path(__file__).parents[2] / "docs" / "writing-plugins.md"
KINDS = {
    "mitobench_data_sources": ("data", DataSourceDescriptor),
    "mitobench_prompters": ("prompter", PrompterDescriptor),
    "mitobench_segmenters": ("segmenter", SegmenterDescriptor),
    "mitobench_metrics": ("metric", MetricDescriptor),
    "mitobench_trainers": ("trainer", TrainerDescriptor),
    "mitobench_reporters": ("reporter", ReporterDescriptor),
}
OBSERVERS = sorted(set(HOOKS) - set(KINDS))


def test_there_are_six_hooks_that_offer_and_three_that_observe():
    assert len(HOOKS) == 9
    assert OBSERVERS == ["mitobench_image_done", "mitobench_run_finished", "mitobench_run_started"]


@pytest.mark.parametrize("name", HOOKS)
def test_each_has_one_line_that_says_what_it_is_for(name):
    text = inspect.getdoc(HOOKS[name])
    assert text
    assert "\n" not in text
    assert text.endswith(".")


@pytest.mark.parametrize("name", HOOKS)
def test_each_is_in_the_documentation_with_its_arguments(name):
    text = DOCUMENTATION.read_text(encoding="utf-8")
    assert name in text
    for argument in inspect.signature(HOOKS[name]).parameters:
        assert argument in text


def test_the_whole_api_fits_one_screen():
    source = Path(inspect.getfile(hookspecs)).read_text(encoding="utf-8")
    assert source.count("\n") < 90
    assert not any(isinstance(node, ast.ClassDef) for node in ast.walk(ast.parse(source)))


@pytest.mark.parametrize(("hook", "expected"), KINDS.items())
def test_what_a_plugin_returns_from_each_hook_is_offered(bench, hook, expected):
    kind, descriptor = expected
    more = {"suffix": ".x"} if kind == "reporter" else {}
    offered = [descriptor(name="made-up", target="nowhere:Nothing", summary="made up", **more)]
    module = type("module", (), {hook: staticmethod(mitobench.hookimpl(offering(offered, hook)))})
    before = len(bench.plugins.components(kind))
    found = bench.plugins.found[0]
    bench.plugins._manager.register(module, name="maker")
    bench.plugins._collect(found, "maker")
    assert [c.descriptor.name for c in bench.plugins.components(kind)].count("made-up") == 1
    assert len(bench.plugins.components(kind)) == before + 1


def offering(descriptors, name):
    def hook():
        return descriptors

    hook.__name__ = name
    return hook


@pytest.mark.parametrize("name", OBSERVERS)
def test_each_observer_is_told_once_per_event(bench, tmp_path, name):
    told = []
    argument = next(iter(inspect.signature(HOOKS[name]).parameters))
    scope = {"told": told}
    exec(f"def {name}({argument}): told.append({argument})", scope)
    module = type("module", (), {name: staticmethod(mitobench.hookimpl(scope[name]))})
    bench.plugins._manager.register(module, name="watcher")
    bench.run(tmp_path / "run", limit=2)
    assert len(told) == (2 if name == "mitobench_image_done" else 1)


def test_an_observer_may_ignore_the_arguments(bench, tmp_path):
    told = []

    def mitobench_run_finished():
        told.append(1)

    module = type("module", (), {"mitobench_run_finished": staticmethod(mitobench.hookimpl(mitobench_run_finished))})
    bench.plugins._manager.register(module, name="watcher")
    bench.run(tmp_path / "run", limit=1)
    assert told == [1]
