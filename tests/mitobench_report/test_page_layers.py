"""Pictures of the page: small files, exact colours, one copy each."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from mitobench.overlays import BOX, FALSE_NEGATIVE, FALSE_POSITIVE, POSITIVE_POINT, TRUE_POSITIVE
from mitobench.prompts import Prompts
from mitobench_report.page.layers import SIDE, Frame, contours_layer, image_layer, labels_layer, prompts_layer
from mitobench_report.page.pictures import Pictures


def rgba(data):
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGBA"))


def square(shape, *corners):
    labels = np.zeros(shape, np.int32)
    for number, (y, x) in enumerate(corners, start=1):
        labels[y : y + 10, x : x + 10] = number
    return labels


def colours_of(picture, opacity=255):
    return {tuple(c[:3]) for c in picture[picture[..., 3] == opacity].tolist()}


@pytest.mark.parametrize("shape", [(1, 1), (7, 300), (256, 256), (2000, 1000)])
def test_a_frame_keeps_the_shape_and_lands_near_the_wanted_side(shape):
    frame = Frame(*shape)
    assert SIDE / 2 < max(frame.shape) <= SIDE
    ratio = shape[0] / shape[1]
    assert frame.shape[0] / frame.shape[1] == pytest.approx(ratio, rel=0.1)
    assert frame.labels(np.ones(shape, np.int32)).shape == frame.shape


def test_labels_keep_their_pixels_where_the_frame_enlarges():
    labels = np.arange(12).reshape(3, 4)
    frame = Frame(3, 4)
    factor = int(frame.scale)
    assert (frame.labels(labels) == np.kron(labels, np.ones((factor, factor), int))).all()


def test_contours_tell_found_from_invented_from_missed():
    reference = square((64, 64), (5, 5), (40, 40))
    predicted = square((64, 64), (6, 5), (5, 45))
    picture = rgba(contours_layer(reference, predicted, Frame(64, 64)))
    assert colours_of(picture) == {TRUE_POSITIVE, FALSE_POSITIVE, FALSE_NEGATIVE}
    at = int(Frame(64, 64).scale)
    assert tuple(picture[40 * at, 40 * at, :3]) == FALSE_NEGATIVE
    assert tuple(picture[6 * at, 5 * at, :3]) == TRUE_POSITIVE
    assert picture[0, 0, 3] == 0, "transparent beside the objects"


def test_ignored_pixels_have_no_contours():
    reference, predicted = square((64, 64), (5, 5)), square((64, 64), (40, 40))
    ignore = np.ones((64, 64), bool)
    assert colours_of(rgba(contours_layer(reference, predicted, Frame(64, 64), ignore=ignore))) == set()


def test_touching_objects_are_filled_in_different_colours():
    picture = rgba(labels_layer(square((64, 64), (5, 5), (5, 15)), Frame(64, 64)))
    at = int(Frame(64, 64).scale)
    first, second = picture[10 * at, 10 * at], picture[10 * at, 20 * at]
    assert 0 < first[3] < 255
    assert tuple(first) != tuple(second)


def test_prompts_are_drawn_at_their_place_in_large_and_small_images():
    for shape in ((64, 64), (1400, 1400)):
        middle = np.array([[[shape[1] / 2, shape[0] / 2]]], np.float32)
        prompts = Prompts(points=middle, point_labels=np.ones((1, 1), np.int8))
        picture = rgba(prompts_layer(prompts, Frame(*shape)))
        y, x = (int((s / 2 + 0.5) * Frame(*shape).scale) for s in shape)
        assert tuple(picture[y, x]) == (*POSITIVE_POINT, 255)
        assert picture[0, 0, 3] == 0
    box = Prompts(boxes=np.array([[0, 0, 63, 63]], np.float32))
    assert tuple(rgba(prompts_layer(box, Frame(64, 64)))[0, 0]) == (*BOX, 255)


@pytest.mark.parametrize("side", [140, 1120])
def test_points_leave_small_reference_objects_to_be_seen(side):
    prompts = Prompts(points=np.full((1, 1, 2), side / 2, np.float32), point_labels=np.ones((1, 1), np.int8))
    small, large = (np.zeros((side, side), np.uint8) for _ in range(2))
    small[: side // 56, : side // 56], large[: side // 2, : side // 2] = 1, 1  # 10 and 280 pixels of the picture
    marks = [
        (rgba(prompts_layer(prompts, Frame(side, side), reference))[..., 3] > 0).sum()
        for reference in (small, large, None)
    ]
    assert 0 < marks[0] < 0.1 * 10 * 10
    assert 4 * marks[0] < marks[1] == marks[2]


def test_mask_prompts_are_see_through():
    masks = np.full((1, 256, 256), -10, np.float32)
    masks[0, 100:160, 100:160] = 10
    picture = rgba(prompts_layer(Prompts(masks=masks), Frame(64, 64)))
    assert ((picture[..., 3] > 60) & (picture[..., 3] < 120)).any()


def test_a_dark_image_is_shown_with_its_contrast_stretched():
    image = np.linspace(0, 50, 128 * 128).astype(np.uint8).reshape(128, 128)
    shown = np.asarray(Image.open(io.BytesIO(image_layer(image, Frame(128, 128)))))
    assert shown.max() > 240
    assert np.abs(shown.astype(float) - image * 5.1).mean() < 4


def test_the_image_is_grey_where_it_was_grey_and_small():
    image = np.random.default_rng(0).integers(0, 255, (256, 256), np.uint8)
    picture = Image.open(io.BytesIO(image_layer(image, Frame(256, 256))))
    assert (picture.mode, picture.size, picture.format) == ("L", (256, 256), "JPEG")
    assert np.abs(np.asarray(picture).astype(int) - image).mean() < 12
    large = image_layer(np.zeros((3000, 1500, 3), np.uint8), Frame(3000, 1500))
    assert Image.open(io.BytesIO(large)).size == (SIDE // 2, SIDE)


def test_equal_pictures_are_stored_once_and_come_back_whole():
    pictures = Pictures(100_000)
    data = labels_layer(square((64, 64), (5, 5)), Frame(64, 64))
    first = pictures.add((data, (64, 64)), (data, (64, 64)))
    assert first == pictures.add((data, (64, 64)), (data, (64, 64)))
    assert len(pictures) == 1
    (stored,) = re.findall(r"base64,([^)]+)\)", pictures.style())
    assert base64.b64decode(stored) == data
    assert pictures.used == len(pictures.style()) - len(f".{first[0]}{{}}")


def test_what_the_budget_does_not_hold_is_not_stored_at_all():
    frame = Frame(64, 64)
    small, large = labels_layer(square((64, 64), (5, 5)), frame), image_layer(np.eye(64, dtype=np.uint8) * 255, frame)
    pictures = Pictures(len(base64.b64encode(small)) + 200)
    assert pictures.add((large, (64, 64)), (small, (64, 64))) is None
    assert len(pictures) == 0
    assert pictures.add((small, (64, 64))) is not None
