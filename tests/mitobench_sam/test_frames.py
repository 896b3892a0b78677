"""Into SAM's square input and back, against ``SamPredictor`` and ``Sam.postprocess_masks``."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from segment_anything.utils.transforms import ResizeLongestSide

from mitobench_sam.frames import Frame, mask_crop, network_input


def whole_mask(sam, logits, frame, threshold):
    scaled = sam.postprocess_masks(logits[None, None], frame.scaled, frame.original)
    return (scaled[0, 0] > threshold).numpy()


def pasted(crop, shape):
    (top, left), window = crop
    mask = np.zeros(shape, np.bool_)
    if window.any():
        mask[top : top + window.shape[0], left : left + window.shape[1]] = window
    return mask


@pytest.mark.parametrize("shape", [(256, 256, 3), (100, 173, 3), (301, 77, 3), (256, 40, 3)], ids=str)
def test_the_network_sees_what_the_official_predictor_shows_it(official, sample, shape):
    image = sample(shape).image
    scaled = torch.as_tensor(ResizeLongestSide(256).apply_image(image)).permute(2, 0, 1)[None]
    expected = official.preprocess(scaled)[0]
    frame = Frame.of(shape[:2], 256)
    assert frame.scaled == tuple(scaled.shape[2:])
    assert torch.equal(network_input(image, frame, official.pixel_mean, official.pixel_std), expected)


@pytest.mark.parametrize("shape", [(256, 256), (97, 301), (1500, 1001)], ids=str)
def test_coordinates_go_where_the_official_predictor_puts_them(shape):
    points = np.random.default_rng(0).uniform(0, 2000, (50, 2)).astype(np.float32)
    expected = ResizeLongestSide(1024).apply_coords(points, shape).astype(np.float32)
    np.testing.assert_array_equal(Frame.of(shape, 1024).place(points), expected)


def test_an_image_of_one_row_keeps_one_row():
    frame = Frame.of((1, 5000), 256)
    assert frame.scaled == (1, 256)
    assert network_input(np.zeros((1, 5000), np.uint8), frame, torch.zeros(3, 1, 1), torch.ones(3, 1, 1)).shape == (
        3,
        256,
        256,
    )


def blob(rng, grid, spread):
    """Logits with structure at several scales, above zero only near a random centre."""
    coarse = torch.from_numpy(rng.standard_normal((1, 1, 7, 7)).astype(np.float32))
    logits = torch.nn.functional.interpolate(coarse, (grid, grid), mode="bicubic", align_corners=False)[0, 0]
    logits = logits + 0.2 * torch.from_numpy(rng.standard_normal((grid, grid)).astype(np.float32))
    rows, columns = np.indices((grid, grid))
    centre = rng.integers(0, grid, 2)
    far = np.hypot(rows - centre[0], columns - centre[1]) > spread
    return torch.where(torch.from_numpy(far), logits - 20, logits)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 2**32),
    height=st.integers(1, 700),
    width=st.integers(1, 700),
    spread=st.sampled_from([0, 1, 3, 8, 20, 90]),
    threshold=st.sampled_from([0.0, 0.4, -0.3, -25.0]),
)
def test_a_crop_holds_exactly_the_pixels_of_the_full_upscaling(official, seed, height, width, spread, threshold):
    frame = Frame.of((height, width), 256)
    logits = blob(np.random.default_rng(seed), 64, spread)
    found = pasted(mask_crop(logits, frame, threshold), frame.original)
    np.testing.assert_array_equal(found, whole_mask(official, logits, frame, threshold))


@pytest.mark.parametrize("shape", [(768, 1024), (256, 256), (1024, 640), (900, 1200), (511, 257)], ids=str)
def test_crops_are_exact_at_the_published_input_size(official_1024, shape):
    frame, rng = Frame.of(shape, 1024), np.random.default_rng(5)
    for spread in (0, 2, 10, 40, 400):
        logits = blob(rng, 256, spread)
        found = pasted(mask_crop(logits, frame, 0.0), shape)
        np.testing.assert_array_equal(found, whole_mask(official_1024, logits, frame, 0.0))


def test_a_small_object_needs_a_small_window():
    logits = torch.full((256, 256), -5.0)
    logits[100:110, 50:60] = 5
    (top, left), window = mask_crop(logits, Frame.of((1024, 1024), 1024), 0.0)
    assert window.sum() == pytest.approx(40 * 40, rel=0.1)
    assert window.size < 3000
    assert (top, left) == pytest.approx((400, 200), abs=10)


@pytest.mark.parametrize("value", [-3.0, 0.0])
def test_logits_that_are_nowhere_above_the_threshold_give_an_empty_mask(value):
    _, window = mask_crop(torch.full((64, 64), value), Frame.of((100, 200), 256), 0.0)
    assert not window.any()


def test_what_lies_in_the_padding_is_no_part_of_the_mask():
    logits = torch.full((64, 64), -5.0)
    logits[50:60] = 5
    _, window = mask_crop(logits, Frame.of((100, 256), 256), 0.0)
    assert not window.any()
