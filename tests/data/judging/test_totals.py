"""Rows that add up the others are found, and no entity is taken for one."""

from __future__ import annotations

import duckdb
import pytest

from ml_sys.data.judging.totals import totals
from tests.data.proposing.small import draft, seen

IDS = [str(1000 + at) for at in range(60)]


def found(*ids, role="id"):
    with duckdb.connect() as connection:
        table = seen(connection, "users", "account", [(one,) for one in ids])
        return totals(connection, draft("entities", table, **{role: "account"}))


@pytest.mark.parametrize("role", ["id", "user"])
@pytest.mark.parametrize(
    "called", ["Total", "TOTAL:", "Grand Total", "Summe", "(60 rows)", "60 rows affected", "1,060 records"]
)
def test_a_row_that_is_called_a_total_is_none_of_the_others(called, role):
    (one,) = found(*IDS, called, role=role)
    assert (one.value, one.rows, one.sure) == (called, 1, True)
    assert one.what == f"users: 1 row of account {called!r}"
    others = f"SELECT count(*) FROM (VALUES (NULL), ('{called} '), ('7')) t(account) WHERE {one.condition}"  # noqa: S608 - the test's own
    assert duckdb.sql(others).fetchall() == [(2,)]


@pytest.mark.parametrize("called", ["totally", "sums", "rows", "total-energies", "12 rowsx", None])
def test_what_only_sounds_like_a_total_is_one_of_the_others(called):
    assert found(*IDS, called) == []


def test_a_total_among_names_may_be_one():
    (one,) = found("Shell", "Total", "Agip", "Eni", "BP", "Total")
    assert (one.rows, one.sure) == (2, False)


@pytest.mark.parametrize(("words", "sure"), [(1, True), (2, False)])
def test_a_total_is_none_where_at_most_one_identifier_in_fifty_is_a_word(words, sure):
    ids = [f"firm {'abc'[at]}" for at in range(words)] + [str(at) for at in range(50 - words)]
    assert [one.sure for one in found(*ids, *ids, "Total")] == [sure]


def test_five_totals_are_told_in_their_order_with_their_rows_and_those_without_one_are_none():
    called = ["sum", "Total", "total", "Summe", "7 rows", "subtotal", "sum", "8 rows"]
    assert [(one.table, one.column, one.value, one.rows) for one in found(*IDS, *called)] == [
        ("users", "account", value, rows)
        for value, rows in [("7 rows", 1), ("8 rows", 1), ("Summe", 1), ("Total", 1), ("subtotal", 1)]
    ]
    assert found(*IDS, role="at") == []
    assert found("Total", "Total")[0].sure  # nothing else is there that could be a word
