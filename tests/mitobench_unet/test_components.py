"""The segmenter finds objects by itself; the prompter says the same as prompts, from one shared forward pass."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mitobench.errors import MissingError
from mitobench.interfaces import BuildContext, Prompter, Segmenter
from mitobench.plugins import Plugins
from mitobench.prompts import Prompts
from mitobench.samples import Sample
from mitobench_unet.judgement import Tally, tally
from mitobench_unet.options import ROLE, PrompterOptions, SegmenterOptions
from mitobench_unet.prompter import UnetPrompter
from mitobench_unet.segmenter import UnetSegmenter

RNG = np.random.default_rng(0)


def segmenter(path: Path, **options) -> UnetSegmenter:
    return UnetSegmenter(SegmenterOptions(checkpoint=path, **options), BuildContext(weights={ROLE: path}))


def prompter(path: Path, **options) -> UnetPrompter:
    return UnetPrompter(PrompterOptions(checkpoint=path, **options), BuildContext(weights={ROLE: path}))


def segment(component: UnetSegmenter, sample: Sample):
    (encoding,) = component.encode([sample.image])
    return component.segment(encoding, sample.without_reference(), Prompts())


def test_they_are_what_the_interfaces_ask_for(trained) -> None:
    assert isinstance(segmenter(trained), Segmenter)
    assert isinstance(prompter(trained), Prompter)


def test_the_plugin_offers_a_segmenter_a_prompter_and_a_trainer() -> None:
    plugins = Plugins.discover()
    for kind in ("segmenter", "prompter", "trainer"):
        component = plugins.find(kind, "unet")
        assert component.missing() == ""
        assert component.target().__module__.startswith("mitobench_unet.")
        assert component.options_model()().weights() is not None


def test_unseen_discs_are_found(learned, make_disc) -> None:
    component, total = segmenter(learned), Tally()
    for number in range(100, 106):
        sample = make_disc(number)
        total += tally(sample.labels, segment(component, sample).labels, None)
    assert total.dice > 0.9


def test_scores_are_mean_probabilities(learned, make_disc) -> None:
    sample = make_disc(100)
    component = segmenter(learned)
    (maps,) = component.encode([sample.image])
    result = segment(component, sample)
    assert result.scores.size == result.labels.max() > 0
    for k, score in enumerate(result.scores, start=1):
        assert score == pytest.approx(maps[0][result.labels == k].mean(), rel=1e-5)


def test_segmenter_and_prompter_share_one_encoding(trained, make_disc) -> None:
    first, second = segmenter(trained, threshold=0.3, min_area=4), prompter(trained, emit="box", batch=1)
    assert first.encoder_key == second.encoder_key
    image = make_disc(0).image
    np.testing.assert_array_equal(first.encode([image])[0], second.encode([image])[0])


def test_other_weights_windows_or_flips_are_another_encoding(trained, write_network, tmp_path) -> None:
    other = write_network(tmp_path / "other.safetensors", seed=9)
    keys = [segmenter(trained).encoder_key, segmenter(other).encoder_key]
    keys += [segmenter(trained, **change).encoder_key for change in ({"window": 64}, {"overlap": 0.5}, {"flips": True})]
    assert len(set(keys)) == 5


def test_the_key_is_that_of_the_weights_not_of_their_place(trained, tmp_path) -> None:
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(trained.read_bytes())
    assert segmenter(copy).encoder_key == segmenter(trained).encoder_key


@pytest.mark.parametrize("emit", ["point", "box", "mask"])
def test_each_instance_becomes_one_prompt_of_the_kind_asked_for(learned, make_disc, emit) -> None:
    sample = make_disc(100)
    result = segment(segmenter(learned), sample)
    component = prompter(learned, emit=emit)
    prompts = component.prompt(component.encode([sample.image])[0], sample.without_reference(), RNG)
    assert prompts.kinds == {emit}
    assert len(prompts) == result.scores.size > 0
    np.testing.assert_array_equal(prompts.scores, result.scores)
    assert prompts.targets is None
    prompts.check_inside(sample.shape)


def test_points_boxes_and_masks_lie_on_their_instances(learned, make_disc) -> None:
    sample = make_disc(101)
    labels = segment(segmenter(learned), sample).labels
    made = {}
    for emit in ("point", "box", "mask"):
        component = prompter(learned, emit=emit)
        made[emit] = component.prompt(component.encode([sample.image])[0], sample, RNG)
    scale = 256 / max(sample.shape)
    for index in range(len(made["point"])):
        rows, columns = np.nonzero(labels == index + 1)
        x, y = made["point"].points[index, 0]
        assert labels[round(float(y)), round(float(x))] == index + 1
        assert made["box"].boxes[index].tolist() == [columns.min(), rows.min(), columns.max(), rows.max()]
        area = (made["mask"].masks[index] > 0).sum() / scale**2
        assert area == pytest.approx(rows.size, rel=0.2)


def test_the_threshold_and_the_smallest_area_narrow_what_is_found(learned, make_disc) -> None:
    sample = make_disc(102)
    covered = [np.count_nonzero(segment(segmenter(learned, threshold=t), sample).labels) for t in (0.1, 0.5, 0.9)]
    assert covered[0] > covered[1] > covered[2]
    assert segment(segmenter(learned, min_area=10_000), sample).labels.max() == 0


@pytest.mark.parametrize("emit", ["point", "box", "mask"])
def test_an_image_without_objects_gives_none(learned, emit) -> None:
    sample = Sample(id="dark", image=np.random.default_rng(0).integers(20, 24, (40, 40)).astype(np.uint8))
    options = {"threshold": 0.99, "min_area": 2000}
    result = segment(segmenter(learned, **options), sample)
    assert (result.labels.max(), result.scores.size) == (0, 0)
    component = prompter(learned, emit=emit, **options)
    assert len(component.prompt(component.encode([sample.image])[0], sample, RNG)) == 0


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (13, 1), (31, 45), (31, 45, 3)])
def test_odd_sizes_and_colour_work(trained, shape) -> None:
    sample = Sample(id="odd", image=np.random.default_rng(1).integers(0, 256, shape, np.uint8))
    result = segment(segmenter(trained), sample)
    result.check_shape(sample.shape)
    for emit in ("point", "box", "mask"):
        component = prompter(trained, emit=emit)
        component.prompt(component.encode([sample.image])[0], sample, RNG).check_inside(sample.shape)


def test_the_checkpoint_decides_how_to_split_unless_told(write_network, tmp_path, make_disc) -> None:
    paths = {s: write_network(tmp_path / f"{s}.safetensors", split=s) for s in ("components", "watershed")}
    sample = make_disc(0)
    assert segment(segmenter(paths["components"]), sample).semantic
    assert not segment(segmenter(paths["watershed"]), sample).semantic
    assert segment(segmenter(paths["watershed"], split="components"), sample).semantic


def test_the_checkpoint_suggests_the_smallest_area(write_network, tmp_path, make_disc) -> None:
    path = write_network(tmp_path / "w.safetensors", min_area=10**6)
    assert segment(segmenter(path, threshold=0.01), make_disc(0)).scores.size == 0
    assert segment(segmenter(path, threshold=0.01, min_area=0), make_disc(0)).scores.size > 0


def test_the_result_does_not_depend_on_the_reference_or_the_id(learned, make_disc) -> None:
    sample = make_disc(103)
    component = segmenter(learned)
    (encoding,) = component.encode([sample.image])
    first = component.segment(encoding, sample, Prompts())
    second = component.segment(encoding, replace(sample.without_reference(), id="x"), Prompts())
    np.testing.assert_array_equal(first.labels, second.labels)


def test_without_weights_the_error_says_which_and_how() -> None:
    with pytest.raises(MissingError, match=r"'unet-nuclei' are not here.*checkpoint="):
        UnetSegmenter(SegmenterOptions(model="nuclei"), BuildContext())


def test_a_device_that_is_missing_is_an_error(trained) -> None:
    with pytest.raises(MissingError, match="cuda:77"):
        UnetSegmenter(SegmenterOptions(checkpoint=trained), BuildContext(device="cuda:77", weights={ROLE: trained}))
