"""Axes come from the user, the file or the labels; where none of them says, the user is asked."""

import numpy as np
import pytest

from mitobench.errors import DataError
from mitobench_data.axes import Layout, resolve_axes


def as_read(array, layout, section=0):
    return array[layout.index(section)].transpose(layout.order)


@pytest.mark.parametrize(
    ("shape", "axes", "count", "plane"),
    [
        ((4, 5), "YX", 1, (4, 5)),
        ((9, 4, 5), "ZYX", 9, (4, 5)),
        ((9, 4, 5), "TYX", 9, (4, 5)),
        ((4, 5, 3), "YXS", 1, (4, 5)),
        ((3, 4, 5), "CYX", 1, (4, 5)),
        ((9, 2, 4, 5), "ZCYX", 9, (4, 5)),
        ((9, 4, 5, 3), "ZYXS", 9, (4, 5)),
        ((1, 9, 1, 4, 5), "TZCYX", 9, (4, 5)),
        ((1, 4, 5), "ZYX", 1, (4, 5)),
    ],
)
def test_axes_that_the_file_names_are_believed(shape, axes, count, plane):
    layout = resolve_axes(shape, axes, name="a")
    assert (layout.count, layout.plane) == (count, plane)
    array = np.arange(np.prod(shape)).reshape(shape)
    assert as_read(array, layout).shape[:2] == plane


@pytest.mark.parametrize(
    ("axes", "source"), [("CYX", (2, 0, 1)), ("YCX", (0, 2, 1)), ("YXC", (0, 1, 2)), ("XYC", (1, 0, 2))]
)
def test_a_plane_comes_out_as_rows_columns_channels(axes, source):
    image = np.arange(4 * 5 * 3).reshape(4, 5, 3)
    stored = image.transpose(source)
    layout = resolve_axes(stored.shape, "???", asked=axes, name="a")
    np.testing.assert_array_equal(as_read(stored, layout), image)


def test_a_section_of_a_multichannel_stack():
    array = np.arange(6 * 2 * 4 * 5).reshape(6, 2, 4, 5)
    layout = resolve_axes(array.shape, "ZCYX", name="a")
    np.testing.assert_array_equal(as_read(array, layout, 4), np.moveaxis(array[4], 0, -1))


@pytest.mark.parametrize(
    ("shape", "found"),
    [((3, 40, 50), "QYX"), ((5, 40, 50), "???"), ((40, 50, 3), "???"), ((40, 50, 5), "QYX"), ((3, 4, 40, 50), "????")],
)
def test_axes_that_are_open_are_asked_for(shape, found):
    with pytest.raises(DataError, match=r"em\.tif: an array of shape .* may be .*axes="):
        resolve_axes(shape, found, name="em.tif")


def test_many_pages_of_unknown_axis_are_sections_because_there_are_not_that_many_channels():
    assert resolve_axes((14, 40, 50), "QYX", name="a").count == 14


@pytest.mark.parametrize(
    ("shape", "labels", "count", "channel"),
    [
        ((3, 40, 50), Layout((3, 40, 50), 1, 2, 0), 3, None),
        ((3, 40, 50), Layout((40, 50), 0, 1), 1, 0),
        ((40, 50, 3), Layout((40, 50), 0, 1), 1, 2),
        ((4, 3, 40, 50), Layout((4, 40, 50), 1, 2, 0), 4, 1),
        ((3, 4, 40, 50), Layout((4, 40, 50), 1, 2, 0), 4, 0),
        ((4, 40, 50, 3), Layout((4, 40, 50), 1, 2, 0), 4, 3),
    ],
)
def test_labels_settle_axes_that_are_open(shape, labels, count, channel):
    layout = resolve_axes(shape, "?" * len(shape), labels=labels, name="a")
    assert (layout.count, layout.channel) == (count, channel)
    assert layout.plane == (40, 50)


def test_labels_that_fit_two_readings_settle_nothing():
    with pytest.raises(DataError, match="ZCYX or CZYX"):
        resolve_axes((4, 4, 40, 50), "????", labels=Layout((4, 40, 50), 1, 2, 0), name="a")


def test_labels_have_no_channels():
    assert resolve_axes((3, 40, 50), "QYX", role="labels", name="a").count == 3
    assert resolve_axes((3, 40, 50), "???", role="labels", name="a").count == 3


def test_colour_samples_are_told_from_recorded_channels():
    assert resolve_axes((40, 50, 4), "YXS", name="a").samples
    assert resolve_axes((40, 50, 4), "YXC", name="a").samples
    assert resolve_axes((3, 40, 50), "SYX", name="a").samples
    assert not resolve_axes((4, 40, 50), "CYX", name="a").samples


@pytest.mark.parametrize(
    ("shape", "found", "asked", "message"),
    [
        ((3, 40, 50), "QYX", "YX", "axes=YX names 2 axes"),
        ((5, 6, 40, 50), "TZYX", "", "expected one axis of sections"),
        ((5, 6, 7, 40, 50), "?????", "", "Name them"),
        ((3, 40, 3), "CYS", "", "expected rows"),
    ],
)
def test_axes_that_do_not_fit_are_refused(shape, found, asked, message):
    with pytest.raises(DataError, match=message):
        resolve_axes(shape, found, asked=asked, name="a")
