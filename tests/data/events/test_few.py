import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_sys.data.events.counting import Counting
from ml_sys.data.events.few import count_few
from ml_sys.days import DAY_MICROSECONDS, Period
from tests.data.events.made import DIGITS, EVENT, MONDAY, counted, event, few, same


@settings(max_examples=15, deadline=None)
@given(
    st.lists(EVENT, max_size=25),
    st.builds(
        Period,
        st.sampled_from(["day", "week", "month"]),
        st.integers(1, 3),
        st.sampled_from(["start", "end"]),
    ),
    st.sampled_from([None, (), ("a",), ("view", "Öl", "b")]),
    st.booleans(),
    st.randoms(use_true_random=False),
)
def test_few_events_are_counted_as_many_are_and_their_order_changes_nothing(
    rows, period, kinds, has_ids, random
):
    counting = Counting(kinds, DIGITS, has_users=True, period=period)
    many = counted(rows, counting, has_ids=has_ids)
    assert same(many, count_few(few(rows, has_ids=has_ids), counting))
    random.shuffle(rows)
    assert same(many, counted(rows, counting, has_ids=has_ids))


def test_of_events_that_share_an_identifier_the_earliest_counts_whatever_the_others_say():
    rows = [
        event(kind="a", one=1.0, event_id="e", hour=5),
        event(kind="b", one=2.0, event_id="e", hour=1),
        event(kind="b", one=1.0, event_id="e", hour=3),
    ]
    counting = Counting(("a", "b"), DIGITS, has_users=False, period=Period("day"))
    assert count_few(few(rows), counting).values.tolist() == [[0, 1, 0, 2000, 0]]
    assert counted(rows, counting).values.tolist() == [[0, 1, 0, 2000, 0]]


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(
    ("first", "other"),
    [
        ({"kind": "a", "one": 9.0}, {"kind": "b", "one": 1.0}),
        ({"kind": "a", "one": 1.0, "user": "z"}, {"kind": "a", "one": 2.0, "user": "y"}),
        ({"kind": "a", "one": 1.0, "two": 3.0}, {"kind": "a", "one": 1.0, "two": 4.0}),
    ],
)
def test_of_events_of_one_moment_and_identifier_the_least_by_what_they_say_counts_in_whichever_order(
    first, other, turned
):
    rows = [event(event_id="e", **one) for one in ((other, first) if turned else (first, other))]
    counting = Counting(("a", "b"), DIGITS, has_users=True, period=Period("day"))
    alone = count_few(few([event(**first)]), counting)
    assert same(count_few(few(rows), counting), alone)
    assert same(counted(rows, counting), alone)


def test_an_identifier_is_repeated_within_its_entity_alone_and_a_blank_one_never():
    rows = [event(event_id="e"), event(entity=1, event_id="e"), event(), event()]
    counting = Counting(None, DIGITS, has_users=False, period=Period("day"))
    assert count_few(few(rows), counting).values[:, 0].tolist() == [3, 1]
    assert same(count_few(few(rows), counting), counted(rows, counting))


def test_an_event_counts_on_the_day_that_it_lies_on_and_nobody_unknown_is_a_person():
    rows = [
        event(hour=0, user="x"),
        event(hour=23, user=""),
        event(hour=23, user="x"),
        event(hour=24, user="y"),
    ]
    counting = Counting(None, DIGITS, has_users=True, period=Period("day"))
    found = count_few(few(rows), counting)
    assert found.stamp.tolist() == [MONDAY * DAY_MICROSECONDS, (MONDAY + 1) * DAY_MICROSECONDS]
    assert found.values[:, [0, -1]].tolist() == [[3, 1], [1, 1]]
    assert same(found, counted(rows, counting))
