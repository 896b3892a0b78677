"""The plugin is found like any other; without ultralytics it is planned out with a reason, not a crash."""

import importlib.metadata

import pytest

import mitobench_yolo
from mitobench.errors import UsageError
from mitobench.options import parse_options
from mitobench.plugins import Component, Plugin
from mitobench_yolo.options import ROLE, PrompterOptions, TrainerOptions

DESCRIPTORS = [*mitobench_yolo.mitobench_prompters(), *mitobench_yolo.mitobench_trainers()]


def component(descriptor) -> Component:
    return Component(descriptor, Plugin("yolo", "mitobench_yolo", "mitobench", "1"))


@pytest.mark.parametrize("descriptor", DESCRIPTORS, ids=lambda d: d.kind)
def test_options_and_class_are_where_the_descriptor_says(descriptor):
    assert component(descriptor).missing() == ""
    assert component(descriptor).target().__module__.startswith("mitobench_yolo.")
    assert component(descriptor).options_model() in (PrompterOptions, TrainerOptions)


@pytest.mark.parametrize("descriptor", DESCRIPTORS, ids=lambda d: d.kind)
def test_without_ultralytics_the_plan_says_what_to_install(descriptor, monkeypatch):
    real = importlib.metadata.version

    def version(name):
        if name == "ultralytics":
            raise importlib.metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    install = "pip install 'mitobench[yolo]' (in a checkout: pip install '.[yolo]')"
    assert component(descriptor).missing() == f"needs ultralytics>=8.3, which is not installed; {install}"


def test_the_checkpoint_is_what_the_prompter_needs(tmp_path):
    options = parse_options(PrompterOptions, {"checkpoint": "a.safetensors"}, owner="yolo", base=tmp_path)
    (weights,) = options.weights()
    assert (weights.role, weights.path) == (ROLE, tmp_path / "a.safetensors")
    with pytest.raises(UsageError, match="option 'checkpoint' is required"):
        parse_options(PrompterOptions, {}, owner="yolo")


def test_what_cannot_change_a_box_is_no_part_of_a_results_identity():
    base = PrompterOptions(checkpoint="a.safetensors")
    same = PrompterOptions(checkpoint="b.safetensors", batch=3, max_objects=7)
    assert base.identity() == same.identity()
    for change in ({"confidence": 0.3}, {"iou": 0.3}, {"image_size": 96}, {"tile": 64}, {"sha256": "0" * 64}):
        assert PrompterOptions(checkpoint="a.safetensors", **change).identity() != base.identity()


@pytest.mark.parametrize(
    ("model", "values"),
    [
        (PrompterOptions, {"checkpoint": "a", "confidence": 0}),
        (PrompterOptions, {"checkpoint": "a", "sha256": "abc"}),
        (PrompterOptions, {"checkpoint": "a", "image_size": 100}),
        (TrainerOptions, {"size": "x"}),
        (TrainerOptions, {"image_size": 32}),
        (TrainerOptions, {"init_sha256": "0" * 64}),
    ],
)
def test_options_that_make_no_sense_are_refused(model, values):
    with pytest.raises(UsageError, match="yolo: "):
        parse_options(model, values, owner="yolo")


def test_a_trainer_without_init_reads_no_weights():
    assert TrainerOptions().weights() == ()
    assert TrainerOptions(init="a.pt", init_sha256="0" * 64).weights()[0].role == ROLE
