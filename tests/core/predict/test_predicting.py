"""A folder of predictions: what is written, and what a repetition of the command does again."""

import csv
import io
import json

import numpy as np
import pytest
import tifffile
from PIL import Image
from skimage.measure import regionprops

from mitobench.components import plan_component
from mitobench.errors import DeviceMemoryError, ResourceError, UsageError
from mitobench.predict.folder import PredictionFolder, encode_labels, smallest_type
from mitobench.predict.inputs import images_of_files
from mitobench.predict.predicting import Extras, predict_images, recipe_of
from mitobench.predict.predictor import Predictor, Tiling
from mitobench.specs import parse_spec
from mitobench.workbench import Workbench


@pytest.fixture
def images(tmp_path):
    """Three images of bright discs, as files."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:50, :60]
    (tmp_path / "in").mkdir()
    for name in "abc":
        pixels = rng.integers(0, 50, (50, 60), dtype=np.uint8)
        for _ in range(5):
            pixels[np.hypot(y - rng.integers(50), x - rng.integers(60)) < rng.integers(2, 9)] = 200
        tifffile.imwrite(tmp_path / "in" / f"{name}.tif", pixels)
    return sorted((tmp_path / "in").iterdir())


@pytest.fixture
def predict(bench, tmp_path):
    """Predicts into one folder; ``log`` counts the images that were encoded."""

    def make(files, segmenter="toy-threshold", *, reading=None, overwrite=False, out="out", tiling=None, **given):
        spec = parse_spec(f"{segmenter}{',' if ':' in segmenter else ':'}log={tmp_path / 'log'}")
        planned = [
            plan_component(kind, s, bench.plugins, bench.store, base=bench.base)
            for kind, s in (("prompter", parse_spec("none")), ("segmenter", spec))
        ]
        predictor = Predictor(Workbench(bench.plugins, "cpu", 0), *planned, tiling or Tiling())
        folder = PredictionFolder(tmp_path / out, recipe_of(predictor), overwrite=overwrite)
        inputs = images_of_files(files, bench.plugins, reading=reading)
        about = {"prompter": {"label": "none"}, "segmenter": {"label": segmenter}}
        return predict_images(inputs, predictor, folder, about=about, overwrite=overwrite, **given)

    return make


def encoded(tmp_path):
    return len((tmp_path / "log").read_text().splitlines())


def rows(tmp_path):
    with (tmp_path / "out/measurements.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_labels_measurements_and_provenance_are_written(predict, images, tmp_path):
    outcome = predict(images, reading={"pixel_size_nm": 8.0})
    out = tmp_path / "out"
    assert (outcome.done, outcome.skipped, outcome.exit_code) == (3, 0, 0)
    table = iter(rows(tmp_path))
    for record, path in zip(outcome.records, images, strict=True):
        labels = tifffile.imread(out / "labels" / path.name)
        assert labels.dtype == np.uint8
        assert record.objects == labels.max() == len(np.unique(labels)) - 1
        for region in regionprops(labels, tifffile.imread(path)):
            row = next(table)
            assert (row["image"], int(row["label"])) == (path.stem, region.label)
            found = [float(row[c]) for c in ("area_px", "perimeter_px", "centroid_x_px", "mean_intensity", "area_nm2")]
            expected = [region.area, region.perimeter, region.centroid[1], region.intensity_mean, region.area * 64]
            np.testing.assert_allclose(found, expected, rtol=1e-8)
    assert next(table, None) is None
    about = json.loads((out / "predict.json").read_text())
    assert [i["image"] for i in about["images"]] == ["a", "b", "c"]
    assert about["segmenter"]["label"] == "toy-threshold"
    assert about["failed"] == []


def test_the_pixel_size_is_in_the_label_file(tmp_path):
    labels = np.arange(12, dtype=np.int32).reshape(3, 4)
    with tifffile.TiffFile(io.BytesIO(encode_labels(labels, "a", (4.0, 5.0)))) as file:
        page = file.pages[0]
        assert page.resolutionunit == tifffile.RESUNIT.CENTIMETER
        np.testing.assert_allclose(page.resolution, (1e7 / 5, 1e7 / 4))
        assert json.loads(page.description)["pixel_size_nm"] == [4.0, 5.0]
        np.testing.assert_array_equal(page.asarray(), labels)


@pytest.mark.parametrize(
    ("largest", "kind"), [(0, "u1"), (255, "u1"), (256, "u2"), (65535, "u2"), (65536, "u4"), (2**31 - 1, "u4")]
)
def test_labels_are_of_the_smallest_type_that_holds_them(largest, kind):
    assert smallest_type(largest) == np.dtype(kind)


def test_a_repetition_does_nothing_again(predict, images, tmp_path):
    predict(images)
    before = (tmp_path / "out/measurements.csv").read_bytes()
    outcome = predict(images)
    assert (outcome.done, outcome.skipped) == (0, 3)
    assert encoded(tmp_path) == 3
    assert (tmp_path / "out/measurements.csv").read_bytes() == before


def test_only_what_has_changed_or_is_damaged_is_done_again(predict, images, tmp_path):
    predict(images)
    tifffile.imwrite(images[0], np.zeros((9, 9), np.uint8))
    (tmp_path / "out/labels/b.tif").write_bytes(b"broken")
    outcome = predict(images)
    assert (outcome.done, outcome.skipped) == (2, 1)
    assert outcome.records[0].objects == 0
    assert {row["image"] for row in rows(tmp_path)} == {"b", "c"}
    assert tifffile.imread(tmp_path / "out/labels/a.tif").shape == (9, 9)


def test_images_of_later_commands_join_the_folder(predict, images, tmp_path):
    predict(images[:1])
    predict(images[2:])
    assert {row["image"] for row in rows(tmp_path)} == {"a", "c"}


@pytest.mark.parametrize("change", [{"segmenter": "toy-threshold:threshold=120"}, {"tiling": Tiling(side=32)}])
def test_a_folder_holds_one_recipe_unless_it_may_be_overwritten(predict, images, tmp_path, change):
    predict(images, extras=Extras(overlay=True))
    with pytest.raises(UsageError, match=r"holds predictions of none and toy-threshold .*--overwrite"):
        predict(images[:1], **change)
    predict(images[:1], overwrite=True, **change)
    files = [p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*.*") if p.is_file()]
    assert sorted(f for f in files if f != ".lock") == [
        ".images/a.json",
        "labels/a.tif",
        "measurements.csv",
        "predict.json",
    ]


def test_a_folder_of_something_else_is_left_alone(predict, images, tmp_path):
    (tmp_path / "out/labels").mkdir(parents=True)
    with pytest.raises(UsageError, match="not a folder of predictions"):
        predict(images, overwrite=True)
    (tmp_path / "out/predict.json").write_text("[]")
    with pytest.raises(UsageError, match="written by something else"):
        predict(images, overwrite=True)


def test_an_image_from_elsewhere_does_not_replace_its_namesake(predict, images, tmp_path):
    predict(images)
    other = tmp_path / "other/a.tif"
    other.parent.mkdir()
    tifffile.imwrite(other, np.full((8, 8), 200, np.uint8))
    outcome = predict([other])
    assert outcome.exit_code == UsageError.exit_code
    assert "another image of that name" in outcome.failed[0].error
    assert tifffile.imread(tmp_path / "out/labels/a.tif").shape == (50, 60)
    assert predict([other], overwrite=True).done == 1


def test_overlays_and_rois_are_made_when_they_are_asked_for_without_segmenting_again(predict, images, tmp_path):
    predict(images)
    outcome = predict(images, extras=Extras(overlay=True, rois=True))
    assert (outcome.skipped, encoded(tmp_path)) == (3, 3)
    for name in "abc":
        with Image.open(tmp_path / "out/overlays" / f"{name}.png") as picture:
            assert (picture.size, picture.mode) == ((60, 50), "RGB")
        assert (tmp_path / "out/rois" / f"{name}.zip").stat().st_size > 0
    stamp = (tmp_path / "out/overlays/a.png").stat().st_mtime_ns
    predict(images, extras=Extras(overlay=True))
    assert (tmp_path / "out/overlays/a.png").stat().st_mtime_ns == stamp


def test_an_unreadable_image_costs_only_itself(predict, images, tmp_path):
    images[1].write_bytes(b"II*\0")
    outcome = predict(images)
    assert (outcome.done, outcome.exit_code) == (2, 1)
    assert (outcome.failed[0].image, outcome.failed[0].exit_code) == ("b", 3)
    assert predict([images[1]]).exit_code == 3
    assert json.loads((tmp_path / "out/predict.json").read_text())["failed"][0]["image"] == "b"


def test_an_image_that_fails_now_is_left_out_of_the_measurements_until_it_can_be_read_again(predict, images, tmp_path):
    predict(images)
    pixels = images[1].read_bytes()
    images[1].write_bytes(b"II*\0")
    predict(images)
    about = json.loads((tmp_path / "out/predict.json").read_text())
    assert [i["image"] for i in about["images"]] == ["a", "c"]
    assert [f["image"] for f in about["failed"]] == ["b"]
    assert {row["image"] for row in rows(tmp_path)} == {"a", "c"}
    predict(images[:1])
    assert {row["image"] for row in rows(tmp_path)} == {"a", "c"}, (
        "a later command for other images does not bring it back"
    )
    images[1].write_bytes(pixels)
    outcome = predict(images)
    assert (outcome.skipped, encoded(tmp_path)) == (3, 3), "its labels were kept"
    assert {row["image"] for row in rows(tmp_path)} == {"a", "b", "c"}


def test_a_stack_that_cannot_be_read_any_more_is_left_out_with_all_its_pages(predict, images, tmp_path):
    tifffile.imwrite(images[2], np.zeros((3, 40, 40), np.uint8), photometric="minisblack")
    predict(images[1:2])
    predict(images[2:], reading={"axes": "ZYX"})
    about = tmp_path / "out/predict.json"
    assert len(json.loads(about.read_text())["images"]) == 4
    images[2].write_bytes(b"II*\0")
    predict(images[2:], reading={"axes": "ZYX"})
    assert [i["image"] for i in json.loads(about.read_text())["images"]] == ["b"]


def test_a_failing_namesake_from_elsewhere_leaves_the_measurements_alone(predict, images, tmp_path):
    predict(images)
    other = tmp_path / "other/a.tif"
    other.parent.mkdir()
    tifffile.imwrite(other, np.full((8, 8), 200, np.uint8))
    assert predict([other]).failed
    assert {row["image"] for row in rows(tmp_path)} == {"a", "b", "c"}


def test_a_label_file_that_was_changed_by_hand_has_no_measurements(predict, images, tmp_path):
    predict(images)
    tifffile.imwrite(tmp_path / "out/labels/b.tif", np.zeros((50, 60), np.uint8))
    predict(images[:1])
    assert {row["image"] for row in rows(tmp_path)} == {"a", "c"}


def test_a_device_too_small_for_an_image_costs_only_that_image_and_a_full_disk_ends_it_all(
    predict, images, monkeypatch
):
    monkeypatch.setattr(Predictor, "predict", _raising(DeviceMemoryError("full")))
    assert [f.exit_code for f in predict(images).failed] == [5, 5, 5]
    monkeypatch.setattr(Predictor, "predict", _raising(ResourceError("no space")))
    with pytest.raises(ResourceError, match="no space"):
        predict(images)


def _raising(error):
    def fail(*_arguments, **_named):
        raise error

    return fail


def test_asked_to_stop_it_keeps_what_is_finished_and_goes_on_later(predict, images, tmp_path):
    done = []
    stopped = predict(
        images,
        progress=lambda number, _total, _what: done.append(number),
        should_stop=lambda: max(done, default=0) >= 1,
    )
    assert (stopped.interrupted, stopped.exit_code, stopped.done) == (True, 130, 1)
    assert {row["image"] for row in rows(tmp_path)} == {"a"}
    resumed = predict(images)
    assert (resumed.done, resumed.skipped, resumed.exit_code) == (2, 1, 0)


def test_two_processes_do_not_write_to_one_folder(predict, images, tmp_path):
    predict(images)
    recipe = json.loads((tmp_path / "out/predict.json").read_text())["recipe"]
    with (
        PredictionFolder(tmp_path / "out", recipe).writing(),
        pytest.raises(UsageError, match="another mitobench process"),
    ):
        predict(images)
