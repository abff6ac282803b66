import numpy as np
import pytest
from scipy import stats

from ml_sys.outcomes.counts import (
    count_p_value,
    cumulative,
    expected_interval,
    poisson_binomial,
    rate_p_value,
)


def test_equal_probabilities_are_scipys_binomial():
    assert poisson_binomial(np.full(9, 0.3)) == pytest.approx(stats.binom.pmf(np.arange(10), 9, 0.3))


def test_unequal_probabilities_are_worked_out_by_hand():
    assert poisson_binomial(np.array([0.1, 0.5, 1.0])) == pytest.approx([0, 0.45, 0.5, 0.05])


def test_many_probabilities_are_within_a_hair_of_the_exact_distribution():
    probability = np.random.default_rng(2).beta(0.1, 20, 3000)
    exact = np.cumsum(poisson_binomial(probability))[:60]
    assert cumulative(probability, np.arange(60)) == pytest.approx(exact, abs=3e-3)


def test_fewer_than_none_never_come():
    assert cumulative(np.full(3, 0.2), np.array([-1, 3])).tolist() == [0.0, 1.0]
    assert cumulative(np.full(3000, 0.2), np.array([-1]))[0] == 0
    assert cumulative(np.zeros(3000), np.array([0]))[0] == 1


@pytest.mark.parametrize("n", [40, 4000])
def test_an_interval_covers_as_often_as_it_says_and_hardly_more(n):
    probability = np.full(n, 8 / n)
    low, high = expected_interval(probability, 0.95)
    covered = stats.binom.cdf(high, n, 8 / n) - stats.binom.cdf(low - 1, n, 8 / n)
    assert 0.945 <= covered <= 0.985
    assert expected_interval(np.zeros(5), 0.95) == (0, 0)


def test_p_values_are_twice_the_smaller_tail():
    probability = np.full(50, 0.1)
    assert count_p_value(probability, 0) == pytest.approx(2 * 0.9**50)
    assert count_p_value(probability, 12) == pytest.approx(2 * stats.binom.sf(11, 50, 0.1))
    assert count_p_value(probability, 5) == 1


def test_a_rate_is_held_against_the_one_before():
    assert rate_p_value(0, 20, 0.25) == pytest.approx(2 * 0.75**20)
    assert rate_p_value(5, 15, 0.25) == 1
    assert rate_p_value(0, 0, 0.25) == 1


def test_an_interval_leaves_out_what_is_beyond_its_tails_and_no_more():
    # Of two tosses none has a quarter, at most one three quarters.
    assert expected_interval(np.full(2, 0.5), 0.5) == (1, 1)
    assert expected_interval(np.full(2, 0.5), 0.51) == (0, 2)
    assert expected_interval(np.full(10, 0.5), 0.95) == (2, 8)
    assert expected_interval(np.ones(5), 0.95) == (5, 5)
    assert expected_interval(np.zeros(0), 0.95) == (0, 0)


def test_what_is_certain_of_many_is_certain():
    many = np.ones(3000)
    assert cumulative(many, np.array([2999, 3000, 3001])).tolist() == [0, 1, 1]
    assert expected_interval(many, 0.95) == (3000, 3000)


@pytest.mark.parametrize("n", [2000, 2001])
def test_the_refined_normal_form_takes_over_where_it_is_as_good(n):
    found = cumulative(np.full(n, 0.01), np.arange(10, 31))
    assert found == pytest.approx(
        stats.binom.cdf(np.arange(10, 31), n, 0.01), abs=1e-12 if n == 2000 else 2e-3
    )


@pytest.mark.parametrize(("n", "share"), [(4000, 0.45), (3000, 1e-4)])
def test_the_refined_normal_form_is_near_whatever_the_spread(n, share):
    counts = np.arange(max(0, round(n * share) - 60), round(n * share) + 60)
    near = 1e-5 if share > 0.1 else 0.03
    assert cumulative(np.full(n, share), counts) == pytest.approx(stats.binom.cdf(counts, n, share), abs=near)


def test_of_more_than_two_thousand_the_distribution_is_not_worked_out_exactly():
    exact, near = (cumulative(np.full(n, 0.01), np.array([20]))[0] for n in (2000, 2001))
    assert exact == pytest.approx(stats.binom.cdf(20, 2000, 0.01), abs=1e-12)
    assert near != pytest.approx(stats.binom.cdf(20, 2001, 0.01), abs=1e-9)
