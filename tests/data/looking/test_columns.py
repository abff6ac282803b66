"""What a column holds, by its values and its name."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import pytest

from ml_sys.data.looking.columns import SeenColumn, columns_of, words_of
from ml_sys.data.looking.sniffing import Sniffed


def column(name: str, values: Sequence[str | None]) -> SeenColumn:
    with duckdb.connect() as connection:
        connection.execute(f'CREATE TABLE looked_at ("{name}" VARCHAR)')
        connection.executemany("INSERT INTO looked_at VALUES (?)", [[one] for one in values])
        table = Sniffed("t", "t.csv", "", "looked_at", {name: f'"{name}"'}, rows=len(values))
        return columns_of(connection, table)[name]


def numbered(n: int, first: int = 1, step: int = 1) -> list[str | None]:
    return [str(first + step * at) for at in range(n)]


@pytest.mark.parametrize(
    ("values", "looks"),
    [
        (["1", "2", "30"], "whole"),
        (["1", "2.5", "30"], "number"),
        ([*["1"] * 99, "1.5"], "number"),
        ([*["1"] * 49, "x"], "whole"),  # one in fifty is a slip
        ([*["1"] * 48, "x"], "text"),
        (["1", "inf", "2"], "text"),
        ([None, None], "text"),
        (["2024-01-01", "2024-01-02"], "date"),
        (["31/01/2024", "1/2/2024"], "date"),
    ],
)
def test_numbers_dates_and_texts_are_told_apart(values: list[str | None], looks: str) -> None:
    assert column("x", values).looks == looks


def test_low_and_high_are_those_of_the_numbers() -> None:
    found = column("x", ["-3", "7", None, "7"])
    assert (found.low, found.high, found.filled, found.distinct, found.rows) == (-3, 7, 3, 2, 4)
    assert found.filled_share == 0.75


@pytest.mark.parametrize(
    ("values", "is_flag"),
    [
        (["0", "1", "1"], True),
        (["0", "1", "2"], False),
        (["1", "2"], False),
        (["1", "1"], False),
        (["yes", "No"], True),
        (["t", "f", None], True),
        (["yes", "maybe"], False),
    ],
)
def test_a_flag_is_a_yes_and_a_no(values: list[str | None], is_flag: bool) -> None:
    assert column("x", values).is_flag == is_flag


@pytest.mark.parametrize(
    ("values", "is_range"),
    [
        (["1-10", "11 to 50", "51+", "1k - 5k", "9"], True),
        (["1-10", "11 to 50", "51+", "9", "x"], False),
    ],
)
def test_ranges_are_four_in_five_of_the_texts_at_least(values: list[str | None], is_range: bool) -> None:
    assert column("x", values).is_range == is_range


@pytest.mark.parametrize(
    ("values", "is_unique", "is_serial"),
    [
        (numbered(100), True, True),
        (numbered(100, step=4), True, True),
        (numbered(100, step=5), True, False),
        ([*numbered(98), "98", "98"], True, True),
        ([*numbered(97), "97", "97", "97"], False, False),
        ([*numbered(98), None, None], True, True),
        ([*numbered(97), None, None, None], False, False),
        ([f"u{at}" for at in range(100)], True, False),
    ],
)
def test_rows_are_identified_by_values_of_their_own_and_numbered_by_those_that_lie_close(
    values: list[str | None], is_unique: bool, is_serial: bool
) -> None:
    found = column("x", values)
    assert (found.is_unique, found.is_serial) == (is_unique, is_serial)


@pytest.mark.parametrize(
    ("name", "values", "personal"),
    [
        ("x", ["a@b.de", "c@d.org", "none", "?"], "an e-mail address"),
        ("x", ["a@b.de", "none", "?"], ""),
        ("x", ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "?"], "an IP address"),
        ("x", ["+49 30 1234567", "030/7654321", "(030) 765-4321"], "a phone number"),
        ("x", ["01.02.2024", "02.02.2024", "03.02.2024"], ""),  # dates are no phone numbers
        ("first_name", ["Ann", "Ann", "Ann", "Ann", "Ann", "Ann"], "a name"),
        ("company_name", ["A", "B", "C"], "a name"),
        ("company_name", ["A"] * 6, ""),  # few names: a kind of company
        ("plan_name", ["A", "B", "C"], ""),
        ("zip", ["1010", "1020", "1030"], "an address"),
        ("zip_count", ["1010", "1020", "1030"], ""),
        ("email_opens", ["1", "2", "3"], ""),
        ("phone", ["yes", "no", "yes"], ""),
        ("x", ["0301234567", "0307654321", "0301111111"], ""),  # a number, and called otherwise
        ("phone", ["0301234567", "0307654321", "0301111111"], "a phone number"),
        ("phone", ["mobile", "landline", "none"] * 9, ""),  # kinds of phones
        ("company_name", [*["A", "B", "C"] * 3, *[None] * 9], "a name"),  # many, of those that have one
    ],
)
def test_what_is_of_a_person_is_known_by_its_values_or_its_name(
    name: str, values: list[str | None], personal: str
) -> None:
    assert column(name, values).personal == personal


def test_a_name_is_words_wherever_they_are_joined() -> None:
    assert words_of("lastLogin_AT-day") == ["last", "login", "at", "day"]
    assert words_of("HTTPStatus2Code") == ["httpstatus2", "code"]
