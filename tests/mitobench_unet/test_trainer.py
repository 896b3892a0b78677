"""A training learns, repeats to the bit, and can be stopped and resumed at any step."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mitobench.checkpoints import read_card, read_checkpoint
from mitobench.errors import DataError, MissingError, MitobenchError, UsageError
from mitobench.interfaces import BuildContext, Trainer, TrainingRequest
from mitobench.prompts import Prompts
from mitobench.samples import Sample
from mitobench.training.loop import resume_path
from mitobench_torch.weights import read_state
from mitobench_unet.encoder import load_network
from mitobench_unet.judgement import Tally, tally
from mitobench_unet.options import ROLE, SegmenterOptions, TrainerOptions
from mitobench_unet.segmenter import UnetSegmenter
from mitobench_unet.trainer import UnetTrainer


class StopAfter:
    """Asks to stop once it has been asked so many times."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def __call__(self) -> bool:
        self.left -= 1
        return self.left <= 0


THREE_STEPS = 4
"""Polls until three steps are taken: after each of them, and after the first epoch's validation."""


def tensors_of(path):
    return read_checkpoint(path)[0]


def assert_same_weights(first, second) -> None:
    one, two = tensors_of(first), tensors_of(second)
    assert one.keys() == two.keys()
    for key in one:
        np.testing.assert_array_equal(one[key], two[key], err_msg=key)


def test_it_is_what_the_interface_asks_for(make_trainer) -> None:
    assert isinstance(make_trainer(), Trainer)


def test_bright_discs_are_learned_in_seconds(learned) -> None:
    metrics = read_card(learned).metrics
    assert metrics["validation_dice"] > 0.9
    assert metrics["validation_iou"] > 0.8
    assert metrics["validation_score"] == (metrics["validation_dice"] + metrics["validation_f1"]) / 2


def test_one_seed_gives_one_set_of_weights(make_trainer, discs, tmp_path) -> None:
    for name in ("a", "b"):
        make_trainer(seed=5).train(TrainingRequest(training=discs, out=tmp_path / f"{name}.safetensors"))
    make_trainer(seed=6).train(TrainingRequest(training=discs, out=tmp_path / "c.safetensors"))
    assert_same_weights(tmp_path / "a.safetensors", tmp_path / "b.safetensors")
    one, other = tensors_of(tmp_path / "a.safetensors"), tensors_of(tmp_path / "c.safetensors")
    assert any(not np.array_equal(one[key], other[key]) for key in one)


def test_torchs_global_generator_is_neither_used_nor_changed(make_trainer, discs, tmp_path) -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    make_trainer().train(TrainingRequest(training=discs, out=tmp_path / "a.safetensors"))
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(2)
    make_trainer().train(TrainingRequest(training=discs, out=tmp_path / "b.safetensors"))
    assert_same_weights(tmp_path / "a.safetensors", tmp_path / "b.safetensors")


@pytest.mark.parametrize("stop_after", [1, 2, 3, 4, 7])
def test_stopped_and_resumed_equals_straight_to_the_bit(make_trainer, discs, tmp_path, stop_after) -> None:
    straight, halting = tmp_path / "straight.safetensors", tmp_path / "halting.safetensors"
    whole = make_trainer(epochs=4).train(TrainingRequest(training=discs, out=straight))
    first = make_trainer(epochs=4).train(
        TrainingRequest(training=discs, out=halting, should_stop=StopAfter(stop_after))
    )
    assert (first.finished, halting.exists(), resume_path(halting).exists()) == (False, False, True)
    second = make_trainer(epochs=4).train(TrainingRequest(training=discs, out=halting))
    assert (whole.finished, second.finished, resume_path(halting).exists()) == (True, True, False)
    assert second.best == whole.best
    assert_same_weights(straight, halting)


def test_a_resumed_training_takes_only_the_steps_that_are_left(make_trainer, discs, tmp_path) -> None:
    events = []
    out = tmp_path / "w.safetensors"
    make_trainer().train(TrainingRequest(training=discs, out=out, should_stop=StopAfter(THREE_STEPS)))
    make_trainer().train(TrainingRequest(training=discs, out=out, report=events.append))
    assert "resumed after 3 of 4" in events[0].message
    assert [event.done for event in events if "loss" in event.values] == [4]


def test_resume_false_starts_anew(make_trainer, discs, tmp_path) -> None:
    events = []
    out = tmp_path / "w.safetensors"
    make_trainer().train(TrainingRequest(training=discs, out=out, should_stop=StopAfter(THREE_STEPS)))
    make_trainer().train(TrainingRequest(training=discs, out=out, resume=False, report=events.append))
    assert [event.done for event in events if "loss" in event.values] == [1, 2, 3, 4]


def test_the_state_of_another_training_is_not_continued(make_trainer, discs, source_of, make_disc, tmp_path) -> None:
    out = tmp_path / "w.safetensors"
    make_trainer().train(TrainingRequest(training=discs, out=out, should_stop=StopAfter(1)))
    with pytest.raises(UsageError, match="other options, seed or data"):
        make_trainer(lr=0.5).train(TrainingRequest(training=discs, out=out))
    with pytest.raises(UsageError, match="other options, seed or data"):
        make_trainer(seed=1).train(TrainingRequest(training=discs, out=out))
    other = source_of([make_disc(number) for number in range(20, 26)])
    with pytest.raises(UsageError, match="other options, seed or data"):
        make_trainer().train(TrainingRequest(training=other, out=out))


def test_progress_is_reported_after_every_step_and_every_epoch(make_trainer, discs, tmp_path) -> None:
    events = []
    make_trainer().train(TrainingRequest(training=discs, out=tmp_path / "w.safetensors", report=events.append))
    steps = [event for event in events if "loss" in event.values]
    assert [(event.done, event.total, event.epoch) for event in steps] == [(1, 4, 1), (2, 4, 1), (3, 4, 2), (4, 4, 2)]
    scored = [event for event in events if "validation_dice" in event.values]
    assert [event.done for event in scored] == [2, 4]
    assert all(
        {f"validation_{name}" for name in ("dice", "iou", "f1", "score")} == event.values.keys() for event in scored
    )


def test_the_card_says_what_was_trained_on_what(make_trainer, discs, tmp_path) -> None:
    out = tmp_path / "w.safetensors"
    request = TrainingRequest(training=discs, out=out, data={"spec": "discs", "fingerprint": discs.fingerprint})
    result = make_trainer(seed=3, licence="CC0-1.0").train(request)
    card = read_card(out)
    assert card.component == "unet"
    assert card.training_origins == tuple(sorted(s.origin for s in discs.samples))
    assert card.training_groups == ("slide",)
    assert card.data == {"spec": "discs", "fingerprint": discs.fingerprint, "samples": 5, "validation_samples": 1}
    assert card.trainer["options"]["patch"] == 32
    assert card.trainer["seed"] == 3
    assert card.metrics["validation_dice"] == result.best["dice"]
    assert {"python", "mitobench", "torch", "monai"} <= card.versions.keys()
    assert card.licence == "CC0-1.0"
    assert str(tmp_path) not in str(card)


def test_the_card_counts_the_validation_images_as_seen(make_trainer, discs, source_of, make_disc, tmp_path) -> None:
    judge = source_of([replace(make_disc(50), group="judge")])
    out = tmp_path / "w.safetensors"
    make_trainer().train(TrainingRequest(training=discs, validation=judge, out=out))
    card = read_card(out)
    assert judge.samples[0].origin in card.training_origins
    assert card.training_groups == ("judge", "slide")
    assert card.data["samples"] == len(discs.samples)


def test_semantic_references_suggest_components_and_instances_a_watershed(
    make_trainer, source_of, make_disc, tmp_path
) -> None:
    found = {}
    for semantic in (True, False):
        out = tmp_path / f"{semantic}.safetensors"
        source = source_of([make_disc(number, semantic=semantic) for number in range(4)])
        make_trainer().train(TrainingRequest(training=source, out=out))
        found[semantic] = load_network(out)[1]
    assert (found[True].split, found[False].split) == ("components", "watershed")


def speckled(sample: Sample, number: int) -> Sample:
    """The sample with bright specks that are no objects, and with one speck that is."""
    rng = np.random.default_rng(100 + number)
    image, labels = sample.image.copy(), sample.labels.copy()
    for place in range(12):
        y, x = rng.integers(0, 44), rng.integers(0, 52)
        if not labels[y : y + 3, x : x + 3].any():
            image[y : y + 3, x : x + 3] = 190
            labels[y : y + 3, x : x + 3] = 4 * (place == 0)
    return replace(sample, image=image, labels=labels, origin=str(number))


def test_the_checkpoint_drops_what_is_too_small_to_be_right_on_the_held_out_samples(
    make_trainer, source_of, make_disc, tmp_path
) -> None:
    samples = [speckled(make_disc(number), number) for number in range(12)]
    out = tmp_path / "w.safetensors"
    trainer = make_trainer(channels=(8, 16), batch=8, epochs=3, steps_per_epoch=30, lr=1e-2, averaging=0.9)
    trainer.train(TrainingRequest(training=source_of(samples[:9]), validation=source_of(samples[9:]), out=out))
    areas = [area for sample in samples[:9] for area in np.bincount(sample.labels.ravel())[1:] if area]
    candidates = [int(np.percentile(areas, share)) // 2 for share in (1, 2, 5, 10, 15, 20, 25)]
    f1 = {size: f1_of(out, samples[9:], min_area=size) for size in candidates}
    chosen = load_network(out)[1].min_area
    assert chosen == max(sorted(f1), key=f1.get) > min(candidates)
    assert f1_of(out, samples[9:]) == f1[chosen] == read_card(out).metrics["validation_f1_calibrated"]
    assert f1[chosen] > f1[min(candidates)]


def f1_of(path, samples, **options) -> float:
    component = UnetSegmenter(SegmenterOptions(checkpoint=path, **options), BuildContext(weights={ROLE: path}))
    total = Tally()
    for sample in samples:
        found = component.segment(component.encode([sample.image])[0], sample.without_reference(), Prompts())
        total += tally(sample.labels, found.labels, None)
    return total.f1


def test_half_precision_halves_the_file(make_trainer, discs, tmp_path) -> None:
    for half in (False, True):
        make_trainer(half=half, channels=(16, 32)).train(
            TrainingRequest(training=discs, out=tmp_path / f"{half}.safetensors")
        )
    assert (tmp_path / "True.safetensors").stat().st_size < 0.7 * (tmp_path / "False.safetensors").stat().st_size


def test_a_training_can_start_from_a_checkpoint(make_trainer, discs, source_of, make_disc, tmp_path) -> None:
    base, out = tmp_path / "base.safetensors", tmp_path / "w.safetensors"
    earlier = source_of([make_disc(number) for number in range(20, 24)])
    make_trainer().train(TrainingRequest(training=earlier, out=base))
    options = TrainerOptions(
        channels=(4, 8),
        residual_units=1,
        patch=32,
        batch=2,
        epochs=1,
        steps_per_epoch=1,
        lr=1e-9,
        averaging=0,
        init=base,
    )
    UnetTrainer(options, BuildContext(weights={ROLE: base})).train(TrainingRequest(training=discs, out=out))
    for key, value in read_state(base).items():
        if value.is_floating_point() and "running" not in key:
            torch.testing.assert_close(read_state(out)[key], value, atol=1e-6, rtol=1e-4)
    card = read_card(out)
    assert len(card.base_sha256) == 64
    assert set(card.training_origins) == {s.origin for source in (earlier, discs) for s in source.samples}


def test_a_checkpoint_of_another_size_cannot_be_started_from(discs, write_network, tmp_path) -> None:
    base = write_network(tmp_path / "base.safetensors")
    options = TrainerOptions(channels=(4, 8), patch=32, init=base)
    with pytest.raises(MissingError, match="expected"):
        UnetTrainer(options, BuildContext()).train(TrainingRequest(training=discs, out=tmp_path / "w.safetensors"))


def test_colour_images_train_a_colour_network(make_trainer, source_of, make_disc, tmp_path) -> None:
    source = source_of([make_disc(number, colour=True) for number in range(4)])
    out = tmp_path / "w.safetensors"
    assert make_trainer(colour=True).train(TrainingRequest(training=source, out=out)).finished
    assert load_network(out)[1].colour


@pytest.mark.parametrize("shape", [(1, 1), (5, 60), (20, 20)])
def test_images_smaller_than_the_patch_work(make_trainer, source_of, shape, tmp_path) -> None:
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    samples = [Sample(id=f"s{k}", image=image, labels=np.ones(shape, np.int32)) for k in range(3)]
    request = TrainingRequest(training=source_of(samples), out=tmp_path / "w.safetensors")
    assert make_trainer().train(request).finished


def test_some_empty_samples_do_no_harm(make_trainer, source_of, make_disc, tmp_path) -> None:
    samples = [make_disc(number) for number in range(5)]
    for empty in (1, 3):  # one to learn from, one of the two that are held out
        samples[empty] = replace(samples[empty], labels=np.zeros_like(samples[empty].labels))
    request = TrainingRequest(training=source_of(samples), out=tmp_path / "w.safetensors")
    result = make_trainer(validation_share=0.4).train(request)
    assert result.finished
    assert np.isfinite(list(result.best.values())).all()


def test_data_that_cannot_be_learned_from_leave_nothing_behind(make_trainer, source_of, make_disc, tmp_path) -> None:
    empty = [replace(make_disc(n), labels=np.zeros(make_disc(n).shape, np.int32)) for n in range(3)]
    for samples in (empty, [make_disc(0)], [], [make_disc(0).without_reference(), make_disc(1)]):
        with pytest.raises(DataError):
            make_trainer().train(TrainingRequest(training=source_of(samples), out=tmp_path / "w.safetensors"))
    assert list(tmp_path.iterdir()) == []


def test_a_loss_that_explodes_is_an_error(make_trainer, discs, tmp_path) -> None:
    trainer = make_trainer(lr=1e30, epochs=20, averaging=0)
    with pytest.raises(MitobenchError, match=r"loss is (nan|inf).*lr="):
        trainer.train(TrainingRequest(training=discs, out=tmp_path / "w.safetensors"))


def test_a_time_limit_ends_the_training_with_a_checkpoint(make_trainer, discs, tmp_path) -> None:
    events = []
    out = tmp_path / "w.safetensors"
    trainer = make_trainer(epochs=100_000, minutes=0.01)
    assert trainer.train(TrainingRequest(training=discs, out=out, report=events.append)).finished
    assert out.exists()
    assert events[-1].done < events[-1].total


def test_minutes_alone_train_for_that_long_whatever_the_usual_number_of_epochs(make_trainer, discs, tmp_path) -> None:
    out = tmp_path / "w.safetensors"
    trainer = make_trainer(minutes=0.03, steps_per_epoch=1, epochs=None)
    assert trainer.train(TrainingRequest(training=discs, out=out)).finished
    card = read_card(out)
    assert card.trainer["seconds"] >= 1.8
    assert card.trainer["options"]["epochs"] is None


def test_the_checkpoints_name_must_say_what_it_is(make_trainer, discs, tmp_path) -> None:
    with pytest.raises(UsageError, match=r"\.safetensors"):
        make_trainer().train(TrainingRequest(training=discs, out=tmp_path / "w.pth"))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_discs_are_learned_on_a_gpu(discs, tmp_path) -> None:
    options = TrainerOptions(channels=(8, 16, 32), patch=32, epochs=4, steps_per_epoch=30, lr=1e-2, averaging=0.9)
    out = tmp_path / "w.safetensors"
    result = UnetTrainer(options, BuildContext(device="cuda")).train(TrainingRequest(training=discs, out=out))
    assert result.best["dice"] > 0.8
