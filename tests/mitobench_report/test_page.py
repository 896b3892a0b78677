"""The page holds everything, fetches nothing, and shows hostile names as text."""

import base64
import hashlib
import html
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from mitobench.ranking.leaderboard import build_leaderboard
from mitobench.ranking.standings import Badge, Leaderboard, MeanRank, MeanRanks
from mitobench_report.page.datasets import rank_rows

VOID = {"meta", "input", "br", "link", "img", "hr"}


class Page(HTMLParser):
    """A page as a tree walk: elements with their attributes, the text outside scripts, and what is inside them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements, self.words, self.inside, self._open = [], [], [], []
        self.feed(text)
        self.close()
        assert not self._open, f"not closed: {self._open}"

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data):
        if self._open and self._open[-1] in ("script", "style"):
            self.inside.append((self._open[-1], self.elements[-1][1], data))
        else:
            self.words.append(data)

    def of(self, tag, **wanted):
        return [a for t, a in self.elements if t == tag and all(a.get(k) == v for k, v in wanted.items())]

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def parsed(toy_page):
    return Page(toy_page)


def test_every_cell_and_every_score_leads_to_the_rows_it_was_made_from(parsed, pages, toy_run):
    evidence = pages.evidence(toy_run)
    ids = {a["id"] for _, a in parsed.elements if "id" in a}
    targets = {a["href"][1:] for a in parsed.of("a") if a["href"].startswith("#")}
    assert targets <= ids, "every link inside the page leads somewhere"
    cells = {i for i in ids if re.fullmatch(r"cell-[0-9a-f]+", i)}
    assert len(cells) == len(evidence.cells) == len(parsed.of("div", **{"class": "target"}))
    for cell, found in evidence.cells.items():
        own = [i for i in ids if i.startswith(f"cell-{cell[:10]}-")]
        assert len(own) == len(found.table.images), "a row for every image"
        assert f"cell-{cell[:10]}" in targets


def test_numbers_of_the_leaderboard_and_of_single_images_are_in_it(parsed, pages, toy_run):
    evidence = pages.evidence(toy_run)
    board = build_leaderboard(evidence, resamples=50)
    best = next(row for row in board.tables[0].rows if row.rank == 1)
    assert f"{best.scores['F1@0.5'].value:.3f}" in parsed.text
    _, scores = evidence.image_scores(best.cell)
    for value in scores["Dice"]:
        assert f"{value:.3f}" in parsed.text


def test_the_policy_names_exactly_the_scripts_and_styles_that_are_there(parsed):
    policy = parsed.of("meta", **{"http-equiv": "Content-Security-Policy"})[0]["content"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    blocks = [(kind, text) for kind, a, text in parsed.inside if a.get("type") != "application/json"]
    found = {base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for _, text in blocks}
    assert found == set(re.findall(r"'sha256-([^']+)'", policy))
    assert not [a for _, a in parsed.elements if "style" in a or any(name.startswith("on") for name in a)]


def test_nothing_in_it_is_fetched(parsed):
    for tag, attributes in parsed.elements:
        assert not attributes.keys() & {"src", "srcset", "data", "action", "poster"}, (tag, attributes)
        assert tag not in ("link", "iframe", "object", "embed", "img", "form")
        if not attributes.get("href", "#").startswith("#"):
            assert attributes["href"].startswith(("https://doi.org/", "https://arxiv.org/", "https://"))
            assert tag == "a"
    styles = [text for kind, _, text in parsed.inside if kind == "style"]
    assert {u[:5] for text in styles for u in re.findall(r"url\((.{5})", text)} == {"data:"}
    assert not [text for text in styles if "@import" in text]


@pytest.fixture(scope="module")
def hostile_page(pages, hostile_run):
    return pages.render(hostile_run)


def test_hostile_names_make_no_element_and_no_attribute(hostile_page, parsed):
    page = Page(hostile_page)
    assert {t for t, _ in page.elements} <= {t for t, _ in parsed.elements} | {"code"}
    assert not [a for _, a in page.elements if any(name.startswith("on") for name in a)]
    kinds = {name for _, a in page.elements for name in a}
    assert kinds <= {name for _, a in parsed.elements for name in a}


def test_hostile_names_are_shown_as_they_are_and_cannot_turn_the_text(hostile_page):
    text = Page(hostile_page).text
    assert "a<img src=x onerror=alert(1)>" in text
    assert 'b"><script>alert(2)<|script>' in text
    assert "\u202e" not in hostile_page
    assert "\u2066" not in hostile_page
    assert "c\\u202eevil\\u2066" in text
    assert "x" * 200 in text


def test_data_for_scripts_is_json_that_cannot_end_its_element(hostile_page):
    blocks = [text for _, a, text in Page(hostile_page).inside if a.get("type") == "application/json"]
    assert len(blocks) >= 3
    for block in blocks:
        json.loads(block, parse_constant=pytest.fail)
        assert not set(block) & set("<>&'")


def test_hostile_labels_of_components_and_notes_stay_text(pages, toy_run):
    board = build_leaderboard(pages.evidence(toy_run), resamples=0)
    evil = "</script><svg onload=alert(1)>\x1b[31m\u202e"
    rows = tuple(replace(row, segmenter=evil, prompter=evil, notes=(evil,)) for row in board.tables[0].rows)
    table = replace(board.tables[0], rows=rows, title=f"{evil}: automatic", uncertainty=evil)
    page = Page(pages.render(toy_run, board=Leaderboard(tables=(table,))))
    assert not page.of("svg")
    assert "</script><svg onload=alert(1)>\\x1b[31m\\u202e" in page.text


def test_the_heading_of_a_board_is_the_whole_label_of_its_data_source(pages, toy_run):
    board = build_leaderboard(pages.evidence(toy_run), resamples=0)
    table = replace(board.tables[0], title="folder:images=images,labels=labels: automatic")
    page = pages.render(toy_run, board=Leaderboard(tables=(table,)))
    for heading in (r'<h2 id="board-1-title">(.*?)</h2>', r"<h3>(<bdi>folder.*?)</h3>"):
        assert re.sub("<.*?>", "", re.search(heading, page)[1]).startswith("folder:images=images, labels=labels ")
    assert page.count("Contrast stretched for display") == 1


def test_automatic_and_oracle_cells_have_boards_of_their_own(parsed):
    assert len(parsed.of("section", **{"class": "board"})) == 4
    assert "toy-oracle × toy-flood" in parsed.text
    assert "made from the reference" in parsed.text


def test_what_failed_or_is_undefined_is_said_in_words(parsed, toy_page):
    assert "failed" in parsed.text
    strips = re.findall(r'<article class="strip">.*?</article>', toy_page, re.DOTALL)
    failed = {html.unescape(found) for s in strips for found in re.findall(r'class="absent">(failed: [^<]*)<', s)}
    assert any("shape" in found for found in failed), "the reason stands where the pictures would"
    assert "no prompts for disc1" in parsed.text


def test_predictions_that_are_gone_cost_their_pictures_alone(pages, copied):
    for path in (copied / "predictions").rglob("*.tif"):
        path.unlink()
    page = Page(pages.render(copied))
    assert "the stored prediction cannot be read" in page.text
    assert "No prediction can be shown" in page.text


def test_a_data_source_that_is_gone_leaves_the_predictions_on_a_dark_plane(pages, copied):
    record = json.loads((copied / "run.json").read_text())
    for cell in record["cells"].values():
        cell["data"]["identity"]["component"] = "mitobench/no-such-source"
    (copied / "run.json").write_text(json.dumps(record))
    page = Page(pages.render(copied))
    assert "cannot be opened again" in page.text
    assert page.of("i")
    assert not [a for a in page.of("i") if "contours" in a["class"]], "nothing to compare with"


def test_a_small_page_leaves_pictures_out_and_says_how_many(pages, toy_run, toy_page):
    small = pages.render(toy_run, megabytes=0.05)
    words = Page(small).text
    assert re.search(
        r"[1-9]\d* pictures? left out so that this page stays small; --format html:megabytes=0.2 keeps more", words
    )
    assert "Left out, so that the page does not grow too large." in words
    assert "is drawn in seconds" not in words
    assert len(small) < len(toy_page)


def test_a_page_that_is_drawn_quickly_names_the_option_that_draws_more(pages, toy_run, toy_page):
    words = Page(pages.render(toy_run, drawn=2)).text
    found = re.search(
        r"(\d+) pictures left out so that this page is drawn in seconds; --format html:drawn=(\d+) draws", words
    )
    assert int(found[2]) == int(found[1]) + 2
    assert "Left out, so that the page is drawn in seconds." in words
    assert "stays small" not in words
    more = Page(pages.render(toy_run, drawn=int(found[2])))
    assert not re.search("pictures? left out|Left out, so", more.text)
    assert len(more.of("i")) == len(Page(toy_page).of("i"))


def test_a_page_without_pictures_says_that_none_were_asked_for(pages, toy_run):
    page = Page(pages.render(toy_run, images=0, compare=0))
    assert "No pictures were asked for" in page.text
    assert not page.of("i")


def test_a_cell_whose_run_is_not_at_hand_is_shown_with_what_is_known(pages, toy_run):
    board = build_leaderboard(pages.evidence(toy_run), resamples=0)
    rows = tuple(replace(row, cell="f" * 32) for row in board.tables[0].rows[:1])
    page = Page(pages.render(toy_run, board=Leaderboard(tables=(replace(board.tables[0], rows=rows),))))
    assert "The run of this cell is not at hand" in page.text


def test_provenance_commands_and_citations_are_in_it(parsed, toy_page, toy_run):
    assert f"--out {toy_run.absolute()}" in html.unescape(toy_page)
    for word in ("fingerprint", "python", "seed", "BSD-3-Clause", "@misc{kirillov"):
        assert word in parsed.text


def test_charts_without_data_give_the_reason(parsed):
    assert "The predictions of these cells have no confidence" in parsed.text or parsed.of(
        "div", **{"data-chart": "f1-confidence"}
    )
    assert len(parsed.of("div", **{"data-chart": "intervals"})) >= 2


def ranks(*means, **more):
    rows = tuple(
        MeanRank(prompter="none", segmenter=f"s{n}", mean=m, low=m, high=m, ranks={"a": m or 1, "b": 2.0}, cells={})
        for n, m in enumerate(means)
    )
    return MeanRanks(title="mean rank", oracle=False, primary="F1@0.5", data=("a", "b"), rows=rows, **more)


def test_cells_that_cannot_be_told_apart_share_a_bar(pages, toy_run):
    mean_ranks = ranks(1.0, 1.5, 3.0, critical_difference=0.9, remark="Friedman's test, p = 0.01")
    data = rank_rows(mean_ranks)
    assert [row[:2] for row in data["groups"]["rows"]] == [["s0", "s1"]]
    board = build_leaderboard(pages.evidence(toy_run), resamples=0)
    page = Page(pages.render(toy_run, board=replace(board, mean_ranks=(mean_ranks,))))
    assert page.of("div", **{"data-chart": "ranks"})
    assert "Critical difference: 0.90" in page.text
    assert "Friedman's test, p = 0.01." in page.text


def test_without_cells_that_are_ranked_everywhere_the_page_has_no_mean_ranks(pages, toy_run):
    board = build_leaderboard(pages.evidence(toy_run), resamples=0)
    mean_ranks = ranks(None, None, remark="no cell saw both")
    page = Page(pages.render(toy_run, board=replace(board, mean_ranks=(mean_ranks,))))
    assert not page.of("section", id="ranks")
    assert not page.of("a", href="#ranks")


def test_where_tables_are_ranked_by_different_scores_the_reason_takes_the_diagram_s_place(pages, toy_run):
    board = build_leaderboard(pages.evidence(toy_run), resamples=0)
    undecided = replace(ranks(remark="ranked by different columns"), primary="")
    page = Page(pages.render(toy_run, board=replace(board, mean_ranks=(undecided,))))
    assert not page.of("div", **{"data-chart": "ranks"})
    assert "No cell is ranked on every data source: ranked by different columns." in page.text


def test_the_card_of_the_best_cell_shows_its_badges(pages, toy_run):
    board = build_leaderboard(pages.evidence(toy_run), resamples=0)
    found = (Badge(name="oracle", explanation="from the reference"), Badge(name="in-domain", explanation="<seen>"))
    tables = [
        replace(table, rows=tuple(replace(row, badges=found if row.rank == 1 else ()) for row in table.rows))
        for table in board.tables
    ]
    text = pages.render(toy_run, board=replace(board, tables=tuple(tables)), images=0, compare=0)
    _, *cards = text.partition('<ul class="winners">')[2].partition("</ul>")[0].split("<li>")
    assert len(cards) == len(tables)
    for table, card in zip(tables, cards, strict=True):
        badges = Page(f"<p>{card.partition('</li>')[0]}</p>").of("span", **{"class": "badge"})
        best = sum(row.rank == 1 for row in table.rows)
        shown = ["<seen>"] if table.oracle else ["from the reference", "<seen>"]
        assert [badge["title"] for badge in badges] == shown * best


def test_the_primary_score_is_the_first_column_of_the_page_s_table(pages, toy_run):
    board = build_leaderboard(pages.evidence(toy_run), resamples=0, primary="mSA")
    page = pages.render(toy_run, board=board, images=0, compare=0)
    titles = re.findall(r'<button type="button" data-best="[a-z]+">([^<]+)</button>', page)
    assert [titles[0], titles.count("mSA")] == ["mSA", len(board.tables)]
