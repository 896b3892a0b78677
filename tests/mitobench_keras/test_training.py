"""The training loop by itself, driving the smallest task there is: a number that each step moves. Needs no TensorFlow."""

import math

import numpy as np
import pytest

from mitobench.errors import MissingError, MitobenchError, UsageError
from mitobench_keras.training import resume_path, run_training


class Walk:
    """Step n adds n + 1 to a position; the best position is the one nearest to a goal."""

    epochs, steps_per_epoch = 3, 2

    def __init__(self, goal=10.0, *, spoil=None):
        self.position, self.goal, self.spoil = np.zeros(1), goal, spoil

    def step(self, step):
        self.position = self.position + (step + 1)
        return {"loss": math.nan if step == self.spoil else float(self.position[0])}

    def validate(self):
        return {"distance": abs(float(self.position[0]) - self.goal)}

    def better(self, values, best):
        return values["distance"] < best["distance"]

    def weights(self):
        return {"position": self.position.copy()}

    def state(self):
        return {"position": self.position}

    def restore(self, state):
        self.position = state["position"]


@pytest.fixture
def train(tmp_path):
    def run(task, *, stop_after=None, identity="a", resume=True):
        events = []
        outcome = run_training(
            task,
            state_file=resume_path(tmp_path / "out.safetensors"),
            identity=identity,
            resume=resume,
            report=events.append,
            should_stop=lambda: len([e for e in events if "loss" in e.values]) == stop_after,
        )
        return outcome, events

    return run


def test_every_step_and_every_epoch_is_reported(train):
    outcome, events = train(Walk())
    assert outcome.finished
    assert [(event.done, event.epoch, *event.values.values()) for event in events] == [
        (1, 1, 1.0),
        (2, 1, 3.0),
        (2, 1, 7.0),
        (3, 2, 6.0),
        (4, 2, 10.0),
        (4, 2, 0.0),
        (5, 3, 15.0),
        (6, 3, 21.0),
        (6, 3, 11.0),
    ]


def test_the_best_weights_are_those_of_the_best_epoch_not_of_the_last(train):
    outcome, _ = train(Walk())
    assert outcome.best == {"distance": 0.0, "epoch": 2.0}
    assert outcome.weights["position"].tolist() == [10.0]


@pytest.mark.parametrize("steps", range(1, 7))
def test_a_stopped_training_goes_on_where_it_was(train, steps):
    expected, _ = train(Walk(), resume=False)
    stopped, _ = train(Walk(), stop_after=steps, resume=False)
    assert (stopped.finished, stopped.step) == (False, steps)
    outcome, events = train(Walk())
    assert events[0].message == f"resumed after {steps} of 6 steps"
    assert (outcome.finished, outcome.step, outcome.best) == (True, 6, expected.best)
    np.testing.assert_array_equal(outcome.weights["position"], expected.weights["position"])


def test_training_time_adds_up_over_sittings(train):
    stopped, _ = train(Walk(), stop_after=3)
    outcome, _ = train(Walk())
    assert outcome.seconds >= stopped.seconds > 0


def test_the_state_of_another_training_is_refused(train):
    train(Walk(), stop_after=1)
    with pytest.raises(UsageError, match="other options, seed or data"):
        train(Walk(), identity="b")


def test_a_state_that_does_not_fit_the_task_is_refused(train):
    train(Walk(), stop_after=1)

    class Other(Walk):
        def restore(self, state):
            self.position = state["velocity"]

    with pytest.raises(MissingError, match="not a readable training state"):
        train(Other())


def test_a_number_that_is_not_finite_ends_the_training_and_names_it(train):
    with pytest.raises(MitobenchError, match="loss is nan at step 4"):
        train(Walk(spoil=3))


def test_the_state_lies_beside_the_checkpoint(tmp_path):
    assert resume_path(tmp_path / "a.safetensors") == tmp_path / "a.safetensors.resume"
