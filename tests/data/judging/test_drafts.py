"""Tables of a description: what their roles mean in SQL, which rows are theirs, where ingest reads them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import duckdb
import pytest

from ml_sys.data.judging.drafts import TableDraft
from ml_sys.data.judging.parts import JudgedTable, key, key_of
from ml_sys.data.looking import dates
from ml_sys.data.looking.looked import Looked
from ml_sys.errors import InputError
from tests.data.proposing.small import column, draft, looked, seen


def plain(kind: Any = "purchases", **roles: str) -> TableDraft:
    """Return a draft of a table of an id, days in three spellings, money and a text."""
    days = {"day": "iso", "when": "%d.%m.%Y", "stamp": "seconds"}
    columns = [
        column("id"),
        *(column(name, "date", format=how) for name, how in days.items()),
        column("eur", "number"),
        column("type"),
        column("who"),
    ]
    return with_table(draft(kind, looked("orders", *columns), id="id", **roles), relation="orders")


def with_table(one: TableDraft, **changes: Any) -> TableDraft:
    """Return a draft of the same table, otherwise read."""
    return replace(one, base=Looked(replace(one.base.table, **changes), one.base.columns))


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
def test_a_moment_is_that_of_its_column_by_the_clocks_of_the_zone(zone: str) -> None:
    one = replace(plain(at="stamp", since="when"), zone=zone)
    assert one.date("at") == dates.moment('"stamp"', "seconds", zone)
    assert one.date("since") == dates.moment('"when"', "%d.%m.%Y", zone)
    assert one.date("converted_on") == ""


BOUGHT = [
    ("1", "2024-01-01", "5", "sale"),
    ("2", "2024-01-02", "0", "sale"),
    ("3", "2024-01-03", "-5", "sale"),
    ("4", "2024-01-04", None, None),
    ("5", "2024-01-05", "x", " Partial_Refund "),
    ("6", "2024-01-06", "7", "Gift-Back"),
]


@pytest.mark.parametrize(
    ("roles", "zero", "refunds", "bought"),
    [
        ({}, False, ("gift back",), "123456"),
        ({"value": "eur"}, False, ("gift back",), "1456"),
        ({"value": "eur"}, True, ("gift back",), "12456"),
        ({"type": "type"}, False, ("gift back",), "12345"),
        ({"type": "type"}, False, ("partial refund", "Gift_Back"), "1234"),
        ({"value": "eur", "type": "type"}, True, ("partial refund", "sale"), "46"),
    ],
)
def test_a_row_is_a_purchase_unless_it_is_given_back_or_for_nothing(
    roles: dict[str, str], zero: bool, refunds: tuple[str, ...], bought: str
) -> None:
    with duckdb.connect() as connection:
        table = seen(connection, "orders", "id day eur type", BOUGHT)
        one = draft("purchases", table, id="id", at="day", **roles)
        one.zero_converts, one.refunds = zero, refunds
        at = one.part({}).at
        found = connection.execute(f"SELECT id FROM orders WHERE {at} IS NOT NULL ORDER BY 1").fetchall()  # noqa: S608 - the test's own
    assert "".join(ident for (ident,) in found) == bought


@pytest.mark.parametrize(
    ("kind", "judged"),
    [
        ("entities", "entities"),
        ("purchases", "purchases"),
        ("periods", "usage"),
        ("events", "usage"),
        ("links", "entities"),
    ],
)
def test_a_part_is_told_whole(kind: str, judged: Any) -> None:
    one = plain(kind, at="day", converted_on="when", since="stamp", event="type")
    at, closed, since = (one.date(role) for role in ("at", "converted_on", "since"))
    measured = {"eur": '"eur"'}
    expected = JudgedTable(
        "orders", judged, "orders", key("id"), at, closed, since, '"type"', measured, frozenset({"eur"})
    )
    assert one.part(measured, frozenset({"eur"})) == expected
    one.where = "eur > 1"
    assert one.part({}).source == one.source == "(SELECT * FROM orders WHERE eur > 1)"
    without = plain(kind)
    without.roles = {}
    assert without.part({}) == JudgedTable("orders", judged, "orders", "", "", "", "", "", {}, frozenset())


def test_users_lead_to_their_entity_through_the_link() -> None:
    with duckdb.connect() as connection:
        log = draft(
            "events", seen(connection, "log", "who n", [("01", "a"), ("2", "b"), ("3", "c")]), user="who"
        )
        team = seen(connection, "team", "member firm", [("1", "010"), ("2.0", "x"), ("2", "x")])
        log.link = draft("links", team, user="member", id="firm")
        log.link.where = "member <> '1'"
        part = log.part({})
        found = connection.execute(f"SELECT n, {part.id} FROM {part.source} ORDER BY 1").fetchall()  # noqa: S608 - the test's own
        log.link.where = ""
        whole = log.part({})
        every = connection.execute(f"SELECT n, {whole.id} FROM {whole.source} ORDER BY 1").fetchall()  # noqa: S608 - the test's own
    assert (found, every) == ([("b", "x")], [("a", "10"), ("b", "x")])


def test_columns_that_are_used_are_those_of_roles_attributes_and_measures() -> None:
    one = plain(at="day")
    one.attributes, one.measures = {"kind": {"column": "type"}}, {"money": {"column": "eur"}}
    assert one.used() == {"id": "id", "day": "at", "type": "", "eur": ""}


def test_a_file_is_read_as_it_is_only_where_nothing_has_to_be_done_to_it() -> None:
    assert plain(at="day").file() == "orders.csv"
    assert plain(at="stamp").file() == "orders.csv"
    assert (plain(at="day").dates, plain(at="stamp").dates, plain(at="when").dates) == (
        "",
        "epoch_s",
        "day-first",
    )
    both = plain(at="when", since="day")  # ISO dates are read beside these
    assert (both.is_plain, both.dates) == (True, "day-first")
    iso_too = plain(at="stamp", since="day")  # but not beside seconds
    assert (iso_too.is_plain, iso_too.dates) == (False, "")
    assert replace(plain(at="stamp"), where="1 = 1").dates == ""
    two = plain(at="stamp", since="when")
    assert (two.is_plain, two.dates) == (False, "")
    for odd in (
        replace(plain(at="day"), where="1 = 1"),
        replace(plain(at="day"), one_a=True),
        replace(plain(at="day"), differs=True),
        replace(plain(at="day", user="who"), differs=True),
        with_table(plain(at="day"), is_plain=False),
        with_table(plain(at="day"), columns={**plain().base.table.columns, "day": "t.day"}),
    ):
        assert not odd.is_plain
        assert odd.dates == ""
    # What is not used may be as it likes.
    assert with_table(plain(at="day"), columns={**plain().base.table.columns, "eur": "t.eur"}).is_plain
    without_id = replace(plain(at="day"), differs=True)
    without_id.roles = {"at": "day"}
    assert without_id.is_plain


def test_a_query_reads_what_is_used_brought_to_one_way_of_writing() -> None:
    one = with_table(
        plain(at="stamp", since="when"),
        relation="read('o')",
        columns={
            "id": "t.ID",
            "stamp": '"stamp"',
            "when": "t.w",
            "day": "t.d",
            "eur": '"eur"',
            "type": '"type"',
        },
    )
    one.attributes = {"kind": {"column": "type"}}
    stamp = dates.written_iso('CAST("stamp" AS VARCHAR)', "seconds")
    when = dates.written_iso("CAST(t.w AS VARCHAR)", "%d.%m.%Y")
    chosen = f't.ID AS "id", {stamp} AS "stamp", {when} AS "when", "type"'
    assert one.file() == f"SELECT {chosen} FROM read('o')"  # noqa: S608 - only compared
    one.one_a, one.where = True, '"day" > 3 AND "eur" < "day"'
    chosen = f't.ID AS "id", max({stamp}) AS "stamp", max({when}) AS "when", max("type") AS "type"'
    where = 't.d > 3 AND "eur" < t.d'
    assert one.file() == f"SELECT {chosen} FROM read('o') WHERE {where} GROUP BY t.ID"  # noqa: S608 - only compared
    differs = replace(plain(user="who"), differs=True)
    ident, who = (key_of(f'CAST("{name}" AS VARCHAR)') for name in ("id", "who"))
    assert differs.file() == f'SELECT {ident} AS "id", {who} AS "who" FROM orders'  # noqa: S608 - only compared


@pytest.mark.parametrize(
    ("one", "what", "wanted"),
    [
        (plain(at="stamp", since="when"), "stamp: its dates are written seconds since 1970", "YYYY-MM-DD"),
        (replace(plain(), differs=True), "id: its ids are in another format", "in the other tables"),
    ],
)
def test_another_database_writes_its_own_dates_and_ids(one: TableDraft, what: str, wanted: str) -> None:
    elsewhere = with_table(one, is_duckdb=False, location="postgresql://orders")
    with pytest.raises(InputError) as refused:
        elsewhere.file()
    assert str(refused.value) == (
        f"postgresql://orders.{what}, which cannot be read from this kind of database"
    )
    assert refused.value.hint == (
        f"make a view that writes them as {wanted}; then name, after the database, the tables and views "
        "to look at"
    )
    only_some = replace(with_table(plain(at="day"), is_duckdb=False), where="x")
    assert only_some.file() == 'SELECT "id", "day" FROM orders WHERE x'
