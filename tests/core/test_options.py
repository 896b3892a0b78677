"""Options: validated, frozen, with errors that say what was meant, and identities that leave places out."""

import os
import pickle
from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field, ValidationError, model_validator

from mitobench.errors import UsageError
from mitobench.options import ComponentOptions, InputPath, NoOptions, WeightsRef, parse_options, suggest


class Options(ComponentOptions):
    """Options of a made-up component."""

    not_identity = frozenset({"batch"})
    threshold: float = Field(0.5, ge=0, le=1)
    mode: Literal["fast", "good"] = "good"
    batch: int = 4
    checkpoint: InputPath | None = None
    files: tuple[InputPath, ...] = ()

    @model_validator(mode="after")
    def _no_half(self):
        if self.threshold == 0.75:
            raise ValueError("threshold and mode do not go together")
        return self


class Needy(ComponentOptions):
    """A required option."""

    path: InputPath


def test_values_and_defaults():
    found = parse_options(Options, {"threshold": 1}, owner="x")
    assert (found.threshold, found.mode, found.weights(), found.emits()) == (1.0, "good", (), None)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"treshold": 1}, "x: unknown option 'treshold'. Did you mean 'threshold'? It knows threshold, mode,"),
        ({"zzzzz": 1}, "x: unknown option 'zzzzz'. It knows"),
        ({"threshold": 2}, "option 'threshold' is 2: input should be less than or equal to 1"),
        ({"threshold": "high"}, "option 'threshold' is 'high'"),
        ({"mode": "best"}, "option 'mode' is 'best'"),
        ({"threshold": 0.75}, "x: threshold and mode do not go together."),
        ({"threshold": 2, "mode": "x"}, "option 'threshold' is 2"),
    ],
)
def test_errors_name_the_option_and_what_was_meant(values, said):
    with pytest.raises(UsageError) as caught:
        parse_options(Options, values, owner="x")
    assert said in str(caught.value)


def test_every_wrong_option_is_named():
    with pytest.raises(UsageError, match=r"'threshold'.*; option 'mode'"):
        parse_options(Options, {"threshold": 2, "mode": "x"}, owner="x")


def test_a_component_without_options_says_so():
    with pytest.raises(UsageError, match="It has no options"):
        parse_options(NoOptions, {"a": 1}, owner="x")


def test_a_required_option_is_named():
    with pytest.raises(UsageError, match="option 'path' is required"):
        parse_options(Needy, {}, owner="x")


def test_options_are_frozen():
    with pytest.raises(ValidationError):
        Options().threshold = 0.1


def test_relative_paths_start_from_the_base_or_the_working_directory(tmp_path, monkeypatch):
    given = {"checkpoint": "a/b.pt", "files": ["c", str(tmp_path / "d")]}
    found = parse_options(Options, given, owner="x", base=tmp_path / "there")
    assert found.checkpoint == tmp_path / "there" / "a" / "b.pt"
    assert found.files == (tmp_path / "there" / "c", tmp_path / "d")
    monkeypatch.chdir(tmp_path)
    assert parse_options(Options, given, owner="x").checkpoint == tmp_path / "a" / "b.pt"


def test_a_tilde_is_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert parse_options(Needy, {"path": "~/x"}, owner="x", base=tmp_path / "base").path == tmp_path / "x"


@pytest.mark.skipif(os.name != "posix", reason="~user is a POSIX notion")
def test_an_unknown_users_home_is_a_usage_error():
    with pytest.raises(UsageError, match="option 'path'"):
        parse_options(Needy, {"path": "~no_such_user_here/x"}, owner="x")


def test_identity_leaves_out_paths_and_what_changes_no_number(tmp_path):
    found = parse_options(Options, {"checkpoint": "a", "files": ["b"], "batch": 8}, owner="x", base=tmp_path)
    assert found.identity() == {"threshold": 0.5, "mode": "good"}
    assert found.identity() == Options(batch=1).identity()


def test_identity_does_not_depend_on_how_a_number_was_written():
    assert parse_options(Options, {"threshold": 1}, owner="x").identity() == Options(threshold=1.0).identity()


def test_options_survive_pickling():
    found = Options(threshold=0.1, checkpoint=Path("x"))
    assert pickle.loads(pickle.dumps(found)) == found


def test_weights_refs_are_hashable_plain_data():
    assert len({WeightsRef(name="a"), WeightsRef(name="a"), WeightsRef(path=Path("a"))}) == 2


def test_suggest_is_silent_where_nothing_is_close():
    assert suggest("thrshold", ["threshold", "mode"]) == " Did you mean 'threshold'?"
    assert suggest("zzz", ["threshold"]) == ""
    assert suggest("a", []) == ""
