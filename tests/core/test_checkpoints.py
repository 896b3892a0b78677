"""Checkpoints: tensors and a card in one safetensors file; anything else is a clear error."""

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import save_file

from mitobench.checkpoints import Card, continued, read_card, read_checkpoint, write_checkpoint
from mitobench.errors import MissingError

TENSORS = {
    "w": np.arange(6, dtype=np.float32).reshape(2, 3),
    "half": np.ones(3, np.float16),
    "count": np.array(7, np.int64),
    "none": np.zeros((0, 4), np.float32),
}
CARD = Card(
    component="unet",
    architecture={"channels": [16, 32]},
    trainer={"name": "unet", "version": 1},
    base_sha256="ab",
    training_origins=("x", "y"),
    training_groups=("g",),
    data={"spec": "synthetic"},
    metrics={"dice": 0.5},
    versions={"python": "3.11"},
    licence="CC0-1.0",
    notes="ünïcode <b>",
)


def test_tensors_and_card_come_back(tmp_path):
    write_checkpoint(tmp_path / "new" / "a.safetensors", TENSORS, CARD)
    tensors, card = read_checkpoint(tmp_path / "new" / "a.safetensors")
    assert card == CARD == read_card(tmp_path / "new" / "a.safetensors")
    assert tensors.keys() == TENSORS.keys()
    for name, expected in TENSORS.items():
        assert (tensors[name].shape, tensors[name].dtype) == (expected.shape, expected.dtype), name
        np.testing.assert_array_equal(tensors[name], expected)


def test_tensors_in_any_memory_layout_are_stored_by_value(tmp_path):
    base = np.arange(24, dtype=np.float32).reshape(4, 6)
    write_checkpoint(tmp_path / "a", {"t": base.T, "s": base[::2, 1::2], "f": np.asfortranarray(base)}, CARD)
    tensors, _ = read_checkpoint(tmp_path / "a")
    np.testing.assert_array_equal(tensors["t"], base.T)
    np.testing.assert_array_equal(tensors["s"], base[::2, 1::2])
    np.testing.assert_array_equal(tensors["f"], base)


def test_a_written_checkpoint_replaces_the_old_one_and_leaves_nothing_else(tmp_path):
    write_checkpoint(tmp_path / "a", {"w": np.zeros(3)}, CARD)
    write_checkpoint(tmp_path / "a", {"w": np.ones(3)}, CARD)
    assert read_checkpoint(tmp_path / "a")[0]["w"].tolist() == [1, 1, 1]
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_equal_content_gives_equal_bytes(tmp_path):
    write_checkpoint(tmp_path / "a", TENSORS, CARD)
    write_checkpoint(tmp_path / "b", dict(reversed(TENSORS.items())), CARD)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_no_file_and_other_files_are_clear_errors(tmp_path):
    with pytest.raises(MissingError, match="no such checkpoint"):
        read_checkpoint(tmp_path / "absent")
    with pytest.raises(MissingError, match="not a safetensors checkpoint"):
        read_checkpoint(tmp_path)
    for content in (b"", b"<html>Sign in</html>", pickle.dumps({"w": 1}), b"PK\x03\x04"):
        (tmp_path / "x").write_bytes(content)
        with pytest.raises(MissingError, match="not a safetensors checkpoint"):
            read_checkpoint(tmp_path / "x")


def test_a_truncated_checkpoint_is_a_clear_error(tmp_path):
    write_checkpoint(tmp_path / "a", TENSORS, CARD)
    whole = (tmp_path / "a").read_bytes()
    for length in (4, 40, len(whole) - 1):
        (tmp_path / "a").write_bytes(whole[:length])
        with pytest.raises(MissingError, match="not a safetensors checkpoint"):
            read_checkpoint(tmp_path / "a")


@pytest.mark.parametrize(
    "metadata",
    [None, {"other": "x"}, {"mitobench_card": "no json"}, {"mitobench_card": "[]"}, {"mitobench_card": "{}"}],
)
def test_a_file_without_a_card_is_refused(tmp_path, metadata):
    save_file({"w": np.zeros(2)}, tmp_path / "a", metadata=metadata)
    with pytest.raises(MissingError, match="without a mitobench card"):
        read_card(tmp_path / "a")


def test_a_card_is_readable_without_us(tmp_path):
    write_checkpoint(tmp_path / "a", TENSORS, CARD)
    raw = (tmp_path / "a").read_bytes()
    header = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    assert json.loads(header["__metadata__"]["mitobench_card"])["component"] == "unet"


def test_a_training_that_goes_on_has_also_seen_what_its_start_had_seen(tmp_path):
    write_checkpoint(tmp_path / "start.safetensors", TENSORS, CARD)
    later = replace(CARD, training_origins=("a", "y"), training_groups=("h",), base_sha256="cd")
    card = continued(later, tmp_path / "start.safetensors")
    assert card == replace(later, training_origins=("a", "x", "y"), training_groups=("g", "h"))


def test_a_start_without_a_card_adds_nothing(tmp_path):
    save_file(TENSORS, tmp_path / "foreign.safetensors")
    assert continued(CARD, tmp_path / "foreign.safetensors") is CARD
    assert continued(CARD, None) is CARD
