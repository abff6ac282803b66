import numpy as np
import pytest

from ml_sys.data.checking.scalars import Fault
from ml_sys.data.events.counting import AMOUNT_LIMIT, Counting, choose_kinds, scaled, stamps_of
from ml_sys.days import Period
from ml_sys.settings.description import SchemaSettings


def test_kinds_that_would_share_a_name_are_one_of_the_others():
    assert choose_kinds(
        {"log in": 3, "log-in": 2, "other": 9, "Other!": 8, "users": 8, "": 7, "b": 1}, 9
    ) == (
        "log in",
        "b",
    )


def test_ties_between_kinds_are_broken_by_name():
    assert choose_kinds({"b": 2, "a": 2, "c": 2}, 2) == ("a", "b")
    assert choose_kinds({"ba": 2, "ab": 2, "C": 2}, 2) == ("C", "ab")


@pytest.mark.parametrize(
    ("amount", "fault"), [(-0.1, Fault.NEGATIVE), (np.inf, Fault.TOO_LARGE), (1e14, Fault.TOO_LARGE)]
)
def test_an_amount_that_cannot_be_added_up_has_a_fault(amount, fault):
    whole, faults = scaled(np.array([amount, 1.0]), 3)
    assert whole.tolist() == [0, 1000]
    assert faults.tolist() == [fault, Fault.NONE]


def test_an_amount_is_rounded_half_to_even_and_a_blank_adds_nothing():
    assert scaled(np.array([0.5, 1.5, 2.5, np.nan]), 0)[0].tolist() == [0, 2, 2, 0]


def test_nothing_is_an_amount_and_the_largest_is_counted():
    whole, faults = scaled(np.array([0.0, float(AMOUNT_LIMIT), 2.0 * AMOUNT_LIMIT]), 0)
    assert whole.tolist() == [0, AMOUNT_LIMIT, 0]
    assert faults.tolist() == [0, 0, Fault.TOO_LARGE]


def test_people_are_counted_where_the_table_says_who_did_it():
    log = {"kind": "events", "id": "team", "at": "at"}
    for more, has_users in (({}, False), ({"user": "who"}, True)):
        form = SchemaSettings.model_validate(
            {"tables": {"log": log | more, "bought": {"kind": "purchases", "at": "day"}}}
        ).form()
        counting = Counting.of(form, "log", Period("day"))
        assert (counting.kinds, counting.has_users) == (None, has_users)
        assert counting.n_measures == len(form.measures)


def test_what_is_counted_follows_from_the_form():
    events = {
        "kind": "events", "at": "at", "event": "what", "kinds": ("b", "a"), "user": "who",
        "amounts": {"minutes": {"column": "m", "role": "amount", "digits": 1}},
    }  # fmt: skip
    tables = {"log": events, "bought": {"kind": "purchases", "at": "day"}}
    form = SchemaSettings.model_validate({"tables": tables}).form()
    counting = Counting.of(form, "log", Period("month"))
    assert counting == Counting(("b", "a"), (1,), has_users=True, period=Period("month"))
    assert counting.n_measures == len(form.measures)


@pytest.mark.parametrize(
    ("period", "day", "stamp"),
    [
        (Period("day"), "2024-02-29", "2024-02-29"),
        (Period("day", stamp="end"), "2024-02-29", "2024-03-01"),
        (Period("week"), "2024-03-03", "2024-02-26"),
        (Period("week"), "2024-03-04", "2024-03-04"),
        (Period("week", stamp="end"), "2024-03-03", "2024-03-04"),
        (Period("month"), "2024-02-29", "2024-02-01"),
        (Period("month", stamp="end"), "2024-12-31", "2025-01-01"),
        (Period("month", 3), "2024-05-31", "2024-04-01"),
    ],
)
def test_an_event_belongs_to_the_row_of_its_period(period, day, stamp):
    days = np.array([np.datetime64(day, "D").astype(int)], np.int32)
    stamps = stamps_of(days, period)
    assert str(stamps.astype("datetime64[D]")[0]) == stamp
    assert period.complete_on(stamps)[0] > days[0]


def test_an_amount_that_rounds_to_nothing_from_below_is_negative():
    whole, faults = scaled(np.array([-0.001, 0.001]), 2)
    assert (whole.tolist(), faults.tolist()) == ([0, 0], [Fault.NEGATIVE, Fault.NONE])


def test_of_kinds_as_frequent_the_first_of_the_alphabet_comes_first_however_long():
    assert choose_kinds({"b": 2, "aa": 2, "ccc": 3}, 2) == ("ccc", "aa")
