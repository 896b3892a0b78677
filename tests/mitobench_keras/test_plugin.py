import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec

import pytest

from mitobench.errors import UsageError
from mitobench.options import parse_options
from mitobench.testing import checks
from mitobench_keras.options import PrompterOptions, SegmenterOptions, TrainerOptions

needs_tensorflow = pytest.mark.skipif(find_spec("tensorflow") is None, reason="needs tensorflow")


def test_listing_imports_neither_tensorflow_nor_numpy():
    code = "import sys, mitobench_keras as k; k.mitobench_segmenters(), k.mitobench_prompters(), k.mitobench_trainers()"
    code += "; print([m for m in ('tensorflow', 'keras', 'numpy', 'pydantic') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_one_name_segments_prompts_and_trains(plugins):
    assert plugins.warnings == []
    for kind in ("segmenter", "prompter", "trainer"):
        descriptor = plugins.find(kind, "unet-keras").descriptor
        assert "Ronneberger" in descriptor.citation
        assert "tensorflow>=2.16" in descriptor.requires
    assert plugins.find("trainer", "unet-keras").descriptor.trains == ("unet-keras",)


def test_without_tensorflow_it_says_what_to_install(plugins):
    component = plugins.find("segmenter", "unet-keras")
    lacking = replace(component, descriptor=replace(component.descriptor, requires=("tensorflow>=999",)))
    assert "pip install 'mitobench[keras]'" in lacking.missing()


def test_defaults_are_the_published_system():
    options = TrainerOptions()
    assert (options.channels, options.size) == ((64, 128, 256, 512, 1024), 128)
    assert (options.epochs, options.batch, options.lr) == (20, 16, 1e-3)
    prompting = PrompterOptions(checkpoint="x.safetensors")
    assert (prompting.threshold, prompting.emit, prompting.centroid) == (0.5, "point", "mean")


def test_a_checkpoint_is_required_because_none_is_bundled():
    with pytest.raises(UsageError, match="'checkpoint' is required"):
        parse_options(SegmenterOptions, {}, owner="unet-keras")


def test_the_size_must_be_divisible_by_the_levels():
    with pytest.raises(UsageError, match="size 24 must be a multiple of 16"):
        parse_options(TrainerOptions, {"size": 24}, owner="unet-keras")


def test_channels_must_be_positive():
    with pytest.raises(UsageError, match="must be positive"):
        parse_options(TrainerOptions, {"channels": [4, 0]}, owner="unet-keras")


def test_the_inference_batch_is_no_part_of_the_identity():
    few, many = (SegmenterOptions(checkpoint="x.safetensors", batch=n).identity() for n in (1, 64))
    assert few == many
    assert "checkpoint" not in few


@needs_tensorflow
@pytest.mark.parametrize("emit", ["point", "box", "mask"])
def test_the_prompter_keeps_the_contract(learned, plugins, emit):
    for check in checks(
        prompter=f"unet-keras:checkpoint='{learned}',emit={emit}", plugins=plugins, weights={"weights": learned}
    ):
        check()


@needs_tensorflow
@pytest.mark.parametrize("tiling", ["patches", "resize"])
def test_the_segmenter_keeps_the_contract(learned, untrained, plugins, tiling):
    for check in checks(
        segmenter=f"unet-keras:checkpoint='{learned}',tiling={tiling}",
        plugins=plugins,
        weights={"weights": learned},
        other_weights={"weights": untrained},
    ):
        check()


@needs_tensorflow
def test_the_trainer_keeps_the_contract(plugins):
    for check in checks(trainer="unet-keras:epochs=1", plugins=plugins):
        check()
