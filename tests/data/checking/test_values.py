"""Columns of text and the bytes under them, parts of columns included."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from ml_sys.data.checking import columns, scalars, values
from ml_sys.data.checking.scalars import Fault

COLUMN = pa.array(["one", "", "drei", None, "é", "six"], pa.string())


@pytest.mark.parametrize(("start", "length"), [(0, 6), (1, 3), (2, 2), (4, 2), (6, 0)])
def test_the_bytes_of_a_part_of_a_column_are_its_own(start: int, length: int) -> None:
    part = COLUMN.slice(start, length)
    offsets, data = columns.buffers(part)
    texts = [text or "" for text in part.to_pylist()]
    assert data.tobytes() == "".join(texts).encode()
    assert np.diff(offsets).tolist() == [len(text.encode()) for text in texts]


def test_an_id_of_white_space_alone_is_blank_and_others_are_stripped() -> None:
    found = values.ids(pa.array(["a", "  ", " b\t", "", "\u00a0"], pa.string()))
    assert found.values.to_pylist() == ["a", "", "b", "", ""]
    assert found.faults is not None
    assert found.faults.tolist() == [0, Fault.BLANK, 0, Fault.BLANK, Fault.BLANK]
    assert values.ids(pa.array(["a", "b"], pa.string())).faults is None


@pytest.mark.parametrize(
    ("text", "value", "fault"),
    [
        ("999999999", 999_999_999, 0),
        ("1000000000", 1_000_000_000, 0),
        ("2147483647", 2_147_483_647, 0),
        ("2147483648", 0, Fault.TOO_LARGE),
        ("0", 0, 0),
        ("-0", 0, 0),
        ("-1", 0, Fault.NEGATIVE),
        ("0.5", 0, Fault.NOT_WHOLE),
        ("", 0, Fault.BLANK),
        ("x", 0, Fault.NOT_NUMBER),
    ],
)
@pytest.mark.parametrize("beside", ["7", "7.0"])
def test_a_count_is_the_same_alone_and_beside_others(text: str, value: int, fault: int, beside: str) -> None:
    found = values.counts(pa.array([beside, text], pa.string()))
    assert found.values.tolist() == [7, value]
    assert (0 if found.faults is None else int(found.faults[1])) == fault
    assert found.faults is None or found.faults[0] == 0


def test_white_space_of_any_script_is_stripped_where_there_is_no_other() -> None:
    assert columns.stripped(pa.array(["a\u00a0", "\u3000b"], pa.string())).to_pylist() == ["a", "b"]


def test_the_first_fault_of_a_value_counts_and_without_any_there_are_none() -> None:
    one, other = np.array([True, False, False]), np.array([True, True, False])
    found = columns.faults_of((one, Fault.BLANK), (other, Fault.NEGATIVE))
    assert found is not None
    assert found.tolist() == [Fault.BLANK, Fault.NEGATIVE, 0]
    assert columns.faults_of((~one & ~one[::-1] & one, Fault.BLANK), first=np.zeros(3, np.int8)) is None


@pytest.mark.parametrize(("day", "text"), [(0, "1970-01-01"), (18_321, "2020-02-29"), (-1, "1969-12-31")])
def test_a_day_is_written_as_its_date(day: int, text: str) -> None:
    assert values.day_text(day) == text


def test_a_text_alone_is_read_as_one_of_a_column_is() -> None:
    assert [scalars.free_text(one) for one in (" a ", "  ", "", None)] == ["a", None, None, None]
    assert scalars.number("-1.5e3") == (-1500, Fault.NONE)
    assert scalars.number("1e999")[1] == Fault.TOO_LARGE
    assert scalars.number("1,5")[1] == Fault.NOT_NUMBER


def test_white_space_other_than_blanks_is_stripped_where_there_is_no_blank() -> None:
    assert values.ids(pa.array(["\tacme", "corp\r"], pa.string())).values.to_pylist() == ["acme", "corp"]


def test_what_is_below_zero_is_negative_before_it_is_no_whole_number_and_however_little_it_is() -> None:
    counts = values.counts(pa.array(["-0.5"], pa.string())).faults
    amounts = values.scaled(pa.array(["-0.001"], pa.string()), digits=2).faults
    assert counts is not None
    assert amounts is not None
    assert counts.tolist() == amounts.tolist() == [Fault.NEGATIVE]
