"""``sam-ft``: another decoder on a shared encoding."""

import numpy as np
import pytest
import torch

from mitobench.checkpoints import Card, write_checkpoint
from mitobench.errors import MissingError, UsageError
from mitobench.hashing import sha256_file
from mitobench.options import parse_options
from mitobench.prompts import Prompts
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
