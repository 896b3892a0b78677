"""Specs: what a user types is what a component gets, and comes back when it is printed."""

import datetime as dt
import tomllib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mitobench.errors import UsageError
from mitobench.specs import Spec, parse_spec, spec_from_table

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
PLAIN = st.one_of(st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), TEXT, st.dates())
VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=5
)
NAMES = st.from_regex(r"[a-z][a-z0-9_-]{0,8}", fullmatch=True)


@pytest.mark.parametrize(
    ("text", "name", "options"),
    [
        ("unet", "unet", {}),
        ("unet:", "unet", {}),
        (" unet:threshold=0.4 ", "unet", {"threshold": 0.4}),
        ("x:a=1,b=true,c=word,d='1'", "x", {"a": 1, "b": True, "c": "word", "d": "1"}),
        ("x:a=[1, 2],b={c = 'd,e', f = [1]}", "x", {"a": [1, 2], "b": {"c": "d,e", "f": [1]}}),
        ("x:path=/data/a b.tif", "x", {"path": "/data/a b.tif"}),
        ("x:path=C:\\data\\x", "x", {"path": "C:\\data\\x"}),
        ("x:path='a,b=c'", "x", {"path": "a,b=c"}),
        ('x:s="say \\"hi, you\\"",b=1', "x", {"s": 'say "hi, you"', "b": 1}),
        ("x:s='back\\',b=1", "x", {"s": "back\\", "b": 1}),
        ("x:images=/raw,labels=/labels", "x", {"images": "/raw", "labels": "/labels"}),
        ("x:a = 1 , b = 2", "x", {"a": 1, "b": 2}),
        ("x:a=1,", "x", {"a": 1}),
        ("x:day=2024-02-03", "x", {"day": dt.date(2024, 2, 3)}),
        ("x:a=b=c", "x", {"a": "b=c"}),
        ("x:a=3#4", "x", {"a": "3#4"}),
        ("x:a=1\nb=2", "x", {"a": "1\nb=2"}),
    ],
)
def test_specs_parse(text, name, options):
    assert parse_spec(text) == Spec(name, options)


def test_a_distribution_may_be_named():
    spec = parse_spec("other-dist/unet:a=1")
    assert (spec.distribution, spec.name, spec.reference, str(spec)) == (
        "other-dist",
        "unet",
        "other-dist/unet",
        "other-dist/unet:a=1",
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected name"),
        (":a=1", "expected name"),
        ("dist/", "expected name"),
        ("u net", "expected name"),
        ("x:a", "'a' is not option=value"),
        ("x:=1", "not option=value"),
        ("x:a=", "no value"),
        ("x:a=1,a=2", "'a' is given twice"),
        ("x:a='b", "not closed"),
        ("x:a=[1,2", "not closed"),
        ("x:a=1]", "not closed"),
        ("x:a=[1 2]", "not a TOML value"),
        ("x:a='b' c", "not a TOML value"),
        ("x:a='b'\nc=1", "more than one TOML value"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error_that_quotes_the_spec(text, said):
    with pytest.raises(UsageError, match=said) as caught:
        parse_spec(text)
    assert repr(text) in str(caught.value)


@given(NAMES, st.dictionaries(NAMES, VALUES, max_size=3))
@example("x", {"a": "\x7f"})
@example("x", {"a": '"', "b": "it's", "c": "\\"})
@example("x", {"a": "1", "b": "true", "c": " padded ", "d": "a,b", "e": ""})
@example("x", {"a": {"it's": "\n"}})
def test_a_printed_spec_parses_to_itself(name, options):
    spec = Spec(name, options)
    assert parse_spec(str(spec)) == spec


@given(st.dictionaries(NAMES, VALUES, max_size=3))
def test_values_mean_what_they_mean_in_toml(options):
    for item in str(Spec("x", {"k": options})).partition("=")[2:]:
        assert tomllib.loads(f"k = {item}")["k"] == options


def test_tables_of_an_experiment_file():
    assert spec_from_table({"name": "unet", "threshold": 0.4}) == Spec("unet", {"threshold": 0.4})
    assert spec_from_table({"name": "dist/unet"}) == Spec("unet", {}, "dist")
    assert spec_from_table("unet:a=1") == Spec("unet", {"a": 1})


@pytest.mark.parametrize(
    ("table", "said"),
    [({"threshold": 1}, "expected a name"), ({"name": 3}, "expected a name"), ({"name": "x:a=1", "b": 2}, "not both")],
)
def test_tables_that_make_no_sense(table, said):
    with pytest.raises(UsageError, match=said):
        spec_from_table(table)


def test_a_table_is_left_as_it_was():
    table = {"name": "unet", "a": 1}
    spec_from_table(table)
    assert table == {"name": "unet", "a": 1}
