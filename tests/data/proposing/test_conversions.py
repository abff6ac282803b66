"""Who converted, and when: purchases, a date of an entity table, or a kind of event."""

from __future__ import annotations

from dataclasses import replace

import duckdb
import pytest

from ml_sys.data.looking.columns import SeenColumn
from ml_sys.data.proposing.answers import Answers, Asker
from ml_sys.data.proposing.conversions import Converted, find, money
from ml_sys.data.proposing.linking import LinkingColumns
from ml_sys.errors import InputError
from tests.data.proposing.small import column, day, draft, looked, seen

LINKS = LinkingColumns(("users",), {"users": "id", "log": "id", "orders": "id"})
USERS = looked("users", column("id", distinct=100))


def found(*tables, links=LINKS, asker=None, **answers):
    with duckdb.connect() as connection:
        for one in tables:
            listed = ", ".join(f'"{name}" VARCHAR' for name in one.columns)
            connection.execute(f'CREATE TABLE "{one.name}" ({listed})')
            filled = ", ".join(
                f"CASE WHEN i < {each.filled} THEN "
                + ("'2024-01-01'" if each.looks == "date" else f"'{each.name} ' || i % {each.distinct}")
                + " END"
                for each in one.columns.values()
            )
            made = f"SELECT {filled} FROM range({one.table.rows}) AS r(i)"  # noqa: S608 - the test's own
            connection.execute(f'INSERT INTO "{one.name}" {made}')
        return find(connection, tables, links, Answers(**answers), asker or Asker())


def places(one: Converted):
    return one.purchases, one.columns, one.kinds, one.repeated


def orders(*columns: SeenColumn, buyers: int = 50):
    return looked("orders", column("id", distinct=buyers), *columns)


@pytest.mark.parametrize(
    ("columns", "at"),
    [
        ([day("day")], "day"),
        ([day("a"), day("b"), day("paid_on", 50)], "paid_on"),
        ([day("a"), day("paid_on")], "paid_on"),
        ([day("created_at"), day("paid_on")], "paid_on"),
    ],
)
def test_purchases_are_dated_by_their_moment_or_else_by_the_name_of_a_conversion(columns, at):
    one = found(USERS, orders(*columns))
    assert places(one) == ({"orders": at}, {}, {}, {})
    assert one.why.startswith("50 of 100 have rows in it, and its names suggest purchases")


def test_a_table_of_purchases_is_of_half_the_entities_at_most():
    assert found(USERS, orders(day("day"), buyers=50)).purchases
    with pytest.raises(InputError):
        found(USERS, orders(day("day"), buyers=51))


def test_purchases_of_which_no_date_is_known_to_be_theirs_are_none():
    with pytest.raises(InputError):
        found(USERS, orders(day("a"), day("b")))


def test_without_a_table_of_entities_all_may_have_bought():
    links = LinkingColumns((), {"orders": "id"})
    one = found(orders(day("day"), buyers=90), links=links)
    assert one.purchases == {"orders": "day"}
    assert one.why.startswith("90 have rows in it, and")


def test_purchases_that_lead_to_nobody_or_hold_one_row_for_each_are_no_conversions():
    with pytest.raises(InputError, match="no table shows who converted"):
        found(USERS, orders(day("day")), links=LinkingColumns(("users",), {"users": "id"}))
    both = LinkingColumns(("users", "orders"), {"users": "id", "orders": "id"})
    assert found(USERS, orders(day("day")), links=both).purchases == {}


def test_a_date_of_the_entities_that_all_have_says_nothing_unless_there_are_others():
    full, few = day("paid_on", 98), day("paid_on", 97)
    table = looked("users", column("id"), few)
    assert found(table).columns == {"users": "paid_on"}
    assert found(table).why.endswith("97 have one")
    with pytest.raises(InputError):
        found(looked("users", column("id"), full))
    both = LinkingColumns(("users", "leads"), {"users": "id", "leads": "id"})
    leads = looked("leads", column("id"))
    assert found(looked("users", column("id"), full), leads, links=both).columns == {"users": "paid_on"}


@pytest.mark.parametrize(
    ("dates", "theirs", "is_it"),
    [
        ([day("day_x")], [], True),
        ([day("day_x")], [day("DAY_X")], False),  # the others have it too
        ([day("created_at")], [], False),
        ([day("last_x")], [], False),
        ([replace(day("day_x"), personal="a date of birth")], [], False),
    ],
)
def test_of_customers_and_others_a_date_that_only_customers_have_is_that_of_the_conversion(
    dates, theirs, is_it
):
    both = LinkingColumns(("users", "leads"), {"users": "id", "leads": "id"})
    tables = looked("users", column("id"), *dates), looked("leads", column("id"), *theirs)
    if is_it:
        one = found(*tables, links=both)
        assert (one.columns, one.why) == (
            {"users": "day_x"},
            "100 have this date, and the others have none",
        )
    else:
        with pytest.raises(InputError):
            found(*tables, links=both)


def log(kinds=("opened",), name="event"):
    connection = duckdb.connect()
    table = seen(
        connection, "log", f"id day {name}", [[at, "2024-01-01", kind] for at, kind in enumerate(kinds)]
    )
    return connection, table


@pytest.mark.parametrize(
    ("kinds", "name", "is_it"),
    [
        (["opened", "purchase", "purchase"], "event", True),
        (["purchase"], "event", False),  # one kind is none
        (["opened", "purchase"], "colour", False),
        (["opened", "closed", None], "event", False),
        ([f"kind {at}" for at in range(199)] + ["purchase"], "event", True),
        ([f"kind {at}" for at in range(200)] + ["purchase"], "event", False),
    ],
)
def test_a_kind_of_event_is_a_conversion_by_its_name(kinds, name, is_it):
    connection, table = log(kinds, name)
    with connection:
        if is_it:
            one = find(connection, [USERS, table], LINKS, Answers(), Asker())
            assert one.kinds == {"log": (name, "purchase")}
            assert one.why.startswith(f"{kinds.count('purchase')} events of the kind 'purchase'")
        else:
            with pytest.raises(InputError):
                find(connection, [USERS, table], LINKS, Answers(), Asker())


def test_kinds_of_events_count_where_no_table_or_date_says_who_converted():
    connection, table = log(["opened", "purchase"])
    with connection:
        paid = looked("users", column("id"), day("paid_on", 40))
        assert find(connection, [paid, table], LINKS, Answers(), Asker()).columns == {"users": "paid_on"}


@pytest.mark.parametrize(
    ("rows", "is_it"),
    [
        ([("a", "2024-01-02"), ("a", "2024-01-02"), ("b", None)], True),
        ([("a", "2024-01-02"), ("a", None), ("b", None)], True),
        ([("a", "2024-01-02"), ("a", "2024-01-03"), ("b", None)], False),
        ([("a", "2024-01-02"), ("b", "2024-01-03")], False),  # everybody has one
    ],
)
def test_a_day_that_rows_of_usage_repeat_is_that_of_the_conversion(rows, is_it):
    with duckdb.connect() as connection:
        table = seen(connection, "log", "id day closedate", [[one, "2024-01-01", paid] for one, paid in rows])
        asker = Asker()
        if is_it:
            assert find(connection, [USERS, table], LINKS, Answers(), asker).repeated == {"log": "closedate"}
        else:
            with pytest.raises(InputError):
                find(connection, [USERS, table], LINKS, Answers(), asker)


def two(days, shift=0):
    """Purchases and a date of users that say who converted, for so many of twenty otherwise."""
    connection = duckdb.connect()
    users = seen(
        connection, "users", "id paid_on",
        [[at, f"2024-01-{1 + at + (at < shift):02d}" if at < days else None] for at in range(60)],
    )  # fmt: skip
    rows = [[at, f"2024-01-{1 + at:02d}"] for at in range(20)]
    bought = seen(connection, "orders", "id day", [*rows, *([at, "2024-02-01"] for at in range(20))])
    return connection, [users, bought]


@pytest.mark.parametrize(
    ("days", "shift", "agree"), [(20, 1, True), (20, 2, False), (18, 0, False), (19, 0, True)]
)
def test_two_that_say_so_agree_where_nineteen_of_twenty_have_the_same_first_day(days, shift, agree):
    connection, tables = two(days, shift)
    with connection:
        if agree:
            assert find(connection, tables, LINKS, Answers(), Asker()).purchases == {"orders": "day"}
            return
        with pytest.raises(InputError) as caught:
            find(connection, tables, LINKS, Answers(), Asker())
        assert caught.value.hint == "answer with --converted orders|users.paid_on"
        named = find(connection, tables, LINKS, Answers(), Asker(lambda _, among: among[1]))
        assert named.columns == {"users": "paid_on"}
        assert named.why.startswith("its name says that this is the conversion day")
        other = find(connection, tables, LINKS, Answers(), Asker(lambda *_: "orders.day"))
        assert (other.purchases, other.why) == ({"orders": "day"}, "as answered")


def test_of_several_that_agree_the_one_with_money_counts():
    with duckdb.connect() as connection:
        rows = [[at, f"2024-01-{1 + at:02d}", 3] for at in range(20)]
        sales = seen(connection, "sales", "id day colour", rows)
        orders_ = seen(connection, "orders", "id day amount", rows)
        links = LinkingColumns(("users",), {"users": "id", "sales": "id", "orders": "id"})
        one = find(connection, [USERS, sales, orders_], links, Answers(), Asker())
        assert one.purchases == {"orders": "day"}
        plans = seen(connection, "subscriptions", "id day amount", rows)
        bills = seen(connection, "invoices", "id day amount_due amount_paid", [[*row, 3] for row in rows])
        links = LinkingColumns(("users",), {"users": "id", "subscriptions": "id", "invoices": "id"})
        one = find(connection, [USERS, plans, bills], links, Answers(), Asker())
    assert (one.purchases, money(bills)) == ({"invoices": "day"}, "amount_paid")


def test_dates_that_few_have_and_tables_of_few_are_asked_about():
    users = looked("users", column("id"), day("day_x", 89), day("day_y", 90), day("created_at", 50))
    rare = looked("log", column("id", distinct=50), day("at"))
    tags = looked("tags", column("id", distinct=9), column("tag"))
    often = looked("orders", column("id", distinct=51), day("at"), column("n"))
    with pytest.raises(InputError, match="No name shows who converted") as caught:
        found(
            *(users, rare, replace(often, table=replace(often.table, name="visits")), tags),
            links=LinkingColumns(("users",), dict.fromkeys(("users", "log", "visits", "tags"), "id")),
        )
    assert caught.value.hint == "answer with --converted users.day_x|log"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("orders", ({"orders": "day"}, {}, {}, {})),
        ("orders.day", ({"orders": "day"}, {}, {}, {})),
        ("users.x", ({}, {"users": "x"}, {}, {})),
        ("X", ({}, {"users": "x"}, {}, {})),
        ("log.kind=kind 7", ({}, {}, {"log": ("kind", "kind 7")}, {})),
        ("log.kind=KIND 7", ({}, {}, {"log": ("kind", "kind 7")}, {})),
    ],
)
def test_an_answer_is_a_table_a_column_or_a_kind_of_event(answer, expected):
    tables = (
        looked("users", column("id"), day("x", 30)),
        looked("orders", column("id"), day("day")),
        looked("log", column("id"), column("kind"), day("at")),
    )
    one = found(*tables, converted=answer)
    assert (places(one), one.why) == (expected, "as answered")


@pytest.mark.parametrize(
    ("answer", "said", "hint"),
    [
        ("nothing", "no table or column has this name", "name the table of purchases"),
        ("id", "3 tables have a column of this name", "name the table of purchases"),
        ("users.id", "users.id contains no dates", "name the table of purchases"),
        ("log", "which column is the date of the purchase", "give one of log.a, log.b"),
        ("far.day", "no table or column has this name", "name the table"),  # it leads to nobody
        (
            "log.id=id7",
            "no row of log has this value in id",
            "did you mean log.id=id 7? the most frequent values are id 0, id 1",
        ),
    ],
)
def test_an_answer_that_means_nothing_or_several_things_is_refused(answer, said, hint):
    tables = (
        looked("users", column("id"), day("x", 30)),
        looked("orders", column("id"), day("day")),
        looked("log", column("id"), day("a"), day("b")),
        looked("far", column("nr"), day("day")),
    )
    with pytest.raises(InputError, match=f"--converted {answer}: .*{said}") as caught:
        found(*tables, converted=answer)
    assert caught.value.hint.startswith(hint)


def test_of_a_table_that_is_answered_the_date_named_for_a_conversion_counts():
    one = found(USERS, looked("log", column("id"), day("at"), day("b"), day("paid_on", 50)), converted="log")
    assert one.purchases == {"log": "paid_on"}


@pytest.mark.parametrize(
    ("columns", "name"),
    [
        ([column("amount", "number")], "amount"),
        ([column("price", "whole"), column("total")], "price"),  # a text is no money
        ([column("amount", "number"), column("fee", "number")], ""),
        ([column("value_id", "whole")], ""),
        ([column("colour", "number")], ""),
    ],
)
def test_money_is_the_one_number_that_is_called_so(columns, name):
    assert money(looked("orders", *columns)) == name


def test_purchases_by_a_kind_of_event_are_taken_out_of_the_events():
    base = looked("log", column("id"), day("at"), column("kind"), column("who"))
    events = draft("events", base, id="id", at="at", event="kind", user="who")
    made = Converted("why", kinds={"log": ("kind", "it's paid")}).derived([events])
    (bought,) = made
    assert (bought.name, bought.kind, bought.roles) == ("purchases", "purchases", {"id": "id", "at": "at"})
    assert bought.where == "\"kind\" = 'it''s paid'"
    assert events.where == "\"kind\" IS DISTINCT FROM 'it''s paid'"


def test_a_table_that_is_made_of_another_takes_no_name_that_is_taken():
    base = looked("log", column("id"), day("at"), day("paid_on"))
    events = draft("events", base, id="id", at="at")
    other = draft("entities", looked("entities", column("id")), id="id")
    (made,) = Converted(repeated={"log": "paid_on"}).derived([events, other])
    assert (made.name, made.one_a) == ("log_entities", True)
    assert made.roles == {"id": "id", "converted_on": "paid_on"}
    assert Converted(repeated={"log": "paid_on"}).derived([events])[0].name == "entities"
    for kind, name in (("periods", ["purchases"]), ("purchases", [])):
        found = Converted(kinds={"log": ("kind", "a")}).derived([draft(kind, base, id="id", at="at")])
        assert [one.name for one in found] == name


def test_a_date_of_a_profile_that_all_or_many_have_is_no_conversion_and_one_of_customers_is():
    links = LinkingColumns(("users", "installs"), {"users": "id", "installs": "id"}, known={"installs": 1.0})
    with pytest.raises(InputError, match="no table shows who converted"):
        found(USERS, looked("installs", column("id", distinct=100), day("happened_at")), links=links)
    few = looked("surveys", column("id", distinct=40), replace(day("answered_on", 40), rows=40), rows=40)
    links = LinkingColumns(("users", "surveys"), {"users": "id", "surveys": "id"}, known={"surveys": 1.0})
    with pytest.raises(InputError) as caught:
        found(USERS, few, links=links)
    assert caught.value.hint == "answer with --converted surveys"
    paying = replace(few, table=replace(few.table, name="customers", view="customers"))
    links = LinkingColumns(
        ("users", "customers"), {"users": "id", "customers": "id"}, known={"customers": 1.0}
    )
    assert found(USERS, paying, links=links).columns == {"customers": "answered_on"}


def test_only_entities_that_paid_are_counted_as_buyers():
    rows = [[at, "2024-01-01", 9 if at < 40 else 0, "paid" if at < 30 else "open"] for at in range(90)]
    with duckdb.connect() as connection:
        bills = seen(connection, "invoices", "id day amount status", rows)
        links = LinkingColumns(("users",), {"users": "id", "invoices": "id"})
        one = find(connection, [USERS, bills], links, Answers(), Asker())
    assert one.purchases == {"invoices": "day"}
    assert one.why.startswith("30 of 100 have rows in it")


def test_a_kind_of_event_of_users_is_a_conversion_of_their_entities():
    connection, table = log(["opened", "purchase"])
    links = LinkingColumns(("users",), {"users": "id"}, {"log": ("id", "members")}, {"members": "member"})
    with connection:
        assert find(connection, [USERS, table], links, Answers(), Asker()).kinds == {
            "log": ("event", "purchase")
        }
        named = find(connection, [USERS, table], links, Answers(converted="log.event=opened"), Asker())
    assert named.kinds == {"log": ("event", "opened")}
    base = looked("log", column("id"), day("at"), column("event"))
    led = looked("log", *base.columns.values(), column("team"))
    events = draft("events", base, user="id", at="at")
    (bought,) = named.derived([events], {"log": led})
    assert (bought.base, bought.roles) == (led, {"at": "at", "id": "team"})
