"""What ingest says of its tables: months, blanks, spans and the notes that a person should read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ml_sys.data.ingest_report import BlankRates, MonthConversion, blank_rates, conversion_by_month
from ml_sys.data.ingesting.usage_seen import UsageSeen
from ml_sys.data.schema import CUSTOMERS, NEVER_CLOSED, NONCUSTOMERS, USAGE
from ml_sys.data.usage import UsageRows
from ml_sys.days import DAY_MICROSECONDS
from ml_sys.settings import SchemaSettings
from tests.data.tables import MEASURES, Tables, usage_row


def day(text: str) -> int:
    return int(np.datetime64(text, "D").astype(np.int64))


def usage_of(*rows: tuple[int, str, int], companies: int = 1) -> UsageSeen:
    """Rows of company, day and a count of the last measure, sorted as ingest leaves them."""
    values = np.zeros((len(rows), len(MEASURES)), dtype=np.int32)
    values[:, -1] = [count for _, _, count in rows]
    found = UsageRows(
        np.array([company for company, _, _ in rows], dtype=np.int32),
        np.array([day(text) * DAY_MICROSECONDS for _, text, _ in rows], dtype=np.int64),
        values,
        np.arange(len(rows)),
    )
    return UsageSeen.of(found, companies)


def test_a_conversion_on_the_first_day_of_a_month_is_of_that_month_and_one_after_the_export_of_none() -> None:
    closed = [day(one) for one in ("2020-01-31", "2020-02-01", "2020-02-29", "2020-03-10", "2020-03-11")]
    used = (0, "2020-01-31", 1), (1, "2020-01-31", 0), (1, "2020-02-01", 2), (3, "2020-02-20", 1)
    usage = usage_of(*used, companies=6)
    found = conversion_by_month(np.array([*closed, NEVER_CLOSED], dtype=np.int32), usage, day("2020-03-10"))
    assert [(one.month, one.free, one.conversions) for one in found] == [
        ("2020-01", 6, 1),
        ("2020-02", 5, 2),
        ("2020-03", 3, 1),
    ]
    # Active is who did something before the month began: an idle row does not count.
    assert [(one.active, one.active_conversions) for one in found] == [(0, 0), (0, 0), (1, 1)]


def test_months_begin_with_the_earliest_usage_of_whichever_company() -> None:
    usage = usage_of((0, "2020-02-10", 1), (1, "2020-01-31", 1), companies=2)
    found = conversion_by_month(np.full(2, NEVER_CLOSED, dtype=np.int32), usage, day("2020-02-29"))
    assert [(one.month, one.free, one.active) for one in found] == [("2020-01", 2, 0), ("2020-02", 2, 1)]


@pytest.mark.parametrize(("closed", "months"), [(None, ["2020-01"]), ("2020-02-01", ["2020-01", "2020-02"])])
def test_a_month_that_begins_with_the_export_is_there_only_if_somebody_converts_on_that_day(
    closed: str | None, months: list[str]
) -> None:
    days = np.array([NEVER_CLOSED if closed is None else day(closed)], dtype=np.int32)
    found = conversion_by_month(days, usage_of((0, "2020-01-10", 1)), day("2020-02-01"))
    assert [one.month for one in found] == months


@pytest.mark.parametrize(
    ("since", "closed", "free", "conversions"),
    [
        ("2020-01-30", None, [1, 1, 1], [0, 0, 0]),  # existed for a day before January was over
        ("2020-01-31", None, [0, 1, 1], [0, 0, 0]),
        ("2020-02-01", None, [0, 1, 1], [0, 0, 0]),
        ("2020-02-10", "2020-02-10", [0, 0, 0], [0, 0, 0]),  # on its first day
        ("2020-02-10", "2020-02-11", [0, 1, 0], [0, 1, 0]),
        ("2020-01-31", "2020-02-01", [0, 1, 0], [0, 1, 0]),
        ("2020-02-10", "2020-02-09", [0, 0, 0], [0, 0, 0]),
        ("2020-01-10", "2020-03-05", [1, 1, 1], [0, 0, 1]),
        ("2020-01-10", "2020-03-06", [1, 1, 1], [0, 0, 0]),  # after the export
    ],
)
def test_a_company_counts_in_a_month_by_which_it_had_existed_for_a_day(
    since: str, closed: str | None, free: list[int], conversions: list[int]
) -> None:
    found = conversion_by_month(
        np.array([NEVER_CLOSED if closed is None else day(closed)], dtype=np.int32),
        usage_of((0, "2020-01-31", 1)),
        day("2020-03-05"),
        np.array([day(since)], dtype=np.int32),
    )
    assert [one.free for one in found] == free
    assert [one.conversions for one in found] == conversions


def test_a_month_in_which_nobody_was_free_has_no_rate() -> None:
    month = MonthConversion("2020-01", 4, 1, 0, 0)
    assert month.rate == 0.25
    assert np.isnan(month.active_rate)
    assert np.isnan(MonthConversion("2020-01", 0, 0, 0, 0).rate)
    assert MonthConversion("2020-01", 9, 3, 4, 2).active_rate == 0.5


def test_blanks_are_counted_by_outcome() -> None:
    companies = pd.DataFrame(
        {
            "converted_on": [1, 2, NEVER_CLOSED, NEVER_CLOSED, NEVER_CLOSED, NEVER_CLOSED],
            "alexa_rank": [np.nan, 1.0, np.nan, np.nan, np.nan, 4.0],
            "employee_range": [None, None, "1", "1", "1", None],
            "industry": ["a"] * 6,
        }
    )
    closed, form = companies["converted_on"].to_numpy(np.int32), SchemaSettings().form()
    blank = {name: companies[name].isna().to_numpy() for name in companies}
    assert blank_rates(blank.__getitem__, closed, form) == (
        BlankRates("alexa_rank", 0.5, 0.75, 2),
        BlankRates("employee_range", 1.0, 0.25, 2),
        BlankRates("industry", 0.0, 0.0, 2),
    )
    for some in (slice(2), slice(2, None)):
        assert blank_rates(lambda name, some=some: blank[name][some], closed[some], form) == ()


@pytest.mark.parametrize(
    ("customers", "others", "paid", "filled"),
    [
        (0.5, 0.53, 100_000, True),
        (0.515, 0.53, 100_000, False),  # less than two in a hundred
        (0.53, 0.5, 100_000, False),  # nobody has filled them in
        (0.1, 0.2, 350, True),
        (0.16, 0.2, 350, False),
        (0.0, 1.0, 1, True),
        (0.0, 0.02, 100_000, False),
    ],
)
def test_blanks_look_filled_in_where_they_are_rarer_among_customers_than_chance_makes_them(
    customers: float, others: float, paid: int, filled: bool
) -> None:
    assert BlankRates("industry", customers, others, paid).filled_in == filled


def test_a_report_counts_what_is_in_the_snapshot(tmp_path: Path) -> None:
    tables = Tables(tmp_path)
    tables.usage += [usage_row("n1", "2020-02-03"), usage_row("n1", "2020-02-03"), usage_row("stranger")]
    tables.noncustomers.append(tables.noncustomers[0])
    report = tables.ingest()
    usage, free = report.tables[USAGE], report.tables[NONCUSTOMERS]
    assert (usage.read, usage.accepted, usage.rejected) == (36, 34, {"exact duplicate": 1, "unknown id": 1})
    assert (usage.first_day, usage.last_day) == ("2020-01-06", "2020-02-03")
    assert (free.read, free.accepted, free.merged) == (9, 8, {"duplicate company, merged": 1})
    assert (free.first_day, free.last_day) == (None, None)
    assert (report.tables[CUSTOMERS].first_day, report.tables[CUSTOMERS].last_day) == (
        "2020-02-10",
        "2020-02-12",
    )
    assert (report.companies, report.customers, report.usage_rows) == (11, 3, 34)


@pytest.mark.parametrize(("last", "noted"), [("2020-01-29", False), ("2020-01-28", True)])
def test_usage_that_ends_over_two_weeks_before_the_day_of_the_export_is_noted(
    tmp_path: Path, last: str, noted: bool
) -> None:
    tables = Tables(tmp_path)
    tables.usage = [usage_row("n1", "2020-01-06"), usage_row("n2", last)]
    notes = tables.ingest().notes
    assert any(note.startswith("usage ends on") for note in notes) == noted
    if noted:
        assert "usage ends on 2020-01-28, 15 days before the day of the snapshot" in notes
