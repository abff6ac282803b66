from dataclasses import replace

import numpy as np
import pytest

from ml_sys.days import WEEKLY, Period
from ml_sys.outcomes.arrival import Export, history_checks, row_checks, usage_checks, volume_check
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
        {"usage": 480},
        {"usage": 2},
        {},
    )


def only(one, rows):
    return replace(one, company=one.company[rows], complete_on=one.complete_on[rows], values=one.values[rows])


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
    before, now = export(), replace(export(), rejected={"usage": 30}, merged={"usage": 1})
    found = by_name(row_checks(now, before, LIMITS))
    assert found["rows of usage that are set aside"].effect == pytest.approx(28 / 480)
    assert beyond(row_checks(now, before, LIMITS)) == {"rows of usage that are set aside"}
    assert beyond(row_checks(before, now, LIMITS)) == set()


def test_a_few_rows_of_a_small_table_are_chance():
    before = replace(export(), read={"customers": 90}, rejected={})
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
