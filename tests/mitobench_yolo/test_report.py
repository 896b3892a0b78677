"""The detection report: counts by hand, the same numbers in every form, and figures that show them."""

import json
import math

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from mitobench.errors import DataError
from mitobench.interfaces import BuildContext
from mitobench_yolo.matching import match
from mitobench_yolo.options import ROLE, PrompterOptions
from mitobench_yolo.report import MEASURES, JudgedImage, evaluate, measure


def boxes(*rows):
    return np.array(rows, float).reshape(-1, 4)


def found(*rows):
    return np.array(rows, float).reshape(-1, 5)


@pytest.fixture
def report():
    first = JudgedImage(
        objects=boxes([0, 0, 10, 10], [20, 20, 30, 40]),
        detections=found([0, 0, 10, 10, 0.9], [0, 0, 10, 9, 0.8], [20, 20, 30, 30, 0.3]),
        shape=(50, 100),
    )
    second = JudgedImage(objects=boxes([5, 5, 9, 9]), detections=found([40, 40, 45, 45, 0.6]), shape=(50, 50))
    return measure([first, second, JudgedImage(objects=boxes(), detections=found(), shape=(9, 9))], confidence=0.5)


def test_counts_are_what_one_counts_by_hand(report):
    assert (report.tp, report.fp, report.fn) == (1, 2, 2)
    assert (report.images, report.objects) == (3, 3)
    assert (report.precision, report.recall) == (pytest.approx(1 / 3), pytest.approx(1 / 3))
    assert report.f1 == pytest.approx(1 / 3)
    assert report.confusion.tolist() == [[1, 2], [2, 0]]


def test_curves_are_the_counts_at_each_confidence(report):
    curve = report.curve
    assert len(curve["confidence"]) == 1001
    at = {c: int(np.flatnonzero(np.isclose(curve["confidence"], c))[0]) for c in (0.0, 0.3, 0.301, 0.85, 0.95)}
    assert curve["recall"][at[0.3]] == pytest.approx(2 / 3)
    assert curve["precision"][at[0.3]] == pytest.approx(2 / 4)
    assert curve["recall"][at[0.301]] == pytest.approx(1 / 3)
    assert curve["f1"][at[0.85]] == pytest.approx(2 * 1 / (1 + 3))
    assert math.isnan(curve["precision"][at[0.95]])
    assert curve["f1"][at[0.95]] == 0
    assert np.all(np.diff(curve["recall"]) <= 0)
    assert report.best_f1 == pytest.approx(np.nanmax(curve["f1"]))


def test_a_stricter_iou_makes_fewer_right(report):
    image = JudgedImage(objects=boxes([0, 0, 10, 10]), detections=found([0, 0, 10, 6, 0.9]), shape=(20, 20))
    assert [measure([image], confidence=0.5, iou=iou).tp for iou in (0.5, 0.6, 0.61)] == [1, 1, 0]
    assert measure([image], confidence=0.5).ap50_95 == pytest.approx(0.3)  # right at 0.50, 0.55 and 0.60


def test_the_correlogram_holds_sizes_and_positions_as_shares_of_the_image(report):
    table = report.boxes
    objects = table["kind"] == "object"
    rows = np.stack([table[name] for name in MEASURES], axis=1)
    np.testing.assert_allclose(rows[objects], [[0.05, 0.1, 0.1, 0.2], [0.25, 0.6, 0.1, 0.4], [0.14, 0.14, 0.08, 0.08]])
    assert (~objects).sum() == 3  # the one below the confidence is not drawn
    assert np.isnan(table["confidence"][objects]).all()


def test_correlations_are_pearsons(report):
    rows = np.stack([report.boxes[name][report.boxes["kind"] == "object"] for name in MEASURES])
    np.testing.assert_allclose(report.correlations("object"), np.corrcoef(rows), atol=1e-12)
    constant = JudgedImage(objects=boxes([0, 0, 1, 1], [0, 0, 1, 1]), detections=found(), shape=(5, 5))
    assert np.isnan(measure([constant], confidence=0.5).correlations("object")).all()
    assert np.isnan(measure([constant], confidence=0.5).correlations("detection")).all()


def test_json_and_parquet_say_the_same(report, tmp_path):
    paths = report.write(tmp_path)
    assert [path.name for path in paths] == ["detection.json", "detection-curve.parquet", "detection-boxes.parquet"]
    document = json.loads(paths[0].read_text())
    assert document == report.plain()
    assert (document["tp"], document["fp"], document["fn"]) == (1, 2, 2)
    curve = pq.read_table(paths[1]).to_pydict()
    np.testing.assert_allclose(curve["f1"], report.curve["f1"])
    assert document["curve"]["precision"][-1] is None
    assert pq.read_table(paths[2]).to_pydict()["kind"] == report.boxes["kind"].tolist()


def test_nothing_at_all_is_undefined_and_not_a_crash(tmp_path):
    empty = measure([], confidence=0.5)
    assert all(math.isnan(v) for v in (empty.precision, empty.recall, empty.f1, empty.ap50, empty.ap50_95))
    assert json.loads(empty.write(tmp_path)[0].read_text())["recall"] is None


def test_figures_are_drawn_and_differ_with_the_numbers(report, tmp_path):
    from mitobench_yolo.figures import draw

    names = ["confusion-matrix", "f1-confidence", "precision-confidence", "recall-confidence", "correlogram"]
    paths = draw(report, tmp_path / "one")
    assert [path.stem for path in paths] == names
    other = measure(
        [JudgedImage(objects=boxes([0, 0, 5, 5]), detections=found([0, 0, 5, 5, 0.7]), shape=(9, 9))], confidence=0.5
    )
    for path, again in zip(paths, draw(other, tmp_path / "two"), strict=True):
        picture = np.asarray(Image.open(path).convert("L"))
        assert len(np.unique(picture)) > 10
        assert path.read_bytes() != again.read_bytes()
    draw(measure([], confidence=0.5), tmp_path / "none")


def test_a_curves_figure_holds_the_curve(report):
    from mitobench_yolo.figures import draw_curve

    (axes,) = draw_curve(report, "recall").axes
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), report.curve["recall"])
    assert axes.get_ylabel() == "recall at IoU 0.5"


def test_a_trained_detector_is_evaluated_over_a_data_source(learned, discs, source_of):
    from mitobench_yolo.boxes import reference_boxes
    from mitobench_yolo.prompter import YoloPrompter

    detector = YoloPrompter(PrompterOptions(checkpoint=learned), BuildContext(weights={ROLE: learned}))
    samples = [discs(n) for n in range(400, 406)]
    report = evaluate(detector, source_of(samples))
    right = total = 0
    for sample in samples:
        rows = detector.detect(detector.encode([sample.image])[0])
        right += int((match(reference_boxes(sample.labels), rows[:, :4], rows[:, 4], 0.5) >= 0).sum())
        total += len(rows)
    assert (report.tp, report.fp) == (right, total - right)
    assert report.confidence == detector.confidence
    assert report.best_f1 > 0.8
    assert report.objects == sum(len(reference_boxes(s.labels)) for s in samples)


def test_a_sample_without_reference_cannot_be_evaluated(learned, discs, source_of):
    from mitobench_yolo.prompter import YoloPrompter

    detector = YoloPrompter(PrompterOptions(checkpoint=learned), BuildContext(weights={ROLE: learned}))
    with pytest.raises(DataError, match="has no reference"):
        evaluate(detector, source_of([discs(0).without_reference()]))
