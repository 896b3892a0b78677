"""``list``, ``info`` and ``plugins`` tell what there is, whatever state the plugins are in."""

import json
import textwrap

import pytest

CLASH = """
    import mitobench
    from mitobench.descriptors import PrompterDescriptor

    @mitobench.hookimpl
    def mitobench_prompters():
        return [PrompterDescriptor(name="toy-centres", target="x:Y", summary="another of that name", emits=frozenset({"box"}))]
"""
HOSTILE = """
    import mitobench
    from mitobench.descriptors import SegmenterDescriptor, WeightsFile

    @mitobench.hookimpl
    def mitobench_segmenters():
        weights = WeightsFile(name="w[/red]\\x07", sha256="0" * 64, size=1, licence="\\x1b]0;t\\x07", citation="", url="https://example.org/w")
        return [
            SegmenterDescriptor(
                name="hostile", target="x:Y", summary="x[/red]\\x1b[31m\\n<img onerror=alert(1)>", licence="\\x1b[2J",
                requires=("no-such-distribution",), install="\\x1b[8m", weights=(weights,),
            ),
            SegmenterDescriptor(name="../x\\x1b[31m", target="x:Y", summary="a name that is no name"),
        ]
"""


def rows(text):
    return [line.split() for line in text.splitlines()]


def test_list_shows_built_in_and_foreign_components_with_what_they_emit_and_accept(mitobench):
    result = mitobench("list")
    assert result.code == 0
    assert rows(result.out)[0] == ["KIND", "NAME", "PROMPTS", "SUMMARY"]
    listed = {(r[0], r[1]): r[2:] for r in rows(result.out)[1:]}
    assert listed["prompter", "gt-box"][:2] == ["box", "(oracle)"]
    assert listed["segmenter", "toy-flood"][0] == "point"
    assert {("data", "synthetic"), ("metric", "instance"), ("trainer", "unet"), ("reporter", "csv")} <= set(listed)


@pytest.mark.parametrize("word", ["segmenter", "segmenters", "Segmenter"])
def test_list_takes_a_kind_in_singular_or_plural(mitobench, word):
    assert {r[0] for r in rows(mitobench("list", word).out)[1:]} == {"segmenter"}


def test_list_answers_a_mistyped_kind_with_the_one_that_was_meant(mitobench):
    result = mitobench("list", "promter")
    assert result.code == 2
    assert "Did you mean 'prompter'?" in result.err


def test_list_says_what_a_component_lacks_and_how_to_install_it(mitobench):
    line = next(line for line in mitobench("list").out.splitlines() if "toy-absent" in line)
    assert "[needs no-such-distribution>=1, which is not installed; pip install no-such-distribution]" in line


def test_list_names_both_owners_of_one_name_in_full(mitobench, foreign):
    foreign(CLASH)
    listed = [r[1] for r in rows(mitobench("list", "prompters").out)]
    assert "foreign/toy-centres" in listed
    assert "mitobench-toy/toy-centres" in listed
    assert "toy-centres" not in listed


def test_list_as_json_holds_the_same(mitobench):
    result = mitobench("list", "--json")
    listed = {(c["kind"], c["name"]): c for c in json.loads(result.out)}
    assert listed["segmenter", "toy-flood"]["accepts"] == ["point"]
    assert listed["prompter", "toy-oracle"]["uses_reference"] is True
    assert listed["segmenter", "toy-absent"]["missing"].startswith("needs no-such-distribution")


def test_what_a_plugin_says_is_inert(mitobench, foreign):
    foreign(HOSTILE)
    for verb in (["list"], ["plugins"], ["weights", "list"], ["info", "hostile"]):
        result = mitobench(*verb)
        assert result.code == 0, verb
        assert "hostile" in result.out or "w[/red]\\x07" in result.out
        assert not any(c < " " and c != "\n" for c in result.out + result.err), verb
    assert "x[/red]\\x1b[31m\\n<img onerror=alert(1)>" in mitobench("list").out
    assert "the name '../x" in mitobench("list").err


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("raise RuntimeError('no good')", "import failed (RuntimeError: no good)"),
        ("raise SystemExit(3)", "import failed (SystemExit: 3)"),
        ("import no_such_module", "No module named 'no_such_module'"),
        (
            "import mitobench\n@mitobench.hookimpl\ndef mitobench_prompters():\n    return 1 / 0",
            "mitobench_prompters failed (ZeroDivisionError",
        ),
        ("import mitobench\n@mitobench.hookimpl\ndef mitobench_promters():\n    return []", "mitobench_promters"),
        (
            "import mitobench\n@mitobench.hookimpl\ndef mitobench_prompters():\n    return ['x']",
            "returned str, expected PrompterDescriptor",
        ),
    ],
)
def test_a_broken_plugin_costs_one_line_on_stderr_and_nothing_else(mitobench, foreign, source, reason):
    foreign(source)
    result = mitobench("list")
    assert result.code == 0
    assert "toy-flood" in result.out
    assert [
        line
        for line in result.err.splitlines()
        if line.startswith("warning: plugin foreign/foreign: ") and reason in line
    ]
    assert result.err.count("\n") == 1
    status = next(line for line in mitobench("plugins").out.splitlines() if line.startswith("foreign "))
    assert "broken: " in status
    assert reason in status


def test_a_plugin_that_prints_does_not_reach_stdout_and_keeps_its_components(mitobench, foreign):
    foreign("print('hello')\n" + textwrap.dedent(CLASH))
    result = mitobench("list", "--json")
    assert "foreign/toy-centres" in [c["reference"] for c in json.loads(result.out)]
    assert "printed to stdout ('hello')" in result.err


def test_plugins_shows_who_ships_what(mitobench):
    listed = {p["name"]: p for p in json.loads(mitobench("plugins", "--json").out)}
    assert listed["toy"]["distribution"] == "mitobench-toy"
    assert "toy-flood" in listed["toy"]["components"]
    assert listed["report"]["components"] == ["csv", "html", "json", "md", "table"]
    assert all(p["error"] == "" for p in listed.values())


def test_a_disabled_plugin_is_shown_as_such_and_offers_nothing(mitobench, monkeypatch):
    monkeypatch.setenv("MITOBENCH_DISABLE_PLUGINS", "toy")
    assert "disabled" in next(line for line in mitobench("plugins").out.splitlines() if line.startswith("toy "))
    assert "toy-flood" not in mitobench("list").out


def test_info_shows_options_with_types_defaults_and_descriptions(mitobench):
    text = mitobench("info", "grid").out
    assert text.startswith("prompter grid\n")
    assert "emits:    point" in text
    assert "licence:  Apache-2.0" in text
    header = next(line for line in text.splitlines() if "TAKES" in line)
    assert header.split() == ["OPTION", "TAKES", "DEFAULT", "WHAT", "IT", "DOES"]


def test_info_shows_every_kind_that_has_the_name_or_the_one_asked_for(mitobench):
    assert [block.splitlines()[0] for block in mitobench("info", "unet").out.split("\n\n")] == [
        "prompter unet",
        "segmenter unet",
        "trainer unet",
    ]
    assert mitobench("info", "unet", "--kind", "trainers").out.startswith("trainer unet")


def test_info_shows_weights_with_their_licence_and_citation(mitobench):
    found = json.loads(mitobench("info", "sam", "--json").out)[0]
    assert {"vit_b", "vit_l", "vit_h", "vit_t"} <= {w["name"] for w in found["weights"]}
    assert found["facts"]["accepts"] == "box, mask, point"
    assert "Kirillov" in found["facts"]["citation"]
    model = {o["name"]: o for o in found["options"]}["model"]
    assert model["type"].startswith("vit_b | vit_l | vit_h | vit_t")


def test_info_of_a_component_that_cannot_run_here_says_why(mitobench):
    assert "cannot be used here: it needs no-such-distribution>=1" in mitobench("info", "toy-absent").out


def test_info_of_options_that_cannot_be_imported_still_shows_the_rest(mitobench, foreign):
    foreign(CLASH.replace('target="x:Y"', 'target="x:Y", options="nowhere:Options"'))
    text = mitobench("info", "foreign/toy-centres").out
    assert "another of that name" in text
    assert "options cannot be shown" in text


def test_info_answers_a_mistyped_name_with_the_one_that_was_meant(mitobench):
    result = mitobench("info", "gt-bxo")
    assert result.code == 2
    assert "Did you mean 'gt-box'?" in result.err
