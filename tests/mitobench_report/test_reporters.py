"""The reporters show the same leaderboard in four forms, and nothing in it can act."""

import csv
import html
import io
import json
import re
from dataclasses import replace

import pytest

from mitobench.interfaces import BuildContext, Reporter
from mitobench.plugins import Plugins
from mitobench.standings import Column, Leaderboard, LeaderboardRow, LeaderboardTable, ScoreCell

HOSTILE = "x[/red]\x1b[31m<img onerror=alert(1)></script>|`*a*`\n=cmd()"
COLUMNS = (
    Column(name="F1@0.5", metric="instance@1", headline=True),
    Column(name="HD95", metric="boundary@1", unit="nm", higher_is_better=False, headline=True),
    Column(name="SA@0.95", metric="instance@1"),
)
BEST = LeaderboardRow(
    rank=1,
    rank_low=1,
    rank_high=2,
    prompter="none",
    segmenter="unet:threshold=0.3",
    cell="a" * 32,
    status="ok",
    images=14,
    failed=0,
    total=14,
    scores={
        "F1@0.5": ScoreCell(value=0.87312, low=0.8611, high=0.88449, defined=14),
        "HD95": ScoreCell(value=41.62, low=30.01, high=1234.5, defined=12),
        "SA@0.95": ScoreCell(value=0.1, low=None, high=None, defined=14),
    },
    costs={"seconds_encode": 0.1234, "seconds_prompt": 0.00001, "seconds_segment": None, "peak_memory_mb": 812.4},
    notes=("segmenter weights: em",),
)
FAILED = LeaderboardRow(
    rank=None,
    rank_low=None,
    rank_high=None,
    prompter="grid",
    segmenter="sam",
    cell="b" * 32,
    status="failed",
    images=0,
    failed=14,
    total=14,
    scores={},
    notes=("failed: out of memory",),
)
TABLE = LeaderboardTable(
    data="em",
    title="em: automatic",
    oracle=False,
    primary="F1@0.5",
    columns=COLUMNS,
    rows=(BEST, FAILED),
    uncertainty="95 % intervals: bootstrap",
)
ORACLE = replace(TABLE, title="em: oracle prompts", oracle=True, rows=(replace(BEST, prompter="gt-box", notes=()),))
BOARD = Leaderboard(tables=(TABLE, ORACLE))


@pytest.fixture(scope="module")
def plugins():
    return Plugins.discover()


@pytest.fixture
def render(plugins):
    def with_options(name, board=BOARD, **options):
        component = plugins.find("reporter", name)
        return component.target()(component.options_model()(**options), BuildContext()).render(board, None)

    return with_options


def hostile_board():
    row = replace(BEST, prompter=HOSTILE, segmenter="=2+3", notes=(f"note {HOSTILE}",))
    column = Column(name="=HYPERLINK(1)|<b>", metric="m@1", headline=True)
    table = replace(
        TABLE, data="@SUM(1)", title=f"title {HOSTILE}", columns=(*COLUMNS, column), rows=(row,), uncertainty=HOSTILE
    )
    return Leaderboard(tables=(table,))


@pytest.mark.parametrize("name", ["table", "md", "csv", "json"])
def test_each_is_a_reporter_whose_text_ends_in_one_newline_even_of_nothing(plugins, render, name):
    component = plugins.find("reporter", name)
    assert isinstance(component.target()(component.options_model()(), BuildContext()), Reporter)
    text = render(name)
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert isinstance(render(name, Leaderboard(tables=())), str)


@pytest.mark.parametrize("name", ["table", "md"])
def test_readers_see_scores_with_intervals_ranks_costs_notes_and_the_failed(render, name):
    text = render(name)
    assert "0.873 [0.861, 0.884]" in text
    assert "41.62 [30.01, 1234] (12 of 14 defined)" in text
    assert "HD95 (nm) ↓" in text
    assert "1 [1-2]" in text
    assert "failed" in text
    assert "0/14, 14 failed" in text
    assert re.search(r"0\.12\W.*(<|&lt;)0\.001\W.*812", text)
    assert "segmenter weights: em" in text
    assert "failed: out of memory" in text
    assert "95 % intervals: bootstrap" in text


@pytest.mark.parametrize("name", ["table", "md"])
def test_oracle_and_automatic_cells_do_not_share_a_table(render, name):
    automatic, oracle = render(name).split("em: oracle prompts")
    assert "gt-box" not in automatic
    assert "gt-box" in oracle
    assert "grid" not in oracle


@pytest.mark.parametrize("name", ["table", "md"])
def test_only_headline_scores_are_shown_unless_all_are_asked_for(render, name):
    assert "SA@0.95" not in render(name)
    assert "SA@0.95" in html.unescape(render(name, scores="all"))
    plain = Leaderboard(tables=(replace(TABLE, columns=tuple(replace(c, headline=False) for c in COLUMNS)),))
    assert "SA@0.95" in html.unescape(render(name, plain))


@pytest.mark.parametrize("name", ["table", "md"])
def test_intervals_and_costs_can_be_left_out(render, name):
    text = render(name, intervals=False, costs=False)
    assert "0.861" not in text
    assert "encode s" not in text
    assert "812" not in text


@pytest.mark.parametrize("width", [20, 30, 40, 60, 80, 100, 120, 160, 300])
def test_a_table_fits_its_width_and_loses_no_score(render, width):
    text = render("table", width=width)
    assert max(map(len, text.splitlines())) <= width
    joined = " ".join(text.split())
    assert joined.count("0.873") == 2
    assert joined.count("[0.861") == 2
    assert "14 failed" in joined


def test_a_table_is_as_compact_as_its_width_asks(render):
    wide, medium, narrow, slim = (render("table", width=w) for w in (200, 120, 100, 50))
    assert "0.873 [0.861, 0.884]" in wide
    assert "peak MB" in medium
    assert "[0.861,0.884]" in medium
    assert "s/image" in narrow
    assert "F1@0.5: 0.873 [0.861, 0.884];" in slim


def test_a_table_has_no_control_characters_and_no_trailing_blanks(render):
    text = render("table", hostile_board())
    assert all(c.isprintable() or c == "\n" for c in text)
    assert all(line == line.rstrip() for line in text.splitlines())
    assert "x[/red]\\x1b[31m" in text
    assert "\\n=cmd()" in text


def test_markdown_shows_hostile_text_as_text(render):
    text = render("md", hostile_board())
    assert "<" not in text
    assert "\x1b" not in text
    assert not re.search(r"(?<!\\)\*a", text)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    cells = {len(re.split(r"(?<!\\)\|", row)) for row in rows}
    assert len(cells) == 1, "a name has broken out of its cell"


def test_markdown_names_are_code_unless_code_cannot_hold_them(render):
    text = render("md")
    assert "| `none` | `unet:threshold=0.3` |" in text


def test_markdown_text_makes_no_link_and_mentions_nobody():
    from mitobench_report.markdown import escape

    text = "see www.evil.com, WWW.evil.com or https://evil.com/?a=b @me a@b.org"
    shown = escape(text)
    assert not re.search(r"(?i)www\.|://|@", shown)
    assert html.unescape(shown) == text


def test_csv_holds_every_score_in_full(render):
    records = list(csv.DictReader(io.StringIO(render("csv"))))
    assert [r["prompter"] for r in records] == ["none", "grid", "gt-box"]
    assert [r["oracle"] for r in records] == ["no", "no", "yes"]
    first, failed, _ = records
    assert (float(first["F1@0.5"]), float(first["F1@0.5 low"]), first["F1@0.5 defined"]) == (0.87312, 0.8611, "14")
    assert (first["SA@0.95"], first["SA@0.95 low"]) == ("0.1", "")
    assert (failed["rank"], failed["F1@0.5"], failed["status"], failed["failed"]) == ("", "", "failed", "14")
    assert float(first["seconds_encode"]) == 0.1234
    assert "seconds_encode" not in render("csv", costs=False)


def test_no_csv_cell_is_a_formula(render):
    table = list(csv.reader(io.StringIO(render("csv", hostile_board()))))
    for cell in (cell for row in table for cell in row):
        assert not cell.lstrip()[:1] or cell.lstrip()[0] not in "=+-@"
        assert cell.isprintable()
    assert "'=2+3" in table[1]
    assert "'=HYPERLINK(1)|<b>" in table[0]


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@a", " =1", "\t=1", "\n=1", "＝1"])
def test_every_way_to_begin_a_formula_is_defused(text):
    from mitobench_report.csv_file import defused

    assert defused(text)[0] in "'\\"


def test_json_is_the_leaderboard_s_data_and_the_same_however_long_it_took(render):
    assert json.loads(render("json")) == json.loads(json.dumps(BOARD.to_data()))
    slower = Leaderboard(tables=(replace(TABLE, rows=(replace(BEST, costs={"seconds_encode": 9.0}), FAILED)), ORACLE))
    assert render("json", slower) == render("json")
    assert render("json", slower, costs=True) != render("json", costs=True)


def test_json_is_ascii_so_that_nothing_in_it_reaches_a_terminal(render):
    text = render("json", hostile_board())
    assert text.isascii()
    assert "\x1b" not in text
    assert json.loads(text)["tables"][0]["rows"][0]["prompter"] == HOSTILE
