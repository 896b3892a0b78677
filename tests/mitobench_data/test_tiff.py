"""TIFF files of every kind give the same planes, and damaged ones say where."""

import logging
import pickle
import resource
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import tifffile

from mitobench.errors import DataError
from mitobench.images import as_uint8
from mitobench_data.axes import Layout
from mitobench_data.planes import PlaneFile, open_planes
from mitobench_data.tiff import TiffPlanes, count_pages

RNG = np.random.default_rng(0)
STACK = RNG.integers(0, 256, (8, 40, 50), dtype=np.uint8)
RGB = RNG.integers(0, 256, (40, 50, 3), dtype=np.uint8)


@pytest.fixture(autouse=True)
def _silence_tifffile():
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)


def opened(path, role="image", **options):
    return open_planes(PlaneFile(path=path, **options), role)


def stack_of(planes):
    return np.stack([planes.read(section) for section in range(planes.layout.count)])


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"metadata": None},
        {"bigtiff": True},
        {"byteorder": ">"},
        {"compression": "zlib"},
        {"compression": "lzw", "predictor": True},
        {"compression": "zstd"},
        {"compression": "packbits"},
        {"tile": (16, 16)},
        {"tile": (16, 32), "compression": "lzw", "bigtiff": True, "byteorder": ">"},
        {"rowsperstrip": 7},
        {"rowsperstrip": 7, "compression": "zlib", "metadata": None},
        {"metadata": {"axes": "ZYX"}},
        {"imagej": True, "metadata": {"axes": "ZYX"}},
        {"imagej": True, "metadata": {"axes": "TYX"}},
    ],
    ids=str,
)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_every_way_of_writing_a_stack_reads_the_same(tmp_path, how, dtype):
    tifffile.imwrite(tmp_path / "em.tif", STACK.astype(dtype), **how)
    planes = opened(tmp_path / "em.tif")
    assert (planes.layout.count, planes.layout.plane) == (8, (40, 50))
    np.testing.assert_array_equal(stack_of(planes), STACK)
    np.testing.assert_array_equal(stack_of(pickle.loads(pickle.dumps(planes))), STACK)


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_stack_written_page_by_page_is_one_stack(tmp_path, compression):
    with tifffile.TiffWriter(tmp_path / "em.tif") as writer:
        for page in STACK:
            writer.write(page, compression=compression)
    np.testing.assert_array_equal(stack_of(opened(tmp_path / "em.tif")), STACK)


def test_a_stack_written_by_pillow_reads_the_same(tmp_path):
    from PIL import Image

    first, *others = [Image.fromarray(page) for page in STACK]
    first.save(tmp_path / "em.tif", save_all=True, append_images=others)
    np.testing.assert_array_equal(stack_of(opened(tmp_path / "em.tif")), STACK)


def test_an_uncompressed_stack_is_mapped_not_loaded(tmp_path):
    tifffile.imwrite(tmp_path / "em.tif", STACK)
    assert isinstance(opened(tmp_path / "em.tif").read(3), np.memmap)


def test_a_compressed_stack_decodes_one_page_only(tmp_path, monkeypatch):
    tifffile.imwrite(tmp_path / "em.tif", STACK, compression="zlib")
    planes = opened(tmp_path / "em.tif")
    decoded = []
    original = tifffile.TiffFrame.asarray
    monkeypatch.setattr(
        tifffile.TiffFrame, "asarray", lambda self, **k: decoded.append(self.index) or original(self, **k)
    )
    monkeypatch.setattr(tifffile.TiffFile, "asarray", None)
    planes.read(5)
    assert decoded == [5]


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1)])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_single_rows_columns_and_pixels(tmp_path, shape, compression):
    image = RNG.integers(0, 256, shape, dtype=np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", image, compression=compression)
    np.testing.assert_array_equal(opened(tmp_path / "a.tif").read(0), image)


def test_a_stack_of_single_rows(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", STACK[:, :1], metadata={"axes": "ZYX"})
    np.testing.assert_array_equal(stack_of(opened(tmp_path / "a.tif")), STACK[:, :1])


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_colour_in_either_planar_configuration(tmp_path, planar, compression):
    image = RGB if planar == "contig" else np.ascontiguousarray(np.moveaxis(RGB, -1, 0))
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="rgb", planarconfig=planar, compression=compression)
    np.testing.assert_array_equal(opened(tmp_path / "a.tif").read(0), RGB)


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_stack_of_colour_sections(tmp_path, compression):
    tifffile.imwrite(tmp_path / "a.tif", np.stack([RGB] * 7), photometric="rgb", compression=compression)
    planes = opened(tmp_path / "a.tif")
    assert planes.layout.count == 7
    np.testing.assert_array_equal(planes.read(6), RGB)


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_channels_on_pages_of_their_own(tmp_path, compression):
    image = RNG.integers(0, 256, (6, 2, 40, 50), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "a.ome.tif", image, metadata={"axes": "ZCYX"}, compression=compression)
    planes = opened(tmp_path / "a.ome.tif")
    assert planes.layout.count == 6
    np.testing.assert_array_equal(planes.read(4), np.moveaxis(image[4], 0, -1))


def test_cmyk_is_declared_so_that_it_can_be_converted(tmp_path):
    inks = np.zeros((4, 5, 4), np.uint8)
    inks[..., 3] = 255
    tifffile.imwrite(tmp_path / "a.tif", inks, photometric="separated")
    planes = opened(tmp_path / "a.tif")
    assert planes.cmyk
    assert as_uint8(planes.read(0), name="a", cmyk=planes.cmyk).max() == 0


def test_a_palette_is_looked_up_for_images_and_kept_as_indices_for_labels(tmp_path):
    colours = np.zeros((3, 256), np.uint16)
    colours[:, 7] = 65535, 0, 257
    tifffile.imwrite(tmp_path / "a.tif", np.full((4, 5), 7, np.uint8), photometric="palette", colormap=colours)
    np.testing.assert_array_equal(as_uint8(opened(tmp_path / "a.tif").read(0), name="a")[0, 0], [255, 0, 1])
    np.testing.assert_array_equal(opened(tmp_path / "a.tif", "labels").read(0), np.full((4, 5), 7))


def test_pages_of_unknown_axis_follow_the_labels_or_are_asked_for(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", STACK[:4], photometric="minisblack")
    with pytest.raises(DataError, match="ZYX or CYX"):
        opened(tmp_path / "a.tif")
    assert TiffPlanes(PlaneFile(path=tmp_path / "a.tif"), "image", Layout((4, 40, 50), 1, 2, 0)).layout.count == 4
    assert opened(tmp_path / "a.tif", axes="CYX").read(0).shape == (40, 50, 4)


def test_channels_that_another_program_stored_as_a_page_axis_need_the_user(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", STACK, imagej=True, metadata={"axes": "CYX"})
    assert opened(tmp_path / "a.tif").layout.count == 1
    assert opened(tmp_path / "a.tif", axes="ZYX").layout.count == 8
    assert opened(tmp_path / "a.tif", "labels").layout.count == 8


def test_images_of_different_shapes_are_no_stack(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(STACK[0])
        writer.write(STACK[0, :20])
    with pytest.raises(DataError, match=r"2 images that are not alike \(\(20, 50\), \(40, 50\)\)"):
        opened(tmp_path / "a.tif")


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("metadata", [{}, None])
@pytest.mark.parametrize("share", [0.02, 0.2, 0.5, 0.8, 0.97, 0.999])
def test_a_file_cut_short_names_the_page(tmp_path, compression, metadata, share):
    tifffile.imwrite(tmp_path / "whole.tif", STACK, compression=compression, metadata=metadata)
    data = (tmp_path / "whole.tif").read_bytes()
    path = tmp_path / "em.tif"
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(DataError, match=r"em\.tif: the file ends before the (header|last pixel) of page \d"):
        opened(path)


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_page_whose_header_is_whole_but_whose_pixels_are_not(tmp_path, compression):
    with tifffile.TiffWriter(tmp_path / "em.tif") as writer:
        for page in STACK[:2]:
            writer.write(page, compression=compression, contiguous=False)
    data = (tmp_path / "em.tif").read_bytes()
    (tmp_path / "em.tif").write_bytes(data[:-100])
    with pytest.raises(DataError, match="before the last pixel of page 1"):
        opened(tmp_path / "em.tif")


def test_a_stack_that_declares_more_images_than_it_holds(tmp_path):
    tifffile.imwrite(tmp_path / "em.tif", STACK, imagej=True, metadata={"axes": "ZYX"})
    with tifffile.TiffFile(tmp_path / "em.tif") as tiff:
        end = tiff.series[0].dataoffset + 3 * 2000 + 10
        chain = tiff.pages[0].offset + 2 + 12 * len(tiff.pages[0].tags)
    data = bytearray((tmp_path / "em.tif").read_bytes()[:end])
    data[chain : chain + 4] = bytes(4)
    (tmp_path / "em.tif").write_bytes(data)
    with pytest.raises(DataError, match="declares 8 images but holds 1"):
        opened(tmp_path / "em.tif")


def test_a_damaged_page_is_named_when_it_is_read(tmp_path):
    tifffile.imwrite(tmp_path / "em.tif", STACK, compression="zlib", rowsperstrip=40)
    with tifffile.TiffFile(tmp_path / "em.tif") as tiff:
        offset = tiff.series[0].pages[2].dataoffsets[0]
    data = bytearray((tmp_path / "em.tif").read_bytes())
    data[offset : offset + 40] = b"\xff" * 40
    (tmp_path / "em.tif").write_bytes(data)
    planes = opened(tmp_path / "em.tif")
    np.testing.assert_array_equal(planes.read(1), STACK[1])
    with pytest.raises(DataError, match=r"em\.tif: page 2 \(counted from 0\) cannot be decoded"):
        planes.read(2)


def test_an_empty_file_is_refused(tmp_path):
    (tmp_path / "em.tif").touch()
    with pytest.raises(DataError, match=r"em\.tif: the file is empty \(0 bytes\)"):
        opened(tmp_path / "em.tif")


def test_absent_files_and_folders_are_refused(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        opened(tmp_path / "em.tif")
    with pytest.raises(DataError, match="is a folder"):
        opened(tmp_path)


@pytest.mark.parametrize("data", [b"<!DOCTYPE html>", b"x", b"II", b"MM\0*\0\0"])
def test_other_files_are_refused(tmp_path, data):
    (tmp_path / "em.tif").write_bytes(data)
    with pytest.raises(DataError, match=r"em\.tif"):
        opened(tmp_path / "em.tif")


def forty_gigapixels(path):
    """A TIFF file of a few bytes whose header claims 200000 x 200000 pixels in one strip."""
    entries = [(256, 4, 200_000), (257, 4, 200_000), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 200), (277, 3, 1)]
    entries += [(278, 4, 200_000), (279, 4, 4_000_000_000)]
    data = b"II*\0" + struct.pack("<IH", 8, len(entries))
    data += b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries) + struct.pack("<I", 0)
    path.write_bytes(data.ljust(300, b"\0"))


def test_a_header_that_claims_forty_gigapixels_is_refused_before_allocation(tmp_path):
    forty_gigapixels(tmp_path / "em.tif")
    tracemalloc.start()
    with pytest.raises(DataError, match=r"claims 200000 x 200000 = 40000000000 pixels.*max_pixels="):
        opened(tmp_path / "em.tif")
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


def test_believing_the_header_does_not_help_where_the_data_are_not_there(tmp_path):
    forty_gigapixels(tmp_path / "em.tif")
    with pytest.raises(DataError, match="before the last pixel of page 0"):
        opened(tmp_path / "em.tif", max_pixels=10**11)


def test_max_pixels_is_a_limit_per_plane(tmp_path):
    tifffile.imwrite(tmp_path / "em.tif", STACK)
    assert opened(tmp_path / "em.tif", max_pixels=2000).layout.count == 8
    with pytest.raises(DataError, match="at most 1999"):
        opened(tmp_path / "em.tif", max_pixels=1999)


def test_pages_are_counted_along_the_chain_of_headers(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", STACK, metadata=None, compression="zlib")
    tifffile.imwrite(tmp_path / "b.tif", STACK, metadata=None, bigtiff=True, byteorder=">")
    assert count_pages(tmp_path / "a.tif") == count_pages(tmp_path / "b.tif") == 8


def test_headers_that_run_in_a_circle_are_refused(tmp_path):
    header = struct.pack("<H", 0) + struct.pack("<I", 8)
    (tmp_path / "a.tif").write_bytes(b"II*\0" + struct.pack("<I", 8) + header)
    with pytest.raises(DataError, match="circle"):
        opened(tmp_path / "a.tif")


def test_a_file_without_pages_is_refused(tmp_path):
    (tmp_path / "a.tif").write_bytes(b"II*\0" + bytes(20))
    with pytest.raises(DataError, match="without any page"):
        opened(tmp_path / "a.tif")


def test_more_single_page_files_than_a_process_may_open(tmp_path):
    for number in range(40):
        tifffile.imwrite(tmp_path / f"{number}.tif", STACK[0], compression=["zlib", None][number % 2])
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").is_dir() else 64
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, used + 20), hard))
    try:
        planes = [opened(tmp_path / f"{number}.tif") for number in range(40)]
        for one in planes:
            np.testing.assert_array_equal(one.read(0), STACK[0])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
