"""The small image encoder with a pyramid of strides: SAM's interface, its size, and its time."""

import time

import pytest
import torch

from mitobench.errors import MissingError
from mitobench_sam.architecture import ARCHITECTURES, Architecture, build_sam, random_sam
from mitobench_sam.pyramid_encoder import PyramidEncoder

PYRAMID = Architecture(
    encoder="pyramid", embed_dim=32, depth=2, heads=2, global_blocks=(1,), window=1, image_size=64, prompt_dim=32
)


def test_the_tiny_sam_has_three_to_eight_million_parameters_most_of_them_in_the_encoder():
    sam = build_sam(ARCHITECTURES["tiny"])
    counts = {name: sum(p.numel() for p in part.parameters()) for name, part in sam.named_children()}
    assert 3e6 < sum(counts.values()) < 8e6
    assert counts["image_encoder"] > 2e6


def test_its_embedding_has_stride_sixteen():
    encoder = random_sam(PYRAMID, 0).image_encoder
    assert encoder(torch.zeros(2, 3, 64, 64)).shape == (2, 32, 4, 4)
    assert encoder.img_size == 64


def test_every_position_sees_the_whole_image_and_itself_in_detail():
    encoder = random_sam(PYRAMID, 0).image_encoder
    pixels = torch.zeros(1, 3, 64, 64, requires_grad=True)
    encoder(pixels)[0, :, 0, 0].abs().sum().backward()
    reached = pixels.grad[0].abs().sum(0)
    assert (reached[-4:, -4:] > 0).any()
    assert reached[:16, :16].mean() > 5 * reached[-16:, -16:].mean()


def test_random_weights_depend_on_the_seed_alone():
    before = torch.random.get_rng_state()
    first, again, other = (random_sam(PYRAMID, seed).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["image_encoder.stem.0.weight"], other["image_encoder.stem.0.weight"])
    assert torch.equal(before, torch.random.get_rng_state())


def test_the_card_rebuilds_it():
    rebuilt = Architecture.from_plain(PYRAMID.plain(), source="card")
    assert rebuilt == PYRAMID
    shapes = {key: value.shape for key, value in build_sam(rebuilt).state_dict().items()}
    assert shapes == {key: value.shape for key, value in random_sam(PYRAMID, 0).state_dict().items()}


def test_a_width_that_strides_8_and_16_cannot_have_is_refused():
    with pytest.raises(MissingError, match="multiple of 4"):
        Architecture(encoder="pyramid", embed_dim=30, depth=2, heads=2, image_size=64, prompt_dim=32)


def test_an_image_size_that_stride_32_cannot_have_is_refused():
    with pytest.raises(MissingError, match="multiple of 32"):
        Architecture(encoder="pyramid", embed_dim=32, depth=2, heads=2, image_size=48, prompt_dim=32)


def test_a_random_decoder_attends_first_to_what_lies_near_a_prompt():
    sam = random_sam(PYRAMID, 0)
    places = sam.prompt_encoder.pe_layer((4, 4)).flatten(1).T
    for layer in sam.mask_decoder.transformer.layers:
        for attention in (layer.cross_attn_token_to_image, layer.cross_attn_image_to_token):
            likeness = attention.q_proj(places) @ attention.k_proj(places).T
            elsewhere = likeness[~torch.eye(16, dtype=torch.bool)]
            assert likeness.diagonal().mean() > 2 * elsewhere.abs().mean()


def test_half_of_a_random_sam_s_waves_see_x_alone_and_the_others_y():
    codes = (
        random_sam(PYRAMID, 0).prompt_encoder.pe_layer((4, 4)).unflatten(0, (2, -1))
    )  # sines and cosines of the waves
    along_x, along_y = codes[:, 0::2], codes[:, 1::2]
    assert torch.equal(along_x, along_x[:, :, :1].expand_as(along_x))
    assert torch.equal(along_y, along_y[..., :1].expand_as(along_y))
    assert along_x.std(3).max() > 0.1
    assert along_y.std(2).max() > 0.1


@pytest.mark.slow
def test_the_tiny_encoder_takes_well_under_300_ms_of_one_core():
    encoder = random_sam(ARCHITECTURES["tiny"], 0).image_encoder.eval()
    assert isinstance(encoder, PyramidEncoder)
    pixels = torch.randn(1, 3, encoder.img_size, encoder.img_size)
    seconds = []
    with torch.no_grad():
        for _ in range(4):
            start = time.thread_time()
            encoder(pixels)
            seconds.append(time.thread_time() - start)
    assert min(seconds) < 0.3
