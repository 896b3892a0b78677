"""Grids of points, and no prompts."""

import numpy as np
import pytest

from mitobench.errors import UsageError
from mitobench.options import NoOptions, parse_options
from mitobench_prompts.grid import GridPoints, NoPrompts
from mitobench_prompts.options import GridOptions


def test_side_divides_the_image_into_equal_cells(sample_of, prompt_with):
    found = prompt_with(GridPoints, GridOptions(side=4), sample_of(np.zeros((8, 16))))
    assert found.points.shape == (16, 1, 2)
    assert found.points[:4, 0].tolist() == [[1.5, 0.5], [5.5, 0.5], [9.5, 0.5], [13.5, 0.5]]
    assert found.points[::4, 0, 1].tolist() == [0.5, 2.5, 4.5, 6.5]
    assert (found.point_labels == 1).all()
    assert found.targets is None


def test_the_default_is_the_32_x_32_grid_of_segment_anything(sample_of, prompt_with):
    found = prompt_with(GridPoints, GridOptions(), sample_of(np.zeros((96, 64))))
    share = np.linspace(1 / 64, 1 - 1 / 64, 32)
    y, x = np.meshgrid(share * 96, share * 64, indexing="ij")
    np.testing.assert_allclose(found.points[:, 0], np.stack([x.ravel(), y.ravel()], axis=1) - 0.5, atol=1e-5)


def test_spacing_is_in_pixels_and_centred(sample_of, prompt_with):
    points = prompt_with(GridPoints, GridOptions(spacing=10), sample_of(np.zeros((25, 31)))).points[:, 0]
    assert np.unique(points[:, 0]).tolist() == [5, 15, 25]
    assert np.unique(points[:, 1]).tolist() == [7, 17]


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (5, 3)])
def test_every_image_gets_a_point_inside(sample_of, prompt_with, shape):
    for options in (GridOptions(spacing=100), GridOptions(side=5)):
        found = prompt_with(GridPoints, options, sample_of(np.zeros(shape)))
        assert len(found) >= 1
        found.check_inside(shape)


def test_the_grid_does_not_look_at_the_reference(blobs, sample_of, prompt_with):
    sample = sample_of(blobs)
    one, other = (prompt_with(GridPoints, GridOptions(side=3), s) for s in (sample, sample.without_reference()))
    np.testing.assert_array_equal(one.points, other.points)


def test_side_and_spacing_exclude_each_other():
    with pytest.raises(UsageError, match="side or spacing, not both"):
        parse_options(GridOptions, {"side": 3, "spacing": 4}, owner="grid")


def test_none_emits_nothing(sample_of, prompt_with):
    found = prompt_with(NoPrompts, NoOptions(), sample_of(np.ones((4, 4))))
    assert (len(found), found.kinds, found.targets) == (0, frozenset(), None)
