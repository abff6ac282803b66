"""Columns of text and the bytes under them, parts of columns included."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

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


# Every reader beside a table of what each text is alone

NAN, INF = float("nan"), float("inf")
NUMBERS: dict[str, float] = {
    "7": 7, " 8 ": 8, "0": 0, "-0": 0, "-3": -3, "2.5": 2.5, "3.5": 3.5, "1e3": 1000, ".5": 0.5, "12.0": 12,
    "999999999": 999_999_999, "1000000000": 10**9, "2147483647": 2**31 - 1, "2147483648": 2**31,
    "1e15": 1e15, "1000000000000001": 10**15 + 1, "10000000000000.5": 1e13 + 0.5,
}  # fmt: skip
BAD = {"x": Fault.NOT_NUMBER, "1,5": Fault.NOT_NUMBER, "1e999": Fault.TOO_LARGE, "nan": Fault.NOT_NUMBER}
BLANKS = ("", "  ", "\t")
EVERY = [*NUMBERS, *BAD, *BLANKS]
TEXTS = st.lists(st.sampled_from([*NUMBERS, *BAD, *BLANKS, "N/A", "n/a"]), max_size=6)
DIGITS = st.lists(
    st.sampled_from(["7", "0", "8:", "9", "/", "010", "999999999", "1000000000", ""]), max_size=4
)


def read(reader, texts, **how):
    """Read texts as a column that is part of a longer one."""
    found = reader(pa.array(["99", *texts, "x"], pa.string()).slice(1, len(texts)), **how)
    column = found.values.to_pylist() if hasattr(found.values, "to_pylist") else found.values.tolist()
    if found.faults is not None:
        assert any(found.faults.tolist())
    return list(zip(column, [0] * len(texts) if found.faults is None else found.faults.tolist(), strict=True))


def number_of(text: str) -> tuple[float, int]:
    if text in BLANKS:
        return NAN, 0
    return (NUMBERS[text], 0) if text in NUMBERS else (NAN, BAD.get(text, Fault.NOT_NUMBER))


def count_of(text: str) -> tuple[int, int]:
    number, fault = number_of(text)
    if np.isnan(number):
        return 0, fault or Fault.BLANK
    if number < 0:
        return 0, Fault.NEGATIVE
    if number != int(number):
        return 0, Fault.NOT_WHOLE
    return (int(number), 0) if number < 2**31 else (0, Fault.TOO_LARGE)


def scaled_of(text: str, digits: int, blank_is_zero: bool) -> tuple[int, int]:
    number, fault = number_of(text)
    if np.isnan(number):
        return 0, fault or (0 if blank_is_zero else Fault.BLANK)
    whole = round(number * 10**digits)  # halves to even
    if number < 0 or whole > 10**15:
        return 0, Fault.NEGATIVE if number < 0 else Fault.TOO_LARGE
    return whole, 0


@example(EVERY)
@given(TEXTS)
def test_counts_of_a_column_are_those_of_each_text_alone(texts) -> None:
    assert read(values.counts, texts) == [count_of(one) for one in texts]


@given(DIGITS)
def test_whole_numbers_alone_are_read_as_among_others(texts) -> None:
    alone = {"8:": (0, Fault.NOT_NUMBER), "/": (0, Fault.NOT_NUMBER), "": (0, Fault.BLANK)}
    assert read(values.counts, texts) == [alone.get(one) or (int(one), 0) for one in texts]


@example(EVERY, 0, True)
@example(EVERY, 0, False)
@example(EVERY, 1, False)
@given(TEXTS, st.sampled_from([0, 1, 2]), st.booleans())
def test_amounts_in_digits_are_those_of_each_text_alone(texts, digits, blank_is_zero) -> None:
    found = read(values.scaled, texts, digits=digits, blank_is_zero=blank_is_zero)
    assert found == [scaled_of(one, digits, blank_is_zero) for one in texts]


@settings(max_examples=15)
@given(TEXTS, st.sampled_from([None, 7.0, 0.0, -3.0]), st.booleans(), st.sampled_from([(), ("n/a", "8")]))
def test_numbers_of_an_attribute_are_those_of_each_text_alone(texts, none, positive, missing) -> None:
    expected = []
    for text in texts:
        known = "" if text.strip().casefold() in missing else text
        number, fault = number_of(known)
        if number == none:
            number = INF
        elif positive and number <= 0:
            number, fault = NAN, Fault.NOT_POSITIVE
        expected.append((number, fault))
    found = read(values.numbers, texts, none=none, positive=positive, missing=missing)
    np.testing.assert_array_equal(np.array(found).reshape(-1, 2), np.array(expected, float).reshape(-1, 2))


@example(EVERY)
@given(TEXTS)
def test_amounts_may_be_negative_and_blank(texts) -> None:
    expected = np.array([number_of(one) for one in texts], float).reshape(-1, 2)
    np.testing.assert_array_equal(np.array(read(values.amounts, texts)).reshape(-1, 2), expected)


FLAGS = {
    **dict.fromkeys(["1", "1.0", "TRUE", "t", "Yes", "y", " on "], (1.0, 0)),
    **dict.fromkeys(["0", "0.0", "false", "F", "no", "N", "off"], (0.0, 0)),
    **dict.fromkeys(["2", "ja", "n o"], (NAN, Fault.NOT_FLAG)),
    **dict.fromkeys(["", " "], (NAN, 0)),
}
LEVELS = {
    "free": ("free", 0), " PRO": ("Pro", 0), "pro": ("Pro", 0), "Free": ("free", 0),
    "max": (None, Fault.NOT_LEVEL),
    "": (None, 0), "  ": (None, 0),
}  # fmt: skip


@given(st.lists(st.sampled_from([*FLAGS, "None"]), max_size=5))
def test_a_yes_and_a_no_are_read_in_all_their_spellings(texts) -> None:
    expected = [FLAGS.get(one, (NAN, 0)) for one in texts]
    found = read(values.flags, texts, missing=("none",))
    np.testing.assert_array_equal(np.array(found).reshape(-1, 2), np.array(expected, float).reshape(-1, 2))


@given(st.lists(st.sampled_from([*LEVELS, "None"]), max_size=5))
def test_levels_are_brought_to_their_own_spelling(texts) -> None:
    found = read(values.levels, texts, levels=("free", "Pro"), missing=("none",))
    assert found == [LEVELS.get(one, (None, 0)) for one in texts]


@given(st.lists(st.sampled_from(["a", " b ", "", "  ", "N/A", "n/a "]), max_size=5))
def test_free_texts_and_ids_are_stripped_and_what_says_nothing_is_blank(texts) -> None:
    plain = [one.strip() for one in texts]
    said = [(None if one.casefold() in {"", "n/a"} else one, 0) for one in plain]
    assert read(values.free_texts, texts, missing=("n/A",)) == said
    assert read(values.ids, texts) == [(one, 0 if one else Fault.BLANK) for one in plain]


def test_what_is_told_of_columns_of_text_is_told_of_each() -> None:
    texts = pa.array(["x", "", "y", "x", "é"], pa.string())
    codes, distinct = columns.distinct_of(texts)
    assert (codes.tolist(), distinct.to_pylist()) == ([0, 1, 2, 0, 3], ["x", "", "y", "é"])
    assert columns.is_blank(texts).tolist() == [False, True, False, False, False]
    assert columns.as_flags(pa.array([True, False])).tolist() == [True, False]
    read_them = columns.read_each(pa.array(["1", "x"]), scalars.number, np.float64)
    assert [one.tolist() for one in read_them][1] == [0, Fault.NOT_NUMBER]
    assert [one.dtype for one in read_them] == [np.float64, np.int8]
    nothing = columns.read_each(pa.array([], pa.string()), scalars.number, np.float64)
    assert [one.size for one in nothing] == [0, 0]
    assert columns.without(pa.array([" a ", "N/A"]), ()).to_pylist() == ["a", "N/A"]
    assert columns.without(pa.array([" a ", "N/A", "n/a "]), ("n/a",)).to_pylist() == ["a", "", ""]


def test_single_values_follow_the_rules_of_columns() -> None:
    assert [scalars.is_missing(one, ("n/A", "-")) for one in ("N/a", "-", "", "n/a ")] == [
        True,
        True,
        False,
        False,
    ]
    given = np.array([np.nan, -1.0, 0.0, 2.0, 7.0])
    np.testing.assert_array_equal(scalars.known_numbers(given, None, positive=False), given)
    known = scalars.known_numbers(given, None, positive=True)
    np.testing.assert_array_equal(known, [np.nan, np.nan, np.nan, 2.0, 7.0])
    known = scalars.known_numbers(given, -1.0, positive=True)
    np.testing.assert_array_equal(known, [np.nan, np.inf, np.nan, 2.0, 7.0])
    known = scalars.known_numbers(given, 7.0, positive=False)
    np.testing.assert_array_equal(known, [np.nan, -1.0, 0.0, 2.0, np.inf])
    reasons = [one.reason for one in Fault]
    assert len(set(reasons)) == len(Fault)
    assert Fault.OUT_OF_TIME.reason == "lies outside 1970 to 2099"
    assert (Fault.NONE.reason, Fault.BLANK.reason, Fault.NEGATIVE.reason) == ("", "is blank", "is negative")
