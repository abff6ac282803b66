"""Typed tables give the same rows of text as a CSV file does."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pyarrow.csv
import pytest

from ml_sys.data.reading.columnar import as_text
from ml_sys.errors import (
    UnreadableFileError,
)


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        (pa.array([1.0, 2.5, None, float("nan"), 1e14]), ["1", "2.5", "", "", "100000000000000"]),
        (pa.array([7, None], pa.int64()), ["7", ""]),
        (pa.array([None, None], pa.null()), ["", ""]),
        (pa.array(["a", "b", "a"]).dictionary_encode(), ["a", "b", "a"]),
        (pa.array([dt.date(2020, 1, 2)]), ["2020-01-02"]),
        (pa.array([dt.datetime(2020, 1, 2, 3)], pa.timestamp("ns")), ["2020-01-02 03:00:00.000000"]),
        (
            pa.array([dt.datetime(2020, 1, 2, 3)], pa.timestamp("s", "Europe/Berlin")),
            ["2020-01-02 03:00:00.000000Z"],
        ),
        (pa.array(["x"], pa.large_string()), ["x"]),
    ],
)
def test_typed_values_are_written_as_a_csv_export_would(values: pa.Array, texts: list[str]) -> None:
    assert as_text("t", "c", values, is_id=True).to_pylist() == texts


@pytest.mark.parametrize(
    ("ids", "first"),
    [
        (pa.array([1.0, None, 1e15]), "1000000000000000.0"),
        (pa.array([12345678901234567.0]), "1.2345678901234568e+16"),
        (pa.array([-1e15]), "-1000000000000000.0"),
        (pa.array([float("inf")]), "inf"),
        (pa.array([16777216], pa.float32()), "16777216.0"),
    ],
)
def test_ids_that_a_float_cannot_tell_apart_are_refused_with_the_way_out(ids: pa.Array, first: str) -> None:
    with pytest.raises(UnreadableFileError) as caught:
        as_text("t", "c", ids, is_id=True)
    assert caught.value.message == (
        f"t: cannot be read: column 'c' has type {ids.type} and contains {first}: "
        "a float this large has lost digits of the id"
    )
    assert "text or whole numbers" in caught.value.hint
    assert as_text("t", "c", ids, is_id=False)


def test_ids_that_a_float_holds_whole_are_taken() -> None:
    assert as_text("t", "c", pa.array([999999999999999.0]), is_id=True).to_pylist() == ["999999999999999"]
    assert as_text("t", "c", pa.array([16777215], pa.float32()), is_id=True).to_pylist() == ["16777215"]


def test_a_float_stays_as_it_is_where_it_is_no_id() -> None:
    assert as_text("t", "c", pa.array([1.5, 2.0]), is_id=False).to_pylist()[0] == "1.5"


@pytest.mark.parametrize(
    "values",
    [
        pa.array([[1], [2]]),
        pa.array([{"a": 1}]),
        pa.array([b"\xff\xfe"]),
        pa.array([(1, 2, 3)], pa.month_day_nano_interval()),
    ],
)
def test_a_column_that_has_no_text_is_refused(values: pa.Array) -> None:
    with pytest.raises(UnreadableFileError, match="column 'c'") as caught:
        as_text("t", "c", values, is_id=False)
    assert "values" in caught.value.hint or "store it as text" in caught.value.hint


def test_a_moment_is_read_to_the_microsecond_where_it_is_stored_finer() -> None:
    fine = pa.array([1_700_000_000_123_456_789], pa.timestamp("ns"))
    assert as_text("t", "at", fine, is_id=False).to_pylist() == ["2023-11-14 22:13:20.123457"]


@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_a_stamp_counts_less_than_a_microsecond_later_never_earlier(zone):
    stamps = pa.array([1_000, 1_001, 1_999, None, -1], pa.timestamp("ns", zone))
    texts = as_text("t", "at", stamps, is_id=False).to_pylist()
    assert [one.removesuffix("Z").rpartition(".")[2] for one in texts] == [
        "000001", "000002", "000002", "", "000000"
    ]  # fmt: skip
    assert texts[0] == "1970-01-01 00:00:00.000001" + ("Z" if zone else "")
    late = pa.array([10**14], pa.timestamp("s"))  # beyond what microseconds hold
    assert as_text("t", "at", late, is_id=False).to_pylist()
