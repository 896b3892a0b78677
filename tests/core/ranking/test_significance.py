"""Tests of differences agree with scipy and statsmodels, and refuse to test what is too few."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from mitobench.ranking.significance import critical_difference, friedman, holm, sign_flip, smallest_p


def scipys(differences, **options):
    return stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", alternative="two-sided", **options
    ).pvalue


@pytest.mark.parametrize(
    "differences",
    [
        [0.1, 0.2, -0.05, 0.3, 0.12, 0.07, 0.2, 0.01],
        [0.1, 0.1, 0.1, -0.1, 0.1, 0.1],
        [0.0, 0.0, 0.2, -0.1, 0.0, 0.3, 0.1],
        [0.0] * 6,
    ],
)
def test_exact_p_values_are_those_of_scipys_permutation_test(differences):
    found = sign_flip(np.array([differences]))[0]
    assert found == pytest.approx(scipys(np.array(differences), n_resamples=np.inf))


def test_many_groups_are_tested_with_random_signs_that_agree_with_scipys():
    differences = np.random.default_rng(0).normal(0.3, 1, 30)
    theirs = scipys(differences, n_resamples=9999, rng=np.random.default_rng(1))
    assert sign_flip(differences[None])[0] == pytest.approx(theirs, abs=0.02)
    assert sign_flip(differences[None], seed=3)[0] == sign_flip(differences[None], seed=3)[0]


def test_groups_in_which_a_score_is_undefined_are_left_out():
    whole = np.array([0.1, 0.2, -0.05, 0.3, 0.12, 0.07])
    gaps = np.insert(whole, (0, 3), np.nan)
    assert sign_flip(gaps[None])[0] == pytest.approx(sign_flip(whole[None])[0])


def test_fewer_than_six_groups_are_not_tested():
    assert np.isnan(sign_flip(np.full((2, 5), 0.3))).all()
    six_of_which_five = np.array([[0.3] * 5 + [np.nan]])
    assert np.isnan(sign_flip(six_of_which_five)).all()


def test_pairs_are_tested_each_for_itself_however_many_there_are():
    differences = np.random.default_rng(0).normal(0.2, 1, (600, 8))
    together = sign_flip(differences)
    assert together[[0, 299, 599]] == pytest.approx([sign_flip(differences[[i]])[0] for i in (0, 299, 599)])


def test_of_cells_that_do_not_differ_one_in_twenty_is_found_to():
    differences = np.random.default_rng(5).standard_t(3, (4000, 12))
    assert (sign_flip(differences) < 0.05).mean() == pytest.approx(0.05, abs=0.012)


def test_the_smallest_p_is_reached_where_all_groups_agree():
    assert sign_flip(np.full((1, 7), 0.2))[0] == smallest_p(7, 1)
    assert smallest_p(6, 10) == pytest.approx(10 * 2 / 64)


@settings(max_examples=12, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holms_correction_is_that_of_statsmodels(p):
    assert holm(np.array(p)) == pytest.approx(multipletests(p, method="holm")[1])


def test_what_was_not_tested_does_not_count_in_the_correction():
    found = holm(np.array([0.01, np.nan, 0.04]))
    assert found[[0, 2]] == pytest.approx([0.02, 0.04])
    assert np.isnan(found[1])


def test_friedmans_test_is_scipys_on_the_scores_behind_the_ranks():
    scores = np.random.default_rng(0).normal(size=(8, 4)).round(1)
    ranks = stats.rankdata(-scores, axis=1)
    statistic, p = friedman(ranks)
    expected = stats.friedmanchisquare(*(-scores).T)
    assert (statistic, p) == pytest.approx((expected.statistic, expected.pvalue))


def test_cells_that_tie_everywhere_do_not_differ():
    assert friedman(np.full((6, 3), 2.0)) == (0.0, 1.0)


@pytest.mark.parametrize(("cells", "quantile"), [(2, 1.960), (3, 2.343), (5, 2.728), (10, 3.164)])
def test_the_critical_difference_has_the_quantiles_of_demsars_table(cells, quantile):
    expected = quantile * np.sqrt(cells * (cells + 1) / (6 * 14))
    assert critical_difference(cells, 14) == pytest.approx(expected, rel=1e-3)
