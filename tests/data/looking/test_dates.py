"""How dates are written: which part is the day, which unit a number counts, and what nobody can tell."""

from __future__ import annotations

from datetime import datetime

import duckdb
import pytest

from ml_sys.data.looking.dates import (
    AMBIGUOUS,
    COMPACT,
    ISO,
    MICROSECONDS,
    MILLISECONDS,
    MONTHS,
    PATTERNS,
    SECONDS,
    SPREADSHEET,
    WEEKS,
    as_described,
    described,
    format_of,
    moment,
    parts_format,
    spoken,
)

NONE = dict.fromkeys(PATTERNS, 0.0)
NEVER = float("inf")


@pytest.mark.parametrize(
    ("pattern", "first", "second", "written"),
    [
        ("dashed", 31, 12, "%d-%m-%Y"),
        ("dashed", 13, 1, "%d-%m-%Y"),
        ("slashed", 12, 13, "%m/%d/%Y"),
        ("slashed", 12, 31, "%m/%d/%Y"),
        ("slashed", 12, 12, f"{AMBIGUOUS}/"),
        ("slashed", 13, 13, f"{AMBIGUOUS}/"),
        ("slashed", 1, 12, "%d/%m/%Y"),  # months that are stamped on their first
        ("slashed", 12, 1, "%m/%d/%Y"),
        ("slashed", 1, 1, f"{AMBIGUOUS}/"),
        ("dotted", 12, 12, "%d.%m.%Y"),
        ("dotted", 12, 13, "%m.%d.%Y"),
        ("dotted", 1, 1, "%d.%m.%Y"),
    ],
)
def test_days_are_told_from_months_by_the_greatest_of_either_part(
    pattern: str, first: int, second: int, written: str
) -> None:
    assert parts_format(pattern, first, second) == written


@pytest.mark.parametrize(
    ("name", "shares", "low", "high", "written"),
    [
        ("x", {ISO: 0.9}, NEVER, NEVER, ISO),
        ("x", {ISO: 0.89}, NEVER, NEVER, ""),
        ("x", {"months": 0.9}, NEVER, NEVER, MONTHS),
        ("x", {"slashed": 0.9}, NEVER, NEVER, "slashed"),
        ("created", {"compact": 0.99}, 20_200_101, 20_231_231, COMPACT),
        ("amount", {"compact": 0.99}, 20_200_101, 20_231_231, ""),  # numbers that only look so
        ("created", {"compact": 0.98}, 20_200_101, 20_231_231, ""),
        ("created_at", {}, 946_684_800, 2_145_916_800, SECONDS),
        ("day", {}, 36_526, 55_153, SPREADSHEET),
        ("day", {}, 36_525, 55_153, ""),
        ("day", {}, 36_526, 55_154, ""),
        ("day", {}, 45_000, 45_000, ""),  # one number is none of many days
        ("amount", {}, 45_000, 45_100, ""),
        ("created_at", {}, 946_684_799, 1_700_000_000, ""),
        ("created_at", {}, 1_700_000_000, 2_145_916_801, ""),
        ("amount", {}, 1_600_000_000, 1_700_000_000, ""),
        ("amount", {}, 1_600_000_000_000, 1_700_000_000_000, MILLISECONDS),
        ("amount", {}, 1_600_000_000_000_000, 1_700_000_000_000_000, MICROSECONDS),
    ],
)
def test_a_column_holds_dates_where_nearly_all_are_written_so_or_its_name_promises_them(
    name: str, shares: dict[str, float], low: float, high: float, written: str
) -> None:
    assert format_of(name, NONE | shares, low, high) == written


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (ISO, ""),
        ("%d.%m.%Y", "day-first"),
        ("%m/%d/%Y", "month-first"),
        (SECONDS, "epoch_s"),
        (MILLISECONDS, "epoch_ms"),
        (MICROSECONDS, None),
        (COMPACT, None),
        ("%Y/%m/%d", None),
    ],
)
def test_a_description_has_a_word_for_some_ways_of_writing(written: str, said: str | None) -> None:
    assert described(written) == said
    if said:
        assert as_described(written, said) == written


@pytest.mark.parametrize(
    ("written", "said", "meant"),
    [
        (f"{AMBIGUOUS}/", "day-first", "%d/%m/%Y"),
        (f"{AMBIGUOUS}-", "month-first", "%m-%d-%Y"),
        ("%m.%d.%Y", "day-first", "%d.%m.%Y"),
        ("%Y/%m/%d", "day-first", "%Y/%m/%d"),
        (ISO, "day-first", ISO),
        ("", "epoch_ms", MILLISECONDS),
        (ISO, "iso", ISO),
        ("%d-%m-%Y", "iso", "%d-%m-%Y"),
    ],
)
def test_dates_are_taken_for_written_as_a_description_says(written: str, said: str, meant: str) -> None:
    assert as_described(written, said) == meant


@pytest.mark.parametrize(
    ("text", "written", "at"),
    [
        ("2024-02-01", ISO, datetime(2024, 2, 1)),
        ("1706745600", SECONDS, datetime(2024, 2, 1)),
        ("45323", SPREADSHEET, datetime(2024, 2, 1)),
        ("45323.4375", SPREADSHEET, datetime(2024, 2, 1, 10, 30)),
        ("1706745600000", MILLISECONDS, datetime(2024, 2, 1)),
        ("1706745600000000", MICROSECONDS, datetime(2024, 2, 1)),
        ("20240201", COMPACT, datetime(2024, 2, 1)),
        ("2024-02", MONTHS, datetime(2024, 2, 1)),
        ("1/2/2024", "%d/%m/%Y", datetime(2024, 2, 1)),
        ("1/2/2024 10:30", "%m/%d/%Y", datetime(2024, 1, 2, 10, 30)),
        ("1.2.2024 10:30:05", "%d.%m.%Y", datetime(2024, 2, 1, 10, 30, 5)),
        ("soon", "%d.%m.%Y", None),
        ("soon", SECONDS, None),
        ("soon", "", None),
    ],
)
def test_a_text_means_a_moment_by_how_it_is_written(text: str, written: str, at: datetime | None) -> None:
    with duckdb.connect() as connection:
        assert connection.execute(f"SELECT {moment(repr(text), written)}").fetchone() == (at,)


def test_ways_of_writing_are_said_as_users_write_them() -> None:
    assert spoken("%d.%m.%Y") == "DD.MM.YYYY"
    assert spoken(SECONDS) == "seconds since 1970"
    assert spoken(WEEKS) == "YYYY-Www, each as its Monday"
    assert spoken(MILLISECONDS) == "milliseconds since 1970"
    assert spoken("%d-%b-%Y") == "DD-Mon-YYYY"


@pytest.mark.parametrize(
    ("text", "written", "at"),
    [
        ("2024-02-01 10:00", ISO, datetime(2024, 2, 1, 10)),
        ("2024-02-01 10:00Z", ISO, datetime(2024, 2, 1, 11)),
        ("2024-02-01 10:00:00.5 UTC", ISO, datetime(2024, 2, 1, 11, 0, 0, 500_000)),
        ("2024-07-01T10:00+00:00", ISO, datetime(2024, 7, 1, 12)),
        ("1706745600", SECONDS, datetime(2024, 2, 1, 1)),
        ("1.2.2024 10:30", "%d.%m.%Y", datetime(2024, 2, 1, 10, 30)),
        ("2020-W53", WEEKS, datetime(2020, 12, 28)),
        ("2024 KW 3", WEEKS, datetime(2024, 1, 15)),
    ],
)
def test_a_moment_that_names_a_zone_is_told_by_the_clocks_of_the_description_s(
    text: str, written: str, at: datetime
) -> None:
    with duckdb.connect() as connection:
        sql = moment(repr(text), written, "Europe/Berlin")
        assert connection.execute(f"SELECT {sql}").fetchone() == (at,)
