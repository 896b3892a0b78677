"""Bright discs on a dark, noisy ground, tiny networks, and the published network as a notebook would write it."""

import os
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mitobench.checkpoints import Card
from mitobench.hashing import hash_array, hash_data
from mitobench.interfaces import BuildContext, TrainingRequest
from mitobench.plugins import Plugins
from mitobench.samples import Sample, SampleRef
from mitobench_keras.options import TrainerOptions

os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")

TINY = {"channels": (4, 8), "size": 16, "batch": 4, "epochs": 2}


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


def _disc_sample(number: int, shape: tuple[int, int] = (32, 40), **fields: Any) -> Sample:
    rng = np.random.default_rng(number)
    y, x = np.mgrid[: shape[0], : shape[1]]
    labels = np.zeros(shape, np.int32)
    for index in range(2):
        centre = rng.uniform(6, shape[0] - 6), rng.uniform(6, shape[1] - 6)
        disc = (y - centre[0]) ** 2 + (x - centre[1]) ** 2 < rng.uniform(4, 6) ** 2
        labels[disc & (labels == 0)] = index + 1
    image = np.clip(60 + 120 * (labels > 0) + rng.normal(0, 12, shape), 0, 255).astype(np.uint8)
    given = {
        "image": image,
        "labels": labels,
        "group": "slide",
        "semantic": True,
        "origin": hash_array(image),
        **fields,
    }
    return Sample(id=f"disc{number}", **given)


@pytest.fixture(scope="session")
def make_disc() -> Callable[..., Sample]:
    return _disc_sample


@pytest.fixture(scope="session")
def source_of() -> Callable[[Sequence[Sample]], Discs]:
    return Discs


@pytest.fixture
def discs() -> Discs:
    return Discs([_disc_sample(number) for number in range(4)])


@pytest.fixture(scope="session")
def plugins() -> Plugins:
    """The plugin by itself, whether or not the installed distribution names it yet."""
    return Plugins([EntryPoint(name="keras", value="mitobench_keras", group="mitobench")])


@pytest.fixture
def make_trainer() -> Callable[..., Any]:
    from mitobench_keras.trainer import KerasTrainer

    def make(seed: int = 0, **changes: object) -> KerasTrainer:
        return KerasTrainer(TrainerOptions(**{**TINY, **changes}), BuildContext(seed=seed))

    return make


@pytest.fixture(scope="session")
def write_network() -> Callable[..., Path]:
    return _write_network


def _write_network(path: Path, *, seed: int = 0, card: dict[str, object] | None = None, **changes: object) -> Path:
    from mitobench_keras.architecture import COMPONENT, Architecture, build_model
    from mitobench_keras.weights import read_weights, write_weights

    architecture = Architecture(**{"channels": (4, 8), "size": 16, **changes})  # type: ignore[arg-type]
    fields = {"component": COMPONENT, "architecture": architecture.plain(), **(card or {})}
    write_weights(path, read_weights(build_model(architecture, seed=seed)), Card(**fields))  # type: ignore[arg-type]
    return path


@pytest.fixture(scope="session")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of random weights."""
    return _write_network(tmp_path_factory.mktemp("weights") / "random.safetensors")


@pytest.fixture(scope="session")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that really finds discs, trained once for all tests in a few seconds."""
    from mitobench_keras.trainer import KerasTrainer

    options = TrainerOptions(channels=(8, 16), size=16, batch=8, epochs=10, lr=1e-2)
    out = tmp_path_factory.mktemp("learned") / "discs.safetensors"
    source = Discs([_disc_sample(number) for number in range(10)])
    KerasTrainer(options, BuildContext(seed=1)).train(TrainingRequest(training=source, out=out))
    return out


@pytest.fixture(scope="session")
def notebook_unet() -> Callable[..., Any]:
    return _notebook_unet


def _notebook_unet(channels: tuple[int, ...], size: int) -> Any:
    """The published network written the way notebooks write it: no names, Keras's defaults."""
    from mitobench_keras.runtime import keras

    layers = keras.layers

    def block(x: Any, width: int) -> Any:
        x = layers.Conv2D(width, (3, 3), activation="relu", padding="same")(x)
        return layers.Conv2D(width, (3, 3), activation="relu", padding="same")(x)

    inputs = x = layers.Input((size, size, 1))
    skips = []
    for width in channels[:-1]:
        x = block(x, width)
        skips.append(x)
        x = layers.MaxPooling2D((2, 2))(x)
    x = block(x, channels[-1])
    for width, skip in zip(channels[-2::-1], reversed(skips), strict=True):
        x = layers.Conv2DTranspose(width, (2, 2), strides=(2, 2), padding="same")(x)
        x = block(layers.concatenate([x, skip]), width)
    model = keras.Model(inputs, layers.Conv2D(1, (1, 1), activation="sigmoid")(x))
    model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
    return model
