"""What lies beside a checkpoint while it is trained: a note of what it is a training of, and the state to go on from."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mitobench.components import plan_component
from mitobench.errors import MitobenchError
from mitobench.interfaces import TrainingResult
from mitobench.specs import parse_spec
from mitobench.training.loop import resume_path
from mitobench.training.made_by import note_beside
from mitobench.training.steps import open_sources, plan_training, train


class Trainer:
    """Does what it is told: writes some of its state, stops, finishes, or fails."""

    def __init__(self, end):
        self.end, self.found = end, None

    def train(self, request):
        state = resume_path(request.out)
        self.found = state.read_text() if state.exists() else None
        if self.end == "fails":
            raise MitobenchError("no objects")
        state.write_text("state")
        if self.end == "stopped":
            return TrainingResult(checkpoint=request.out, finished=False, best={})
        state.unlink()
        request.out.write_text("checkpoint")
        return TrainingResult(checkpoint=request.out, finished=True, best={})


@pytest.fixture
def out(tmp_path):
    return tmp_path / "a.safetensors"


@pytest.fixture
def plan(bench, out):
    """Plans a training of ``out`` with a seed, by a trainer that ends as told."""
    trainer = plan_component("trainer", parse_spec("unet:epochs=1"), bench.plugins, bench.store, base=bench.base)
    label, source = open_sources([parse_spec("toy-discs:n=2")], bench.plugins, base=bench.base, seed=0)

    def make(seed=0):
        return plan_training(replace(trainer, missing=""), source, None, label=label, seed=seed, out=out)

    return make


@pytest.fixture
def ended(plan, bench, monkeypatch):
    """Trains; returns what the trainer found to go on from."""

    def run(end, seed=0, **given):
        made = Trainer(end)
        planned = plan(seed)
        monkeypatch.setattr(type(planned.trainer), "build", lambda *_arguments, **_named: made)
        train(planned, bench.plugins, **given)
        return made.found

    return run


def noted(out: Path) -> int:
    return json.loads(note_beside(out).read_text())["seed"]


def test_a_note_that_a_killed_training_left_does_not_strand_the_next_one(plan, ended, out):
    """Killed before its first state, a training leaves its note alone."""
    note_beside(out).write_text(json.dumps({**plan(seed=4).made_by}))
    ended("stopped")
    assert noted(out) == 0
    assert plan().status == "resume"
    assert ended("finishes") == "state"


def test_begun_anew_the_old_state_is_gone_before_the_note_is_another(plan, ended, out):
    """Else, killed before its first state, the new training would go on from another's."""
    ended("stopped", seed=4)
    assert plan().status == "differs"
    assert ended("stopped", resume=False) is None
    assert plan().status == "resume"
    ended("stopped", seed=4, resume=False)
    with pytest.raises(MitobenchError, match="no objects"):
        ended("fails", resume=False)
    assert not resume_path(out).exists()
    assert not note_beside(out).exists()


def test_a_state_that_is_refused_keeps_its_own_note(plan, ended, out):
    ended("stopped", seed=4)
    with pytest.raises(MitobenchError, match="no objects"):
        ended("fails")  # as a trainer refuses the state of another training
    assert noted(out) == 4
    assert plan().status == "differs"
    assert plan(seed=4).status == "resume"


@pytest.mark.parametrize("end", ["finishes", "fails"])
def test_a_training_that_has_nothing_to_go_on_from_leaves_no_note(ended, out, end):
    if end == "fails":
        with pytest.raises(MitobenchError, match="no objects"):
            ended(end)
    else:
        ended(end)
    assert not note_beside(out).exists()


def test_a_trainer_that_cannot_be_built_touches_nothing(plan, ended, bench, monkeypatch, out):
    ended("stopped", seed=4)
    planned = plan()

    def build(*_arguments, **_named):
        raise MitobenchError("no such device")

    monkeypatch.setattr(type(planned.trainer), "build", build)
    with pytest.raises(MitobenchError, match="no such device"):
        train(planned, bench.plugins, resume=False)
    assert (noted(out), resume_path(out).read_text()) == (4, "state")
