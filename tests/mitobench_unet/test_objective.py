"""The network learns a foreground map and an interior map."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from mitobench_unet.objective import Objective, target_maps


def labels_of_two_touching_squares() -> torch.Tensor:
    labels = torch.zeros(1, 20, 24, dtype=torch.int32)
    labels[0, 4:14, 2:12] = 1
    labels[0, 4:14, 12:22] = 2
    return labels


@pytest.mark.parametrize("border", [1, 2, 3])
def test_the_interior_is_each_object_eroded_by_itself(border: int) -> None:
    labels = labels_of_two_touching_squares()
    foreground, interior = target_maps(labels, border)[0].numpy()
    ids = labels[0].numpy()
    expected = sum(ndimage.binary_erosion(ids == k, np.ones((3, 3)), iterations=border) for k in (1, 2))
    np.testing.assert_array_equal(foreground, ids > 0)
    np.testing.assert_array_equal(interior, expected)


def test_touching_objects_come_apart_in_the_interior() -> None:
    interior = target_maps(labels_of_two_touching_squares(), 2)[0, 1].numpy()
    assert ndimage.label(interior)[1] == 2


def test_a_perfect_answer_costs_nothing_and_a_wrong_one_much() -> None:
    labels = labels_of_two_touching_squares()
    target = target_maps(labels, 2)
    nothing_ignored = torch.zeros(labels.shape, dtype=torch.bool)
    objective = Objective(2)
    assert float(objective((target * 2 - 1) * 30, labels, nothing_ignored)) < 1e-4
    assert float(objective((1 - target * 2) * 30, labels, nothing_ignored)) > 10


def test_the_loss_is_that_of_dice_and_cross_entropy_by_hand() -> None:
    torch.manual_seed(0)
    labels, logits = labels_of_two_touching_squares(), torch.randn(1, 2, 20, 24)
    loss = Objective(2)(logits, labels, torch.zeros(labels.shape, dtype=torch.bool))
    target, p = target_maps(labels, 2).numpy(), torch.sigmoid(logits).numpy()
    entropy = -(target * np.log(p) + (1 - target) * np.log(1 - p)).mean(axis=(0, 2, 3))
    shared, sizes = (target * p).sum((0, 2, 3)), (target**2).sum((0, 2, 3)) + (p**2).sum((0, 2, 3))
    assert float(loss) == pytest.approx(float((entropy + 1 - 2 * shared / sizes).sum()), rel=1e-4)


def test_ignored_pixels_pass_no_gradient() -> None:
    labels = labels_of_two_touching_squares()
    logits = torch.randn(1, 2, 20, 24, requires_grad=True)
    ignore = torch.zeros(labels.shape, dtype=torch.bool)
    ignore[0, :7] = True
    Objective(2)(logits, labels, ignore).backward()
    assert logits.grad is not None
    assert not logits.grad[:, :, :7].any()
    assert logits.grad[:, :, 7:].all()


def test_what_lies_under_ignored_pixels_does_not_matter() -> None:
    labels = labels_of_two_touching_squares()
    logits = torch.randn(1, 2, 20, 24)
    ignore = torch.zeros(labels.shape, dtype=torch.bool)
    ignore[0, :, :5] = True
    changed = logits.clone()
    changed[..., :5] = 17
    objective = Objective(2)
    assert float(objective(logits, labels, ignore)) == float(objective(changed, labels, ignore))


def test_a_batch_without_objects_has_a_finite_loss() -> None:
    labels = torch.zeros(2, 16, 16, dtype=torch.int32)
    loss = Objective(2)(torch.randn(2, 2, 16, 16), labels, torch.zeros(labels.shape, dtype=torch.bool))
    assert torch.isfinite(loss)
