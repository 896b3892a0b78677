"""What torch trainers share: a store that gives back what it was given, learning rates, averaged weights, precision."""

import errno
import io

import pytest
import torch

from mitobench import files
from mitobench.errors import MissingError, ResourceError
from mitobench.training.loop import Unfinished
from mitobench_torch.training import TorchStore, WeightAverage, learning_rate, mixed_precision


def a_training() -> Unfinished:
    """A layer after two steps of Adam."""
    layer = torch.nn.Linear(2, 2)
    optimiser = torch.optim.Adam(layer.parameters())
    for _ in range(2):
        layer(torch.ones(1, 2)).sum().backward()
        optimiser.step()
    facts = {"step": 2, "seconds": 0.5, "best": {"score": 0.1}, "validated": 0}
    state = {"layer": layer.state_dict(), "optimiser": optimiser.state_dict(), "pieces": 2}
    return Unfinished("one", facts, {"weight": torch.full((3,), 0.1)}, state)


def test_a_training_comes_back_to_the_bit(tmp_path) -> None:
    stored = a_training()
    TorchStore().write(tmp_path / "s", stored)
    found = TorchStore().read(tmp_path / "s")
    assert (found.identity, found.facts, found.state["pieces"]) == (stored.identity, stored.facts, 2)
    assert torch.equal(found.weights["weight"], stored.weights["weight"])
    again = torch.nn.Linear(2, 2)
    again.load_state_dict(found.state["layer"])
    assert torch.equal(again.weight, stored.state["layer"]["weight"])
    optimiser = torch.optim.Adam(again.parameters())
    optimiser.load_state_dict(found.state["optimiser"])
    moments = stored.state["optimiser"]["state"][0]["exp_avg_sq"]
    assert torch.equal(optimiser.state_dict()["state"][0]["exp_avg_sq"], moments)
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def test_copied_weights_stay_as_they_were() -> None:
    layer = torch.nn.Linear(2, 2)
    kept = TorchStore().copy(layer.state_dict())
    before = kept["weight"].tolist()
    with torch.no_grad():
        layer.weight.add_(1)
    assert kept["weight"].tolist() == before
    assert not kept["weight"].requires_grad


@pytest.mark.parametrize("content", [b"", b"<html></html>", b"PK\x03\x04 truncated"])
def test_a_damaged_state_says_what_to_do(tmp_path, content) -> None:
    (tmp_path / "s").write_bytes(content)
    with pytest.raises(MissingError, match="Delete it"):
        TorchStore().read(tmp_path / "s")


def test_a_truncated_state_says_what_to_do(tmp_path) -> None:
    TorchStore().write(tmp_path / "s", a_training())
    data = (tmp_path / "s").read_bytes()
    (tmp_path / "s").write_bytes(data[: len(data) // 2])
    with pytest.raises(MissingError, match="not a readable training state"):
        TorchStore().read(tmp_path / "s")


@pytest.mark.parametrize(
    "content", [{"format": 2}, {"x": 1}, [1], torch.ones(2)], ids=["newer", "other", "list", "tensor"]
)
def test_a_file_of_other_tensors_says_what_to_do(tmp_path, content) -> None:
    torch.save(content, tmp_path / "s")
    with pytest.raises(MissingError, match="not a readable training state"):
        TorchStore().read(tmp_path / "s")


def test_a_full_disk_has_its_own_name_and_leaves_the_last_state(tmp_path, monkeypatch) -> None:
    TorchStore().write(tmp_path / "s", a_training())
    before = (tmp_path / "s").read_bytes()

    class Full(io.FileIO):
        def write(self, data: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.Path, "open", lambda path, mode: Full(path, mode))
    with pytest.raises(ResourceError, match=r"cannot be written \(No space left on device\)"):
        TorchStore().write(tmp_path / "s", a_training())
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == ["s"]
    assert (tmp_path / "s").read_bytes() == before


def test_the_learning_rate_rises_then_falls() -> None:
    rates = [learning_rate(0.1, p / 100) for p in range(101)]
    top = rates.index(max(rates))
    assert rates[top] == pytest.approx(0.1)
    assert top == 5
    assert rates[:6] == sorted(rates[:6])
    assert rates[5:] == sorted(rates[5:], reverse=True)
    assert 0 < rates[-1] <= 0.1 / 1000


def test_weights_are_averaged_and_counters_copied() -> None:
    network, average = torch.nn.BatchNorm1d(2), torch.nn.BatchNorm1d(2)
    follow = WeightAverage(network, average, 0.5)
    with torch.no_grad():
        network.weight.fill_(3)
        network.num_batches_tracked += 7
    follow.update(1000)
    assert average.weight.tolist() == [2, 2]
    assert int(average.num_batches_tracked) == 7
    follow.update(1000)
    assert average.weight.tolist() == [2.5, 2.5]


def test_a_decay_of_zero_is_the_weights_themselves() -> None:
    network, average = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    follow = WeightAverage(network, average, 0)
    with torch.no_grad():
        network.weight.add_(1)
    follow.update(50)
    torch.testing.assert_close(average.weight, network.weight)


def test_the_cpu_computes_in_single_precision() -> None:
    with mixed_precision(torch.device("cpu")):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32
