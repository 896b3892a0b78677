"""Each prompt's own mask is compared with what the prompt was made from, on crops, in any order."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mitobench.errors import ContractError, DataError
from mitobench.interfaces import BuildContext
from mitobench.masks import PackedMasks, resolve_overlaps
from mitobench.prompts import ALL_OBJECTS, NO_OBJECT, Prompts
from mitobench.segmentations import Segmentation
from mitobench_metrics.options import PromptedOptions
from mitobench_metrics.prompt_targets import PromptTargets
from mitobench_metrics.prompted import PromptedMetric
from mitobench_metrics.surfaces import surface_distances

METRIC = PromptedMetric(PromptedOptions(), BuildContext())
WITH_BOUNDARY = PromptedMetric(PromptedOptions(boundary=True), BuildContext())
LABELS = np.array([[7, 7, 7, 0, 900, 900], [7, 7, 7, 0, 900, 900]], np.int32)


def prompted(masks, scores=None):
    """A segmentation made of full-frame masks, overlaps resolved as a promptable segmenter would."""
    masks = np.asarray(masks, bool)
    scores = np.full(len(masks), 0.8, np.float32) if scores is None else np.asarray(scores, np.float32)
    packed = PackedMasks.from_dense(masks, masks.shape[1:])
    labels, kept = resolve_overlaps(packed, scores)
    return Segmentation(labels=labels, scores=kept, masks=packed, mask_scores=scores)


def targets(*ids):
    return Prompts(targets=np.array(ids, np.int64))


@pytest.fixture
def run(sample, totals):
    def measure(ids, masks, scores=None, metric=METRIC, labels=LABELS, **fields):
        measured = metric.statistics(sample(labels, **fields), prompted(masks, scores), targets(*ids))
        return {name: float(value) for name, value in metric.scores(totals(measured)).items()}, measured

    return measure


@st.composite
def prompted_images(draw):
    shape = draw(hnp.array_shapes(min_dims=2, max_dims=2, max_side=9))
    labels = draw(hnp.arrays(np.int32, shape, elements=st.sampled_from([0, 1, 4, 900])))
    known = [int(i) for i in np.unique(labels) if i] + [ALL_OBJECTS, NO_OBJECT]
    ids = draw(st.lists(st.sampled_from(known), min_size=1, max_size=4))
    masks = draw(hnp.arrays(np.bool_, (len(ids), *shape)))
    ignore = draw(st.none() | hnp.arrays(np.bool_, shape))
    return labels, ids, masks, ignore


@settings(deadline=None)
@given(image=prompted_images())
def test_each_prompt_equals_a_comparison_of_full_frames(sample, image):
    labels, ids, masks, ignore = image
    rows = METRIC.statistics(sample(labels, ignore=ignore), prompted(masks), targets(*ids)).objects
    kept = np.ones(labels.shape, bool) if ignore is None else ~ignore
    for index, target in enumerate(ids):
        wanted = (labels > 0 if target == ALL_OBJECTS else labels == target) & kept
        mask = masks[index] & kept
        together = (wanted | mask).sum()
        if target == NO_OBJECT or together == 0:
            assert np.isnan(rows["iou"][index])
            continue
        assert rows["iou"][index] == pytest.approx((wanted & mask).sum() / together)
        assert rows["dice"][index] == pytest.approx(2 * (wanted & mask).sum() / (wanted.sum() + mask.sum()))
        assert (rows["target_area"][index], rows["mask_area"][index]) == (wanted.sum(), mask.sum())


@settings(deadline=None)
@given(image=prompted_images())
def test_the_window_of_a_prompt_holds_all_of_target_and_mask(sample, image):
    labels, ids, masks, ignore = image
    looked_up = PromptTargets(sample(labels, ignore=ignore), np.array(ids))
    packed = PackedMasks.from_dense(masks, labels.shape)
    kept = np.ones(labels.shape, bool) if ignore is None else ~ignore
    for index, target in enumerate(ids):
        if target == NO_OBJECT:
            continue
        wanted, mask = looked_up.window(index, *packed.crop(index))
        full = (labels > 0 if target == ALL_OBJECTS else labels == target) & kept
        assert wanted.shape == mask.shape
        assert (wanted.sum(), mask.sum()) == (full.sum(), (masks[index] & kept).sum())
        assert (wanted & mask).sum() == (full & masks[index]).sum()


@settings(deadline=None)
@given(image=prompted_images(), seed=st.integers(0, 100))
def test_the_order_of_overlapping_prompts_changes_nothing(sample, totals, image, seed):
    labels, ids, masks, ignore = image
    order = np.random.default_rng(seed).permutation(len(ids))
    there = METRIC.statistics(sample(labels, ignore=ignore), prompted(masks), targets(*ids))
    here = METRIC.statistics(sample(labels, ignore=ignore), prompted(masks[order]), targets(*np.array(ids)[order]))
    for name, value in METRIC.scores(totals(there)).items():
        assert float(value) == pytest.approx(float(METRIC.scores(totals(here))[name]), nan_ok=True)


def test_perfect_masks_score_one_even_where_another_prompt_takes_their_pixels(run):
    both = LABELS > 0
    scores, measured = run([7, ALL_OBJECTS], [LABELS == 7, both], scores=[0.5, 0.9])
    assert (scores["IoU (prompt)"], scores["Dice (prompt)"]) == (1, 1)
    assert measured.image["prompts"] == 2


def test_scores_are_means_over_prompts(run):
    half = np.zeros(LABELS.shape, bool)
    half[0, :3] = True
    scores, _ = run([7, 900], [half, LABELS == 900])
    assert scores["IoU (prompt)"] == pytest.approx((0.5 + 1) / 2)
    assert scores["Dice (prompt)"] == pytest.approx((2 / 3 + 1) / 2)


def test_an_empty_mask_scores_zero(run):
    assert run([7], [np.zeros(LABELS.shape)])[0]["IoU (prompt)"] == 0


def test_the_predicted_score_is_compared_with_the_true_iou(run):
    half = np.zeros(LABELS.shape, bool)
    half[0, :3] = True
    scores, _ = run([7, 900], [half, LABELS == 900], scores=[0.75, 0.5])
    assert scores["predicted IoU (prompt)"] == pytest.approx(0.625)
    assert scores["predicted IoU error (prompt)"] == pytest.approx((0.25 + 0.5) / 2)


def test_a_prompt_made_from_no_object_is_counted_but_not_scored(run):
    scores, measured = run([7, NO_OBJECT], [LABELS == 7, LABELS == 900])
    assert scores["IoU (prompt)"] == 1
    assert (measured.image["prompts"], measured.image["prompts_not_scored"]) == (1, 1)


def test_an_object_that_is_wholly_ignored_is_not_scored_unless_something_is_predicted(run):
    ignore = LABELS == 7
    scores, measured = run([7], [LABELS == 7], ignore=ignore)
    assert np.isnan(scores["IoU (prompt)"])
    assert measured.image["prompts_not_scored"] == 1
    assert run([7], [LABELS == 900], ignore=ignore)[0]["IoU (prompt)"] == 0


def test_the_whole_foreground_of_a_partially_annotated_image_is_unknown(run):
    scores, _ = run([ALL_OBJECTS, 7], [LABELS == 900, LABELS == 7], partial=True)
    assert scores["IoU (prompt)"] == 1
    assert np.isnan(run([ALL_OBJECTS], [LABELS > 0], partial=True)[0]["IoU (prompt)"])


def test_an_image_without_prompts_is_undefined_not_an_error(sample, totals):
    empty = prompted(np.zeros((0, 2, 6)))
    measured = METRIC.statistics(sample(LABELS), empty, targets())
    assert measured.image["prompts"] == 0
    assert all(np.isnan(value) for value in METRIC.scores(totals(measured)).values())


def test_without_targets_masks_or_reference_there_is_nothing_to_measure(sample, segmentation):
    made = prompted([LABELS == 7])
    assert METRIC.statistics(sample(LABELS), made, Prompts()) is None
    assert METRIC.statistics(sample(LABELS), segmentation(np.ones(LABELS.shape)), targets(7)) is None
    assert METRIC.statistics(sample(LABELS, labels=None), made, targets(7)) is None


@pytest.mark.parametrize("wrong", [8, -2])
def test_a_target_that_is_no_object_of_the_sample_is_refused(sample, wrong):
    with pytest.raises(ContractError, match=rf"target {wrong} is no object of sample 'slice-1'.*another image"):
        METRIC.statistics(sample(LABELS), prompted([LABELS == 7]), targets(wrong))


def test_any_target_is_refused_where_the_reference_is_empty(sample):
    with pytest.raises(ContractError, match="target 1 is no object"):
        METRIC.statistics(sample(np.zeros((2, 2))), prompted(np.ones((1, 2, 2))), targets(1))


def test_the_whole_foreground_of_an_empty_reference_scores_false_alarms_zero(run):
    empty = np.zeros((2, 6), np.int32)
    assert run([ALL_OBJECTS], [np.ones((2, 6))], labels=empty)[0]["IoU (prompt)"] == 0
    assert np.isnan(run([ALL_OBJECTS], [np.zeros((2, 6))], labels=empty)[0]["IoU (prompt)"])


def test_as_many_masks_as_prompts_are_needed(sample):
    with pytest.raises(ContractError, match="1 masks for 2 prompts"):
        METRIC.statistics(sample(LABELS), prompted([LABELS == 7]), targets(7, 900))


def test_masks_of_another_image_are_refused(sample):
    with pytest.raises(ContractError, match=r"\(6, 2\)"):
        METRIC.statistics(sample(LABELS), prompted([LABELS.T == 7]), targets(7))


def test_targets_have_no_reference_to_look_up(sample):
    with pytest.raises(ContractError, match="no reference labels"):
        PromptTargets(sample([[1]], labels=None), np.array([1]))


def test_the_object_table_has_a_row_per_prompt(run):
    _, measured = run([900, 7, NO_OBJECT], [LABELS == 900, LABELS > 0, LABELS == 7], scores=[0.9, 0.3, 0.1])
    rows = measured.objects
    assert rows["prompt"].tolist() == [0, 1, 2]
    assert rows["target"].tolist() == [900, 7, 0]
    assert rows["target_area"].tolist() == [4, 6, 0]
    assert rows["mask_area"].tolist() == [4, 10, 6]
    assert rows["score"].tolist() == pytest.approx([0.9, 0.3, 0.1])
    np.testing.assert_allclose(rows["iou"], [1, 0.6, np.nan])


@settings(deadline=None)
@given(image=prompted_images())
def test_boundary_scores_of_prompts_equal_those_of_full_frames(sample, totals, image):
    labels, ids, masks, _ = image
    measured = WITH_BOUNDARY.statistics(sample(labels), prompted(masks), targets(*ids))
    nsd, hd95 = [], []
    for mask, target in zip(masks, ids, strict=True):
        distances = surface_distances(labels > 0 if target == ALL_OBJECTS else labels == target, mask)
        if target != NO_OBJECT and distances.size:
            nsd.append(distances.within(2) / distances.size)
            hd95.append(distances.hausdorff95())
    scores = WITH_BOUNDARY.scores(totals(measured))
    defined = [value for value in hd95 if np.isfinite(value)]
    assert float(scores["NSD@2px (prompt)"]) == pytest.approx(np.mean(nsd) if nsd else np.nan, nan_ok=True)
    assert float(scores["HD95 (prompt, px)"]) == pytest.approx(np.mean(defined) if defined else np.nan, nan_ok=True)
    assert measured.image["one_empty"] == len(hd95) - len(defined)


def test_boundary_scores_of_prompts_in_nanometres_need_a_pixel_size(sample):
    metric = PromptedMetric(PromptedOptions(boundary=True, tolerance_nm=10), BuildContext())
    with pytest.raises(DataError, match="no pixel size"):
        metric.statistics(sample(LABELS), prompted([LABELS == 7]), targets(7))


def test_boundary_scores_appear_only_when_asked_for():
    assert [s.name for s in METRIC.reported if s.headline] == ["IoU (prompt)", "Dice (prompt)"]
    extra = {s.name for s in WITH_BOUNDARY.reported} - {s.name for s in METRIC.reported}
    assert extra == {"NSD@2px (prompt)", "HD95 (prompt, nm)", "HD95 (prompt, px)", "one empty (prompt)"}


@pytest.mark.parametrize("metric", [METRIC, WITH_BOUNDARY])
def test_scores_take_arrays_of_any_shape_in_the_reported_order(run, metric):
    _, measured = run([7], [LABELS == 7], metric=metric)
    scores = metric.scores({name: value * np.array([0.0, 1.0]) for name, value in measured.image.items()})
    assert list(scores) == [score.name for score in metric.reported]
    np.testing.assert_array_equal(scores["IoU (prompt)"], [np.nan, 1])
