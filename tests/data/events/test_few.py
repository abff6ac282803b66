from hypothesis import given, settings
from hypothesis import strategies as st

from ml_sys.data.events.counting import Counting
from ml_sys.data.events.few import count_few
from ml_sys.days import Period
from tests.data.events.made import DIGITS, EVENT, counted, event, few, same


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
