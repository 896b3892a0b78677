"""The trainers: what they learn, repeat, resume, write and refuse. A SAM of 64 pixels a side, discs as objects."""

import dataclasses

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from mitobench.checkpoints import Card, read_card, write_checkpoint
from mitobench.errors import DataError, DeviceMemoryError, MissingError, MitobenchError, UsageError
from mitobench.hashing import sha256_file
from mitobench.interfaces import BuildContext, TrainingRequest
from mitobench.prompts import Prompts
from mitobench.samples import Sample, SampleRef
from mitobench.training.loop import resume_path
from mitobench_sam import prompted_objective, training_task
from mitobench_sam.architecture import Architecture, random_sam
from mitobench_sam.frames import Frame, mask_crop
from mitobench_sam.trainer import SamFineTuner, SamTrainer
from mitobench_sam.trainer_options import FineTuneOptions, ScratchOptions

SMALL = Architecture(
    encoder="pyramid",
    embed_dim=32,
    depth=2,
    heads=2,
    global_blocks=(1,),
    window=1,
    image_size=64,
    prompt_dim=32,
    decoder_mlp=32,
)
SCRATCH = {
    "image_size": 64,
    "width": 32,
    "depth": 2,
    "heads": 2,
    "attention": (1,),
    "prompt_dim": 32,
    "decoder_mlp": 32,
}


class Discs:
    """``n`` images of bright discs on a dark, noisy ground."""

    def __init__(self, n=4, discs=3, start=0):
        self._samples = [self._sample(start + index, discs) for index in range(n)]
        self.fingerprint = f"discs {n} {discs} {start}"

    def _sample(self, number, discs):
        rng = np.random.default_rng(number)
        labels = np.zeros((48, 64), np.int32)
        rows, columns = np.ogrid[:48, :64]
        for index in range(discs):
            y, x, r = rng.integers(8, 40), 10 + 21 * index, rng.integers(5, 8)
            labels[(rows - y) ** 2 + (columns - x) ** 2 <= r * r] = index + 1
        image = np.clip(60 + 120 * (labels > 0) + rng.normal(0, 10, labels.shape), 0, 255).astype(np.uint8)
        return Sample(id=f"discs {number}", image=image, labels=labels, group="g", origin=f"origin {number}")

    def refs(self):
        return iter([SampleRef(id=s.id, group=s.group, read=lambda s=s: s) for s in self._samples])


class Listed:
    """Samples as given."""

    def __init__(self, *samples):
        self.samples, self.fingerprint = samples, "listed"

    def refs(self):
        return iter([SampleRef(id=s.id, group=s.group, read=lambda s=s: s) for s in self.samples])


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A SAM with random weights as a file."""
    path = tmp_path_factory.mktemp("base") / "base.safetensors"
    tensors = {key: value.numpy() for key, value in random_sam(SMALL, 0).state_dict().items()}
    write_checkpoint(path, tensors, Card(component="sam", architecture=SMALL.plain()))
    return path


@pytest.fixture
def tune(base, tmp_path):
    """Fine-tune on the base; returns the result and the losses of all steps."""

    def run(data=None, out="out.safetensors", stop_after=None, resume=True, validation=None, seed=0, **options):
        losses = []
        given = {"epochs": 2, "lr": 1e-3, **options}
        trainer = SamFineTuner(FineTuneOptions(base=base, **given), BuildContext(seed=seed, weights={"base": base}))
        request = TrainingRequest(
            training=data or Discs(),
            validation=validation,
            out=tmp_path / out,
            data={"spec": "discs"},
            resume=resume,
            report=lambda event: losses.append(event.values["loss"]) if "loss" in event.values else None,
            should_stop=lambda: stop_after is not None and len(losses) >= stop_after,
        )
        return trainer.train(request), losses

    return run


# Whether it helped


def messages_of(base, out, **options):
    said = []
    trainer = SamFineTuner(FineTuneOptions(base=base, **options), BuildContext(weights={"base": base}))
    request = TrainingRequest(training=Discs(), out=out, report=lambda event: said.append(event.message))
    trainer.train(request)
    return [message for message in said if message]


def test_the_base_is_scored_first_by_what_scores_the_training(base, tmp_path):
    said = messages_of(base, tmp_path / "x.safetensors", epochs=1, lr=1e-12)
    metrics = read_card(tmp_path / "x.safetensors").metrics
    assert metrics["start_score"] == pytest.approx(metrics["validation_score"], abs=1e-6)
    assert metrics["start_iou_box"] == pytest.approx(metrics["validation_iou_box"], abs=1e-6)
    assert said[0].startswith(f"before training: iou_box {metrics['start_iou_box']:.4g}")


def test_a_training_that_did_not_help_says_so(base, tmp_path):
    helped = messages_of(base, tmp_path / "a.safetensors", train="all", epochs=30, lr=5e-3)
    first = read_card(tmp_path / "a.safetensors").metrics
    assert first["validation_score"] > first["start_score"]
    before, best = (f"{first[f'{when}_score']:.4g}" for when in ("start", "validation"))
    assert helped[-1] == f"score on the held-out samples: {before} before training, {best} in the best epoch"
    worse = messages_of(base, tmp_path / "b.safetensors", epochs=1, lr=1e-12)
    assert "no epoch was better" in worse[-1]


# What is trained, and what a checkpoint holds


@pytest.mark.parametrize(
    ("train", "parts"),
    [
        ("decoder", {"mask_decoder"}),
        ("lora", {"mask_decoder", "lora"}),
        ("all", {"mask_decoder", "prompt_encoder", "image_encoder"}),
    ],
)
def test_a_checkpoint_holds_what_was_trained_and_its_card_says_on_which_base(tune, base, train, parts):
    result, _ = tune(train=train)
    state, card = load_file(result.checkpoint), read_card(result.checkpoint)
    assert {key.partition(".")[0] for key in state} == parts
    assert card.component == "sam-ft"
    assert card.base_sha256 == sha256_file(base)
    assert card.trainer["trained"] == train
    assert card.training_origins == tuple(f"origin {n}" for n in range(4))
    assert card.training_groups == ("g",)
    assert card.data == {"spec": "discs", "samples": 3, "objects": 9, "validation_samples": 1}
    assert 0 <= card.metrics["validation_score"] <= 1
    assert result.finished


def test_only_the_mask_decoder_moves(tune, base):
    result, _ = tune()
    before, after = load_file(base), load_file(result.checkpoint)
    assert any(not np.array_equal(before[key], after[key]) for key in after)
    assert sum(value.size for value in after.values()) < 1 + sum(
        v.size for k, v in before.items() if "mask_decoder" in k
    )


@pytest.mark.parametrize("train", ["decoder", "lora", "all"])
def test_the_segmenter_makes_the_masks_that_validation_scored(tune, base, sam_ft, monkeypatch, train):
    plain, shown = prompted_objective.shown_masks, []

    def recorded(*given, **how):
        shown.append(plain(*given, **how))
        return shown[-1]

    monkeypatch.setattr(training_task, "shown_masks", recorded)
    result, _ = tune(train=train, epochs=20, lr=5e-3, validation=Discs(2, start=50))
    segmenter, best, sizes = sam_ft(base, result.checkpoint), 2 * int(result.best["epoch"]), []  # the base comes first
    for ref, logits in zip(Discs(2, start=50).refs(), shown[best : best + 2], strict=True):
        sample = ref.load()
        boxes = np.array([_box(sample.labels == k) for k in (1, 2, 3)], np.float32)
        found = segmenter.segment(segmenter.encode([sample.image])[0], sample, Prompts(boxes=boxes)).masks
        for index, scored in enumerate(logits):
            (y, x), crop = mask_crop(scored, Frame.of(sample.shape, SMALL.image_size), 0.0)
            expected = np.zeros(sample.shape, bool)
            expected[y : y + crop.shape[0], x : x + crop.shape[1]] = crop
            sizes.append(expected.sum())
            assert (found.dense(index) == expected).mean() > 0.999
    assert max(sizes) > 10


def test_where_some_steps_have_all_objects_as_one_target_validation_asks_for_that_too(tune):
    options = {"prompt": "mixed", "epochs": 1}
    plain = read_card(tune(out="plain.safetensors", **options)[0].checkpoint).metrics
    both = read_card(tune(union_share=0.5, **options)[0].checkpoint).metrics
    assert both["start_iou_union"] > 0
    assert {k: both[k] for k in ("start_iou_box", "start_iou_point")} == {
        k: plain[k] for k in plain if "start_iou" in k
    }
    for when in ("start", "validation"):
        ious = [both[f"{when}_iou_{kind}"] for kind in ("box", "point", "union")]
        assert both[f"{when}_score"] == pytest.approx(np.mean(ious))


def _box(mask):
    rows, columns = np.nonzero(mask)
    return columns.min(), rows.min(), columns.max(), rows.max()


def test_encodings_are_shared_only_while_the_encoder_is_the_bases(tune, base, sam, sam_ft):
    keys = {}
    for train in ("decoder", "lora", "all"):
        result, _ = tune(out=f"{train}.safetensors", train=train, epochs=1)
        keys[train] = sam_ft(base, result.checkpoint).encoder_key
    assert keys["decoder"] == sam(base).encoder_key
    assert len(set(keys.values())) == 3


def test_the_checkpoint_is_refused_on_another_base(tune, tmp_path, sam_ft):
    result, _ = tune(epochs=1)
    other = tmp_path / "other.safetensors"
    tensors = {key: value.numpy() for key, value in random_sam(SMALL, 1).state_dict().items()}
    write_checkpoint(other, tensors, Card(component="sam", architecture=SMALL.plain()))
    with pytest.raises(MissingError, match="trained on the weights"):
        sam_ft(other, result.checkpoint)


# Cached embeddings


@pytest.mark.parametrize("augment", [0, 2])
def test_cached_embeddings_give_the_losses_of_an_encoder_in_every_step(tune, augment):
    _, cached = tune(epochs=3, augment=augment)
    _, fresh = tune(epochs=3, augment=augment, cache="off", out="fresh.safetensors")
    assert len(cached) == 6
    np.testing.assert_allclose(cached, fresh, rtol=2e-3)


def test_the_frozen_encoder_runs_once_per_sample_and_copy(tune, monkeypatch):
    calls = []
    forward = type(random_sam(SMALL, 0).image_encoder).forward

    def counted(self, x):
        calls.append(len(x))
        return forward(self, x)

    monkeypatch.setattr("mitobench_sam.pyramid_encoder.PyramidEncoder.forward", counted)
    tune(epochs=6)
    assert sum(calls) == 4
    calls.clear()
    tune(epochs=40, augment=2, out="augmented.safetensors")
    assert sum(calls) == 1 + 3 * 3
    calls.clear()
    tune(epochs=6, train="all", out="all.safetensors")
    assert sum(calls) == 1 + 6 * 4  # the base's scores come first


# Learning


def test_it_learns_a_toy_task_from_random_weights(tmp_path):
    options = ScratchOptions(
        **SCRATCH, epochs=60, lr=3e-3, batch=4, averaging=0.9, augment=0, rounds=2, max_objects=3, prompt="box"
    )
    request = TrainingRequest(training=Discs(12), validation=Discs(3, start=100), out=tmp_path / "sam.safetensors")
    result = SamTrainer(options, BuildContext()).train(request)
    assert result.best["iou_box"] > 0.6
    assert result.best["dice_box"] > 0.7
    card = read_card(result.checkpoint)
    assert (card.component, card.base_sha256) == ("sam", "")
    assert Architecture.from_plain(card.architecture, source="card") == SMALL


@pytest.mark.parametrize("prompt", ["box", "union-box", "point", "mask", "point-box", "mixed"])
@pytest.mark.parametrize("objects", ["one", "many"])
def test_every_kind_of_prompt_trains(tune, prompt, objects):
    chosen = {} if prompt == "union-box" else {"objects": objects}
    result, losses = tune(prompt=prompt, box_margin=4, point="random", iou_weight=0.5, **chosen)
    assert len(losses) == 4
    assert np.isfinite(losses).all()
    both = ["box", "point"]
    kinds = {"mixed": both, "point-box": both, "union-box": ["box"]}.get(prompt, [prompt])
    assert set(result.best) == {"epoch", "score", *(f"{m}_{k}" for m in ("iou", "dice") for k in kinds)}


@pytest.mark.parametrize("loss", ["dice", "focal", "boundary", "hausdorff", "dice-ce+0.5*boundary"])
def test_every_loss_trains(tune, loss):
    _, losses = tune(loss=loss)
    assert np.isfinite(losses).all()


@pytest.mark.parametrize(
    "options",
    [
        {"rounds": 4, "prompt": "mixed", "multimask": "both", "iou_weight": 1.0},
        {"optimiser": "adamw", "weight_decay": 0.1, "schedule": "cosine", "clip": 1.0, "averaging": 0.9},
        {"schedule": "plateau", "epochs": 6},
        {"precision": "bf16"},
        {"train": "lora", "averaging": 0.9, "lora_rank": 2},
        {"train": "all", "augment": 1, "averaging": 0.9},
    ],
    ids=str,
)
def test_other_modes_train(tune, options):
    result, losses = tune(**options)
    assert result.finished
    assert np.isfinite(losses).all()


def test_memory_that_runs_out_cuts_the_step_into_pieces_and_the_card_says_so(tune, monkeypatch):
    _, whole = tune(batch=3, epochs=1)
    plain, refused = training_task.PromptedTask._piece, []

    def tight(self, items, masked, weight):
        if len(items) > 2:
            refused.append(len(items))
            raise torch.OutOfMemoryError("pretended")
        return plain(self, items, masked, weight)

    monkeypatch.setattr(training_task.PromptedTask, "_piece", tight)
    result, pieces = tune(batch=3, epochs=1, out="pieces.safetensors")
    assert refused == [3]
    np.testing.assert_allclose(pieces, whole, rtol=1e-4)
    assert read_card(result.checkpoint).trainer["pieces_per_step"] == 2


def _tight(monkeypatch, most):
    """Pretend that the memory holds the masks of ``most`` prompts; returns the numbers of prompts that were tried."""
    plain, tried = prompted_objective.predict, []

    def predict(sam, images, prompts):
        tried.append(len(images))
        if len(images) > most:
            raise torch.OutOfMemoryError("pretended")
        return plain(sam, images, prompts)

    monkeypatch.setattr(prompted_objective, "predict", predict)
    monkeypatch.setattr(training_task, "predict", predict)
    return tried


@pytest.mark.parametrize(
    "options",
    [{"rounds": 3, "prompt": "mixed", "iou_weight": 1.0}, {"train": "all", "rounds": 2}, {"prompt": "mask"}],
    ids=str,
)
@pytest.mark.parametrize(("batch", "most", "pieces"), [(1, 2, 2), (2, 1, 8)])
def test_below_one_image_its_prompts_are_cut_and_the_losses_stay(tune, monkeypatch, options, batch, most, pieces):
    wide, narrow = Discs(3, discs=3), Discs(1, start=50)
    _, whole = tune(wide, validation=narrow, batch=batch, epochs=1, **options)
    tried = _tight(monkeypatch, most)
    result, cut = tune(wide, validation=narrow, batch=batch, epochs=1, out="cut.safetensors", **options)
    np.testing.assert_allclose(cut, whole, rtol=1e-3)
    assert max(tried) > most
    assert read_card(result.checkpoint).trainer["pieces_per_step"] == pieces


def test_validation_asks_for_fewer_masks_at_once_where_memory_runs_out_and_its_scores_stay(tune, monkeypatch):
    whole, _ = tune(objects="one", batch=1, epochs=1, prompt="point-box")
    tried = _tight(monkeypatch, 1)
    cut, _ = tune(objects="one", batch=1, epochs=1, prompt="point-box", out="cut.safetensors")
    assert max(tried) == 3
    assert cut.best == pytest.approx(whole.best, rel=1e-5)


@pytest.mark.parametrize(
    "options", [{"batch": 2, "max_objects": 2}, {"objects": "one"}, {"prompt": "union-box"}], ids=str
)
def test_memory_that_does_not_hold_one_prompt_is_an_error(tune, monkeypatch, options):
    tried = _tight(monkeypatch, 0)
    with pytest.raises(DeviceMemoryError):
        tune(**options)
    assert tried[-1] == 1


# Repeating, stopping, resuming


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"train": "all", "augment": 1, "prompt": "mixed", "rounds": 2, "averaging": 0.9, "schedule": "plateau"},
        {"train": "lora", "optimiser": "adamw"},
        {"union_share": 0.5, "prompt": "mixed", "rounds": 2},
        {"schedule": "plateau", "lr": 1e-30, "prompt": "point-box", "box_enlarge": 0.1},
    ],
    ids=str,
)
@pytest.mark.parametrize("stop_after", [3, 4], ids=["amid an epoch", "between epochs"])
def test_stopped_and_resumed_is_the_same_to_the_bit(tune, options, stop_after):
    straight, losses = tune(epochs=4, out="straight.safetensors", **options)
    first, before = tune(epochs=4, out="two.safetensors", stop_after=stop_after, **options)
    assert not first.finished
    assert not first.checkpoint.exists()
    assert resume_path(first.checkpoint).exists()
    second, after = tune(epochs=4, out="two.safetensors", **options)
    assert second.finished
    assert not resume_path(first.checkpoint).exists()
    assert before + after == losses
    expected, found = load_file(straight.checkpoint), load_file(second.checkpoint)
    assert all(np.array_equal(expected[key], found[key]) for key in expected)
    assert straight.best == second.best


def test_the_state_of_another_training_is_refused(tune):
    tune(epochs=4, stop_after=1)
    with pytest.raises(UsageError, match="other options"):
        tune(epochs=4, loss="dice")
    result, _ = tune(epochs=1, loss="dice", resume=False)
    assert result.finished


def test_another_seed_is_another_training(tune):
    _, first = tune(objects="one")
    _, again = tune(objects="one", out="again.safetensors")
    _, other = tune(objects="one", out="other.safetensors", seed=1)
    assert first == again
    assert first != other


def test_it_stops_early_where_validation_no_longer_improves(tune):
    result, losses = tune(epochs=50, lr=1e-30, patience=3)
    assert result.finished
    assert len(losses) == 2 * 4  # the validation that says so is followed by no further step
    assert result.checkpoint.exists()
    assert not resume_path(result.checkpoint).exists()


# Bad data


def blank(number, labels=None):
    return Sample(id=f"blank {number}", image=np.full((32, 32), 90, np.uint8), labels=labels)


def whole(number):
    return blank(number, np.ones((32, 32), np.int32))


def test_no_samples(tune):
    with pytest.raises(DataError, match=r"0 sample\(s\).*at least one"):
        tune(Listed())


def test_one_image_and_no_validation_source(tune):
    with pytest.raises(DataError, match=r"1 sample\(s\).*hold out for validation"):
        tune(Discs(1))


def test_one_image_with_a_validation_source_trains(tune):
    result, _ = tune(Discs(1), validation=Discs(1, start=9))
    assert result.finished


def test_samples_without_reference(tune):
    with pytest.raises(DataError, match="'blank 0' has no reference"):
        tune(Listed(blank(0), blank(1)))


def test_no_object_to_learn(tune):
    empty = np.zeros((32, 32), np.int32)
    with pytest.raises(DataError, match="none of the 1 training samples holds an object"):
        tune(Listed(blank(0, empty), whole(1)))


def test_no_object_to_validate_by(tune):
    with pytest.raises(DataError, match="none of the 1 validation samples"):
        tune(Listed(whole(0), blank(1, np.zeros((32, 32), np.int32))))


def test_objects_below_the_least_area(tune):
    with pytest.raises(DataError, match="5000 pixel"):
        tune(min_area=5000)


def test_images_without_objects_are_left_out(tune):
    samples = [ref.load() for ref in Discs(3).refs()]
    result, _ = tune(Listed(blank(0, np.zeros((32, 32), np.int32)), *samples))
    assert read_card(result.checkpoint).data["samples"] == 2


@pytest.mark.parametrize("prompt", ["box", "union-box", "point", "mask"])
def test_an_object_that_fills_its_image_trains(tune, prompt):
    _, losses = tune(Listed(whole(0), whole(1)), prompt=prompt, rounds=1 if prompt == "union-box" else 3)
    assert np.isfinite(losses).all()


def test_labels_far_apart_and_colour_images_train(tune):
    samples = []
    for ref in Discs(3).refs():
        sample = ref.load()
        labels = np.where(sample.labels > 0, sample.labels * 1_000_003, 0).astype(np.int32)
        samples.append(dataclasses.replace(sample, labels=labels, image=np.dstack([sample.image] * 3)))
    _, losses = tune(Listed(*samples))
    _, plain = tune(Discs(3), out="plain.safetensors")
    np.testing.assert_allclose(losses, plain, rtol=1e-5)


def test_a_learning_rate_that_explodes_ends_in_advice(tune):
    with pytest.raises(MitobenchError, match="lr="):
        tune(lr=1e30, epochs=5)


def test_another_file_name_is_refused(tune):
    with pytest.raises(UsageError, match=r"\.safetensors"):
        tune(out="model.pt")


def test_an_absent_base_says_how_to_get_it(tmp_path):
    trainer = SamFineTuner(FineTuneOptions(model="vit_b"), BuildContext())
    with pytest.raises(MissingError, match="weights fetch vit_b"):
        trainer.train(TrainingRequest(training=Discs(), out=tmp_path / "x.safetensors"))


# Starting from a smaller image size


def scratch(tmp_path, out, weights=None, **options):
    given = ScratchOptions(**{**SCRATCH, "epochs": 1, **options})
    request = TrainingRequest(training=Discs(3), out=tmp_path / out)
    return SamTrainer(given, BuildContext(weights=weights or {})).train(request).checkpoint


def test_a_training_goes_on_at_another_image_size(tmp_path):
    first = scratch(tmp_path, "first.safetensors")
    again = scratch(tmp_path, "again.safetensors", {"init": first}, init=first, image_size=128, lr=1e-12, averaging=0)
    before, after, card = load_file(first), load_file(again), read_card(again)
    assert card.architecture["image_size"] == 128
    assert card.trainer["start_sha256"] == sha256_file(first)
    assert card.base_sha256 == ""
    assert after["image_encoder.pos_embed"].shape == (1, 32, 4, 4)
    key = "mask_decoder.iou_token.weight"
    np.testing.assert_allclose(after[key], before[key], atol=1e-6)


def test_a_start_of_another_width_is_refused(tmp_path):
    first = scratch(tmp_path, "first.safetensors")
    with pytest.raises(MissingError, match="Give the same sizes"):
        scratch(tmp_path, "wider.safetensors", {"init": first}, init=first, width=64)
