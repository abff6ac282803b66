"""What a table or a date is, by its names."""

from __future__ import annotations

import pytest

from ml_sys.data.proposing import kinds
from tests.data.proposing.small import column, day, looked


def names(found):
    return [one.name for one in found]


@pytest.mark.parametrize(
    ("table", "columns", "is_it"),
    [
        ("orders", ["day"], True),
        ("all_invoices", ["day"], True),
        ("reorders", ["day"], False),  # a word begins with it
        ("log", ["day", "order_id"], True),
        ("log", ["day", "order_size"], False),  # no identifier
        ("log", ["purchased_on"], True),
        ("log", ["day", "purchased_on"], True),
        ("log", ["paid_at", "created_at"], False),  # an entity that began to exist
        ("log", ["day"], False),
    ],
)
def test_a_table_is_of_purchases_by_its_name_an_identifier_or_a_date(table, columns, is_it):
    made = [column(one) if one.startswith("order") else day(one) for one in columns]
    assert kinds.is_of_purchases(looked(table, *made)) == is_it


def test_purchases_have_a_day_in_nine_of_ten_rows():
    assert kinds.is_of_purchases(looked("orders", day("day", 90)))
    assert not kinds.is_of_purchases(looked("orders", day("day", 89)))
    assert not kinds.is_of_purchases(looked("orders", column("day")))


@pytest.mark.parametrize(
    ("name", "filled", "is_it"),
    [
        ("converted_on", 20, True),
        ("customer_since", 20, True),
        ("CLOSEDATE", 20, True),
        ("closed_at", 20, False),  # an account may be closed
        ("closed_at", 98, True),  # all of them are not
        ("closed_at", 97, False),
        ("deal_closed", 20, True),
        ("closed_won", 20, True),
        ("first_order_at", 20, True),
        ("first_login", 20, False),
        ("order_until", 20, False),
        ("last_paid_at", 20, False),
        ("subscription_ends", 20, False),
        ("subscription_canceled", 20, False),
        ("customer_registered_on", 20, False),
        ("paid_signup", 20, False),
        ("customer_created", 20, False),
        ("day", 20, False),
    ],
)
def test_a_date_is_of_the_conversion_by_its_name(name, filled, is_it):
    assert names(kinds.conversion_columns(looked("users", day(name, filled)))) == ([name] if is_it else [])


def test_that_all_converted_is_said_of_a_column_that_is_nearly_full():
    assert kinds.nobody_says([looked("users", day("paid_on", 98))]).startswith("users.paid_on is filled in")
    nobody = "no table shows who converted, and when"
    assert kinds.nobody_says([looked("users", day("paid_on", 97))]) == nobody
    assert kinds.nobody_says([]) == nobody


def test_a_beginning_is_named_so_and_neither_changes_nor_is_a_first_order():
    every = [
        day(one)
        for one in ("sign_up_on", "created_at", "last_joined", "first_order", "first_seen", "sign", "updated")
    ]
    assert names(kinds.began(every)) == ["created_at", "first_seen", "sign_up_on"]
    assert names(kinds.began([day("signup_sign_up")])) == ["signup_sign_up"]


@pytest.mark.parametrize(("name", "does"), [("last_seen", True), ("updated_at", True), ("lasting", False)])
def test_a_date_changes_where_a_whole_word_says_so(name, does):
    assert kinds.changes(day(name)) is does


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        (["happened_at", "ended_at"], ["happened_at"]),
        (["began", "ended"], ["began"]),
        (["date_a", "updated_at"], ["date_a"]),
        (["date_a", "received_at"], ["date_a"]),
        (["a", "happened"], ["happened"]),
        (["a", "b"], ["a", "b"]),
        (["day_a", "day_b", "c"], ["day_a", "day_b", "c"]),
        (["created_at"], ["created_at"]),  # the only one, whatever it is called
        (["created_at", "ended_at"], ["created_at"]),
        (["ended_at", "due_at"], ["ended_at", "due_at"]),
    ],
)
def test_of_several_dates_the_name_says_which_is_the_moment(columns, found):
    assert names(kinds.moments(looked("log", *[day(one) for one in columns]))) == found


def test_a_moment_is_there_in_nine_of_ten_rows():
    assert names(kinds.moments(looked("log", day("at", 89), day("b", 90)))) == ["b"]


@pytest.mark.parametrize(
    ("kind", "is_it"),
    [
        ("purchase", True),
        ("subscription_started", True),
        ("order placed", True),
        ("Upgraded", True),
        ("purchase_failed", False),
        ("viewed_order_page", False),
        ("payment intent", False),
        ("subscription_cancelled", False),
        ("Subscription Renewed", False),
        ("opened", False),
        ("reorder", False),
    ],
)
def test_a_kind_of_event_says_that_something_was_bought(kind, is_it):
    assert kinds.says_bought(kind) is is_it


@pytest.mark.parametrize(("name", "is_it"), [("eventName", True), ("Aktion", True), ("eventful", False)])
def test_a_column_promises_kinds_of_events_by_a_word(name, is_it):
    assert kinds.is_event_name(name) is is_it


def test_money_is_named_so_and_is_neither_a_date_nor_an_identifier():
    columns = [
        column("amount", "number"),
        column("paid_at", "date", format="iso"),
        column("payment_id"),
        column("value_id"),
        column("betrag"),
        column("Total_EUR", "whole"),
        column("amounts"),
        column("name"),
    ]
    assert kinds.named_like_money(looked("orders", *columns)) == ["amount", "betrag", "Total_EUR"]
    for word in (
        "amount",
        "price",
        "revenue",
        "mrr",
        "arr",
        "value",
        "paid",
        "fee",
        "total",
        "betrag",
        "preis",
    ):
        assert kinds.named_like_money(looked("orders", column(f"x_{word}", "number"))) == [f"x_{word}"]


@pytest.mark.parametrize(
    ("name", "looks", "low", "high", "is_it"),
    [
        ("hour", "whole", 0, 23, True),
        ("hour_of_day", "whole", 0, 59, True),
        ("hour", "whole", 0, 60, False),
        ("hour", "whole", -1, 23, False),
        ("hour", "number", 0, 23, False),
        ("hours", "whole", 0, 23, False),
        ("iso_week_number", "whole", 1, 53, True),
        ("week_visits", "whole", 0, 9, False),
        ("year", "whole", 1900, 2024, True),
        ("year", "whole", 1899, 2024, False),
        ("month", "whole", 1900, 2024, False),
        ("the_event", "whole", 0, 9, False),
        ("local_stunde", "whole", 0, 23, True),
        ("event_dow", "whole", 7, 7, True),
    ],
)
def test_a_part_of_a_date_is_a_small_whole_number_that_is_named_so(name, looks, low, high, is_it):
    assert kinds.is_part_of_moment(column(name, looks, low=low, high=high)) is is_it
