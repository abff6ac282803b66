"""Conversions of the last label windows beside those before: exact, and silent where rates are steady."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binom

from ml_sys.data.schema import NEVER_CLOSED
from ml_sys.leaks.steadiness import LOOKS, _conversions, last_windows

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
    assert found.least_p_value == found.p_value


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
    assert found.least_p_value == pytest.approx(LOOKS * binom.cdf(0, 125, 30 / DAYS), rel=1e-3)


def test_a_company_is_free_from_the_day_after_it_began_and_can_convert_from_then_on() -> None:
    closed = closing(FIRST + 40, FIRST + 40, free=0)
    since = np.array([FIRST + 39, FIRST + 40], dtype=np.int32)
    for start, counted in ((FIRST + 39, (1, 1)), (FIRST, (1, 1)), (FIRST + 41, (0, 0))):
        assert _conversions(closed, start, FIRST + 50, since) == counted
    assert _conversions(closed, FIRST, FIRST + 50, None) == (2, 82)
