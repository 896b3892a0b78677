"""The weights that come with mitobench: whole, honest about their data, and of use."""

import importlib.resources
from pathlib import Path

import numpy as np
import pytest

from mitobench.checkpoints import read_card
from mitobench.components import open_source, plan_component
from mitobench.hashing import sha256_file
from mitobench.plugins import Plugins
from mitobench.prompts import Prompts
from mitobench.specs import parse_spec
from mitobench.weights import WeightsStore
from mitobench_sam.published import BUNDLED

SPECS = ["sam:model=tiny,multimask=auto", "sam-ft"]


@pytest.fixture(scope="module")
def plugins():
    return Plugins.discover()


@pytest.fixture
def store(plugins, tmp_path):
    return WeightsStore(plugins, cache=tmp_path, offline=True)


def located(file):
    package, _, inside = file.bundled.partition(":")
    return importlib.resources.files(package) / inside


def test_both_are_registered_small_and_whole():
    assert [file.name for file in BUNDLED] == ["sam-tiny", "sam-ft-em"]
    for file in BUNDLED:
        assert located(file).stat().st_size == file.size < 20_000_000
        assert sha256_file(located(file)) == file.sha256
        assert file.licence == "Apache-2.0"


def test_their_cards_say_how_and_on_what_they_were_trained():
    sam, decoder = (read_card(located(file)) for file in BUNDLED)
    assert (sam.component, decoder.component) == ("sam", "sam-ft")
    assert decoder.base_sha256 == BUNDLED[0].sha256
    for card in (sam, decoder):
        assert card.licence == "Apache-2.0"
        assert card.training_origins
        assert "synthetic" in card.data["spec"]
        assert "vnc" not in str(card).lower()
    assert "nuclei-dsb2018" in sam.data["spec"]
    assert sam.trainer["options"]["rounds"] > 1


@pytest.mark.parametrize("spec", SPECS)
def test_it_works_offline_as_typed(plugins, store, spec):
    planned = plan_component("segmenter", parse_spec(spec), plugins, store, base=Path.cwd())
    assert planned.missing == ""
    assert {w.name for w in planned.weights} <= {file.name for file in BUNDLED}
    assert planned.trained_on


@pytest.mark.parametrize(
    ("spec", "kind", "least"), [(SPECS[0], "em", 0.84), (SPECS[1], "em", 0.84), (SPECS[0], "nuclei", 0.73)]
)
def test_boxes_give_masks_of_generated_objects_that_it_has_not_seen(plugins, store, spec, kind, least):
    segmenter = plan_component("segmenter", parse_spec(spec), plugins, store, base=Path.cwd()).build(plugins)
    _, source = open_source(parse_spec(f"synthetic:kind={kind},n=4,split=test,seed=77"), plugins, base=Path.cwd())
    ious = []
    for ref in source.refs():
        sample = ref.load()
        ids = [k for k in np.unique(sample.labels)[1:] if (sample.labels == k).sum() > 60]
        if not ids:
            continue
        masks = [sample.labels == k for k in ids]
        boxes = [(x.min(), y.min(), x.max(), y.max()) for y, x in map(np.nonzero, masks)]
        encoding = segmenter.encode([sample.image])[0]
        found = segmenter.segment(encoding, sample, Prompts(boxes=np.array(boxes, np.float32))).masks
        for index, mask in enumerate(masks):
            mine = found.dense(index)
            ious.append((mine & mask).sum() / (mine | mask).sum())
    assert len(ious) >= 10
    assert np.mean(ious) > least


def test_both_share_encodings(plugins, store):
    keys = {
        plan_component("segmenter", parse_spec(spec), plugins, store, base=Path.cwd()).build(plugins).encoder_key
        for spec in SPECS
    }
    assert len(keys) == 1


def test_one_loose_box_around_all_objects_gives_all_of_them(plugins, store):
    spec = parse_spec("sam:model=tiny,multimask=single")
    segmenter = plan_component("segmenter", spec, plugins, store, base=Path.cwd()).build(plugins)
    dices = {"inside": [], "found": []}
    for kind in ("em", "nuclei"):
        _, source = open_source(parse_spec(f"synthetic:kind={kind},n=6,split=test,seed=77"), plugins, base=Path.cwd())
        for ref in source.refs():
            sample = ref.load()
            meant = sample.labels > 0
            if np.unique(sample.labels).size < 4:
                continue
            y, x = np.nonzero(meant)
            height, width = meant.shape
            box = (
                max(0, x.min() - 10),
                max(0, y.min() - 10),
                min(width - 1, x.max() + 10),
                min(height - 1, y.max() + 10),
            )
            found = segmenter.segment(
                segmenter.encode([sample.image])[0], sample, Prompts(boxes=np.array([box], np.float32))
            ).masks.dense(0)
            inside = np.zeros_like(meant)
            inside[box[1] : box[3] + 1, box[0] : box[2] + 1] = True
            for name, mask in (("inside", inside), ("found", found)):
                dices[name].append(2 * (mask & meant).sum() / (mask.sum() + meant.sum()))
    assert len(dices["found"]) >= 6
    assert np.mean(dices["found"]) > 0.65
    assert np.mean(dices["found"]) > np.mean(dices["inside"]) + 0.3
