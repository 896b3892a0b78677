"""No pickle is opened unless the user names it with its hash, and no card makes ultralytics evaluate what it says."""

import copy
import hashlib
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mitobench.checkpoints import Card, read_checkpoint, write_checkpoint
from mitobench.errors import MissingError
from mitobench.interfaces import BuildContext
from mitobench_yolo.architecture import build_network, find_problem, read_architecture, yolo11
from mitobench_yolo.options import ROLE, PrompterOptions
from mitobench_yolo.prompter import YoloPrompter
from mitobench_yolo.runtime import layers_of_yolo11
from mitobench_yolo.weights import load_network, start_from


class Malicious:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return Path.touch, (self.marker,)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def ultralytics_file(path: Path, *, classes: int = 3, seed: int = 2) -> Path:
    """A checkpoint as ultralytics writes it: a pickle of the whole network."""
    architecture = yolo11("n", 64)
    layers = {**architecture.layers, "nc": classes, "scales": layers_of_yolo11()["scales"]}
    network = build_network(replace(architecture, layers=layers), seed=seed)
    torch.save({"ema": None, "model": network.half(), "train_args": {"imgsz": 96}}, path)
    return path


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".pkl", ".onnx", ""])
def test_a_pickle_without_its_hash_is_refused_unread_and_its_hash_is_shown(tmp_path, suffix):
    marker, path = tmp_path / "marker", tmp_path / f"evil{suffix}"
    path.write_bytes(pickle.dumps({"model": Malicious(marker)}))
    with pytest.raises(MissingError, match="refused unread") as caught:
        load_network(path)
    assert sha256(path) in str(caught.value)
    assert not marker.exists()


def test_a_pickle_with_another_hash_is_refused_unread(tmp_path):
    marker, path = tmp_path / "marker", tmp_path / "evil.pt"
    path.write_bytes(pickle.dumps({"model": Malicious(marker)}))
    with pytest.raises(MissingError, match=r"refused unread\. Its SHA-256 is"):
        load_network(path, "0" * 64)
    assert not marker.exists()


def test_a_pickle_named_with_its_hash_is_loaded(tmp_path):
    path = ultralytics_file(tmp_path / "yolo11n.pt")
    network, architecture = load_network(path, sha256(path).upper())
    assert architecture.classes == 3
    assert architecture.image_size == 96
    assert architecture.confidence == 0.25
    stored = torch.load(path, weights_only=False)["model"].float().state_dict()
    assert all(torch.equal(value, stored[key]) for key, value in network.state_dict().items())


def test_a_prompter_takes_such_a_file_and_looks_at_no_class(tmp_path, discs):
    path = ultralytics_file(tmp_path / "yolo11n.pt")
    options = PrompterOptions(checkpoint=path, sha256=sha256(path), confidence=0.001)
    component = YoloPrompter(options, BuildContext(weights={ROLE: path}))
    (rows,) = component.encode([discs(0).image])
    assert rows.shape[1] == 5


def test_a_named_pickle_that_is_no_detector_is_an_error_that_says_so(tmp_path):
    path = tmp_path / "other.pt"
    torch.save({"model": torch.nn.Linear(2, 2)}, path)
    with pytest.raises(MissingError, match="not an ultralytics detection checkpoint"):
        load_network(path, sha256(path))


@pytest.mark.parametrize("content", [b"<html>not found</html>", b"", b"\x00" * 100])
def test_a_safetensors_name_does_not_make_it_one(tmp_path, content):
    path = tmp_path / "page.safetensors"
    path.write_bytes(content)
    with pytest.raises(MissingError, match="not a safetensors checkpoint"):
        load_network(path)


def test_a_truncated_checkpoint_is_an_error(random_weights, tmp_path):
    path = tmp_path / "half.safetensors"
    path.write_bytes(random_weights.read_bytes()[:100_000])
    with pytest.raises(MissingError):
        load_network(path)


def test_weights_that_are_not_finite_are_refused(random_weights, tmp_path):
    tensors, card = read_checkpoint(random_weights)
    tensors = {key: value.copy() for key, value in tensors.items()}
    tensors["model.0.conv.weight"][0] = float("nan")
    write_checkpoint(tmp_path / "nan.safetensors", tensors, card)
    with pytest.raises(MissingError, match="NaN or infinity"):
        load_network(tmp_path / "nan.safetensors")


def test_weights_of_another_size_are_refused_by_name(random_weights, tmp_path):
    tensors, card = read_checkpoint(random_weights)
    layers = dict(yolo11("s", 64).layers)
    other = replace(card, architecture={**card.architecture, "layers": layers})
    write_checkpoint(tmp_path / "s.safetensors", tensors, other)
    with pytest.raises(MissingError, match=r"model\.0\.conv\.weight is .* expected"):
        load_network(tmp_path / "s.safetensors")


def test_another_components_checkpoint_is_refused():
    with pytest.raises(MissingError, match="a checkpoint of 'unet', expected one of 'yolo'"):
        read_architecture(Card(component="unet"), Path("x.safetensors"))


def evil_cards():
    plain = yolo11("n", 64).layers
    code = "__import__('pathlib').Path('marker').touch()"

    def changed(change):
        layers = copy.deepcopy(dict(plain))
        change(layers)
        return layers

    yield "activation", changed(lambda d: d.update(activation=code))
    yield "module", changed(lambda d: d["backbone"].__setitem__(0, [-1, 1, "torch.hub.load", [64, 3, 2]]))
    yield "argument", changed(lambda d: d["backbone"].__setitem__(0, [-1, 1, "Conv", [code, 3, 2]]))
    yield "repeats", changed(lambda d: d["backbone"].__setitem__(0, [-1, 10**9, "Conv", [64, 3, 2]]))
    yield "width", changed(lambda d: d["backbone"].__setitem__(0, [-1, 1, "Conv", [10**12, 3, 2]]))
    yield "kernel", changed(lambda d: d["backbone"].__setitem__(0, [-1, 1, "Conv", [64, 999, 2]]))
    yield "source", changed(lambda d: d["head"].__setitem__(1, [[-1, 999], 1, "Concat", [1]]))
    yield "depth", changed(lambda d: d.update(scales={"n": [64, 0.25, 1024]}))
    yield "scales", changed(lambda d: d.update(scales={"n": [0.5, 1e9, 1024]}))
    yield "classes", changed(lambda d: d.update(nc=10**9))
    yield "layers", changed(lambda d: d.update(head=d["head"] * 50))
    yield "missing", changed(lambda d: d.pop("head"))
    yield "row", changed(lambda d: d["head"].append([1, 2]))
    yield "text", changed(lambda d: d.update(backbone="Conv"))


@pytest.mark.parametrize(
    ("what", "layers"), list(evil_cards()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_card_that_does_not_describe_yolo11_never_reaches_ultralytics(tmp_path, monkeypatch, what, layers):
    monkeypatch.chdir(tmp_path)
    card = Card(component="yolo", architecture={"layers": layers, "image_size": 64, "confidence": 0.5})
    with pytest.raises(MissingError, match="does not describe a YOLO11 network"):
        read_architecture(card, Path("x.safetensors"))
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize("size", ["n", "s", "m"])
def test_every_size_that_can_be_trained_passes_that_check(size):
    assert find_problem(yolo11(size, 64).layers) == ""


@pytest.mark.parametrize(("size", "millions"), [("n", 2.6), ("s", 9.4), ("m", 20.0)])
def test_networks_have_as_many_parameters_as_published(size, millions):
    count = sum(p.numel() for p in build_network(yolo11(size, 64)).parameters())
    assert count / 1e6 == pytest.approx(millions, rel=0.03)


def test_one_seed_gives_one_network_and_leaves_the_global_generator_alone():
    before = torch.random.get_rng_state()
    first, again, other = (build_network(yolo11("n", 64), seed=seed) for seed in (1, 1, 2))
    key = "model.0.conv.weight"
    assert torch.equal(first.state_dict()[key], again.state_dict()[key])
    assert not torch.equal(first.state_dict()[key], other.state_dict()[key])
    assert torch.equal(before, torch.random.get_rng_state())


def test_starting_from_another_number_of_classes_takes_over_all_but_the_last_layers(tmp_path):
    path = ultralytics_file(tmp_path / "three.pt")
    network = build_network(yolo11("n", 64), seed=0)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    taken, total = start_from(network, path, sha256(path))
    after, stored = network.state_dict(), load_network(path, sha256(path))[0].state_dict()
    kept = [key for key in after if after[key].shape != stored[key].shape]
    assert kept
    assert total - taken == len(kept)
    assert all(torch.equal(after[key], before[key]) for key in kept)
    assert all(torch.equal(after[key], stored[key]) for key in after if key not in kept)


def test_starting_from_another_size_is_refused(random_weights):
    with pytest.raises(MissingError, match=r"a network of another size .* Give the same size="):
        start_from(build_network(yolo11("s", 64)), random_weights)
