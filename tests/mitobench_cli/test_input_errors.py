"""Bad input ends in exit code 3 and one line that names the file; what is unusual but sound gives the same scores."""

import json
import re
import struct
import zlib

import h5py
import numpy as np
import pytest
import tifffile
from PIL import Image

RUN = ("--segmenter", "toy-threshold", "--metric", "semantic", "--out", "r")


@pytest.fixture
def picture():
    """A grey image with a bright disc, and the disc as a label image."""
    y, x = np.mgrid[:32, :40]
    labels = ((y - 15) ** 2 + (x - 20) ** 2 < 64).astype(np.uint8)
    return (60 + 120 * labels + (x % 3)).astype(np.uint8), labels


@pytest.fixture
def pairs(tmp_path, picture):
    """Write a folder of images and one of labels; each is what it is called, or what the test makes of it."""
    (tmp_path / "i").mkdir()
    (tmp_path / "l").mkdir()

    def write(**files):
        for name, value in {"i_a": picture[0], "l_a": picture[1], **files}.items():
            folder, _, stem = name.partition("_")
            if value is not None:
                tifffile.imwrite(tmp_path / folder / f"{stem}.tif", value, photometric="minisblack")
        return tmp_path

    return write


def a_png_of(side):
    """The first bytes of a PNG whose header claims side x side pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))


def outcome(mitobench, data="folder:images=i,labels=l"):
    return mitobench("run", "--data", data, *RUN)


def refused(mitobench, *words, data="folder:images=i,labels=l"):
    """The run ends in exit code 3, and its error names these words."""
    result = outcome(mitobench, data)
    assert result.code == 3, result.err
    assert result.err.count("Traceback") == 0
    assert all(word in result.err for word in words), result.err
    return result


def dice(mitobench, data="folder:images=i,labels=l"):
    result = mitobench("run", "--data", data, *RUN, "--json")
    assert result.code == 0, result.err
    return json.loads(result.out)["leaderboard"]["tables"][0]["rows"][0]["scores"]["Dice"]["value"]


def test_an_empty_folder(mitobench, tmp_path):
    (tmp_path / "i").mkdir()
    (tmp_path / "l").mkdir()
    refused(mitobench, "i")


def test_a_folder_that_is_not_there(mitobench):
    result = outcome(mitobench)
    assert result.code in (2, 3)
    assert "i" in result.err


def test_an_image_without_labels(mitobench, pairs, picture):
    pairs(i_b=picture[0])
    refused(mitobench, "b.tif")


def test_labels_without_an_image(mitobench, pairs, picture):
    pairs(l_b=picture[1])
    refused(mitobench, "b.tif")


def test_a_zero_byte_file(mitobench, pairs):
    (pairs() / "i" / "a.tif").write_bytes(b"")
    refused(mitobench, "a.tif")


def test_a_truncated_tiff(mitobench, pairs):
    path = pairs() / "i" / "a.tif"
    path.write_bytes(path.read_bytes()[:-500])
    refused(mitobench, "a.tif")


def test_a_header_that_claims_more_pixels_than_memory_holds(mitobench, pairs):
    folder = pairs(i_a=None)
    (folder / "i" / "a.png").write_bytes(a_png_of(200_000))
    refused(mitobench, "a.png")


def test_labels_of_another_shape(mitobench, pairs, picture):
    pairs(l_a=np.ascontiguousarray(picture[1].T))
    refused(mitobench, "a.tif")


def test_not_a_number_in_an_image(mitobench, pairs, picture):
    image = picture[0].astype(np.float32)
    image[3, 5] = np.nan
    pairs(i_a=image)
    refused(mitobench, "a.tif", "1")


def test_labels_that_are_no_integers(mitobench, pairs, picture):
    pairs(l_a=picture[1] * np.float32(0.5))
    refused(mitobench, "a.tif")


def test_a_wrong_hdf5_key_lists_the_keys_there_are(mitobench, tmp_path, picture):
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file["raw"], file["seg"] = picture[0][None], picture[1][None]
    refused(mitobench, "seg", data="hdf5:file=v.h5,images=/raw,labels=/labels")
    refused(mitobench, "axes=", data="hdf5:file=v.h5,images=/raw,labels=/seg")
    assert dice(mitobench, "hdf5:file=v.h5,images=/raw,labels=/seg,axes=ZYX") == pytest.approx(1, abs=0.01)


def test_a_stack_and_labels_of_different_length(mitobench, tmp_path, picture):
    tifffile.imwrite(tmp_path / "s.tif", np.stack([picture[0]] * 3), photometric="minisblack")
    tifffile.imwrite(tmp_path / "m.tif", np.stack([picture[1]] * 2), photometric="minisblack")
    refused(mitobench, "3", "2", data="tiff-stack:images=s.tif,labels=m.tif")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_the_type_of_an_image_does_not_change_its_scores(mitobench, pairs, picture, dtype):
    pairs(i_a=picture[0].astype(dtype))
    assert dice(mitobench) == pytest.approx(1, abs=0.01)


def test_a_png_scores_like_a_tiff(mitobench, tmp_path, picture):
    for name, plane in zip(("i", "l"), picture, strict=True):
        (tmp_path / name).mkdir()
        Image.fromarray(plane).save(tmp_path / name / "a.png")
    assert dice(mitobench) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("name", ["ünïcödé 漢字", "n" * 240, "-rf", "a b"])
def test_unusual_file_names(mitobench, tmp_path, picture, name):
    for folder, plane in zip(("i", "l"), picture, strict=True):
        (tmp_path / folder).mkdir()
        tifffile.imwrite(tmp_path / folder / f"{name}.tif", plane, photometric="minisblack")
    assert dice(mitobench) == pytest.approx(1, abs=0.01)


def test_sparse_and_large_ids_score_like_one_two_three(mitobench, pairs, picture):
    pairs(l_a=picture[1].astype(np.uint32) * 900_000)
    assert dice(mitobench) == pytest.approx(1, abs=0.01)


def test_both_empty_is_undefined_and_said_so(mitobench, pairs, picture):
    pairs(i_a=np.full_like(picture[0], 40), l_a=np.zeros_like(picture[1]))
    result = outcome(mitobench)
    assert result.code == 0, result.err
    assert re.search("undefined", result.out)


def test_two_commands_with_one_image_and_one_pixel(mitobench, pairs):
    pairs(i_a=np.full((1, 1), 200, np.uint8), l_a=np.ones((1, 1), np.uint8))
    assert outcome(mitobench).code == 0
