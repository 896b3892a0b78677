"""Foreground overlap, equal to MONAI's and SciPy's where these are defined."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.spatial import distance

from mitobench.errors import ContractError
from mitobench.interfaces import BuildContext
from mitobench.options import NoOptions
from mitobench.prompts import Prompts
from mitobench_metrics.semantic import SemanticMetric

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import torch
    from monai.metrics import compute_dice, compute_iou

METRIC = SemanticMetric(NoOptions(), BuildContext())
NAMES = ["Dice", "IoU", "pixel precision", "pixel recall"]


@st.composite
def label_pairs(draw):
    shape = draw(hnp.array_shapes(min_dims=2, max_dims=2, max_side=8))
    return tuple(draw(hnp.arrays(np.int32, shape, elements=st.integers(0, 3))) for _ in range(2))


def batch(labels):
    return torch.from_numpy(labels > 0)[None, None].float()


@settings(deadline=None)
@given(pair=label_pairs())
def test_dice_and_iou_equal_monai_where_there_is_reference(score, pair):
    if not pair[0].any():
        return
    ours = score(METRIC, *pair)
    reference, prediction = map(batch, pair)
    assert ours["Dice"] == pytest.approx(compute_dice(prediction, reference).item())
    assert ours["IoU"] == pytest.approx(compute_iou(prediction, reference).item())


def test_monai_leaves_a_false_alarm_on_an_empty_reference_undefined_and_we_score_it_zero(score):
    reference, prediction = np.array([[0, 0]]), np.array([[0, 1]])
    assert np.isnan(compute_dice(batch(prediction), batch(reference)).item())
    assert score(METRIC, reference, prediction)["Dice"] == 0


def test_monai_can_score_two_empty_masks_one_and_we_leave_them_undefined(score):
    empty = np.array([[0, 0]])
    assert compute_dice(batch(empty), batch(empty), ignore_empty=False).item() == 1
    assert np.isnan(score(METRIC, empty, empty)["Dice"])


@settings(deadline=None)
@given(pair=label_pairs())
def test_dice_and_iou_equal_scipy_where_there_is_foreground(score, pair):
    masks = [labels.ravel() > 0 for labels in pair]
    if not (masks[0] | masks[1]).any():
        return
    ours = score(METRIC, *pair)
    assert ours["Dice"] == pytest.approx(1 - distance.dice(*masks))
    assert ours["IoU"] == pytest.approx(1 - distance.jaccard(*masks))


@settings(deadline=None)
@given(pair=label_pairs())
def test_exchanging_the_images_exchanges_precision_and_recall(score, pair):
    there, back = score(METRIC, *pair), score(METRIC, *pair[::-1])
    swapped = {"pixel precision": back["pixel recall"], "pixel recall": back["pixel precision"]}
    assert there == pytest.approx(back | swapped, nan_ok=True)


@settings(deadline=None)
@given(pair=label_pairs(), flip=st.sampled_from([(1, -1), (-1, 1)]), pad=st.integers(0, 3))
def test_relabelling_flipping_and_translating_change_nothing(score, pair, flip, pad):
    changed = [np.pad((labels > 0) * 7, ((pad, 0), (0, pad)))[:: flip[0], :: flip[1]] for labels in pair]
    assert score(METRIC, *changed) == pytest.approx(score(METRIC, *pair), nan_ok=True)


def test_how_the_foreground_is_cut_into_objects_does_not_matter(score):
    assert score(METRIC, [[1, 2, 3, 0]], [[5, 5, 5, 0]]) == dict.fromkeys(NAMES, 1.0)


def test_both_empty_is_undefined(score):
    assert all(np.isnan(value) for value in score(METRIC, [[0, 0]], [[0, 0]]).values())


@pytest.mark.parametrize(
    ("reference", "prediction", "undefined"),
    [([[1, 0]], [[0, 0]], "pixel precision"), ([[0, 0]], [[1, 0]], "pixel recall")],
)
def test_one_empty_scores_zero(score, reference, prediction, undefined):
    ours = score(METRIC, reference, prediction)
    assert np.isnan(ours.pop(undefined))
    assert set(ours.values()) == {0.0}


def test_no_background_at_all_is_fine(score):
    assert score(METRIC, [[1, 1]], [[2, 2]])["Dice"] == 1


def test_pooled_scores_weigh_pixels_and_the_rows_give_per_image_scores(sample, segmentation, totals):
    large = METRIC.statistics(sample([[1] * 8]), segmentation([[1] * 8]), Prompts())
    small = METRIC.statistics(sample([[1, 0]]), segmentation([[0, 1]]), Prompts())
    empty = METRIC.statistics(sample([[0, 0]]), segmentation([[0, 0]]), Prompts())
    assert float(METRIC.scores(totals(large, small, empty))["IoU"]) == 8 / 10
    stacked = {name: np.array([s.image[name] for s in (large, small, empty)]) for name in large.image}
    np.testing.assert_array_equal(METRIC.scores(stacked)["IoU"], [1, 0, np.nan])


def test_ignored_pixels_count_nowhere(score):
    ignore = np.array([[False, True, True, False]])
    ours = score(METRIC, [[1, 1, 0, 0]], [[1, 0, 1, 0]], ignore=ignore)
    assert ours == dict.fromkeys(NAMES, 1.0)


def test_ignoring_everything_leaves_nothing_to_score(score):
    ours = score(METRIC, [[1, 1]], [[1, 0]], ignore=np.ones((1, 2), bool))
    assert all(np.isnan(value) for value in ours.values())


def test_a_partially_annotated_image_counts_only_in_recall(score):
    ours = score(METRIC, [[1, 1, 0, 0]], [[1, 0, 1, 1]], partial=True)
    assert ours["pixel recall"] == 0.5
    assert np.isnan([ours[name] for name in NAMES[:3]]).all()


def test_without_reference_there_is_nothing_to_measure(sample, segmentation):
    assert METRIC.statistics(sample([[1]], labels=None), segmentation([[1]]), Prompts()) is None


def test_labels_of_another_image_are_refused(sample, segmentation):
    with pytest.raises(ContractError, match=r"\(2, 6\).*\(3, 4\)"):
        METRIC.statistics(sample(np.zeros((3, 4))), segmentation(np.zeros((2, 6))), Prompts())
