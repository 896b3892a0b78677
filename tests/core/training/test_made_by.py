"""What a checkpoint was made by: the words for what differs, and the state of what lies there."""

import json

import numpy as np
import pytest

from mitobench.checkpoints import Card, write_checkpoint
from mitobench.errors import DataError
from mitobench.training.made_by import differences, note_beside, state_of

MADE = {
    "trainer": {"component": "mitobench/unet", "version": 1, "options": {"epochs": 5, "lr": 0.1}, "weights": {}},
    "seed": 0,
    "training": "a" * 32,
    "validation": "",
}


def changed(**trainer):
    return {**MADE, "trainer": {**MADE["trainer"], **trainer}}


def checkpoint(path, made_by=MADE):
    card = Card(component="unet", data={"made_by": made_by} if made_by else {})
    write_checkpoint(path, {"w": np.zeros(1, np.float32)}, card)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (MADE, []),
        (changed(options={"epochs": 6, "lr": 0.1}), ["epochs was 5 and is now 6"]),
        (changed(options={"epochs": 5}), ["lr was 0.1 and is now not given"]),
        (changed(version=2), ["version was 1 and is now 2"]),
        (changed(weights={"base": "b" * 64}), ["the weights base was not given and is now bbbbbbbbbbbb"]),
        ({**MADE, "seed": 3}, ["seed was 0 and is now 3"]),
        (
            {**MADE, "training": "c" * 32},
            ["the training data are others (fingerprint aaaaaaaaaaaa, now cccccccccccc)"],
        ),
        ({**changed(version=2), "seed": 3}, ["version was 1 and is now 2", "seed was 0 and is now 3"]),
    ],
)
def test_what_differs_is_said_in_words(asked, said):
    assert differences(asked, MADE) == said


def test_the_state_of_a_checkpoint(tmp_path):
    out = tmp_path / "a.safetensors"
    resume, note = tmp_path / "a.safetensors.resume", note_beside(out)
    assert state_of(out, MADE) == ("train", "")
    resume.touch()
    assert state_of(out, MADE)[0] == "resume"
    note.write_text(json.dumps(MADE))
    assert state_of(out, MADE)[0] == "resume"
    note.write_text(json.dumps({**MADE, "seed": 4}))
    status, reason = state_of(out, MADE)
    assert status == "differs"
    assert "begun otherwise: seed was 4 and is now 0" in reason
    resume.unlink()
    assert state_of(out, MADE) == ("train", "")
    checkpoint(out)
    assert state_of(out, MADE) == ("done", "")
    assert state_of(out, {**MADE, "seed": 1})[0] == "differs"


def test_a_retraining_that_was_stopped_goes_on_though_the_old_checkpoint_is_there(tmp_path):
    out = tmp_path / "a.safetensors"
    checkpoint(out, {**MADE, "seed": 9})
    (tmp_path / "a.safetensors.resume").touch()
    note_beside(out).write_text(json.dumps(MADE))
    assert state_of(out, MADE)[0] == "resume"


def test_a_checkpoint_that_does_not_say_what_it_was_made_by_differs(tmp_path):
    out = tmp_path / "a.safetensors"
    checkpoint(out, None)
    assert state_of(out, MADE)[0] == "differs"
    assert "does not say what it was made by" in state_of(out, MADE)[1]


def test_a_damaged_note_is_named(tmp_path):
    out = tmp_path / "a.safetensors"
    note_beside(out).write_text("{")
    with pytest.raises(DataError, match="cannot be read"):
        state_of(out, MADE)
