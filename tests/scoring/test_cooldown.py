from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from ml_sys.scoring.cooldown import NEVER_LISTED, cooling_down, days_of, put_last

CUTOFF = 18_000
DAYS = st.just(NEVER_LISTED) | st.integers(CUTOFF - 60, CUTOFF + 20)
WEEKS = st.integers(0, 8)


@st.composite
def lists(draw):
    """An order of companies, some left out, and the day on which each was last listed."""
    days = np.array(draw(st.lists(DAYS, max_size=30)), dtype=np.int32)
    order = draw(st.permutations(range(days.size)))
    return np.array(order[: draw(st.integers(0, days.size))], dtype=np.intp), days


def cooled_order(order, days, cutoff, weeks):
    return put_last(order, cooling_down(days, cutoff, weeks))


@given(lists(), WEEKS)
def test_companies_listed_lately_come_last_and_nobody_is_lost(case, weeks):
    order, days = case
    found = cooled_order(order, days, CUTOFF, weeks).tolist()
    waits = {at: CUTOFF - 7 * weeks < days[at] < CUTOFF for at in order.tolist()}
    assert found == sorted(order.tolist(), key=waits.get)  # a stable sort: each part keeps its order


@given(lists())
def test_without_weeks_the_order_stays(case):
    order, days = case
    np.testing.assert_array_equal(cooled_order(order, days, CUTOFF, 0), order)


@given(lists(), WEEKS)
def test_to_cool_an_order_twice_changes_nothing_more(case, weeks):
    order, days = case
    once = cooled_order(order, days, CUTOFF, weeks)
    np.testing.assert_array_equal(cooled_order(once, days, CUTOFF, weeks), once)


def test_a_list_counts_from_the_day_after_until_the_weeks_are_over():
    days = np.array([CUTOFF - 29, CUTOFF - 28, CUTOFF - 27, CUTOFF - 1, CUTOFF, CUTOFF + 1, NEVER_LISTED])
    expected = [False, False, True, True, False, False, False]
    assert cooling_down(days.astype(np.int32), CUTOFF, 4).tolist() == expected


def test_an_id_that_was_never_listed_has_no_day():
    assert days_of(pa.array(["c", "x"]), {"b": 1, "c": 2}).tolist() == [2, NEVER_LISTED]


def test_an_id_that_is_not_among_those_listed_has_another_day_where_one_is_named():
    ids = pa.array(["x", "b", "c"])
    assert days_of(ids, {"b": 1, "c": 2}, other=9).tolist() == [9, 1, 2]
    assert days_of(ids, {}, other=9).tolist() == [9, 9, 9]
