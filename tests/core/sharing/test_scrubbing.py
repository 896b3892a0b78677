"""What tells where, by whom and on which host a run was made is taken out of texts; what identifies results stays."""

import pytest

from mitobench.errors import DataError
from mitobench.sharing.scrubbing import Scrubber, is_foreign_path, scrub_record

SCRUBBER = Scrubber(["/srv/My Lab/project one"], user="adalove", host="node17.lab.example")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/home/ada/x y/z.tif: shape (3, 4) is wrong", "z.tif: shape (3, 4) is wrong"),
        ("cannot read '/data/a.tif' and /c/d.tif", "cannot read 'a.tif' and d.tif"),
        ("/srv/My Lab/project one/sub/k.tif: bad", "k.tif: bad"),
        ("no /srv/My Lab/project one", "no home-folder"),
        (r"C:\Users\Anna Maria\w.tif: no", "w.tif: no"),
        (r"\\server\share\z.tif", "z.tif"),
        ("/home/ada", "home-folder"),
        ("/root/x.tif", "x.tif"),
        ("file:///home/ada/q.tif and https://host.example/a/b", "q.tif and b"),
        ("../up/there.tif, ~/x/y.tif", "there.tif, y.tif"),
        ("adalove@node17.lab.example on node17", "user@host on host"),
        ("stack:images=/a/b/t.tif,labels=/a/b/l.tif,split=train", "stack:images=t.tif,labels=l.tif,split=train"),
    ],
)
def test_private_parts_of_messages_go(text, expected):
    assert SCRUBBER.text(text) == expected


@pytest.mark.parametrize(
    "text", ["12/20 of (H, W) / (H, W, 3)", "train/a.tif", "group=(.*)/x", "adalovelace", "F1@0.5"]
)
def test_other_texts_stay(text):
    assert SCRUBBER.text(text) == text


def test_common_or_short_names_are_words_and_not_people():
    assert Scrubber(user="sam", host="localhost").text("sam failed on localhost") == "sam failed on localhost"


@pytest.mark.parametrize(
    ("value", "path", "expected"),
    [
        ("data/images", True, "images"),
        ("/home/ada/images", True, "images"),
        ("/a/b:c/d.tif", True, "d.tif"),
        ("../elsewhere/points.csv", False, "points.csv"),
        (r"\d+", False, r"\d+"),
        ("[/_]", False, "[/_]"),
        (["/a/b", {"x": "/c/d"}, 3, True], False, ["b", {"x": "d"}, 3, True]),
    ],
)
def test_paths_that_were_given_become_names(value, path, expected):
    assert SCRUBBER.given(value, path=path) == expected


@pytest.mark.parametrize("value", ["/a", "~", "~ada/x", "../a", "a/../../b", r"C:\a", "c:/a", r"\\host\a"])
def test_paths_that_lead_out(value):
    assert is_foreign_path(value)
    assert not is_foreign_path(SCRUBBER.given(value, path=False))


@pytest.mark.parametrize("value", ["a/b.tif", r"\d+", "..5", "a..b", ""])
def test_texts_that_lead_nowhere(value):
    assert not is_foreign_path(value)


def component(**rest):
    return {"identity": {"component": "x/y", "options": {}}, "given": {}, "base": "/srv/My Lab/project one", **rest}


def record(**rest):
    cell = {"data": component(), "prompter": component(), "segmenter": component(**rest), "oracle": False}
    return {"schema": 1, "cells": {"k": cell}, "metrics": {}, "requests": [{"seed": 0, "command": "x", "host": "h"}]}


def test_a_record_keeps_what_identifies_and_cites_and_loses_the_rest():
    given = {"path": "/home/ada/p.csv", "pattern": "a/b", "n": 3}
    found = scrub_record(
        record(given=given, citation="see https://doi.org/10.1/ab", label="y:path=/home/ada/p.csv"),
        SCRUBBER,
        lambda kind, _: frozenset({"path"}) if kind == "segmenter" else frozenset(),
    )
    segmenter = found["cells"]["k"]["segmenter"]
    assert segmenter["given"] == {"path": "p.csv", "pattern": "a/b", "n": 3}
    assert segmenter["label"] == "y:path=p.csv"
    assert segmenter["citation"] == "see https://doi.org/10.1/ab"
    assert segmenter["base"] == ""
    assert found["requests"] == [{"seed": 0}]


def test_options_of_a_component_that_is_not_installed_are_reduced_where_they_look_like_paths():
    found = scrub_record(record(given={"what": "some/where/x.bin", "n": 1}), SCRUBBER, lambda *_: None)
    assert found["cells"]["k"]["segmenter"]["given"] == {"what": "x.bin", "n": 1}


def test_an_identity_with_a_private_path_cannot_be_exported():
    identity = {"component": "x/y", "options": {"hidden": "/srv/My Lab/project one/x"}}
    with pytest.raises(DataError, match="holds a path of this computer"):
        scrub_record(record(identity=identity), SCRUBBER, lambda *_: frozenset())


def test_an_option_with_the_name_of_the_user_or_host_cannot_be_exported_but_components_may_be_called_like_a_user():
    for options in ({"name": "adalove"}, {"name": ["as Adalove_2 made it"]}, {"deep": {"x": "node17"}}):
        identity = {"component": "x/y", "options": options}
        with pytest.raises(DataError, match="holds the name of this computer or of its user"):
            scrub_record(record(identity=identity), SCRUBBER, lambda *_: frozenset())
    fine = {
        "component": "adalove/y",
        "options": {"adalove": "adalovelace", "pattern": "*/masks/*.tif", "re": "([^/]+)/a/b"},
    }
    assert (
        scrub_record(record(identity=fine), SCRUBBER, lambda *_: frozenset())["cells"]["k"]["segmenter"]["identity"]
        == fine
    )


@pytest.mark.parametrize(
    "text", ["train/a/b.tif", "./a/b", "../a/b", "https://host.example/a/b", "12:a\\b", "3/4", "a adalovelace"]
)
def test_texts_that_tell_nothing_pass(text):
    SCRUBBER.check([text], "an image")
