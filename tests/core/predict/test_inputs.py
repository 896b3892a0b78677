"""The images named on a command line: which files, what they are called, and what their results are called."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from mitobench.errors import DataError, UsageError
from mitobench.plugins import Plugins
from mitobench.predict.inputs import find_images, images_of_files, images_of_source
from mitobench.specs import parse_spec


@pytest.fixture(scope="module")
def plugins():
    return Plugins.discover()


@pytest.fixture
def write(tmp_path):
    """Writes a small grey image (or a stack) and returns its path."""

    def make(name, value=7, shape=(5, 6)):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.full(shape, value, np.uint8)
        if path.suffix == ".png":
            Image.fromarray(pixels).save(path)
        else:
            tifffile.imwrite(path, pixels, photometric="minisblack")
        return path

    return make


def test_files_folders_and_patterns_are_found_in_order_and_once(write, tmp_path):
    b, a, deep = write("set/b.png"), write("set/a.TIF"), write("set/more/c.tiff")
    for other in ("set/.hidden.png", "set/notes.txt"):
        (tmp_path / other).write_bytes(b"")
    assert find_images([str(tmp_path / "set")]) == [a, b]
    assert find_images([str(tmp_path / "set/*.png")]) == [b]
    assert find_images([str(tmp_path / "set/**/*.tif*")]) == [deep]
    assert find_images([str(b), str(tmp_path / "set"), str(b)]) == [b, a]


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(write):
    odd = write("a[1].png")
    write("a1.png")
    assert find_images([str(odd)]) == [odd]


@pytest.mark.parametrize(
    ("given", "said"),
    [("absent.tif", "does not exist"), ("*.tif", "no TIFF or PNG"), ("empty", "holds no TIFF or PNG")],
)
def test_where_no_image_is_that_is_said(tmp_path, monkeypatch, given, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=said):
        find_images([given])


def test_every_page_of_a_stack_is_an_image(write, plugins):
    images = images_of_files([write("one.tif"), write("stack.tif", shape=(6, 5, 6)), write("p.png")], plugins)
    assert [i.id for i in images] == ["one", *(f"stack_z{n:04d}" for n in range(6)), "p"]
    assert [i.name for i in images] == [i.id for i in images]
    assert all(i.ref.load().image.shape == (5, 6) for i in images)


def test_the_pixel_size_and_other_options_reach_the_reader(write, plugins):
    files = [write("pair.tif", shape=(2, 5, 6))]
    assert "axes=" in images_of_files(files, plugins)[0].error
    images = images_of_files(files, plugins, reading={"axes": "ZYX", "pixel_size_nm": [4.0, 5.0]})
    assert [i.ref.load().pixel_size_nm for i in images] == [(4.0, 5.0)] * 2
    with pytest.raises(UsageError, match="Did you mean 'axes'"):
        images_of_files(files, plugins, reading={"axis": "ZYX"})


def test_a_pixel_size_that_the_file_states_counts_unless_another_is_given(tmp_path, plugins):
    file = tmp_path / "sized.tif"
    pixels = np.zeros((6, 5), np.uint8)
    tifffile.imwrite(file, pixels, imagej=True, resolution=(0.25, 0.2), metadata={"unit": "nm"})
    assert images_of_files([file], plugins)[0].ref.load().pixel_size_nm == pytest.approx((5.0, 4.0))
    given = images_of_files([file], plugins, reading={"pixel_size_nm": 8.0})
    assert given[0].ref.load().pixel_size_nm == (8.0, 8.0)


def test_files_of_one_stem_are_told_apart_by_as_much_of_the_path_as_it_takes(write, plugins):
    files = [write("left/x.tif"), write("right/x.tif"), write("left/x.png"), write("y.tif")]
    images = images_of_files(files, plugins)
    assert [i.id for i in images] == ["left/x.tif", "right/x.tif", "x.png", "y"]
    assert len({i.name for i in images}) == 4
    assert all("/" not in i.name for i in images)


def test_no_two_names_differ_in_case_alone(write, plugins):
    images = images_of_files([write("a/cell.tif"), write("b/CELL.tif"), write("b/plain.tif")], plugins)
    assert [i.id for i in images] == ["cell", "CELL", "plain"]
    assert len({i.name.lower() for i in images}) == 3
    assert images[2].name == "plain"


@pytest.mark.parametrize(
    "stem", ["<img src=x onerror=alert(1)>", "-rf", "a\nb", "x\x1b[31m", "con", "=cmd()", "n" * 200, "dot.", "tail "]
)
def test_hostile_names_give_files_that_are_safe_anywhere(write, plugins, stem):
    image = images_of_files([write(f"{stem}.tif")], plugins)[0]
    assert image.id == stem
    assert image.name != stem
    assert len(image.name) <= 120
    assert set(image.name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
    assert image.name[0] not in ".-"


@pytest.mark.parametrize("stem", ["slice 3", "Zellkern_ä", "a.b-c(1)", "_x", "2026+11"])
def test_ordinary_names_stay(write, plugins, stem):
    assert images_of_files([write(f"{stem}.tif")], plugins)[0].name == stem


def test_a_file_that_cannot_be_opened_is_listed_with_its_error(write, tmp_path, plugins):
    (tmp_path / "broken.tif").write_bytes(b"II*\0")
    broken, fine = images_of_files([tmp_path / "broken.tif", write("fine.tif")], plugins)
    assert (broken.ref, broken.exit_code) == (None, DataError.exit_code)
    assert "broken.tif" in broken.error
    assert fine.ref is not None


def test_a_data_source_s_samples_are_images_too(plugins):
    images = images_of_source(parse_spec("toy-discs:n=2"), plugins)
    assert [(i.id, i.name, i.source) for i in images] == [(f"disc{n}", f"disc{n}", "toy-discs:n=2") for n in range(2)]
    with pytest.raises(UsageError, match="yields no image"):
        images_of_source(parse_spec("toy-discs:n=0"), plugins)
