"""The segmenter and the prompter, on discs that their network has learned to find."""

from importlib.util import find_spec

import numpy as np
import pytest

from mitobench.errors import MissingError
from mitobench.interfaces import BuildContext
from mitobench.prompts import Prompts

pytest.importorskip(
    "tensorflow" if find_spec("tensorflow") is None else "mitobench_keras.runtime", reason="needs tensorflow"
)

from mitobench_keras.inference import Network
from mitobench_keras.options import PrompterOptions, SegmenterOptions
from mitobench_keras.prompter import KerasPrompter
from mitobench_keras.segmenter import KerasSegmenter

CONTEXT = BuildContext()
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def sample(make_disc):
    return make_disc(99, (40, 56))


def _segmenter(path, **options):
    return KerasSegmenter(SegmenterOptions(checkpoint=path, **options), CONTEXT)


def _prompter(path, **options):
    return KerasPrompter(PrompterOptions(checkpoint=path, **options), CONTEXT)


def _prompts(path, sample, **options):
    prompter = _prompter(path, **options)
    (encoding,) = prompter.encode([sample.image])
    return prompter.prompt(encoding, sample.without_reference(), RNG)


@pytest.fixture(scope="module")
def segmentation(learned, sample):
    segmenter = _segmenter(learned)
    (encoding,) = segmenter.encode([sample.image])
    return segmenter.segment(encoding, sample.without_reference(), Prompts())


def test_it_finds_the_discs_it_was_trained_on(segmentation, sample):
    found, real = segmentation.labels > 0, sample.labels > 0
    assert 2 * (found & real).sum() / (found.sum() + real.sum()) > 0.9
    assert segmentation.semantic
    assert segmentation.scores.min() > 0.5


def test_segmenter_and_prompter_share_one_forward_pass(learned, sample, monkeypatch):
    segmenter, prompter = _segmenter(learned), _prompter(learned, emit="box", centroid="inside")
    assert segmenter.encoder_key == prompter.encoder_key
    calls = []
    forward = Network.__call__
    monkeypatch.setattr(Network, "__call__", lambda self, tiles: calls.append(len(tiles)) or forward(self, tiles))
    (encoding,) = segmenter.encode([sample.image])
    found = segmenter.segment(encoding, sample, Prompts())
    prompts = prompter.prompt(encoding, sample.without_reference(), RNG)
    assert len(calls) == 1
    assert len(prompts) == found.scores.size


def test_the_key_follows_weights_and_view_but_not_how_maps_are_read(learned, untrained):
    key = _segmenter(learned).encoder_key
    assert _segmenter(learned, threshold=0.3, min_area=9, batch=2, tiling="patches").encoder_key == key
    others = [_segmenter(untrained), _segmenter(learned, tiling="resize"), _segmenter(learned, overlap=0.25)]
    assert len({key, *(other.encoder_key for other in others)}) == 4


def test_overlap_means_nothing_where_images_are_resized(learned):
    keys = {_segmenter(learned, tiling="resize", overlap=overlap).encoder_key for overlap in (0, 0.5)}
    assert len(keys) == 1


def test_tiling_is_the_checkpoints_unless_said_otherwise(write_network, tmp_path):
    path = write_network(tmp_path / "r.safetensors", tiling="resize")
    assert _segmenter(path).encoder_key == _segmenter(path, tiling="resize").encoder_key
    assert _segmenter(path).encoder_key != _segmenter(path, tiling="patches").encoder_key


def test_each_instance_gives_its_mean_position_as_one_point(learned, sample, segmentation):
    prompts = _prompts(learned, sample)
    assert prompts.kinds == {"point"}
    for index, point in enumerate(prompts.points):
        rows, columns = np.nonzero(segmentation.labels == index + 1)
        np.testing.assert_allclose(point, [[columns.mean(), rows.mean()]], rtol=1e-6)
    assert prompts.point_labels.tolist() == [[1]] * len(prompts)
    np.testing.assert_array_equal(prompts.scores, segmentation.scores)


def test_boxes_and_masks_are_of_the_same_instances(learned, sample, segmentation):
    boxes, masks = _prompts(learned, sample, emit="box"), _prompts(learned, sample, emit="mask")
    assert boxes.kinds == {"box"}
    assert masks.kinds == {"mask"}
    assert len(boxes) == len(masks) == segmentation.scores.size
    x0, y0, x1, y1 = boxes.boxes[0].astype(int)
    assert (segmentation.labels[y0 : y1 + 1, x0 : x1 + 1] == 1).sum() == (segmentation.labels == 1).sum()
    scale = 256 / max(sample.shape)
    x, y = (((x0 + x1) / 2 + 0.5) * scale, ((y0 + y1) / 2 + 0.5) * scale)
    assert masks.masks[0, int(y), int(x)] > 0
    assert masks.masks[0].min() == -10


def test_what_is_emitted_is_known_without_building():
    assert PrompterOptions(checkpoint="x", emit="mask").emits() == {"mask"}


def test_an_image_without_objects_gives_neither_instances_nor_prompts(learned, make_disc):
    empty = np.full((24, 24), 60, np.uint8)
    sample = make_disc(0, (24, 24), image=empty, labels=None)
    for emit in ("point", "box", "mask"):
        assert len(_prompts(learned, sample, emit=emit)) == 0


def test_a_missing_checkpoint_says_so(tmp_path):
    with pytest.raises(MissingError, match="no such checkpoint"):
        _segmenter(tmp_path / "no.safetensors")


def test_weights_located_by_the_plan_come_first(learned, tmp_path):
    options = SegmenterOptions(checkpoint=tmp_path / "moved.safetensors")
    segmenter = KerasSegmenter(options, BuildContext(weights={"weights": learned}))
    assert segmenter.encoder_key == _segmenter(learned).encoder_key
