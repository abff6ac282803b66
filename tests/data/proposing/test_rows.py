"""Which rows of a file belong to a table, and which of its money counts."""

from __future__ import annotations

from dataclasses import replace

import duckdb
import pytest

from ml_sys.data.looking.sniffing import MOST_ROWS
from ml_sys.data.proposing import rows
from ml_sys.data.proposing.answers import LeftOut
from ml_sys.errors import InputError
from tests.data.proposing.small import column, day, draft, looked, seen

IDS = [str(1000 + at) for at in range(60)]


def test_a_sum_of_the_others_is_not_read_and_a_name_that_may_be_one_is_and_either_is_said():
    with duckdb.connect() as connection:
        sure = draft(
            "entities", seen(connection, "users", "id", [(one,) for one in [*IDS, "Total"]]), id="id"
        )
        sure.where = "true"
        assert rows.without_totals(connection, sure) == [
            "users: 1 row of id 'Total': not read, as it looks like a total of the other rows"
        ]
        assert connection.execute(f"SELECT count(*) FROM {sure.source}").fetchone() == (60,)  # noqa: S608 - the test's own
        name = draft("entities", seen(connection, "firms", "id", [("Shell",), ("Total",)]), id="id")
        (note,) = rows.without_totals(connection, name)
        assert note.endswith("read like any other row; if it is a total of them, leave it out")
        assert name.where == ""


@pytest.mark.parametrize(
    ("amounts", "codes", "counted"),
    [(["5", "0", "-3"], ["EUR", "USD", "EUR"], 1), (["5", "6", None], ["EUR", "USD", "USD"], 3)],
)
def test_money_of_several_currencies_is_left_out_and_rows_for_nothing_with_it(amounts, codes, counted):
    with duckdb.connect() as connection:
        base = seen(connection, "orders", "id amount currency", [*zip("abc", amounts, codes, strict=True)])
        made = draft("purchases", base, id="id", value="amount")
        made.why["kind"] = "purchases"
        (left,) = rows.of_one_currency(connection, made)
        assert (left.where, left.reason) == (
            "orders.amount",
            "in EUR, USD: several currencies cannot be added up",
        )
        assert "value" not in made.roles
        assert connection.execute(f"SELECT count(*) FROM {made.source}").fetchone() == (counted,)  # noqa: S608 - the test's own
        assert ("not above zero" in made.why["kind"]) is (counted == 1)


def test_money_of_one_currency_and_of_entities_that_do_not_pay_is_left_as_it_is():
    with duckdb.connect() as connection:
        one = draft(
            "purchases", seen(connection, "orders", "id amount currency", [("a", "5", "EUR")]), id="id"
        )
        assert rows.of_one_currency(connection, one) == []
        several = seen(connection, "users", "id amount currency", [("a", "5", "EUR"), ("b", "5", "USD")])
        assert rows.of_one_currency(connection, draft("entities", several, id="id")) == []


@pytest.mark.parametrize(
    ("name", "high", "says"),
    [
        ("price_cents", 900, "its name says cents, and 900 is reported as 900"),
        ("amount_paid", 4900, "all of it is whole, and 4,900 is reported as 4,900; if these are cents"),
        ("amount_paid", 999, ""),
        ("mrr", 4900, ""),
    ],
)
def test_money_that_may_be_in_cents_is_said(name, high, says):
    base = looked("orders", column("id"), column(name, "whole", low=0, high=high))
    notes = rows.in_cents(draft("purchases", base, id="id", value=name))
    assert bool(notes) == bool(says)
    assert all(one.startswith(f"orders.{name}: {says}") and one.endswith("with a query") for one in notes)
    assert rows.in_cents(draft("purchases", base, id="id")) == []


@pytest.mark.parametrize(("many", "says"), [(101, True), (100, False)])
def test_a_table_with_more_rows_than_all_usage_is_never_left_out_in_silence(many, says):
    log, tags = looked("log", column("id"), day("at")), looked("tags", column("n"), rows=999)
    other = looked("telemetry", column("n"), *[replace(day("at"), filled=many, rows=many)], rows=many)
    left = [LeftOut("telemetry", "", "no column links it"), LeftOut("tags", "", "has no dates")]
    usage = [draft("events", log, id="id", at="at")]
    assert rows.large_and_left([log, other, tags], left, usage) == says * [
        f"telemetry is left out, though it has {many} rows with dates, more than any usage that is read: "
        "no column links it"
    ]


def test_a_kind_is_taken_as_it_is_written_and_one_that_no_row_has_only_where_not_all_were_looked_at():
    with duckdb.connect() as connection:
        log = seen(connection, "log", "id kind", [("a", "Purchase"), ("b", "view"), ("c", None)])
        for kind, written in (("Purchase", "Purchase"), ("PURCHASE", "Purchase"), ("view", "view")):
            assert rows.written_kind(connection, f"log.kind={kind}", log, "kind", kind) == written
        with pytest.raises(InputError, match="no row of log has this value in kind") as caught:
            rows.written_kind(connection, "log.kind=purchased", log, "kind", "purchased")
        assert caught.value.hint.startswith("did you mean log.kind=Purchase? the values are ")
        large = replace(log, table=replace(log.table, rows=MOST_ROWS))
        assert rows.written_kind(connection, "log.kind=rare", large, "kind", "rare") == "rare"
