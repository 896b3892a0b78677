"""A training step learns; a validation scores what the report would say; the state holds all that the next step needs."""

import numpy as np
import pytest
import torch

from mitobench.training.loop import SCORE
from mitobench_yolo.architecture import build_network, yolo11
from mitobench_yolo.options import TrainerOptions
from mitobench_yolo.samples import write_dataset
from mitobench_yolo.task import DetectionTask
from mitobench_yolo.weights import load_network


@pytest.fixture
def make_task(tmp_path, discs, source_of):
    made = []

    def make(*, device="cpu", network=None, seed=0, samples=4, **options):
        given = TrainerOptions(**{"batch": 2, "image_size": 64, "mosaic": 0, "lr": 2e-3, **options})
        architecture = yolo11("n", 64)
        made.append(tmp_path / f"set{len(made)}")
        blocks = write_dataset(
            list(source_of([discs(n) for n in range(samples)]).refs()),
            list(source_of([discs(n) for n in range(500, 504)]).refs()),
            made[-1],
        )
        network = network or build_network(architecture, seed=seed)
        return DetectionTask(network, architecture, given, seed=seed, device=torch.device(device), blocks=blocks)

    return make


def total(parts) -> float:
    return sum(parts[name] for name in ("box_loss", "cls_loss", "dfl_loss"))


def test_the_loss_of_one_batch_falls_when_it_is_seen_again_and_again(make_task):
    task = make_task(samples=2, flips=False, scale=0, translate=0, hue=0, saturation=0, brightness=0)
    losses = [total(task.step(step, 0.2)) for step in range(40)]
    # It starts near zero, because a random network's boxes are so bad that hardly any is assigned to an object.
    assert losses[-1] < 0.6 * max(losses)


def test_the_loss_is_ultralytics_own(make_task):
    task = make_task(samples=2)
    batch = task.batches.batch(0, mosaics=True)
    network = build_network(yolo11("n", 64), seed=0)
    from mitobench_yolo.runtime import DEFAULTS, Settings

    network.args = Settings(**DEFAULTS)
    _, parts = network.loss({**batch, "img": batch["img"].float() / 255})
    expected = [float(value) for value in (parts.values() if isinstance(parts, dict) else parts)]
    found = task.step(0, 0.2)
    np.testing.assert_allclose([found[n] for n in ("box_loss", "cls_loss", "dfl_loss")], expected, rtol=1e-5)


def test_every_parameter_that_learns_is_in_one_group_and_only_kernels_decay(make_task):
    task = make_task(weight_decay=0.01)
    groups = task.state()["optimiser"]["param_groups"]
    network = build_network(yolo11("n", 64))
    learning = [p for p in network.parameters() if p.requires_grad]
    assert [group["weight_decay"] for group in groups] == [0.01, 0.0]
    assert len(groups[0]["params"]) == sum(p.ndim > 1 for p in learning)
    assert sum(len(group["params"]) for group in groups) == len(learning)


def test_the_learning_rate_rises_then_falls(make_task):
    task = make_task()
    rates = [task.step(step, progress)["lr"] for step, progress in enumerate((0.0, 0.05, 0.5, 0.99))]
    assert rates[0] < rates[1] > rates[2] > rates[3]
    assert rates[1] == pytest.approx(2e-3)


def test_mosaics_end_with_the_last_share_of_the_training(make_task):
    task = make_task(mosaic=1.0, close_mosaic=0.5)
    asked = []
    original = task.batches.batch
    task.batches.batch = lambda step, *, mosaics: asked.append(mosaics) or original(step, mosaics=mosaics)
    for step, progress in enumerate((0.0, 0.4, 0.5, 0.9)):
        task.step(step, progress)
    assert asked == [True, True, False, False]


def test_a_restored_task_goes_on_as_if_nothing_had_happened(make_task):
    straight, first, second = (
        make_task(),
        make_task(),
        make_task(seed=0, network=build_network(yolo11("n", 64), seed=9)),
    )
    for step in range(3):
        expected = straight.step(step, step / 10)
    first.step(0, 0.0)
    first.step(1, 0.1)
    second.restore(first.state())
    assert second.step(2, 0.2) == expected
    for key, value in straight.weights().items():
        assert torch.equal(value, second.weights()[key]), key


def test_validation_scores_are_those_of_the_report(make_task, learned):
    network, architecture = load_network(learned)
    task = make_task(network=network)
    scores = task.validate()
    report = task.report(task.weights(), architecture.confidence)
    assert scores["ap50"] == report.ap50 > 0.5
    assert scores["ap50_95"] == report.ap50_95
    assert (scores["f1"], scores["confidence"]) == (report.best_f1, report.best_confidence)
    assert scores[SCORE] == pytest.approx((report.ap50_95 + report.best_f1) / 2)


def test_precision_and_recall_are_those_of_the_report_at_the_confidence_of_the_highest_f1(make_task, learned):
    network, _ = load_network(learned)
    task = make_task(network=network)
    scores = task.validate()
    report = task.report(task.weights(), scores["confidence"])
    assert (scores["precision"], scores["recall"]) == (report.precision, report.recall)
    harmonic = 2 / (1 / scores["precision"] + 1 / scores["recall"])
    assert scores["f1"] == pytest.approx(harmonic)
    assert scores["f1"] > 0.5


def test_where_nothing_is_found_precision_and_recall_are_numbers_too(make_task, monkeypatch):
    task = make_task()
    found = [(np.array([[1.0, 1, 9, 9]]), np.zeros((0, 5), np.float32))]
    monkeypatch.setattr(task, "_detections", lambda: iter(found))
    scores = task.validate()
    assert (scores["f1"], scores["precision"], scores["recall"]) == (0, 0, 0)


def test_a_random_network_scores_near_nothing(make_task):
    scores = make_task().validate()
    assert scores["ap50"] < 0.1
    assert scores[SCORE] < 0.2


def test_what_is_scored_is_the_average_of_the_weights(make_task):
    task = make_task(averaging=0.999)
    before = {key: value.clone() for key, value in task.weights().items()}
    task.step(0, 0.2)
    now, average = task.state()["network"], task.weights()
    key = "model.0.conv.weight"
    assert not torch.equal(now[key], before[key])
    np.testing.assert_allclose(average[key], 0.1 * before[key] + 0.9 * now[key], atol=1e-6)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_learns_too(make_task):
    task = make_task(device="cuda", samples=2)
    losses = [total(task.step(step, 0.2)) for step in range(60)]
    assert losses[-1] < 0.8 * max(losses)
    assert np.isfinite(list(task.validate().values())).all()
