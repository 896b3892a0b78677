"""Which file belongs to which image, and what is said where that is not clear."""

import numpy as np
import pytest

from mitobench.errors import DataError
from mitobench.files import safe_name
from mitobench_predictions.catalogue import Catalogue

PLANE = np.zeros((4, 6), np.uint8)


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("a.tif", "a"),
        ("a.png", "a.tif"),
        ("train__a.tif", "train/a"),
        ("a.tif", "train/a"),
        ("deep__down__a.tif", "a"),
        ("a.b.tif", "a.b"),
        ("e\u0301.tif", "\u00e9"),
    ],
)
def test_a_file_belongs_to_the_image_of_its_name(write, name, image):
    found = Catalogue(write(**{name: PLANE, "other.tif": PLANE})).find(image)
    assert found.path.name == name.rpartition("__")[2]
    assert found.page is None


def test_a_path_decides_before_a_name(write):
    catalogue = Catalogue(write(**{"train__a.tif": PLANE, "test__a.tif": PLANE}))
    assert catalogue.find("test/a").path.parent.name == "test"
    with pytest.raises(DataError, match=r"test/a\.tif and train/a\.tif could both be the label image of 'a'"):
        catalogue.find("a")


def test_the_file_of_another_folder_is_never_taken_for_an_image_of_the_same_name(write):
    catalogue = Catalogue(write(**{"test__a.tif": PLANE, "deep__val__b.tif": PLANE, "xtrain__c.tif": PLANE}))
    assert catalogue.find("train/a") is None
    assert catalogue.find("train/c") is None
    assert catalogue.find("val/b").path.name == "b.tif"
    assert catalogue.find("here/test/a").path.name == "a.tif"
    with pytest.raises(DataError, match=r"no label image for 1 of 2 images, such as 'train/a'"):
        catalogue.check(["test/a", "train/a"], missing_allowed=False)


def test_hostile_ids_find_the_file_that_mitobench_names_after_them_and_leave_the_folder_never(write, tmp_path):
    hostile = "../../<img src=x>"
    write(**{f"{safe_name(hostile)}.tif": PLANE})
    (tmp_path / "secret.tif").write_bytes(b"")
    catalogue = Catalogue(tmp_path / "labels")
    assert catalogue.find(hostile).path.parent == tmp_path / "labels"
    assert catalogue.find("../secret") is None


def test_a_tif_and_a_png_of_one_name_are_refused(write):
    with pytest.raises(DataError, match=r"a\.png and a\.tif could both"):
        Catalogue(write(**{"a.png": PLANE, "a.tif": PLANE})).find("a")


def test_only_files_with_the_suffix_count(write):
    catalogue = Catalogue(write(**{"a_cp_masks.tif": PLANE, "a_flows.tif": PLANE, "a.tif": PLANE}), suffix="_cp_masks")
    assert catalogue.find("a").path.name == "a_cp_masks.tif"
    assert [path.name for path in catalogue.paths] == ["a_cp_masks.tif"]


def test_hidden_files_are_left_aside(write):
    folder = write(**{".a.tif": PLANE, ".cache__b.tif": PLANE, "c.tif": PLANE})
    assert [path.name for path in Catalogue(folder).paths] == ["c.tif"]


def test_pages_of_one_stack_belong_to_numbered_images(write):
    stack = write(**{"result.tif": np.zeros((3, 4, 6), np.uint8)})
    for given in (stack, stack / "result.tif"):
        catalogue = Catalogue(given)
        assert [catalogue.find(i).page for i in ("z0000", "z0002", "testing_z0001")] == [0, 2, 1]
        assert catalogue.find("nothing numbered") is None
    with pytest.raises(DataError, match=r"3 page\(s\) are for images 0 to 2, and 'z0003' is none"):
        Catalogue(stack).find("z0003")
    assert Catalogue(stack, first_page=16).find("z0017").page == 1


def test_of_several_stacks_the_one_of_the_name_before_the_number_is_meant(write):
    pages = np.zeros((2, 4, 6), np.uint8)
    catalogue = Catalogue(write(**{"training.tif": pages, "testing.tif": pages}))
    assert str(catalogue.find("testing_z0001")) == "testing.tif, page 1"
    assert catalogue.find("other_z0001") is None
    assert catalogue.find("z0001") is None


def test_missing_images_are_listed_with_what_the_files_are_called(write):
    catalogue = Catalogue(write(**{"a.tif": PLANE, "x.tif": PLANE}))
    with pytest.raises(
        DataError, match=r"no label image for 2 of 3 images, such as 'b', 'c'; the files are named 'a', 'x'"
    ):
        catalogue.check(["a", "b", "c"], missing_allowed=False)
    catalogue.check(["a", "b", "c"], missing_allowed=True)
    with pytest.raises(DataError, match="2 of 2 images"):
        catalogue.check(["b", "c"], missing_allowed=True)


def test_one_file_for_two_images_is_refused(write):
    with pytest.raises(DataError, match=r"a\.tif would be taken for image 'test/a' and for image 'train/a'"):
        Catalogue(write(**{"a.tif": PLANE})).check(["test/a", "train/a"], missing_allowed=False)


def test_folders_that_cannot_be_meant(tmp_path):
    with pytest.raises(DataError, match="no such file or folder"):
        Catalogue(tmp_path / "absent")
    with pytest.raises(DataError, match="holds no label image"):
        Catalogue(tmp_path)
    with pytest.raises(DataError, match="name ends in '_masks'"):
        Catalogue(tmp_path, suffix="_masks")
