"""Losses: against MONAI where it has them, and by their defining properties."""

import pytest
import torch
from monai.losses.dice import DiceCELoss, DiceLoss
from monai.losses.focal_loss import FocalLoss

from mitobench.errors import UsageError
from mitobench.options import parse_options
from mitobench_sam.loss_sums import LOSS_NAMES
from mitobench_sam.losses import LOSSES, parse_loss
from mitobench_sam.trainer_options import FineTuneOptions


@pytest.fixture
def pair():
    rng = torch.Generator().manual_seed(0)
    target = torch.zeros(3, 24, 32)
    target[0, 4:12, 5:20] = 1
    target[1, 10:20, 2:9] = 1
    target[2, :, 16:] = 1
    return 3 * torch.randn(target.shape, generator=rng), target


@pytest.mark.parametrize(
    ("name", "monai"),
    [
        ("dice-ce", DiceCELoss(sigmoid=True, squared_pred=True, reduction="mean")),
        ("dice", DiceLoss(sigmoid=True, squared_pred=True, reduction="mean")),
        ("focal", FocalLoss(gamma=2.0)),
        ("ce", torch.nn.BCEWithLogitsLoss()),
    ],
)
def test_the_mean_over_masks_is_monais_loss_of_the_batch(pair, name, monai):
    logits, target = pair
    expected = monai(logits[:, None], target[:, None])
    torch.testing.assert_close(LOSSES[name](logits, target).mean(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_a_better_mask_costs_less_and_has_a_gradient(pair, name):
    logits, target = pair
    good = (20 * (target - 0.5)).requires_grad_()
    shifted = 20 * (torch.roll(target, 5, dims=2) - 0.5)
    assert (LOSSES[name](good, target) < LOSSES[name](shifted, target)).all()
    given = logits.clone().requires_grad_()
    LOSSES[name](given, target).sum().backward()
    assert torch.isfinite(given.grad).all()
    assert given.grad.abs().sum() > 0


@pytest.mark.parametrize("name", sorted(LOSSES))
@pytest.mark.parametrize("fill", [0.0, 1.0])
def test_a_target_that_is_empty_or_fills_the_frame_gives_a_finite_loss(pair, name, fill):
    logits, target = pair
    value = LOSSES[name](logits, torch.full_like(target, fill))
    assert value.shape == (3,)
    assert torch.isfinite(value).all()


def test_hausdorff_weighs_an_error_by_its_squared_distance():
    target = torch.zeros(2, 41, 41)
    target[:, 18:23, 18:23] = 1
    logits = 40 * (target - 0.5)
    logits[0, 20, 25] = logits[1, 20, 32] = 20.0
    near, far = LOSSES["hausdorff"](logits, target).tolist()
    assert far / near > 5


def test_boundary_rewards_the_inside_and_punishes_the_outside():
    target = torch.zeros(1, 32, 32)
    target[0, 8:24, 8:24] = 1
    for place, sign in (((0, 16, 16), -1), ((0, 1, 1), 1)):
        logits = torch.full((1, 32, 32), -4.0, requires_grad=True)
        LOSSES["boundary"](logits, target).sum().backward()
        assert torch.sign(logits.grad[place]) == sign


def test_a_sum_is_the_weighted_sum(pair):
    expected = LOSSES["dice"](*pair) + 0.25 * LOSSES["boundary"](*pair) + 2e-3 * LOSSES["ce"](*pair)
    torch.testing.assert_close(parse_loss("dice + 0.25*boundary+2e-3*ce")(*pair), expected)


@pytest.mark.parametrize("text", ["dice-ce", "dice + 0.25*boundary", ".5*ce+1.*focal", "2e-3*ce"])
def test_options_and_training_take_the_same_sums(pair, text):
    assert torch.isfinite(parse_loss(FineTuneOptions(loss=text).loss)(*pair)).all()


@pytest.mark.parametrize(
    "text",
    [
        *("", "dise", "dice+", "2dice", "dice*2", "dice-ce+0.5*hausdorf"),
        *("1.2.3*dice", ".*dice", "*dice", "abc*dice", "0*dice", "0.0*dice+ce", "-1*dice", "1e999*dice", "nan*dice"),
    ],
)
def test_what_is_no_loss_is_refused_with_the_known_ones_when_it_is_given(text):
    with pytest.raises(UsageError, match="boundary"):
        parse_options(FineTuneOptions, {"loss": text}, owner="sam-ft")
    with pytest.raises(UsageError, match="boundary"):
        parse_loss(text)


def test_the_options_know_exactly_these_losses():
    assert set(LOSS_NAMES) == set(LOSSES)
