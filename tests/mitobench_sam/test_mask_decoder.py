"""The rearranged mask decoder, against the official one with the same parameters."""

import pytest
import torch

from mitobench_sam.mask_decoder import ImageSide, decode

TOLERANCE = 1e-5


@pytest.fixture
def image(official):
    return torch.randn(256, 16, 16, generator=torch.Generator().manual_seed(0))


def embedded(sam, batch, *, points, mask):
    generator = torch.Generator().manual_seed(batch + points)
    given = None
    if points:
        labels = torch.randint(-1, 2, (batch, points), generator=generator)
        given = (256 * torch.rand(batch, points, 2, generator=generator), labels)
    boxes = 256 * torch.rand(batch, 4, generator=generator) if points != 1 else None
    masks = 5 * torch.randn(batch, 1, 64, 64, generator=generator) if mask else None
    return sam.prompt_encoder(points=given, boxes=boxes, masks=masks)


@pytest.mark.parametrize("batch", [1, 2, 5])
@pytest.mark.parametrize("points", [0, 1, 4, 12])
@pytest.mark.parametrize("mask", [False, True])
def test_masks_and_scores_are_the_official_decoders(official, image, batch, points, mask):
    with torch.no_grad():
        sparse, dense = embedded(official, batch, points=points, mask=mask)
        position = official.prompt_encoder.get_dense_pe()
        given = {
            "image_embeddings": image[None],
            "image_pe": position,
            "sparse_prompt_embeddings": sparse,
            "dense_prompt_embeddings": dense,
        }
        several, predicted = official.mask_decoder(**given, multimask_output=True)
        single, lone = official.mask_decoder(**given, multimask_output=False)
        shared = dense if mask else dense[:1]
        choose = torch.arange(batch) % 2 == 0
        side = ImageSide.of(official.mask_decoder, image, position[0], shared)
        logits, scores = decode(official.mask_decoder, side, sparse, choose)
    best = predicted.argmax(dim=1)
    for row in range(batch):
        expected = several[row, best[row]] if choose[row] else single[row, 0]
        assert float((logits[row] - expected).norm() / expected.norm()) < TOLERANCE
        score = predicted[row, best[row]] if choose[row] else lone[row, 0]
        torch.testing.assert_close(scores[row], score, rtol=1e-5, atol=1e-5)


def test_a_prompt_does_not_feel_its_neighbours(official, image):
    with torch.no_grad():
        sparse, dense = embedded(official, 6, points=2, mask=False)
        position, choose = official.prompt_encoder.get_dense_pe()[0], torch.ones(6, dtype=torch.bool)
        side = ImageSide.of(official.mask_decoder, image, position, dense[:1])
        together, _ = decode(official.mask_decoder, side, sparse, choose)
        alone, _ = decode(official.mask_decoder, side, sparse[4:5], choose[:1])
    torch.testing.assert_close(together[4], alone[0], rtol=1e-4, atol=1e-4)


def test_the_decoder_can_be_trained_through_it(official, image):
    sparse, dense = embedded(official, 2, points=3, mask=False)
    position, choose = official.prompt_encoder.get_dense_pe()[0], torch.zeros(2, dtype=torch.bool)
    official.mask_decoder.zero_grad()
    side = ImageSide.of(official.mask_decoder, image, position, dense[:1].detach())
    decode(official.mask_decoder, side, sparse.detach(), choose)[0].mean().backward()
    gradient = official.mask_decoder.output_upscaling[0].weight.grad
    assert gradient is not None
    assert gradient.abs().sum() > 0
    official.mask_decoder.zero_grad(set_to_none=True)
