"""`folder`: pairs by stem, whatever the names, and clear words about files without a partner."""

import os
import pickle
import sys
import unicodedata

import numpy as np
import pytest
import tifffile
from PIL import Image

from mitobench.errors import DataError, UsageError

RNG = np.random.default_rng(0)


@pytest.fixture
def root(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    return tmp_path


def add(root, stem, shape=(12, 15), image=True, labels=True, suffix=".tif"):
    plane = np.zeros(shape, np.uint16)
    plane[1:4, 1:4], plane[6:9, 2:9] = 3, 700
    for folder, array, wanted in (
        ("images", RNG.integers(0, 256, shape, dtype=np.uint8), image),
        ("labels", plane, labels),
    ):
        if wanted and suffix == ".png":
            Image.fromarray(array).save(root / folder / f"{stem}.png")
        elif wanted:
            tifffile.imwrite(root / folder / f"{stem}{suffix}", array, compression="zlib")


def ids(source):
    return [ref.id for ref in source.refs()]


def test_files_of_one_stem_are_a_pair_in_the_order_of_their_names(build, root):
    for stem, suffix in (("b", ".png"), ("a", ".tif"), ("c", ".tiff"), ("d", ".TIF")):
        add(root, stem, suffix=suffix)
    source = build("folder", root=str(root))
    assert ids(source) == ["a", "b", "c", "d"]
    for ref in source.refs():
        sample = ref.load()
        assert sample.shape == (12, 15)
        assert sorted(np.unique(sample.labels)) == [0, 1, 2]
        assert sample.group == sample.id


def test_images_and_labels_may_be_of_different_formats(build, root):
    add(root, "a", suffix=".png", labels=False)
    add(root, "a", suffix=".tif", image=False)
    assert next(build("folder", root=str(root)).refs()).load().labels.max() == 2


def test_the_folders_may_be_named_one_by_one(build, root):
    add(root, "a")
    assert ids(build("folder", images=str(root / "images"), labels=str(root / "labels"))) == ["a"]


def test_images_alone_have_no_reference(build, root):
    add(root, "a")
    assert next(build("folder", images=str(root / "images")).refs()).load().labels is None


def test_other_files_are_passed_over(build, root):
    add(root, "a")
    (root / "images" / "notes.txt").write_text("x")
    (root / "images" / "._a.tif").write_text("x")
    (root / "images" / "more").mkdir()
    assert ids(build("folder", root=str(root))) == ["a"]


@pytest.mark.parametrize("options", [{}, {"root": "a", "images": "b"}, {"root": "a", "labels": "b"}, {"labels": "b"}])
def test_the_place_is_given_one_way(build, options):
    with pytest.raises(UsageError, match="give either root"):
        build("folder", **options)


def test_an_image_without_labels_is_an_error_unless_skipped(build, root):
    for stem in "abcde":
        add(root, stem, labels=stem == "a")
    with pytest.raises(
        DataError, match=r"4 image\(s\) without labels in .*: b\.tif, c\.tif, d\.tif and 1 more.*skip_unpaired"
    ):
        build("folder", root=str(root))
    assert ids(build("folder", root=str(root), skip_unpaired=True)) == ["a"]


def test_labels_without_an_image_are_an_error_unless_skipped(build, root):
    for stem in "ab":
        add(root, stem, image=stem == "a")
    with pytest.raises(DataError, match=r"1 label image\(s\) without image in .*: b\.tif"):
        build("folder", root=str(root))
    assert ids(build("folder", root=str(root), skip_unpaired=True)) == ["a"]


def test_names_that_differ_are_shown_side_by_side(build, root):
    add(root, "a")
    add(root, "b", labels=False)
    add(root, "b_mask", image=False)
    with pytest.raises(DataError, match=r"equal but for the suffix \(here images/b\.tif and labels/b_mask\.tif\)"):
        build("folder", root=str(root))


def test_nothing_that_pairs_is_an_error(build, root):
    add(root, "a", labels=False)
    add(root, "b", image=False)
    with pytest.raises(DataError, match="no image has labels of the same name"):
        build("folder", root=str(root), skip_unpaired=True)


def test_an_empty_folder_is_an_error(build, root):
    with pytest.raises(DataError, match=r"images: holds no TIFF or PNG image\."):
        build("folder", root=str(root))
    (root / "images" / "a.jpg").write_bytes(b"x")
    with pytest.raises(DataError, match=r"1 other file\(s\), such as a\.jpg"):
        build("folder", root=str(root))


def test_a_folder_that_is_not_there_is_an_error(build, root):
    with pytest.raises(DataError, match="nowhere"):
        build("folder", root=str(root / "nowhere"))
    add(root, "a")
    (root / "labels" / "a.tif").unlink()
    (root / "labels").rmdir()
    with pytest.raises(DataError, match=r"labels: does not exist"):
        build("folder", root=str(root))


def test_two_files_of_one_stem_are_an_error(build, root):
    add(root, "a")
    add(root, "a", suffix=".png", labels=False)
    with pytest.raises(DataError, match="have the same stem"):
        build("folder", root=str(root))


def test_a_file_without_a_byte_is_an_error(build, root):
    add(root, "a")
    (root / "labels" / "a.tif").write_bytes(b"")
    with pytest.raises(DataError, match=r"labels/a\.tif: the file is empty"):
        build("folder", root=str(root))


@pytest.mark.parametrize("stem", ["Zellkern-λ-細胞-🔬", "a b'c\"d", "x" * 246, "<img onerror=1>", "=cmd()", "[red]"])
def test_any_name_works(build, root, stem):
    add(root, stem)
    ref = next(build("folder", root=str(root)).refs())
    assert pickle.loads(pickle.dumps(ref)).load().id == stem


def test_names_that_differ_in_unicode_form_only_are_a_pair(build, root):
    add(root, unicodedata.normalize("NFD", "Möbius"), labels=False)
    add(root, unicodedata.normalize("NFC", "Möbius"), image=False)
    assert ids(build("folder", root=str(root))) == [unicodedata.normalize("NFC", "Möbius")]


@pytest.mark.parametrize("shape", [(15, 12), (12, 14)])
def test_labels_of_other_pixels_are_refused_by_name(build, root, shape):
    add(root, "a")
    add(root, "a", shape=shape, image=False)
    with pytest.raises(DataError, match=r"images/a\.tif has images of \(12, 15\).*labels/a\.tif has labels of"):
        next(build("folder", root=str(root)).refs()).load()


def test_a_stack_is_no_image(build, root):
    add(root, "a")
    for folder in ("images", "labels"):
        tifffile.imwrite(root / folder / "a.tif", np.zeros((9, 12, 15), np.uint8))
    with pytest.raises(DataError, match=r"holds 9 sections; expected one image. Use tiff-stack"):
        next(build("folder", root=str(root), reference="instance").refs()).load()


def test_five_channels_ask_for_one(build, root):
    add(root, "a")
    channels = RNG.integers(0, 256, (5, 12, 15), dtype=np.uint8)
    tifffile.imwrite(root / "images" / "a.tif", channels)
    with pytest.raises(DataError, match=r"5 channels.*channel="):
        next(build("folder", root=str(root)).refs()).load()
    np.testing.assert_array_equal(next(build("folder", root=str(root), channel=4).refs()).load().image, channels[4])


@pytest.mark.parametrize(("split", "expected"), [("train", "abcdefg"), ("test", "hij")])
def test_a_split_is_a_block_of_the_sorted_files(build, root, split, expected):
    for stem in "jihgfedcba":
        add(root, stem)
    refs = list(build("folder", root=str(root), split=split).refs())
    assert [ref.id for ref in refs] == list(expected)
    assert {ref.split for ref in refs} == {split}


def test_files_of_one_specimen_keep_a_gap(build, root):
    for stem in "abcdefghij":
        add(root, stem)
    train, test = (
        list(build("folder", root=str(root), split=split, group="folder").refs()) for split in ("train", "test")
    )
    assert ([ref.id for ref in train], [ref.id for ref in test]) == (list("abcdef"), list("hij"))
    assert len({ref.group for ref in train + test}) == 1


def test_a_pattern_groups_names_and_splits_do_not_tear_groups_apart(build, root):
    for specimen in ("m1", "m2", "m3"):
        for number in range(3):
            add(root, f"{specimen}_{number}")
    groups = {
        split: {ref.group for ref in build("folder", root=str(root), split=split, group="^[^_]+").refs()}
        for split in ("train", "test")
    }
    assert groups == {"train": {"m1", "m2"}, "test": {"m3"}}
    assert {ref.group for ref in build("folder", root=str(root), group=r"m(\d)").refs()} == {"1", "2", "3"}


def test_a_pattern_that_does_not_fit_is_an_error(build, root):
    add(root, "a")
    with pytest.raises(DataError, match="is not found in the name 'a'"):
        list(build("folder", root=str(root), group="^x").refs())
    with pytest.raises(UsageError, match="regular expression"):
        build("folder", root=str(root), group="(")


def test_a_split_without_files_says_so(build, root):
    add(root, "a")
    with pytest.raises(DataError, match=r"split=test holds none of the 1 group\(s\)"):
        list(build("folder", root=str(root), split="test").refs())


def test_masks_are_told_from_instances_over_the_whole_folder(build, root):
    for stem in "ab":
        add(root, stem)
    one = np.zeros((12, 15), np.uint8)
    one[2:4], one[8:9] = 1, 1
    tifffile.imwrite(root / "labels" / "a.tif", one)
    assert [ref.load().semantic for ref in build("folder", root=str(root)).refs()] == [False, False]
    tifffile.imwrite(root / "labels" / "b.tif", one)
    samples = [ref.load() for ref in build("folder", root=str(root)).refs()]
    assert [sample.semantic for sample in samples] == [True, True]
    assert samples[0].labels.max() == 2


def test_the_cache_does_not_grow_with_the_number_of_files(build, root):
    for number in range(40):
        add(root, f"{number:02d}")
    source = build("folder", root=str(root), patch=8)
    assert len([ref.load() for ref in source.refs()]) == 40 * 4
    assert len(source._cache._planes) <= 16


def test_the_fingerprint_follows_names_and_content(build, root, tmp_path):
    for stem in "ab":
        add(root, stem)
    first = build("folder", root=str(root)).fingerprint
    assert build("folder", images=str(root / "images"), labels=str(root / "labels")).fingerprint == first
    assert build("folder", root=str(root), split="train").fingerprint != first
    for folder in ("images", "labels"):
        (root / folder / "b.tif").rename(root / folder / "c.tif")
    assert build("folder", root=str(root)).fingerprint != first


@pytest.mark.skipif(sys.platform != "linux", reason="only here may a file name be any bytes")
@pytest.mark.parametrize("where", ["images", "labels"])
def test_a_name_that_is_no_utf_8_is_named_and_refused(build, root, where):
    add(root, "a", suffix=".png")
    add(root, "b", suffix=".png")
    strange = os.fsdecode(b"b\xff.png")
    (root / where / "b.png").rename(root / where / strange)
    with pytest.raises(DataError, match=r"file name b'b\\xff\.png' is not valid UTF-8.*Rename") as caught:
        build("folder", root=str(root))
    assert str(caught.value).encode(), "the message itself can be written anywhere"


def test_groups_change_with_the_name_only_where_the_fingerprint_does_too(build, root):
    add(root, "m1_a")
    before = build("folder", root=str(root), group="^[^_]+")
    assert next(before.refs()).group == "m1"
    fingerprint = before.fingerprint
    for folder in ("images", "labels"):
        (root / folder / "m1_a.tif").rename(root / folder / "m2_a.tif")
    after = build("folder", root=str(root), group="^[^_]+")
    assert next(after.refs()).group == "m2"
    assert after.fingerprint != fingerprint
