"""Plugins: each loads by itself, a broken one costs one warning and its own components, and nothing heavy is imported."""

import importlib.metadata
import re
import subprocess
import sys
import types

import pytest

from mitobench import hookimpl
from mitobench.descriptors import MetricDescriptor, PrompterDescriptor
from mitobench.errors import MissingError, UsageError
from mitobench.plugins import DISABLE_VARIABLE, KINDS, Plugins
from mitobench.specs import parse_spec


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a distribution of one plugin module, given its source; answers the plugins that are then discovered."""
    monkeypatch.syspath_prepend(tmp_path)
    made = []

    def call(**sources):
        for name, source in sources.items():
            (tmp_path / f"plugin_{name}.py").write_text(source)
            info = tmp_path / f"{name}-1.2.dist-info"
            info.mkdir()
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
            (info / "entry_points.txt").write_text(f"[mitobench]\n{name}-plugin = plugin_{name}\n")
            made.append(f"plugin_{name}")
        points = importlib.metadata.entry_points(group="mitobench")
        return Plugins([p for p in points if p.value in made])

    yield call
    for module in made:
        sys.modules.pop(module, None)


def prompter(name, **fields):
    given = "".join(f", {key}={value!r}" for key, value in fields.items())
    return f"""
from mitobench import hookimpl
from mitobench.descriptors import PrompterDescriptor

@hookimpl
def mitobench_prompters():
    return [PrompterDescriptor(name={name!r}, target="plugin_target:Class", summary="s"{given})]
"""


def names(plugins, kind="prompter"):
    return [c.descriptor.name for c in plugins.components(kind)]


def test_components_come_with_their_provenance(install):
    plugins = install(one=prompter("p"))
    (found,) = plugins.components("prompter")
    assert found.reference == "one/p"
    assert (found.plugin.name, found.plugin.distribution, found.plugin.version) == ("one-plugin", "one", "1.2")
    assert plugins.warnings == []
    assert plugins.find("prompter", "p") is found
    assert plugins.find("prompter", parse_spec("one/p:a=1")) is found


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("raise RuntimeError('on  purpose\\nhere')", "import failed (RuntimeError: on purpose here)"),
        ("import sys; sys.exit(3)", "import failed (SystemExit: 3)"),
        ("import no_such_module_at_all", "import failed (ModuleNotFoundError"),
        ("def (", "import failed (SyntaxError"),
        (
            prompter("x").replace("return [", "raise ValueError('no') or ["),
            "mitobench_prompters failed (ValueError: no)",
        ),
        (
            prompter("x").replace("return [", "return [3, "),
            "mitobench_prompters returned int, expected PrompterDescriptor",
        ),
        (
            prompter("x").replace("PrompterDescriptor", "MetricDescriptor"),
            "MetricDescriptor, expected PrompterDescriptor",
        ),
        (prompter("x").replace("return [", "return 3; ["), "mitobench_prompters failed (TypeError"),
        (prompter("../x"), "the name '../x', expected letters"),
        (prompter("x:y"), "the name 'x:y', expected letters"),
        (prompter("x").replace("plugin_target:Class", "plugin_target"), "'plugin_target' for 'x', expected 'package"),
        (prompter("x").replace("mitobench_prompters", "mitobench_promters"), "unknown hook 'mitobench_promters'"),
    ],
)
def test_a_broken_plugin_costs_one_warning_and_only_itself(install, source, said):
    plugins = install(broken=source, good=prompter("p"))
    assert "p" in names(plugins)
    (warning,) = plugins.warnings
    assert warning.startswith("plugin broken/broken-plugin: ")
    assert said in warning
    broken, good = plugins.found
    assert (broken.distribution, good.error) == ("broken", "")
    assert said in broken.error
    with pytest.raises(UsageError, match=r"'broken-plugin' of broken did not load"):
        plugins.find("prompter", "q")


def test_a_plugin_that_prints_works_and_is_warned_about(install, capsys):
    plugins = install(loud=f"print('hello')\n{prompter('p')}".replace("return [", "print('again'); return ["))
    assert names(plugins) == ["p"]
    assert plugins.warnings == [
        "plugin loud/loud-plugin: import printed to stdout ('hello')",
        "plugin loud/loud-plugin: mitobench_prompters printed to stdout ('again')",
    ]
    assert plugins.found[0].error == ""
    assert capsys.readouterr().out == ""


def test_a_clash_names_both_owners_and_the_full_name_selects(install):
    plugins = install(one=prompter("same"), two=prompter("same"))
    with pytest.raises(UsageError, match="one/same and two/same"):
        plugins.find("prompter", "same")
    assert plugins.find("prompter", parse_spec("two/same")).plugin.distribution == "two"
    assert names(plugins) == ["same", "same"]


def test_an_unknown_name_suggests_and_lists(install):
    plugins = install(one=prompter("gt-box"), two=prompter("grid"))
    with pytest.raises(UsageError, match=r"unknown prompter 'gt-bx'\. Did you mean 'gt-box'\? Known: grid, gt-box\."):
        plugins.find("prompter", "gt-bx")
    with pytest.raises(UsageError, match="Known: none"):
        plugins.find("metric", "x")
    with pytest.raises(UsageError, match="unknown prompter 'two/gt-box'"):
        plugins.find("prompter", parse_spec("two/gt-box"))


def test_a_path_given_as_a_data_source_is_answered_with_how_to_give_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("some/pairs/images", "some/pairs/labels", "some/pictures"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "stack.tif").touch()
    plugins = Plugins.discover()
    for given, answer in {
        "some/pairs": "say folder:root=some/pairs.",
        "some/pictures": "say folder:images=some/pictures,labels=LABELS",
        "stack.tif": "It is a file",
        "some/nothing": "unknown data 'some/nothing'. Did you mean",
        "x" * 5000: "Known:",
    }.items():
        with pytest.raises(UsageError, match=re.escape(answer)):
            plugins.find("data", parse_spec(given))


@pytest.mark.parametrize("tool", ["cellpose", "micro-sam", "nnunet"])
def test_another_tool_given_as_a_segmenter_is_answered_with_how_its_results_join(tool):
    with pytest.raises(UsageError, match=r"join as label images: predictions:folder=DIR,name=\.\.\.$"):
        Plugins.discover().find("segmenter", tool)


@pytest.mark.parametrize("blocked", ["mitobench_toy_blocked", "toy-entry", "mitobench_toy_blocked/toy-entry"])
def test_a_disabled_plugin_is_never_imported(blocked):
    class Point(types.SimpleNamespace):
        def load(self):
            raise AssertionError("imported")

    dist = types.SimpleNamespace(name="mitobench_toy_blocked", version="1")
    (found,) = Plugins([Point(name="toy-entry", value="x", dist=dist)], disabled=[blocked]).found
    assert (found.disabled, found.error) == (True, "")


def test_the_environment_disables_plugins(monkeypatch):
    monkeypatch.setenv(DISABLE_VARIABLE, " prompts , mitobench/data")
    plugins = Plugins.discover()
    assert {p.name for p in plugins.found if p.disabled} == {"prompts", "data"}
    assert "gt-box" not in names(plugins)
    monkeypatch.delenv(DISABLE_VARIABLE)
    assert "gt-box" in names(Plugins.discover())


def test_two_entry_points_of_one_module_cost_one_warning(monkeypatch):
    module = types.ModuleType("plugin_twice")
    monkeypatch.setitem(sys.modules, "plugin_twice", module)
    points = [importlib.metadata.EntryPoint(n, "plugin_twice", "mitobench") for n in ("a", "b")]
    plugins = Plugins(points)
    assert len(plugins.warnings) == 1
    assert [bool(p.error) for p in plugins.found] == [False, True]


def test_builtin_plugins_load_without_a_warning():
    plugins = Plugins.discover()
    assert [w for w in plugins.warnings if w.startswith("plugin mitobench/")] == []
    assert all(
        plugins.components(kind) == sorted(plugins.components(kind), key=lambda c: c.reference.partition("/")[2])
        for kind in KINDS
    )


@pytest.mark.parametrize(
    ("requires", "said"),
    [
        ((), ""),
        (("numpy>=1",), ""),
        (("no-such-distribution>=2",), "needs no-such-distribution>=2, which is not installed; pip install it"),
        (("numpy<1",), "needs numpy<1 but "),
        (("no-such-distribution; python_version < '3'",), ""),
        (("not a requirement!",), "not a requirement that can be read (tell the authors of one)"),
    ],
)
def test_what_is_missing_is_known_from_metadata(install, requires, said):
    plugins = install(one=prompter("p", requires=requires, install="pip install it"))
    missing = plugins.find("prompter", "p").missing()
    assert said in missing
    assert bool(missing) == bool(said)
    assert "no-such-distribution" not in sys.modules


def test_a_target_is_imported_when_asked_for_and_its_failure_names_the_plugin(install, tmp_path):
    plugins = install(one=prompter("p"))
    component = plugins.find("prompter", "p")
    assert "plugin_target" not in sys.modules
    with pytest.raises(MissingError, match=r"plugin 'one-plugin' of one: plugin_target:Class cannot be imported"):
        component.target()
    (tmp_path / "plugin_target.py").write_text("import sys; sys.exit(1)")
    importlib.invalidate_caches()
    with pytest.raises(MissingError, match="SystemExit: 1"):
        component.target()
    (tmp_path / "plugin_target.py").write_text("class Class: pass   # whole now\n")
    importlib.invalidate_caches()
    assert component.target().__name__ == "Class"
    del sys.modules["plugin_target"]


def test_a_target_whose_requirement_is_missing_is_not_imported(install):
    component = install(one=prompter("p", requires=("no-such-distribution",))).find("prompter", "p")
    with pytest.raises(MissingError, match="prompter 'p' needs no-such-distribution"):
        component.target()


def test_observers_get_what_they_declare_and_cannot_break_a_run(monkeypatch):
    seen = []
    for name, hook in (
        ("good", lambda plan: seen.append(plan)),
        ("bare", lambda: seen.append("bare")),
        ("bad", lambda plan: 1 / 0),
    ):
        module = types.ModuleType(f"plugin_observer_{name}")
        module.mitobench_run_started = hookimpl(hook, specname="mitobench_run_started")
        monkeypatch.setitem(sys.modules, module.__name__, module)
    points = [importlib.metadata.EntryPoint(n, f"plugin_observer_{n}", "mitobench") for n in ("bad", "bare", "good")]
    plugins = Plugins(points)
    plugins.notify("mitobench_run_started", plan="the plan")
    assert sorted(seen) == ["bare", "the plan"]
    assert plugins.warnings == ["plugin ?/bad: mitobench_run_started failed (ZeroDivisionError: division by zero)"]


def test_descriptors_are_plain_frozen_data():
    descriptor = PrompterDescriptor(name="p", target="a:B", summary="s")
    with pytest.raises(AttributeError):
        descriptor.name = "q"
    assert descriptor == PrompterDescriptor(name="p", target="a:B", summary="s")
    assert (descriptor.kind, MetricDescriptor(name="p", target="a:B", summary="s").kind) == ("prompter", "metric")


def test_listing_every_component_imports_nothing_heavy():
    code = """
import sys
from mitobench.plugins import KINDS, Plugins
plugins = Plugins.discover()
assert sum(len(plugins.components(kind)) for kind in KINDS) > 5
print(*[name for name in ("numpy", "torch", "pydantic", "scipy") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
