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

from ml_sys.data.judging.checking import DescriptionCheck, Month, Needs, TableCheck, check
from ml_sys.data.judging.leaks import Leak
from ml_sys.data.judging.parts import JudgedTables
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


def checked(
    folder: Path, tables: Tables, description: dict[str, Any], needs: Needs = NEEDS
) -> DescriptionCheck:
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


def all_leaky(made: World) -> list[Row]:
    """Return users with every column that leaks."""
    users = made.users
    for name, values in LEAKY.items():
        users = with_column(users, name, values(made))
    return users


@pytest.fixture(scope="module")
def judged(made: World, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bool]:
    """Whether a verdict is sure, by the place; of every leaking and every honest column at once."""
    users = all_leaky(made)
    attributes = {
        name: {"kind": "number" if isinstance(users[0][name], int | float) else "category"} for name in LEAKY
    }
    for name, (kind, value) in HONEST.items():
        users, attributes[name] = with_column(users, name, value), {"kind": kind}
    folder, tables = tmp_path_factory.mktemp("judged"), {**tables_of(made), "users": users}
    verdicts = checked(folder, tables, described(attributes=attributes)).verdicts
    assert len({one.where for one in verdicts}) == len(verdicts)
    return {one.where: one.sure for one in verdicts}


@pytest.mark.parametrize("name", LEAKY)
def test_a_leak_among_attributes_is_named_and_sure(name: str, judged: dict[str, bool]) -> None:
    assert judged[f"users.{name}"]


def test_nothing_but_what_leaks_is_named(judged: dict[str, bool]) -> None:
    assert judged.keys() == {f"users.{name}" for name in LEAKY}


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
def test_an_honest_attribute_is_not_blamed_however_it_sounds(name: str, judged: dict[str, bool]) -> None:
    assert f"users.{name}" not in judged


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
    assert total.startswith(
        "users: 1 row of user_id 'Total': looks like a total of the other rows; leave it out"
    )
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
    assert 'events.at: its values are written DD.MM.YYYY; set dates = "day-first"' in found.problems
    described_so = described()
    for one in described_so["tables"].values():
        one["dates"] = "day-first"
    with duckdb.connect() as connection:
        found = check(connection, SchemaSettings(**described_so), look_at(connection, where), NEEDS)
    assert (found.problems, found.known.converters) == ((), len(made.bought))


def test_few_conversions_are_said_to_be_thin(made: World, tmp_path: Path) -> None:
    few = Needs(horizon_days=14, holdout_cutoffs=3, positives=1000)
    found = checked(tmp_path, tables_of(made), described(), few)
    assert found.thin[0].endswith("on which a model is judged; the gate asks for 1000")


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


# A handful of rows, counted by hand


def small(
    folder: Path, needs: Needs = NEEDS, *, attributes: Any = None, **tables: tuple[Any, str]
) -> DescriptionCheck:
    """Check tables, each given as its description and its lines."""
    for name, (_, text) in tables.items():
        (folder / f"{name}.csv").write_text("\n".join([*text.split(), ""]))
    described = {name: one for name, (one, _) in tables.items()}
    schema = SchemaSettings.model_validate({"tables": described, "attributes": attributes or {}})
    with duckdb.connect() as connection:
        looked = look_at(connection, {name: str(folder / f"{name}.csv") for name in tables})
        return check(connection, schema, looked, needs)


TEAMS = {"kind": "entities", "id": "team", "converted_on": "paid", "since": "born"}
SEEN = {"kind": "periods", "id": "team", "at": "day", "measures": {"n": {"column": "n"}}}


def test_ids_are_known_once_each_by_whichever_table_of_entities_and_half_of_them_are_enough(
    tmp_path: Path,
) -> None:
    teams = TEAMS, "team,paid,born a,2020-02-01,2020-01-01 b,,2020-01-01"
    leads = {"kind": "entities", "id": "lead"}, "lead,more x,1 y,2"
    rows = (
        "team,day,n a,2020-01-05,1 x,2020-01-05,1 q,2020-01-05,1 q,2020-01-06,1 q,2020-01-07,1 r,2020-01-05,1"
    )
    found = small(tmp_path, teams=teams, leads=leads, seen=(SEEN, rows))
    assert [(one.name, one.rows, one.known) for one in found.tables] == [
        ("teams", 2, None), ("leads", 2, None), ("seen", 6, 0.5)
    ]  # fmt: skip
    assert found.problems == ()
    blank = small(tmp_path, teams=teams, leads=leads, seen=(SEEN, rows + " ,2020-01-05,1"))
    assert blank.tables[-1].known == 0.5  # a row without an id names nobody
    found = small(tmp_path, teams=teams, leads=leads, seen=(SEEN, rows + " s,2020-01-05,1"))
    assert found.problems == ("seen: only 40% of its ids are known; rows with other ids are set aside",)


def test_a_month_counts_who_was_free_in_it_and_a_rate_of_nobody_is_none(tmp_path: Path) -> None:
    teams = (
        "team,paid,born a,2020-02-01,2020-01-31 b,2020-02-29,2020-02-10 c,,2020-02-28 d,,2020-03-01 "
        "e,2020-03-01,2020-03-01 f,2020-04-02,"
    )
    found = small(tmp_path, teams=(TEAMS, teams), seen=(SEEN, "team,day,n a,2020-01-05,1"))
    assert [(one.month, one.free, one.conversions) for one in found.months] == [
        ("2020-02", 4, 2), ("2020-04", 3, 1)
    ]  # fmt: skip
    assert found.known == JudgedTables(6, 4, 1, 1)
    assert found.months[0].rate == 0.5
    assert Month("2020-01", 0, 0).rate != Month("2020-01", 0, 0).rate


def test_what_is_thin_is_counted_from_the_end_of_usage_without_first_days(tmp_path: Path) -> None:
    # Usage ends on 30 January: the last ten days begin on the 21st.
    teams = (
        "team,paid,born a,2020-01-20,2020-01-01 b,2020-01-21,2020-01-01 c,2020-01-25,2020-01-01 "
        "d,2020-01-26,2020-01-26 e,,2020-01-01"
    )
    seen = "team,day,n a,2020-01-20,1 b,2020-01-20,1 e,2020-01-30,1"
    tables = {"teams": (TEAMS, teams), "seen": (SEEN, seen)}
    assert small(tmp_path, Needs(5, 2, 1), **tables).thin == ()
    assert small(tmp_path, Needs(5, 2, 2), **tables).thin == (
        "only 1 converted before those days, which is little to learn from",
    )
    assert small(tmp_path, Needs(5, 2, 3), **tables).thin[0] == (
        "2 converted in the last 10 days, on which a model is judged; the gate asks for 3"
    )
    unseen = "team,day,n a,2020-01-20,1 b,2020-01-21,1 e,2020-01-30,1"
    assert small(tmp_path, Needs(5, 2, 1), teams=(TEAMS, teams), seen=(SEEN, unseen)).thin == (
        "only 0 of the 3 that converted had any usage before",
    )


def test_attributes_are_judged_in_the_columns_described_and_by_the_outcome(tmp_path: Path) -> None:
    # All that paid have two and a half seats or more, and a size; of the others three in four have none.
    paid = " ".join(f"p{at},2020-02-0{1 + at % 9},2020-01-01,{2.5 + at},x" for at in range(20))
    free = " ".join(f"f{at},,2020-01-01,1,{'x' if at % 4 == 0 else ''}" for at in range(80))
    kinds = {"seats": {"kind": "number", "column": "n"}, "size": {"kind": "category", "column": "s"}}
    tables = {
        "teams": (TEAMS, f"team,paid,born,n,s {paid} {free}"),
        "seen": (SEEN, "team,day,n p1,2020-01-05,1"),
    }
    found = small(tmp_path, attributes=kinds, **tables)
    assert [(one.where, one.sure) for one in found.verdicts] == [("teams.seats", True), ("teams.size", True)]
    assert found.verdicts[1].reason.endswith("75.0% of the others: set blank_leaks = true for it")
    kinds["size"]["blank_leaks"] = True
    assert [one.where for one in small(tmp_path, attributes=kinds, **tables).verdicts] == ["teams.seats"]
    assert found.has_leak


def test_users_lead_to_teams_whatever_else_the_events_hold_and_purchases_convert_as_described(
    tmp_path: Path,
) -> None:
    events = (
        {"kind": "events", "id": "", "at": "day", "user": "who", "link": "people"},
        "who,day ann,2020-01-02 bob,2020-01-03",
    )
    people = {"kind": "links", "user": "who", "id": "team"}, "who,team ann,a bob,b"
    teams = {"kind": "entities", "id": "team"}, "team,more a,1 b,2 c,3"
    bought = {"kind": "purchases", "id": "team", "at": "day", "value": "eur"}
    rows = "team,day,eur a,2020-01-09,0 b,2020-01-09,-5 c,2020-01-10,5"
    found = small(tmp_path, teams=teams, bought=(bought, rows), people=people, log=events)
    assert (found.known, found.tables[-1].known) == (JudgedTables(3, 1, 0, 2), 1.0)
    zero = bought | {"zero_converts": True}
    assert small(tmp_path, teams=teams, bought=(zero, rows), people=people, log=events).known.converters == 2


def test_a_check_of_awkward_tables_is_told_whole(tmp_path: Path) -> None:
    """Two tables of entities, refunds, a sum at the end, users through links, days in three spellings."""
    found = small(
        tmp_path,
        Needs(horizon_days=14, holdout_cutoffs=2, positives=3),
        attributes={"size": {"kind": "number"}, "current_plan": {"kind": "category", "blank_leaks": True}},
        people=(
            {"kind": "entities", "id": "id", "since": "born"},
            "id,born,size,current_plan a1,2024-01-01,5,free a2,2024-01-31,,pro a3,2024-02-01,7,free "
            "a4,2024-03-15,9, a5,,11,free Total,,32,",
        ),
        firms=({"kind": "entities", "id": "id"}, "id,size f1,12 a1,6 f2,"),
        sales=(
            {"kind": "purchases", "id": "id", "at": "on", "value": "amount", "type": "type",
             "dates": "day-first"},
            "id,on,amount,type,status a1,05/02/2024,10,sale,paid a1,20/02/2024,-10,refund,paid "
            "a2,31/01/2024,20,sale,pending a3,29/02/2024,0,sale,paid a3,13/03/2024,5,sale,cancelled "
            "zz,01/03/2024,9,sale,paid",
        ),
        seats=({"kind": "links", "id": "team", "user": "user"}, "user,team u1,a1 u2,a3 u3,f1 u9,none"),
        clicks=(
            {"kind": "events", "id": "", "user": "user", "link": "seats", "at": "at", "event": "what",
             "amounts": {"secs": {"column": "secs"}}},
            "user,at,what,secs u1,2024-02-01T10:00:00,view,3 u1,2024-02-05T00:00:00,view,1 "
            "u2,2024-03-12T23:59:59,buy,2 u3,2024-03-20T00:00:00,view, u8,2024-03-21T00:00:00,view,4",
        ),
        weeks=(
            {"kind": "periods", "id": "id", "at": "week", "dates": "epoch_s",
             "measures": {"minutes": {"column": "minutes", "role": "amount"}}},
            "id,week,minutes a2,1706486400,4 a4,1710720000,0 xx,1710720000,3 yy,1710720000,3 qq,1710720000,1",
        ),
    )  # fmt: skip
    assert found == DescriptionCheck(
        tables=(
            TableCheck("people", "entities", 6, "2024-01-01", "2024-03-15", None),
            TableCheck("firms", "entities", 3, None, None, None),
            TableCheck("sales", "purchases", 6, "2024-01-31", "2024-03-13", 0.75),
            TableCheck("seats", "links", 4, None, None, None),
            TableCheck("clicks", "events", 5, "2024-02-01", "2024-03-21", 1.0),
            TableCheck("weeks", "periods", 5, "2024-01-29", "2024-03-18", 0.4),
        ),
        known=JudgedTables(entities=9, converters=4, first_day=1, used=5),
        months=(Month("2024-02", 7, 1), Month("2024-03", 7, 2)),
        verdicts=(Leak("people", "current_plan", "names the plan that is paid for", False),),
        problems=(
            "people: 1 row of id 'Total': looks like a total of the other rows; leave it out with a query, "
            """WHERE ("id" IS NULL OR trim("id") <> 'Total')""",
            "sales: rows whose status is pending (1) count as conversions, though nothing was paid; leave "
            "them out with a query, WHERE status NOT IN ('pending')",
            "weeks: only 40% of its ids are known; rows with other ids are set aside",
        ),
        thin=(
            "2 converted in the last 28 days, on which a model is judged; the gate asks for 3",
            "only 1 converted before those days, which is little to learn from",
        ),
        notes=(
            "sales: rows whose status is cancelled (1) count as conversions; if nothing was paid before "
            "that, leave them out with a query, WHERE status NOT IN ('cancelled')",
        ),
    )
