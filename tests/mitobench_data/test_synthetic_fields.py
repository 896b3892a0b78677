"""Random fields and stamps: their statistics are what their docstrings say."""

import numpy as np
import pytest
from scipy import stats

from mitobench.seeds import derive_rng
from mitobench_data.synthetic_fields import grain, line, lognormal, membership, mottle, smooth_noise, stamp


@pytest.mark.parametrize("scale", [1.0, 4.0, 13.7])
def test_smooth_noise_has_mean_0_and_standard_deviation_1(scale):
    values = np.concatenate([smooth_noise(derive_rng(k), (200, 160), scale).ravel() for k in range(20)])
    assert values.mean() == pytest.approx(0, abs=0.1)
    assert values.std() == pytest.approx(1, abs=0.08)


def test_smooth_noise_varies_over_its_scale_and_not_below():
    field = smooth_noise(derive_rng(0), (400, 400), 20.0)
    near = np.corrcoef(field[:, 2:].ravel(), field[:, :-2].ravel())[0, 1]
    far = np.corrcoef(field[:, 80:].ravel(), field[:, :-80].ravel())[0, 1]
    assert near > 0.97
    assert abs(far) < 0.3


@pytest.mark.parametrize("shape", [(1, 1), (1, 90), (3, 2)])
def test_fields_are_of_any_shape(shape):
    assert smooth_noise(derive_rng(0), shape, 50.0).shape == shape
    assert grain(derive_rng(0), shape, 2.0).shape == shape
    assert mottle(derive_rng(0), shape, 2.0, 0.5).dtype == np.float32


@pytest.mark.parametrize("sigma", [0.0, 0.5, 1.5, 6.0])
def test_grain_has_standard_deviation_1_at_any_size(sigma):
    values = np.concatenate([grain(derive_rng(k), (300, 300), sigma).ravel() for k in range(4)])
    assert values.std() == pytest.approx(1, abs=0.06)


def test_mottle_is_nowhere_negative_and_0_in_most_places():
    clumps = mottle(derive_rng(0), (300, 300), 2.0, 1.0)
    assert clumps.min() == 0
    assert np.mean(clumps > 0) == pytest.approx(stats.norm.sf(1.0), abs=0.03)


def test_a_line_is_a_gaussian_profile():
    distance = np.linspace(-5, 5, 11, dtype=np.float32)
    assert np.allclose(line(distance, 2.0), stats.norm.pdf(distance, scale=2) / stats.norm.pdf(0, scale=2), atol=1e-6)
    assert np.allclose(line(distance, np.full(11, 2, np.float32)), line(distance, 2.0))


def test_membership_rises_from_0_to_1_across_a_border():
    assert membership(np.array([-9, -1, 0, 1, 9], np.float32), 4.0).tolist() == [0, 0.25, 0.5, 0.75, 1]


def test_lognormal_has_its_median_and_stays_in_its_range():
    rng = derive_rng(0)
    values = [lognormal(rng, 10, 1.0, 2, 60) for _ in range(2000)]
    assert np.median(values) == pytest.approx(10, rel=0.1)
    assert min(values) == 2
    assert max(values) == 60


def test_stamps_add_up_and_are_cut_at_the_edges():
    canvas = np.zeros((6, 5), np.float32)
    bank = np.stack([np.ones((3, 3)), np.full((3, 3), 10)]).astype(np.float32)
    centres = np.array([[0, 0], [2, 2], [2, 2], [5, 4]])
    stamp(canvas, centres, bank, np.array([0, 0, 1, 1]), np.array([1.0, 2.0, 0.5, 1.0]))
    expected = np.zeros((6, 5))
    expected[:2, :2] += 1
    expected[1:4, 1:4] += 7
    expected[4:, 3:] += 10
    assert np.allclose(canvas, expected)


def test_no_stamps_change_nothing():
    canvas = np.ones((4, 4), np.float32)
    stamp(canvas, np.zeros((0, 2), int), np.ones((1, 3, 3), np.float32), np.zeros(0, int), np.zeros(0))
    assert np.all(canvas == 1)
