"""What rows of purchases say of themselves: given back, not paid, ended, and in which currency."""

from __future__ import annotations

import duckdb
import pytest

from ml_sys.data.judging import payments
from ml_sys.data.judging.trials import PAID_FROM
from tests.data.proposing.small import column, day, draft, seen


def test_a_type_of_rows_is_a_text_that_is_named_so():
    assert payments.is_type_of_row(column("payment_status"))
    assert not payments.is_type_of_row(column("payment_status", "whole"))
    assert not payments.is_type_of_row(column("stateful"))


@pytest.mark.parametrize(
    ("value", "refund", "unpaid"),
    [("Refunded", True, False), ("FAILED", False, True), ("incomplete_expired", False, True),
     ("cancelled", False, False), ("paid", False, False)],
)  # fmt: skip
def test_rows_are_given_back_or_were_never_paid_by_their_type(value, refund, unpaid):
    assert (payments.is_refund(value), payments.is_not_paid(value)) == (refund, unpaid)


@pytest.mark.parametrize(
    ("value", "is_it"),
    [
        ("pending", True),
        ("Requires_Payment_Method", True),
        ("on-hold", True),
        ("trialing", True),
        ("past_due", False),
        ("active", False),
        ("complete", False),
    ],
)
def test_what_is_not_paid_yet_is_not_paid(value, is_it):
    assert payments.is_not_paid(value) is is_it


@pytest.mark.parametrize(
    ("name", "more", "is_it"),
    [
        ("status", {"distinct": 30}, True),
        ("status", {"distinct": 31}, False),
        ("is_paid", {"is_flag": True, "distinct": 2}, True),
        ("is_paid", {"looks": "whole", "is_flag": True, "distinct": 2}, True),
        ("state", {"is_flag": True, "distinct": 2}, False),
        ("paid", {"distinct": 2}, False),
    ],
)
def test_a_column_says_what_became_of_a_row_by_few_states_or_by_a_yes_and_a_no(name, more, is_it):
    assert payments.says_state(column(name, **more)) is is_it


def test_a_no_is_not_paid_and_what_all_are_says_nothing():
    flag = column("paid", is_flag=True, distinct=2)
    assert payments.unpaid(flag, ["True", "False"]) == ["False"]
    assert payments.unpaid(column("status"), ["0", "paid", "open"]) == ["open"]
    assert payments.unpaid(column("status"), ["open", "pending"]) == []


def doubts(*rows, **roles):
    with duckdb.connect() as connection:
        table = seen(connection, "orders", "id status", rows)
        return payments.doubts(connection, draft("purchases", table, id="id", **roles))


def test_rows_that_count_though_nothing_was_paid_are_told_apart_from_those_that_ended():
    says = ["paid", "paid", "failed", "pending", "pending", "cancelled", "refund", None]
    unpaid, ended = doubts(*((str(at), one) for at, one in enumerate(says)))
    assert (unpaid.values, unpaid.sure) == ({"failed": 1, "pending": 2}, True)
    assert unpaid.text == (
        "orders: rows whose status is failed (1), pending (2) count as conversions, though nothing was paid; "
        "leave them out with a query, WHERE status NOT IN ('failed', 'pending')"
    )
    assert (ended.values, ended.sure) == ({"cancelled": 1}, False)
    assert ended.text.startswith(
        "orders: rows whose status is cancelled (1) count as conversions; if nothing "
    )


def test_types_that_are_described_as_given_back_do_not_count():
    rows = [("1", "paid"), ("2", "storno"), ("3", "reversal")]
    assert doubts(*rows, type="status") == doubts(*rows) == []


@pytest.mark.parametrize(
    ("header", "rows", "found"),
    [
        ("id amount currency", [("1", "5", "EUR"), ("2", "6", "usd"), ("3", "7", None)], ["EUR", "USD"]),
        ("id amount currency", [("1", "5", "EUR"), ("2", None, "USD"), ("3", "7", "eur")], []),
        ("id amount", [("1", "€5"), ("2", "6 $"), ("3", "7")], ["$", "€"]),
        ("id amount", [("1", "5 EUR"), ("2", "6 USD"), ("3", "7 EUR")], ["EUR", "USD"]),
        ("id amount note", [("1", "5", "EUR"), ("2", "6", "USD"), ("3", "7", None)], []),
    ],
)
def test_currencies_are_told_by_a_column_of_them_or_by_their_symbols(header, rows, found):
    with duckdb.connect() as connection:
        table = seen(connection, "orders", header, rows)
        assert payments.currencies(connection, draft("purchases", table, id="id"), "amount") == found


def test_each_word_for_nothing_paid_and_for_an_end_is_known():
    unpaid = [
        "failed",
        "declined",
        "rejected",
        "incomplete",
        "incomplete_expired",
        "abandoned",
        "draft",
        "unpaid",
        "void",
        "voided",
        "error",
        "not_paid",
        "uncaptured",
        "fehlgeschlagen",
        "abgelehnt",
        "unbezahlt",
        "pending",
        "processing",
        "in_progress",
        "open",
        "on_hold",
        "authorized",
        "authorised",
        "awaiting_payment",
        "requires_payment_method",
        "requires_action",
        "requires_confirmation",
        "requires_capture",
        "scheduled",
        "trial",
        "trialing",
        "trialling",
        "ausstehend",
        "offen",
        "in_bearbeitung",
    ]
    ended = [
        "cancelled",
        "canceled",
        "expired",
        "past_due",
        "terminated",
        "ended",
        "paused",
        "disputed",
        "gekündigt",
        "gekuendigt",
        "beendet",
        "abgelaufen",
    ]
    assert [one for one in [*unpaid, *ended] if payments.is_not_paid(one)] == unpaid
    (only,) = doubts(*((str(at), one) for at, one in enumerate([*ended, "paid"])))
    assert (list(only.values), only.sure) == (sorted(ended), False)


def test_a_yes_and_a_no_say_nothing_of_an_end_and_only_texts_name_a_currency():
    with duckdb.connect() as connection:
        table = seen(connection, "orders", "id paid", [("1", "yes"), ("2", "no"), ("3", "yes"), ("4", "no")])
        (only,) = payments.doubts(connection, draft("purchases", table, id="id"))
        assert (only.values, only.sure) == ({"no": 2}, True)
        numbers = seen(connection, "bills", "id amount currency", [("1", "5", "978"), ("2", "6", "840")])
        assert payments.currencies(connection, draft("purchases", numbers, id="id"), "amount") == []
        some = draft(
            "purchases", seen(connection, "sums", "id amount", [("1", "5 EUR"), ("2", "6 $")]), id="id"
        )
        some.where = "id = '1'"
        assert payments.currencies(connection, some, "amount") == []
        some.where = ""
        assert payments.currencies(connection, some, "amount") == ["$", "EUR"]


def test_only_rows_of_the_table_are_doubted_and_how_to_leave_them_out_is_told():
    with duckdb.connect() as connection:
        rows = [("1", "failed"), ("2", "failed"), ("3", "expired"), ("4", "paid")]
        some = draft("purchases", seen(connection, "orders", "id status", rows), id="id")
        some.where = "id <> '1'"
        assert [one.values for one in payments.doubts(connection, some)] == [{"failed": 1}, {"expired": 1}]
        assert payments.doubts(connection, some)[1].text == (
            "orders: rows whose status is expired (1) count as conversions; if nothing was paid before that, "
            "leave them out with a query, WHERE status NOT IN ('expired')"
        )
        rows = [("1", "cancelled", "-9"), ("2", "paid", "9"), ("3", "expired", "0")]
        back = seen(connection, "bills", "id status amount", rows)
        assert payments.doubts(connection, draft("purchases", back, id="id", value="amount")) == []


def test_what_was_cancelled_raises_no_doubt_where_rows_count_from_the_end_of_a_trial():
    says = [("a", "active"), ("b", "cancelled")]
    assert len(doubts(*says, at="started_on")) == 1
    assert doubts(*says, at=PAID_FROM) == []


@pytest.mark.parametrize(("name", "never"), [("test", "true"), ("is_trial", "true"), ("livemode", "false")])
def test_a_yes_or_a_no_may_say_that_a_row_is_a_trial_or_only_a_test(name, never):
    assert payments.unpaid(column(name, is_flag=True, distinct=2), ["true", "false"]) == [never]
    assert payments.says_state(column(name, is_flag=True, distinct=2))


@pytest.mark.parametrize(
    ("name", "filled", "is_it"),
    [("paid_at", 90, True), ("activated_on", 30, True), ("activated_on", 29, False), ("paid_at", 100, False),
     ("last_paid_at", 90, False), ("created_at", 90, False)],
)  # fmt: skip
def test_rows_without_the_day_of_their_payment_were_never_paid(name, filled, is_it):
    assert payments.is_day_of_payment(day(name, filled)) is is_it
    with duckdb.connect() as connection:
        rows = [[at, "2024-01-01", "2024-01-02" if at < filled else None] for at in range(100)]
        table = seen(connection, "orders", f"id ordered_on {name}", rows)
        made = draft("purchases", table, id="id", at="ordered_on")
        made.why["kind"] = "bought"
        payments.read_paid_rows(connection, made)
        assert (
            made.where == payments.paid_rows(connection, table) == (f'"{name}" IS NOT NULL' if is_it else "")
        )
    assert made.why["kind"].endswith(f"; rows without {name} were never paid and are not read") is is_it


def test_rows_that_were_paid_are_those_of_money_that_neither_failed_nor_came_back():
    with duckdb.connect() as connection:
        said = [("a", 5, "paid"), ("b", 0, "paid"), ("c", 5, "failed"), ("d", 5, "refund"), ("e", 5, None)]
        table = seen(connection, "orders", "id amount status", said)
        condition = payments.paid_rows(connection, table, "amount")
        found = connection.execute(f"SELECT id FROM orders WHERE {condition} ORDER BY 1").fetchall()  # noqa: S608 - the test's own
    assert found == [("a",), ("e",)]
