from hypothesis import given, settings
from hypothesis import strategies as st

from ml_sys.data.events.counting import Counting
from ml_sys.data.events.few import count_few
from ml_sys.days import Period
from tests.data.events.made import DIGITS, EVENT, counted, few, same


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
