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
from mitobench.ranking.standings import (
    Badge,
    Column,
    Comparison,
    Leaderboard,
    LeaderboardRow,
    LeaderboardTable,
    MeanRank,
    MeanRanks,
    ScoreCell,
)

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
SECOND = replace(BEST, rank=2, rank_low=1, rank_high=2, segmenter="sam", cell="c" * 32)
TESTED = replace(
    TABLE,
    rows=(BEST, SECOND, FAILED),
    comparisons=(
        Comparison(
            first=BEST.cell, second=SECOND.cell, difference=0.02, low=-0.01, high=0.05, groups=8, p=0.2, p_corrected=0.2
        ),
    ),
    test="tested: sign-flip permutation over 8 groups",
)
RANKS = MeanRanks(
    title="mean rank over 2 data sources: automatic",
    oracle=False,
    primary="F1@0.5",
    data=("em", "nuclei"),
    rows=(
        MeanRank(
            prompter="none",
            segmenter="unet:threshold=0.3",
            mean=1.5,
            low=1.0,
            high=2.0,
            ranks={"em": 1.0, "nuclei": 2.0},
            cells={"em": BEST.cell, "nuclei": "d" * 32},
        ),
        MeanRank(prompter="grid", segmenter="sam", mean=None, low=None, high=None, ranks={}, cells={"em": SECOND.cell}),
    ),
    remark="too few for a test: 2 data sources",
)


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
def test_a_table_fits_its_width_and_loses_no_ranked_score_and_no_failure(render, width):
    text = render("table", width=width)
    assert max(map(len, text.splitlines())) <= width
    joined = " ".join(text.split())
    assert joined.count("0.873") == 2
    assert joined.count("[0.861") == 2
    assert "14 failed" in joined
    assert "HD95 (nm) ↓" in joined, "shown, or said to be left out"


def test_a_table_is_as_compact_as_its_width_asks(render):
    wide, medium, narrow, slim = (render("table", width=w) for w in (200, 120, 100, 50))
    assert "0.873 [0.861, 0.884]" in wide
    assert "peak MB" in medium
    assert "[0.861,0.884]" in medium
    assert "s/image" in narrow
    assert "F1@0.5: 0.873 [0.861, 0.884];" in slim


MANY = tuple(Column(name=f"score {n}", metric="m@1", headline=True) for n in range(6))
WHOLE = replace(
    BEST,
    scores={c.name: ScoreCell(value=n / 8, low=0.0, high=1.0, defined=14) for n, c in enumerate(MANY)},
)


def six_scores(*rows, primary="score 0"):
    return Leaderboard(tables=(replace(TABLE, primary=primary, columns=MANY, rows=rows),))


def shown_and_left_out(text):
    """The titles of a table's columns, and those that the line below it says are missing."""
    header = next(line for line in text.splitlines() if line.startswith("#"))
    said = re.search(r"no room for (.*?); `mitobench", " ".join(text.split()))
    return re.split(r"\s{2,}", header), said[1].split(", ") if said else []


def test_what_a_terminal_has_no_room_for_is_left_out_from_the_right_and_said(render):
    everything = ["#", "prompter", "segmenter", *(c.name for c in MANY), "images"]
    costs = ["encode s", "prompt s", "peak MB"]
    assert shown_and_left_out(render("table", six_scores(WHOLE))) == ([*everything, *costs], [])
    kept = []
    for width in range(60, 220):
        shown, left_out = shown_and_left_out(render("table", six_scores(WHOLE), width=width))
        assert [title for title in shown if title != "s/image"] + left_out == [*everything, *costs]
        kept.append(len(shown))
    assert kept == sorted(kept), "a wider terminal shows no fewer columns"
    assert kept[0] == 4
    assert "`mitobench leaderboard RUN --out board.html` has all columns" in render(
        "table", six_scores(WHOLE), width=80
    )


def test_the_ranked_score_is_the_last_to_go(render):
    shown, left_out = shown_and_left_out(render("table", six_scores(WHOLE, primary="score 5"), width=70))
    assert shown == ["#", "prompter", "segmenter", "score 5", "score 0"]
    assert left_out[:4] == ["score 1", "score 2", "score 3", "score 4"]


def test_missing_images_stay_in_sight_in_a_narrow_table(render):
    shown, left_out = shown_and_left_out(render("table", six_scores(WHOLE, FAILED), width=70))
    assert shown[-1] == "images"
    assert "score 5" in left_out


def test_where_all_scores_are_asked_for_none_is_left_out(render):
    text = " ".join(render("table", six_scores(WHOLE), width=80, scores="all").split())
    assert all(f"{column.name}: {n / 8:.3f}" in text for n, column in enumerate(MANY))
    assert "no room" not in text


@pytest.mark.parametrize("width", [60, 80, 100, 120])
def test_long_names_are_folded_behind_their_options_and_stay_whole(render, width):
    options = "model=tiny,min_score=0.88,min_stability=0.95,checkpoint"
    names = [f"sam-ft:{options}={file}.safetensors" for file in ("models/in_october", "models/in_november", "x" * 60)]
    text = render("table", six_scores(*(replace(WHOLE, segmenter=name) for name in names)), width=width)
    assert max(map(len, text.splitlines())) <= width
    lines = text.splitlines()
    start = lines[1].index("segmenter")
    folded = [line[start:].split("  ")[0] for line in lines[3 : lines.index(next(x for x in lines if "no room" in x))]]
    assert "".join(folded) == "".join(names)
    assert sum("min_score=0.88," in line for line in folded) == 3, "an option that fits is not broken"


@pytest.mark.parametrize("width", [20, 60, 80])
def test_characters_of_double_width_are_counted_as_a_terminal_shows_them(render, width):
    from rich.cells import cell_len

    wide = replace(WHOLE, segmenter="線粒體:" * 20, notes=("線粒體" * 30,))
    text = render("table", six_scores(wide), width=width)
    assert max(map(cell_len, text.splitlines())) <= width
    assert "".join(text.split()).count("線粒體") >= 50, "nothing of it is lost"


def test_a_table_that_just_fits_is_shown_whole(render):
    whole = render("table", six_scores(WHOLE))
    needed = max(map(len, whole.splitlines()[1:4]))
    assert render("table", six_scores(WHOLE), width=needed).splitlines()[1:4] == whole.splitlines()[1:4]
    assert "[0.000,1.000]" not in whole
    assert "[0.000,1.000]" in render("table", six_scores(WHOLE), width=needed - 1), "intervals below their scores"


def test_a_narrow_table_has_the_leaderboards_seconds_per_image_and_no_sum_of_means(render):
    costs = {"seconds_encode": 1.0, "seconds_prompt": 2.0, "seconds_segment": 4.0, "seconds": 6.2}
    text = render("table", Leaderboard(tables=(replace(TABLE, rows=(replace(BEST, costs=costs),)),)), width=90)
    assert "s/image" in text
    assert re.search(r"\b6\.2\b", text)
    assert not re.search(r"\b7\b", text)


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


@pytest.mark.parametrize("name", ["table", "md"])
def test_readers_see_who_cannot_be_told_from_the_first(render, name):
    text = html.unescape(render(name, Leaderboard(tables=(TESTED,))))
    assert "not distinguishable from rank 1 by F1@0.5: none x sam (tested: sign-flip permutation over 8 groups)" in text
    (pair,) = TESTED.comparisons
    clear = replace(TESTED, comparisons=(replace(pair, p_corrected=0.01),))
    text = html.unescape(render(name, Leaderboard(tables=(clear,))))
    assert "not distinguishable from rank 1 by F1@0.5: none of the others" in text


@pytest.mark.parametrize("name", ["table", "md"])
def test_readers_see_why_nothing_was_tested_once(render, name):
    (pair,) = TESTED.comparisons
    untested = replace(
        TESTED, comparisons=(replace(pair, p=None, p_corrected=None),), test="too few for a test: 3 groups"
    )
    assert render(name, Leaderboard(tables=(untested,))).count("too few for a test") == 1
    said = replace(untested, uncertainty="95 % intervals; too few for a test")
    text = render(name, Leaderboard(tables=(said,)))
    assert text.count("too few for a test") == 1
    assert "not distinguishable" not in text


@pytest.mark.parametrize("name", ["table", "md"])
def test_badges_and_notes_are_explained_once_with_the_rows_that_have_them(render, name):
    badge = Badge(name="in-domain", explanation="trained on 2 of 14 images")
    seen = tuple(replace(row, badges=(badge,), notes=("one note", "shared note")) for row in (BEST, SECOND))
    rows = (*seen, replace(SECOND, segmenter="clean", notes=("shared note",), cell="d" * 32))
    text = render(name, Leaderboard(tables=(replace(TABLE, rows=rows, remarks=("an earlier command",)),)))
    about = {remark: [line for line in text.splitlines() if remark in line] for remark in ("trained on", "one note")}
    for lines in about.values():
        assert len(lines) == 1
        assert "unet" in lines[0]
        assert "sam" in lines[0]
        assert "clean" not in lines[0]
    assert "in-domain" in about["trained on"][0]
    assert [line.removeprefix("* ") for line in text.splitlines() if "shared" in line] == ["shared note (all)"]
    assert "an earlier command" in text


@pytest.mark.parametrize("name", ["table", "md"])
def test_a_note_on_the_only_row_names_no_row(render, name):
    rows = (replace(BEST, notes=("a note",)),)
    text = render(name, Leaderboard(tables=(replace(TABLE, rows=rows),)))
    assert "a note" in [line.removeprefix("* ") for line in text.splitlines()]


@pytest.mark.parametrize("name", ["table", "md"])
def test_a_table_of_oracles_needs_no_badge_for_it(render, name):
    badge = Badge(name="oracle", explanation="the prompts were made from the reference")
    row = replace(BEST, badges=(badge,))
    assert badge.explanation not in render(name, Leaderboard(tables=(replace(ORACLE, rows=(row,)),)))
    assert badge.explanation in render(name, Leaderboard(tables=(replace(TABLE, rows=(row,)),)))


def test_mean_ranks_are_a_table_of_their_own(render):
    board = Leaderboard(tables=(TABLE,), mean_ranks=(RANKS,))
    text = render("table", board).partition("mean rank over 2 data sources")[2]
    assert re.search(r"1\.5 \[1-2\]\s+none\s+unet:threshold=0\.3\s+1 / 2", text)
    assert re.search(r"-\s+grid\s+sam\s+seen / -", text)
    assert "F1@0.5 on em / nuclei" in text
    assert "too few for a test: 2 data sources" in text
    markdown = render("md", board)
    assert "| 1.5 [1-2] | `none` | `unet:threshold=0.3` | 1 | 2 |" in markdown
    assert "| - | `grid` | `sam` | seen | - |" in markdown


@pytest.mark.parametrize("name", ["table", "md"])
def test_mean_ranks_that_no_cell_has_are_left_out_unless_another_primary_score_would_help(render, name):
    nobody = replace(RANKS, rows=RANKS.rows[1:], remark="no cells ranked on all 2 data sources")
    text = render(name, Leaderboard(tables=(TABLE,), mean_ranks=(nobody,)))
    assert text == render(name, Leaderboard(tables=(TABLE,)))
    undecided = replace(RANKS, primary="", rows=(), remark="ranked by different columns; choose one")
    assert "choose one" in render(name, Leaderboard(tables=(TABLE,), mean_ranks=(undecided,)))


@pytest.mark.parametrize("name", ["table", "md"])
@pytest.mark.parametrize("scores", ["headline", "all"])
def test_the_primary_score_is_the_first_column_headline_or_not(render, name, scores):
    text = html.unescape(render(name, Leaderboard(tables=(replace(TABLE, primary="SA@0.95"),)), scores=scores))
    header = next(line for line in text.splitlines() if "prompter" in line)
    assert header.index("SA@0.95") < header.index("F1@0.5") < header.index("HD95")
    assert "SA@0.95" not in html.unescape(render(name, scores="headline"))


@pytest.mark.parametrize("width", [20, 40, 80])
def test_tests_badges_and_mean_ranks_fit_the_width_too(render, width):
    row = replace(BEST, badges=(Badge(name="leaky split", explanation="trained on a neighbour " * 5),))
    table = replace(TESTED, rows=(row, SECOND), remarks=("remark " * 20,))
    text = render("table", Leaderboard(tables=(table,), mean_ranks=(RANKS,)), width=width)
    assert max(map(len, text.splitlines())) <= width
    assert "1.5 [1-2]" in " ".join(text.split())


def test_csv_has_the_difference_to_the_first_the_mean_rank_and_the_badges(render):
    row = replace(SECOND, badges=(Badge(name="AGPL", explanation="=cmd"),))
    board = Leaderboard(tables=(replace(TESTED, rows=(BEST, row, FAILED)),), mean_ranks=(RANKS,))
    first, second, failed = csv.DictReader(io.StringIO(render("csv", board)))
    assert (second["rank 1 minus this"], second["rank 1 minus this low"], second["p (Holm)"]) == (
        "0.02",
        "-0.01",
        "0.2",
    )
    assert (first["rank 1 minus this"], failed["rank 1 minus this"]) == ("", "")
    assert (first["mean rank"], second["mean rank"], second["badges"]) == ("1.5", "", "AGPL")
    assert second["notes"].startswith("AGPL: =cmd; ")


def test_where_two_share_rank_1_csv_turns_the_difference_to_the_first_of_the_table(render):
    (pair,) = TESTED.comparisons
    rows = (replace(SECOND, rank=1), BEST)
    table = replace(TESTED, rows=rows, comparisons=(pair,))
    _, second = csv.DictReader(io.StringIO(render("csv", Leaderboard(tables=(table,)))))
    assert [float(second[f"rank 1 minus this{end}"]) for end in ("", " low", " high")] == [-0.02, -0.05, 0.01]


@pytest.mark.parametrize("name", ["table", "md", "csv", "json"])
def test_names_from_outside_stay_inert_in_all_of_it(render, name):
    badge = Badge(name=HOSTILE, explanation=HOSTILE)
    row = replace(BEST, badges=(badge,))
    ranks = replace(RANKS, title=HOSTILE, data=(HOSTILE, "b"), remark=HOSTILE)
    board = Leaderboard(
        tables=(replace(TESTED, rows=(row, replace(SECOND, segmenter=HOSTILE)), remarks=(HOSTILE,), test=HOSTILE),),
        mean_ranks=(ranks,),
    )
    text = render(name, board)
    assert "\x1b" not in text
    if name == "md":
        assert "<" not in text
    if name == "csv":
        assert all(not cell.lstrip().startswith("=") for record in csv.reader(io.StringIO(text)) for cell in record)
