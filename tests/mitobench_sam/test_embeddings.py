"""Embeddings are made once per picture and weights, in memory and on disk."""

import numpy as np
import pytest
import torch

from mitobench.errors import ResourceError, UsageError
from mitobench_sam import embeddings
from mitobench_sam.embeddings import Embeddings


@pytest.fixture
def encoder():
    """Embeds a picture as its mean and spread; counts its calls."""

    def encode(picture):
        encode.calls += 1
        values = torch.from_numpy(picture.astype(np.float32))
        return torch.stack([values.mean(), values.std()])[:, None, None]

    encode.calls = 0
    return encode


def picture(seed, shape=(8, 8)):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def test_a_picture_is_encoded_once_however_often_it_is_asked_for(encoder):
    store = Embeddings(encoder, "weights")
    first = store.of(picture(0))
    again = store.of(picture(0).copy())
    assert (encoder.calls, store.encoded, len(store)) == (1, 1, 1)
    assert first is again
    assert first.dtype == torch.float16


@pytest.mark.parametrize("other", [picture(1), picture(0)[:, :4], np.dstack([picture(0)] * 3)], ids=str)
def test_other_pixels_are_another_picture(encoder, other):
    store = Embeddings(encoder, "weights")
    store.of(picture(0))
    store.of(other)
    assert encoder.calls == 2


def test_a_folder_serves_later_trainings_with_the_same_weights_only(encoder, tmp_path):
    first = Embeddings(encoder, "weights", tmp_path / "cache").of(picture(0))
    later = Embeddings(encoder, "weights", tmp_path / "cache")
    assert torch.equal(later.of(picture(0)), first)
    assert (encoder.calls, later.encoded) == (1, 0)
    Embeddings(encoder, "other weights", tmp_path / "cache").of(picture(0))
    assert encoder.calls == 2


def test_a_truncated_file_is_made_again(encoder, tmp_path):
    expected = Embeddings(encoder, "weights", tmp_path).of(picture(0))
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:20])
    assert torch.equal(Embeddings(encoder, "weights", tmp_path).of(picture(0)), expected)
    assert encoder.calls == 2
    assert torch.equal(Embeddings(encoder, "weights", tmp_path).of(picture(0)), expected)
    assert encoder.calls == 2


def test_nothing_pickled_is_read(encoder, tmp_path):
    Embeddings(encoder, "weights", tmp_path).of(picture(0))
    (file,) = tmp_path.iterdir()
    np.save(file, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    assert Embeddings(encoder, "weights", tmp_path).of(picture(0)).shape == (2, 1, 1)
    assert encoder.calls == 2


@pytest.mark.parametrize("below", [".", "further", "further/down"])
def test_a_file_where_the_folder_is_expected_is_said_before_anything_is_encoded(encoder, tmp_path, below):
    (tmp_path / "cache").write_text("not a folder")
    with pytest.raises(UsageError, match=r"cache_dir=.*a file where a folder is expected"):
        Embeddings(encoder, "weights", tmp_path / "cache" / below)


def test_a_folder_that_can_no_longer_be_written_is_an_error_of_resources(encoder, tmp_path):
    store = Embeddings(encoder, "weights", tmp_path / "cache")
    (tmp_path / "cache").rmdir()
    (tmp_path / "cache").write_text("in the way")
    with pytest.raises(ResourceError, match=r"cache_dir=.*cannot be written \(File exists\)"):
        store.of(picture(0))


def test_a_folder_that_cannot_be_made_is_an_error_of_resources(encoder, tmp_path, monkeypatch):
    def refused(self, **_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.mkdir", refused)
    with pytest.raises(ResourceError, match=r"cache_dir=.*Permission denied"):
        Embeddings(encoder, "weights", tmp_path / "cache")


def test_beside_a_folder_only_the_latest_stay_in_memory_and_the_others_are_read_again(encoder, tmp_path, monkeypatch):
    monkeypatch.setattr(embeddings, "MEMORY_BYTES", 2 * encoder(picture(0)).half().nbytes)
    encoder.calls = 0
    store = Embeddings(encoder, "weights", tmp_path)
    expected = [store.of(picture(seed)) for seed in range(3)]
    assert len(store) == 2
    assert store.of(picture(2)) is expected[2]
    assert store.of(picture(1)) is expected[1]
    assert store.of(picture(0)) is not expected[0]
    assert store.of(picture(1)) is expected[1]
    assert [torch.equal(store.of(picture(seed)), expected[seed]) for seed in range(3)] == [True] * 3
    assert encoder.calls == 3


def test_without_a_folder_all_stay_in_memory(encoder, monkeypatch):
    monkeypatch.setattr(embeddings, "MEMORY_BYTES", 1)
    store = Embeddings(encoder, "weights")
    for seed in (0, 1, 2, 0, 1, 2):
        store.of(picture(seed))
    assert (encoder.calls, len(store)) == (3, 3)
