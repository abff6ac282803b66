"""The rules of time: when a stamp counts, when a row is complete, and which cutoffs data allow."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_sys.days import WEEKLY, Period, day_number, days_of_stamps, latest_cutoff, parse_day, today
from ml_sys.errors import UsageError

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


# Periods

periods = st.builds(
    Period, st.sampled_from(["day", "week", "month"]), st.integers(1, 6), st.sampled_from(["start", "end"])
)
days = st.integers(-3_000, 40_000)


def on(text: str) -> int:
    return day_number(date.fromisoformat(text))


@given(period=periods, day=days, an_end=days)
def test_every_day_lies_between_two_ends_of_periods(period: Period, day: int, an_end: int) -> None:
    last = period.last_end(day, an_end)
    after = period.shifted(last, 1)
    assert last <= day < after
    assert period.shifted(after, -1) == last == period.last_end(last, an_end)
    assert period.shortest_days() <= after - last <= period.longest_days()


@given(period=periods, stamps=st.lists(days, min_size=1))
def test_a_row_is_never_complete_before_its_stamp_and_at_most_a_period_after_it(
    period: Period, stamps: list[int]
) -> None:
    stamped = np.array(stamps, dtype=np.int32)
    complete = period.complete_on(stamped)
    assert complete.dtype == np.int32
    assert (complete >= stamped).all()
    assert (complete - stamped <= period.longest_days()).all()
    assert (np.diff(period.complete_on(np.sort(stamped))) >= 0).all()
    assert (period.complete_on(period.stamp_of(stamped)) <= stamped).all()


@given(period=periods, day=days, least=st.integers(1, 400))
def test_whole_periods_are_no_fewer_than_the_days_asked_for(period: Period, day: int, least: int) -> None:
    end = period.last_end(day, day)
    before, after = period.earlier(end, least), period.later(end, least)
    assert before <= end - least < period.shifted(before, 1)
    assert period.shifted(after, -1) < end + least <= after
    assert period.last_end(before, end) == before
    assert least <= period.whole_days(least) <= min(end - before, after - end)


@given(period=periods, end=days, number=st.integers(1, 14))
def test_a_window_of_the_shortest_days_holds_exactly_so_many_periods(
    period: Period, end: int, number: int
) -> None:
    end = period.last_end(end, end)
    first = end - period.shortest_days(number)
    assert period.shifted(end, -number) <= first < period.shifted(end, 1 - number)


@given(period=periods, rows=st.lists(days, min_size=1))
def test_periods_are_numbered_where_they_end(period: Period, rows: list[int]) -> None:
    ends = period.complete_on(np.array(rows, dtype=np.int32))
    phase = period.phase(ends)
    numbers = period.numbers(ends, phase)
    found = period.ends(numbers, phase)
    assert (found >= ends).all()
    assert (period.ends(numbers - 1, phase) < ends).all()


@pytest.mark.parametrize(
    ("stamped", "start", "end"),
    [
        ("2020-01-01", "2020-02-01", "2020-01-01"),
        ("2020-01-31", "2020-02-01", "2020-02-01"),
        ("2020-02-01", "2020-03-01", "2020-02-01"),
        ("2019-02-28", "2019-03-01", "2019-03-01"),
        ("2020-02-28", "2020-03-01", "2020-03-01"),
        ("2020-02-29", "2020-03-01", "2020-03-01"),
        ("2019-12-15", "2020-01-01", "2020-01-01"),
        ("1969-12-31", "1970-01-01", "1970-01-01"),
    ],
)
def test_a_month_is_that_of_the_calendar_whichever_of_its_days_is_stamped(
    stamped: str, start: str, end: str
) -> None:
    stamp = np.array([on(stamped)], dtype=np.int32)
    assert Period("month").complete_on(stamp).tolist() == [on(start)]
    assert Period("month", stamp="end").complete_on(stamp).tolist() == [on(end)]


@pytest.mark.parametrize(
    ("zone", "moment", "complete"),
    [
        ("Europe/Berlin", "2020-01-01T00:00", "2020-02-01"),
        ("America/New_York", "2020-01-01T00:00", "2020-02-01"),
        ("Pacific/Kiritimati", "2020-01-01T00:00", "2020-02-01"),
        ("Europe/Berlin", "2020-04-01T00:00", "2020-05-01"),  # an hour is lost in March
        ("Europe/Berlin", "2020-11-01T00:00", "2020-12-01"),  # and won in October
    ],
)
def test_a_month_that_begins_at_midnight_of_a_zone_is_the_month_it_is_there(
    zone: str, moment: str, complete: str
) -> None:
    at = datetime.fromisoformat(moment).replace(tzinfo=ZoneInfo(zone))
    stamp = days_of_stamps(np.array([(at - EPOCH) // timedelta(microseconds=1)]))
    assert Period("month").complete_on(stamp).tolist() == [on(complete)]


def test_months_last_from_28_to_31_days_and_years_from_365_to_366() -> None:
    month = Period("month")
    assert [month.shortest_days(n) for n in (1, 2, 3, 6, 12)] == [28, 59, 89, 181, 365]
    assert [month.longest_days(n) for n in (1, 2, 12)] == [31, 62, 366]
    assert [month.whole_days(n) for n in (1, 28, 30, 32, 365, 367)] == [28, 28, 30, 59, 365, 393]
    assert [Period("week", 2).whole_days(n) for n in (1, 14, 15, 365)] == [14, 14, 28, 378]


def test_the_latest_cutoff_of_months_is_the_first_by_which_one_was_complete() -> None:
    stamps = np.array([on("2019-12-01"), on("2020-02-01")], dtype=np.int32)
    for as_of, cutoff in (
        ("2020-03-01", "2020-03-01"),
        ("2020-02-29", "2020-02-01"),
        ("2020-06-30", "2020-03-01"),
    ):
        assert latest_cutoff(stamps, on(as_of), Period("month")) == on(cutoff)


def test_a_period_has_its_word() -> None:
    assert [Period("day").word(), Period().word(2), Period("month").word(1)] == ["day", "weeks", "month"]
    assert [Period("week", 2).word(), Period.of_days(10).word(3)] == [
        "period of 2 weeks",
        "periods of 10 days",
    ]


def test_a_period_is_plain_data_and_back() -> None:
    period = Period("month", 3, "end")
    assert Period(**json.loads(json.dumps(asdict(period)))) == period
    assert len({period, Period("month", 3, "end"), Period.of_days(7), WEEKLY}) == 2


def test_a_date_is_read_and_what_is_none_names_the_flag() -> None:
    assert parse_day(None, "--from") is None
    assert parse_day("1970-01-02", "--from") == 1
    assert parse_day(date(2020, 1, 6), "--from") == 18_267
    with pytest.raises(UsageError, match="--from: '2020-02-30' is not a valid date") as caught:
        parse_day("2020-02-30", "--from")
    assert caught.value.hint == "write YYYY-MM-DD, for example 2020-01-06"


@pytest.mark.parametrize(
    ("days", "period", "word", "words"),
    [
        (1, Period("day"), "day", "days"),
        (7, Period("week"), "week", "weeks"),
        (10, Period("day", 10), "period of 10 days", "periods of 10 days"),
        (14, Period("week", 2), "period of 2 weeks", "periods of 2 weeks"),
    ],
)
def test_so_many_days_are_a_period_in_weeks_where_they_are_whole_ones(
    days: int, period: Period, word: str, words: str
) -> None:
    assert Period.of_days(days) == period
    assert Period.of_days(days, "end").stamp == "end"
    assert (period.word(), period.word(1), period.word(2), period.word(0)) == (word, word, words, words)
    assert (period.shortest_days(), period.longest_days(), period.shortest_days(3)) == (days, days, 3 * days)
    assert period.is_day == (days == 1)
    for asked in (1, days, days + 1, 5 * days):
        assert period.whole_days(asked) == next(n for n in range(asked, 10**4) if n % days == 0)


def test_a_usual_period_is_a_week_stamped_at_its_start() -> None:
    assert Period() == WEEKLY == Period("week", 1, "start")
    assert not Period("day", 2).is_day
    assert not Period("month").is_day


def test_most_days_tell_at_which_place_periods_end() -> None:
    days = np.array([18_267, 18_274, 18_281, 18_275, 18_282], dtype=np.int32)  # three Mondays, two Tuesdays
    assert WEEKLY.phase(days) == 18_267 % 7
    phase = WEEKLY.phase(days)
    numbers = WEEKLY.numbers(np.array([18_266, 18_267, 18_268], dtype=np.int32), phase)
    assert np.diff(numbers).tolist() == [0, 1]
    assert WEEKLY.ends(numbers, phase).tolist() == [18_267, 18_267, 18_274]


def test_only_a_row_of_one_day_is_of_a_day_and_an_end_is_its_own_stamp() -> None:
    assert [Period(unit, n).is_day for unit, n in (("day", 1), ("day", 7), ("week", 1), ("month", 1))] == [
        True, False, False, False
    ]  # fmt: skip
    ends = np.array([14, 31], dtype=np.int32)
    assert Period("week", stamp="end").stamp_of(ends).tolist() == [14, 31]
    assert Period("week").stamp_of(ends).tolist() == [7, 24]
    assert Period("month", stamp="end").stamp_of(np.array([31], dtype=np.int32)).tolist() == [31]
    assert Period("month").stamp_of(np.array([31], dtype=np.int32)).tolist() == [0]


@pytest.mark.parametrize("count", [1, 2, 5])
def test_months_that_hold_so_many_days_are_those_of_the_calendar(count: int) -> None:
    """Of all months of four years, the fewest periods whose longest lie that many days apart."""
    firsts = [(date(2019 + at // 12, at % 12 + 1, 1) - date(1970, 1, 1)).days for at in range(48 + 12 * 5)]
    lengths = {n: [firsts[at + n * count] - firsts[at] for at in range(48)] for n in range(1, 60 // count)}
    period = Period("month", count)
    for n, days_of in lengths.items():
        assert (period.shortest_days(n), period.longest_days(n)) == (min(days_of), max(days_of))
    for asked in range(1, 550):
        n = next(n for n, days_of in lengths.items() if max(days_of) >= asked)
        assert period.whole_days(asked) == max(asked, min(lengths[n]))
