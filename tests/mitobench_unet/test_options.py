"""Options say what they accept."""

from pathlib import Path

import pytest

from mitobench.errors import UsageError
from mitobench.options import parse_options
from mitobench_unet.options import ROLE, PrompterOptions, SegmenterOptions, TrainerOptions


def parse(kind, **values):
    return parse_options(kind, values, owner="unet")


def test_em_weights_are_the_default() -> None:
    (reference,) = parse(SegmenterOptions).weights()
    assert (reference.name, reference.path) == ("unet-em", None)


def test_a_model_or_a_checkpoint_can_be_named(tmp_path: Path) -> None:
    assert parse(SegmenterOptions, model="nuclei").weights()[0].name == "unet-nuclei"
    reference = parse(PrompterOptions, checkpoint=str(tmp_path / "own.safetensors")).weights()[0]
    assert (reference.name, reference.path) == ("", tmp_path / "own.safetensors")


def test_a_model_and_a_checkpoint_contradict_each_other() -> None:
    with pytest.raises(UsageError, match="model= or checkpoint=, not both"):
        parse(SegmenterOptions, model="em", checkpoint="own.safetensors")


@pytest.mark.parametrize("emit", ["point", "box", "mask"])
def test_the_prompter_emits_just_what_it_was_asked_for(emit) -> None:
    assert parse(PrompterOptions, emit=emit).emits() == {emit}


def test_batch_and_paths_are_no_part_of_a_results_identity() -> None:
    assert parse(SegmenterOptions, batch=1).identity() == parse(SegmenterOptions, batch=7).identity()
    assert (
        parse(SegmenterOptions, checkpoint="a.safetensors").identity()
        == parse(SegmenterOptions, checkpoint="b.safetensors").identity()
    )
    assert parse(SegmenterOptions, threshold=0.4).identity() != parse(SegmenterOptions).identity()


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (SegmenterOptions, {"treshold": 0.4}, "Did you mean 'threshold'"),
        (SegmenterOptions, {"threshold": 1.5}, "threshold"),
        (SegmenterOptions, {"model": "mito"}, "model"),
        (SegmenterOptions, {"overlap": 0.9}, "overlap"),
        (PrompterOptions, {"emit": "circle"}, "emit"),
        (TrainerOptions, {"patch": 100}, "multiple of 16"),
        (TrainerOptions, {"channels": [8]}, "channels"),
        (TrainerOptions, {"channels": [8, 0]}, "positive"),
        (TrainerOptions, {"epochs": 0}, "epochs"),
    ],
)
def test_a_wrong_value_is_named(kind, values, message) -> None:
    with pytest.raises(UsageError, match=message):
        parse(kind, **values)


@pytest.mark.parametrize("model", [SegmenterOptions, PrompterOptions, TrainerOptions])
def test_every_option_is_described(model) -> None:
    assert all(field.description for field in model.model_fields.values())


@pytest.mark.parametrize(
    ("init", "name"),
    [("em", "unet-em"), ("nuclei", "unet-nuclei"), ("unet-em", "unet-em"), ("unet-nuclei", "unet-nuclei")],
)
def test_a_training_can_start_from_bundled_weights_by_name(init, name) -> None:
    (reference,) = parse(TrainerOptions, init=init).weights()
    assert (reference.role, reference.name, reference.path) == (ROLE, name, None)


@pytest.mark.parametrize("init", ["own.safetensors", "./em", "em.safetensors", "folder/nuclei"])
def test_anything_else_to_start_from_is_a_path(init, tmp_path: Path) -> None:
    options = parse_options(TrainerOptions, {"init": init}, owner="unet", base=tmp_path)
    (reference,) = options.weights()
    assert (reference.name, reference.path) == ("", tmp_path / init)


def test_what_a_training_starts_from_identifies_it_by_its_content_alone() -> None:
    plain = parse(TrainerOptions)
    assert plain.weights() == ()
    for init in ("em", "unet-em", "own.safetensors"):
        assert parse(TrainerOptions, init=init).identity() == plain.identity()
    assert "init" not in plain.identity()
