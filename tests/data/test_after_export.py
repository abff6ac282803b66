"""What is said of dates after the export: how many, the latest, and how to claim them."""

from __future__ import annotations

import numpy as np

from ml_sys.data.after_export import DatesAfterExport
from ml_sys.data.coverage import ExportDates
from ml_sys.data.quarantine import UNCOVERED, in_words
from ml_sys.data.usage import LATER
from ml_sys.days import DAY_MICROSECONDS
from ml_sys.form import PLAIN_WORDS, Noun, Words

AS_OF, TODAY = 18_288, 18_300  # 27 January and 8 February 2020


def warnings(*unclaimed: int, usage_end: int | None = AS_OF, **rejected: int) -> list[str]:
    export = ExportDates(AS_OF, usage_end, TODAY, was_given=False)
    latest = (AS_OF + 9) * DAY_MICROSECONDS + 1
    reasons = {{"later": LATER, "uncovered": UNCOVERED}[name]: count for name, count in rejected.items()}
    return DatesAfterExport(export, np.array(unclaimed, dtype=np.int32), latest).warnings(
        reasons, PLAIN_WORDS
    )


def test_without_a_date_after_the_export_nothing_is_said() -> None:
    assert warnings() == warnings(later=0, uncovered=0) == []


def test_usage_that_is_later_and_usage_of_periods_that_few_report_in_are_told_apart() -> None:
    covered = "and not used: by ingest.min_coverage, usage is covered up to 2020-01-27"
    later, few = warnings(later=2, uncovered=1)
    assert later == f"2 usage rows are stamped after the export (the latest on 2020-02-05) {covered}"
    assert few == f"1 usage row is in periods in which few companies report {covered}"
    assert [warnings(later=1)[0][:16], warnings(uncovered=3)[0][:16]] == [
        "1 usage row is s",
        "3 usage rows are",
    ]
    assert "covered up to no day" in warnings(later=1, usage_end=None)[0]


def test_usage_after_a_day_that_was_given_is_not_put_down_to_how_many_report() -> None:
    export = ExportDates(AS_OF, AS_OF, TODAY, was_given=True)
    dates = DatesAfterExport(export, np.array([], dtype=np.int32), (AS_OF + 9) * DAY_MICROSECONDS)
    assert dates.warnings({LATER: 2}, PLAIN_WORDS) == [
        "2 usage rows are stamped after the export (the latest on 2020-02-05) and not used: "
        "its day was given as 2020-01-27"
    ]


def test_conversions_up_to_the_clock_s_day_can_be_claimed_and_those_after_it_cannot() -> None:
    past, ahead = warnings(AS_OF + 1, TODAY, TODAY + 1)
    assert past == (
        "2 customers are dated after 2020-01-27 (the latest on 2020-02-08): they stay prospects; "
        "if the tables were exported after 2020-01-27, give the date: --as-of DATE"
    )
    assert ahead == (
        "1 customer is dated after 2020-01-27 (the latest on 2020-02-09): it stays a prospect; "
        "that date is in the future: the clock says 2020-02-08"
    )
    assert len(warnings(TODAY)) == len(warnings(TODAY + 1)) == 1


def test_reasons_are_known_by_what_a_description_calls_entities_and_days_by_which_of_them_is_meant() -> None:
    words = Words(entity=Noun("account", "accounts"), customer=Noun("buyer", "buyers"))
    export = ExportDates(AS_OF, AS_OF - 7, TODAY, was_given=True)
    dates = DatesAfterExport(export, np.array([AS_OF + 1], dtype=np.int32), 0)
    few, past = dates.warnings({in_words(UNCOVERED, words): 2}, words)
    assert few == (
        "2 usage rows are in periods in which few accounts report and not used: "
        "by ingest.min_coverage, usage is covered up to 2020-01-20"
    )
    assert past == (
        "1 buyer is dated after 2020-01-27 (the latest on 2020-01-28): it stays a prospect; "
        "if the tables were exported after 2020-01-27, give the date: --as-of DATE"
    )
