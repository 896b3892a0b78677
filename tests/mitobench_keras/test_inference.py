from importlib.util import find_spec

import numpy as np
import pytest

pytest.importorskip(
    "tensorflow" if find_spec("tensorflow") is None else "mitobench_keras.runtime", reason="needs tensorflow"
)

from mitobench_keras.architecture import Architecture, build_model
from mitobench_keras.inference import Network, Viewing, probability_maps
from mitobench_keras.intensities import as_grey, normalise
from mitobench_keras.tiles import resized


@pytest.fixture(scope="module")
def model():
    return build_model(Architecture(channels=(4, 8), size=16), seed=2)


@pytest.fixture(scope="module")
def network(model):
    return Network(model, "/CPU:0")


def _image(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def _direct(model, tile):
    return model((tile / np.float32(255))[None, ..., None]).numpy()[0, ..., 0]


def test_intensities_are_divided_by_255():
    planes = normalise(np.array([[[0, 255, 51]]], np.uint8))
    assert planes.dtype == np.float32
    np.testing.assert_allclose(planes[..., 0], [[[0, 1, 0.2]]], rtol=1e-6)


def test_colour_is_seen_as_luminance():
    pixels = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 9, 9]]], np.uint8)
    assert as_grey(pixels).tolist() == [[76, 150, 29, 9]]


def test_one_tile_is_what_the_model_says(model, network):
    image = _image(16, 16)
    (found,) = probability_maps(network, [image], Viewing())
    np.testing.assert_allclose(found, _direct(model, image), atol=1e-6)


def test_an_image_is_its_tiles_side_by_side(model, network):
    image = _image(32, 48)
    (found,) = probability_maps(network, [image], Viewing())
    for top in (0, 16):
        for left in (0, 16, 32):
            window = slice(top, top + 16), slice(left, left + 16)
            np.testing.assert_allclose(found[window], _direct(model, image[window]), atol=1e-6)


def test_overlap_blends_neighbouring_tiles(model, network):
    image = _image(16, 24)
    (found,) = probability_maps(network, [image], Viewing(overlap=0.5))
    left, right = _direct(model, image[:, :16]), _direct(model, image[:, 8:])
    np.testing.assert_allclose(found[:, 0], left[:, 0], atol=1e-6)
    share = np.array([8, 7, 6, 5, 4, 3, 2, 1]) / 9
    middle = left[7, 8:] * share + right[7, :8] * share[::-1]
    np.testing.assert_allclose(found[7, 8:16], middle, atol=1e-5)


def test_resizing_sees_the_whole_image_at_once(model, network):
    image = _image(40, 24)
    (found,) = probability_maps(network, [image], Viewing(tiling="resize"))
    small = np.rint(resized(image, (16, 16))).astype(np.uint8)
    np.testing.assert_allclose(found, resized(_direct(model, small), (40, 24)), atol=1e-5)


@pytest.mark.parametrize("tiling", ["patches", "resize"])
@pytest.mark.parametrize("batch", [1, 3, 64])
def test_the_batch_changes_nothing_but_rounding(network, tiling, batch):
    images = [_image(20, 33, seed=1), _image(7, 1, seed=2), _image(16, 40, 3, seed=3), _image(1, 1, seed=4)]
    found = probability_maps(network, images, Viewing(tiling=tiling, batch=batch))
    for image, probability in zip(images, found, strict=True):
        assert probability.shape == image.shape[:2]
        assert probability.dtype == np.float32
        assert 0 <= probability.min() <= probability.max() <= 1
        (alone,) = probability_maps(network, [image], Viewing(tiling=tiling))
        np.testing.assert_allclose(probability, alone, atol=1e-5)


def test_no_images_give_no_maps(network):
    assert probability_maps(network, [], Viewing()) == []
