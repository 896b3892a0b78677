"""The documentation is under test: generated pages are current, examples run, every hook and exit code is described."""

import inspect
import re
import shlex
import tomllib
from pathlib import Path
from typing import Literal

import pytest

from mitobench import errors, hookspecs
from mitobench.descriptors import Descriptor
from mitobench.errors import MitobenchError
from mitobench.plugins import KINDS, Plugins
from mitobench_cli.describing import options_of, type_text
from mitobench_cli.main import VERBS
from mitobench_cli.reference import PAGES

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def built_in():
    plugins = Plugins.discover()
    return [c for kind in KINDS for c in plugins.components(kind) if c.plugin.distribution == "mitobench"]


@pytest.mark.parametrize("page", PAGES)
def test_the_generated_pages_are_what_would_be_generated_now(page):
    assert (DOCS / page).read_text(encoding="utf-8") == PAGES[page](DOCS), (
        "run `python -m mitobench_cli.reference docs`"
    )


def test_a_summary_is_a_sentence_whether_or_not_its_author_ended_it(built_in):
    text = PAGES["components.md"](DOCS)
    for component in built_in:
        found = re.search(rf"^### {component.descriptor.name}\n\n(.+)$", text, re.MULTILINE)[1]
        assert found.endswith(".")
        assert not found.endswith("..")


def test_every_verb_and_component_has_its_section(built_in):
    verbs, components = ((DOCS / name).read_text(encoding="utf-8") for name in ("verbs.md", "components.md"))
    assert all(f"\n## {verb}\n" in verbs for verb in VERBS)
    assert len(built_in) >= 25
    assert all(f"\n### {c.descriptor.name}\n" in components for c in built_in)


def test_every_component_explains_itself_and_its_options(built_in):
    for component in built_in:
        assert 10 < len(component.descriptor.summary) < 140, component.reference
        for option in options_of(component):
            assert option.description, f"{component.reference}: option {option.name} has no description"


def test_types_are_in_words():
    assert type_text(int) == "integer"
    assert type_text(Path | None) == "path or nothing"
    assert type_text(Literal["a", "b"]) == "a | b"
    assert type_text(list[float]) == "list of number"
    assert type_text(tuple[int, int]) == "[integer, integer]"
    assert type_text(tuple[str, ...]) == "list of text"
    assert type_text(bool | None) == "true or false or nothing"


def test_every_hook_is_documented_with_its_arguments():
    text = (DOCS / "writing-plugins.md").read_text(encoding="utf-8")
    hooks = [h for name, h in inspect.getmembers(hookspecs, inspect.isfunction) if name.startswith("mitobench_")]
    assert len(hooks) == 9
    for hook in hooks:
        assert f"`{hook.__name__}({', '.join(inspect.signature(hook).parameters)})`" in text


def test_every_exit_code_is_in_the_readme():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    classes = [c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, MitobenchError)]
    for code in {c.exit_code for c in classes} | {0, 130}:
        assert f"\n| {code} | " in text


def test_every_dependency_has_a_decision():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    pages = [page.read_text(encoding="utf-8") for page in (DOCS / "decisions").glob("*.md")]
    heads = " ".join(line for page in pages for line in re.findall(r"^(?:#+ |Dependencies: ).+$", page, re.MULTILINE))
    decided = set(re.findall(r"[\w-]+", heads))
    wanted = {re.split(r"[<>=\[;! ]", r)[0] for r in [*project["dependencies"], *extras["test"], *extras["docs"]]}
    assert wanted - decided == set()


def test_links_between_pages_lead_somewhere():
    for page in [ROOT / "README.md", *DOCS.rglob("*.md")]:
        for target in re.findall(r"\]\((?!https?://|#)([^)#\s]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def example_files():
    text = (DOCS / "writing-plugins.md").read_text(encoding="utf-8")
    return dict(re.findall(r'```\w+ title="([^"]+)"\n(.*?)```', text, re.DOTALL))


def example_commands():
    text = (DOCS / "writing-plugins.md").read_text(encoding="utf-8")
    return [shlex.split(line)[1:] for line in re.findall(r"^mitobench (?:run|info) .*", text, re.MULTILINE)]


def test_the_example_plugin_works_as_documented(foreign, mitobench, tmp_path):
    files = example_files()
    project = tomllib.loads(files.pop("pyproject.toml"))["project"]
    (entry,) = project["entry-points"]["mitobench"].items()
    folder = foreign(files[f"{entry[1]}.py"], name="mitobench_otsu", module=entry[1])
    for name, text in files.items():
        (folder / name).write_text(text)
    info, run = (mitobench(*command) for command in example_commands())
    assert info.code == 0
    assert "on which side of the threshold the objects are" in info.out
    assert run.code == 0, run.err
    assert "otsu:objects=bright" in run.out
    assert "2/2" in run.out
    assert "mitobench_run_finished printed to stdout ('2 done')" in run.err
    assert mitobench("run", "--data", "synthetic:n=1", "--segmenter", "otsu:object=dark").code == 2


def test_the_example_plugin_is_light():
    source = example_files()["mitobench_otsu.py"]
    assert set(re.findall(r"^(?:from|import) (\w+)", source, re.MULTILINE)) == {"mitobench"}
    assert Descriptor.__dataclass_fields__
