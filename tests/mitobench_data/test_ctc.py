"""`ctc`: frames of the Cell Tracking Challenge, gold or silver, with partial annotation respected."""

import numpy as np
import pytest
import tifffile

from mitobench.errors import DataError, UsageError


def frame(*objects, shape=(20, 30)):
    plane = np.zeros(shape, np.uint16)
    for number in objects:
        plane[2:8, 6 * number : 6 * number + 4] = number * 10
    return plane


def markers(*objects):
    plane = np.zeros((20, 30), np.uint16)
    for number in objects:
        plane[4, 6 * number + 1] = number
    return plane


@pytest.fixture
def root(tmp_path):
    """Two sequences of six frames. 01: gold labels for frames 0, 2 and 4, of which 2 misses object 3. 02: gold for 1."""
    rng = np.random.default_rng(0)
    for sequence, annotated in (("01", (0, 2, 4)), ("02", (1,))):
        for folder in (sequence, f"{sequence}_GT/SEG", f"{sequence}_GT/TRA", f"{sequence}_ST/SEG"):
            (tmp_path / folder).mkdir(parents=True)
        for t in range(6):
            tifffile.imwrite(tmp_path / sequence / f"t{t:03d}.tif", rng.integers(0, 4000, (20, 30), dtype=np.uint16))
            tifffile.imwrite(tmp_path / f"{sequence}_GT/TRA/man_track{t:03d}.tif", markers(1, 2, 3))
            tifffile.imwrite(tmp_path / f"{sequence}_ST/SEG/man_seg{t:03d}.tif", frame(1, 2, 3))
        for t in annotated:
            labels = frame(1, 2) if (sequence, t) == ("01", 2) else frame(1, 2, 3)
            tifffile.imwrite(tmp_path / f"{sequence}_GT/SEG/man_seg{t:03d}.tif", labels)
    return tmp_path


def by_id(source):
    return {ref.id: ref.load() for ref in source.refs()}


def test_annotated_frames_of_every_sequence_are_samples(build, root):
    samples = by_id(build("ctc", root=str(root)))
    assert list(samples) == ["01_t000", "01_t002", "01_t004", "02_t001"]
    assert [sample.group for sample in samples.values()] == ["01", "01", "01", "02"]
    assert samples["01_t000"].image.dtype == np.uint8
    np.testing.assert_array_equal(samples["01_t000"].labels, frame(1, 2, 3) // 10)
    assert not samples["01_t000"].semantic


def test_a_frame_is_partial_where_a_marker_touches_no_object(build, root):
    partial = {name: sample.partial for name, sample in by_id(build("ctc", root=str(root))).items()}
    assert partial == {"01_t000": False, "01_t002": True, "01_t004": False, "02_t001": False}


@pytest.mark.parametrize("declared", [True, False])
def test_the_user_may_say_whether_annotation_is_partial(build, root, declared):
    assert {s.partial for s in by_id(build("ctc", root=str(root), partial=declared)).values()} == {declared}


def test_without_tracking_truth_a_frame_counts_as_complete(build, root):
    for path in (root / "01_GT" / "TRA").iterdir():
        path.unlink()
    assert not by_id(build("ctc", root=str(root)))["01_t002"].partial


def test_markers_of_other_pixels_are_refused(build, root):
    tifffile.imwrite(root / "01_GT/TRA/man_track000.tif", np.zeros((5, 5), np.uint16))
    with pytest.raises(DataError, match=r"man_track000\.tif: markers of shape \(5, 5\)"):
        next(build("ctc", root=str(root)).refs()).load()


def test_silver_truth_covers_every_frame(build, root):
    samples = by_id(build("ctc", root=str(root), annotation="silver", sequence=1))
    assert list(samples) == [f"01_t{t:03d}" for t in range(6)]
    assert not samples["01_t002"].partial


def test_frames_without_labels_can_be_had_without_reference(build, root):
    samples = by_id(build("ctc", root=str(root), frames="all", sequence="01"))
    assert [sample.labels is None for sample in samples.values()] == [False, True, False, True, False, True]
    assert not samples["01_t001"].partial


@pytest.mark.parametrize(
    ("sequence", "groups"), [(1, {"01"}), ("02", {"02"}), ([1, 2], {"01", "02"}), ("", {"01", "02"})]
)
def test_sequences_are_chosen_by_number(build, root, sequence, groups):
    assert {ref.group for ref in build("ctc", root=str(root), sequence=sequence).refs()} == groups


def test_a_sequence_that_is_not_there_is_refused(build, root):
    with pytest.raises(DataError, match="no sequence 03; there are 01, 02"):
        build("ctc", root=str(root), sequence=3)
    with pytest.raises(DataError, match="no sequence; expected folders 01"):
        build("ctc", root=str(root / "01"))
    with pytest.raises(DataError, match="does not exist"):
        build("ctc", root=str(root / "nowhere"))


def test_splits_are_blocks_of_the_frames_of_each_sequence(build, root):
    def of(split):
        return [ref.id for ref in build("ctc", root=str(root), annotation="silver", split=split, train=0.6).refs()]

    assert of("train") == [f"{s}_t{t:03d}" for s in ("01", "02") for t in range(3)]
    assert of("test") == [f"{s}_t{t:03d}" for s in ("01", "02") for t in (4, 5)]


def test_a_label_image_without_its_frame_is_an_error(build, root):
    (root / "01" / "t002.tif").unlink()
    with pytest.raises(DataError, match=r"man_seg002\.tif: no frame t002\.tif"):
        build("ctc", root=str(root))


def test_a_sequence_without_frames_or_annotation_is_an_error(build, root):
    for path in (root / "02_GT" / "SEG").iterdir():
        path.unlink()
    with pytest.raises(DataError, match=r"02_GT/SEG: no man_seg000\.tif"):
        build("ctc", root=str(root))
    for path in (root / "02").iterdir():
        path.unlink()
    with pytest.raises(DataError, match="02: no frame"):
        build("ctc", root=str(root))


def test_three_dimensional_annotation_is_refused_by_name(build, root):
    (root / "01_GT/SEG/man_seg000.tif").rename(root / "01_GT/SEG/man_seg_000_003.tif")
    with pytest.raises(DataError, match="one slice of a 3-D frame"):
        build("ctc", root=str(root))


def test_three_dimensional_frames_are_refused(build, root):
    for path in (root / "01/t000.tif", root / "01_GT/SEG/man_seg000.tif"):
        tifffile.imwrite(path, np.zeros((9, 20, 30), np.uint16))
    with pytest.raises(DataError, match="holds 9 sections; expected one image"):
        next(build("ctc", root=str(root)).refs()).load()


def test_an_empty_frame_is_refused(build, root):
    (root / "01" / "t000.tif").write_bytes(b"")
    with pytest.raises(DataError, match=r"t000\.tif: the file is empty"):
        build("ctc", root=str(root))


def test_the_fingerprint_follows_content_and_choice(build, root):
    first = build("ctc", root=str(root)).fingerprint
    assert build("ctc", root=str(root), annotation="silver").fingerprint != first
    assert build("ctc", root=str(root)).fingerprint == first
    tifffile.imwrite(root / "01_GT/TRA/man_track000.tif", markers(1, 2))
    assert build("ctc", root=str(root)).fingerprint != first


def test_unknown_kinds_of_annotation_are_usage_errors(build, root):
    with pytest.raises(UsageError, match="'gold' or 'silver'"):
        build("ctc", root=str(root), annotation="bronze")


def test_a_renamed_sequence_is_another_group_and_another_fingerprint(build, root):
    before = build("ctc", root=str(root), sequence="02")
    assert {ref.group for ref in before.refs()} == {"02"}
    fingerprint = before.fingerprint
    for name in ("02", "02_GT", "02_ST"):
        (root / name).rename(root / name.replace("02", "03"))
    after = build("ctc", root=str(root), sequence="03")
    assert {ref.group for ref in after.refs()} == {"03"}
    assert after.fingerprint != fingerprint
