"""Measurements: what scikit-image says about each object, in pixels and in nanometres."""

import csv
import io

import numpy as np
import pytest
from skimage.measure import regionprops

from mitobench.predict.measurements import COLUMNS, PHYSICAL_COLUMNS, Measurements, measure, measurements_csv


@pytest.fixture
def scene():
    """An image with a bar, a disc, a speck of one pixel and a ring."""
    rng = np.random.default_rng(3)
    image = rng.integers(0, 256, (80, 120), dtype=np.uint8)
    y, x = np.mgrid[:80, :120]
    labels = np.zeros((80, 120), np.int32)
    labels[5:11, 4:40] = 1
    labels[np.hypot(y - 40, x - 30) < 13.2] = 2
    labels[70, 100] = 3
    radius = np.hypot(y - 40, x - 85)
    labels[(radius < 25) & (radius > 15)] = 4
    return image, labels, np.array([0.9, 0.8, 0.7, 0.6], np.float32)


def column(table, name):
    return np.array([row[table.columns.index(name)] for row in table.rows], float)


def test_every_value_is_that_of_scikit_image_s_region_properties(scene):
    image, labels, scores = scene
    table = measure(image, labels, scores, None)
    expected = regionprops(labels, image)
    assert table.columns == COLUMNS
    of = {
        "label": [r.label for r in expected],
        "score": scores,
        "area_px": [r.area for r in expected],
        "perimeter_px": [r.perimeter for r in expected],
        "eccentricity": [r.eccentricity for r in expected],
        "centroid_x_px": [r.centroid[1] for r in expected],
        "centroid_y_px": [r.centroid[0] for r in expected],
        "bbox_x0_px": [r.bbox[1] for r in expected],
        "bbox_y0_px": [r.bbox[0] for r in expected],
        "bbox_x1_px": [r.bbox[3] for r in expected],
        "bbox_y1_px": [r.bbox[2] for r in expected],
        "major_axis_px": [r.axis_major_length for r in expected],
        "minor_axis_px": [r.axis_minor_length for r in expected],
        "mean_intensity": [r.intensity_mean for r in expected],
    }
    assert set(of) == set(COLUMNS)
    for name, values in of.items():
        np.testing.assert_allclose(column(table, name), values, err_msg=name)


def test_known_shapes_have_the_values_of_geometry(scene):
    table = measure(*scene, None)
    bar, disc, speck, ring = range(4)
    assert column(table, "area_px")[bar] == 6 * 36
    assert column(table, "centroid_x_px")[bar] == pytest.approx((4 + 39) / 2)
    assert column(table, "major_axis_px")[disc] == pytest.approx(2 * 13.2, rel=0.02)
    assert column(table, "eccentricity")[disc] == pytest.approx(0, abs=0.1)
    assert column(table, "area_px")[speck] == 1
    assert column(table, "area_px")[ring] == pytest.approx(np.pi * (25**2 - 15**2), rel=0.02)


def test_square_pixels_scale_lengths_by_their_size_and_areas_by_its_square(scene):
    table = measure(*scene, (4.6, 4.6))
    assert table.columns == COLUMNS + PHYSICAL_COLUMNS
    np.testing.assert_allclose(column(table, "area_nm2"), column(table, "area_px") * 4.6**2)
    for name in ("perimeter", "centroid_x", "centroid_y", "major_axis", "minor_axis"):
        np.testing.assert_allclose(column(table, f"{name}_nm"), column(table, f"{name}_px") * 4.6)


def test_oblong_pixels_are_measured_in_their_real_shape_and_have_no_perimeter(scene):
    image, labels, scores = scene
    table = measure(image, labels, scores, (20.0, 5.0))
    assert all(row[table.columns.index("perimeter_nm")] is None for row in table.rows)
    np.testing.assert_allclose(column(table, "area_nm2"), column(table, "area_px") * 100)
    np.testing.assert_allclose(column(table, "centroid_y_nm"), column(table, "centroid_y_px") * 20)
    disc = regionprops(labels, spacing=(20.0, 5.0))[1]
    assert column(table, "major_axis_nm")[1] == pytest.approx(disc.axis_major_length)
    assert column(table, "eccentricity")[1] == pytest.approx(disc.eccentricity)
    assert column(table, "eccentricity")[1] > 0.9


def test_colour_is_averaged_over_its_channels(scene):
    image, labels, scores = scene
    colour = np.stack([image, image // 2, np.zeros_like(image)], axis=-1)
    grey = column(measure(colour.mean(axis=2).round().astype(np.uint8), labels, scores, None), "mean_intensity")
    np.testing.assert_allclose(column(measure(colour, labels, scores, None), "mean_intensity"), grey, atol=0.5)


def test_an_image_without_objects_has_a_table_without_rows(scene):
    image, labels, _ = scene
    assert measure(image, np.zeros_like(labels), np.zeros(0, np.float32), None) == Measurements(COLUMNS, ())


def test_the_document_holds_all_images_and_leaves_unknown_cells_empty(scene):
    plain, sized = measure(*scene, None), measure(*scene, (2.0, 2.0))
    rows = list(csv.DictReader(io.StringIO(measurements_csv([("a", plain), ("b", sized)]))))
    assert [(r["image"], r["label"]) for r in rows] == [(i, str(n)) for i in "ab" for n in range(1, 5)]
    assert rows[0]["area_nm2"] == ""
    assert float(rows[4]["area_nm2"]) == 4 * float(rows[4]["area_px"])
    assert float(rows[1]["centroid_x_px"]) == pytest.approx(column(plain, "centroid_x_px")[1], rel=1e-8)
    without = measurements_csv([("a", plain)]).splitlines()[0]
    assert without == ",".join(("image", *COLUMNS))


@pytest.mark.parametrize("name", ["=cmd()", "+1", "-1", "@x", " =1", "a\nb", "\x1b[31m"])
def test_no_spreadsheet_and_no_terminal_obeys_an_image_s_name(scene, name):
    shown = next(csv.reader(io.StringIO(measurements_csv([(name, measure(*scene, None))]).split("\n", 1)[1])))[0]
    assert shown.isprintable()
    assert shown.lstrip()[0] not in "=+-@"
