"""Text from outside is made harmless before it is shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mitobench.text import defused, inert


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 漢字 ✓", "plain é 漢字 ✓"),
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("line\nbreak\r\ttab", "line\\nbreak\\r\\ttab"),
        ("bell\x07 null\x00 c1\x9b", "bell\\x07 null\\x00 c1\\x9b"),
        ("\u202etxt.exe", "\\u202etxt.exe"),
        ("zero\u200bwidth\u2028line", "zero\\u200bwidth\\u2028line"),
        ("\ud800 from a file name", "\\ud800 from a file name"),
        ("\U000e0041 tag", "\\U000e0041 tag"),
    ],
)
def test_what_a_terminal_would_obey_is_spelled_out_and_the_rest_stays(text, shown):
    assert inert(text) == shown


@given(st.text(st.characters()))
def test_the_result_is_one_printable_line_and_encodes(text):
    shown = inert(text)
    assert shown.isprintable()
    assert len(shown.splitlines()) <= 1
    shown.encode("utf-8")
    assert inert(shown) == shown


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@a", " =1", "\t=1", "\n=1", "＝1", "＋1", "－1", "＠a"])
def test_every_way_to_begin_a_formula_is_defused(text):
    assert defused(text)[0] in "'\\"
    assert defused(text).removeprefix("'") == inert(text)


@pytest.mark.parametrize("text", ["", " ", "a=1", "3-1", "'=1", "é"])
def test_a_text_that_begins_no_formula_stays(text):
    assert defused(text) == text
