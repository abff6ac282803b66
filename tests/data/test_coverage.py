"""The day of the export: where covered usage ends, and what one wrong date may do to it."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_sys.data import snapshot
from ml_sys.data.coverage import Coverage, covered_in, covered_until, date_export
from ml_sys.data.ingest import Origin, Rules, ingest
from ml_sys.data.ingest_report import IngestReport
from ml_sys.data.schema import CUSTOMERS, NEVER_CLOSED, USAGE
from ml_sys.data.sources import FileSource
from ml_sys.days import DAY_MICROSECONDS, Period
from ml_sys.errors import TooManyRejectedError, UsageError
from ml_sys.model.split import Source
from ml_sys.settings import SchemaSettings, Settings
from tests.data.tables import FREE_IDS, PAID_IDS, Tables, adds_up, quarantined, usage_row

REAL = Path(os.environ.get("MLSYS_REAL_DATA", Path(__file__).parents[3] / "shared/data/hubspot"))
LATER, UNFINISHED = "later than the export", "its period is not complete"
MONDAY = 18_001 - 18_001 % 7 + 4  # any Monday: 1970-01-05 was one


# Where covered usage ends


def until(
    reports: list[int], *, period_days: int = 7, min_coverage: float = 0.5, by: int | None = None
) -> int | None:
    """Return how many periods are covered when so many companies report in each, one row a company."""
    company = np.concatenate([np.arange(n) for n in reports]).astype(np.int32)
    day = MONDAY + period_days * np.repeat(np.arange(1, len(reports) + 1), reports)
    order = np.lexsort((day, company))
    last = MONDAY + period_days * (len(reports) if by is None else by)
    end = covered_until(
        company[order], day[order], Coverage(Period.of_days(period_days, "end"), min_coverage), not_after=last
    )
    return None if end is None else (end - MONDAY) // period_days


def test_without_usage_the_export_is_of_the_last_day_on_which_somebody_converted_which_may_be_today() -> None:
    none = np.zeros(0, dtype=np.int32)
    now = datetime(2019, 4, 14, 12, tzinfo=UTC)
    closed = np.array([17_000, 18_000, 18_001], dtype=np.int32)  # two of them by 2019-04-14
    found = date_export(lambda look: [look(none, none)], closed, Coverage(), as_of="", now=now)
    assert (found.as_of, found.usage_end, found.today) == (18_000, None, 18_000)
    assert (
        date_export(lambda look: [look(none, none)], closed[[0, 2]], Coverage(), as_of="", now=now).as_of
        == 17_000
    )


def test_a_stamp_within_a_day_completes_its_row_a_day_later() -> None:
    stamps = DAY_MICROSECONDS * 100 + np.array([0, 1, DAY_MICROSECONDS - 1], dtype=np.int64)
    assert Coverage().complete_on(stamps).tolist() == [107, 108, 108]


YEAR = [100 + week for week in range(52)]
WORKDAYS = [300, 310, 290, 305, 280, 25, 20]


@pytest.mark.parametrize(
    ("reports", "covered"),
    {
        "whole": ([*YEAR], 52),
        "one stray row far ahead": ([*YEAR, *[0] * 40, 1], 52),
        "one stray row in the last week": ([*YEAR, 1], 52),
        "strays in many weeks to come": ([*YEAR, *[0, 2, 3, 0, 1] * 10], 52),
        "a last week of which a quarter reports": ([*YEAR, 38], 52),
        "a last week of which exactly half reports": ([*[100] * 20, 50], 21),
        "a last week of which one fewer than half report": ([*[100] * 20, 49], 20),
        "a holiday dip before the end": ([*YEAR, 60, 150, 155], 55),
        "a holiday dip at the end": ([*YEAR, 90], 53),
        "a log that thins": ([*YEAR, 130, 70, 30, 4], 53),
        "a company that grows": ([2**week for week in range(10)], 10),
        "a company that doubles in the last week": ([*YEAR, 300], 53),
        "a company that shrinks by and by": ([int(400 * 0.97**week) for week in range(40)], 40),
        "a company that lost two thirds at once": ([*YEAR, *[50] * 8], 60),
        "a week that is missing": ([*YEAR, 0, 150], 54),
        "a log that begins with strays": ([1, 0, 0, 0, *YEAR], 56),
        "few companies": ([3, 2, 3, 3, 2], 5),
        "few companies and a stray row": ([3, 2, 3, 3, 0, 0, 1], 4),
        "one company": ([1, 0, 1, 1], 4),
        "one week": ([5], 1),
        "a first week and a stray row": ([5, 0, 1], 1),
    }.values(),
)
def test_usage_is_covered_up_to_the_last_week_in_which_a_usual_share_reports(
    reports: list[int], covered: int
) -> None:
    assert until(reports) == covered


@pytest.mark.parametrize(
    ("reports", "covered"),
    {
        "to a Sunday": (WORKDAYS * 10, 70),
        "to a Saturday": ((WORKDAYS * 10)[:-1], 69),
        "to a Wednesday": ((WORKDAYS * 10)[:-4], 66),
        "one stray row on a Saturday to come": ([*WORKDAYS * 10, *[0] * 12, 1], 70),
        "one stray row on the last day": ([*(WORKDAYS * 10)[:-4], 1], 66),
        "one stray row the day after a Friday": ([*(WORKDAYS * 10)[:-2], 1], 68),
        "a day that is missing": ([*(WORKDAYS * 10)[:-6], 0, *WORKDAYS[2:5]], 68),
    }.values(),
)
def test_days_are_held_against_the_same_day_of_the_weeks_before(reports: list[int], covered: int) -> None:
    assert until(reports, period_days=1) == covered


def test_weeks_that_end_after_the_day_asked_for_are_not_looked_at() -> None:
    assert until(YEAR, by=40) == 40
    assert until(YEAR, by=0) is None


def test_the_share_that_is_usual_is_a_setting() -> None:
    assert until([*YEAR, 130], min_coverage=0.9) == 52
    assert until([*YEAR, 130], min_coverage=0.8) == 53
    assert until([*YEAR, 0, 1], min_coverage=0.0) == 54


def test_weeks_end_on_the_day_on_which_most_rows_are_complete() -> None:
    company = np.repeat(np.arange(50, dtype=np.int32), 10)
    day = np.tile(MONDAY + 7 * np.arange(10), 50)
    day[:10] += 1  # one company's rows are stamped on Tuesdays
    coverage = Coverage(Period(stamp="end"), 0.5)
    assert covered_until(company, day, coverage, not_after=MONDAY + 500) == MONDAY + 63


def test_a_company_reports_once_in_a_period_however_many_rows_it_has_there() -> None:
    weekly = np.repeat(np.arange(100, dtype=np.int32), 20), np.tile(MONDAY + 7 * np.arange(1, 21), 100)
    daily = np.repeat(np.arange(10, dtype=np.int32), 7), np.tile(MONDAY + 7 * 20 + np.arange(1, 8), 10)
    company, day = (np.concatenate(both) for both in zip(weekly, daily, strict=True))
    order = np.lexsort((day, company))
    found = covered_until(
        company[order], day[order], Coverage(Period(stamp="end")), not_after=MONDAY + 7 * 21
    )
    assert found == MONDAY + 7 * 20


def test_a_week_is_not_covered_before_the_day_on_which_weeks_end() -> None:
    company = np.repeat(np.arange(100, dtype=np.int32), 20)
    day = np.tile(MONDAY + 7 * np.arange(1, 21), 100)
    company, day = np.append(company, np.arange(60)), np.append(day, np.full(60, MONDAY + 7 * 20 + 2))
    order = np.lexsort((day, company))
    for by, end in ((3, 140), (6, 140), (7, 142)):  # days after the twentieth Monday: sixty are early
        coverage, last = Coverage(Period(stamp="end")), MONDAY + 7 * 20 + by
        assert covered_until(company[order], day[order], coverage, not_after=last) == MONDAY + end


@pytest.mark.parametrize("strays", [[], [(1, "2020-03-01"), (2, "2021-01-01")]])
def test_months_are_covered_by_the_calendar(strays: list[tuple[int, str]]) -> None:
    months = np.arange("2018-03", "2020-03", dtype="datetime64[M]").astype("datetime64[D]").astype(np.int32)
    company = np.repeat(np.arange(50, dtype=np.int32), months.size)
    stamp = np.tile(months, 50)
    stamp[::3] += 11  # within the month, whichever day is written
    company = np.append(company, [one for one, _ in strays]).astype(np.int32)
    stamp = np.append(stamp, [np.datetime64(day, "D").astype(np.int32) for _, day in strays])
    complete = Period("month").complete_on(stamp.astype(np.int32))
    order = np.lexsort((complete, company))
    for by, end in (("2020-03-01", "2020-03-01"), ("2020-02-29", "2020-02-01"), ("2021-06-30", "2020-03-01")):
        last = int(np.datetime64(by, "D").astype(int))
        found = covered_until(company[order], complete[order], Coverage(Period("month")), not_after=last)
        assert found == np.datetime64(end, "D").astype(int)


@given(
    stray=st.lists(st.tuples(st.integers(0, 40), st.integers(1, 60)), min_size=1, max_size=5),
    size=st.integers(12, 60),
)
def test_a_few_strays_never_move_the_end(stray: list[tuple[int, int]], size: int) -> None:
    reports = [size + week % 3 for week in range(20)] + [0] * 60
    for _, week in stray:
        reports[19 + week] += 1
    assert until(reports) == 20


# What ingest makes of it


class Exported(Tables):
    """Tables of which nobody says on which day they were exported."""

    def ingest(self, **changes: Any) -> IngestReport:
        return super().ingest(**{"as_of": "", "coverage": Coverage(), **changes})


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    return Exported(tmp_path, customers=[f"2020-01-0{i},299,1001,2 to 5,RETAIL,c{i}" for i in (1, 2, 3)])


def now(day: str) -> datetime:
    return datetime.fromisoformat(f"{day}T12:00:00").replace(tzinfo=UTC)


def test_the_day_of_the_export_is_the_end_of_covered_usage(tables: Tables) -> None:
    assert tables.ingest().as_of == "2020-01-27"
    assert tables.ingest(coverage=Coverage(Period(stamp="end"))).as_of == "2020-01-20"


def test_usage_stamped_later_is_quarantined_and_said(tables: Tables) -> None:
    before = tables.ingest()
    tables.usage.append(usage_row("n1", "2020-09-07"))
    report = tables.ingest()
    assert report.as_of == before.as_of
    assert quarantined(report)[-1] == (USAGE, len(tables.usage) + 1, LATER)
    assert adds_up(report)
    (warning,) = report.warnings
    assert "1 usage row is stamped after the export (the latest on 2020-09-07)" in warning
    assert "covered up to 2020-01-27" in warning
    assert "ingest.min_coverage" in warning


def test_a_week_of_which_hardly_anything_is_known_is_set_aside_with_a_reason_of_its_own(
    tables: Tables,
) -> None:
    tables.usage.append(usage_row("n1", "2020-01-27"))
    report = tables.ingest(max_rejected_share=0.0)
    assert (report.as_of, report.warnings) == ("2020-01-27", ())
    assert quarantined(report)[-1] == (USAGE, len(tables.usage) + 1, UNFINISHED)
    assert adds_up(report)
    assert any(
        "1 usage row is in quarantine, as the period was not complete" in note for note in report.notes
    )


def test_a_week_that_has_not_ended_by_the_clock_is_not_covered(tables: Tables) -> None:
    assert tables.ingest(now=now("2020-01-26")).as_of == "2020-01-20"
    report = tables.ingest(now=now("2020-01-27"))
    assert report.as_of == "2020-01-27"
    assert quarantined(report) == []


def test_nothing_after_the_clock_counts_however_many_rows_say_so(tables: Tables) -> None:
    with pytest.raises(TooManyRejectedError, match=r"later than the export \(11\)") as caught:
        tables.ingest(now=now("2020-01-14"), max_rejected_share=0.05)
    assert "--as-of" in caught.value.hint


@pytest.mark.parametrize("day", ["2020-09-15", "2020-01-28", "2099-12-31"])
def test_a_company_that_paid_after_the_export_stays_a_prospect_and_is_said(tables: Tables, day: str) -> None:
    before = tables.ingest()
    tables.customers.append(f"{day},499,1001,2 to 5,RETAIL,c9")
    report = tables.ingest(max_rejected_share=0.0, now=now("2020-12-01"))
    assert (report.as_of, report.companies, report.customers) == (before.as_of, before.companies + 1, 3)
    assert adds_up(report)
    assert report.tables[CUSTOMERS].accepted == 4
    stored = snapshot.load(report.path)
    at = stored.companies["id"].tolist().index("c9")
    assert stored.closed[at] == NEVER_CLOSED
    assert np.isnan(stored.companies["value"][at])
    (warning,) = report.warnings
    assert "1 customer is dated after 2020-01-27" in warning
    assert day in warning
    assert ("--as-of DATE" in warning) is (day < "2020-12-01")


def test_the_day_of_the_export_itself_is_no_later_day(tables: Tables) -> None:
    tables.customers.append("2020-01-27,499,1001,2 to 5,RETAIL,c9")
    report = tables.ingest()
    assert (report.customers, report.warnings) == (4, ())


def test_a_day_that_is_given_claims_later_conversions_but_no_stray_usage(tables: Tables) -> None:
    tables.customers.append("2020-02-20,499,1001,2 to 5,RETAIL,c9")
    tables.usage.append(usage_row("n1", "2020-02-10"))
    report = tables.ingest(as_of="2020-02-24")
    assert (report.as_of, report.customers) == ("2020-02-24", 4)
    assert [reason for _, _, reason in quarantined(report)] == ["so few companies report in its period"]
    tables.usage[-1] = usage_row("n1", "2020-02-17")  # complete on the day itself
    report = tables.ingest(as_of="2020-02-24")
    assert [reason for _, _, reason in quarantined(report)] == ["so few companies report in its period"]
    source = Source.of(snapshot.load(report.path), Settings())
    assert (source.timeline.usage_end, source.timeline.as_of) == (18_288, 18_316)  # 27 January, 24 February


def test_a_day_that_is_given_cuts_the_tables_as_they_stood_then(tables: Tables) -> None:
    tables.customers.append("2020-01-15,499,1001,2 to 5,RETAIL,c9")
    later = snapshot.load(tables.ingest(as_of="2020-01-14", max_rejected_share=0.0).path)
    tables.usage = [row for row in tables.usage if row < "2020-01-07"]
    tables.noncustomers.append("1001,2 to 5,RETAIL,c9")
    tables.customers.pop()
    then = snapshot.load(tables.ingest(as_of="2020-01-14").path)
    known = later.companies["id"]
    np.testing.assert_array_equal(later.usage_stamp, then.usage_stamp)
    np.testing.assert_array_equal(
        known.to_numpy()[later.usage_company], then.companies["id"].to_numpy()[then.usage_company]
    )
    assert set(known[later.closed == NEVER_CLOSED]) == set(then.companies["id"][then.closed == NEVER_CLOSED])


def test_a_day_after_the_clock_cannot_be_claimed(tables: Tables) -> None:
    assert tables.ingest(as_of="2020-02-01", now=now("2020-02-01")).as_of == "2020-02-01"
    with pytest.raises(UsageError, match="2020-02-02 is in the future"):
        tables.ingest(as_of="2020-02-02", now=now("2020-02-01"))


def test_stray_rows_alone_do_not_fail_an_ingest_for_a_day_that_was_given(tables: Tables) -> None:
    report = tables.ingest(as_of="2020-01-13", max_rejected_share=0.0)
    assert report.tables[USAGE].accepted == len(PAID_IDS + FREE_IDS)
    assert adds_up(report)


# The attack on real tables: one date in September moved the holdout to where no outcome is known


def real_tables(folder: Path, *, closed: str = "", stamped: str = "") -> None:
    """Copy the real tables, one customer's CLOSEDATE or one usage row's stamp replaced."""
    for name, wrong in (("customers", closed), ("noncustomers", ""), ("usage_actions", stamped)):
        header, first, *rows = (REAL / f"{name}.csv").read_text().splitlines()
        if wrong:
            first = ",".join([wrong, *first.split(",")[1:]])
        (folder / f"{name}.csv").write_text("\n".join([header, first, *rows, ""]))


def ingested(folder: Path) -> IngestReport:
    return ingest(
        Origin(
            FileSource(),
            SchemaSettings(),
            {
                "customers": str(folder / "customers.csv"),
                "noncustomers": str(folder / "noncustomers.csv"),
                "usage": str(folder / "usage_actions.csv"),
            },
        ),
        Rules(max_rejected_share=0.05),
        folder / "artifacts",
        now=now("2026-01-01"),
    )


@pytest.mark.parametrize("wrong", [{"closed": "2020-09-15"}, {"stamped": "2020-09-07 00:00:00.000"}])
@pytest.mark.real_data
@pytest.mark.skipif(not REAL.is_dir(), reason="no real tables here")
def test_one_wrong_date_moves_no_label_window_of_the_real_tables(
    tmp_path: Path, wrong: dict[str, str]
) -> None:
    real_tables(tmp_path, **wrong)
    report = ingested(tmp_path)
    assert report.as_of == "2020-06-01"
    assert len(report.warnings) == 1
    assert adds_up(report)
    timeline = Source.of(snapshot.load(report.path), Settings()).timeline
    latest = np.datetime64(timeline.latest_mature(), "D")
    assert str(latest) == "2020-04-27"


@pytest.mark.real_data
@pytest.mark.skipif(not REAL.is_dir(), reason="no real tables here")
def test_the_real_tables_end_on_the_monday_on_which_they_were_exported(tmp_path: Path) -> None:
    real_tables(tmp_path)
    report = ingested(tmp_path)
    assert (report.as_of, report.warnings) == ("2020-06-01", ())
    assert pq.read_table(report.path / snapshot.QUARANTINE).num_rows == 3


@pytest.mark.parametrize(("weeks", "covered"), [(3, 20), (4, 20), (5, 25), (6, 26)])
def test_what_is_usual_is_the_middle_of_the_eight_weeks_before(weeks: int, covered: int) -> None:
    # At 85 of 100 the fifth such week is the first of which as many lie below the middle as above it.
    assert until([*[100] * 20, *[85] * weeks], min_coverage=0.9) == covered


def test_eight_weeks_before_tell_what_is_usual_and_not_seven() -> None:
    # Of the last seven 60 is the middle one, of which 35 would be half and more; of the eight it is 80.
    assert until([*[100] * 4, *[60] * 4, 35]) == 8


def test_where_fewer_and_fewer_report_half_of_a_typical_week_is_still_asked_for() -> None:
    # Half of all rows are of weeks with 200, so that 100 is typical, whatever the eight weeks before say.
    assert until([*[200] * 9, *[60] * 9, 49]) == 18
    assert until([*[200] * 9, *[60] * 9, 50]) == 19


def last_usual(reports: list[int], share: float) -> int | None:
    """Go through the weeks by hand: enough of what is typical, and of the middle of the eight such before."""
    by_company = sorted(one for one in reports for _ in range(one))  # each report says how many there were
    half = -(-len(by_company) // 2)
    typical = by_company[max(half, 1) - 1] / 2
    before: list[int] = []
    found = None
    for at, one in enumerate(reports, 1):
        if not one:
            continue
        if one >= share * max(typical, median(before[-8:]) if before else 0):
            found = at
        if one >= share * typical:
            before.append(one)
    return found


@given(
    st.lists(st.sampled_from([0, 1, 2, 3, 4, 5, 8, 9, 20]), min_size=1, max_size=24).filter(any),
    st.sampled_from([0.5, 0.25, 1.0]),
)
def test_covered_weeks_are_those_of_going_through_them_by_hand(reports: list[int], share: float) -> None:
    reports = [*reports, 1] if reports[-1] == 0 else reports
    assert until(reports, min_coverage=share) == last_usual(reports, share)


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 60)), min_size=1, max_size=60),
    st.sampled_from([Period("day", 1, "end"), Period("week", 1, "end"), Period("month", 1, "end")]),
    st.integers(10, 70),
)
def test_usage_in_parts_is_covered_as_far_as_in_one(
    rows: list[tuple[int, int]], period: Period, not_after: int
) -> None:
    ordered = np.array(sorted(rows), dtype=np.int32)
    company, day = ordered[:, 0], ordered[:, 1]
    whole = covered_until(company, day, Coverage(period, 0.5), not_after=not_after)
    parts = [ordered[company % 3 == at] for at in (2, 0, 1)]
    found = covered_in(
        lambda look: [look(part[:, 0], part[:, 1]) for part in parts],
        Coverage(period, 0.5), not_after=not_after,
    )  # fmt: skip
    assert found == whole
    assert whole is None or whole <= not_after
