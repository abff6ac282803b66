"""Days and moments, however they are written, in any time zone."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_sys.data.checking import moments, scalars, values
from ml_sys.data.checking.scalars import Fault

BERLIN, KATHMANDU = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Kathmandu")


def written(found):
    return [str(np.datetime64(one, "us").astype("datetime64[m]")) for one in found.values.tolist()]


# Clocks go forward at 01:00 UTC on 31 March 2024 and back at 01:00 UTC on 27 October.
CLOCKS = [
    ("2024-03-30 23:00:00.000000 UTC", "2024-03-31T00:00"),
    ("2024-03-31T00:59:00Z", "2024-03-31T01:59"),
    ("2024-03-31T01:00:00Z", "2024-03-31T03:00"),
    ("2024-10-26T22:00:00Z", "2024-10-27T00:00"),
    ("2024-10-27T00:30:00Z", "2024-10-27T02:30"),
    ("2024-10-27T01:30:00Z", "2024-10-27T02:30"),
    ("2024-10-27T23:00:00Z", "2024-10-28T00:00"),
]


def test_clocks_that_change_are_followed_in_texts_and_in_seconds_alike():
    texts, clocks = zip(*CLOCKS, strict=True)
    assert written(moments.stamps(pa.array(texts, pa.string()), zone=BERLIN)) == list(clocks)
    seconds = [str(int(datetime.fromisoformat(one.replace(" UTC", "Z")).timestamp())) for one in texts]
    found = moments.stamps(pa.array(seconds, pa.string()), dates="epoch_s", zone=BERLIN)
    assert written(found) == list(clocks)


def test_a_moment_without_a_zone_is_local_and_one_with_another_is_brought_into_it():
    texts = pa.array(["2024-01-01 10:00", "2024-01-01T10:00+05:45", "2024-01-01T10:00-0500"], pa.string())
    assert written(moments.stamps(texts, zone=KATHMANDU)) == [
        "2024-01-01T10:00", "2024-01-01T10:00", "2024-01-01T20:45"
    ]  # fmt: skip
    assert moments.days(texts, zone=KATHMANDU).values.tolist() == [19723] * 3


def test_what_is_no_date_is_a_fault_of_the_form_that_was_described():
    texts = pa.array(["31.02.2024", "1/13/2024", "x", "", "31.01.2024 07:30:00.25"], pa.string())
    found = moments.stamps(texts, dates="day-first")
    assert found.faults.tolist() == [
        Fault.NOT_DAY_FIRST, Fault.NOT_DAY_FIRST, Fault.NOT_DAY_FIRST, Fault.BLANK, 0
    ]  # fmt: skip
    assert written(found)[-1] == "2024-01-31T07:30"
    found = moments.stamps(texts, dates="month-first")
    assert found.faults.tolist()[1:3] == [0, Fault.NOT_MONTH_FIRST]
    found = moments.stamps(pa.array(["x", "", "-5", "1e40"], pa.string()), dates="epoch_s")
    assert found.faults.tolist() == [Fault.NOT_EPOCH, Fault.BLANK, Fault.OUT_OF_TIME, Fault.OUT_OF_TIME]


def test_a_blank_day_is_what_stands_for_none_and_no_fault():
    found = moments.days(pa.array(["2024-01-01", "", "soon"], pa.string()), blank=-1)
    assert found.values.tolist() == [19723, -1, -1]
    assert found.faults.tolist() == [0, 0, Fault.NOT_DATE]
    assert moments.days(pa.array([""], pa.string())).faults.tolist() == [Fault.BLANK]


@pytest.mark.parametrize(
    ("text", "value", "fault"),
    [
        ("Yes", 1, 0),
        ("0.0", 0, 0),
        ("T", 1, 0),
        ("off", 0, 0),
        ("2", np.nan, Fault.NOT_FLAG),
        ("", np.nan, 0),
    ],
)
def test_a_flag_is_a_yes_or_a_no(text, value, fault):
    found = values.flags(pa.array(["no", text, "n/a"], pa.string()), missing=("N/A",))
    np.testing.assert_array_equal(found.values, [0, value, np.nan])
    assert (0 if found.faults is None else found.faults[1]) == fault


@pytest.mark.parametrize(
    ("text", "whole", "fault"),
    [
        ("0.25", 2, 0), ("0.35", 4, 0), ("12", 120, 0), ("-1", 0, Fault.NEGATIVE), ("", 0, Fault.BLANK),
        ("1e15", 0, Fault.TOO_LARGE), ("x", 0, Fault.NOT_NUMBER),
    ],
)  # fmt: skip
def test_an_amount_keeps_its_digits_rounded_half_to_even(text, whole, fault):
    found = values.scaled(pa.array(["1", text], pa.string()), digits=1)
    assert found.values.tolist() == [10, whole]
    assert found.values.dtype == np.int64
    assert (0 if found.faults is None else found.faults[1]) == fault


def test_numbers_that_mean_that_there_is_none_are_infinite_whatever_their_sign():
    texts = pa.array(["-1", "0", "5", "none"], pa.string())
    found = values.numbers(texts, none=-1, positive=True, missing=("None",))
    np.testing.assert_array_equal(found.values, [np.inf, np.nan, 5, np.nan])
    assert found.faults.tolist() == [0, Fault.NOT_POSITIVE, 0, 0]
    assert values.numbers(texts).values.tolist()[:3] == [-1, 0, 5]


def test_a_level_is_found_whatever_its_case():
    assert scalars.level("LOW", ("low", "high")) == ("low", Fault.NONE)
    assert scalars.level("mid", ("low", "high")) == (None, Fault.NOT_LEVEL)


MIXED = [
    *("2024-02-29", "2024-02-30", "2023-02-29 10:00", "2024-12-31T23:59:59.999999", "2024-13-01"),
    *("2024-01-01 24:00", "2024-01-01 10:00:00.1234567", "2024-01-01 10:00Z", "2024-06-01 10:00+02:00"),
    *("1969-12-31", "", " 2024-01-01 ", "x"),
]


@given(st.lists(st.sampled_from(MIXED), max_size=8))
def test_every_moment_is_read_as_it_would_be_alone(texts: list[str]) -> None:
    found = moments.stamps(pa.array(texts, pa.string()))
    expected = [scalars.stamp(text) for text in texts]
    assert found.values.tolist() == [value for value, _ in expected]
    faults = [0] * len(texts) if found.faults is None else found.faults.tolist()
    assert faults == [int(fault) for _, fault in expected]


def read(text: str, **how: Any) -> tuple[int, int]:
    """Return microseconds and the fault of one text."""
    found = moments.stamps(pa.array([text], pa.string()), **how)
    return found.values.tolist()[0], 0 if found.faults is None else found.faults.tolist()[0]


@pytest.mark.parametrize(
    ("text", "dates", "microseconds", "fault"),
    [
        ("0", "epoch_s", 0, 0),
        ("0", "epoch_ms", 0, 0),
        ("-1", "epoch_s", 0, Fault.OUT_OF_TIME),
        ("1.5", "epoch_s", 1_500_000, 0),
        ("4102444799", "epoch_s", 4_102_444_799_000_000, 0),  # the last second of 2099
        ("4102444800", "epoch_s", 0, Fault.OUT_OF_TIME),
        ("100000000000", "epoch_ms", 100_000_000_000_000, 0),
        ("99999999999", "epoch_ms", 0, Fault.OUT_OF_TIME),  # were they seconds, they would be of 5138
        ("1709251200000.5", "epoch_ms", 1_709_251_200_000_500, 0),
    ],
)
def test_seconds_and_milliseconds_are_read_from_1970_up_to_the_end_of_2099(
    text: str, dates: Any, microseconds: int, fault: int
) -> None:
    assert read(text, dates=dates) == (microseconds, fault)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("1970-01-01", 0),
        ("1970-01-01T00:00:00Z", 0),
        ("1969-12-31T23:59:59Z", Fault.OUT_OF_TIME),
        ("2099-12-31", 0),
        ("2099-12-31T23:59:59Z", 0),
        ("2100-01-01T00:00:00Z", Fault.OUT_OF_TIME),
        ("2100-01-01", Fault.OUT_OF_TIME),
        ("2024-01-01T10:00+23:59", 0),
        ("2024-01-01T10:00+24:00", Fault.NOT_DATE),
        ("2024-01-01T10:00+01:60", Fault.NOT_DATE),
    ],
)
def test_a_moment_lies_in_the_years_1970_to_2099_and_its_zone_less_than_a_day_away(
    text: str, fault: int
) -> None:
    assert read(text)[1] == fault


@pytest.mark.parametrize("zone", [None, BERLIN])
@pytest.mark.parametrize(
    ("fraction", "microseconds"),
    [(".5", 500_000), (".000001", 1), (".0000001", 1), (".0000010", 1), (".1234560001", 123_457)],
)
def test_a_fraction_of_a_second_is_read_to_the_microsecond_and_rounded_up(
    fraction: str, microseconds: int, zone: ZoneInfo | None
) -> None:
    whole, _ = read("2024-01-01T10:00:00", zone=zone)
    assert read(f"2024-01-01T10:00:00{fraction}", zone=zone)[0] - whole == microseconds
    there, _ = read("2024-01-01T10:00:00Z", zone=zone)
    assert read(f"2024-01-01T10:00:00{fraction}Z", zone=zone)[0] - there == microseconds
    assert there - whole == (0 if zone is None else 3_600_000_000)


def test_a_level_that_is_written_exactly_so_is_meant_before_one_of_another_case() -> None:
    assert scalars.level("LOW", ("low", "LOW")) == ("LOW", Fault.NONE)


def test_a_text_that_means_nothing_is_known_is_a_blank_and_no_fault() -> None:
    texts = pa.array(["n/a", "maybe"], pa.string())
    assert values.flags(texts, missing=("N/A",)).faults.tolist() == [0, Fault.NOT_FLAG]
    assert values.numbers(texts, missing=("N/A",)).faults.tolist() == [0, Fault.NOT_NUMBER]
    assert values.levels(texts, levels=("x",), missing=("N/A",)).faults.tolist() == [0, Fault.NOT_LEVEL]
    assert values.free_texts(texts, missing=("N/A",)).values.to_pylist() == [None, "maybe"]


@pytest.mark.parametrize("read", [values.numbers, values.amounts])
def test_zero_has_no_sign(read) -> None:
    assert np.signbit(read(pa.array(["-0", "0", "-0.0"])).values).tolist() == [False] * 3


def test_zero_is_a_number_a_count_and_an_amount_but_says_nothing_where_numbers_are_above_it() -> None:
    texts = pa.array(["0", "5"], pa.string())
    assert values.numbers(texts).values.tolist() == [0, 5]
    assert values.scaled(texts, digits=2).values.tolist() == [0, 500]
    assert values.scaled(texts, digits=2).faults is None
    assert values.counts(texts).values.tolist() == [0, 5]
    assert values.numbers(texts, positive=True).faults.tolist() == [Fault.NOT_POSITIVE, 0]
    assert values.numbers(texts, positive=True, none=0.0).faults is None
    np.testing.assert_array_equal(values.numbers(texts, positive=True, none=0.0).values, [np.inf, 5])


@pytest.mark.parametrize(("digits", "text"), [(0, "1e15"), (2, "1e13")])
def test_the_largest_amount_is_counted_with_its_digits(digits: int, text: str) -> None:
    most = values.scaled(pa.array([text], pa.string()), digits=digits)
    assert (most.values.tolist(), most.faults) == ([10**15], None)
    more = values.scaled(pa.array([str(10 ** (15 - digits) + 1)], pa.string()), digits=digits)
    assert more.faults.tolist() == [Fault.TOO_LARGE]


def test_clocks_that_change_at_half_past_an_hour_are_followed_to_the_quarter() -> None:
    # In Adelaide clocks went forward at 16:30 UTC on 5 October 2019.
    seconds = [str(int(datetime.fromisoformat(f"2019-10-05T16:{one}Z").timestamp())) for one in (29, 30, 59)]
    found = moments.stamps(
        pa.array(seconds, pa.string()), dates="epoch_s", zone=ZoneInfo("Australia/Adelaide")
    )
    assert written(found) == ["2019-10-06T01:59", "2019-10-06T03:00", "2019-10-06T03:29"]


def test_an_offset_is_taken_off_before_the_clocks_of_the_zone_are_asked() -> None:
    # Half past midnight in UTC, half an hour before the clocks of Berlin go forward.
    text = pa.array(["2024-03-31T02:30:00+02:00", "2024-03-30T19:30:00-05:00"], pa.string())
    assert written(moments.stamps(text, zone=BERLIN)) == ["2024-03-31T01:30", "2024-03-31T01:30"]


def test_seconds_are_taken_to_the_nearest_microsecond_and_what_is_no_number_of_them_is_no_epoch() -> None:
    found = moments.stamps(pa.array(["1577836800.1234567", "1e400", "x", ""], pa.string()), dates="epoch_s")
    assert found.values.tolist() == [1_577_836_800_123_457, 0, 0, 0]
    assert found.faults is not None
    assert found.faults.tolist() == [0, Fault.NOT_EPOCH, Fault.NOT_EPOCH, Fault.BLANK]


def test_days_of_which_none_is_blank_stay_what_they_are() -> None:
    assert moments.days(pa.array(["2020-01-01"], pa.string()), blank=-1).values.tolist() == [18_262]


def test_numbers_are_read_with_nothing_before_or_behind_the_point() -> None:
    assert [scalars.number(text)[0] for text in (".5", "5.", "+1e3", "-.25")] == [0.5, 5.0, 1000.0, -0.25]


def test_a_flag_that_became_a_fraction_is_a_yes_or_a_no_still() -> None:
    assert values.flags(pa.array(["1.0", "0.0"], pa.string())).values.tolist() == [1.0, 0.0]


@pytest.mark.parametrize("zone", [None, ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")])
@pytest.mark.parametrize("blank", [None, -7])
def test_a_day_is_that_of_its_moment_by_the_clocks_of_the_zone(
    zone: ZoneInfo | None, blank: int | None
) -> None:
    told = {
        "01.07.2020 22:30:00Z": datetime(2020, 7, 1, 22, 30, tzinfo=UTC),
        "2/7/2020 04:00+05:30": datetime(2020, 7, 1, 22, 30, tzinfo=UTC),
        "2020-01-01 23:30": datetime(2020, 1, 1),
        "31-12-2019": datetime(2019, 12, 31),
    }
    texts = [*told, "", "30.02.2020", "7/31/2020", "01.01.1969"]
    found = moments.days(pa.array(texts, pa.string()), dates="day-first", zone=zone, blank=blank)
    days = [(one.astimezone(zone or UTC) if one.tzinfo else one).date() for one in told.values()]
    expected = [(one - date(1970, 1, 1)).days for one in days]
    assert found.values.tolist()[:4] == expected
    assert found.values.dtype == np.int32
    assert found.faults is not None
    assert found.faults.tolist() == [
        0, 0, 0, 0, Fault.BLANK if blank is None else 0, Fault.NOT_DAY_FIRST, Fault.NOT_DAY_FIRST,
        Fault.OUT_OF_TIME,
    ]  # fmt: skip
    if blank is not None:
        assert found.values.tolist()[4:] == [blank] * 4
    only = moments.days(pa.array([*told, ""], pa.string()), dates="day-first", zone=zone, blank=-7)
    assert (only.values.tolist(), only.faults) == ([*expected, -7], None)
