"""When there will be enough conversions to judge a model."""

from __future__ import annotations

import numpy as np
import pytest

from ml_sys.model.sufficiency import Sufficiency, sufficiency

AS_OF = 18_000


def days(*ago: int) -> np.ndarray:
    return (AS_OF - np.array(ago, dtype=np.int32)).astype(np.int32)


def test_what_is_missing_comes_at_the_rate_of_late():
    # Four in 182 days; sixteen more take 728 days, give or take 1.645 * 728 * sqrt(1/16 + 1/4).
    found = sufficiency(days(1, 50, 100, 182), AS_OF - 400, AS_OF, 10)
    assert found == Sufficiency(4, 20, 7 * 4 / 182, AS_OF + 728, round(1.645 * 728 * np.sqrt(5 / 16)))


def test_the_day_is_the_nearest_to_the_end_of_the_wait() -> None:
    # Three in 182 days: the fourth takes 60.67 days.
    assert sufficiency(days(1, 2, 3), AS_OF - 182, AS_OF, 2).day == AS_OF + 61


def test_conversions_before_usage_or_after_the_export_do_not_count():
    found = sufficiency(days(0, 1, 100, 101, 200), AS_OF - 100, AS_OF, 1)
    assert (found.converters, found.enough) == (2, True)
    assert found.per_week == pytest.approx(7 * 2 / 100)
    assert found.day is None


def test_a_rate_of_late_is_one_of_the_last_half_year():
    old, new = sufficiency(days(183), AS_OF - 400, AS_OF, 1), sufficiency(days(182), AS_OF - 400, AS_OF, 1)
    assert (old.converters, old.per_week, old.day) == (1, 0.0, None)
    assert (new.converters, new.day) == (1, AS_OF + 182)


def test_no_day_is_named_where_it_would_take_decades():
    assert sufficiency(days(1), AS_OF - 182, AS_OF, 100).day is None


def test_enough_is_as_many_to_learn_from_as_to_judge_by():
    assert not sufficiency(days(1, 2, 3), AS_OF - 10, AS_OF, 2).enough
    assert sufficiency(days(1, 2, 3, 4), AS_OF - 10, AS_OF, 2).enough


def test_a_day_is_named_up_to_twenty_years_away() -> None:
    # One in a hundred days, and 73 are missing: twenty years to the day; of 74 none is named.
    named, beyond = (sufficiency(days(1), AS_OF - 100, AS_OF, at_least) for at_least in (37, 38))
    assert named.day == AS_OF + 20 * 365
    assert named.needed - named.converters == 73
    assert beyond.day is None
    # Fourteen years are no reason to keep silent.
    assert sufficiency(days(1), AS_OF - 100, AS_OF, 26).day == AS_OF + 5100


def test_a_day_is_uncertain_by_one_at_least_and_no_day_of_usage_tells_no_rate() -> None:
    soon = sufficiency(days(*[1] * 9), AS_OF - 1, AS_OF, 5)
    assert (soon.day, soon.give_or_take_days) == (AS_OF, 1)
    never = sufficiency(days(1, 2), AS_OF, AS_OF, 1)
    assert (never.converters, never.per_week, never.day) == (0, 0, None)
