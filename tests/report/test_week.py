"""The summary of a week, as Markdown and HTML."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ml_sys.data.ingest_report import IngestReport, TableReport
from ml_sys.form import PLAIN_WORDS
from ml_sys.metrics.bootstrap import Estimate
from ml_sys.outcomes.impact import Impact, ListOutcome
from ml_sys.outcomes.lists import HandedOutList
from ml_sys.outcomes.monitoring import Check, Monitoring
from ml_sys.outcomes.promised import ListPart
from ml_sys.report.markdown import as_markdown
from ml_sys.report.rendering import as_html
from ml_sys.report.week import (
    Call,
    Retrained,
    SinceLast,
    Week,
    WeeksList,
    last_matured,
    list_sentence,
    retrained_sentence,
    since_sentence,
    summary_page,
)
from ml_sys.views import weekly as views

GOLDEN = Path(__file__).parent / "golden" / "week.md"
DAY = 18_330  # 2020-03-09


@pytest.fixture
def week() -> Week:
    """A week with something of everything."""
    return Week(
        IngestReport(
            "5b4d", Path("s"), True, "2020-03-15", 500, 20, 4000,
            {"usage": TableReport("u.csv", 4003, 4000, {"bad": 3}, {}, {}, None, None)},
            (), (), (), ("3 usage rows are stamped after the export",),
        ),
        Monitoring(
            "1.0.0", "5b4d", "2020-03-15", "2020-03-09", ("2020-01-06",), 480,
            (Check("arrival", "prospects", 240, 480, "companies", 0.5, 0.25, alarm=True),),
        ),
        WeeksList(
            HandedOutList(
                "2020-03-09-00aa", DAY, "1.0.0", "2020-03-15T06:00:00+00:00", "d", 30, 2, "lottery", 7,
                480, 3.0, 480,
            ),
            "new",
            2,
            0.31,
            (
                Call("17", 0.21, "A", ("12 people used contacts", "about 36 employees")),
                Call("a|b *c* <i>", 0.1, "B", ()),
            ),
            SinceLast("2020-03-02-00bb", 1, 1, 1, 0),
            ("400 of 480 prospects have usage",),
        ),
        Impact(
            DAY + 6,
            (
                ListOutcome("2020-02-03-00cc", "1.0.0", DAY - 35, 2, 0.4, 1, 99.0, DAY - 5, False),
                ListOutcome("2020-03-09-00aa", "1.0.0", DAY, 2, 0.31, None, None, DAY + 30, False),
            ),
            1, (), (), None,
            ListPart(2, 0.4, 1, Estimate(0.5, 0.1, 0.9), 0.5, 9.0, 99.0), None, None, None, 0.95,
        ),
        Retrained("1.0.1", promoted=False, unmet=("positives: 3, asked at least 20",)),
    )  # fmt: skip


def test_the_summary_says_the_week_in_markdown_that_can_be_mailed(week):
    assert as_markdown(summary_page(week)) == GOLDEN.read_text(encoding="utf-8")


def test_the_summary_as_a_page_says_the_same_and_escapes_what_strangers_wrote(week):
    page = as_html(summary_page(week))
    assert "<i>" not in page
    assert "a|b *c* &lt;i&gt;" in page
    assert "List 2020-03-09-00aa is handed out: 2 companies to call" in page


def test_a_week_without_a_list_says_so(week):
    said = as_markdown(summary_page(replace(week, listed=None, impact=None, retrained=None)))
    assert "No list was handed out." in said
    assert "There is no list." in said


def test_the_terminal_says_whom_to_call_what_rings_and_what_lists_brought(week, capsys):
    views.week(week)
    said, warned = capsys.readouterr()
    for part in (
        "Snapshot 5b4d (new)",
        "1 alarm rings:",
        "12 people used contacts",
        "List 2020-03-09-00aa is handed out",
        "promised 0.4 conversions in 2 calls, and 1 came",
        "the gate refused it",
    ):
        assert part in said
    assert "handed out all the same" in warned


@pytest.mark.parametrize(
    ("new", "again", "gone", "paid", "said"),
    [
        (50, 0, 50, 2, "None of the 50 companies to call appeared on the previous call list (x). "
         "Not called again: 50 companies, of which 2 paid since."),
        (0, 50, 0, 0, "All of the 50 companies to call appeared on the previous call list (x) as well."),
        (3, 47, 3, 0, "47 of the 50 companies to call appeared on the previous call list (x). "
         "Not called again: 3 companies, of which none paid since."),
    ],
)  # fmt: skip
def test_what_changed_since_the_list_before_reads_as_a_sentence(new, again, gone, paid, said):
    assert since_sentence(SinceLast("x", new, again, gone, paid), PLAIN_WORDS.entity) == said


def test_the_last_list_whose_outcome_is_known_may_be_one_on_which_nobody_paid(week):
    first, waits = week.impact.lists
    last = replace(first, list_id="last", realised=0)
    assert last_matured(replace(week.impact, lists=(first, last, waits))) is last
    assert last_matured(replace(week.impact, lists=(waits,))) is None


@pytest.mark.parametrize(
    ("recorded", "begin"),
    [
        ("new", "List 2020-03-09-00aa is handed out: "),
        ("same", "List 2020-03-09-00aa was already handed out on 2020-03-15 and is unchanged: "),
        ("replaced", "List 2020-03-09-00aa replaces the one before (late data): "),
    ],
)
def test_a_list_says_whether_it_is_new_the_same_or_in_the_place_of_another(week, recorded, begin):
    record = replace(week.listed.record, reason="late data")
    said = list_sentence(replace(week, listed=replace(week.listed, record=record, recorded=recorded)))
    assert said == f"{begin}2 companies to call, 0.3 conversions expected by version 1.0.0."


def test_whether_a_version_went_into_production_is_what_the_gate_did_and_not_what_it_says(week):
    for unmet in ((), ("a limit",)):
        for promoted in (False, True):
            one = Retrained("1.0.1", promoted, unmet)
            assert replace(week, retrained=one).refused is not promoted
            assert ("is in production from now on" in retrained_sentence(one)) is promoted
    assert retrained_sentence(Retrained("1.0.1", False)).endswith("the gate refused it.")
    assert not replace(week, retrained=None).refused


def test_only_what_rings_is_an_alarm_of_the_week(week):
    silent = replace(week.monitoring.checks[0], alarm=False)
    both = replace(week, monitoring=replace(week.monitoring, checks=(silent, *week.monitoring.checks)))
    assert both.to_plain()["alarms"] == week.monitoring.checks
    assert both.to_plain()["cutoff"] == "2020-03-09"
    assert as_markdown(summary_page(both)) == as_markdown(summary_page(week))


def test_what_strangers_wrote_is_shown_on_one_line_and_written_out(week):
    hostile = Call("a\u202eb", 0.1, "B", ("c\x1bd",))
    listed = replace(week.listed, first=(hostile,), notes=("e\x07f",))
    said = as_markdown(summary_page(replace(week, listed=listed, impact=None)))
    assert not {"\u202e", "\x1b", "\x07"} & set(said)
    assert "The first 1 of 2 companies to call:" in said
    assert "1 of the 2 companies to call appeared on the previous call list" in said
    broken = replace(week.monitoring, notes=("one\n\n# two",))
    assert "- one # two" in as_markdown(summary_page(replace(week, monitoring=broken)))
