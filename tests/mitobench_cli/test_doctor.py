"""``doctor`` names what is wrong, even where it would take the interpreter down."""

import json

import pytest

from mitobench_cli import doctor as doctor_module
from mitobench_cli.doctor import Check
from mitobench_cli.probing import probe_all

BUILT_IN = "data,metrics,prompts,report,sam,unet"


@pytest.fixture
def doctor(mitobench, monkeypatch, tmp_path):
    """The doctor without the built-in plugins, whose import takes seconds."""
    monkeypatch.setenv("MITOBENCH_DISABLE_PLUGINS", BUILT_IN)
    monkeypatch.setenv("MITOBENCH_CACHE", str(tmp_path / "cache"))

    def call():
        result = mitobench("doctor", "--json")
        return result.code, {c["what"]: c for c in json.loads(result.out)}

    return call


def test_a_healthy_installation_is_described_and_ends_in_zero(doctor, tmp_path):
    code, checks = doctor()
    assert code == 0
    assert {"mitobench", "Python", "cores", "memory", "disk", "device", "cache"} <= set(checks)
    assert checks["device"]["found"].startswith("torch ")
    assert checks["plugin mitobench-toy/toy"]["status"] == "ok"
    assert checks["plugin sam"]["found"] == "disabled by MITOBENCH_DISABLE_PLUGINS"
    assert checks["segmenter toy-absent"]["found"].startswith("needs no-such-distribution")
    assert checks["cache"]["found"].startswith(str(tmp_path / "cache"))


@pytest.fixture
def without_torch(monkeypatch):
    """Leave out the look at the device, which takes seconds."""
    monkeypatch.setattr(doctor_module, "_torch", lambda: Check("ok", "device", "not looked at"))


def tried():
    """What became of each import of the foreign plugin."""
    return {f.target: f.problem for f in probe_all(frozenset(BUILT_IN.split(","))) if f.plugin == "foreign/foreign"}


CRASHING_TARGET = """
    import mitobench
    from mitobench.descriptors import MetricDescriptor

    @mitobench.hookimpl
    def mitobench_metrics():
        return [
            MetricDescriptor(name="bad", target="{bad}:Bad", summary="s"),
            MetricDescriptor(name="good", target="json:JSONDecoder", summary="s"),
        ]
"""


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "crashed the interpreter (SIGSEGV)"),
        ("import os; os._exit(7)", "ended the interpreter (exit code 7)"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("raise ImportError('libfoo.so\\nnot found')", "ImportError: libfoo.so not found"),
        ("x = 1", "AttributeError: module 'foreign_bad' has no attribute 'Bad'"),
    ],
)
def test_a_component_that_cannot_be_imported_is_named_and_the_others_are_tried(foreign, body, problem):
    folder = foreign(CRASHING_TARGET.format(bad="foreign_bad"))
    (folder / "foreign_bad.py").write_text(body)
    assert tried() == {
        "the entry point": "",
        "mitobench.options:NoOptions": "",
        "foreign_bad:Bad": problem,
        "json:JSONDecoder": "",
    }


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (
            "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
            "crashed the interpreter (SIGSEGV)",
        ),
        (
            "raise ValueError('no')",
            "RuntimeError: plugin foreign/foreign: import failed (ValueError: no)",
        ),
    ],
)
def test_a_plugin_that_crashes_when_it_is_found_is_named(foreign, body, problem):
    foreign(body)
    assert tried() == {"the entry point": problem}


def test_a_crashing_plugin_does_not_take_the_doctor_down(doctor, without_torch, foreign):
    foreign("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    code, checks = doctor()
    assert code == 4
    assert checks["plugin foreign/foreign"]["status"] == "wrong"
    assert "SIGSEGV" in checks["plugin foreign/foreign"]["found"]
    assert checks["plugin mitobench-toy/toy"]["status"] == "ok"


def test_what_a_plugin_prints_is_no_finding(foreign):
    foreign("print('mitobench-begin\\tforged')\nimport os\nos.write(1, b'mitobench-end\\tforged\\tx\\n')")
    found = tried()
    assert list(found) == ["the entry point"]
    assert "printed to stdout" in found["the entry point"]


def test_a_cache_that_cannot_be_written_is_a_resource_error(doctor, without_torch, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MITOBENCH_CACHE", str(tmp_path / "file" / "cache"))
    code, checks = doctor()
    assert code == 5
    assert "set MITOBENCH_CACHE" in checks["cache"]["found"]


def test_the_table_says_the_same_and_stderr_counts(mitobench, without_torch, monkeypatch, foreign):
    monkeypatch.setenv("MITOBENCH_DISABLE_PLUGINS", BUILT_IN)
    foreign("raise ValueError('no')")
    result = mitobench("doctor")
    assert result.code == 4
    assert any(line.split()[:3] == ["wrong", "plugin", "foreign/foreign"] for line in result.out.splitlines())
    assert result.err.splitlines()[-1].endswith("checks went wrong")
