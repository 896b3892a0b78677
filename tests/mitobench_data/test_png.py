"""PNG images of every mode, damaged ones and large ones."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from mitobench.errors import DataError
from mitobench.images import as_labels, as_uint8
from mitobench_data.planes import PlaneFile, open_planes

GREY = np.random.default_rng(0).integers(0, 256, (6, 9), dtype=np.uint8)
RGB = np.random.default_rng(1).integers(0, 256, (6, 9, 3), dtype=np.uint8)


def saved(tmp_path, array, mode=None):
    image = Image.fromarray(array) if mode is None else Image.fromarray(array).convert(mode)
    image.save(tmp_path / "a.png")
    return tmp_path / "a.png"


def read(path, role="image", **options):
    return open_planes(PlaneFile(path=path, **options), role).read(0)


def test_grey_and_colour(tmp_path):
    np.testing.assert_array_equal(read(saved(tmp_path, GREY)), GREY)
    np.testing.assert_array_equal(read(saved(tmp_path, RGB)), RGB)


def test_sixteen_bit_grey_keeps_its_values(tmp_path):
    deep = GREY.astype(np.uint16) * 257
    np.testing.assert_array_equal(read(saved(tmp_path, deep)), deep)


def test_alpha_is_dropped(tmp_path):
    np.testing.assert_array_equal(as_uint8(read(saved(tmp_path, RGB, "RGBA")), name="a"), RGB)
    np.testing.assert_array_equal(as_uint8(read(saved(tmp_path, GREY, "LA")), name="a"), GREY)
    np.testing.assert_array_equal(
        as_labels(read(saved(tmp_path, GREY, "LA"), "labels"), name="a").labels != 0, GREY != 0
    )


def test_one_bit_images_are_black_and_white_and_one_bit_labels_a_mask(tmp_path):
    path = saved(tmp_path, GREY > 99)
    np.testing.assert_array_equal(read(path), (GREY > 99) * 255)
    assert as_labels(read(path, "labels"), name="a").semantic


def test_a_palette_is_looked_up_for_images_and_kept_for_labels(tmp_path):
    image = Image.fromarray(np.array([[0, 1, 2]], np.uint8), "P")
    image.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    image.save(tmp_path / "a.png")
    np.testing.assert_array_equal(read(tmp_path / "a.png"), [[[0, 0, 0], [255, 0, 0], [0, 255, 0]]])
    np.testing.assert_array_equal(read(tmp_path / "a.png", "labels"), [[0, 1, 2]])


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_file_cut_short_is_refused_by_name(tmp_path, share):
    path = saved(tmp_path, np.random.default_rng(0).integers(0, 256, (99, 99), dtype=np.uint8))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(DataError, match=r"a\.png: the PNG image is damaged or cut short"):
        read(path)


def claiming(path, width, height):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    )


def test_a_header_that_claims_forty_gigapixels_is_refused(tmp_path):
    claiming(tmp_path / "a.png", 200_000, 200_000)
    with pytest.raises(DataError, match="40000000000 pixels"):
        read(tmp_path / "a.png")


def test_a_large_image_is_not_stopped_by_pillows_own_limit(tmp_path):
    claiming(tmp_path / "a.png", 15_000, 15_000)
    assert open_planes(PlaneFile(path=tmp_path / "a.png"), "image").layout.plane == (15_000, 15_000)


def test_pillows_own_limit_is_left_as_it_was(tmp_path):
    before = Image.MAX_IMAGE_PIXELS
    read(saved(tmp_path, GREY))
    assert before == Image.MAX_IMAGE_PIXELS
