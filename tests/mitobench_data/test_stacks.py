"""`tiff-stack` and `epfl`: sections, patches, splits, references, fingerprints and groups."""

import pickle
import shutil

import numpy as np
import pytest
import tifffile
from scipy import ndimage

from mitobench.errors import DataError, UsageError
from mitobench.hashing import hash_array, hash_file
from mitobench.interfaces import DataSource


def loaded(source):
    return [ref.load() for ref in source.refs()]


def test_every_section_is_a_sample(build, stack, volume):
    source = build("tiff-stack", **stack, pixel_size_nm=[5, 4.6])
    assert isinstance(source, DataSource)
    samples = loaded(source)
    assert [sample.id for sample in samples] == [f"z{z:04d}" for z in range(10)]
    for z, sample in enumerate(samples):
        np.testing.assert_array_equal(sample.image, volume[0][z])
        np.testing.assert_array_equal(sample.labels, np.searchsorted([0, 5, 900], volume[1][z]))
        assert sample.pixel_size_nm == (5, 4.6)
        assert not sample.semantic
        assert sample.origin == hash_array(volume[0][z])


def test_without_labels_there_is_no_reference(build, stack):
    assert all(sample.labels is None for sample in loaded(build("tiff-stack", images=stack["images"])))


@pytest.mark.parametrize("how", [{}, {"compression": "zlib"}, {"tile": (16, 16)}])
def test_patches_put_together_are_the_section(build, stack, volume, tmp_path, how):
    tifffile.imwrite(stack["images"], volume[0], **how)
    whole = np.zeros_like(volume[0][0])
    for ref in build("tiff-stack", **stack, sections=4, patch=16).refs():
        sample = ref.load()
        y, x = (int(part[1:]) for part in sample.id.split("_")[1:])
        whole[y : y + sample.shape[0], x : x + sample.shape[1]] = sample.image
        assert sample.origin == hash_array(volume[0][4])
    np.testing.assert_array_equal(whole, volume[0][4])


def test_patches_with_overlap_have_full_size(build, stack):
    samples = loaded(build("tiff-stack", **stack, sections=0, patch=16, overlap=4))
    assert {sample.shape for sample in samples} == {(16, 16)}
    assert len({sample.id for sample in samples}) == len(samples)


def test_an_overlap_as_large_as_the_patch_is_refused(build, stack):
    with pytest.raises(UsageError, match="overlap=16 must be smaller than patch=16"):
        build("tiff-stack", **stack, patch=16, overlap=16)


def test_drop_empty_leaves_out_what_has_no_object(build, stack):
    everything = loaded(build("tiff-stack", **stack, patch=10))
    kept = [ref.id for ref in build("tiff-stack", **stack, patch=10, drop_empty=True).refs()]
    assert kept == [sample.id for sample in everything if sample.labels.any()]
    assert 0 < len(kept) < len(everything)


def test_drop_empty_needs_labels(build, stack):
    with pytest.raises(DataError, match="needs labels"):
        list(build("tiff-stack", images=stack["images"], drop_empty=True).refs())


def test_drop_empty_does_not_count_ignored_pixels(build, stack, volume):
    labels = np.where(volume[1] == 5, 255, 0).astype(np.uint8)
    tifffile.imwrite(stack["labels"], labels)
    with pytest.raises(DataError, match="leaves no sample"):
        list(build("tiff-stack", **stack, patch=10, drop_empty=True, ignore=255).refs())


def test_drop_empty_decodes_each_label_page_once(build, stack, volume, monkeypatch):
    tifffile.imwrite(stack["labels"], volume[1], compression="zlib")
    source = build("tiff-stack", **stack, patch=10, drop_empty=True, reference="instance")
    labels = source.volumes[0].open()[1]
    reads = []
    original = labels.read
    monkeypatch.setattr(labels, "read", lambda section: reads.append(section) or original(section))
    list(source.refs())
    list(source.refs())
    assert reads == list(range(10))


def test_patches_of_a_compressed_section_decode_it_once(build, stack, volume, monkeypatch):
    tifffile.imwrite(stack["images"], volume[0], compression="zlib")
    source = build("tiff-stack", **stack, patch=10)
    images = source.volumes[0].open()[0]
    reads = []
    original = images.read
    monkeypatch.setattr(images, "read", lambda section: reads.append(section) or original(section))
    assert len(loaded(source)) == 10 * 4 * 6
    assert reads == list(range(10))


def test_only_the_pages_of_the_split_are_decoded(build, stack, volume, monkeypatch):
    tifffile.imwrite(stack["images"], volume[0], compression="zlib")
    source = build("tiff-stack", **stack, sections="7-")
    images = source.volumes[0].open()[0]
    reads = []
    original = images.read
    monkeypatch.setattr(images, "read", lambda section: reads.append(section) or original(section))
    assert [sample.id for sample in loaded(source)] == ["z0007", "z0008", "z0009"]
    assert reads == [7, 8, 9]


def test_a_reader_survives_pickling_and_reads_the_same(build, stack, volume):
    refs = list(build("tiff-stack", **stack, patch=16).refs())
    refs[0].load()
    data = pickle.dumps(refs[5])
    assert len(data) < 4000
    again = pickle.loads(data).load()
    np.testing.assert_array_equal(again.image, refs[5].load().image)
    np.testing.assert_array_equal(again.labels, refs[5].load().labels)


def test_samples_do_not_share_memory_with_the_cache(build, stack):
    ref = next(build("tiff-stack", **stack, patch=16).refs())
    before = ref.load().image.copy()
    ref.load().image[:] = 0
    np.testing.assert_array_equal(ref.load().image, before)


def test_a_mask_becomes_components_within_each_patch(build, stack, volume):
    mask = np.where(volume[1] > 0, 255, 0).astype(np.uint8)
    mask[:, 10, :] = 255
    tifffile.imwrite(stack["labels"], mask)
    for sample in loaded(build("tiff-stack", **stack, patch=20)):
        assert sample.semantic
        assert sample.labels.max() == ndimage.label(sample.labels > 0, np.ones((3, 3)))[1]


def test_one_object_a_page_is_not_taken_for_a_mask_when_pages_differ(build, stack, volume):
    labels = np.stack([np.where(page == 5, z + 1, 0) for z, page in enumerate(volume[1])]).astype(np.uint8)
    tifffile.imwrite(stack["labels"], labels)
    assert not any(sample.semantic for sample in loaded(build("tiff-stack", **stack)))


def test_every_split_agrees_on_what_the_reference_is(build, stack, volume):
    labels = np.where(volume[1] == 5, 1, 0).astype(np.uint8)
    labels[9][volume[1][9] == 900] = 2
    tifffile.imwrite(stack["labels"], labels)
    assert not any(sample.semantic for sample in loaded(build("tiff-stack", **stack, sections="0-3")))


def test_the_user_decides_over_auto(build, stack):
    samples = loaded(build("tiff-stack", **stack, reference="semantic"))
    assert all(sample.semantic for sample in samples)


def test_declared_ignore_pixels_are_passed_on(build, stack, volume):
    labels = volume[1].astype(np.int32)
    labels[:, :2] = -1
    tifffile.imwrite(stack["labels"], labels)
    with pytest.raises(DataError, match=r"em_labels\.tif, section 0: 120 pixel\(s\) are negative"):
        loaded(build("tiff-stack", **stack))
    sample = loaded(build("tiff-stack", **stack, ignore=-1))[0]
    np.testing.assert_array_equal(sample.ignore, labels[0] == -1)
    assert sample.labels.max() == 2


@pytest.mark.parametrize("shape", [(10, 60, 40), (10, 40, 59), (9, 40, 60)])
def test_labels_of_other_pixels_are_refused_when_the_source_is_built(build, stack, shape):
    tifffile.imwrite(stack["labels"], np.zeros(shape, np.uint8))
    with pytest.raises(DataError, match=r"em\.tif has .* but .*em_labels\.tif has"):
        build("tiff-stack", **stack)


def test_bad_pixels_name_file_and_section(build, stack, volume):
    images = volume[0].astype(np.float32)
    images[3, 4, 5] = np.nan
    tifffile.imwrite(stack["images"], images)
    refs = list(build("tiff-stack", **stack).refs())
    refs[2].load()
    with pytest.raises(
        DataError, match=r"em\.tif, section 3: 1 pixel\(s\) are NaN or infinite, the first at row 4, column 5"
    ):
        refs[3].load()


@pytest.mark.parametrize("dtype", ["uint16", "float32", ">u2"])
def test_one_stack_in_any_type_gives_the_same_samples(build, stack, volume, dtype):
    expected = loaded(build("tiff-stack", **stack))
    tifffile.imwrite(stack["images"], volume[0].astype(dtype))
    for sample, reference in zip(loaded(build("tiff-stack", **stack)), expected, strict=True):
        np.testing.assert_array_equal(sample.image, reference.image)
        assert sample.origin == reference.origin


def test_patches_are_scaled_with_their_section_not_alone(build, stack, volume):
    deep = volume[0].astype(np.uint16) * 16
    tifffile.imwrite(stack["images"], deep)
    whole = loaded(build("tiff-stack", **stack, sections=0))[0].image
    for sample in loaded(build("tiff-stack", **stack, sections=0, patch=20)):
        y, x = (int(part[1:]) for part in sample.id.split("_")[1:])
        np.testing.assert_array_equal(sample.image, whole[y : y + 20, x : x + 20])


def test_a_channel_is_asked_for_and_used(build, stack, volume):
    images = np.stack([volume[0], 255 - volume[0]], axis=1)
    tifffile.imwrite(stack["images"], images, imagej=True, metadata={"axes": "ZCYX"})
    with pytest.raises(DataError, match=r"2 channels.*channel="):
        build("tiff-stack", **stack)
    np.testing.assert_array_equal(loaded(build("tiff-stack", **stack, channel=1))[2].image, 255 - volume[0][2])


def test_sections_that_were_stored_as_channels_need_the_user(build, stack, volume):
    for key, part in zip(("images", "labels"), volume, strict=True):
        tifffile.imwrite(stack[key], part, imagej=True, metadata={"axes": "CYX"})
    with pytest.raises(DataError, match="say axes=ZYX"):
        build("tiff-stack", **stack)
    assert len(loaded(build("tiff-stack", **stack, axes="ZYX"))) == 10


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1)])
def test_stacks_of_single_rows_columns_and_pixels(build, stack, shape):
    images = np.arange(10 * 7, dtype=np.uint8).reshape(10, 7)[:, : max(shape)].reshape(10, *shape)
    tifffile.imwrite(stack["images"], images, metadata={"axes": "ZYX"})
    tifffile.imwrite(stack["labels"], images, metadata={"axes": "ZYX"})
    samples = loaded(build("tiff-stack", **stack, patch=4))
    assert sum(sample.image.size for sample in samples) == images.size


def test_a_stack_of_more_objects_than_sixteen_bits_hold(build, stack):
    labels = np.arange(10 * 40 * 60, dtype=np.uint32).reshape(10, 40, 60) * 200_000
    tifffile.imwrite(stack["labels"], labels)
    assert loaded(build("tiff-stack", **stack))[3].labels.max() == 40 * 60


def test_rgb_sections_stay_colour(build, stack, volume):
    colour = np.stack([volume[0]] * 3, axis=-1)
    tifffile.imwrite(stack["images"], colour, photometric="rgb")
    assert loaded(build("tiff-stack", **stack))[0].image.shape == (40, 60, 3)


@pytest.mark.parametrize(
    ("axes", "message"), [("ZY", "with Y and X"), ("ZZYX", "distinct"), ("QYX", "letters"), ("ABC", "letters")]
)
def test_axes_that_are_no_axes_are_usage_errors(build, stack, axes, message):
    with pytest.raises(UsageError, match=message):
        build("tiff-stack", **stack, axes=axes)


@pytest.mark.parametrize("size", [0, -1, [4, 0], float("inf")])
def test_a_pixel_size_must_be_positive(build, stack, size):
    with pytest.raises(UsageError, match="pixel_size_nm"):
        build("tiff-stack", **stack, pixel_size_nm=size)


@pytest.mark.parametrize(("split", "ids"), [("train", range(6)), ("test", range(7, 10)), ("all", range(10))])
def test_splits_are_blocks_with_a_gap(build, stack, split, ids):
    samples = loaded(build("tiff-stack", **stack, split=split))
    assert [sample.id for sample in samples] == [f"z{z:04d}" for z in ids]
    assert {sample.split for sample in samples} == {"" if split == "all" else split}


def test_sections_by_number_carry_the_name_of_the_split(build, stack):
    refs = list(build("tiff-stack", **stack, sections="0-1,9", split="val").refs())
    assert [(ref.id, ref.split) for ref in refs] == [("z0000", "val"), ("z0001", "val"), ("z0009", "val")]


def test_a_split_without_sections_says_so(build, stack):
    with pytest.raises(DataError, match=r"split=val holds none of its 10 section\(s\) with train=0.7, val=0.01"):
        list(build("tiff-stack", **stack, split="val", val=0.01).refs())


def test_the_group_is_the_content_whatever_the_name(build, stack, tmp_path):
    first = build("tiff-stack", **stack)
    group = next(first.refs()).group
    assert group == f"volume-{hash_file(tmp_path / 'em.tif')[:8]}"
    renamed = {**stack, "images": str(shutil.copy(stack["images"], tmp_path / "other.tif"))}
    assert build("tiff-stack", **renamed).fingerprint == first.fingerprint
    assert {ref.group for ref in build("tiff-stack", **renamed).refs()} == {group}
    assert {ref.group for ref in build("tiff-stack", **stack, split="test", patch=16).refs()} == {group}
    tifffile.imwrite(tmp_path / "elsewhere.tif", np.zeros((10, 40, 60), np.uint8))
    other = next(build("tiff-stack", **{**stack, "images": str(tmp_path / "elsewhere.tif")}).refs()).group
    assert other != group
    assert next(build("tiff-stack", **stack, group="mouse 1").refs()).group == "mouse 1"


def test_the_fingerprint_follows_content_and_choice_but_not_the_place(build, stack, tmp_path, volume):
    first = build("tiff-stack", **stack).fingerprint
    (tmp_path / "moved").mkdir()
    moved = {key: shutil.copy(path, tmp_path / "moved") for key, path in stack.items()}
    assert build("tiff-stack", **moved).fingerprint == first
    assert build("tiff-stack", **moved, max_pixels=10**9).fingerprint == first
    for options in ({"split": "train"}, {"patch": 16}, {"sections": "0-3"}, {"ignore": 3}, {"reference": "semantic"}):
        assert build("tiff-stack", **stack, **options).fingerprint != first
    changed = volume[1].copy()
    changed[9, 39, 59] = 1
    tifffile.imwrite(moved["labels"], changed)
    assert build("tiff-stack", **moved).fingerprint != first


def test_a_plane_of_225_megapixels_is_read_in_patches(build, tmp_path):
    side = 15_000
    file = np.memmap(tmp_path / "raw", np.uint8, "w+", shape=(side, side))
    file[7000:7100, 7000:7100] = 9
    tifffile.imwrite(tmp_path / "big.tif", file, compression="zlib", tile=(1024, 1024))
    del file
    refs = list(build("tiff-stack", images=str(tmp_path / "big.tif"), patch=5000).refs())
    assert len(refs) == 9
    assert refs[4].load().image[2000:2100, 2000:2100].min() == 9
    assert refs[0].load().image.max() == 0


# epfl -----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def epfl(tmp_path, volume):
    images, labels = volume
    for name, part in (("training", slice(0, 10)), ("testing", slice(4, 10))):
        tifffile.imwrite(tmp_path / f"{name}.tif", images[part] // (1 if name == "training" else 2))
        tifffile.imwrite(tmp_path / f"{name}_groundtruth.tif", np.where(labels[part] > 0, 255, 0).astype(np.uint8))
    return tmp_path


def test_epfl_has_a_stack_for_training_and_one_for_testing(build, epfl):
    counts = {
        split: [ref.id for ref in build("epfl", root=str(epfl), split=split).refs()]
        for split in ("all", "train", "test")
    }
    assert counts["train"] == [f"training_z{z:04d}" for z in range(10)]
    assert counts["test"] == [f"testing_z{z:04d}" for z in range(6)]
    assert counts["all"] == counts["train"] + counts["test"]


def test_epfl_labels_are_components_of_the_mask(build, epfl):
    sample = next(build("epfl", root=str(epfl), split="test").refs()).load()
    assert sample.semantic
    assert sample.labels.max() == 2
    assert sample.split == "test"


def test_epfl_masks_may_be_written_in_different_values(build, epfl):
    mask = tifffile.imread(epfl / "testing_groundtruth.tif") // 255
    tifffile.imwrite(epfl / "testing_groundtruth.tif", mask)
    assert all(sample.semantic for sample in loaded(build("epfl", root=str(epfl))))


def test_epfl_fractions_must_be_possible(build, epfl):
    with pytest.raises(UsageError, match="more than 1"):
        build("epfl", root=str(epfl), train=0.9, val=0.3)
    with pytest.raises(UsageError, match="split=val has the fraction 0"):
        build("epfl", root=str(epfl), split="val")


def test_epfl_validation_is_a_block_at_the_end_of_the_training_stack(build, epfl):
    train = [ref.id for ref in build("epfl", root=str(epfl), split="train", val=0.3).refs()]
    val = [ref.id for ref in build("epfl", root=str(epfl), split="val", val=0.3).refs()]
    assert train == [f"training_z{z:04d}" for z in range(6)]
    assert val == [f"training_z{z:04d}" for z in range(7, 10)]
    assert len(list(build("epfl", root=str(epfl), split="test", val=0.3).refs())) == 6


def test_epfl_groups_are_the_stacks(build, epfl):
    groups = {ref.id.partition("_")[0]: ref.group for ref in build("epfl", root=str(epfl)).refs()}
    assert groups == {name: f"volume-{hash_file(epfl / f'{name}.tif')[:8]}" for name in ("training", "testing")}
    as_stack = next(build("tiff-stack", images=str(epfl / "training.tif")).refs())
    assert as_stack.group == groups["training"], "the same stack is the same specimen, however it is read"


def test_epfl_without_a_testing_stack_splits_the_training_stack(build, epfl):
    (epfl / "testing.tif").unlink()
    ids = {split: [ref.id for ref in build("epfl", root=str(epfl), split=split).refs()] for split in ("train", "test")}
    assert ids["train"] == [f"training_z{z:04d}" for z in range(6)]
    assert ids["test"] == [f"training_z{z:04d}" for z in range(7, 10)]


def test_epfl_sections_need_to_know_the_stack(build, epfl):
    with pytest.raises(DataError, match="split=train or split=test"):
        list(build("epfl", root=str(epfl), sections="0-3").refs())
    assert [ref.id for ref in build("epfl", root=str(epfl), sections="3-4", split="test").refs()] == [
        "testing_z0003",
        "testing_z0004",
    ]


@pytest.mark.parametrize("name", ["training.tif", "training_groundtruth.tif", "testing_groundtruth.tif"])
def test_epfl_names_the_file_that_is_missing(build, epfl, name):
    (epfl / name).unlink()
    with pytest.raises(DataError, match=f"no {name}"):
        build("epfl", root=str(epfl))
