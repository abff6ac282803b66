"""The rules of time: when a stamp counts, when a row is complete, and which cutoffs data allow."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_sys.days import Period, days_of_stamps, latest_cutoff, today

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
moments = st.datetimes(datetime(1971, 1, 1), datetime(2099, 12, 31), timezones=st.timezones())


@given(moments)
def test_a_stamp_counts_from_the_first_midnight_utc_that_is_not_before_it(moment: datetime) -> None:
    (day,) = days_of_stamps(np.array([(moment - EPOCH) // timedelta(microseconds=1)])).tolist()
    assert timedelta(0) <= EPOCH + timedelta(days=day) - moment < timedelta(days=1)


def test_today_is_the_day_in_utc_on_which_a_time_lies() -> None:
    late = datetime(2020, 1, 1, 23, 59, tzinfo=timezone(timedelta(hours=-1)))
    assert today(late) == 18_263
    assert today(datetime(2020, 1, 1, 23, 59, tzinfo=UTC)) == 18_262


@pytest.mark.parametrize(
    ("stamp", "as_of", "cutoff"),
    [
        ("start", 107, 107),
        ("start", 106, 100),
        ("start", 100, 100),
        ("start", 99, 93),
        ("start", 500, 107),
        ("end", 100, 100),
        ("end", 99, 93),
        ("end", 500, 100),
    ],
)
def test_the_latest_cutoff_ends_the_last_period_that_was_complete_by_the_export(
    stamp: str, as_of: int, cutoff: int
) -> None:
    stamps = np.array([86, 100, 93], dtype=np.int32)
    assert latest_cutoff(stamps, as_of, Period(stamp=stamp)) == cutoff  # type: ignore[arg-type]


@pytest.mark.parametrize(("stamp", "days"), [("start", [107, 93]), ("end", [100, 86])])
def test_a_row_is_complete_a_period_after_its_stamp_or_on_it(stamp: str, days: list[int]) -> None:
    found = Period(stamp=stamp).complete_on(np.array([100, 86], dtype=np.int32))  # type: ignore[arg-type]
    assert (found.tolist(), found.dtype) == (days, np.int32)
