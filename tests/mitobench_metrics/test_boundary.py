"""NSD and HD95 of foregrounds and of matched instances, in the units that the sample allows."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mitobench.errors import ContractError, DataError
from mitobench.interfaces import BuildContext
from mitobench.prompts import Prompts
from mitobench_metrics.boundary import BoundaryMetric
from mitobench_metrics.options import BoundaryOptions

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import torch
    from monai.metrics import compute_hausdorff_distance, compute_surface_dice

pytestmark = [
    pytest.mark.filterwarnings("ignore:monai.metrics.utils get_mask_edges.always_return_as_numpy:FutureWarning"),
    pytest.mark.filterwarnings("ignore:the (ground truth|prediction) of class:UserWarning"),
]
METRIC = BoundaryMetric(BoundaryOptions(), BuildContext())
FOREGROUND = ["NSD@2px", "HD95 (nm)", "HD95 (px)", "one empty"]
OBJECTS = ["NSD@2px (objects)", "HD95 (objects, nm)", "HD95 (objects, px)"]


def square(top, left, side, frame=24, label=1):
    labels = np.zeros((frame, frame), np.int32)
    labels[top : top + side, left : left + side] = label
    return labels


@st.composite
def label_pairs(draw):
    blocks = draw(hnp.arrays(np.int32, st.tuples(*[st.integers(1, 4)] * 2), elements=st.integers(0, 3)))
    reference = np.kron(blocks, np.ones((5, 5), np.int32)).astype(np.int32)
    return reference, np.roll(reference, draw(st.integers(-2, 2)), axis=draw(st.integers(0, 1)))


def monai(reference, prediction, spacing=None, tolerance=2.0):
    pair = [torch.from_numpy(mask)[None, None].float() for mask in (prediction, reference)]
    nsd = compute_surface_dice(*pair, [tolerance], include_background=True).item()
    hd95 = compute_hausdorff_distance(*pair, include_background=True, percentile=95, spacing=spacing).item()
    return nsd, hd95


@settings(deadline=None)
@given(pair=label_pairs())
def test_the_foreground_equals_monai_on_full_frames(score, pair):
    if not pair[0].any():
        return
    ours = score(METRIC, *pair, pixel_size_nm=(4.0, 8.0))
    nsd, hd95 = monai(pair[0] > 0, pair[1] > 0, (4.0, 8.0))
    assert ours["NSD@2px"] == pytest.approx(nsd)
    assert ours["HD95 (nm)"] == pytest.approx(hd95, rel=1e-5)


@settings(deadline=None, max_examples=50)
@given(pair=label_pairs())
def test_each_matched_instance_equals_monai_on_full_frames(sample, segmentation, pair):
    rows = METRIC.statistics(sample(pair[0]), segmentation(pair[1]), Prompts()).objects
    for r, p, nsd, hd95 in zip(rows["reference_id"], rows["prediction_id"], rows["nsd"], rows["hd95_px"], strict=True):
        assert (nsd, hd95) == pytest.approx(monai(pair[0] == r, pair[1] == p), rel=1e-5)


@settings(deadline=None)
@given(pair=label_pairs())
def test_scores_of_matched_instances_are_the_means_of_the_rows(sample, segmentation, totals, pair):
    measured = METRIC.statistics(sample(pair[0]), segmentation(pair[1]), Prompts())
    scores = METRIC.scores(totals(measured))
    rows = measured.objects
    if rows["nsd"].size == 0:
        assert all(np.isnan(scores[name]) for name in OBJECTS)
        return
    assert float(scores["NSD@2px (objects)"]) == pytest.approx(rows["nsd"].mean())
    assert float(scores["HD95 (objects, px)"]) == pytest.approx(rows["hd95_px"].mean())


@settings(deadline=None)
@given(pair=label_pairs(), flip=st.sampled_from([(1, -1), (-1, 1)]), pad=st.integers(0, 3))
def test_relabelling_flipping_and_translating_change_nothing(score, pair, flip, pad):
    new_ids = np.array([0, 900, 3, 44], np.int32)
    changed = [np.pad(new_ids[labels], ((pad, 0), (0, pad)))[:: flip[0], :: flip[1]] for labels in pair]
    assert score(METRIC, *changed) == pytest.approx(score(METRIC, *pair), nan_ok=True)


@settings(deadline=None)
@given(pair=label_pairs())
def test_a_perfect_prediction_has_nsd_one_and_distance_zero(score, pair):
    if not pair[0].any():
        return
    ours = score(METRIC, pair[0], pair[0])
    assert ours["NSD@2px"] == ours["NSD@2px (objects)"] == 1
    assert ours["HD95 (px)"] == ours["HD95 (objects, px)"] == ours["one empty"] == 0


@settings(deadline=None)
@given(pair=label_pairs())
def test_nsd_rises_with_the_tolerance(score, pair):
    values = []
    for tolerance in (0, 1, 2, 5):
        options = BoundaryOptions(tolerance_px=tolerance)
        values.append(score(BoundaryMetric(options, BuildContext()), *pair)[options.column])
    assert np.isnan(values).all() or values == sorted(values)


def test_a_shift_of_one_pixel_is_within_the_default_tolerance_and_three_are_not(score):
    reference = square(4, 4, 10)
    assert score(METRIC, reference, square(4, 6, 10))["NSD@2px"] == 1
    assert score(METRIC, reference, square(4, 7, 10))["NSD@2px"] < 1


def test_distances_are_nanometres_where_the_pixel_size_is_known_and_pixels_elsewhere(score):
    pair = square(4, 4, 10), square(4, 7, 10)
    known, unknown = score(METRIC, *pair, pixel_size_nm=(5.0, 5.0)), score(METRIC, *pair)
    assert known["HD95 (nm)"] == 15
    assert unknown["HD95 (px)"] == 3
    assert np.isnan([known["HD95 (px)"], unknown["HD95 (nm)"]]).all()
    assert known["NSD@2px"] == unknown["NSD@2px"]
    assert {s.name: s.unit for s in METRIC.reported if s.unit} == {
        n: n[-3:-1] for n in (*FOREGROUND, *OBJECTS) if "HD95" in n
    }


@pytest.mark.parametrize("size", [(5.0, 5.0), (50.0, 5.0)])
def test_a_tolerance_in_pixels_does_not_depend_on_the_pixel_size(score, size):
    pair = square(4, 4, 10), square(7, 4, 10)
    assert score(METRIC, *pair, pixel_size_nm=size)["NSD@2px"] == score(METRIC, *pair)["NSD@2px"]


def test_a_tolerance_in_nanometres_follows_the_pixel_size(score):
    metric = BoundaryMetric(BoundaryOptions(tolerance_nm=15), BuildContext())
    pair = square(4, 4, 10), square(4, 7, 10)
    assert score(metric, *pair, pixel_size_nm=(5.0, 5.0))["NSD@15nm"] == 1
    assert score(metric, *pair, pixel_size_nm=(5.0, 5.1))["NSD@15nm"] < 1


def test_a_tolerance_in_nanometres_needs_a_pixel_size(sample, segmentation):
    metric = BoundaryMetric(BoundaryOptions(tolerance_nm=15), BuildContext())
    with pytest.raises(DataError, match=r"slice-1.*no pixel size.*15.0 nm.*tolerance_px"):
        metric.statistics(sample([[1]]), segmentation([[1]]), Prompts())


def test_both_empty_is_undefined(score):
    empty = np.zeros((5, 5))
    assert all(np.isnan(value) for value in score(METRIC, empty, empty).values())


@pytest.mark.parametrize("order", [1, -1])
def test_one_empty_has_nsd_zero_and_no_distance_and_is_counted(sample, segmentation, totals, order):
    pair = (square(4, 4, 10), np.zeros((24, 24)))[::order]
    lone = METRIC.statistics(sample(pair[0]), segmentation(pair[1]), Prompts())
    assert lone.image["foreground one_empty"] == 1
    alone = METRIC.scores(totals(lone))
    assert (float(alone["NSD@2px"]), float(alone["one empty"])) == (0, 1)
    assert np.isnan(alone["HD95 (px)"])
    good = METRIC.statistics(sample(pair[::order][0]), segmentation(pair[::order][0]), Prompts())
    blank = METRIC.statistics(sample(np.zeros((5, 5))), segmentation(np.zeros((5, 5))), Prompts())
    pooled = METRIC.scores(totals(lone, good, blank))
    assert float(pooled["one empty"]) == 1 / 2
    assert float(pooled["HD95 (px)"]) == 0
    assert float(pooled["NSD@2px"]) == pytest.approx(2 / 3)


def test_images_with_and_without_pixel_size_are_never_averaged_together(sample, segmentation, totals):
    pair = square(4, 4, 10), square(4, 7, 10)
    known = METRIC.statistics(sample(pair[0], pixel_size_nm=(5.0, 5.0)), segmentation(pair[1]), Prompts())
    unknown = METRIC.statistics(sample(pair[0]), segmentation(pair[1]), Prompts())
    pooled = METRIC.scores(totals(known, unknown))
    assert (float(pooled["HD95 (nm)"]), float(pooled["HD95 (px)"])) == (15, 3)


def test_a_partially_annotated_image_is_measured_on_its_matched_objects_only(score):
    reference = square(2, 2, 6)
    prediction = reference + square(14, 14, 6, label=2)
    ours = score(METRIC, reference, prediction, partial=True)
    assert ours["NSD@2px (objects)"] == 1
    assert all(np.isnan(ours[name]) for name in FOREGROUND)


def test_ignored_pixels_have_no_border(score):
    reference = square(4, 4, 10)
    prediction = reference + square(18, 18, 4, label=2)
    ignore = square(17, 17, 7) > 0
    assert score(METRIC, reference, prediction)["NSD@2px"] < 1
    assert score(METRIC, reference, prediction, ignore=ignore)["NSD@2px"] == 1


def test_huge_ids_are_measured_as_small_ones(score):
    small = square(4, 4, 8) + square(14, 14, 8, label=2)
    huge = np.array([0, 900, 2**31 - 1], np.int32)[small]
    assert score(METRIC, huge, small) == pytest.approx(score(METRIC, small, small), nan_ok=True)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1)])
def test_images_of_one_row_or_pixel_are_measured(score, shape):
    assert score(METRIC, np.ones(shape), np.ones(shape))["NSD@2px"] == 1


def test_the_statistics_have_the_same_names_for_every_image(sample, segmentation):
    images = [
        (sample([[0]]), segmentation([[0]])),
        (sample([[1]]), segmentation([[0]])),
        (sample([[1]], pixel_size_nm=(2.0, 2.0)), segmentation([[1]])),
    ]
    assert len({tuple(METRIC.statistics(s, g, Prompts()).image) for s, g in images}) == 1


def test_scores_take_arrays_of_any_shape_in_the_reported_order(sample, segmentation):
    measured = METRIC.statistics(sample(square(4, 4, 10)), segmentation(square(5, 4, 10)), Prompts())
    scores = METRIC.scores({name: value * np.ones((3, 2)) for name, value in measured.image.items()})
    assert list(scores) == [score.name for score in METRIC.reported] == FOREGROUND + OBJECTS
    assert all(value.shape == (3, 2) for value in scores.values())


def test_distances_rank_downwards_and_nsd_is_the_headline():
    assert [s.name for s in METRIC.reported if s.headline] == ["NSD@2px"]
    assert all(s.higher_is_better == ("NSD" in s.name) for s in METRIC.reported)


def test_without_reference_there_is_nothing_to_measure(sample, segmentation):
    assert METRIC.statistics(sample([[1]], labels=None), segmentation([[1]]), Prompts()) is None


def test_labels_of_another_image_are_refused(sample, segmentation):
    with pytest.raises(ContractError, match=r"\(4, 3\)"):
        METRIC.statistics(sample(np.zeros((3, 4))), segmentation(np.zeros((4, 3))), Prompts())
