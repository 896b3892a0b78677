"""The store of unfinished trainings: arrays by name come back to the bit, and nothing of a file is executed. Needs no TensorFlow."""

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from mitobench.errors import MissingError
from mitobench.training.loop import Unfinished
from mitobench_keras.training import ArrayStore


def a_training():
    facts = {"step": 3, "seconds": 0.1, "best": {"loss": 1 / 3}, "validated": 2, "history": {"epochs": [], "sums": {}}}
    state = {"model/kernel": np.full((2, 3), 1 / 7, np.float32), "optimiser/0": np.array(3, np.int64)}
    return Unfinished("one", facts, {"kernel": np.arange(3, dtype=np.float32)}, state)


def same(found, expected):
    return found.keys() == expected.keys() and all(
        found[name].dtype == value.dtype and np.array_equal(found[name], value) for name, value in expected.items()
    )


def test_a_training_comes_back_to_the_bit(tmp_path):
    stored = a_training()
    ArrayStore().write(tmp_path / "s", stored)
    found = ArrayStore().read(tmp_path / "s")
    assert (found.identity, found.facts) == (stored.identity, stored.facts)
    assert same(found.weights, stored.weights)
    assert same(found.state, stored.state)


def test_the_file_is_no_pickle(tmp_path):
    ArrayStore().write(tmp_path / "s", a_training())
    with safe_open(tmp_path / "s", framework="numpy") as file:
        assert set(file.keys()) == {"best/kernel", "task/model/kernel", "task/optimiser/0"}


@pytest.mark.parametrize("damage", ["cut", "page", "foreign", "newer"])
def test_a_damaged_state_says_what_to_do(tmp_path, damage):
    path = tmp_path / "s"
    ArrayStore().write(path, a_training())
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    elif damage == "page":
        path.write_text("<html>")
    else:
        save_file({"x": np.zeros(1)}, path, metadata={"format": "2"} if damage == "newer" else None)
    with pytest.raises(MissingError, match=r"not a readable training state\. Delete it"):
        ArrayStore().read(path)
