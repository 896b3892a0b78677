"""Bright discs apart from each other: the smallest task that a nano detector learns in seconds. Skips without ultralytics."""

import importlib.util
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

SHAPE = (64, 64)


class _Skipped(pytest.Module):
    def collect(self) -> list[pytest.Item]:
        pytest.skip("ultralytics is not installed (pip install 'mitobench[yolo]')", allow_module_level=True)


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    """Tests of this folder are skipped, not imported, where ultralytics is absent; nothing imports it to find out."""
    if importlib.util.find_spec("ultralytics") is None:
        return _Skipped.from_parent(parent, path=module_path)
    return None


class Source:
    """A data source in memory."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self.samples = list(samples)

    @property
    def fingerprint(self) -> str:
        return hash_data(
            [[hash_array(s.image), hash_array(s.labels) if s.labels is not None else ""] for s in self.samples]
        )

    def refs(self) -> Iterator[SampleRef]:
        for sample in self.samples:
            yield SampleRef(id=sample.id, group=sample.group, split=sample.split, read=lambda s=sample: s)


def _discs(number: int, shape: tuple[int, int] = SHAPE, *, colour: bool = False, **fields: object) -> Sample:
    """Four discs, one in each quarter, some of them missing; never all."""
    rng = np.random.default_rng(number)
    y, x = np.mgrid[: shape[0], : shape[1]]
    labels = np.zeros(shape, np.int32)
    for quarter in range(4):
        half = shape[0] / 2, shape[1] / 2
        centre = [half[axis] * (0.5 + (quarter >> axis & 1)) + rng.uniform(-4, 4) for axis in (0, 1)]
        if rng.random() < 0.7 or quarter == number % 4:
            labels[(y - centre[0]) ** 2 + (x - centre[1]) ** 2 < rng.uniform(6, 10) ** 2] = 5 * quarter + 2
    image = np.clip(60 + 120 * (labels > 0) + rng.normal(0, 8, shape), 0, 255).astype(np.uint8)
    if colour:
        image = np.stack([image, image // 2, 255 - image], axis=-1)
    given = {"id": f"disc/{number}", "group": "slide", "origin": hash_array(image), **fields}
    return Sample(image=image, labels=labels, **given)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def discs() -> Callable[..., Sample]:
    return _discs


@pytest.fixture(scope="session")
def source_of() -> Callable[[Sequence[Sample]], Source]:
    return Source


TINY = {"epochs": 2, "batch": 2, "image_size": 64, "validation_share": 0.3}


@pytest.fixture
def make_trainer() -> Callable[..., object]:
    from mitobench_yolo.options import TrainerOptions
    from mitobench_yolo.trainer import YoloTrainer

    def make(seed: int = 0, weights: dict[str, Path] | None = None, **changes: object) -> YoloTrainer:
        return YoloTrainer(TrainerOptions(**{**TINY, **changes}), BuildContext(seed=seed, weights=weights or {}))

    return make


@pytest.fixture(scope="session")
def random_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of random weights."""
    from mitobench_yolo.architecture import COMPONENT, build_network, yolo11

    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    architecture = yolo11("n", 64)
    card = Card(component=COMPONENT, architecture=architecture.plain())
    save_state(path, build_network(architecture, seed=5).state_dict(), card)
    return path


@pytest.fixture(scope="session")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that really finds discs, trained once for all tests."""
    from mitobench_yolo.options import TrainerOptions
    from mitobench_yolo.trainer import YoloTrainer

    torch.set_num_threads(1)
    options = TrainerOptions(
        epochs=13, batch=8, image_size=64, lr=6e-3, mosaic=0, averaging=0.9, scale=0.2, licence="CC0-1.0"
    )
    out = tmp_path_factory.mktemp("learned") / "discs.safetensors"
    request = TrainingRequest(
        training=Source([_discs(n) for n in range(64)]),
        validation=Source([_discs(n) for n in range(64, 72)]),
        out=out,
        data={"spec": "discs"},
    )
    assert YoloTrainer(options, BuildContext(seed=1)).train(request).finished
    return out
