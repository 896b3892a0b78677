"""Outlines of objects, and the ROIs that ImageJ reads."""

import io
import zipfile

import numpy as np
import pytest
from roifile import ImagejRoi
from skimage.measure import points_in_poly

from mitobench.predict.outlines import imagej_rois, object_outlines


@pytest.fixture
def labels():
    """A blob at the image's corner, one pixel, two pieces that touch at a corner, a ring, and two pieces apart."""
    y, x = np.mgrid[:60, :80]
    found = np.zeros((60, 80), np.int32)
    found[(y < 12) & (x < 20 - y)] = 1
    found[30, 3] = 2
    found[40:44, 10:14] = found[44:48, 14:18] = 3
    radius = np.hypot(y - 30, x - 50)
    found[(radius < 15) & (radius > 8)] = 4
    found[50:55, 30:33] = found[50:55, 70:77] = 6
    return found


def covered(polygons, shape):
    centres = np.argwhere(np.ones(shape, bool))[:, ::-1]
    return np.any([points_in_poly(centres, p) for p in polygons], axis=0).reshape(shape)


def test_an_outline_encloses_the_centres_of_exactly_its_object_s_pixels_and_its_holes(labels):
    found = object_outlines(labels)
    assert [(n, piece) for n, piece, _ in found] == [(1, 1), (2, 1), (3, 1), (4, 1), (6, 1), (6, 2)]
    for number in (1, 2, 3, 6):
        inside = covered([p for n, _, p in found if n == number], labels.shape)
        np.testing.assert_array_equal(inside, labels == number)
    ring = covered([p for n, _, p in found if n == 4], labels.shape)
    y, x = np.mgrid[:60, :80]
    np.testing.assert_array_equal(ring, np.hypot(y - 30, x - 50) < 15)


def test_the_rois_are_the_outlines_in_imagej_s_coordinates(labels):
    archive = zipfile.ZipFile(io.BytesIO(imagej_rois(labels)))
    assert archive.namelist() == ["0001.roi", "0002.roi", "0003.roi", "0004.roi", "0006.roi", "0006-2.roi"]
    for (number, piece, polygon), name in zip(object_outlines(labels), archive.namelist(), strict=True):
        roi = ImagejRoi.frombytes(archive.read(name))
        assert roi.name == (f"{number:04d}" if piece == 1 else f"{number:04d}-{piece}")
        np.testing.assert_allclose(roi.coordinates(), polygon + 0.5, atol=1e-4)


def test_equal_labels_give_equal_bytes_and_no_object_an_empty_zip(labels):
    assert imagej_rois(labels) == imagej_rois(labels.copy())
    assert zipfile.ZipFile(io.BytesIO(imagej_rois(np.zeros_like(labels)))).namelist() == []
