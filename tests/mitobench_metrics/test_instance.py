"""Object scores: equal to stardist's where the definitions coincide, and to hand counts where they do not."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mitobench.errors import ContractError
from mitobench.interfaces import BuildContext
from mitobench.prompts import Prompts
from mitobench_metrics.instance import InstanceMetric
from mitobench_metrics.matching import THRESHOLDS, TWENTIETHS
from mitobench_metrics.options import InstanceOptions

METRIC = InstanceMetric(InstanceOptions(), BuildContext())
STARDIST = InstanceMetric(InstanceOptions(convention="stardist"), BuildContext())
FLOATS = [k / 20 for k in TWENTIETHS]


@st.composite
def label_pairs(draw, ids=(0, 0, 1, 2, 3, 7)):
    """A reference and a prediction that is often the same, moved, cut, fused or sprinkled with noise."""
    shape = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    blocks = draw(hnp.arrays(np.int32, shape, elements=st.sampled_from(ids)))
    factor = draw(st.sampled_from([1, 2, 4]))
    reference = np.kron(blocks, np.ones((factor, factor), np.int32))
    prediction = np.roll(reference, draw(st.integers(-1, 1)), axis=draw(st.integers(0, 1)))
    names = draw(hnp.arrays(np.int32, max(ids) + 1, elements=st.integers(0, 5)))
    prediction = draw(st.sampled_from([prediction, names[prediction]]))
    noise = draw(hnp.arrays(np.int32, reference.shape, elements=st.integers(0, 5), fill=st.just(0)))
    return reference.astype(np.int32), np.where(noise > 3, noise, prediction).astype(np.int32)


def exact_iou(k: int) -> tuple[np.ndarray, np.ndarray]:
    """A 20-pixel object of which exactly k pixels are predicted."""
    reference = np.ones((1, 20), np.int32)
    return reference, (np.arange(20) < k).astype(np.int32)[None]


def check_against_stardist(ours, theirs):
    for t, their in zip(THRESHOLDS, theirs, strict=True):
        assert ours[f"SA@{t} [stardist]"] == pytest.approx(their.accuracy)
        assert ours[f"F1@{t} [stardist]"] == pytest.approx(their.f1)
    half = theirs[0]
    assert ours["precision@0.5 [stardist]"] == pytest.approx(half.precision)
    assert ours["recall@0.5 [stardist]"] == pytest.approx(half.recall)
    assert ours["SQ [stardist]"] == pytest.approx(half.mean_matched_score, rel=1e-6)
    assert ours["PQ [stardist]"] == pytest.approx(half.panoptic_quality, rel=1e-6)


@settings(deadline=None, max_examples=150)
@given(pair=label_pairs())
def test_counts_and_scores_equal_stardist(stardist, score, sample, segmentation, pair):
    theirs = stardist.matching(*pair, thresh=FLOATS)
    check_against_stardist(score(STARDIST, *pair), theirs)
    measured = METRIC.statistics(sample(pair[0]), segmentation(pair[1]), Prompts())
    for t, their in zip(THRESHOLDS, theirs, strict=True):
        counts = tuple(measured.image[f"{name}@{t}"] for name in ("tp", "fp", "fn"))
        assert counts == (their.tp, their.fp, their.fn)


def test_pooled_scores_equal_stardist_over_a_data_set(stardist, sample, segmentation, totals):
    rng = np.random.default_rng(3)
    references = [np.kron(rng.integers(0, 6, (6, 6)), np.ones((5, 5), int)) for _ in range(4)]
    predictions = [np.where(rng.random(r.shape) < 0.85, r, 0) for r in references]
    theirs = stardist.matching_dataset(references, predictions, thresh=FLOATS, show_progress=False)
    measured = [
        STARDIST.statistics(sample(r), segmentation(p), Prompts()) for r, p in zip(references, predictions, strict=True)
    ]
    check_against_stardist({n: float(v) for n, v in STARDIST.scores(totals(*measured)).items()}, theirs)


@pytest.mark.parametrize("k", TWENTIETHS)
def test_an_iou_of_exactly_t_is_a_match_in_stardist_too(stardist, score, k):
    pair = exact_iou(k)
    t = THRESHOLDS[k - 10]
    assert score(STARDIST, *pair)[f"SA@{t} [stardist]"] == 1 == stardist.matching(*pair, thresh=k / 20).accuracy


@pytest.mark.parametrize("k", TWENTIETHS)
def test_an_iou_of_exactly_t_is_a_match_at_this_threshold_and_those_below(score, k):
    ours = score(METRIC, *exact_iou(k))
    assert ours[f"SA@{THRESHOLDS[k - 10]}"] == 1
    assert ours["mSA"] == pytest.approx((k - 9) / 10)


@pytest.mark.parametrize("tool", ["cellpose", "microsam"])
def test_an_iou_of_exactly_060_is_lost_by_tools_that_use_arange(score, tool):
    pair = exact_iou(12)
    other = InstanceMetric(InstanceOptions(convention=tool), BuildContext())
    assert score(METRIC, *pair)["SA@0.6"] == 1
    assert score(other, *pair)[f"SA@0.6 [{tool}]"] == 0
    assert score(other, *pair)[f"SA@0.55 [{tool}]"] == 1
    assert score(other, *pair)[f"mSA [{tool}]"] == pytest.approx(0.2)


def float_rule(reference, prediction, thresholds):
    """TP at each threshold by the float64 rule that cellpose and elf share, from dense masks."""
    from scipy.optimize import linear_sum_assignment

    rows, columns = np.unique(reference[reference > 0]), np.unique(prediction[prediction > 0])
    iou = np.array(
        [
            [
                np.sum((reference == r) & (prediction == p)) / np.sum((reference == r) | (prediction == p))
                for p in columns
            ]
            for r in rows
        ]
    ).reshape(rows.size, columns.size)
    found = []
    for t in thresholds:
        chosen = linear_sum_assignment(-(iou >= t).astype(float) - iou / (2 * max(1, min(iou.shape))))
        found.append(int(np.sum(iou[chosen] >= t)))
    return found, rows, columns


@settings(deadline=None)
@given(pair=label_pairs())
def test_micro_sam_counts_with_float_thresholds_and_scores_nothing_as_zero(score, pair):
    metric = InstanceMetric(InstanceOptions(convention="microsam"), BuildContext())
    found, rows, columns = float_rule(*pair, np.arange(0.5, 1.0, 0.05))
    expected = [tp / (rows.size + columns.size - tp) if tp else 0.0 for tp in found]
    ours = score(metric, *pair)
    assert [ours[f"SA@{t} [microsam]"] for t in THRESHOLDS] == pytest.approx(expected)
    assert ours["mSA [microsam]"] == pytest.approx(np.mean(expected))


@settings(deadline=None)
@given(pair=label_pairs())
def test_cellpose_counts_objects_by_the_largest_id_and_leaves_nothing_undefined(score, pair):
    metric = InstanceMetric(InstanceOptions(convention="cellpose"), BuildContext())
    found, _, _ = float_rule(*pair, np.arange(0.5, 1.0, 0.05))
    largest = int(pair[0].max()) + int(pair[1].max())
    ours = score(metric, *pair)
    for t, tp in zip(THRESHOLDS, found, strict=True):
        expected = tp / (largest - tp) if largest else np.nan
        assert ours[f"SA@{t} [cellpose]"] == pytest.approx(expected, nan_ok=True)


@settings(deadline=None)
@given(pair=label_pairs())
def test_the_numbers_of_objects_are_exact_under_every_convention(sample, segmentation, pair):
    for convention in ("stardist", "cellpose", "microsam"):
        metric = InstanceMetric(InstanceOptions(convention=convention), BuildContext())
        there, here = (m.statistics(sample(pair[0]), segmentation(pair[1]), Prompts()).image for m in (metric, METRIC))
        assert {n: there[n] for n in ("references", "predictions", "count_error", "splits")} == {
            n: here[n] for n in ("references", "predictions", "count_error", "splits")
        }


@settings(deadline=None)
@given(pair=label_pairs())
def test_every_object_is_counted_once_at_every_threshold(sample, segmentation, pair):
    image = METRIC.statistics(sample(pair[0]), segmentation(pair[1]), Prompts()).image
    references, predictions = (np.unique(labels[labels > 0]).size for labels in pair)
    assert (image["references"], image["predictions"]) == (references, predictions)
    for t in THRESHOLDS:
        assert image[f"tp@{t}"] + image[f"fn@{t}"] == references
        assert image[f"tp@{t}"] + image[f"fp@{t}"] == predictions


@settings(deadline=None)
@given(pair=label_pairs())
def test_scores_fall_as_the_threshold_rises(score, pair):
    ours = score(METRIC, *pair)
    for name in ("SA", "F1"):
        values = [ours[f"{name}@{t}"] for t in THRESHOLDS]
        assert np.isnan(values).all() or all(a >= b for a, b in itertools.pairwise(values))


@settings(deadline=None)
@given(pair=label_pairs())
def test_a_perfect_prediction_scores_one(score, pair):
    ours = score(METRIC, pair[0], pair[0])
    if not pair[0].any():
        return
    for name in ("mSA", "PQ", "SQ", "RQ", "precision@0.5", "recall@0.5", *(f"F1@{t}" for t in THRESHOLDS)):
        assert ours[name] == 1
    assert ours["count error"] == ours["splits"] == ours["merges"] == 0


@settings(deadline=None)
@given(pair=label_pairs(), seed=st.integers(0, 1000), flip=st.sampled_from([(1, -1), (-1, 1), (-1, -1)]))
def test_relabelling_and_flipping_change_nothing(score, pair, seed, flip):
    new_ids = np.concatenate([[0], np.random.default_rng(seed).permutation(900)[:9] + 1]).astype(np.int32)
    changed = [new_ids[labels][:: flip[0], :: flip[1]] for labels in pair]
    assert score(METRIC, *changed) == pytest.approx(score(METRIC, *pair), nan_ok=True)


@settings(deadline=None)
@given(pair=label_pairs(), pad=st.tuples(*[st.integers(0, 3)] * 4))
def test_translating_changes_nothing(score, pair, pad):
    moved = [np.pad(labels, ((pad[0], pad[1]), (pad[2], pad[3]))) for labels in pair]
    assert score(METRIC, *moved) == pytest.approx(score(METRIC, *pair), nan_ok=True)


@settings(deadline=None)
@given(pair=label_pairs())
def test_exchanging_reference_and_prediction_exchanges_the_errors(sample, segmentation, pair):
    there = METRIC.statistics(sample(pair[0]), segmentation(pair[1]), Prompts()).image
    back = METRIC.statistics(sample(pair[1]), segmentation(pair[0]), Prompts()).image
    assert (there["splits"], there["merges"]) == (back["merges"], back["splits"])
    assert all(there[f"fp@{t}"] == back[f"fn@{t}"] for t in THRESHOLDS)
    assert there["count_error"] == back["count_error"]


def test_huge_ids_score_as_small_ones(score):
    small = np.array([[1, 1, 0, 2, 2, 0, 3, 3]], np.int32)
    huge = np.array([0, 5, 900, 2**31 - 1], np.int32)[small]
    assert score(METRIC, huge, small) == pytest.approx(score(METRIC, small, small), nan_ok=True)


def test_both_empty_is_undefined_but_no_object_was_miscounted(score):
    ours = score(METRIC, np.zeros((4, 4)), np.zeros((4, 4)))
    assert ours.pop("count error") == 0
    assert all(np.isnan(value) for value in ours.values())


@pytest.mark.parametrize("tool", ["stardist", "microsam"])
def test_both_empty_is_zero_in_tools_that_say_so(score, tool):
    metric = InstanceMetric(InstanceOptions(convention=tool), BuildContext())
    ours = score(metric, np.zeros((4, 4)), np.zeros((4, 4)))
    assert ours[f"mSA [{tool}]"] == ours[f"F1@0.5 [{tool}]"] == ours[f"precision@0.5 [{tool}]"] == 0


def test_only_the_reference_empty_scores_zero_and_has_no_recall(score):
    ours = score(METRIC, [[0, 0, 0]], [[0, 1, 2]])
    assert ours["mSA"] == ours["F1@0.5"] == ours["PQ"] == ours["precision@0.5"] == 0
    assert np.isnan([ours["recall@0.5"], ours["SQ"], ours["splits"]]).all()
    assert ours["count error"] == 2


def test_only_the_prediction_empty_scores_zero_and_has_no_precision(score):
    ours = score(METRIC, [[0, 1, 2]], [[0, 0, 0]])
    assert ours["mSA"] == ours["F1@0.5"] == ours["PQ"] == ours["recall@0.5"] == 0
    assert np.isnan([ours["precision@0.5"], ours["SQ"]]).all()
    assert ours["count error"] == 2


def test_an_image_without_background_is_scored(score):
    labels = np.repeat([[1, 2, 3]], 3, axis=0)
    assert score(METRIC, labels, labels)["mSA"] == 1


def test_pooling_adds_counts_and_per_image_means_are_the_same_function(sample, segmentation, totals):
    good = METRIC.statistics(sample([[1, 2, 3, 4]]), segmentation([[1, 2, 3, 4]]), Prompts())
    bad = METRIC.statistics(sample([[1, 0]]), segmentation([[0, 1]]), Prompts())
    blank = METRIC.statistics(sample([[0, 0]]), segmentation([[0, 0]]), Prompts())
    pooled = METRIC.scores(totals(good, bad, blank))
    assert float(pooled["SA@0.5"]) == pytest.approx(4 / 6)
    assert float(pooled["F1@0.5"]) == pytest.approx(8 / 10)
    stacked = {name: np.array([s.image[name] for s in (good, bad, blank)]) for name in good.image}
    np.testing.assert_array_equal(METRIC.scores(stacked)["SA@0.5"], [1, 0, np.nan])


def test_scores_take_arrays_of_any_shape(sample, segmentation):
    measured = METRIC.statistics(sample([[1, 1, 0, 2]]), segmentation([[1, 1, 1, 0]]), Prompts())
    weights = np.arange(6, dtype=float).reshape(2, 3)
    scores = METRIC.scores({name: value * weights for name, value in measured.image.items()})
    assert list(scores) == [score.name for score in METRIC.reported]
    assert all(value.shape == (2, 3) for value in scores.values())
    assert np.isnan(scores["F1@0.5"][0, 0])
    assert scores["F1@0.5"][1, 2] == pytest.approx(2 / 3)


def test_quality_is_the_product_of_its_two_parts(score):
    ours = score(METRIC, [[1, 1, 1, 1, 0, 2, 2, 0]], [[1, 1, 1, 0, 0, 0, 0, 5]])
    assert ours["SQ"] == 0.75
    assert ours["RQ"] == ours["F1@0.5"] == pytest.approx(0.5)
    assert ours["PQ"] == pytest.approx(ours["SQ"] * ours["RQ"])


def test_partial_annotation_does_not_punish_what_nobody_annotated(score):
    reference, prediction = [[1, 1, 0, 2, 2, 0, 0]], [[3, 3, 0, 0, 0, 4, 4]]
    complete, partial = score(METRIC, reference, prediction), score(METRIC, reference, prediction, partial=True)
    assert complete["F1@0.5"] == pytest.approx(0.5)
    assert partial["F1@0.5"] == pytest.approx(2 / 3)
    assert partial["recall@0.5"] == complete["recall@0.5"] == 0.5
    assert np.isnan([partial["precision@0.5"], partial["count error"]]).all()


def test_ignored_pixels_are_removed_from_both_before_anything_is_counted(score):
    reference, prediction = [[1, 1, 1, 1, 0, 0]], [[1, 1, 0, 0, 2, 2]]
    ignore = np.array([[False, False, True, True, True, True]])
    ours = score(METRIC, reference, prediction, ignore=ignore)
    assert ours["mSA"] == ours["SQ"] == ours["precision@0.5"] == 1


def test_split_and_merged_objects_are_counted(score):
    reference = [[1, 1, 1, 1, 0, 2, 2, 3, 3, 0, 4, 4]]
    prediction = [[1, 1, 2, 2, 0, 3, 3, 3, 3, 0, 4, 4]]
    ours = score(METRIC, reference, prediction)
    assert ours["splits"] == ours["merges"] == 1 / 4
    assert ours["count error"] == 0


def test_a_prediction_half_outside_an_object_takes_no_part_in_a_split(score):
    assert score(METRIC, [[1, 1, 1, 0]], [[1, 1, 2, 2]])["splits"] == 0
    assert score(METRIC, [[1, 1, 1, 1, 0]], [[1, 2, 2, 2, 2]])["splits"] == 1


def test_one_prediction_over_everything_merges_once(score):
    reference = np.arange(1, 10).reshape(3, 3)
    ours = score(METRIC, reference, np.ones((3, 3)))
    assert ours["merges"] == pytest.approx(1 / 9)
    assert ours["count error"] == 8


@pytest.mark.parametrize(
    ("side", "column"),
    [
        (15, "<256px"),
        (16, "256-1023px"),
        (31, "256-1023px"),
        (32, "1024-9215px"),
        (95, "1024-9215px"),
        (96, ">=9216px"),
    ],
)
def test_recall_is_told_apart_by_the_size_of_the_reference_object(score, side, column):
    labels = np.zeros((100, 100), np.int32)
    labels[:side, :side] = 1
    ours = score(METRIC, labels, labels)
    strata = {name: value for name, value in ours.items() if name.startswith("recall@0.5 (")}
    assert len(strata) == 4
    assert [name for name, value in strata.items() if value == 1] == [f"recall@0.5 ({column})"]
    assert sum(np.isnan(value) for value in strata.values()) == 3


def test_the_object_table_has_a_row_per_reference_object_and_per_lone_prediction(sample, segmentation):
    reference, prediction = [[9, 9, 9, 0, 4, 4, 4, 4, 0, 0]], [[1, 1, 0, 0, 3, 0, 0, 0, 2, 0]]
    given_scores = np.array([0.9, 0.7, 0.2], np.float32)
    measured = METRIC.statistics(sample(reference), segmentation(prediction, scores=given_scores), Prompts())
    rows = measured.objects
    assert len({column.size for column in rows.values()}) == 1
    assert rows["reference_id"].tolist() == [4, 9, 0, 0]
    assert rows["reference_area"].tolist() == [4, 3, 0, 0]
    assert rows["prediction_id"].tolist() == [0, 1, 2, 3]
    assert rows["prediction_area"].tolist() == [0, 2, 1, 1]
    assert rows["matched"].tolist() == [False, True, False, False]
    assert rows["iou"].tolist() == pytest.approx([1 / 4, 2 / 3, 0, 1 / 4])
    np.testing.assert_array_equal(rows["score"], np.array([np.nan, 0.9, 0.7, 0.2], np.float32))


@settings(deadline=None)
@given(pair=label_pairs())
def test_the_object_table_agrees_with_the_counts(sample, segmentation, pair):
    measured = METRIC.statistics(sample(pair[0]), segmentation(pair[1]), Prompts())
    rows, image = measured.objects, measured.image
    assert rows["matched"].sum() == image["tp@0.5"]
    assert (rows["reference_id"] > 0).sum() == image["references"]
    assert (rows["prediction_id"] > 0).sum() == image["predictions"]
    assert rows["iou"][rows["matched"]].sum() == pytest.approx(image["iou_sum"])
    for k, t in zip(TWENTIETHS, THRESHOLDS, strict=True):
        assert (rows["iou"][rows["matched"]] >= k / 20 - 1e-12).sum() == image[f"tp@{t}"]


def test_an_id_without_a_pixel_is_no_prediction(sample, segmentation):
    scores = np.ones(5, np.float32)
    measured = METRIC.statistics(sample([[1, 0]]), segmentation([[3, 0]], scores=scores), Prompts())
    assert measured.image["predictions"] == 1
    assert measured.objects["prediction_id"].tolist() == [3]


def test_the_result_says_that_instances_were_made_from_a_mask(sample, segmentation):
    measured = METRIC.statistics(sample([[1]], semantic=True), segmentation([[1]], semantic=True), Prompts())
    assert measured.image["reference_from_mask"] == measured.image["prediction_from_mask"] == 1
    assert METRIC.statistics(sample([[1]]), segmentation([[1]]), Prompts()).image["prediction_from_mask"] == 0


def test_the_statistics_have_the_same_names_for_every_image(sample, segmentation):
    images = [([[0]], [[0]]), ([[1]], [[0]]), ([[0]], [[1]]), ([[1, 2]], [[2, 2]])]
    names = {tuple(METRIC.statistics(sample(r), segmentation(p), Prompts()).image) for r, p in images}
    assert len(names) == 1


def test_without_reference_there_is_nothing_to_measure(sample, segmentation):
    assert METRIC.statistics(sample([[1]], labels=None), segmentation([[1]]), Prompts()) is None


def test_labels_of_another_image_are_refused(sample, segmentation):
    with pytest.raises(ContractError, match=r"\(4, 3\).*\(3, 4\)"):
        METRIC.statistics(sample(np.zeros((3, 4))), segmentation(np.zeros((4, 3))), Prompts())


def test_the_headline_scores_come_first_and_errors_rank_downwards():
    reported = METRIC.reported
    assert [s.name for s in reported if s.headline] == ["F1@0.5", "mSA"]
    assert [s.name for s in reported if not s.higher_is_better] == ["count error", "splits", "merges"]
    assert {s.name for s in reported} >= {"PQ", "SQ", "RQ", "precision@0.5", "recall@0.5"}
    assert {f"{name}@{t}" for name in ("SA", "F1") for t in THRESHOLDS} <= {s.name for s in reported}
