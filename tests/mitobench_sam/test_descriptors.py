"""What the plugin says about itself, without importing anything heavy."""

import re
import subprocess
import sys

import pytest

from mitobench.errors import UsageError
from mitobench.options import parse_options
from mitobench.plugins import Plugins
from mitobench_sam import mitobench_segmenters
from mitobench_sam.options import FineTunedSamOptions, SamOptions
from mitobench_sam.published import PUBLISHED
from mitobench_sam.segmenter import FineTunedSamSegmenter, SamSegmenter


def test_listing_and_options_import_no_numpy_and_no_torch():
    code = (
        "import sys, mitobench_sam, mitobench_sam.options; list(mitobench_sam.mitobench_segmenters());"
        "sys.exit(', '.join({'numpy', 'torch', 'segment_anything', 'PIL'} & set(sys.modules)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_facade_finds_both_segmenters_with_their_targets():
    plugins = Plugins.discover()
    for name, target, options in (
        ("sam", SamSegmenter, SamOptions),
        ("sam-ft", FineTunedSamSegmenter, FineTunedSamOptions),
    ):
        component = plugins.find("segmenter", name)
        assert component.target() is target
        assert component.options_model() is options
        assert component.missing() == ""


def test_both_accept_every_kind_of_prompt():
    assert [set(d.accepts) for d in mitobench_segmenters()] == [{"point", "box", "mask"}] * 2


def test_published_weights_are_named_after_the_models_and_fully_described():
    assert [file.name for file in PUBLISHED] == ["vit_b", "vit_l", "vit_h", "vit_t"]
    for file in PUBLISHED:
        assert re.fullmatch(r"[0-9a-f]{64}", file.sha256)
        assert file.url.startswith("https://")
        assert file.size > 1 << 20
        assert file.licence == "Apache-2.0"
        assert "2023" in file.citation
        assert not file.bundled
    assert len({file.sha256 for file in PUBLISHED}) == len(PUBLISHED)


@pytest.mark.parametrize("model", ["vit_b", "vit_l", "vit_h", "vit_t"])
def test_a_model_asks_for_its_published_weights(model):
    (wanted,) = parse_options(SamOptions, {"model": model}, owner="sam").weights()
    assert (wanted.role, wanted.name, wanted.path) == ("weights", model, None)


def test_a_local_checkpoint_replaces_the_published_weights(tmp_path):
    options = parse_options(SamOptions, {"checkpoint": "my.pth"}, owner="sam", base=tmp_path)
    (wanted,) = options.weights()
    assert (wanted.name, wanted.path) == ("", tmp_path / "my.pth")


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"model": "vit_x"}, "model"),
        ({"multimask": "all"}, "multimask"),
        ({"treshold": 0.1}, "Did you mean 'threshold'"),
        ({"threshold": float("nan")}, "threshold"),
        ({"nms": 1.5}, "nms"),
        ({"min_score": -0.1}, "min_score"),
        ({"batch": -1}, "batch"),
        ({"precision": "int8"}, "precision"),
    ],
    ids=str,
)
def test_options_out_of_range_are_refused_by_name(given, complaint):
    with pytest.raises(UsageError, match=complaint):
        parse_options(SamOptions, given, owner="sam")


def test_every_option_is_described():
    for model in (SamOptions, FineTunedSamOptions):
        assert all(field.description for field in model.model_fields.values())


@pytest.mark.parametrize(
    "change",
    [
        {"model": "vit_l"},
        {"multimask": "single"},
        {"threshold": 0.1},
        {"nms": 0.5},
        {"min_score": 0.5},
        {"min_stability": 0.5},
        {"min_area": 9},
        {"precision": "bf16"},
    ],
    ids=str,
)
def test_every_option_that_changes_numbers_is_part_of_the_identity(change):
    assert SamOptions(**change).identity() != SamOptions().identity()


def test_where_a_checkpoint_lies_and_how_prompts_are_batched_are_not(tmp_path):
    assert SamOptions(batch=7, checkpoint=tmp_path / "x.pth").identity() == SamOptions().identity()
