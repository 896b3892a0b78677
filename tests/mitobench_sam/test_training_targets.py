"""Targets and first prompts: what a step makes of a sample's reference."""

import numpy as np
import pytest
import torch

from mitobench.prompts import mask_logits
from mitobench.samples import Sample
from mitobench_sam.frames import Frame, mask_crop
from mitobench_sam.prompted_objective import overlap
from mitobench_sam.trainer_options import FineTuneOptions
from mitobench_sam.training_targets import first_prompts, low_resolution, targets_of


def labelled(shape=(96, 128), ignore=None, partial=False):
    labels = np.zeros(shape, np.int32)
    labels[10:30, 12:52] = 1
    labels[40:80, 60:100] = 2
    labels[85:87, 3:5] = 3
    return Sample(id="s", image=np.zeros(shape, np.uint8), labels=labels, ignore=ignore, partial=partial)


def targets(sample=None, seed=0, **options):
    made = FineTuneOptions(**options)
    return targets_of(sample or labelled(), 256, made, np.random.default_rng(seed)), made


@pytest.mark.parametrize("shape", [(96, 128), (128, 96), (61, 61), (300, 200), (64, 257)])
def test_low_resolution_masks_are_the_inverse_of_what_is_done_with_logits(shape):
    mask = np.zeros(shape, bool)
    mask[shape[0] // 4 : shape[0] // 2, shape[1] // 3 : -shape[1] // 4] = True
    frame = Frame.of(shape, 256)
    low = low_resolution(mask[None], frame)[0]
    (y, x), crop = mask_crop(20 * (low - 0.5), frame, 0.0)
    back = np.zeros(shape, bool)
    back[y : y + crop.shape[0], x : x + crop.shape[1]] = crop
    iou, _ = overlap(torch.from_numpy(back.astype(np.float32)), torch.from_numpy(mask.astype(np.float32)))
    assert iou > 0.9


def test_low_resolution_values_are_covered_shares():
    mask = np.zeros((64, 64), bool)
    mask[:32, :32] = True
    low = low_resolution(mask[None], Frame.of((64, 64), 64))[0]
    assert low.shape == (16, 16)
    assert float(low.sum()) == pytest.approx(64, abs=0.5)
    assert ((low >= 0) & (low <= 1)).all()


def test_many_objects_are_targets_of_their_own_and_small_ones_can_be_left_out():
    found, _ = targets(min_area=5)
    assert len(found.masks) == 2
    assert len(targets()[0].masks) == 3
    assert len(targets(max_objects=2)[0].masks) == 2


def test_one_object_is_drawn_at_random():
    areas = {int(targets(seed=seed, objects="one")[0].masks.sum()) for seed in range(20)}
    assert areas == {800, 1600, 4}


def test_a_union_box_has_all_objects_as_one_target():
    found, options = targets(prompt="union-box", min_area=5)
    assert found.masks.shape == (1, 96, 128)
    assert found.masks.sum() == 800 + 1600
    box = first_prompts(found, "box", options, np.random.default_rng(0)).boxes
    assert box.tolist() == [[24, 20, 198, 158]]


def test_a_sample_whose_objects_are_all_too_small_has_no_targets():
    assert targets(min_area=5000)[0] is None


def test_padding_and_ignored_pixels_are_hidden():
    ignore = np.zeros((96, 128), bool)
    ignore[:, 64:] = True
    found, _ = targets(labelled(ignore=ignore))
    assert found.hidden[48:].all()
    assert found.hidden[:48, 32:].all()
    assert not found.hidden[:48, :32].any()


@pytest.mark.parametrize("ignore", [None, np.arange(128) >= np.full((96, 1), 96)], ids=["", "with ignored pixels"])
def test_around_all_annotated_objects_nothing_far_from_them_counts_where_others_are_not_annotated(ignore):
    sample = labelled(ignore=ignore, partial=True)
    near = np.zeros((96, 128), bool)
    for y0, y1, x0, x1 in ((2, 38, 4, 60), (32, 88, 52, 108), (77, 95, 0, 13)):  # the objects and 8 pixels around them
        near[y0:y1, x0:x1] = True
    if ignore is not None:
        near &= ~ignore
    found, _ = targets(sample, prompt="union-box")
    shares = near.reshape(48, 2, 64, 2).mean((1, 3))
    hidden = found.hidden[:48].numpy()
    assert hidden[shares == 0].all()
    assert not hidden[shares == 1].any()
    assert (shares == 1).sum() > 800
    assert found.hidden[48:].all()


def test_of_an_object_of_its_own_everything_counts_though_others_are_not_annotated():
    found, _ = targets(labelled(partial=True), prompt="box")
    assert torch.equal(found.hidden, targets(labelled(), prompt="box")[0].hidden)


def test_all_objects_of_a_complete_image_are_judged_everywhere():
    assert not targets(labelled(), prompt="union-box")[0].hidden[:48].any()


def test_the_exact_box_is_that_of_the_pixels_in_the_square_input():
    found, options = targets(min_area=5)
    boxes = first_prompts(found, "box", options, np.random.default_rng(0)).boxes
    assert boxes.tolist() == [[24, 20, 102, 58], [120, 80, 198, 158]]


@pytest.mark.parametrize("seed", range(4))
def test_a_margin_only_enlarges_a_box_within_the_image(seed):
    found, options = targets(min_area=5, box_margin=20)
    boxes = first_prompts(found, "box", options, np.random.default_rng(seed)).boxes / 2
    exact = torch.tensor([[12, 10, 51, 29], [60, 40, 99, 79.0]])
    grown = torch.cat([exact[:, :2] - boxes[:, :2], boxes[:, 2:] - exact[:, 2:]], 1)
    assert ((grown >= 0) & (grown < 20)).all()
    assert (boxes[:, 2] <= 127).all()
    assert (boxes[:, 3] <= 95).all()


def test_jitter_is_a_share_of_the_boxs_side():
    found, options = targets(min_area=5, box_jitter=0.1)
    moves = []
    for seed in range(30):
        boxes = first_prompts(found, "box", options, np.random.default_rng(seed)).boxes / 2
        moves.append((boxes - torch.tensor([[12, 10, 51, 29], [60, 40, 99, 79.0]])).abs())
    largest = torch.stack(moves).amax(0)
    assert (largest[0] <= torch.tensor([4, 2, 4, 2.0]) + 1e-4).all()
    assert (largest[1] > 2).all()


def test_an_enlarged_box_grows_by_up_to_a_share_of_its_side_within_the_image():
    found, options = targets(min_area=5, box_enlarge=0.25)
    exact, moves = torch.tensor([[12, 10, 51, 29], [60, 40, 99, 79.0]]), []
    for seed in range(40):
        boxes = first_prompts(found, "box", options, np.random.default_rng(seed)).boxes / 2
        assert (boxes >= 0).all()
        assert (boxes[:, 2:] <= torch.tensor([127, 95])).all()
        moves.append(torch.cat([exact[:, :2] - boxes[:, :2], boxes[:, 2:] - exact[:, 2:]], 1))
    grown, most = torch.stack(moves), torch.tensor([[10, 5, 10, 5], [10, 10, 10, 10.0]])
    assert (grown >= -1e-4).all()
    assert (grown <= most + 1e-4).all()
    assert (grown.amax(0) > 0.9 * most).all()
    assert (grown.mean(0) / most - 0.5).abs().max() < 0.2


def test_boxes_that_are_not_enlarged_are_those_of_before_there_was_the_option():
    found, options = targets(min_area=5, box_jitter=0.1, box_margin=20)
    rng = np.random.default_rng(3)
    moved = []
    for x0, y0, x1, y1 in ((12, 10, 51, 29), (60, 40, 99, 79)):
        sides = np.array([x1 - x0 + 1, y1 - y0 + 1] * 2)
        shift = rng.uniform(-1, 1, 4) * 0.1 * sides
        moved.append(np.array([x0, y0, x1, y1]) + shift + rng.integers(0, 20, 4) * (-1, -1, 1, 1))
    expected = np.clip(moved, 0, [127, 95, 127, 95])
    boxes = first_prompts(found, "box", options, np.random.default_rng(3)).boxes / 2
    np.testing.assert_allclose(boxes, expected, atol=1e-3)


@pytest.mark.parametrize("where", ["centroid", "random"])
def test_points_lie_on_their_objects(where):
    found, options = targets(min_area=5, point=where)
    prompts = first_prompts(found, "point", options, np.random.default_rng(0))
    assert prompts.lone_point
    for mask, (x, y) in zip(found.masks, (prompts.points[:, 0] / 2).tolist(), strict=True):
        assert mask[round(y), round(x)]


def test_mask_prompts_are_those_that_the_segmenter_is_given():
    found, options = targets(min_area=5)
    masks = first_prompts(found, "mask", options, np.random.default_rng(0)).masks
    whole = torch.from_numpy(mask_logits(found.masks[1]))
    torch.testing.assert_close(masks[1], torch.nn.functional.avg_pool2d(whole[None], 4))
