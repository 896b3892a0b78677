"""The options of the trainers: what they take and refuse, which training a checkpoint is of, and the published ones."""

from pathlib import Path

import pytest

from mitobench.errors import UsageError
from mitobench.options import parse_options
from mitobench.specs import parse_spec
from mitobench_sam.trainer_options import FineTuneOptions, ScratchOptions


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"loss": "dise"}, "dise"),
        ({"prompt": "boxes"}, "prompt"),
        ({"prompt": "union-box", "rounds": 2}, "union-box"),
        ({"train": "encoder"}, "train"),
        ({"lora_rank": 4}, "lora_rank.*train=lora"),
        ({"lora_rank": 8, "train": "all"}, "lora_rank.*train=lora"),
        ({"cache_dir": "cache", "train": "all"}, "cache_dir.*train=decoder"),
        ({"cache_dir": "cache", "train": "lora"}, "cache_dir.*train=decoder"),
        ({"cache_dir": "cache", "cache": "off"}, "cache_dir.*cache=memory"),
        ({"objects": "many", "prompt": "union-box"}, "objects.*union-box"),
        ({"max_objects": 25, "prompt": "union-box"}, "max_objects.*union-box"),
        ({"union_share": 0.5, "prompt": "union-box"}, "union_share.*union-box"),
        ({"union_share": 1}, "union_share"),
        ({"lr": 0}, "lr"),
        ({"round": 2}, "Did you mean 'rounds'"),
    ],
    ids=str,
)
def test_options_out_of_range_are_refused_by_name(given, complaint):
    with pytest.raises(UsageError, match=complaint):
        parse_options(FineTuneOptions, given, owner="sam-ft")


@pytest.mark.parametrize(
    "given",
    [
        {"train": "lora", "lora_rank": 8},
        {"cache_dir": "cache"},
        {"objects": "one", "max_objects": 3},
        {"prompt": "point", "box_jitter": 0.03, "box_margin": 20},
    ],
    ids=str,
)
def test_options_that_something_is_made_of_are_taken(given):
    assert parse_options(FineTuneOptions, given, owner="sam-ft").model_fields_set == set(given)


def test_a_folder_for_embeddings_is_refused_where_the_whole_sam_is_trained():
    with pytest.raises(UsageError, match=r"cache_dir.*frozen encoder"):
        parse_options(ScratchOptions, {"cache_dir": "cache"}, owner="sam")


def test_an_option_of_later_does_not_change_what_earlier_trainings_are():
    assert not {"box_enlarge", "union_share"} & FineTuneOptions().identity().keys()
    assert FineTuneOptions(box_enlarge=0.025).identity()["box_enlarge"] == 0.025
    assert FineTuneOptions(union_share=0.3).identity()["union_share"] == 0.3


def test_the_documented_line_is_the_published_iterative_training():
    page = Path(__file__).resolve().parents[2] / "docs" / "decisions" / "sam-training.md"
    (line,) = [line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("sam-ft:")]
    options = parse_options(FineTuneOptions, dict(parse_spec(line).options), owner="sam-ft").model_dump()
    published = {
        "train": "all",
        "prompt": "point-box",
        "point": "random",
        "rounds": 8,
        "max_objects": 25,
        "objects": "many",
        "loss": "dice",
        "iou_weight": 1,
        "multimask": "auto",
        "box_enlarge": 0.025,
        "box_jitter": 0,
        "box_margin": 0,
        "optimiser": "adamw",
        "lr": 1e-5,
        "schedule": "plateau",
    }
    assert published.items() <= options.items()


def test_the_defaults_are_the_published_ones():
    options = FineTuneOptions()
    published = {"loss": "dice-ce", "optimiser": "adam", "lr": 1e-5, "weight_decay": 0, "epochs": 5, "batch": 2}
    assert published.items() <= options.model_dump().items()
    assert (options.model, options.train, options.rounds) == ("vit_b", "decoder", 1)


def test_every_option_of_the_trainers_is_described():
    for model in (FineTuneOptions, ScratchOptions):
        assert all(field.description for field in model.model_fields.values())
