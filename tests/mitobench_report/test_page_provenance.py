"""Commands that compute a cell again, citations as BibTeX, and the policy."""

import re
import shlex

import pytest
from click.testing import CliRunner

from mitobench.specs import parse_spec
from mitobench_report.page.citations import Credit, as_bibtex, bibliography, credits_of, links
from mitobench_report.page.policy import as_script
from mitobench_report.page.provenance import command_of, data_facts, describe_runs


def test_the_command_of_a_cell_plans_that_very_cell(pages, hostile_run):
    from mitobench.experiment import Experiment
    from mitobench.plan import make_plan
    from mitobench.weights import WeightsStore

    evidence = pages.evidence(hostile_run)
    for key, found in evidence.cells.items():
        words = shlex.split(command_of(found))
        assert words[0] == "cd"
        assert words[2:5] == ["&&", "mitobench", "run"]
        given = {flag: [words[n + 1] for n, w in enumerate(words) if w == flag] for flag in words if flag[:2] == "--"}
        experiment = Experiment(
            data=tuple(map(parse_spec, given["--data"])),
            prompters=tuple(map(parse_spec, given["--prompter"])),
            segmenters=tuple(map(parse_spec, given["--segmenter"])),
            metrics=tuple(map(parse_spec, given["--metric"])),
            seed=int(given["--seed"][0]),
            base=hostile_run.parent,
        )
        store = WeightsStore(pages.plugins, cache=hostile_run.parent / "cache", offline=True)
        assert key in {cell.key for cell in make_plan(experiment, pages.plugins, store).cells}


def test_the_command_is_one_that_mitobench_takes(pages, toy_run):
    from mitobench_cli.main import cli

    found = next(iter(pages.evidence(toy_run).cells.values()))
    words = shlex.split(command_of(found).partition(" && mitobench ")[2])
    done = CliRunner().invoke(cli, [*words, "--dry-run"])
    assert done.exit_code == 0, done.output


def test_requests_say_when_where_and_with_which_versions(pages, toy_run):
    (request,) = describe_runs(pages.evidence(toy_run).folders)
    facts = dict(request.facts)
    assert facts["seed"] == "0"
    assert re.match(r"\d{4}-\d\d-\d\dT", facts["asked at"])
    assert "python" in dict(request.versions)


def test_each_data_source_is_named_with_its_fingerprint(pages, toy_run):
    evidence = pages.evidence(toy_run)
    facts = dict(data_facts(evidence))
    assert set(facts) == {str(c.record["data"]["label"]) for c in evidence.cells.values()}
    assert all(dict(found)["fingerprint"] for found in facts.values())


@pytest.mark.parametrize(
    ("citation", "fields"),
    [
        (
            "Caicedo et al., Nucleus segmentation across imaging experiments: the 2018 Data Science Bowl, Nature Methods 16, 2019, "
            "doi:10.1038/s41592-019-0612-7 (BBBC038)",
            {"author": "Caicedo and others", "doi": "10.1038/s41592-019-0612-7"},
        ),
        (
            "Lucchi, Smith, Achanta: Supervoxel-based segmentation of mitochondria. IEEE TMI 31, 2012, doi:10.1109/TMI.2011.2171705.",
            {"author": "Lucchi and Smith and Achanta", "year": "2012", "doi": "10.1109/TMI.2011.2171705"},
        ),
        (
            "Kirillov, Mintun, Ravi, Segment Anything, ICCV 2023, arXiv:2304.02643",
            {"author": "Kirillov and Mintun and Ravi", "title": "{Segment Anything}", "eprint": "2304.02643"},
        ),
        ("Somebody's tool & more, 100% {free}", {"note": r"Somebody's tool \& more, 100\% \{free\}"}),
    ],
)
def test_a_line_of_text_becomes_an_entry_with_the_fields_that_can_be_told(citation, fields):
    entry = as_bibtex(citation)
    found = dict(re.findall(r"^  (\w+) = \{(.*)\},$", entry, re.MULTILINE))
    assert fields.items() <= found.items()
    assert re.match(r"@misc\{[a-z]+\d{0,4}_[0-9a-f]{6},\n", entry)
    assert entry.count("{") - entry.count(r"\{") == entry.count("}") - entry.count(r"\}")


def test_works_that_several_components_cite_come_once():
    credited = [
        Credit("a", "b", "", "One et al., Title, 2001; Two et al., Other, 2002"),
        Credit("c", "d", "", "One et al., Title, 2001"),
    ]
    text = "\n".join(bibliography(credited))
    assert text.count("@misc") == 2


def test_links_lead_to_doi_and_arxiv_pages_only_where_named():
    assert links("A, B, arXiv:2304.02643, doi:10.1/x") == [("arXiv:2304.02643", "https://arxiv.org/abs/2304.02643")]
    assert links("X, doi:10.1038/s41592-019-0612-7.") == [
        ("doi:10.1038/s41592-019-0612-7", "https://doi.org/10.1038/s41592-019-0612-7")
    ]
    assert links("see https://example.org/a and javascript:alert(1)") == [
        ("https://example.org/a", "https://example.org/a")
    ]
    assert links("") == []


def test_everything_used_is_credited_once(pages, toy_run):
    credited = credits_of(pages.evidence(toy_run))
    assert len(credited) == len(set(credited))
    assert {c.kind for c in credited} == {"data source", "prompter", "segmenter", "metric", "charts"}
    assert {"instance", "semantic"} <= {c.name for c in credited}


def test_a_script_that_would_end_its_element_is_refused():
    with pytest.raises(ValueError, match="cannot be inlined"):
        as_script("x = '</SCRIPT>'")
    with pytest.raises(ValueError, match="cannot be inlined"):
        as_script("<!--", "style")
    assert str(as_script("a < b && c")) == "a < b && c"
