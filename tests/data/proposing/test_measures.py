"""What the columns of a usage table are measures of, and the words for them."""

from __future__ import annotations

import duckdb
import pytest

from ml_sys.data.proposing.measures import _below_zero, _is_running_total, _measures, _most_frequent, _unfit
from tests.data.proposing.small import column, day, draft, looked, seen


def described(kind, *columns):
    made = draft(kind, looked("usage", *columns))
    _measures(made, list(columns))
    return made.measures


@pytest.mark.parametrize(
    ("kind", "name", "looks", "role"),
    [
        ("periods", "users_reports", "whole", "users"),
        ("events", "users_reports", "whole", "amount"),
        ("periods", "actions_reports", "whole", "actions"),
        ("periods", "spent", "number", "amount"),
        ("periods", "minutes", "whole", "amount"),
        ("periods", "upload_kb", "whole", "amount"),
        ("periods", "s_exports", "whole", "actions"),  # one letter is no unit
        ("periods", "h_exports", "whole", "actions"),
        ("events", "clicks", "whole", "amount"),
    ],
)
def test_the_role_of_a_measure_follows_its_table_its_name_and_its_values(kind, name, looks, role):
    assert described(kind, column(name, looks))[name]["role"] == role


def test_whole_amounts_are_written_without_decimals():
    found = described("events", column("points", "whole"), column("weight", "number"))
    assert found["points"]["digits"] == 0
    assert "digits" not in found["weight"]


def test_an_object_is_what_not_all_names_of_a_role_share():
    found = described(
        "periods",
        *(column(f"actions_crm_{one}", "whole") for one in ("deals", "contacts")),
        column("users_crm_deals", "whole"),
        column("ACTIONS_EMAIL", "whole"),
    )
    assert {name: one["object"] for name, one in found.items()} == {
        "actions_crm_deals": "deals",
        "actions_crm_contacts": "contacts",
        "users_crm_deals": "crm_deals",
        "actions_email": "email",
    }


def test_what_half_of_the_names_share_tells_them_apart():
    found = described("periods", *(column(one, "whole") for one in ("crm_a", "crm_b", "c", "d")))
    assert [one["object"] for one in found.values()] == ["crm_a", "crm_b", "c", "d"]


def test_people_and_actions_are_called_so_and_said_to_be_on_their_object():
    found = described(
        "periods", column("users_big_files", "whole"), column("actions_mail", "whole"), column("n", "whole")
    )
    assert found["users_big_files"] == {
        "column": "users_big_files", "role": "users", "object": "big_files",
        "one": "person", "many": "people", "place": "on big files",
    }  # fmt: skip
    assert (
        found["actions_mail"] | {"one": "action", "many": "actions", "place": "on mail"}
        == found["actions_mail"]
    )
    assert found["n"] == {"column": "n", "role": "actions", "object": "n", "one": "action", "many": "actions"}


@pytest.mark.parametrize(
    ("name", "one", "many", "verb"),
    [
        ("minutes_watched", "minute", "minutes", "watched"),
        ("duration_sec", "second", "seconds", ""),
        ("hours", "hour", "hours", ""),
        ("minutes_in_seconds", "second", "seconds", ""),
        ("upload_mb", "MB", "MB", ""),
        ("emails_sent", "email", "emails", "sent"),
        ("big_files_shared", "big file", "big files", "shared"),
        ("top_speed", "top speed", "top speeds", ""),
        ("bed_count", "bed", "beds", ""),  # too short for something done
        ("added_to_cart", "time added to cart", "times added to cart", ""),
        ("total", "total", "totals", ""),
        ("shared", "shared", "shareds", "shared"),
        ("Flüge", "flüge", "flüge", ""),
        ("Anzahl Angebote", "angebote", "angebote", ""),
        ("load_ms", "millisecond", "milliseconds", ""),
    ],
)
def test_a_quantity_is_spoken_of_by_its_unit_its_noun_and_what_was_done(name, one, many, verb):
    found = next(iter(described("events", column(name, "number")).values()))
    assert (found["one"], found["many"], found.get("verb", "")) == (one, many, verb)


def unfit(one, kind="events", users=(), *, roles=()):
    made = draft(kind, looked("log", column("id"), day("at"), one), id="id", at="at", **dict(roles))
    with duckdb.connect() as connection:
        listed = ", ".join(f'"{name}" VARCHAR' for name in made.base.columns)
        connection.execute(f"CREATE TABLE log ({listed})")
        return _unfit(connection, made, one, users), made.roles


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (column("mail", personal="an e-mail address"), "personal: an e-mail address"),
        (day("sent"), "a date: usage rows have only one date"),
        (column("n", filled=0, distinct=0), "has no values"),
        (column("remark"), "text, which cannot be counted or added up"),
        (column("page", distinct=1), "text, which cannot be counted or added up"),
        (column("page", distinct=201, rows=1000), "text, which cannot be counted or added up"),
        (column("order_id", "whole"), "identifies orders, so it is not a quantity"),
        (column("id2key", "whole", is_flag=True), ""),
        (
            column("at_no", "whole", distinct=100, low=1, high=100),
            "identifies at nos, so it is not a quantity",
        ),
        (column("minutes", "number"), ""),
        (column("library_version", "number", distinct=1), "has the same value in every row"),
        (column("online", "whole", distinct=1), "has the same value in every row"),
        (column("hour_of_day", "whole", low=0, high=23), "part of the date or time, not a quantity"),
        (column("year", "whole", low=2022, high=2023), "part of the date or time, not a quantity"),
        (column("hour", "whole", low=0, high=90), ""),
        (column("hours", "whole", low=0, high=23), ""),
        (column("day_passes", "whole", low=0, high=23), ""),
        (column("temperature_c", "number"), "a reading or an average, so adding it up means nothing"),
        (column("avg_minutes", "number"), "a reading or an average, so adding it up means nothing"),
    ],
)
def test_why_a_column_of_events_is_no_measure(one, reason):
    found, roles = unfit(one)
    assert (found, set(roles)) == (reason, {"id", "at"})


@pytest.mark.parametrize(
    ("one", "users", "role"),
    [
        (column("page", distinct=2), (), "event"),
        (column("page", distinct=200, rows=1000), (), "event"),
        (column("handle"), ("Handle",), "user"),
        (column("actor_id"), (), "user"),
        (column("memberid"), (), ""),
        (column("actor"), (), ""),
        (column("user", distinct=500, rows=1000), (), "user"),
        (column("user", distinct=2), (), ""),  # such as admin and guest
        (column("user_role", distinct=500, rows=1000), (), ""),
        (column("user", "whole", distinct=500, rows=1000, low=0, high=900), (), ""),  # may count them
        (column("order_id"), (), ""),
        (column("event_id", distinct=100), (), "event_id"),
        (column("user_id", distinct=100), (), "event_id"),  # somebody else in each row is nobody
    ],
)
def test_a_column_of_events_may_have_a_role_instead(one, users, role):
    found, roles = unfit(one, users=users)
    assert set(roles) - {"id", "at"} == ({role} if role else set())
    assert (found == "taken") == bool(role)


@pytest.mark.parametrize(
    "one", [column("page", distinct=9), column("actor_id"), column("row_id", distinct=100)]
)
def test_a_role_is_of_events_and_given_once(one):
    assert set(unfit(one, "periods")[1]) == {"id", "at"}
    taken = {"event": "a", "user": "b", "event_id": "c"}
    assert unfit(one, roles=taken.items())[1] == {"id": "id", "at": "at"} | taken


def test_rows_of_periods_may_be_numbered_and_hold_a_yes_or_no():
    serial = column("visits", "whole", distinct=100, low=0, high=99)
    assert unfit(serial, "periods")[0] == ""
    assert unfit(serial)[0].startswith("identifies visits")


def test_the_most_frequent_kinds_are_named_and_those_as_frequent_by_name():
    kinds = [*"aab", None, *"ccc", "f", "e", "d", "b"]
    with duckdb.connect() as connection:
        table = seen(connection, "log", "id kind", [[at, kind] for at, kind in enumerate(kinds)])
        told = _most_frequent(connection, draft("events", table), table.columns["kind"])
    assert told == "6 kinds; the most frequent are c (3), a (2), b (2), d (1), e (1)"


def history(steps, ids=2):
    """Return rows of some ids, whose numbers go on by the same steps day by day."""
    rows = []
    for ident in range(ids):
        value = 0
        for at, step in enumerate([0, *steps]):
            value += step
            rows.append([ident, f"2024-{1 + at // 28:02d}-{1 + at % 28:02d}", value])
    return rows


@pytest.mark.parametrize(
    ("rows", "is_it"),
    [
        (history([1] * 25), True),
        (history([1] * 24), False),  # fewer than fifty steps say nothing
        (history([1] * 24 + [-1]), False),
        (history([1] + [0] * 24), True),  # however seldom it goes up
        (history([0] * 25), False),
        (list(reversed(history([1] * 25))), True),  # whatever the order of the rows
    ],
)
def test_a_running_total_rises_and_never_falls(rows, is_it):
    with duckdb.connect() as connection:
        table = seen(connection, "log", "id at n", rows)
        made = draft("events", table, id="id", at="at")
        assert _is_running_total(connection, made, table.columns["n"]) is is_it
        of_devices = draft("events", table, user="id", at="at")
        assert _is_running_total(connection, of_devices, table.columns["n"]) is is_it


def test_the_greatest_number_of_a_day_is_held_beside_that_of_the_next():
    rows = [one for row in history([1] * 25) for one in (row, [row[0], row[1], 0])]
    with duckdb.connect() as connection:
        table = seen(connection, "log", "id at n", rows)
        assert _is_running_total(connection, draft("events", table, id="id", at="at"), table.columns["n"])


def test_the_share_below_zero_is_of_the_rows_with_a_number():
    with duckdb.connect() as connection:
        table = seen(connection, "log", "n", [[-1], [0], [3], [4], [None]])
        assert _below_zero(connection, draft("events", table), table.columns["n"]) == 1 / 4
