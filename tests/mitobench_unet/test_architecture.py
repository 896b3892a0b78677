"""A checkpoint is either this network, whole, or a clear error."""

import pickle
from pathlib import Path

import pytest
import torch

from mitobench.checkpoints import Card
from mitobench.errors import MissingError
from mitobench_torch.weights import save_state
from mitobench_unet.architecture import COMPONENT, Architecture, build_network, read_architecture
from mitobench_unet.encoder import load_network


def test_the_network_maps_multiples_to_two_maps_of_the_same_size() -> None:
    architecture = Architecture(channels=(4, 8, 16), residual_units=1)
    assert architecture.multiple == 4
    assert build_network(architecture)(torch.zeros(2, 1, 20, 12)).shape == (2, 2, 20, 12)


@pytest.mark.parametrize("residual_units", [0, 1, 2])
def test_a_fresh_network_expects_objects_to_be_rare(residual_units) -> None:
    torch.manual_seed(0)
    network = build_network(Architecture(channels=(4, 8, 16), residual_units=residual_units))
    probability = torch.sigmoid(network(torch.rand(4, 1, 32, 32)))
    assert probability.mean() < 0.3


def test_no_activation_can_die() -> None:
    network = build_network(Architecture(channels=(4, 8), residual_units=1))
    kinds = {type(layer) for layer in network.modules()}
    assert torch.nn.LeakyReLU in kinds
    assert not kinds & {torch.nn.ReLU, torch.nn.PReLU}


def test_a_colour_network_takes_three_planes() -> None:
    network = build_network(Architecture(channels=(4, 8), residual_units=0, colour=True))
    assert network(torch.zeros(1, 3, 8, 8)).shape == (1, 2, 8, 8)


def test_the_card_tells_how_to_rebuild_it(write_network, tmp_path) -> None:
    path = write_network(tmp_path / "w.safetensors", border=3, split="watershed", min_area=11)
    network, architecture = load_network(path)
    assert architecture == Architecture(channels=(4, 8, 8), residual_units=1, border=3, split="watershed", min_area=11)
    state = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    assert state == {key: tuple(value.shape) for key, value in build_network(architecture).state_dict().items()}


def test_half_precision_weights_load_as_single(tmp_path) -> None:
    architecture = Architecture(channels=(4, 8), residual_units=1)
    network = build_network(architecture)
    path = tmp_path / "half.safetensors"
    save_state(path, network.state_dict(), Card(component=COMPONENT, architecture=architecture.plain()), half=True)
    loaded, _ = load_network(path)
    for key, value in loaded.state_dict().items():
        assert value.dtype == network.state_dict()[key].dtype
        torch.testing.assert_close(value, network.state_dict()[key], atol=1e-3, rtol=1e-3)


class Bomb:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.marker,)


@pytest.mark.parametrize("name", ["bomb.safetensors", "bomb.pth", "bomb.pt"])
def test_a_pickle_is_refused_and_not_run(tmp_path, name) -> None:
    marker = tmp_path / "ran"
    (tmp_path / name).write_bytes(pickle.dumps(Bomb(marker)))
    with pytest.raises(MissingError, match=name):
        load_network(tmp_path / name)
    assert not marker.exists()


@pytest.mark.parametrize("content", [b"", b"<!DOCTYPE html><html>404</html>", b"\x00" * 100])
def test_what_is_no_checkpoint_is_refused(tmp_path, content) -> None:
    path = tmp_path / "page.safetensors"
    path.write_bytes(content)
    with pytest.raises(MissingError, match="not a safetensors checkpoint"):
        load_network(path)


def test_a_missing_file_is_named(tmp_path) -> None:
    with pytest.raises(MissingError, match=r"none\.safetensors: no such checkpoint"):
        load_network(tmp_path / "none.safetensors")


def test_a_truncated_checkpoint_is_refused(write_network, tmp_path) -> None:
    path = write_network(tmp_path / "w.safetensors")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(MissingError, match="not a safetensors checkpoint"):
        load_network(path)


def test_another_components_checkpoint_is_refused(write_network, tmp_path) -> None:
    path = write_network(tmp_path / "w.safetensors", card={"component": "sam-ft"})
    with pytest.raises(MissingError, match="a checkpoint of 'sam-ft', expected one of 'unet'"):
        load_network(path)


def test_weights_that_do_not_fit_their_card_are_refused(write_network, tmp_path) -> None:
    other = Architecture(channels=(4, 8, 16), residual_units=1).plain()
    path = write_network(tmp_path / "w.safetensors", card={"architecture": other})
    with pytest.raises(MissingError, match="another architecture"):
        load_network(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"channels": [4]}, "channels"),
        ({"channels": "many"}, "describes no U-Net"),
        ({"normalisation": "z-score"}, "normalisation"),
        ({"split": "guess"}, "split"),
    ],
)
def test_a_card_from_elsewhere_is_refused(change, message) -> None:
    described = {**Architecture().plain(), **change}
    with pytest.raises(MissingError, match=message):
        read_architecture(Card(component=COMPONENT, architecture=described), Path("w.safetensors"))


def test_a_card_without_architecture_is_refused() -> None:
    with pytest.raises(MissingError, match="describes no U-Net"):
        read_architecture(Card(component=COMPONENT), Path("w.safetensors"))
