"""The small image encoder: SAM's interface, its size, and its time."""

import time

import pytest
import torch

from mitobench.errors import MissingError
from mitobench_sam.architecture import ARCHITECTURES, Architecture, build_sam, random_sam
from mitobench_sam.small_encoder import SmallEncoder

SMALL = Architecture(
    encoder="small", embed_dim=32, depth=2, heads=2, global_blocks=(1,), window=1, image_size=64, prompt_dim=32
)


def test_the_tiny_sam_has_three_to_eight_million_parameters_most_of_them_in_the_encoder():
    sam = build_sam(ARCHITECTURES["tiny"])
    counts = {name: sum(p.numel() for p in part.parameters()) for name, part in sam.named_children()}
    assert 3e6 < sum(counts.values()) < 8e6
    assert counts["image_encoder"] > 2e6


def test_its_embedding_has_stride_sixteen():
    encoder = random_sam(SMALL, 0).image_encoder
    assert encoder(torch.zeros(2, 3, 64, 64)).shape == (2, 32, 4, 4)
    assert encoder.img_size == 64


def test_every_position_sees_the_whole_image_and_itself_in_detail():
    encoder = random_sam(SMALL, 0).image_encoder
    pixels = torch.zeros(1, 3, 64, 64, requires_grad=True)
    encoder(pixels)[0, :, 0, 0].abs().sum().backward()
    reached = pixels.grad[0].abs().sum(0)
    assert (reached[-4:, -4:] > 0).any()
    assert reached[:16, :16].mean() > 10 * reached[-16:, -16:].mean()


def test_random_weights_depend_on_the_seed_alone():
    before = torch.random.get_rng_state()
    first, again, other = (random_sam(SMALL, seed).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["image_encoder.stem.weight"], other["image_encoder.stem.weight"])
    assert torch.equal(before, torch.random.get_rng_state())


def test_the_card_rebuilds_it():
    rebuilt = Architecture.from_plain(SMALL.plain(), source="card")
    assert rebuilt == SMALL
    shapes = {key: value.shape for key, value in build_sam(rebuilt).state_dict().items()}
    assert shapes == {key: value.shape for key, value in random_sam(SMALL, 0).state_dict().items()}


def test_a_width_that_strides_4_and_8_cannot_have_is_refused():
    with pytest.raises(MissingError, match="multiple of 4"):
        Architecture(encoder="small", embed_dim=30, depth=2, heads=2, image_size=64, prompt_dim=32)


@pytest.mark.slow
def test_the_tiny_encoder_takes_well_under_300_ms_of_one_core():
    encoder = random_sam(ARCHITECTURES["tiny"], 0).image_encoder.eval()
    assert isinstance(encoder, SmallEncoder)
    pixels = torch.randn(1, 3, encoder.img_size, encoder.img_size)
    seconds = []
    with torch.no_grad():
        for _ in range(4):
            start = time.thread_time()
            encoder(pixels)
            seconds.append(time.thread_time() - start)
    assert min(seconds) < 0.3
