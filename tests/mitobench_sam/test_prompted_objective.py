"""All masks of many prompts at once, and which of them are trained."""

import pytest
import torch

from mitobench_sam.losses import LOSSES, parse_loss
from mitobench_sam.prompt_simulation import Simulated
from mitobench_sam.prompted_objective import Objective, overlap, predict

BOXES = torch.tensor([[10.0, 12, 90, 100], [30, 20, 200, 220], [5, 5, 60, 50]])


def boxes_only(count=3):
    return Simulated(BOXES[:count], torch.zeros(count, 0, 2), torch.zeros(count, 0, dtype=torch.int64))


def points_only():
    return Simulated(None, BOXES[:, None, :2], torch.ones(3, 1, dtype=torch.int64))


@pytest.mark.parametrize("prompts", [boxes_only(), points_only()], ids=["box", "point"])
def test_the_masks_are_the_official_decoders(official, prompts):
    image = torch.randn(1, 256, 16, 16, generator=torch.Generator().manual_seed(0))
    points = (prompts.points, prompts.labels) if prompts.points.shape[1] else None
    with torch.no_grad():
        logits, iou = predict(official, image.expand(3, -1, -1, -1), prompts)
        sparse, dense = official.prompt_encoder(points=points, boxes=prompts.boxes, masks=None)
        expected = official.mask_decoder.predict_masks(image, official.prompt_encoder.get_dense_pe(), sparse, dense)
    torch.testing.assert_close(logits, expected[0], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(iou, expected[1], rtol=1e-4, atol=1e-5)


def test_prompts_of_different_images_do_not_mix(official):
    images = torch.randn(2, 256, 16, 16, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        together, _ = predict(official, images[torch.tensor([0, 1, 1])], boxes_only())
        alone, _ = predict(official, images[:1], boxes_only(1))
    torch.testing.assert_close(together[:1], alone, rtol=1e-4, atol=1e-4)


def test_prompts_are_encoded_in_32_bits_in_a_16_bit_training_too(official, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "mitobench_sam.prompted_objective.decode_all",
        lambda decoder, side, sparse: seen.append((side.position, sparse)),
    )
    with torch.no_grad():
        predict(official, torch.zeros(3, 256, 16, 16), boxes_only())
        with torch.autocast("cpu", torch.bfloat16):
            predict(official, torch.zeros(3, 256, 16, 16), boxes_only())
    for plain, mixed in zip(*seen, strict=True):
        assert torch.equal(plain, mixed)


def masks(*ious):
    """Logits (1, 4, 10, 10) of masks with these IoUs with the full first row's target (1, 10, 10), and that target."""
    target = torch.zeros(1, 10, 10)
    target[0, 0] = 1
    logits = torch.full((1, 4, 10, 10), -9.0)
    for index, iou in enumerate(ious):
        logits[0, index, 0, : round(10 * iou)] = 9
    return logits, target


def test_overlap_is_iou_and_dice():
    logits, target = masks(0.5, 1, 0, 0.2)
    iou, dice = overlap(logits, target[:, None].expand_as(logits))
    torch.testing.assert_close(iou, torch.tensor([[0.5, 1, 0, 0.2]]))
    torch.testing.assert_close(dice, torch.tensor([[2 / 3, 1, 0, 1 / 3]]))


def test_two_empty_masks_overlap_by_nothing_rather_than_by_nan():
    assert overlap(torch.full((1, 4, 4), -1.0), torch.zeros(1, 4, 4))[0].tolist() == [0]


@pytest.mark.parametrize(
    ("multimask", "lone", "trained"),
    [
        ("auto", False, [True, False, False, False]),
        ("auto", True, [False, False, True, False]),
        ("single", True, [True, False, False, False]),
        ("both", False, [True, False, True, False]),
        ("both", True, [True, False, True, False]),
    ],
)
def test_which_masks_get_a_gradient(multimask, lone, trained):
    logits, target = masks(0.3, 0.1, 0.8, 0.5)
    logits.requires_grad_()
    hidden = torch.zeros(1, 10, 10, dtype=torch.bool)
    judged = Objective(parse_loss("ce"), multimask, 0.0)(logits, torch.zeros(1, 4), target, hidden, lone_point=lone)
    judged.loss.sum().backward()
    assert (logits.grad.abs().sum((0, 2, 3)) > 0).tolist() == trained


def test_hidden_pixels_do_not_count():
    logits, target = masks(1, 1, 1, 1)
    wrong = logits.clone()
    wrong[:, :, 5:] = 9
    hidden = torch.zeros(1, 10, 10, dtype=torch.bool)
    hidden[:, 5:] = True
    objective = Objective(parse_loss("dice-ce"), "auto", 0.0)
    first, second = (objective(x, torch.zeros(1, 4), target, hidden, lone_point=False).loss for x in (logits, wrong))
    torch.testing.assert_close(first, second)


def test_the_predicted_iou_is_drawn_to_the_real_one():
    logits, target = masks(0.5, 0.5, 0.5, 0.5)
    iou = torch.tensor([[0.9, 0.5, 0.5, 0.5]], requires_grad=True)
    hidden = torch.zeros(1, 10, 10, dtype=torch.bool)
    plain = Objective(LOSSES["dice"], "auto", 0.0)(logits, iou, target, hidden, lone_point=False).loss
    judged = Objective(LOSSES["dice"], "auto", 2.0)(logits, iou, target, hidden, lone_point=False).loss
    assert float((judged - plain).detach()) == pytest.approx(2 * 0.4**2)
    judged.sum().backward()
    assert (iou.grad > 0).tolist() == [[True, False, False, False]]


def test_the_next_prompts_are_made_from_the_best_predicted_mask_of_a_lone_point():
    logits, target = masks(0.3, 0.1, 0.8, 0.5)
    hidden = torch.zeros(1, 10, 10, dtype=torch.bool)
    objective = Objective(LOSSES["dice"], "auto", 0.0)
    iou = torch.tensor([[0.99, 0.1, 0.2, 0.9]])
    assert torch.equal(objective(logits, iou, target, hidden, lone_point=True).logits, logits[:, 3])
    assert torch.equal(objective(logits, iou, target, hidden, lone_point=False).logits, logits[:, 0])
