"""Windows by role: so many days that exactly so many rows lie in each, whatever a row covers."""

from __future__ import annotations

import pytest

from ml_sys.days import Period
from ml_sys.features.spans import DAYS, MONTHS, WEEKS, Spans, spans_of

EVERY = [(Period("day"), DAYS), (Period(), WEEKS), (Period("month"), MONTHS)]


@pytest.mark.parametrize(("period", "spans"), EVERY)
def test_each_window_is_the_fewest_days_that_its_rows_last(period: Period, spans: Spans) -> None:
    assert spans_of(period) is spans
    assert spans.windows == tuple(period.shortest_days(rows) for rows in spans.rows)
    assert [spans.rows_in(days) for days in spans.windows] == list(spans.rows)
    assert spans.rows_in(spans.short) == 1
    assert spans.rows_in(spans.double) == 2 * spans.rows_in(spans.main)
    assert spans.long == spans.windows[-1]
    once, twice = (spans.rows_in(days) for days in spans.pair)
    assert twice == 2 * once
    assert spans.unit_days == pytest.approx(
        (period.shortest_days(48) + period.longest_days(48)) / 96, abs=0.02
    )
    assert spans.names() == {
        "unit": period.unit,
        "pair": spans.of_pair,
        "short": spans.short,
        "main": spans.main,
        "double": spans.double,
        "long": spans.long,
    }


def test_what_is_asked_first_is_a_week_of_days_four_weeks_and_three_months() -> None:
    assert [one.main for one in (DAYS, WEEKS, MONTHS)] == [7, 28, 89]
    assert [one.rule for one in (DAYS, WEEKS, MONTHS)] == [7, 30, 28]
    assert [one.of_pair for one in (DAYS, WEEKS, MONTHS)] == ["week", "week", "month"]
    assert [one.often for one in (DAYS, WEEKS, MONTHS)] == ["daily", "weekly", "monthly"]


@pytest.mark.parametrize("period", [Period("week", 2), Period("day", 10), Period("day", 2)])
def test_other_lengths_than_a_day_or_a_month_have_the_windows_of_weeks(period: Period) -> None:
    assert spans_of(period) is WEEKS


def test_quarters_have_the_windows_of_months() -> None:
    assert spans_of(Period("month", 3)) is MONTHS
