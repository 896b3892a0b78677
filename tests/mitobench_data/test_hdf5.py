"""HDF5 data sets: by key, lazily, and never outside the file."""

import shutil

import h5py
import numpy as np
import pytest

from mitobench.errors import DataError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "em.h5"


@pytest.fixture
def written(path, volume):
    images, labels = volume
    with h5py.File(path, "w") as file:
        file["raw"] = images
        file.create_dataset("volumes/labels", data=labels, chunks=(2, 16, 16), compression="gzip")
    return path


def test_sections_and_labels_are_read_by_key(build, written, volume):
    refs = list(build("hdf5", file=str(written), labels="/volumes/labels").refs())
    assert [ref.id for ref in refs] == [f"z{z:04d}" for z in range(10)]
    for z, ref in enumerate(refs):
        sample = ref.load()
        np.testing.assert_array_equal(sample.image, volume[0][z])
        np.testing.assert_array_equal(sample.labels > 0, volume[1][z] > 0)
        assert sample.labels.max() == 2


def test_a_wrong_key_lists_the_keys(build, written):
    with pytest.raises(DataError, match=r"no data set '/labels'.*/raw \(10, 40, 60\) uint8; /volumes/labels"):
        build("hdf5", file=str(written))


def test_a_group_is_no_data_set(build, written):
    with pytest.raises(DataError, match="no data set '/volumes'"):
        build("hdf5", file=str(written), labels="/volumes")


def test_without_labels_there_is_no_reference(build, written):
    assert next(build("hdf5", file=str(written), labels="").refs()).load().labels is None


def test_an_external_link_is_refused(build, written, tmp_path, volume):
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["secret"] = volume[1]
    with h5py.File(written, "a") as file:
        file["labels"] = h5py.ExternalLink("other.h5", "/secret")
        file["deep"] = h5py.ExternalLink("other.h5", "/")
        file["soft"] = h5py.SoftLink("/deep/secret")
    for key in ("/labels", "/deep/secret", "/soft"):
        with pytest.raises(DataError, match=r"external link to 'other\.h5'"):
            build("hdf5", file=str(written), labels=key)


def test_soft_links_inside_the_file_are_followed(build, written):
    with h5py.File(written, "a") as file:
        file["labels"] = h5py.SoftLink("/volumes/labels")
        file["group/relative"] = h5py.SoftLink("other")
        file["group/other"] = file["volumes/labels"][()]
    for key in ("/labels", "/group/relative"):
        assert next(build("hdf5", file=str(written), labels=key).refs()).load().labels.max() == 2


def test_a_circle_of_soft_links_is_refused(build, written):
    with h5py.File(written, "a") as file:
        file["labels"] = h5py.SoftLink("/again")
        file["again"] = h5py.SoftLink("/labels")
    with pytest.raises(DataError, match="circle"):
        build("hdf5", file=str(written))


def test_external_storage_is_refused(build, written, tmp_path):
    (tmp_path / "values.bin").write_bytes(bytes(10 * 40 * 60))
    with h5py.File(written, "a") as file:
        file.create_dataset("labels", (10, 40, 60), "uint8", external=[("values.bin", 0, 10 * 40 * 60)])
    with pytest.raises(DataError, match="stored in other files"):
        build("hdf5", file=str(written))


def test_a_virtual_data_set_is_refused(build, written):
    layout = h5py.VirtualLayout((10, 40, 60), "uint8")
    layout[:] = h5py.VirtualSource("other.h5", "x", (10, 40, 60))
    with h5py.File(written, "a") as file:
        file.create_virtual_dataset("labels", layout)
    with pytest.raises(DataError, match="stored in other files"):
        build("hdf5", file=str(written))


def test_a_claim_of_a_thousand_times_the_stored_bytes_is_refused(build, path):
    with h5py.File(path, "w") as file:
        raw = file.create_dataset("raw", (2000, 1024, 1024), "uint8", chunks=(1, 64, 64))
        raw[0, :64, :64] = 1
    with pytest.raises(DataError, match=r"claims 2097152000 bytes .* but 4096 are stored.*max_expansion="):
        build("hdf5", file=str(path), labels="")
    assert len(list(build("hdf5", file=str(path), labels="", max_expansion=10**6).refs())) == 2000


def test_nothing_stored_is_refused(build, path):
    with h5py.File(path, "w") as file:
        file.create_dataset("raw", (10, 8, 8), "uint8", chunks=(1, 8, 8))
    with pytest.raises(DataError, match="but 0 are stored"):
        build("hdf5", file=str(path), labels="")


def test_empty_labels_that_compress_well_are_believed(build, path, volume):
    with h5py.File(path, "w") as file:
        file["raw"] = volume[0]
        file.create_dataset("labels", data=np.zeros((10, 40, 60), np.uint32), chunks=(10, 40, 60), compression="gzip")
    assert next(build("hdf5", file=str(path)).refs()).load().labels.max() == 0


def test_a_plane_beyond_max_pixels_is_refused(build, written):
    with pytest.raises(DataError, match="claims 40 x 60"):
        build("hdf5", file=str(written), labels="/volumes/labels", max_pixels=2399)


def test_an_enormous_chunk_is_refused(build, path):
    with h5py.File(path, "w") as file:
        file.create_dataset("raw", data=np.ones((50, 20, 20), np.uint8), chunks=(50, 20, 20))
    with pytest.raises(DataError, match="chunks of"):
        build("hdf5", file=str(path), labels="", max_pixels=1000)


def test_labels_settle_the_axes_or_the_user_is_asked(build, path, volume):
    images, labels = volume
    with h5py.File(path, "w") as file:
        file["raw"], file["labels"] = images[:3], labels[:3]
    assert len(list(build("hdf5", file=str(path)).refs())) == 3
    with pytest.raises(DataError, match="ZYX or CYX"):
        build("hdf5", file=str(path), labels="")
    assert len(list(build("hdf5", file=str(path), labels="", axes="zyx").refs())) == 3


def test_a_channel_of_a_multichannel_volume(build, path, volume):
    images, labels = volume
    with h5py.File(path, "w") as file:
        file["raw"], file["labels"] = np.stack([images, images // 2], 1), labels
    with pytest.raises(DataError, match=r"2 channels.*channel="):
        build("hdf5", file=str(path))
    sample = next(build("hdf5", file=str(path), channel=1).refs()).load()
    np.testing.assert_array_equal(sample.image, images[0] // 2)


def test_text_is_refused(build, path):
    with h5py.File(path, "w") as file:
        file["raw"] = ["a", "b"]
    with pytest.raises(DataError, match="expected booleans, integers or floating-point"):
        build("hdf5", file=str(path), labels="")


def test_what_is_no_hdf5_file_is_refused(build, path):
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + b"x" * 50)
    with pytest.raises(DataError, match="not a readable HDF5 file"):
        build("hdf5", file=str(path))
    path.write_bytes(b"hello")
    with pytest.raises(DataError, match="neither TIFF nor PNG nor HDF5"):
        build("hdf5", file=str(path))


def test_the_fingerprint_is_of_the_content_and_the_keys(build, written, tmp_path):
    def fingerprint(path, **options):
        return build("hdf5", **{"file": str(path), "labels": "/volumes/labels", **options}).fingerprint

    copy = tmp_path / "copy.h5"
    copy.write_bytes(written.read_bytes())
    assert fingerprint(copy) == fingerprint(written)
    assert fingerprint(written, labels="") != fingerprint(written)


def test_renaming_the_file_changes_neither_fingerprint_nor_group(build, written, tmp_path):
    first = build("hdf5", file=str(written), labels="/volumes/labels")
    group = next(first.refs()).group
    fingerprint = first.fingerprint
    moved = build("hdf5", file=str(shutil.copy(written, tmp_path / "b.h5")), labels="/volumes/labels")
    assert (moved.fingerprint, {ref.group for ref in moved.refs()}) == (fingerprint, {group})
