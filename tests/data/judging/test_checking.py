"""What a check of a description says: leaks by name, honest columns left alone, dates, links."""

from __future__ import annotations

import datetime as dt
import random
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ml_sys.data.judging.checking import Checked, Needs, check
from ml_sys.data.looking.opening import look_at
from ml_sys.errors import MissingColumnError
from ml_sys.settings.description import SchemaSettings
from tests.data.proposing.folders import (
    DAYS,
    FIRST,
    Row,
    World,
    renamed,
    tables_of,
    with_column,
    world,
    write,
)

Tables = dict[str, list[Row]]
NEEDS = Needs(horizon_days=14, holdout_cutoffs=3, positives=10)
END = FIRST + dt.timedelta(DAYS + 60)


@pytest.fixture(scope="module")
def made() -> World:
    return world(900)


def described(**more: Any) -> dict[str, Any]:
    """Describe the three tables, and perhaps more."""
    tables: dict[str, Any] = {
        "users": {"kind": "entities", "id": "user_id", "since": "signed_up"},
        "events": {"kind": "events", "id": "user_id", "at": "at", "event": "event"},
        "purchases": {"kind": "purchases", "id": "user_id", "at": "purchased_on"},
    }
    return {"tables": {**tables, **more.pop("tables", {})}, "attributes": {}, **more}


def checked(folder: Path, tables: Tables, description: dict[str, Any], needs: Needs = NEEDS) -> Checked:
    write(folder, tables)
    schema = SchemaSettings(**description)
    with duckdb.connect() as connection:
        return check(
            connection,
            schema,
            look_at(connection, {one: f"{folder / one}.csv" for one in schema.tables}),
            needs,
        )


def luck(row: Row) -> random.Random:
    return random.Random(row["user_id"])  # noqa: S311 - nothing here is secret


def logins(made: World) -> Counter[int]:
    return Counter(one["user_id"] for one in made.events)


def last_use(made: World) -> dict[int, dt.date]:
    last: dict[int, dt.date] = {}
    for one in made.events:
        last[one["user_id"]] = max(one["at"], last.get(one["user_id"], FIRST))
    return last


def of(values: Mapping[int, object], other: object) -> Callable[[Row], object]:
    """Return the value of a user out of a table."""
    return lambda row: values.get(row["user_id"], other)


# A column of users that leaks, by its name; each gives the value of a user.
LEAKY: dict[str, Callable[[World], Callable[[Row], object]]] = {
    "total_logins": lambda made: of(logins(made), 0),
    "status": lambda made: of(dict.fromkeys(made.bought, "active"), "trial"),
    "contract_value": lambda made: of(dict.fromkeys(made.bought, "99 EUR"), ""),
    "segment_code": lambda made: of({user: 900 + user % 500 for user in made.bought}, 450),
    "days_as_customer": lambda made: of({user: (END - day).days for user, day in made.bought.items()}, 0),
    "recency_rank": lambda made: of({user: (day - FIRST).days for user, day in last_use(made).items()}, 0),
    "billing_city": lambda made: of(dict.fromkeys(made.bought, "Graz"), ""),
    "auto_renew": lambda made: of(dict.fromkeys(list(made.bought)[::2], "t"), "f"),
    "support_level": lambda made: of(dict.fromkeys(list(made.bought)[::2], "gold"), "none"),
    "csm_meetings": lambda made: of(dict.fromkeys(list(made.bought)[::2], 3), 0),
    "onboarding_score": lambda made: of({user: 2.5 * n for user, n in logins(made).items()}, 0),
}

# One that is honest, however it sounds, by its kind.
HONEST: dict[str, tuple[str, Callable[[Row], object]]] = {
    "country": ("category", lambda row: row["country"]),
    "employee_count": ("number", lambda row: luck(row).randrange(1, 900)),
    "marital_status": ("category", lambda row: luck(row).choice(("single", "married"))),
    "city_tier": ("category", lambda row: luck(row).choice(("one", "two", "three"))),
    "total_funding": ("number", lambda row: luck(row).randrange(10**6)),
    "signup_source": ("category", lambda row: luck(row).choice(("ad", "friend", "search"))),
    "number_of_offices": ("number", lambda row: luck(row).randrange(1, 9)),
    "age": ("number", lambda row: luck(row).randrange(18, 80)),
    "wants_newsletter": ("flag", lambda row: luck(row).choice(("yes", "no"))),
    "industry": ("category", lambda row: luck(row).choice(("bank", "shop", "", ""))),
}


@pytest.mark.parametrize("name", LEAKY)
def test_a_leak_among_attributes_is_named_and_sure(name: str, made: World, tmp_path: Path) -> None:
    users = with_column(made.users, name, LEAKY[name](made))
    is_number = isinstance(users[0][name], int | float)
    attributes = {name: {"kind": "number" if is_number else "category"}}
    found = checked(tmp_path, {**tables_of(made), "users": users}, described(attributes=attributes))
    assert [(one.where, one.sure) for one in found.verdicts] == [(f"users.{name}", True)]


def test_purchases_given_as_usage_are_a_leak(made: World, tmp_path: Path) -> None:
    charges = renamed(made.purchases, purchased_on="day")
    description = described(tables={"charges": {"kind": "events", "id": "user_id", "at": "day"}})
    found = checked(tmp_path, {**tables_of(made), "charges": charges}, description)
    assert [(one.where, one.sure) for one in found.verdicts] == [("charges", True)]


def test_a_kind_of_event_that_only_converters_have_is_a_leak(made: World, tmp_path: Path) -> None:
    paid = [
        {**made.events[0], "user_id": one["user_id"], "at": one["purchased_on"], "event": "receipt"}
        for one in made.purchases
    ]
    found = checked(tmp_path, {**tables_of(made), "events": [*made.events, *paid]}, described())
    assert [(one.where, one.sure) for one in found.verdicts] == [("events.receipt", True)]


def test_a_kind_of_event_that_comes_well_before_a_conversion_is_none(made: World, tmp_path: Path) -> None:
    early = [
        {**made.events[0], "user_id": user, "at": day - dt.timedelta(5), "event": "quote"}
        for user, day in made.bought.items()
    ]
    assert (
        checked(tmp_path, {**tables_of(made), "events": [*made.events, *early]}, described()).verdicts == ()
    )


def test_an_amount_that_only_converters_have_is_a_leak(made: World, tmp_path: Path) -> None:
    bought = made.bought
    events = with_column(made.events, "seat_fee", lambda row: 9 if row["user_id"] in bought else 0)
    description = described()
    description["tables"]["events"]["amounts"] = {
        "seat_fee": {"column": "seat_fee", "role": "amount"},
        "minutes": {"column": "minutes", "role": "amount"},
    }
    found = checked(tmp_path, {**tables_of(made), "events": events}, description)
    assert [(one.where, one.sure) for one in found.verdicts] == [("events.seat_fee", True)]


def test_blanks_that_are_filled_in_after_paying_are_a_leak_until_they_are_said_to_be(
    made: World, tmp_path: Path
) -> None:
    bought = made.bought
    users = with_column(
        made.users,
        "region",
        lambda row: row["country"] if row["user_id"] in bought or luck(row).random() < 0.4 else "",
    )
    tables = {**tables_of(made), "users": users}
    found = checked(tmp_path, tables, described(attributes={"region": {"kind": "category"}}))
    assert [(one.where, one.sure) for one in found.verdicts] == [("users.region", True)]
    assert "blank_leaks = true" in found.verdicts[0].reason
    said = {"region": {"kind": "category", "blank_leaks": True}}
    assert not checked(tmp_path, tables, described(attributes=said)).has_leak


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_attribute_is_not_blamed_however_it_sounds(name: str, made: World, tmp_path: Path) -> None:
    kind, value = HONEST[name]
    users = with_column(made.users, name, value)
    found = checked(
        tmp_path, {**tables_of(made), "users": users}, described(attributes={name: {"kind": kind}})
    )
    assert found.verdicts == ()


def test_a_name_alone_is_a_warning_and_no_leak(made: World, tmp_path: Path) -> None:
    users = with_column(made.users, "status", lambda row: luck(row).choice(("a", "b")))
    found = checked(
        tmp_path, {**tables_of(made), "users": users}, described(attributes={"status": {"kind": "category"}})
    )
    assert [(one.where, one.sure) for one in found.verdicts] == [("users.status", False)]
    assert not found.has_leak


def test_rows_dates_links_and_conversions_by_month_are_counted(made: World, tmp_path: Path) -> None:
    found = checked(tmp_path, tables_of(made), described())
    tables = {one.name: one for one in found.tables}
    assert tables["users"].rows == 900
    assert tables["users"].known is None
    assert tables["events"].known == 1.0
    days = [one["at"] for one in made.events]
    assert (tables["events"].first_day, tables["events"].last_day) == (str(min(days)), str(max(days)))
    bought = made.bought
    assert found.known.converters == len(bought)
    later = {user: day for user, day in bought.items() if day > begins(made)[user]}
    assert {one.month: one.conversions for one in found.months} == Counter(
        f"{day:%Y-%m}" for day in later.values()
    )
    march = next(one for one in found.months if one.month == "2023-03")
    first, last = dt.date(2023, 3, 1), dt.date(2023, 4, 1)
    free = [user for user, began in begins(made).items() if began < last and bought.get(user, END) >= first]
    assert march.free == len(free)


def begins(made: World) -> dict[int, dt.date]:
    return {one["user_id"]: one["signed_up"] for one in made.users}


def test_conversions_on_the_first_day_are_counted_apart(made: World, tmp_path: Path) -> None:
    began = begins(made)
    at_once = [{**one, "purchased_on": began[one["user_id"]]} for one in made.purchases[:20]]
    found = checked(tmp_path, {**tables_of(made), "purchases": at_once}, described())
    assert found.known.first_day == found.known.converters == len({one["user_id"] for one in at_once})
    assert found.months == ()


def test_days_are_those_of_the_described_zone(made: World, tmp_path: Path) -> None:
    last = f"{FIRST}T23:30:00Z"  # already the next day in Berlin
    seconds = int(dt.datetime(FIRST.year, FIRST.month, FIRST.day, 23, 30, tzinfo=dt.UTC).timestamp())
    tables = {
        "users": [{"user_id": 1, "signed_up": last}],
        "events": [
            {"user_id": 1, "at": f"{FIRST} 23:30", "event": "opened"}
        ],  # names no zone, so it is local
        "purchases": [{"user_id": 1, "purchased_on": seconds}],
    }
    write(tmp_path, tables)
    of_seconds = {"kind": "purchases", "id": "user_id", "at": "purchased_on", "dates": "epoch_s"}
    description = described(time_zone="Europe/Berlin", tables={"purchases": of_seconds})
    found = {one.name: one.first_day for one in checked(tmp_path, tables, description).tables}
    next_day = str(FIRST + dt.timedelta(1))
    assert found == {"users": next_day, "events": str(FIRST), "purchases": next_day}


def test_money_given_back_is_no_conversion_of_a_check_either(made: World, tmp_path: Path) -> None:
    rows = [{"user_id": 1001 + at, "purchased_on": FIRST + dt.timedelta(9 + at)} for at in range(5)]
    amounts, types = (-9, 0, 5, 5, ""), ("sale", "sale", "Credit_Note", "sale", "sale")
    bought = [{**row, "amount": a, "type": t} for row, a, t in zip(rows, amounts, types, strict=True)]
    table = {"kind": "purchases", "id": "user_id", "at": "purchased_on", "value": "amount", "type": "type"}
    for more, converters in (({}, 2), ({"zero_converts": True}, 3)):
        description = described(tables={"purchases": {**table, **more}})
        found = checked(tmp_path, {**tables_of(made), "purchases": bought}, description)
        assert found.known.converters == converters


def test_rows_that_are_no_entity_or_may_be_no_conversion_are_named(made: World, tmp_path: Path) -> None:
    users = [*made.users, {**dict.fromkeys(made.users[0], ""), "user_id": "Total"}]
    says = ("paid", "pending", "cancelled")
    bought = [{**one, "status": says[at % 3]} for at, one in enumerate(made.purchases)]
    found = checked(tmp_path, {**tables_of(made), "users": users, "purchases": bought}, described())
    total, pending = found.problems
    assert total.startswith("users: 1 row of user_id 'Total': called as a sum of the others is; leave it out")
    assert pending.startswith("purchases: rows whose status is pending (")
    assert [one.partition(" (")[0] for one in found.notes] == ["purchases: rows whose status is cancelled"]


def test_usage_of_unknown_entities_is_a_problem(made: World, tmp_path: Path) -> None:
    events = [{**one, "user_id": one["user_id"] + 600} for one in made.events]
    found = checked(tmp_path, {**tables_of(made), "events": events}, described())
    assert any(text.startswith("events: only 3") and "are known" in text for text in found.problems)


def test_dates_that_ingest_does_not_read_are_a_problem(made: World, tmp_path: Path) -> None:
    write(tmp_path, tables_of(made), day=lambda day: f"{day:%d.%m.%Y}")
    schema = SchemaSettings(**described())
    where = {one: str(tmp_path / f"{one}.csv") for one in schema.tables}
    with duckdb.connect() as connection:
        found = check(connection, schema, look_at(connection, where), NEEDS)
    assert 'events.at: its values are written DD.MM.YYYY; say dates = "day-first"' in found.problems
    described_so = described()
    for one in described_so["tables"].values():
        one["dates"] = "day-first"
    with duckdb.connect() as connection:
        found = check(connection, SchemaSettings(**described_so), look_at(connection, where), NEEDS)
    assert (found.problems, found.known.converters) == ((), len(made.bought))


def test_few_conversions_are_said_to_be_thin(made: World, tmp_path: Path) -> None:
    few = Needs(horizon_days=14, holdout_cutoffs=3, positives=1000)
    found = checked(tmp_path, tables_of(made), described(), few)
    assert found.thin[0].endswith("which a model is judged by; the gate asks for 1000")


def test_a_column_that_is_described_and_missing_is_named(made: World, tmp_path: Path) -> None:
    description = described()
    description["tables"]["users"]["since"] = "signedup"
    with pytest.raises(MissingColumnError, match="'signedup' is missing"):
        checked(tmp_path, tables_of(made), description)


def test_events_of_users_count_for_the_entity_that_a_link_leads_to(made: World, tmp_path: Path) -> None:
    members = [{"member": one["user_id"] * 10, "user_id": one["user_id"]} for one in made.users]
    events = [{**one, "user_id": one["user_id"] * 10} for one in made.events]
    tables = {**tables_of(made), "events": renamed(events, user_id="member"), "members": members}
    links = {"kind": "links", "user": "member", "id": "user_id"}
    linked = {"kind": "events", "id": "", "user": "member", "link": "members", "at": "at", "event": "event"}
    description = described(tables={"members": links, "events": linked})
    found = checked(tmp_path, tables, description)
    assert next(one.known for one in found.tables if one.name == "events") == 1.0
    assert found.known.used == len({one["user_id"] for one in made.events})
