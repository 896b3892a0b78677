"""The bundled weights are what their descriptors say, and find what they were trained to find."""

import importlib.resources
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from scipy import ndimage

import mitobench_unet
from mitobench.checkpoints import read_card
from mitobench.components import plan_component
from mitobench.errors import MissingError
from mitobench.hashing import sha256_file
from mitobench.interfaces import BuildContext, TrainingRequest
from mitobench.plugins import Plugins
from mitobench.prompts import Prompts
from mitobench.samples import Sample
from mitobench.specs import Spec
from mitobench.weights.store import WeightsStore
from mitobench_torch.weights import read_state
from mitobench_unet.judgement import Tally, tally
from mitobench_unet.options import ROLE, SegmenterOptions, TrainerOptions
from mitobench_unet.segmenter import UnetSegmenter
from mitobench_unet.trainer import UnetTrainer

(SEGMENTER,) = mitobench_unet.mitobench_segmenters()
FILES = {weights.name: weights for weights in SEGMENTER.weights}


def path_of(name: str) -> Path:
    package, _, inside = FILES[name].bundled.partition(":")
    return Path(str(importlib.resources.files(package) / inside))


def score(name: str, samples: list[Sample]) -> Tally:
    component = UnetSegmenter(SegmenterOptions(), BuildContext(weights={ROLE: path_of(name)}))
    total = Tally()
    for sample in samples:
        (encoding,) = component.encode([sample.image])
        labels = component.segment(encoding, sample.without_reference(), Prompts()).labels
        assert sample.labels is not None
        total += tally(sample.labels, labels, None)
    return total


def test_there_are_weights_for_both_kinds_of_image() -> None:
    assert sorted(FILES) == ["unet-em", "unet-nuclei"]
    (prompter,) = mitobench_unet.mitobench_prompters()
    assert prompter.weights == SEGMENTER.weights


@pytest.mark.parametrize("name", ["unet-em", "unet-nuclei"])
def test_the_file_is_the_one_described(name) -> None:
    path = path_of(name)
    assert sha256_file(path) == FILES[name].sha256
    assert path.stat().st_size == FILES[name].size < 20_000_000


@pytest.mark.parametrize(("name", "source"), [("unet-em", "synthetic"), ("unet-nuclei", "nuclei-dsb2018")])
def test_the_card_names_data_that_may_be_shipped(name, source) -> None:
    card = read_card(path_of(name))
    assert source in card.data["spec"]
    assert "vnc" not in str(card)
    assert card.licence == FILES[name].licence
    assert card.training_origins


@pytest.mark.parametrize("name", ["unet-em", "unet-nuclei"])
def test_the_model_card_quotes_the_file(name) -> None:
    readme = (path_of(name).parent / "README.md").read_text()
    assert f"{name}.safetensors" in readme
    assert FILES[name].sha256 in readme


@pytest.mark.real_data
def test_nuclei_of_the_held_out_files_are_found(real_data) -> None:
    paths = sorted((real_data / "nuclei-dsb2018" / "images").glob("*.tif"))
    samples = [
        Sample(
            id=path.stem,
            image=tifffile.imread(path),
            labels=tifffile.imread(path.parents[1] / "labels" / path.name).astype(np.int32),
        )
        for path in paths[int(len(paths) * 0.8) + 1 :: 5]
    ]
    result = score("unet-nuclei", samples)
    assert result.dice > 0.9
    assert result.f1 > 0.8


@pytest.mark.real_data
def test_mitochondria_are_found_without_having_seen_a_real_one(real_data) -> None:
    folder = real_data / "em-vnc"
    image = tifffile.imread(folder / "training.tif", key=12)
    mask = tifffile.imread(folder / "training_groundtruth.tif", key=12) > 0
    labels = ndimage.label(mask, np.ones((3, 3)))[0].astype(np.int32)
    assert score("unet-em", [Sample(id="12", image=image, labels=labels, semantic=True)]).dice > 0.5


@pytest.mark.parametrize("init", ["em", "unet-nuclei"])
def test_a_training_by_name_starts_from_the_bundled_file_and_names_the_images_of_both(init, discs, tmp_path) -> None:
    plugins = Plugins.discover()
    store = WeightsStore(plugins, cache=tmp_path / "cache", offline=True)
    start = path_of(f"unet-{init.removeprefix('unet-')}")
    options = {"patch": 32, "batch": 1, "epochs": 1, "steps_per_epoch": 1, "lr": 1e-9, "averaging": 0}
    spec = Spec("unet", {**options, "init": init})
    by_name = plan_component("trainer", spec, plugins, store, base=tmp_path)
    by_path = plan_component("trainer", Spec("unet", {**options, "init": str(start)}), plugins, store, base=tmp_path)
    assert by_name.missing == ""
    assert by_name.identity == by_path.identity

    out = tmp_path / "tuned.safetensors"
    by_name.build(plugins).train(TrainingRequest(training=discs, out=out))
    before, after = read_state(start), read_state(out)
    for key, value in before.items():
        if value.is_floating_point() and "running" not in key:
            torch.testing.assert_close(after[key].float(), value.float(), atol=1e-6, rtol=1e-4)
    card = read_card(out)
    assert card.base_sha256 == FILES[start.stem].sha256
    assert set(card.training_origins) == {*read_card(start).training_origins, *(s.origin for s in discs.samples)}


def test_bundled_weights_that_nobody_located_are_missing_and_not_ignored(discs, tmp_path) -> None:
    trainer = UnetTrainer(TrainerOptions(init="em"), BuildContext())
    with pytest.raises(MissingError, match=r"bundled weights 'em'.*WeightsStore\.locate"):
        trainer.train(TrainingRequest(training=discs, out=tmp_path / "w.safetensors"))
