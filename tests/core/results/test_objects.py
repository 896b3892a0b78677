"""Object rows are read once per image, and only where their images were committed."""

import numpy as np
import pytest

from mitobench.errors import DataError
from mitobench.ranking.evidence import Evidence
from mitobench.results.objects import read_objects
from mitobench.results.runfolder import RunFolder

METRIC = "areas@1"


def row(cell, image, area, metric=METRIC, **more):
    return {"cell": cell, "image": image, "metric": metric, f"{metric}/area": area, **more}


def write(folder, unit, objects):
    images = [
        {"cell": c, "image": i, "status": "ok"} for c, i in dict.fromkeys((o["cell"], o["image"]) for o in objects)
    ]
    folder.write_part(unit, images, objects)


@pytest.fixture
def folder(tmp_path):
    return RunFolder.create_or_open(tmp_path / "run")


def test_rows_come_back_by_cell_in_order_with_the_metric_s_names(folder):
    write(folder, "00", [row("a", "x", 3), row("a", "x", 1), row("b", "x", 7), row("a", "y", 2)])
    found = read_objects(folder.path / "parts", METRIC)
    assert sorted(found) == ["a", "b"]
    assert found["a"].images.tolist() == ["x", "x", "y"]
    assert found["a"].columns["area"].tolist() == [3, 1, 2]
    assert len(found["b"]) == 1


def test_rows_of_other_metrics_are_left_alone(folder):
    write(folder, "00", [row("a", "x", 3), row("a", "x", 9, metric="other@1")])
    found = read_objects(folder.path / "parts", METRIC)
    assert list(found["a"].columns) == ["area"]
    assert found["a"].columns["area"].tolist() == [3]
    assert read_objects(folder.path / "parts", "none@1") == {}


def test_an_image_that_two_parts_hold_counts_once(folder):
    write(folder, "00", [row("a", "x", 3)])
    write(folder, "01", [row("a", "x", 3), row("a", "y", 4)])
    assert read_objects(folder.path / "parts", METRIC)["a"].images.tolist() == ["x", "y"]


def test_a_part_whose_images_were_never_committed_does_not_count(folder):
    write(folder, "00", [row("a", "x", 3)])
    (part,) = (folder.path / "parts").glob("*.objects.parquet")
    part.with_name("01-0.objects.parquet").write_bytes(part.read_bytes())
    assert len(read_objects(folder.path / "parts", METRIC)["a"]) == 1


def test_numbers_are_float64_and_what_is_absent_is_nan(folder):
    write(folder, "00", [row("a", "x", 3), row("a", "x", None)])
    write(folder, "01", [row("a", "y", 2.5)])
    area = read_objects(folder.path / "parts", METRIC)["a"].columns["area"]
    assert area.dtype == np.float64
    np.testing.assert_array_equal(area, [3, np.nan, 2.5])


def test_a_damaged_part_is_named(folder):
    write(folder, "00", [row("a", "x", 3)])
    (part,) = (folder.path / "parts").glob("*.objects.parquet")
    part.write_bytes(b"not parquet")
    with pytest.raises(DataError, match=r"objects\.parquet: damaged"):
        read_objects(folder.path / "parts", METRIC)


def test_evidence_has_the_objects_of_a_cell_that_the_metric_s_sums_add_up_to(bench, tmp_path):
    bench.run(tmp_path / "run", metrics=("instance",))
    evidence = Evidence([RunFolder.open(tmp_path / "run")], bench.plugins)
    (cell,) = evidence.cells
    objects = evidence.objects(cell, "instance@1")
    names, values, _ = evidence.cells[cell].table.statistics("instance@1")
    assert (objects.columns["reference_id"] > 0).sum() == values[:, names.index("references")].sum() > 0
    assert objects.columns["matched"].sum() == values[:, names.index("tp@0.5")].sum()
    assert len(evidence.objects(cell, "semantic@1")) == 0
