from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from mitobench.checkpoints import Card
from mitobench.errors import MissingError

pytest.importorskip(
    "tensorflow" if find_spec("tensorflow") is None else "mitobench_keras.runtime", reason="needs tensorflow"
)

from mitobench_keras.architecture import COMPONENT, Architecture, build_model, read_architecture
from mitobench_keras.runtime import keras
from mitobench_keras.weights import read_weights

TINY = Architecture(channels=(4, 8, 12), size=16)


def test_the_default_is_the_published_network():
    model = build_model(Architecture())
    assert model.input_shape == (None, 128, 128, 1)
    assert model.output_shape == (None, 128, 128, 1)
    convolutions = [layer for layer in model.layers if type(layer) is keras.layers.Conv2D]
    widths = [64, 128, 256, 512, 1024, 512, 256, 128, 64]
    assert [c.filters for c in convolutions] == [w for width in widths for w in (width, width)] + [1]
    assert {(c.kernel_size, c.activation.__name__, c.padding) for c in convolutions[:-1]} == {((3, 3), "relu", "same")}
    assert (convolutions[-1].kernel_size, convolutions[-1].activation.__name__) == ((1, 1), "sigmoid")
    pools = [layer for layer in model.layers if isinstance(layer, keras.layers.MaxPooling2D)]
    assert [(p.pool_size, p.strides) for p in pools] == [((2, 2), (2, 2))] * 4
    rises = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2DTranspose)]
    assert [(r.filters, r.kernel_size, r.strides) for r in rises] == [(w, (2, 2), (2, 2)) for w in (512, 256, 128, 64)]
    assert model.count_params() == 31_030_593


def test_the_same_weights_compute_what_a_notebook_network_computes(notebook_unet):
    ours, theirs = build_model(TINY, seed=5), notebook_unet(TINY.channels, TINY.size)
    assert [w.shape for w in ours.weights] == [w.shape for w in theirs.weights]
    theirs.set_weights(ours.get_weights())
    images = np.random.default_rng(0).random((3, 16, 16, 1), np.float32)
    np.testing.assert_allclose(ours(images).numpy(), theirs(images).numpy(), atol=1e-6)


def test_one_seed_gives_one_set_of_weights():
    first, again, other = (read_weights(build_model(TINY, seed=seed)) for seed in (3, 3, 4))
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["up0_conv0/kernel"], other["up0_conv0/kernel"])


def test_layers_start_differently_from_each_other():
    weights = read_weights(build_model(Architecture(channels=(4, 4), size=16)))
    assert not np.array_equal(weights["down0_conv1/kernel"], weights["bottleneck_conv0/kernel"])


def test_global_generators_are_left_alone():
    np.random.seed(1)  # noqa: NPY002
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    build_model(TINY)
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002


def test_a_users_keras_configuration_changes_nothing():
    expected = read_weights(build_model(TINY))
    keras.config.set_image_data_format("channels_first")
    keras.config.set_floatx("float16")
    try:
        found = read_weights(build_model(TINY))
    finally:
        keras.config.set_image_data_format("channels_last")
        keras.config.set_floatx("float32")
    assert {w.dtype for w in found.values()} == {np.dtype(np.float32)}
    assert all(np.array_equal(expected[name], found[name]) for name in expected)


def test_a_card_brings_the_architecture_back():
    card = Card(component=COMPONENT, architecture=replace(TINY, tiling="resize").plain())
    assert read_architecture(card, Path("x")) == replace(TINY, tiling="resize")


def test_another_components_card_is_refused():
    with pytest.raises(MissingError, match="a checkpoint of 'unet', expected one of 'unet-keras'"):
        read_architecture(Card(component="unet", architecture=TINY.plain()), Path("x"))


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"network": "other"}, "network 'other'"),
        ({"channels": [4]}, r"channels \[4\]"),
        ({"channels": [4, -1]}, "channels"),
        ({"channels": "many"}, "invalid literal"),
        ({"size": 17}, "size 17"),
        ({"size": None}, "size None"),
        ({"normalisation": "z-score"}, "normalisation 'z-score'"),
        ({"tiling": "whole"}, "tiling 'whole'"),
    ],
)
def test_a_card_that_describes_no_such_network_says_what_is_wrong(change, found):
    card = Card(component=COMPONENT, architecture={**TINY.plain(), **change})
    with pytest.raises(MissingError, match=found):
        read_architecture(card, Path("x.safetensors"))


def test_a_card_without_channels_is_refused():
    with pytest.raises(MissingError, match="channels"):
        read_architecture(Card(component=COMPONENT, architecture={"network": "keras U-Net"}), Path("x"))
