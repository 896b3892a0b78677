"""The faster ViT encoder and linear layer, against the official ones."""

import dataclasses

import pytest
import torch
from torch.nn import functional

from mitobench_sam import image_encoder
from mitobench_sam.architecture import build_sam
from mitobench_sam.linear import linear

TOLERANCE = 1e-5


def relative_error(found, expected):
    return float((found - expected).norm() / expected.norm())


@pytest.fixture
def ours(tiny, official):
    sam = build_sam(tiny)
    sam.load_state_dict(official.state_dict())
    return sam.image_encoder


@pytest.mark.parametrize("batch", [1, 3])
def test_the_embedding_is_the_official_one(official, ours, batch):
    images = torch.randn(batch, 3, 256, 256, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert relative_error(ours(images), official.image_encoder(images)) < TOLERANCE


def test_the_embedding_is_the_official_one_at_the_published_input_size(official_1024, tiny_1024_path):
    from mitobench_sam.loading import load_sam

    image = torch.randn(1, 3, 1024, 1024, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found = load_sam(tiny_1024_path, "vit_b").sam.image_encoder(image)
        assert relative_error(found, official_1024.image_encoder(image)) < TOLERANCE


@pytest.mark.parametrize("budget", [1, 1000, 1 << 16, 1 << 26])
def test_the_pieces_in_which_the_bias_is_built_do_not_matter(official, ours, budget, monkeypatch):
    monkeypatch.setattr(image_encoder, "_CPU_BIAS_ELEMENTS", budget)
    images = torch.randn(2, 3, 256, 256, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert relative_error(ours(images), official.image_encoder(images)) < TOLERANCE


@pytest.mark.parametrize("window", [4, 16, 14])
def test_windows_that_do_and_do_not_divide_the_image_agree(tiny, window):
    from segment_anything.modeling.image_encoder import ImageEncoderViT

    encoder = build_sam(dataclasses.replace(tiny, window=window)).image_encoder
    generator = torch.Generator().manual_seed(2)
    for parameter in encoder.parameters():
        parameter.data.normal_(0, 0.2, generator=generator)
    image = torch.randn(1, 3, 256, 256, generator=generator)
    with torch.no_grad():
        assert relative_error(encoder(image), ImageEncoderViT.forward(encoder, image)) < TOLERANCE


def test_gradients_flow_as_through_the_official_encoder(official, ours):
    image = torch.randn(1, 3, 256, 256, generator=torch.Generator().manual_seed(3))
    gradients = []
    for encoder in (ours, official.image_encoder):
        pixels = image.clone().requires_grad_()
        encoder(pixels).square().mean().backward()
        gradients.append(pixels.grad)
    assert relative_error(*gradients) < 1e-4


@pytest.mark.parametrize("shape", [(1, 64, 64, 24), (2048, 24), (1025, 24), (3, 24)], ids=str)
@pytest.mark.parametrize("with_bias", [True, False])
def test_linear_is_torchs_linear(shape, with_bias):
    generator = torch.Generator().manual_seed(4)
    x, weight = torch.randn(shape, generator=generator), torch.randn(40, 24, generator=generator)
    bias = torch.randn(40, generator=generator) if with_bias else None
    with torch.no_grad():
        torch.testing.assert_close(linear(x, weight, bias), functional.linear(x, weight, bias), rtol=1e-5, atol=1e-5)


def test_linear_can_be_differentiated():
    weight = torch.randn(5, 8, requires_grad=True)
    linear(torch.ones(2048, 8), weight).sum().backward()
    torch.testing.assert_close(weight.grad, torch.full((5, 8), 2048.0))


@pytest.mark.parametrize("heads", [1, 3])
def test_attention_by_products_is_torchs_own(heads):
    """The published encoders attend to 4096 tokens; here it is 1024, twice the piece that is done at a time."""
    generator = torch.Generator().manual_seed(5)
    q, k, v = torch.randn(3, heads, 1024, 8, generator=generator)
    by_row, by_column = torch.randn(2, heads, 1024, 32, generator=generator)
    bias = (by_row[..., None] + by_column[..., None, :]).flatten(2)
    with torch.no_grad():
        found = image_encoder._attention_by_products(q, k, v, (by_row, by_column), 0.3)
    expected = functional.scaled_dot_product_attention(q, k, v, attn_mask=bias, scale=0.3)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_a_perceptrons_pieces_do_not_matter(ours, monkeypatch):
    image = torch.randn(1, 3, 256, 256, generator=torch.Generator().manual_seed(6))
    with torch.no_grad():
        whole = ours(image)
        monkeypatch.setattr(image_encoder, "_CPU_ROWS", 48)
        assert relative_error(ours(image), whole) < TOLERANCE
