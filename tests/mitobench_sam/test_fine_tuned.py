"""``sam-ft``: another decoder on a shared encoding."""

import numpy as np
import pytest
import torch

from mitobench.checkpoints import Card, write_checkpoint
from mitobench.errors import MissingError, UsageError
from mitobench.experiment import Experiment, TrainingStep
from mitobench.hashing import sha256_file
from mitobench.options import parse_options
from mitobench.plugins import Plugins
from mitobench.prompts import Prompts
from mitobench.specs import parse_spec
from mitobench.training.steps import plan_experiment
from mitobench.training.sweep import Sweep, plan_sweep
from mitobench.weights import WeightsStore
from mitobench_sam.options import FineTunedSamOptions

BOXES = np.array([[20, 30, 120, 140], [60, 10, 200, 90], [5, 5, 250, 180]], np.float32)


@pytest.fixture
def decoder(official, tiny_path, tmp_path):
    """A decoder checkpoint on the tiny base, its parameters shifted by ``change``."""

    def write(change=0.0, base=None):
        parts = {
            key: (value + change * torch.sin(torch.arange(value.numel())).view(value.shape)).numpy()
            for key, value in official.state_dict().items()
            if key.startswith("mask_decoder.")
        }
        path = tmp_path / f"decoder{change}.safetensors"
        write_checkpoint(path, parts, Card(component="sam-ft", base_sha256=base or sha256_file(tiny_path)))
        return path

    return write


def test_with_its_bases_own_decoder_it_is_sam(tiny_path, decoder, sam, sam_ft, sample):
    plain, tuned = sam(tiny_path, multimask="auto"), sam_ft(tiny_path, decoder())
    picture, prompts = sample((200, 256)), Prompts(boxes=BOXES)
    encoding = plain.encode([picture.image])[0]
    first, second = plain.segment(encoding, picture, prompts), tuned.segment(encoding, picture, prompts)
    np.testing.assert_array_equal(first.labels, second.labels)
    np.testing.assert_array_equal(first.mask_scores, second.mask_scores)
    np.testing.assert_array_equal(first.masks.bits, second.masks.bits)


def test_another_decoder_gives_other_masks_from_the_same_encoding(tiny_path, decoder, sam, sam_ft, sample):
    plain, tuned = sam(tiny_path), sam_ft(tiny_path, decoder(change=0.02))
    picture, prompts = sample((200, 256)), Prompts(boxes=BOXES)
    assert plain.encoder_key == tuned.encoder_key
    encoding = plain.encode([picture.image])[0]
    assert torch.equal(encoding.embedding, tuned.encode([picture.image])[0].embedding)
    first, second = plain.segment(encoding, picture, prompts), tuned.segment(encoding, picture, prompts)
    assert not np.array_equal(first.mask_scores, second.mask_scores)


def test_four_prompters_and_two_decoders_cost_one_encoder_pass_per_image(tiny_path, decoder, sam, sam_ft, sample):
    segmenters = [sam(tiny_path), sam_ft(tiny_path, decoder())]
    calls = []
    for segmenter in segmenters:
        segmenter._sam.image_encoder.register_forward_hook(lambda module, given, out: calls.extend(given[0]))
    pictures = [sample((200, 256), seed) for seed in range(3)]
    prompts = [Prompts(boxes=BOXES[:n]) for n in (1, 2, 3)] + [
        Prompts(points=BOXES[:, None, :2].copy(), point_labels=np.ones((3, 1), np.int8))
    ]
    shared = {}
    for segmenter in segmenters:
        if segmenter.encoder_key not in shared:
            shared[segmenter.encoder_key] = segmenter.encode([picture.image for picture in pictures])
    for segmenter in segmenters:
        for picture, encoding in zip(pictures, shared[segmenter.encoder_key], strict=True):
            for some in prompts:
                assert len(segmenter.segment(encoding, picture, some).masks) == len(some)
    assert len(calls) == len(pictures)


def test_a_mismatched_base_is_refused(tiny_path, tiny_1024_path, decoder, sam_ft):
    path = decoder(base=sha256_file(tiny_1024_path))
    with pytest.raises(MissingError, match="trained on the weights"):
        sam_ft(tiny_path, path)


def test_its_weights_are_a_base_and_a_decoder(tmp_path):
    options = FineTunedSamOptions(model="vit_l", checkpoint=tmp_path / "d.safetensors")
    base, decoder = options.weights()
    assert (base.role, base.name, base.path) == ("base", "vit_l", None)
    assert (decoder.role, decoder.path) == ("decoder", tmp_path / "d.safetensors")
    local = FineTunedSamOptions(base=tmp_path / "b.pth", checkpoint=tmp_path / "d.safetensors").weights()[0]
    assert (local.name, local.path) == ("", tmp_path / "b.pth")


def test_without_a_checkpoint_it_is_the_bundled_decoder_on_the_tiny_sam():
    options = parse_options(FineTunedSamOptions, {}, owner="sam-ft")
    assert [(w.role, w.name) for w in options.weights()] == [("base", "sam-tiny"), ("decoder", "sam-ft-em")]


@pytest.mark.parametrize("given", [{"model": "vit_b"}, {"base": "b.pth"}, {"model": "tiny", "base": "b.pth"}], ids=str)
def test_another_base_needs_a_checkpoint(given):
    with pytest.raises(UsageError, match="mitobench train sam-ft"):
        parse_options(FineTunedSamOptions, given, owner="sam-ft")


# The model of a checkpoint


def trained_on(folder, trainer):
    path = folder / "tuned.safetensors"
    write_checkpoint(path, {"x": np.zeros(1, np.float32)}, Card(component="sam-ft", trainer=trainer))
    return path


@pytest.mark.parametrize("model", ["tiny", "vit_t", "vit_b"])
def test_a_checkpoint_alone_is_on_the_model_that_its_card_names(tmp_path, model):
    trained_on(tmp_path, {"options": {"model": model}})
    options = parse_options(FineTunedSamOptions, {"checkpoint": "tuned.safetensors"}, owner="sam-ft", base=tmp_path)
    assert options == FineTunedSamOptions(model=model, checkpoint=tmp_path / "tuned.safetensors")


def test_a_model_or_base_that_is_named_holds(tmp_path):
    path = trained_on(tmp_path, {"options": {"model": "tiny"}})
    assert FineTunedSamOptions(checkpoint=path, model="vit_l").model == "vit_l"
    assert FineTunedSamOptions(checkpoint=path, base=tmp_path / "b.pth").model == "vit_b"


@pytest.mark.parametrize(
    "trainer", [{}, {"options": {}}, {"options": {"model": "other"}}, {"options": 1}, [1]], ids=str
)
def test_a_card_that_names_no_known_model_leaves_the_published_one(tmp_path, trainer):
    assert FineTunedSamOptions(checkpoint=trained_on(tmp_path, trainer)).model == "vit_b"


@pytest.mark.parametrize("content", [None, b"", b"no safetensors file"])
def test_a_checkpoint_that_is_absent_or_broken_leaves_the_published_model(tmp_path, content):
    path = tmp_path / "absent.safetensors"
    if content is not None:
        path.write_bytes(content)
    assert FineTunedSamOptions(checkpoint=path).model == "vit_b"


def swept(tmp_path, trainer, *segmenters):
    """The segmenters that a sweep of a trainer evaluates, none of them trained yet."""
    plugins = Plugins.discover()
    asked = Sweep(
        trainer=parse_spec(trainer),
        data=(parse_spec("synthetic:n=2,size=64"),),
        evaluate=(parse_spec("synthetic:n=1,size=64,split=test"),),
        prompters=(parse_spec("gt-box"),),
        segmenters=tuple(parse_spec(text) for text in segmenters),
        metrics=(parse_spec("semantic"),),
        sizes=(1,),
        seeds=1,
        base=tmp_path,
    )
    planned = plan_sweep(asked, plugins, WeightsStore(plugins, offline=True), tmp_path)
    return [dict(spec.options) for spec in planned.experiment(planned.steps).segmenters]


@pytest.mark.parametrize("segmenters", [(), ("sam-ft",), ("sam-ft:multimask=single",)], ids=str)
def test_a_sweep_evaluates_on_the_model_that_its_trainer_starts_from(tmp_path, segmenters):
    (found,) = swept(tmp_path, "sam-ft:model=tiny,epochs=1", *segmenters)
    assert found["model"] == "tiny"
    assert "models" in found["checkpoint"]


def test_a_sweep_evaluates_on_the_base_that_its_trainer_starts_from(tmp_path, tiny_path):
    (found,) = swept(tmp_path, f"sam-ft:base={tiny_path}")
    assert (found["base"], "model" in found) == (str(tiny_path), False)


def planned(tmp_path, trainer, *segmenters):
    """The cells of an experiment whose segmenters read what its one training step has yet to write: ``b.safetensors``."""
    plugins = Plugins.discover()
    data = (parse_spec("synthetic:n=2,size=64"),)
    asked = Experiment(
        data=data,
        prompters=(parse_spec("gt-box"),),
        segmenters=tuple(parse_spec(text) for text in segmenters),
        metrics=(parse_spec("semantic"),),
        train=(TrainingStep(trainer=parse_spec(trainer), data=data, out=tmp_path / "b.safetensors"),),
        base=tmp_path,
    )
    steps, plan = plan_experiment(asked, plugins, WeightsStore(plugins, cache=tmp_path / "cache", offline=True))
    return steps, plan.cells, [cell.components[2].options(plugins) for cell in plan.cells]


@pytest.mark.parametrize("checkpoint", ["b.safetensors", "models/../b.safetensors", "whole"])
def test_a_training_step_says_on_which_model_its_checkpoint_will_be(tmp_path, checkpoint):
    path = tmp_path / "b.safetensors" if checkpoint == "whole" else checkpoint
    _, (cell,), (options,) = planned(tmp_path, "sam-ft:model=tiny,epochs=1", f"sam-ft:checkpoint={path}")
    assert (cell.status, options.model) == ("run", "tiny"), cell.reason


def test_a_training_step_says_on_which_base_its_checkpoint_will_be(tmp_path, tiny_path):
    _, (cell,), (options,) = planned(tmp_path, f"sam-ft:base={tiny_path}", "sam-ft:checkpoint=b.safetensors")
    assert (cell.status, options.base, options.model) == ("run", tiny_path, "vit_b"), cell.reason


@pytest.mark.parametrize(
    "segmenter", ["sam-ft:model=vit_t,checkpoint=b.safetensors", "sam-ft:checkpoint=c.safetensors"]
)
def test_a_model_that_is_named_and_another_checkpoint_stay_what_they_are(tmp_path, segmenter):
    _, _, (options,) = planned(tmp_path, "sam-ft:model=tiny", segmenter)
    assert options.model == ("vit_t" if "vit_t" in segmenter else "vit_b")
