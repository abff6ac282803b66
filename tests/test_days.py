"""The rules of time: when a stamp counts, when a row is complete, and which cutoffs data allow."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_sys.days import Timeline, complete_on, days_of_stamps, latest_cutoff, today
from ml_sys.errors import NotEnoughDataError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
moments = st.datetimes(datetime(1971, 1, 1), datetime(2099, 12, 31), timezones=st.timezones())


def timeline(**changes: int) -> Timeline:
    whole = Timeline(first_usage=100, usage_end=700, as_of=720, horizon_days=30, period_days=7)
    return replace(whole, **changes)


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
    assert latest_cutoff(stamps, as_of, period_days=7, stamp=stamp) == cutoff  # type: ignore[arg-type]


def test_a_cutoff_is_mature_when_its_window_has_closed_and_its_usage_is_covered() -> None:
    assert [timeline().is_mature(c) for c in (690, 691)] == [True, False]
    assert [timeline(as_of=2000).is_mature(c) for c in (700, 701)] == [True, False]


def test_the_latest_mature_cutoff_ends_a_period() -> None:
    assert timeline(as_of=729).latest_mature() == 693
    assert timeline(as_of=730).latest_mature() == 700
    assert timeline(as_of=9999).latest_mature() == 700


def test_a_cutoff_has_usage_before_the_day_on_which_the_first_was_complete() -> None:
    assert timeline(first_usage=679).grid(700, 7, 10).tolist() == [686, 693, 700]
    assert timeline(first_usage=678).grid(700, 7, 10).tolist() == [679, 686, 693, 700]


@given(before=st.integers(300, 900), horizon=st.integers(1, 60), step=st.integers(1, 40))
def test_every_training_window_has_closed_by_the_embargo(before: int, horizon: int, step: int) -> None:
    cutoffs = timeline(horizon_days=horizon).training_cutoffs(before, step, 10)
    known = min(before, 720)
    assert (cutoffs + horizon <= known).all()
    assert cutoffs.max() > known - horizon - 7
    assert (np.diff(cutoffs) == step).all()
    assert (cutoffs > 100).all()


def test_training_cutoffs_end_periods_where_the_cutoff_that_they_precede_does() -> None:
    assert timeline(horizon_days=30).training_cutoffs(693, 7, 3).tolist() == [644, 651, 658]
    assert timeline(horizon_days=28).training_cutoffs(693, 7, 3).tolist() == [651, 658, 665]


def test_a_snapshot_without_usage_has_no_timeline() -> None:
    nothing = np.empty(0, dtype=np.int32)
    with pytest.raises(NotEnoughDataError, match="no usage"):
        Timeline.of(nothing, 18_000, horizon_days=30, period_days=7, stamp="start")


@pytest.mark.parametrize(("stamp", "lag"), [("start", 7), ("end", 0)])
def test_usage_covers_the_period_of_its_last_stamp(stamp: str, lag: int) -> None:
    stamps = np.array([17_900, 17_990])
    found = Timeline.of(stamps, 18_100, horizon_days=30, period_days=7, stamp=stamp)  # type: ignore[arg-type]
    assert (found.first_usage, found.usage_end) == (17_900 + lag, 17_990 + lag)


def test_usage_of_a_period_that_had_not_ended_by_the_export_is_not_covered() -> None:
    stamps = np.array([17_900, 17_984, 17_991])
    found = Timeline.of(stamps, 17_995, horizon_days=30, period_days=7, stamp="start")
    assert found.usage_end == 17_991


@pytest.mark.parametrize(("stamp", "days"), [("start", [107, 93]), ("end", [100, 86])])
def test_a_row_is_complete_a_period_after_its_stamp_or_on_it(stamp: str, days: list[int]) -> None:
    found = complete_on(np.array([100, 86], dtype=np.int32), 7, stamp)  # type: ignore[arg-type]
    assert (found.tolist(), found.dtype) == (days, np.int32)
