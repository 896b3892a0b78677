"""The pixel size that a TIFF file states."""

import numpy as np
import pytest
import tifffile

from mitobench.predict.pixel_sizes import stored_pixel_size

PIXELS = np.zeros((4, 5), np.uint8)


@pytest.mark.parametrize(
    ("unit", "expected"),
    [("nm", (4, 5)), ("um", (4e3, 5e3)), ("micron", (4e3, 5e3)), ("\\u00B5m", (4e3, 5e3)), ("pixel", None), ("", None)],
)
def test_imagej_s_resolution_counts_where_it_has_a_unit_of_length(tmp_path, unit, expected):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, PIXELS, imagej=True, resolution=(1 / 5, 1 / 4), metadata={"unit": unit})
    found = stored_pixel_size(path)
    assert found == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(("unit", "factor"), [("nm", 1), ("µm", 1e3), ("mm", 1e6), (None, 1e3), ("pixel", None)])
def test_ome_s_physical_size_counts_in_micrometres_unless_it_names_a_unit(tmp_path, unit, factor):
    path = tmp_path / "a.ome.tif"
    units = {} if unit is None else {"PhysicalSizeXUnit": unit, "PhysicalSizeYUnit": unit}
    tifffile.imwrite(
        path, PIXELS, ome=True, metadata={"axes": "YX", "PhysicalSizeX": 5.0, "PhysicalSizeY": 4.0, **units}
    )
    assert stored_pixel_size(path) == (None if factor is None else pytest.approx((4 * factor, 5 * factor)))


def test_a_bare_resolution_says_nothing(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", PIXELS, resolution=(72, 72), resolutionunit="INCH")
    tifffile.imwrite(tmp_path / "b.ome.tif", PIXELS, ome=True, metadata={"axes": "YX"})
    tifffile.imwrite(tmp_path / "c.tif", PIXELS, imagej=True, metadata={"unit": "nm"}, resolution=(0, 0))
    assert [stored_pixel_size(path) for path in sorted(tmp_path.iterdir())] == [None] * 3


def test_what_is_no_tiff_says_nothing(tmp_path):
    (tmp_path / "a.tif").write_bytes(b"II*\0broken")
    assert stored_pixel_size(tmp_path / "a.tif") is None
    assert stored_pixel_size(tmp_path / "absent.tif") is None
