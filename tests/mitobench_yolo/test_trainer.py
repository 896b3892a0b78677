"""The trainer repeats bit for bit, resumes exactly, says clearly what it cannot learn from, and leaves nothing behind."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch

import mitobench_yolo
from mitobench.checkpoints import read_card, read_checkpoint
from mitobench.errors import DataError, MissingError, UsageError
from mitobench.hashing import sha256_file
from mitobench.interfaces import Trainer, TrainingRequest
from mitobench.options import parse_options
from mitobench.training.loop import resume_path
from mitobench_yolo.architecture import yolo11
from mitobench_yolo.options import ROLE, TrainerOptions
from mitobench_yolo.trainer import YoloTrainer

_MEASURED = ("ap50", "ap50_95", "f1", "confidence", "precision", "recall", "score")


@pytest.fixture
def few(discs, source_of):
    return source_of([discs(n) for n in range(5)])


def tensors(path):
    return {key: value.tobytes() for key, value in read_checkpoint(path)[0].items()}


def test_it_is_what_the_interface_asks_for(make_trainer):
    assert isinstance(make_trainer(), Trainer)
    assert mitobench_yolo.mitobench_trainers()[0].trains == ("yolo",)


def test_one_seed_trains_the_same_weights_to_the_bit_and_another_does_not(make_trainer, few, tmp_path):
    outs = [tmp_path / f"{name}.safetensors" for name in "abc"]
    for out, seed in zip(outs, (0, 0, 1), strict=True):
        make_trainer(seed, epochs=1).train(TrainingRequest(training=few, out=out))
    assert tensors(outs[0]) == tensors(outs[1])
    assert tensors(outs[0]) != tensors(outs[2])


def test_stopped_and_resumed_is_the_same_as_straight_through(make_trainer, few, tmp_path):
    straight, halves = tmp_path / "straight.safetensors", tmp_path / "halves.safetensors"
    events = []
    make_trainer(close_mosaic=0.5).train(TrainingRequest(training=few, out=straight, report=events.append))
    taken = []
    request = TrainingRequest(
        training=few, out=halves, report=taken.append, should_stop=lambda: len(taken) >= 1 and taken[-1].done == 1
    )
    stopped = make_trainer(close_mosaic=0.5).train(request)
    assert not stopped.finished
    assert not halves.exists()
    assert resume_path(halves).exists()
    resumed = []
    finished = make_trainer(close_mosaic=0.5).train(TrainingRequest(training=few, out=halves, report=resumed.append))
    assert finished.finished
    assert resumed[0].message == "resumed after 1 of 4 steps"
    assert tensors(halves) == tensors(straight)
    assert not resume_path(halves).exists()
    losses = [[e.values["box_loss"] for e in part if "box_loss" in e.values] for part in (events, taken, resumed)]
    assert losses[0] == losses[1] + losses[2]


def test_the_state_of_another_training_is_refused(make_trainer, few, tmp_path):
    out = tmp_path / "x.safetensors"
    make_trainer().train(TrainingRequest(training=few, out=out, should_stop=lambda: True))
    with pytest.raises(UsageError, match="other options, seed or data"):
        make_trainer(seed=1).train(TrainingRequest(training=few, out=out))
    assert make_trainer(seed=1, epochs=1).train(TrainingRequest(training=few, out=out, resume=False)).finished


def test_progress_is_told_after_every_step_and_validation(make_trainer, few, tmp_path):
    events = []
    make_trainer().train(TrainingRequest(training=few, out=tmp_path / "x.safetensors", report=events.append))
    steps = [e for e in events if "lr" in e.values]
    scores = [e for e in events if "validation_ap50" in e.values]
    assert [(e.done, e.total, e.epoch) for e in steps] == [(1, 4, 1), (2, 4, 1), (3, 4, 2), (4, 4, 2)]
    assert [e.done for e in scores] == [2, 4]
    assert all({"box_loss", "cls_loss", "dfl_loss"} <= set(e.values) for e in steps)
    assert all({f"validation_{name}" for name in _MEASURED} == set(e.values) for e in scores)


def test_the_card_says_what_was_trained_how_and_on_what(learned, discs):
    card = read_card(learned)
    assert card.component == "yolo"
    assert card.architecture["layers"] == yolo11("n", 64).layers
    assert card.architecture["image_size"] == 64
    assert 0 < card.architecture["confidence"] < 1
    assert card.trainer["options"]["epochs"] == 13
    assert card.training_groups == ("slide",)
    assert set(card.training_origins) == {discs(n).origin for n in range(72)}
    assert (card.data["samples"], card.data["validation_samples"], card.data["spec"]) == (64, 8, "discs")
    assert card.data["objects"] > 64
    assert card.metrics["validation_f1"] > 0.8
    assert min(card.metrics["validation_precision"], card.metrics["validation_recall"]) > 0.7
    assert card.versions["ultralytics"] != "unknown"
    assert card.licence == "CC0-1.0"
    assert "AGPL-3.0" in card.notes


def test_only_the_checkpoint_is_left_behind_and_nothing_is_printed(make_trainer, few, tmp_path, monkeypatch, capfd):
    work, temporary, out = tmp_path / "work", tmp_path / "tmp", tmp_path / "out"
    for folder in (work, temporary, out):
        folder.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    make_trainer(epochs=1).train(TrainingRequest(training=few, out=out / "x.safetensors"))
    assert [p.name for p in out.iterdir()] == ["x.safetensors"]
    assert not list(work.iterdir())
    assert not list(temporary.iterdir())
    assert capfd.readouterr() == ("", "")


def test_the_report_of_the_validation_samples_is_written_where_asked_for(make_trainer, few, tmp_path):
    out, folder = tmp_path / "x.safetensors", tmp_path / "report"
    result = make_trainer(epochs=1, report=str(folder)).train(TrainingRequest(training=few, out=out))
    document = json.loads((folder / "detection.json").read_text())
    assert document["images"] == 2
    assert document["ap50"] == pytest.approx(result.best["ap50"])
    assert document["best_f1"] == pytest.approx(result.best["f1"])
    assert sorted(path.suffix for path in folder.iterdir()) == [".json", *[".parquet"] * 2, *[".png"] * 5]
    assert str(tmp_path) not in json.dumps(dict(read_card(out).trainer))


def test_the_report_judges_at_the_iou_asked_for_and_the_card_does_not(
    make_trainer, discs, source_of, tmp_path, learned
):
    def train(iou):
        trainer = make_trainer(
            init=learned,
            weights={ROLE: learned},
            epochs=1,
            lr=1e-9,
            averaging=0,
            report=tmp_path / f"{iou}",
            report_iou=iou,
        )
        request = TrainingRequest(
            training=source_of([discs(0)]),
            validation=source_of([discs(n) for n in range(64, 72)]),
            out=tmp_path / f"{iou}.safetensors",
        )
        trainer.train(request)
        return json.loads((tmp_path / f"{iou}" / "detection.json").read_text()), read_card(request.out)

    (loose, card), (strict, same) = train(0.5), train(0.9)
    assert (loose["iou"], strict["iou"]) == (0.5, 0.9)
    assert strict["confusion"][0][0] < loose["confusion"][0][0]
    assert strict["tp"] + strict["fn"] == loose["tp"] + loose["fn"]
    assert card.metrics == same.metrics
    assert card.metrics["validation_precision"] == pytest.approx(loose["precision"])
    assert card.metrics["validation_recall"] == pytest.approx(loose["recall"])


def test_where_and_how_the_report_is_made_is_no_part_of_what_a_checkpoint_is(tmp_path):
    options = parse_options(TrainerOptions, {"report": "detect", "report_iou": 0.45}, owner="yolo", base=tmp_path)
    assert options.report == tmp_path / "detect"
    assert options.identity() == TrainerOptions().identity()
    assert not {"report", "report_iou"} & set(options.identity())


def test_half_as_large_with_half_precision_and_still_read(make_trainer, few, tmp_path):
    from mitobench_yolo.weights import load_network

    sizes = []
    for half in (False, True):
        out = tmp_path / f"{half}.safetensors"
        make_trainer(epochs=1, half=half).train(TrainingRequest(training=few, out=out))
        sizes.append(out.stat().st_size)
        network, _ = load_network(out)
        assert next(network.parameters()).dtype == torch.float32
    assert sizes[1] < 0.55 * sizes[0]


def test_training_starts_from_the_checkpoint_that_init_names(make_trainer, few, tmp_path, learned):
    out, events = tmp_path / "x.safetensors", []
    trainer = make_trainer(init=learned, weights={ROLE: learned}, epochs=1, lr=1e-9, averaging=0)
    trainer.train(TrainingRequest(training=few, out=out, report=events.append))
    before, after = read_checkpoint(learned)[0], read_checkpoint(out)[0]
    weights = [key for key in after if key.endswith("conv.weight")]
    assert all(np.allclose(after[key], before[key], atol=1e-6) for key in weights)
    assert read_card(out).base_sha256 == sha256_file(learned)
    assert re.fullmatch(r"took over (\d+) of \1 tensors from discs\.safetensors", events[0].message)


def test_a_pickle_to_start_from_needs_its_hash(make_trainer, few, tmp_path):
    path = tmp_path / "yolo11n.pt"
    torch.save({"model": 1}, path)
    with pytest.raises(MissingError, match="refused unread"):
        make_trainer(init=path, weights={ROLE: path}).train(
            TrainingRequest(training=few, out=tmp_path / "x.safetensors")
        )


def test_starting_from_another_size_is_refused(make_trainer, few, tmp_path, random_weights):
    trainer = make_trainer(size="s", init=random_weights, weights={ROLE: random_weights})
    with pytest.raises(MissingError, match="another size"):
        trainer.train(TrainingRequest(training=few, out=tmp_path / "x.safetensors"))


def test_the_checkpoints_name_must_say_safetensors(make_trainer, few, tmp_path):
    with pytest.raises(UsageError, match=r"must end in \.safetensors"):
        make_trainer().train(TrainingRequest(training=few, out=tmp_path / "x.pt"))


def relabelled(sample, labels):
    return replace(sample, labels=labels.astype(np.int32))


def test_data_that_cannot_be_learned_from_end_in_a_message_and_no_file(make_trainer, discs, source_of, tmp_path):
    empty = [relabelled(discs(n), np.zeros((64, 64))) for n in range(3)]
    for samples, message in (
        (empty, "none of the 2 training samples holds an object"),
        ([discs(0)], "expected at least one to learn from"),
        ([], r"has 0 sample\(s\)"),
        ([discs(0), discs(1).without_reference()], "has no reference"),
    ):
        with pytest.raises(DataError, match=message):
            make_trainer().train(TrainingRequest(training=source_of(samples), out=tmp_path / "x.safetensors"))
    assert not list(tmp_path.iterdir())


def test_objects_as_large_as_the_image_empty_images_and_odd_shapes_are_trained_on(
    make_trainer, discs, source_of, tmp_path
):
    samples = [
        relabelled(discs(0), np.ones((64, 64))),
        relabelled(discs(1), np.zeros((64, 64))),
        discs(2, (20, 90)),
        discs(3, (64, 64), colour=True),
        discs(4),
        relabelled(discs(5), np.ones((64, 64))),
    ]
    result = make_trainer(epochs=1).train(TrainingRequest(training=source_of(samples), out=tmp_path / "x.safetensors"))
    assert result.finished
    assert all(np.isfinite(value).all() for value in read_checkpoint(result.checkpoint)[0].values())


def test_a_batch_of_one_image_and_the_smallest_input_is_trained_on(make_trainer, few, tmp_path):
    assert make_trainer(epochs=1, batch=1).train(TrainingRequest(training=few, out=tmp_path / "x.safetensors")).finished


def test_the_class_is_what_the_descriptor_names():
    descriptor = mitobench_yolo.mitobench_trainers()[0]
    assert descriptor.target == f"{YoloTrainer.__module__}:{YoloTrainer.__name__}"
