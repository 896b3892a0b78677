"""The trainer as a whole: repeats, resumes, stops, refuses, and writes a checkpoint with its card."""

import itertools
from importlib.util import find_spec

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from mitobench.checkpoints import read_card, read_checkpoint
from mitobench.errors import DataError, MissingError, MitobenchError, UsageError
from mitobench.hashing import sha256_file
from mitobench.interfaces import BuildContext, TrainingRequest
from mitobench.training.loop import resume_path

pytest.importorskip(
    "tensorflow" if find_spec("tensorflow") is None else "mitobench_keras.runtime", reason="needs tensorflow"
)

from mitobench_keras.options import SegmenterOptions, TrainerOptions
from mitobench_keras.segmenter import KerasSegmenter
from mitobench_keras.trainer import KerasTrainer

STEPS_PER_EPOCH = 5  # 3 training samples of 6 tiles, 4 at a time


def _request(source, out, **fields):
    return TrainingRequest(training=source, out=out, **fields)


def _after(steps):
    """A ``should_stop`` that says so after that many steps (it is asked after the first epoch's validation too)."""
    count = itertools.count(1)
    polls = steps + (steps > STEPS_PER_EPOCH)
    return lambda: next(count) >= polls


def _tensors(path):
    return read_checkpoint(path)[0]


def _same(first, second):
    a, b = _tensors(first), _tensors(second)
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


@pytest.fixture
def straight(discs, make_trainer, tmp_path):
    """A training of two epochs that nothing disturbed: its checkpoint, result and events."""
    events = []
    out = tmp_path / "straight.safetensors"
    result = make_trainer().train(_request(discs, out, report=events.append))
    return out, result, events


def test_a_training_repeats_bit_for_bit(straight, discs, make_trainer, tmp_path):
    again = make_trainer().train(_request(discs, tmp_path / "again.safetensors"))
    assert _same(straight[0], again.checkpoint)
    assert again.best == straight[1].best


def test_another_seed_gives_other_weights(straight, discs, make_trainer, tmp_path):
    make_trainer(seed=1).train(_request(discs, tmp_path / "other.safetensors"))
    assert not _same(straight[0], tmp_path / "other.safetensors")


@pytest.mark.parametrize("steps", [1, STEPS_PER_EPOCH, STEPS_PER_EPOCH + 2, 2 * STEPS_PER_EPOCH])
def test_stopped_and_resumed_is_the_same_bit_for_bit(straight, discs, make_trainer, tmp_path, steps):
    out = tmp_path / "resumed.safetensors"
    stopped = make_trainer().train(_request(discs, out, should_stop=_after(steps)))
    assert not stopped.finished
    assert not out.exists()
    assert resume_path(out).exists()
    events = []
    result = make_trainer().train(_request(discs, out, report=events.append))
    assert events[0].message == f"resumed after {steps} of 10 steps"
    assert result.finished
    assert result.best == straight[1].best
    assert _same(straight[0], out)
    assert not resume_path(out).exists()


def test_a_killed_training_goes_on_from_its_last_epoch(straight, discs, make_trainer, tmp_path):
    out = tmp_path / "killed.safetensors"

    def die(event):
        if event.done == STEPS_PER_EPOCH + 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_trainer().train(_request(discs, out, report=die))
    events = []
    make_trainer().train(_request(discs, out, report=events.append))
    assert events[0].done == STEPS_PER_EPOCH
    assert _same(straight[0], out)


def test_starting_anew_ignores_the_state(straight, discs, make_trainer, tmp_path):
    out = tmp_path / "anew.safetensors"
    make_trainer().train(_request(discs, out, should_stop=_after(3)))
    events = []
    make_trainer().train(_request(discs, out, resume=False, report=events.append))
    assert events[0].done == 1
    assert _same(straight[0], out)


def test_events_tell_steps_and_validations(straight):
    _, result, events = straight
    steps = [event for event in events if "loss" in event.values]
    assert [event.done for event in steps] == list(range(1, 11))
    assert {event.total for event in events} == {10}
    assert steps[5].epoch == 2
    scored = [event for event in events if "validation_dice" in event.values]
    assert [(event.done, event.epoch) for event in scored] == [(5, 1), (10, 2)]
    assert set(scored[0].values) == {"validation_loss", "validation_accuracy", "validation_dice"}
    assert result.best["loss"] == min(event.values["validation_loss"] for event in scored)


def test_the_card_says_what_was_trained_and_on_what(straight, discs):
    out, result, _ = straight
    card = read_card(out)
    assert card.component == "unet-keras"
    assert card.architecture["channels"] == [4, 8]
    assert card.trainer["options"]["epochs"] == 2
    assert card.trainer["steps"] == 10
    assert set(card.training_origins) == {sample.origin for sample in discs.samples}
    assert card.training_groups == ("slide",)
    assert (card.data["samples"], card.data["validation_samples"], card.data["inputs"]) == (3, 1, 18)
    assert card.metrics == {f"validation_{name}": value for name, value in result.best.items()}
    assert {"tensorflow", "keras", "mitobench", "python"} <= card.versions.keys()
    assert "training data" in card.notes


@pytest.mark.parametrize("keep", ["loss", "dice", "last"])
def test_the_weights_of_the_epoch_that_the_card_names_are_written(discs, make_trainer, tmp_path, keep):
    events = []
    out = tmp_path / "kept.safetensors"
    result = make_trainer(keep=keep, epochs=3, lr=0.05).train(_request(discs, out, report=events.append))
    scores = [event.values for event in events if "validation_dice" in event.values]
    epoch = int(result.best["epoch"])
    assert scores[epoch - 1] == {f"validation_{n}": value for n, value in result.best.items() if n != "epoch"}
    if keep == "last":
        assert epoch == 3
    else:
        values = [score[f"validation_{keep}"] for score in scores]
        assert values[epoch - 1] == (min(values) if keep == "loss" else max(values))


def test_it_learns(learned):
    metrics = read_card(learned).metrics
    assert metrics["validation_dice"] > 0.9
    assert metrics["validation_accuracy"] > 0.97


def test_the_segmenter_reads_what_the_trainer_wrote(straight, make_disc):
    segmenter = KerasSegmenter(SegmenterOptions(checkpoint=straight[0]), BuildContext())
    (probability,) = segmenter.encode([make_disc(5).image])
    assert probability.shape == (32, 40)


def test_half_precision_halves_the_file(straight, discs, make_trainer, tmp_path):
    out = tmp_path / "half.safetensors"
    make_trainer(half=True).train(_request(discs, out))
    found, expected = _tensors(out), _tensors(straight[0])
    assert {t.dtype for t in found.values()} == {np.dtype(np.float16)}
    np.testing.assert_array_equal(found["up0_conv0/kernel"], expected["up0_conv0/kernel"].astype(np.float16))


def test_resized_sections_are_an_option_that_the_card_keeps(discs, make_trainer, tmp_path):
    out = tmp_path / "resized.safetensors"
    make_trainer(tiling="resize", epochs=1).train(_request(discs, out))
    card = read_card(out)
    assert card.architecture["tiling"] == "resize"
    assert card.data["inputs"] == 3


def test_a_training_can_start_from_a_checkpoint(straight, discs, tmp_path):
    options = TrainerOptions(channels=(4, 8), size=16, batch=4, epochs=1, lr=1e-12, init=straight[0])
    out = tmp_path / "tuned.safetensors"
    KerasTrainer(options, BuildContext()).train(_request(discs, out))
    before, after = _tensors(straight[0]), _tensors(out)
    assert all(np.allclose(before[name], after[name], atol=1e-6) for name in before)
    assert read_card(out).base_sha256 == sha256_file(straight[0])


def test_a_start_of_another_architecture_is_refused(straight, discs, make_trainer, tmp_path):
    with pytest.raises(MissingError, match=r"channels \[4, 8\] and size 16, expected \[4, 16\] and 16"):
        make_trainer(init=straight[0], channels=(4, 16)).train(_request(discs, tmp_path / "x.safetensors"))


def test_the_state_of_another_training_is_refused(discs, make_trainer, tmp_path):
    out = tmp_path / "a.safetensors"
    make_trainer().train(_request(discs, out, should_stop=_after(1)))
    for other in (make_trainer(seed=5), make_trainer(lr=0.1), make_trainer(epochs=3)):
        with pytest.raises(UsageError, match="other options, seed or data"):
            other.train(_request(discs, out))
    discs.samples = discs.samples[::-1]
    with pytest.raises(UsageError, match="other options, seed or data"):
        make_trainer().train(_request(discs, out))


@pytest.mark.parametrize("damage", ["cut", "page", "foreign", "incomplete"])
def test_a_damaged_state_is_refused(discs, make_trainer, tmp_path, damage):
    out = tmp_path / "a.safetensors"
    make_trainer().train(_request(discs, out, should_stop=_after(1)))
    state = resume_path(out)
    if damage == "cut":
        state.write_bytes(state.read_bytes()[:-100])
    elif damage == "page":
        state.write_text("<html>")
    else:
        with safe_open(state, framework="numpy") as file:
            metadata = file.metadata() if damage == "incomplete" else None
        save_file({"x": np.zeros(1)}, state, metadata=metadata)
    with pytest.raises(MissingError, match=r"not a readable training state|another architecture"):
        make_trainer().train(_request(discs, out))


def test_the_state_is_no_pickle(discs, make_trainer, tmp_path):
    out = tmp_path / "a.safetensors"
    make_trainer().train(_request(discs, out, should_stop=_after(2)))
    with safe_open(resume_path(out), framework="numpy") as file:
        assert file.metadata()["format"].startswith("mitobench_keras training")
        assert "task/optimiser/0" in file.keys()  # noqa: SIM118


def test_another_file_name_is_refused(discs, make_trainer, tmp_path):
    with pytest.raises(UsageError, match=r"must end in \.safetensors"):
        make_trainer().train(_request(discs, tmp_path / "model.keras"))


def test_numbers_that_run_away_are_an_error(discs, make_trainer, tmp_path):
    with pytest.raises(MitobenchError, match=r"expected a finite number\. Lower the learning rate"):
        make_trainer(lr=1e30, epochs=4).train(_request(discs, tmp_path / "x.safetensors"))


def test_one_image_is_an_error(discs, make_trainer, tmp_path):
    discs.samples = discs.samples[:1]
    with pytest.raises(DataError, match=r"has 1 sample\(s\)"):
        make_trainer().train(_request(discs, tmp_path / "x.safetensors"))


def test_objects_that_fill_every_image_can_be_learned(make_disc, source_of, make_trainer, tmp_path):
    full = [make_disc(n, labels=np.ones((32, 40), np.int32)) for n in range(3)]
    result = make_trainer(lr=1e-2, epochs=3).train(_request(source_of(full), tmp_path / "x.safetensors"))
    assert result.best["dice"] == 1.0


def test_a_validation_source_is_used_as_it_is(discs, make_disc, source_of, make_trainer, tmp_path):
    held_out = source_of([make_disc(50), make_disc(51)])
    out = tmp_path / "x.safetensors"
    make_trainer(epochs=1).train(_request(discs, out, validation=held_out))
    assert read_card(out).data["validation_samples"] == 2
    assert {s.origin for s in held_out.samples} < set(read_card(out).training_origins)
