"""Bright discs on a dark, noisy ground: the smallest task that a U-Net learns in seconds."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from mitobench.checkpoints import Card
from mitobench.hashing import hash_array, hash_data
from mitobench.interfaces import BuildContext, TrainingRequest
from mitobench.samples import Sample, SampleRef
from mitobench_torch.weights import save_state
from mitobench_unet.architecture import COMPONENT, Architecture, build_network
from mitobench_unet.options import TrainerOptions
from mitobench_unet.trainer import UnetTrainer


class Discs:
    """A data source in memory."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self.samples = list(samples)

    @property
    def fingerprint(self) -> str:
        return hash_data([hash_array(s.image) for s in self.samples])

    def refs(self) -> Iterator[SampleRef]:
        for sample in self.samples:
            yield SampleRef(id=sample.id, group=sample.group, split=sample.split, read=lambda s=sample: s)


def _disc_sample(
    number: int, shape: tuple[int, int] = (48, 56), *, colour: bool = False, semantic: bool = True
) -> Sample:
    rng = np.random.default_rng(number)
    y, x = np.mgrid[: shape[0], : shape[1]]
    labels = np.zeros(shape, np.int32)
    for index in range(3):
        centre = rng.uniform(6, shape[0] - 6), rng.uniform(6, shape[1] - 6)
        disc = (y - centre[0]) ** 2 + (x - centre[1]) ** 2 < rng.uniform(5, 8) ** 2
        labels[disc & (labels == 0)] = index + 1
    image = np.clip(60 + 120 * (labels > 0) + rng.normal(0, 12, shape), 0, 255).astype(np.uint8)
    if colour:
        image = np.stack([image, 255 - image, image], axis=-1)
    return Sample(
        id=f"disc{number}", image=image, labels=labels, group="slide", semantic=semantic, origin=hash_array(image)
    )


TINY = {"channels": (4, 8), "residual_units": 1, "patch": 32, "batch": 2, "epochs": 2, "steps_per_epoch": 2}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def make_disc() -> Callable[..., Sample]:
    return _disc_sample


@pytest.fixture(scope="session")
def source_of() -> Callable[[Sequence[Sample]], Discs]:
    return Discs


@pytest.fixture(scope="session")
def write_network() -> Callable[..., Path]:
    return _write_network


@pytest.fixture
def discs() -> Discs:
    return Discs([_disc_sample(number) for number in range(6)])


@pytest.fixture
def make_trainer() -> Callable[..., UnetTrainer]:
    def make(seed: int = 0, **changes: object) -> UnetTrainer:
        return UnetTrainer(TrainerOptions(**{**TINY, **changes}), BuildContext(seed=seed))

    return make


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of random weights; three levels, so images are padded to multiples of four."""
    folder = tmp_path_factory.mktemp("weights")
    return _write_network(folder / "random.safetensors")


def _write_network(path: Path, *, seed: int = 0, card: dict[str, object] | None = None, **changes: object) -> Path:
    architecture = Architecture(**{"channels": (4, 8, 8), "residual_units": 1, **changes})  # type: ignore[arg-type]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build_network(architecture)
    fields = {"component": COMPONENT, "architecture": architecture.plain(), **(card or {})}
    save_state(path, network.state_dict(), Card(**fields))  # type: ignore[arg-type]
    return path


@pytest.fixture(scope="session")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that really finds discs, trained once for all tests in a few seconds."""
    torch.set_num_threads(1)
    options = TrainerOptions(
        channels=(8, 16, 32), residual_units=1, patch=32, batch=8, epochs=4, steps_per_epoch=30, lr=1e-2, averaging=0.9
    )
    out = tmp_path_factory.mktemp("learned") / "discs.safetensors"
    source = Discs([_disc_sample(number) for number in range(12)])
    UnetTrainer(options, BuildContext(seed=1)).train(TrainingRequest(training=source, out=out))
    return out
