"""Which cutoffs data allow, whatever a usage row covers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_sys.days import WEEKLY, Period
from ml_sys.errors import NotEnoughDataError
from ml_sys.timeline import Timeline


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
    stamps = np.array([17_900, 17_990])
    found = Timeline.of(stamps, 18_100, horizon_days=30, period=Period(stamp=stamp))  # type: ignore[arg-type]
    assert (found.first_usage, found.usage_end) == (17_900 + lag, 17_990 + lag)


def test_usage_of_a_period_that_had_not_ended_by_the_export_is_not_covered() -> None:
    stamps = np.array([17_900, 17_984, 17_991])
    found = Timeline.of(stamps, 17_995, horizon_days=30, period=WEEKLY)
    assert found.usage_end == 17_991
