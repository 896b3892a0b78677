"""The history of a training: means over steps, validations, and going on from stored state."""

import json

from mitobench.checkpoints import Card, read_card, write_checkpoint
from mitobench.training.history import History


def test_each_epoch_is_the_mean_of_its_own_steps():
    history = History()
    for values in ({"loss": 4.0}, {"loss": 2.0}):
        history.step(values)
    history.validated(1, {"dice": 0.5})
    history.step({"loss": 1.0})
    history.validated(2, {"dice": 0.75})
    assert history.curves() == {"epoch": [1, 2], "loss": [3, 1], "validation_dice": [0.5, 0.75]}


def test_what_an_epoch_did_not_measure_is_none():
    history = History()
    history.validated(1, {"dice": 0.5})
    history.step({"loss": 1.0})
    history.validated(2, {})
    assert history.curves() == {"epoch": [1, 2], "validation_dice": [0.5, None], "loss": [None, 1]}


def test_going_on_from_stored_state_gives_the_same_curves():
    def train(history, epochs):
        for epoch in epochs:
            for step in range(3):
                history.step({"loss": 1 / (1 + 3 * epoch + step)})
            history.validated(epoch, {"dice": epoch / 7})

    straight, first = History(), History()
    train(straight, [1, 2, 3])
    train(first, [1])
    first.step({"loss": 1 / 7})
    resumed = History(**json.loads(json.dumps(first.state())))
    for step in (1, 2):
        resumed.step({"loss": 1 / (7 + step)})
    resumed.validated(2, {"dice": 2 / 7})
    train(resumed, [3])
    assert resumed.curves() == straight.curves()


def test_a_card_carries_the_curves(tmp_path):
    history = History()
    history.step({"loss": 1 / 3})
    history.validated(1, {"dice": 0.5})
    write_checkpoint(tmp_path / "c.safetensors", {}, Card(component="unet", history=history.curves()))
    assert read_card(tmp_path / "c.safetensors").history == {"epoch": [1], "loss": [0.33333], "validation_dice": [0.5]}
