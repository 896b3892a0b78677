"""The matrix as the runner drives it: one encoding per image, whatever number of prompters and decoders look at it."""

import numpy as np
import pytest
import tifffile

from mitobench.checkpoints import Card, write_checkpoint
from mitobench.experiment import Experiment
from mitobench.hashing import sha256_file
from mitobench.plan import make_plan
from mitobench.plugins import Plugins
from mitobench.ranking.evidence import Evidence
from mitobench.ranking.leaderboard import build_leaderboard
from mitobench.results.runfolder import RunFolder
from mitobench.runner import execute
from mitobench.specs import parse_spec
from mitobench.weights import WeightsStore
from mitobench_sam.image_encoder import FusedViT

PROMPTERS = ("gt-box", "gt-point", "gt-mask", "grid:side=3")
IMAGES = 5


@pytest.fixture
def decoder_path(official, tiny_path, tmp_path):
    """The base's own decoder, written as a fine-tuned one."""
    tensors = {key: value.numpy() for key, value in official.state_dict().items() if key.startswith("mask_decoder.")}
    path = tmp_path / "decoder.safetensors"
    write_checkpoint(path, tensors, Card(component="sam-ft", base_sha256=sha256_file(tiny_path)))
    return path


@pytest.fixture
def encoded(monkeypatch):
    """How many images went through the encoder."""
    counts = []
    forward = FusedViT.forward

    def counting(self, pixels):
        counts.append(len(pixels))
        return forward(self, pixels)

    monkeypatch.setattr(FusedViT, "forward", counting)
    return counts


@pytest.fixture
def data(tmp_path):
    """Sections with squares as objects."""
    rng = np.random.default_rng(0)
    labels = np.zeros((IMAGES, 80, 96), np.uint16)
    labels[:, 10:30, 10:40], labels[:, 40:70, 50:80] = 1, 2
    tifffile.imwrite(tmp_path / "labels.tif", labels)
    tifffile.imwrite(tmp_path / "images.tif", (labels * 60 + rng.integers(0, 40, labels.shape)).astype(np.uint8))
    return f"tiff-stack:images={tmp_path}/images.tif,labels={tmp_path}/labels.tif"


def test_four_prompters_and_two_decoders_encode_each_image_once(data, tiny_path, decoder_path, encoded, tmp_path):
    plugins = Plugins.discover()
    experiment = Experiment(
        data=(parse_spec(data),),
        prompters=tuple(map(parse_spec, PROMPTERS)),
        segmenters=(
            parse_spec(f"sam:checkpoint={tiny_path},multimask=auto"),
            parse_spec(f"sam-ft:base={tiny_path},checkpoint={decoder_path}"),
        ),
    )
    folder = RunFolder.create_or_open(tmp_path / "run")
    plan = make_plan(experiment, plugins, WeightsStore(plugins, offline=True), folder=folder)
    outcome = execute(plan, folder, plugins, device="cpu", batch=2)
    assert (outcome.done, outcome.failed, outcome.errors) == (4 * 2 * IMAGES, 0, ())
    assert sum(encoded) == IMAGES
    automatic, oracle = build_leaderboard(Evidence([folder], plugins), resamples=10).tables
    assert len(automatic.rows) == 2
    assert len(oracle.rows) == 6
    for table in (automatic, oracle):
        by_prompter = {}
        for row in table.rows:
            by_prompter.setdefault(row.prompter, []).append({name: score.value for name, score in row.scores.items()})
        assert all(first == second for first, second in by_prompter.values())  # the same decoder under two names
