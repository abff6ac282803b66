"""Which cutoffs data allow, whatever a usage row covers."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_sys.days import WEEKLY, Period, Unit, day_number
from ml_sys.errors import NotEnoughDataError
from ml_sys.timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Iterable


def timeline(**changes: Any) -> Timeline:
    whole = Timeline(first_usage=100, usage_end=700, as_of=720, horizon_days=30, period=WEEKLY)
    return replace(whole, **changes)


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
        Timeline.of(nothing, 18_000, horizon_days=30, period=WEEKLY)


@pytest.mark.parametrize(("stamp", "lag"), [("start", 7), ("end", 0)])
def test_usage_covers_the_period_of_its_last_stamp(stamp: str, lag: int) -> None:
    stamps = np.array([17_950, 17_990, 17_900])  # of several companies, each in order
    found = Timeline.of(stamps, 18_100, horizon_days=30, period=Period(stamp=stamp))  # type: ignore[arg-type]
    assert (found.first_usage, found.usage_end) == (17_900 + lag, 17_990 + lag)


def test_usage_of_a_period_that_had_not_ended_by_the_export_is_not_covered() -> None:
    stamps = np.array([17_900, 17_984, 17_991])
    found = Timeline.of(stamps, 17_995, horizon_days=30, period=WEEKLY)
    assert found.usage_end == 17_991


# Days and months

horizons = st.integers(1, 365)


def on(text: str) -> int:
    return day_number(date.fromisoformat(text))


def texts(cutoffs: Iterable[int]) -> list[str]:
    return [np.datetime64(int(one), "D").item().isoformat() for one in cutoffs]


def ten_years(unit: Unit, horizon_days: int = 30) -> Timeline:
    return Timeline(on("2014-02-01"), on("2024-03-01"), on("2024-03-01"), horizon_days, Period(unit))


@pytest.mark.parametrize("unit", ["day", "week", "month"])
@given(horizon=horizons, before=st.integers(17_600, 19_700), step=st.integers(1, 400))
def test_whatever_the_period_training_windows_have_closed_by_the_embargo(
    unit: Unit, horizon: int, before: int, step: int
) -> None:
    there = ten_years(unit, horizon)
    cutoffs = there.training_cutoffs(before, step, 20)
    assert cutoffs.size
    assert (cutoffs + horizon <= before).all()
    assert cutoffs.max() > before - horizon - 2 * there.period.longest_days()
    assert (np.diff(cutoffs) >= step).all()
    assert (cutoffs > there.first_usage).all()


@pytest.mark.parametrize("unit", ["day", "week", "month"])
@given(horizon=horizons)
def test_whatever_the_period_the_latest_mature_cutoff_ends_one_and_its_window_has_closed(
    unit: Unit, horizon: int
) -> None:
    there = ten_years(unit, horizon)
    latest = there.latest_mature()
    assert there.is_mature(latest)
    assert not there.is_mature(there.period.shifted(latest, 1))
    apart = there.grid(latest, there.days_apart, 4)
    assert (np.diff(apart) >= horizon).all()
    assert there.first_cutoff(latest) == there.grid(latest, there.period.shortest_days(), 10_000)[0]


def test_cutoffs_of_months_are_firsts_at_least_as_many_days_apart_as_asked() -> None:
    there = ten_years("month")
    last = on("2020-04-01")
    assert texts(there.grid(last, 7, 4)) == ["2020-01-01", "2020-02-01", "2020-03-01", "2020-04-01"]
    assert texts(there.grid(last, 30, 3)) == ["2020-01-01", "2020-03-01", "2020-04-01"]
    assert texts(there.grid(last, 365, 3)) == ["2018-04-01", "2019-04-01", "2020-04-01"]
    assert texts(there.forward(on("2020-01-01"), last, 7)) == texts(there.grid(last, 7, 4))
    assert texts(there.forward(on("2020-01-31"), on("2020-03-31"), 30)) == ["2020-01-31", "2020-03-01"]
    assert texts(there.training_cutoffs(last, 28, 2)) == ["2020-02-01", "2020-03-01"]


def test_quarters_keep_to_the_months_that_they_end_in() -> None:
    there = Timeline(on("2018-01-01"), on("2020-04-01"), on("2020-05-20"), 90, Period("month", 3))
    assert texts([there.latest_mature(), there.on_grid(on("2020-03-31"))]) == ["2020-01-01"] * 2
    assert texts(there.grid(there.usage_end, 28, 3)) == ["2019-10-01", "2020-01-01", "2020-04-01"]


def test_cutoffs_onwards_begin_with_the_first_and_may_end_on_the_last() -> None:
    assert timeline().forward(600, 628, 14) == [600, 614, 628]
    assert timeline().forward(600, 627, 14) == [600, 614]
    assert timeline().forward(600, 600, 7) == [600]
    months = ten_years("month")
    assert texts(months.forward(on("2020-01-01"), on("2020-03-01"), 28)) == [
        "2020-01-01", "2020-02-01", "2020-03-01"
    ]  # fmt: skip


def test_windows_do_not_overlap_where_cutoffs_lie_whole_periods_apart_that_hold_the_horizon() -> None:
    assert [timeline(horizon_days=days).days_apart for days in (7, 28, 30, 35, 36)] == [7, 28, 35, 35, 42]
    assert [ten_years("month", days).days_apart for days in (28, 30, 31, 32)] == [28, 30, 31, 59]


@pytest.mark.parametrize(
    ("first_usage", "first"), [(671, 672), (672, 679), (678, 679), (679, 686), (686, 693)]
)
def test_the_first_cutoff_has_usage_on_a_day_before_it(first_usage: int, first: int) -> None:
    assert timeline(first_usage=first_usage).first_cutoff(693) == first


@pytest.mark.parametrize("first_usage", [693, 694, 800])
def test_without_usage_before_it_the_first_cutoff_is_the_last(first_usage: int) -> None:
    assert timeline(first_usage=first_usage).first_cutoff(693) == 693
