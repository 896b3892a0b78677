"""Label images of every kind become the objects that they show; what does not fit is refused before it is decoded."""

import struct

import numpy as np
import pytest
import tifffile
from PIL import Image

from mitobench.errors import DataError


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_ids_become_consecutive_and_every_object_scores_one(write, build, segment, two, suffix):
    found = segment(build(write(**{f"a.{suffix}": two})), "a")
    assert np.array_equal(found.labels, np.searchsorted([0, 5, 900], two))
    assert found.scores.tolist() == [1, 1]
    assert not found.semantic


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float32, np.bool_])
def test_a_folder_of_masks_gives_components(write, build, segment, two, dtype):
    found = segment(build(write(**{"a.tif": (two > 0).astype(dtype) if dtype != np.bool_ else two > 0})), "a")
    assert found.semantic or dtype == np.float32
    assert int(found.labels.max()) == (2 if found.semantic else 1)


def test_one_object_among_files_with_several_is_an_object_with_its_id(write, build, segment, two):
    folder = write(**{"a.tif": (two == 5).astype(np.uint16), "b.tif": two})
    assert not segment(build(folder), "a").semantic
    assert segment(build(folder, labels="semantic"), "b").semantic


def test_one_id_in_two_fragments_is_one_object_where_files_hold_objects(write, build, segment, two):
    found = segment(build(write(**{"a.tif": (two > 0).astype(np.uint8)}), labels="instance"), "a")
    assert int(found.labels.max()) == 1


def test_palettes_are_ids_and_grey_saved_as_colour_is_read(write, build, segment, two, tmp_path):
    folder = write(**{"b.tif": two})
    palette = Image.fromarray(np.searchsorted([0, 5, 900], two).astype(np.uint8), "L").convert("P")
    palette.save(folder / "a.png")
    Image.fromarray(np.repeat(np.minimum(two, 9).astype(np.uint8)[..., None], 3, axis=2)).save(folder / "c.png")
    assert int(segment(build(folder), "a").labels.max()) == 2
    assert int(segment(build(folder), "c").labels.max()) == 2


def test_pages_of_a_stack(write, build, segment, two):
    segmenter = build(write(**{"s.tif": np.stack([two, two[:, ::-1]])}))
    assert np.array_equal(segment(segmenter, "z0001").labels, segment(segmenter, "z0000").labels[:, ::-1])
    with pytest.raises(DataError, match="holds 2 pages; expected one"):
        segment(segmenter, "s")


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_another_size_is_refused_even_with_as_many_pixels(write, build, segment, two, suffix):
    with pytest.raises(DataError, match=r"labels of 6 x 4 pixels \(H x W\) for an image of 4 x 6"):
        segment(build(write(**{f"a.{suffix}": two.T}), labels="instance"), "a")


def test_a_header_that_claims_gigapixels_is_refused_by_its_size(write, build, segment, two):
    folder = write(**{"b.tif": two})
    entries = [(256, 4, 200_000), (257, 4, 200_000), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 8), (279, 4, 1)]
    ifd = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", t, k, 1, v) for t, k, v in entries)
    (folder / "a.tif").write_bytes(struct.pack("<2sHI", b"II", 42, 8) + ifd + b"\0\0\0\0")
    with pytest.raises(DataError, match="claims 200000 x 200000"):
        segment(build(folder), "b")
    with pytest.raises(DataError, match="labels of 200000 x 200000"):
        segment(build(folder), "a")


@pytest.mark.parametrize("content", [b"", b"<html>no</html>", b"II*\0\x08\0\0\0"])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_damaged_files_are_named(build, segment, tmp_path, content, suffix):
    (tmp_path / f"a.{suffix}").write_bytes(content)
    with pytest.raises(DataError, match=rf"a\.{suffix}: not a readable label image"):
        segment(build(tmp_path, labels="instance"), "a")


def test_fractions_colours_and_negative_values_are_refused(build, segment, two, tmp_path):
    for wrong, message in (
        (two / 7, "not whole numbers"),
        (np.stack([two, two, two * 0], axis=2).astype(np.uint8), "colour image"),
        (-two.astype(np.int32), "negative"),
    ):
        tifffile.imwrite(tmp_path / "a.tif", wrong, photometric="rgb" if wrong.ndim == 3 else None)
        with pytest.raises(DataError, match=message):
            segment(build(tmp_path), "a")


def test_an_absent_file_is_an_error_or_an_empty_segmentation(write, build, segment, two):
    folder = write(**{"a.tif": two})
    with pytest.raises(DataError, match="no label image for 'b'"):
        segment(build(folder), "b")
    assert not segment(build(folder, missing="empty"), "b").labels.any()
