"""Days and moments, however they are written, in any time zone."""

from __future__ import annotations

from datetime import datetime
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
    ("2024-03-30T23:00:00Z", "2024-03-31T00:00"),
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
    seconds = [str(int(datetime.fromisoformat(one).timestamp())) for one in texts]
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
