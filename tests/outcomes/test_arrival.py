from collections import Counter
from dataclasses import replace
from statistics import median

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_sys.data.ingest_counts import IngestCounts
from ml_sys.days import WEEKLY, Period
from ml_sys.form import Noun, Words
from ml_sys.outcomes.arrival import (
    Export,
    arrived,
    checks_of_arrival,
    checks_of_history,
    found_again,
    in_words,
    row_checks,
    volume_check,
)
from ml_sys.outcomes.counts import rate_p_value
from ml_sys.outcomes.monitoring import Check, change
from tests.outcomes.watched import LIMITS, beyond, by_name

WEEKS, N = 12, 40


def export():
    """40 companies that all report in 12 weeks, the last of which was complete on day 84."""
    company = np.repeat(np.arange(N, dtype=np.int32), WEEKS)
    day = np.tile(np.arange(1, WEEKS + 1, dtype=np.int32) * 7, N)
    return Export(
        np.array([f"c{at}" for at in range(N)], dtype=object),
        np.array([f"industry {at % 7}" for at in range(N)], dtype=object),
        company,
        day,
        np.stack((company, day), axis=1),
    )


ROWS = IngestCounts({"usage": 480}, {"usage": 2}, {})


def only(one, rows):
    return replace(one, company=one.company[rows], complete_on=one.complete_on[rows], values=one.values[rows])


def usage_checks(one, day, covers, limits):
    """Check usage that is one part."""
    ends = int(one.complete_on.max()) if one.complete_on.size else None
    return checks_of_arrival(ends, [arrived(one, ends, covers)], day, covers, limits)


def history_checks(now, before, limits):
    """Check two exports of one part each."""
    return checks_of_history([found_again(now, before)], limits)


def test_usage_that_reaches_today_rings_nothing():
    assert beyond(usage_checks(export(), 84, WEEKLY, LIMITS)) == set()
    assert beyond(usage_checks(export(), 90, WEEKLY, LIMITS)) == set()


def test_usage_that_misses_a_period_is_late():
    assert beyond(usage_checks(export(), 91, WEEKLY, LIMITS)) == {"days since usage ends"}
    assert beyond(usage_checks(export(), 91, WEEKLY, replace(LIMITS, late_days=1))) == set()
    assert beyond(usage_checks(only(export(), slice(0, 0)), 91, WEEKLY, LIMITS)) == {"days since usage ends"}


def test_usage_dated_after_today_rings():
    found = by_name(usage_checks(export(), 80, WEEKLY, LIMITS))
    assert found["days that usage lies ahead"].now == 4
    assert found["days that usage lies ahead"].effect > found["days that usage lies ahead"].limit


def test_the_last_week_is_held_against_the_middle_of_those_before():
    one = export()
    half = only(one, (one.complete_on < 84) | (one.company < N // 2))
    found = by_name(usage_checks(half, 84, WEEKLY, LIMITS))
    for name in ("usage rows of the last week", "companies that report in it"):
        assert (found[name].now, found[name].reference, found[name].effect) == (20, 40, 0.5)
    assert beyond(usage_checks(half, 84, WEEKLY, LIMITS)) == set(found) - {
        "days since usage ends", "days that usage lies ahead",
    }  # fmt: skip


def test_daily_rows_are_counted_by_the_week():
    one = export()
    daily = replace(one, complete_on=(one.complete_on - np.arange(one.company.size) % 7).astype(np.int32))
    assert by_name(usage_checks(daily, int(daily.complete_on.max()), Period("day"), LIMITS))[
        "usage rows of the last week"
    ].now == pytest.approx(40, abs=8)


def test_rows_set_aside_ring_when_their_share_rises_and_not_when_it_falls():
    before, now = ROWS, replace(ROWS, rejected={"usage": 30}, merged={"usage": 1})
    found = by_name(row_checks(now, before, LIMITS))
    assert found["rows of usage that are set aside"].effect == pytest.approx(28 / 480)
    assert beyond(row_checks(now, before, LIMITS)) == {"rows of usage that are set aside"}
    assert beyond(row_checks(before, now, LIMITS)) == set()


def test_a_few_rows_of_a_small_table_are_chance():
    before = IngestCounts({"customers": 90}, {}, {})
    (few, _) = row_checks(replace(before, rejected={"customers": 3}), before, LIMITS)
    (many, _) = row_checks(replace(before, rejected={"customers": 30}), before, LIMITS)
    assert few.p == pytest.approx(2 / 8)
    assert many.p < 1e-8


def test_prospects_may_grow_further_than_they_may_shrink():
    assert volume_check(70, 100, LIMITS).effect == pytest.approx(0.3)
    assert volume_check(190, 100, LIMITS).effect < LIMITS.max_volume_change
    assert volume_check(210, 100, LIMITS).effect > LIMITS.max_volume_change


def test_the_same_past_and_more_is_found_again():
    one = export()
    before = only(one, one.complete_on <= 56)
    found = by_name(history_checks(one, before, LIMITS))
    assert [each.now for each in found.values()] == [1.0, 1.0]


@pytest.mark.parametrize(
    ("rewritten", "rings"),
    [
        ({"ids": np.array([f"n{at}" for at in range(N)], dtype=object)}, {"companies found again"}),
        ({"complete_on": export().complete_on + 7}, {"past usage rows found again"}),
        ({"values": export().values * 2}, {"past usage rows found again"}),
    ],
)
def test_another_past_rings(rewritten, rings):
    assert beyond(history_checks(replace(export(), **rewritten), export(), LIMITS)) == rings


def test_missing_companies_ring_and_those_left_keep_their_past():
    one = export()
    few = only(one, one.company < N // 2)
    few = replace(few, ids=one.ids[: N // 2], about=one.about[: N // 2])
    assert beyond(history_checks(few, one, LIMITS)) == {"companies found again"}


def test_companies_of_another_world_have_no_past_to_compare():
    other = replace(export(), about=np.array(["else"] * N, dtype=object), values=export().values + 1)
    assert set(by_name(history_checks(other, export(), LIMITS))) == {"companies found again"}


def test_what_arrived_is_told_whole():
    one, name = export(), ("arrival",)
    age, ahead, rows, companies = usage_checks(one, 86, WEEKLY, LIMITS)
    late = 6.0 + LIMITS.late_days
    assert age == Check(*name, "days since usage ends", 2.0, 7.0, "days", 2.0, late)
    assert ahead == Check(*name, "days that usage lies ahead", 0.0, 0.0, "days", 0.0, 0.0)
    most = LIMITS.max_arrival_change
    assert rows == Check(*name, "usage rows of the last week", 40.0, 40.0, "rows", 0.0, most)
    assert companies == Check(*name, "companies that report in it", 40.0, 40.0, "companies", 0.0, most)
    (nothing,) = usage_checks(only(one, slice(0, 0)), 86, WEEKLY, LIMITS)
    assert (nothing.reference, nothing.effect, nothing.limit) == (7, late + 7, late)
    assert np.isnan(nothing.now)
    longer = usage_checks(one, 86, WEEKLY, replace(LIMITS, late_days=3))[0]
    assert longer.limit == 9


def test_only_the_eight_weeks_before_the_last_tell_what_is_usual():
    one = export()
    # Nine weeks before the last half of the companies report no more; within the eight all do.
    early = only(one, (one.complete_on >= 84 - 8 * 7) | (one.company < 3))
    assert by_name(usage_checks(early, 84, WEEKLY, LIMITS))["usage rows of the last week"].reference == 40
    late = only(one, (one.complete_on >= 84 - 3 * 7) | (one.company < 4))
    found = by_name(usage_checks(late, 84, WEEKLY, LIMITS))
    assert found["usage rows of the last week"].reference == 4  # the middle of 40, 40, 40 and five times 4


def test_a_company_that_reports_twice_in_a_week_counts_once():
    one = export()
    twice = replace(
        one,
        company=np.tile(one.company, 2),
        complete_on=np.tile(one.complete_on, 2),
        values=np.tile(one.values, (2, 1)),
    )
    found = by_name(usage_checks(twice, 84, WEEKLY, LIMITS))
    assert found["usage rows of the last week"].now == 80
    assert found["companies that report in it"].now == 40


def test_rows_not_taken_are_told_whole():
    before = IngestCounts({"usage": 100, "customers": 10}, {"usage": 5}, {})
    now = replace(before, read={"usage": 200, "customers": 0}, merged={"customers": 1, "usage": 4})
    found = by_name(row_checks(now, before, LIMITS))
    assert list(found) == [
        "rows of usage that are set aside", "rows of customers that are set aside",
        "rows of usage that are merged", "rows of customers that are merged",
    ]  # fmt: skip
    aside = found["rows of usage that are set aside"]
    assert (aside.group, aside.now, aside.reference, aside.unit) == ("arrival", 0.025, 0.05, "share")
    assert (aside.effect, aside.limit) == (pytest.approx(-0.025), LIMITS.max_rejected_rise)
    assert aside.p == rate_p_value(5, 5, 200 / 300)
    merged = found["rows of usage that are merged"]
    assert (merged.now, merged.reference, merged.p) == (0.02, 0, rate_p_value(4, 0, 200 / 300))
    assert found["rows of customers that are merged"].now == 1  # of none read, as if of one


def test_prospects_are_told_whole_and_growth_counts_half():
    limit = LIMITS.max_volume_change
    assert volume_check(50, 100.0, LIMITS) == Check(
        "arrival", "prospects", 50, 100.0, "companies", 0.5, limit
    )
    assert volume_check(200, 100.0, LIMITS).effect == 0.25
    assert volume_check(100, 100.0, LIMITS).effect == 0


def test_what_is_found_again_is_told_whole():
    one = export()
    companies, rows = history_checks(one, one, LIMITS)
    lost = LIMITS.max_lost
    assert companies == Check("arrival", "companies found again", 1.0, 1.0, "share", 0.0, lost)
    assert rows == Check("arrival", "past usage rows found again", 1.0, 1.0, "share", 0.0, lost)
    # Of ten companies fewer the others keep their rows, whatever place they now have.
    left = N - 10
    order = np.arange(N)[::-1][:left]
    place = np.full(N, -1)
    place[order] = np.arange(left)
    kept = one.company >= 10
    moved = replace(
        one,
        ids=one.ids[order],
        about=one.about[order],
        company=place[one.company[kept]].astype(np.int32),
        complete_on=one.complete_on[kept],
        values=one.values[kept],
    )
    companies, rows = history_checks(moved, one, LIMITS)
    assert (companies.now, companies.effect) == (left / N, pytest.approx(10 / N))
    assert rows.now == 1
    half = replace(one, values=np.where(one.company[:, None] < N // 4, one.values, one.values + 1))
    assert history_checks(half, one, LIMITS)[1].now == pytest.approx(0.25)
    swapped = replace(one, values=one.values[:, ::-1])
    assert history_checks(swapped, one, LIMITS)[1].now < 0.2


@pytest.mark.parametrize(("alike", "checks"), [(N // 2, 2), (N // 2 - 1, 1)])
def test_usage_is_compared_once_half_of_the_companies_say_the_same(alike, checks):
    one = export()
    about = np.where(np.arange(N) < alike, one.about, "else").astype(object)
    assert len(history_checks(replace(one, about=about), one, LIMITS)) == checks


def test_an_earlier_export_without_companies_or_usage_has_nothing_to_find_again():
    one = export()
    nobody = replace(only(one, slice(0, 0)), ids=one.ids[:0], about=one.about[:0])
    (companies,) = history_checks(one, nobody, LIMITS)
    assert companies.now == 1
    assert len(history_checks(one, only(one, slice(0, 0)), LIMITS)) == 1


def test_all_eight_weeks_and_not_the_last_one_tell_what_is_usual():
    one = export()
    # Of the eight weeks before the last four have all companies and four a few, as the last one has.
    some = only(one, (one.complete_on < 84 - 4 * 7) | (one.company < 4))
    found = by_name(usage_checks(some, 84, WEEKLY, LIMITS))
    for name in ("usage rows of the last week", "companies that report in it"):
        assert (found[name].now, found[name].reference) == (4, 22)


def test_where_only_companies_that_are_gone_had_usage_none_of_it_is_found_again():
    one = export()
    gone = replace(one, ids=one.ids[5:], about=one.about[5:])
    before = only(one, one.company < 5)
    found = by_name(history_checks(gone, before, LIMITS))
    assert found["companies found again"].now == pytest.approx(35 / 40)
    assert (found["past usage rows found again"].now, found["past usage rows found again"].effect) == (0, 1)


FIRST_OF_MONTHS = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334]  # of 1970


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 90)), min_size=1, max_size=40),
    st.sampled_from(["day", "week", "month"]),
    st.integers(-3, 40),
)
def test_usage_is_held_against_what_a_diary_of_it_says(reported, covers, later):
    """Reports are (company, how long before the last possible day), in the stretches of a diary."""
    if covers == "month":
        ends = [FIRST_OF_MONTHS[11 - back % 11] for _, back in reported]
        stretch = {end: FIRST_OF_MONTHS.index(max(ends)) - FIRST_OF_MONTHS.index(end) for end in ends}
    else:
        apart = {"day": 1, "week": 7}[covers]
        ends = [700 - back * apart for _, back in reported]
        stretch = {end: (max(ends) - end) // 7 for end in ends}
    diary = [(stretch[end], company) for (company, _), end in zip(reported, ends, strict=True)]
    rows, companies = Counter(at for at, _ in diary), Counter(at for at, _ in set(diary))
    usual = [median(count[at] for at in range(1, 9)) for count in (rows, companies)]
    usage = only(export(), slice(0, len(reported)))
    usage = replace(
        usage,
        company=np.array([company for company, _ in reported], dtype=np.int32),
        complete_on=np.array(ends, dtype=np.int32),
    )
    days = {"day": 1.0, "week": 7.0, "month": 31.0}[covers]
    age, most = float(later), LIMITS.max_arrival_change
    word = "month" if covers == "month" else "week"
    assert usage_checks(usage, max(ends) + later, Period(covers), replace(LIMITS, late_days=2)) == [
        Check("arrival", "days since usage ends", age, days, "days", age, days + 1),
        Check("arrival", "days that usage lies ahead", max(0.0, -age), 0.0, "days", max(0.0, -age), 0.0),
        Check("arrival", f"usage rows of the last {word}", rows[0], usual[0], "rows",
              change(rows[0], usual[0]), most),
        Check("arrival", "companies that report in it", companies[0], usual[1], "companies",
              change(companies[0], usual[1]), most),
    ]  # fmt: skip


def test_only_what_is_said_of_companies_is_said_in_the_words_of_a_description():
    words = Words(entity=Noun("shop", "shops"), customer=Noun("buyer", "buyers"))
    checks = [
        *usage_checks(export(), 84, WEEKLY, LIMITS), *row_checks(ROWS, ROWS, LIMITS),
        *history_checks(export(), export(), LIMITS),
        Check("arrival", "companies, a column", 1.0, 1.0, "share", 0.0, 1.0),
    ]  # fmt: skip
    said = in_words(checks, words)
    named = {
        "companies that report in it": "shops that report in it",
        "companies found again": "shops found again",
    }
    assert said == [replace(one, name=named.get(one.name, one.name)) for one in checks]
    assert {one.name for one in said} > set(named.values())
