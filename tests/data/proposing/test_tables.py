"""What each table is, and which of its dates count."""

from __future__ import annotations

import datetime as dt

import duckdb
import pytest

from ml_sys.data.judging import payments
from ml_sys.data.proposing.answers import Answers, Asker
from ml_sys.data.proposing.conversions import Converted
from ml_sys.data.proposing.linking import LinkingColumns
from ml_sys.data.proposing.tables import (
    Plan,
    _add_usage,
    _began,
    _entities,
    _grid,
    _unlinked,
    choose_period,
    plan,
)
from ml_sys.errors import InputError
from tests.data.proposing.small import column, day, draft, looked, seen

FIRST = dt.date(2024, 1, 1)  # a Monday


def days(*steps):
    return [FIRST + dt.timedelta(step) for step in steps]


def months(n):
    return [dt.date(2024, 1 + at, 1) for at in range(n)]


@pytest.mark.parametrize(
    ("stamps", "period"),
    [
        (days(*range(0, 70, 7)), "week"),
        (days(*range(3, 73, 7)), "week"),  # whatever the day of the week
        (days(*range(10)), "day"),
        (days(0, 2, 4, 6, 8), "day"),  # half of the days
        (days(0, 3, 6, 9), ""),
        (months(4), "month"),
        (months(1), ""),  # one stamp is no grid
        ([*months(4), dt.date(2024, 2, 2)], ""),
        ([f"{one} 10:00" for one in days(*range(0, 70, 7))], ""),
        (days(0, 1, 1, 2, 3, 4, 5), ""),  # twice on one day
        ([], ""),
    ],
)
def test_rows_are_of_a_period_where_each_entity_has_one_a_stamp(stamps, period):
    with duckdb.connect() as connection:
        rows = [[ident, one] for one in stamps for ident in ("a", "b")]
        table = seen(connection, "log", "id at", rows) if rows else None
        if table is None:
            connection.execute('CREATE TABLE log ("id" VARCHAR, "at" VARCHAR)')
            table = looked("log", column("id"), day("at"))
        assert _grid(connection, table, "id", day("at")) == period


def test_one_repeated_row_in_fifty_leaves_weeks_and_months_but_no_days():
    with duckdb.connect() as connection:
        for name, stamps, period in (
            ("w", days(*range(0, 350, 7)), "week"),
            ("d", days(*range(50)), ""),
        ):
            rows = [["a", one] for one in [*stamps, stamps[0]]]
            assert _grid(connection, seen(connection, name, "id at", rows), "id", day("at")) == period
        more = [["a", one] for one in [*days(*range(0, 350, 7)), *days(0, 7)]]
        assert _grid(connection, seen(connection, "m", "id at", more), "id", day("at")) == ""


LINKS = LinkingColumns(("users",), {"users": "id", "log": "id"})


def added(one, *, asker=None, links=LINKS, rows=(), **answers):
    made = Plan()
    with duckdb.connect() as connection:
        listed = ", ".join(f'"{name}" VARCHAR' for name in one.columns)
        connection.execute(f"CREATE TABLE log ({listed})")
        marks = ", ".join("?" for _ in one.columns)
        if rows:
            connection.executemany(f"INSERT INTO log VALUES ({marks})", rows)  # noqa: S608 - the test's own
        _add_usage(connection, made, one, links, Answers(**answers), asker or Asker())
    return made


WEEKS = [[ident, str(one), "3"] for one in days(0, 7, 14) for ident in "ab"]
DAYS = [[ident, str(one), "3"] for one in days(0, 1, 2) for ident in "ab"]


@pytest.mark.parametrize(
    ("other", "rows", "kind"),
    [
        (column("n", "whole"), WEEKS, "periods"),
        (column("n", "number"), WEEKS, "periods"),
        (column("n"), WEEKS, "events"),  # nothing is counted
        (column("page_id", "whole"), WEEKS, "periods"),
        (column("page_id", "whole"), DAYS, "events"),  # a row for each day and page
        (column("n", "whole"), DAYS, "periods"),
        (column("n", "whole"), DAYS * 2, "events"),
    ],
)
def test_usage_is_of_periods_or_of_events(other, rows, kind):
    (one,) = added(looked("log", column("id"), day("at"), other), rows=rows).drafts
    assert (one.kind, one.roles) == (kind, {"id": "id", "at": "at"})
    assert ("unit" in one.why) == (kind == "periods")


def test_usage_without_a_date_is_left_out():
    made = added(looked("log", column("id"), column("n", "whole")))
    assert ([one.where for one in made.left], made.drafts) == (["log"], [])


def test_the_moment_is_that_of_the_answer_else_of_the_names_else_of_who_is_asked():
    two = looked("log", column("id"), day("a"), day("b"), day("happened_at"))
    assert added(two).drafts[0].roles["at"] == "happened_at"
    assert added(two, at="log.b").drafts[0].roles["at"] == "b"
    assert added(two, at="others.b").drafts[0].roles["at"] == "happened_at"
    alike = looked("log", column("id"), day("a"), day("b"))
    for answer in ("b", "log.b"):
        assert added(alike, asker=Asker(lambda *_, answer=answer: answer)).drafts[0].roles["at"] == "b"
    assert added(alike, asker=Asker(lambda *_: "?")).drafts[0].roles["at"] == "a"


def test_usage_of_users_is_of_events_that_a_link_leads_on():
    links = LinkingColumns(
        ("users",), {"users": "id", "team": "id"}, {"log": ("person", "team")}, {"team": "person"}
    )
    (one,) = added(looked("log", column("person"), day("at")), links=links).drafts
    assert (one.kind, one.roles) == ("events", {"user": "person", "at": "at"})


def entities(*columns, asker=None, converted=None, among=("users",), **answers):
    links = LinkingColumns(among, dict.fromkeys(among, "id"))
    one = looked("users", column("id"), *columns)
    return _entities(one, links, converted or Converted(), Answers(**answers), asker or Asker())


def test_money_of_an_entity_is_read_beside_its_day_of_conversion_only():
    paid, mrr = day("paid_on"), column("mrr", "number")
    found = entities(paid, mrr, converted=Converted("why", columns={"users": "paid_on"}))
    assert found.roles == {"id": "id", "converted_on": "paid_on", "value": "mrr"}
    assert entities(paid, mrr).roles == {"id": "id"}


@pytest.mark.parametrize(
    ("among", "filled", "every"),
    [(("users", "others"), 100, True), (("users", "others"), 99, False), (("users",), 100, False)],
)
def test_all_converted_where_each_row_has_a_day_and_there_are_others(among, filled, every):
    converted = Converted("why", columns={"users": "paid_on"})
    assert entities(day("paid_on", filled), converted=converted, among=among).all_converted is every


@pytest.mark.parametrize(
    ("columns", "answers", "found"),
    [
        ([day("created_at", 95)], {}, "created_at"),
        ([day("created_at", 94)], {}, ""),
        ([day("created_at"), day("opened_on")], {}, "created_at"),
        ([day("created_at"), day("signup_on"), day("joined")], {}, "?"),
        ([day("opened_on"), day("joined")], {}, "?"),
        ([day("shop_created_at"), day("app_installed_at"), day("signup_on")], {}, "app_installed_at"),
        ([day("x", 20), day("created_at")], {"since": "users.x"}, "x"),
        ([day("x", 20), day("created_at")], {"since": "teams.x"}, "created_at"),
        ([day("seen")], {}, ""),
    ],
)
def test_the_beginning_of_an_entity_is_found_by_name_or_asked_for(columns, answers, found):
    one = looked("users", *columns)
    if found == "?":
        with pytest.raises(InputError, match="users: which column is the day of creation"):
            _began(one, "", Answers(), Asker())
        last = Asker(lambda _, among: among[-1])
        assert _began(one, "", Answers(), last) == (columns[-1].name, "as answered")
        return
    assert _began(one, "", Answers(**answers), Asker())[0] == found


def test_the_day_of_conversion_is_no_beginning():
    one = looked("users", day("opened_on"), day("joined"))
    assert _began(one, "joined", Answers(), Asker())[0] == "opened_on"


def types(*values, type_=""):
    with duckdb.connect() as connection:
        table = seen(connection, "bought", "id status", [[at, one] for at, one in enumerate(values)])
        made = draft("purchases", table, id="id", **({"type": type_} if type_ else {}))
        made.why["kind"] = "bought"
        made.where = "x"
        payments.read_paid_rows(connection, made)
        return made


def test_refunds_are_told_by_a_column_and_by_no_second_one():
    assert types("paid", "refund").roles["type"] == "status"
    assert types("paid", "refund", type_="kind").roles["type"] == "kind"
    assert "type" not in types("paid", "failed").roles


def test_payments_that_were_never_made_are_not_read_unless_all_of_them_are_called_so():
    found = types("paid", "failed", "void", None)
    assert found.where == """x AND ("status" IS NULL OR "status" NOT IN ('failed', 'void'))"""
    assert found.why["kind"].endswith("; rows whose status is failed, void were never paid and are not read")
    assert types("failed", "void").where == "x"
    assert types("paid").where == "x"


def test_a_table_that_leads_nowhere_is_said_to_hold_other_values_where_a_name_is_the_same():
    links = LinkingColumns(("users",), {"users": "User_ID"})
    assert _unlinked(looked("x", column("user_id")), links) == (
        "no column links it to the accounts that may pay: the values of user_id do not occur in users"
    )
    assert _unlinked(looked("x", column("n")), links) == "no column links it to the accounts that may pay"


def test_the_period_is_the_longest_that_rows_stand_for():
    made = Plan([draft("periods", looked(name, column("id"))) for name in ("a", "b")])
    for units, unit in ((("day", "week"), "week"), (("month", "week"), "month"), (("day", "day"), "day")):
        for one, why in zip(made.drafts, units, strict=True):
            one.why["unit"] = why
        with duckdb.connect() as connection:
            choose_period(connection, made)
        assert (made.unit, made.unit_why) == (unit, f"each row stands for one {unit}")


@pytest.mark.parametrize(("reach", "unit"), [(399, "day"), (400, "week")])
def test_events_are_counted_by_the_week_where_they_reach_over_four_hundred_days(reach, unit):
    with duckdb.connect() as connection:
        long = seen(connection, "log", "id at", [["a", one] for one in days(0, reach)])
        short = seen(connection, "calls", "id at", [["a", one] for one in days(0, 3)])
        made = Plan([draft("events", one, id="id", at="at") for one in (long, short)])
        choose_period(connection, made)
    assert made.unit == unit
    long_or_short = "less than 400" if unit == "day" else "400 or more"
    assert made.unit_why == f"events span {reach} days, {long_or_short}: one period is a {unit}"


def planned(links, *tables, **answers):
    with duckdb.connect() as connection:
        looked_at = [seen(connection, name, header, rows) for name, header, rows in tables]
        return plan(connection, looked_at, links, Answers(**answers), Asker())


EVERYBODY = [[at, "2024-01-01", at % 5] for at in range(60)]
BOUGHT = [[at, "2024-03-01", 9, "paid"] for at in range(20)]
USED = [[at, f"2024-01-{2 + at % 20:02d}", f"page {at % 3}"] for at in range(60) for _ in range(2)]


def test_every_table_is_what_leads_to_entities_makes_of_it():
    links = LinkingColumns(
        ("users", "profiles", "tags"),
        dict.fromkeys(("users", "profiles", "tags", "orders", "log"), "id"),
        differ=frozenset({"orders"}),
    )
    made = planned(
        links,
        ("users", "id signup_on size", EVERYBODY),
        ("profiles", "id colour", [[at, f"c{at % 4}"] for at in range(60)]),
        ("tags", "id", [[at] for at in range(60)]),
        ("orders", "id paid_on amount status", BOUGHT),
        ("log", "id at page", USED),
        ("far", "nr x", [[at, at] for at in range(9)]),
    )
    assert [(one.name, one.kind, one.differs) for one in made.drafts] == [
        ("users", "entities", False), ("profiles", "entities", False), ("orders", "purchases", True),
        ("log", "events", False),
    ]  # fmt: skip
    users, _, orders, _ = made.drafts
    assert users.roles == {"id": "id", "since": "signup_on"}
    assert users.why["since"] == "its name says that this is the day of creation"
    assert orders.roles == {"id": "id", "at": "paid_on", "value": "amount"}
    assert orders.why["value"].startswith("money; rows below zero are refunds")
    assert [(one.where, one.reason) for one in made.left] == [
        ("tags", "has nothing but ids"),
        ("far", "no column links it to the accounts that may pay"),
    ]


def test_events_of_users_are_led_on_by_the_table_that_knows_both():
    links = LinkingColumns(
        ("teams",), {"teams": "id", "members": "id", "orders": "id"},
        {"log": ("person", "members")}, {"members": "person"},
    )  # fmt: skip
    made = planned(
        links,
        ("teams", "id signup_on size", EVERYBODY),
        ("members", "person id", [[f"p{at}", at] for at in range(60)]),
        ("orders", "id paid_on amount status", BOUGHT),
        ("log", "person at page", [[f"p{one}", *rest] for one, *rest in USED]),
    )
    assert [(one.name, one.kind) for one in made.drafts] == [
        ("teams", "entities"), ("members", "links"), ("orders", "purchases"), ("log", "events"),
    ]  # fmt: skip
    members, log = made.drafts[1], made.drafts[3]
    assert members.roles == {"user": "person", "id": "id"}
    assert (log.roles, log.link) == ({"user": "person", "at": "at"}, members)
    assert log.why["kind"] == "has only person, which the table of links assigns to an entity"
    assert all(one.link is None for one in made.drafts if one is not log)


def test_without_any_usage_it_is_said_what_each_table_lacks():
    links = LinkingColumns(("users",), dict.fromkeys(("users", "orders", "log"), "id"))
    with pytest.raises(InputError, match="no table shows who used what and when") as caught:
        planned(
            links,
            ("users", "id signup_on size", EVERYBODY),
            ("orders", "id paid_on amount status", BOUGHT),
            ("log", "id page", [[at % 9, f"page {at}"] for at in range(60)]),
        )
    assert caught.value.message.endswith("; log: has no column of dates")


@pytest.mark.parametrize(("n", "has_type"), [(30, True), (31, False)])
def test_types_of_purchases_are_few(n, has_type):
    links = LinkingColumns(("users",), dict.fromkeys(("users", "orders", "log"), "id"))
    kinds = ["refund", *(f"kind {at}" for at in range(n - 1))]
    made = planned(
        links,
        ("users", "id signup_on size", EVERYBODY),
        ("orders", "id paid_on status", [[at % 20, "2024-03-01", kind] for at, kind in enumerate(kinds)]),
        ("log", "id at page", USED),
    )
    assert ("type" in made.of("purchases")[0].roles) == has_type


def test_tables_of_another_alphabet_are_called_by_what_they_hold_and_keep_their_names_in_messages():
    links = LinkingColumns(("顧客",), dict.fromkeys(("顧客", "注文", "利用", "閲覧"), "id"))
    made = planned(
        links,
        ("顧客", "id signup_on size", EVERYBODY),
        ("注文", "id paid_on", [[at, "2024-03-01"] for at in range(9)]),
        ("利用", "id at page", USED),
        ("閲覧", "id at page", USED),
    )
    assert [(one.name, one.base.name) for one in made.drafts] == [
        ("entities", "顧客"), ("purchases", "注文"), ("usage", "利用"), ("usage_2", "閲覧")
    ]  # fmt: skip
