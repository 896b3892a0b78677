"""Any data source becomes YOLO's data set on disk; what cannot be learned from is said clearly."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from mitobench.errors import DataError
from mitobench.samples import Sample
from mitobench.training.holdout import hold_out
from mitobench_yolo.boxes import from_yolo, reference_boxes
from mitobench_yolo.samples import PADDING, counted, read_boxes, read_image, write_dataset


def written(folder, learn, judge, source_of):
    return write_dataset(list(source_of(learn).refs()), list(source_of(judge).refs()), folder)


def test_images_and_boxes_are_read_back_as_they_were(tmp_path, discs, source_of):
    samples = [discs(0), discs(1, (50, 80), colour=True)]
    train, _ = written(tmp_path, samples, [discs(2)], source_of)
    for sample, path, shape in zip(samples, train.images, train.shapes, strict=True):
        expected = sample.image if sample.image.ndim == 3 else np.stack([sample.image] * 3, axis=-1)
        np.testing.assert_array_equal(np.asarray(Image.open(path)), expected)
        np.testing.assert_array_equal(read_image(path), expected)
        np.testing.assert_allclose(from_yolo(read_boxes(path), shape), reference_boxes(sample.labels), atol=1e-9)
    assert train.objects == tuple(len(reference_boxes(s.labels)) for s in samples)


def test_ultralytics_own_data_set_reads_the_same_images_and_boxes(tmp_path, discs, source_of):
    import yaml

    from mitobench_yolo.runtime import YOLODataset

    train, _ = written(tmp_path, [discs(0), discs(1), discs(2, (40, 70))], [discs(3)], source_of)
    described = yaml.safe_load((tmp_path / "data.yaml").read_text(encoding="utf-8"))
    assert described == {"path": str(tmp_path), "train": "images/train", "val": "images/val", "names": {0: "object"}}
    data = YOLODataset(img_path=str(tmp_path / described["train"]), data=described, augment=False, imgsz=64)
    assert data.im_files == [str(path) for path in train.images]
    for label, path, shape in zip(data.labels, train.images, train.shapes, strict=True):
        assert tuple(label["shape"]) == shape
        assert (label["cls"] == 0).all()
        np.testing.assert_allclose(label["bboxes"], read_boxes(path), atol=1e-6)


@pytest.mark.parametrize(
    "name", ["../../up", "/etc/passwd", "a/b.tif#3", "é ü", "x" * 300, "con", "'\n\"", "labels/images"]
)
def test_no_id_can_leave_the_folder_or_clash(tmp_path, discs, source_of, name):
    twins = [replace(discs(0), id=name), replace(discs(1), id=name + " ")]
    train, val = written(tmp_path / "set", twins, [discs(2)], source_of)
    assert len({*train.images, *val.images}) == 3
    assert all(path.resolve().is_relative_to(tmp_path / "set") for path in train.images)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["set"]
    assert [len(read_boxes(path)) for path in train.images] == list(train.objects)


def test_an_image_without_objects_is_a_background(tmp_path, discs, source_of):
    bare = replace(discs(1), labels=np.zeros((64, 64), np.int32))
    train, _ = written(tmp_path, [discs(0), bare], [discs(2)], source_of)
    assert train.objects[1] == 0
    assert read_boxes(train.images[1]).shape == (0, 4)


def test_an_object_as_large_as_the_image_is_the_unit_box(tmp_path, discs, source_of):
    full = replace(discs(1), labels=np.full((64, 64), 7, np.int32))
    train, _ = written(tmp_path, [full], [discs(2)], source_of)
    assert read_boxes(train.images[0]).tolist() == [[0.5, 0.5, 1.0, 1.0]]


def test_ignored_pixels_are_hidden_and_nothing_is_there_to_find():
    labels = np.zeros((20, 30), np.int32)
    labels[2:6, 2:6], labels[10:16, 10:20] = 3, 8
    ignore = np.zeros((20, 30), bool)
    ignore[:8, :8], ignore[10:16, 15:] = True, True
    picture, boxes = counted(Sample(id="s", image=np.full((20, 30), 9, np.uint8), labels=labels, ignore=ignore))
    assert boxes.tolist() == [[10, 10, 15, 16]]
    assert (picture[ignore] == PADDING).all()
    assert (picture[~ignore] == 9).all()


def test_where_only_some_objects_are_annotated_the_rest_of_the_image_is_hidden():
    labels = np.zeros((60, 60), np.int32)
    labels[5:10, 5:10] = 1
    picture, boxes = counted(Sample(id="s", image=np.full((60, 60), 9, np.uint8), labels=labels, partial=True))
    assert boxes.tolist() == [[5, 5, 10, 10]]
    assert (picture[:18, :18] == 9).all()
    assert (picture[40:, 40:] == PADDING).all()


def test_the_held_out_samples_are_the_last_ones_and_at_least_one(discs, source_of):
    samples = [discs(n) for n in range(10)]
    learn, judge = hold_out(source_of(samples), None, 0.3)
    assert [ref.id for ref in learn + judge] == [s.id for s in samples]
    assert len(judge) == 3
    assert len(hold_out(source_of(samples[:2]), None, 0.01)[1]) == 1


def test_a_validation_source_is_used_as_it_is(discs, source_of):
    learn, judge = hold_out(source_of([discs(0)]), source_of([discs(1), discs(2)]), 0.5)
    assert [r.id for r in learn] == ["disc/0"]
    assert [r.id for r in judge] == ["disc/1", "disc/2"]


def test_one_image_is_too_few_for_learning_and_validation(discs, source_of):
    with pytest.raises(DataError, match=r"has 1 sample\(s\); expected at least one to learn from and one to hold out"):
        hold_out(source_of([discs(0)]), None, 0.1)
    with pytest.raises(DataError, match="validation data source has no samples"):
        hold_out(source_of([discs(0)]), source_of([]), 0.1)


def test_no_object_at_all_is_an_error_that_names_the_block(tmp_path, discs, source_of):
    bare = replace(discs(1), labels=np.zeros((64, 64), np.int32))
    with pytest.raises(DataError, match="none of the 1 training samples holds an object"):
        written(tmp_path / "a", [bare], [discs(0)], source_of)
    with pytest.raises(DataError, match=r"none of the 1 validation samples .* larger validation_share="):
        written(tmp_path / "b", [discs(0)], [bare], source_of)


def test_a_sample_without_reference_is_named(tmp_path, discs, source_of):
    with pytest.raises(DataError, match="sample 'disc/4' has no reference"):
        written(tmp_path, [discs(0), discs(4).without_reference()], [discs(1)], source_of)


def test_origins_and_groups_are_remembered_once_each(tmp_path, discs, source_of):
    samples = [discs(0), discs(0), discs(1, group="other"), discs(2, group="")]
    train, _ = written(tmp_path, samples, [discs(3)], source_of)
    assert train.groups == ("other", "slide")
    assert train.origins == tuple(sorted({s.origin for s in samples}))
