"""Conversions of the last label windows beside those before: exact, and silent where rates are steady."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binom

from ml_sys.data.schema import NEVER_CLOSED
from ml_sys.leaks.steadiness import LOOKS, _by_age, last_windows

FIRST, LAST, HORIZON = 1000, 1370, 30
DAYS = LAST + HORIZON - FIRST


def closing(*days: int, free: int = 1000) -> NDArray[np.int32]:
    return np.array([*days, *[NEVER_CLOSED] * free], dtype=np.int32)


def test_the_chance_of_so_few_is_that_of_the_days_on_which_companies_were_free() -> None:
    before = [FIRST + 3 * at for at in range(123)]
    found = last_windows(closing(*before, free=10**6), FIRST, LAST, HORIZON)
    assert found is not None
    assert (found.windows, found.conversions) == (1, 0)
    assert found.expected == pytest.approx(123 * 30 / (DAYS - 30), rel=1e-3)
    assert found.p_value == pytest.approx(LOOKS * binom.cdf(0, 123, 30 / DAYS), rel=1e-3)
    assert found.least_p_value == pytest.approx(LOOKS * binom.cdf(0, 123, 90 / DAYS), rel=1e-3)


def test_a_company_is_free_up_to_the_day_on_which_it_converts() -> None:
    found = last_windows(closing(FIRST, free=1), FIRST, LAST, HORIZON)
    assert found is not None
    days = 1 + DAYS - found.windows * HORIZON
    assert found.expected == pytest.approx(found.windows * HORIZON / days)


def test_a_conversion_on_the_first_day_of_a_window_counts_in_it_and_one_on_its_last_day_is_too_late() -> None:
    before = [FIRST + 3 * at for at in range(100)]
    counted = []
    for day in (LAST - 1, LAST, LAST + HORIZON - 1):
        found = last_windows(closing(*before, *[day] * 40), FIRST, LAST, HORIZON)
        assert found is not None
        assert found.windows == 1
        counted.append(found.conversions)
    assert counted == [0, 40, 40]
    late, none = (
        last_windows(closing(*before, *[LAST + HORIZON] * n, free=1000 - n), FIRST, LAST, HORIZON)
        for n in (40, 0)
    )
    assert late == none


def test_a_decline_over_three_windows_is_seen_though_none_of_them_is_odd_alone() -> None:
    end = LAST + HORIZON
    before = [FIRST + at * (DAYS - 90) // 100 for at in range(100)]
    found = last_windows(closing(*before, end - 80, end - 50, end - 5), FIRST, LAST, HORIZON)
    assert found is not None
    assert found.windows == 3
    assert found.p_value < 1e-6


def test_without_a_conversion_before_there_is_nothing_to_compare_with() -> None:
    assert last_windows(closing(LAST + 3), FIRST, LAST, HORIZON) is None
    assert last_windows(closing(FIRST + 3), LAST, LAST, HORIZON) is None


@pytest.mark.parametrize("rate", [0.00002, 0.0003])
def test_where_the_rate_is_steady_a_p_value_is_below_a_limit_no_more_often_than_it_says(rate: float) -> None:
    rng = np.random.default_rng(17)
    p_values = []
    for _ in range(1500):
        day = FIRST - 1 + rng.geometric(rate, 3000)
        found = last_windows(np.where(day < 2000, day, NEVER_CLOSED).astype(np.int32), FIRST, LAST, HORIZON)
        p_values.append(1.0 if found is None else found.p_value)
    for limit in (0.001, 0.01, 0.05, 0.2):
        below = np.mean(np.array(p_values) < limit)
        assert below <= limit + 3 * np.sqrt(limit / len(p_values))


def test_the_chance_is_that_of_as_many_as_came_among_all_who_convert() -> None:
    before, last = [FIRST + 3 * at for at in range(123)], [LAST + 4, LAST + 9]
    found = last_windows(closing(*before, *last, free=10**6), FIRST, LAST, HORIZON)
    assert found is not None
    assert (found.windows, found.conversions) == (1, 2)
    assert found.p_value == pytest.approx(LOOKS * binom.cdf(2, 125, 30 / DAYS), rel=1e-3)
    assert found.least_p_value == pytest.approx(LOOKS * binom.cdf(0, 125, 90 / DAYS), rel=1e-3)


def test_a_company_is_free_from_the_day_after_it_began_and_can_convert_from_then_on() -> None:
    closed = closing(FIRST + 40, FIRST + 40, free=0)
    since = np.array([FIRST + 39, FIRST + 40], dtype=np.int32)
    for start, counted in ((FIRST + 39, (1, 1)), (FIRST, (1, 1)), (FIRST + 41, (0, 0))):
        assert tuple(of.sum() for of in _by_age(closed, start, FIRST + 50, since)) == counted
    assert tuple(of.sum() for of in _by_age(closed, FIRST, FIRST + 50, None)) == (2, 82)


def test_days_count_at_the_age_that_a_company_has_on_them() -> None:
    converted, free = _by_age(closing(FIRST + 5, free=0), FIRST, FIRST + 9, np.array([FIRST], dtype=np.int32))
    assert free[:4].tolist() == [
        [0, 1, 0, 0, 0, 0, 0, 0, 0],
        [0, 0, 1, 1, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 1, 1, 0, 0, 0],
        [0] * 9,
    ]
    assert np.argwhere(converted).tolist() == [[2, 5]]


def signing_up(
    rng: np.random.Generator, each_day: float = 8.0
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Companies that sign up steadily; one in ten pays, most of these in their first days."""
    since = np.repeat(np.arange(FIRST, LAST + HORIZON), rng.poisson(each_day, DAYS))
    pays = rng.random(since.size) < 0.1
    closed = np.where(pays, since + 1 + rng.geometric(0.1, since.size), NEVER_CLOSED)
    return closed.astype(np.int32), since.astype(np.int32)


def test_where_as_many_sign_up_and_pay_in_their_first_days_as_ever_nothing_has_fallen() -> None:
    """Free accounts pile up, so that fewer of them pay per day; those of each age pay as before."""
    closed, since = signing_up(np.random.default_rng(5), each_day=40)
    found = last_windows(closed, FIRST, LAST, HORIZON, since)
    assert found is not None
    assert found.conversions == pytest.approx(found.expected, rel=0.2)
    assert found.p_value > 0.05
    missing = np.where(closed < LAST, closed, NEVER_CLOSED).astype(np.int32)
    found = last_windows(missing, FIRST, LAST, HORIZON, since)
    assert found is not None
    assert found.p_value < 1e-6


def test_where_companies_of_each_age_convert_steadily_a_p_value_is_no_lower_than_it_says() -> None:
    rng = np.random.default_rng(23)
    p_values = np.empty(400)
    for at in range(p_values.size):
        closed, since = signing_up(rng)
        found = last_windows(closed, FIRST, LAST, HORIZON, since)
        p_values[at] = 1.0 if found is None else found.p_value
    for limit in (0.001, 0.01, 0.05, 0.2):
        assert np.mean(p_values < limit) <= limit + 3 * np.sqrt(limit / p_values.size)


def spans(*conversions: int) -> NDArray[np.int32]:
    """So many conversions in each span of thirty days, the last of which ends when the last window does."""
    end = LAST + HORIZON
    starts = end - HORIZON * np.arange(len(conversions), 0, -1)
    days = [
        start + at * HORIZON // n for start, n in zip(starts, conversions, strict=True) for at in range(n)
    ]
    return closing(*days, free=10**5)


def test_a_trough_as_deep_as_those_before_it_is_no_rarity() -> None:
    seasons = (60, 40, 8, 30, 60, 42, 9, 29, 58, 40, 6)
    end = FIRST + DAYS - HORIZON * len(seasons)
    found, even = (last_windows(spans(*of), end, LAST, HORIZON) for of in (seasons, (*[35] * 10, 6)))
    assert found is not None
    assert even is not None
    assert even.p_value < 1e-6 < 0.01 < found.p_value


def test_an_end_that_only_shows_in_more_windows_can_be_judged() -> None:
    """Everybody converts at the end of a second month, so that one window without conversions is nothing."""
    months = (0, 40) * 6
    found = last_windows(spans(*months), FIRST + DAYS - HORIZON * len(months), LAST, HORIZON)
    assert found is not None
    assert found.p_value > 0.5
    assert found.least_p_value < 1e-6


def test_an_end_shows_where_ever_more_companies_converted_before() -> None:
    growing = (2, 4, 6, 9, 12, 16, 21, 27, 34, 42, 0)
    found = last_windows(spans(*growing), FIRST + DAYS - HORIZON * len(growing), LAST, HORIZON)
    assert found is not None
    assert found.p_value < 1e-6


@pytest.mark.parametrize("days", [1, HORIZON - 1, HORIZON + 1, 2 * HORIZON])
def test_a_history_shorter_than_two_windows_is_compared_with(days: int) -> None:
    found = last_windows(closing(*[LAST - 1] * 50), LAST - days, LAST, HORIZON)
    assert found is not None
    assert (found.windows, found.conversions) == (1, 0)
