"""What is proposed for files: those of real companies, and folders as awkward as they come."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import random
import tomllib
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ml_sys.data.judging.checking import Needs, check
from ml_sys.data.looking.opening import look_at
from ml_sys.data.proposing.answers import Answers, Asker
from ml_sys.data.proposing.proposal import Proposal, _begin_by_use, _not_to_call, _settings, _unread, propose
from ml_sys.data.proposing.tables import Plan
from ml_sys.data.proposing.writing import as_toml
from ml_sys.errors import InputError
from ml_sys.form import Form
from ml_sys.jobs.data.ingest import ingest_tables
from ml_sys.settings import Settings
from ml_sys.settings.description import SchemaSettings
from tests.data.judging.test_checking import HONEST, LEAKY, all_leaky
from tests.data.proposing.folders import (
    Row,
    World,
    renamed,
    tables_of,
    with_column,
    world,
    write,
    write_csv,
)
from tests.data.proposing.small import column, day, draft, looked, seen

REAL = Path(__file__).parents[3] / ".." / "shared" / "data"
Ids = dict[str, str]


@pytest.fixture(scope="module")
def made() -> World:
    return world()


def proposed(folder: Path, asker: Asker | None = None, **answers: str) -> Proposal:
    """Propose, and see that the settings file that comes of it loads."""
    found = propose([str(folder)], Answers(**answers), asker or Asker())
    schema(found)
    return found


def schema(found: Proposal) -> SchemaSettings:
    return SchemaSettings(**tomllib.loads(as_toml(found, ["files"]))["schema"])


def kinds(found: Proposal) -> dict[str, str]:
    return {one.name: one.kind for one in found.drafts}


def roles(found: Proposal, name: str) -> dict[str, str]:
    return next(one.roles for one in found.drafts if one.name == name)


def left(found: Proposal) -> dict[str, str]:
    return {one.where: one.reason for one in found.left}


def rows(found: Proposal, name: str) -> list[tuple[Any, ...]]:
    """Read a table as ingest does, sorted; days as they are written in the file."""
    location = next(one.file() for one in found.drafts if one.name == name)
    used = ", ".join(f'"{one}"' for one in roles(found, name).values())
    source = f"({location})" if location.startswith("SELECT") else f"'{location}'"
    source = f"read_parquet('{location}/*')" if location.endswith("/events") else source
    return sorted(duckdb.sql(f"SELECT {used} FROM {source}").fetchall(), key=str)  # noqa: S608 - the test's own files


def is_the_plain_one(found: Proposal, made: World) -> None:
    """See that users, events and purchases were understood, and that days are read as they were meant."""
    assert kinds(found) == {"users": "entities", "events": "events", "purchases": "purchases"}
    assert schema(found).form(dict.fromkeys(["events"], ("opened",))).measure_names == (
        "events_opened",
        "events_other",
        "minutes",
    )
    assert list(found.attributes) == ["country"]
    assert found.known.converters == len(made.bought)
    user, at = roles(found, "purchases")["id"], roles(found, "purchases")["at"]
    assert (user, at) == ("user_id", "purchased_on")
    with duckdb.connect() as connection:
        where = {one.name: one.file() for one in found.drafts}
        checked = check(connection, schema(found), look_at(connection, where), Needs(14, 3, 10))
    assert (checked.problems, checked.known.converters) == ((), len(made.bought))
    bought = [one["purchased_on"] for one in made.purchases]
    table = next(one for one in checked.tables if one.name == "purchases")
    assert (table.first_day, table.last_day) == (str(min(bought)), str(max(bought)))
    assert roles(found, "users")["since"] == "signed_up"


def test_three_plain_tables_need_no_query(made: World, tmp_path: Path) -> None:
    found = proposed(write(tmp_path, tables_of(made)))
    is_the_plain_one(found, made)
    assert {one.file() for one in found.drafts} == {
        str(tmp_path / f"{one}.csv") for one in ("users", "events", "purchases")
    }
    assert left(found) == {"purchases.order_id": "only the day and the money of purchases are read"}


def test_semicolons_are_read_as_they_are(made: World, tmp_path: Path) -> None:
    is_the_plain_one(proposed(write(tmp_path, tables_of(made), delimiter=";")), made)


@pytest.mark.parametrize("form", ["%d-%m-%Y", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%Y%m%d", "%Y/%m/%d"])
def test_dates_are_read_however_they_are_written(form: str, made: World, tmp_path: Path) -> None:
    is_the_plain_one(proposed(write(tmp_path, tables_of(made), day=lambda day: day.strftime(form))), made)


@pytest.mark.parametrize("per_second", [1, 1_000])
def test_dates_may_be_seconds_or_milliseconds(per_second: int, made: World, tmp_path: Path) -> None:
    def seconds(day: dt.date) -> int:
        return int(dt.datetime(day.year, day.month, day.day, 12, tzinfo=dt.UTC).timestamp()) * per_second

    is_the_plain_one(proposed(write(tmp_path, tables_of(made), day=seconds)), made)


def early(made: World) -> dict[str, list[Row]]:
    """Return tables in which no day is after the 12th."""

    def moved(value: object) -> object:
        return value.replace(day=1 + value.day % 12) if isinstance(value, dt.date) else value

    return {
        name: [{key: moved(one) for key, one in row.items()} for row in table]
        for name, table in tables_of(made).items()
    }


def test_dates_that_may_be_read_in_two_ways_are_asked_about(made: World, tmp_path: Path) -> None:
    folder = write(tmp_path, early(made), day=lambda day: f"{day:%d/%m/%Y}")
    with pytest.raises(InputError, match=r"which date format is this\? No day is after the 12th") as caught:
        proposed(folder)
    assert caught.value.hint == "answer with --dates DD/MM/YYYY|MM/DD/YYYY"
    found = proposed(folder, dates="DD/MM/YYYY")
    assert next(one for one in found.drafts if one.name == "events").base.columns["at"].format == "%d/%m/%Y"


def test_a_file_without_a_header_is_understood_by_its_values_and_said(made: World, tmp_path: Path) -> None:
    found = proposed(write(tmp_path, tables_of(made), header=False))
    assert kinds(found) == {"users": "entities", "events": "events", "purchases": "purchases"}
    assert roles(found, "purchases") == {"id": "column2", "at": "column3"}
    assert roles(found, "events")["at"] == "column2"
    assert roles(found, "users") == {"id": "column1", "since": "column3"}
    assert sum("it has no header" in note for note in found.notes) == 3
    assert found.known.converters == len(made.bought)


@pytest.mark.parametrize(
    ("table", "written"), [("users", "{:08d}"), ("events", "{}.0"), ("purchases", "{:06d}")]
)
def test_ids_are_numbers_here_and_texts_there(table: str, written: str, made: World, tmp_path: Path) -> None:
    tables = tables_of(made)
    tables[table] = [{**one, "user_id": written.format(one["user_id"])} for one in tables[table]]
    found = proposed(write(tmp_path, tables))
    is_the_plain_one(found, made)
    ids = {str(one[0]) for one in rows(found, "users")}
    assert {str(one[0]) for one in rows(found, "events")} <= ids


def test_personal_columns_are_left_out_and_named(made: World, tmp_path: Path) -> None:
    users = made.users
    for name, value in {
        "email": "u{}@example.org",
        "full_name": "Ann B. {}",
        "phone": "+43 660 12{}",
        "ip": "10.0.0.{}",
        "street": "Main Street {}",
    }.items():
        users = with_column(
            users,
            name,
            lambda row, value=value: value.format(row["user_id"] % (250 if "10.0" in value else 9999)),
        )
    found = proposed(write(tmp_path, {**tables_of(made), "users": users}))
    is_the_plain_one(found, made)
    assert {where: reason for where, reason in left(found).items() if where.startswith("users.")} == {
        "users.email": "personal: an e-mail address",
        "users.full_name": "personal: a name",
        "users.phone": "personal: a phone number",
        "users.ip": "personal: an IP address",
        "users.street": "personal: an address",
    }


def test_of_two_dates_the_one_that_says_when_it_happened_counts(made: World, tmp_path: Path) -> None:
    events = with_column(made.events, "loaded_at", lambda row: row["at"] + dt.timedelta(3))
    found = proposed(write(tmp_path, {**tables_of(made), "events": events}))
    is_the_plain_one(found, made)
    assert roles(found, "events")["at"] == "at"


def test_of_two_dates_that_look_alike_is_asked(made: World, tmp_path: Path) -> None:
    events = with_column(
        renamed(made.events, at="date_a"), "date_b", lambda row: row["date_a"] + dt.timedelta(3)
    )
    folder = write(tmp_path, {**tables_of(made), "events": events})
    with pytest.raises(InputError, match="which column says when it happened") as caught:
        proposed(folder)
    assert caught.value.hint == "answer with --at date_a|date_b"
    assert roles(proposed(folder, at="events.date_b"), "events")["at"] == "date_b"
    asked: list[str] = []
    found = proposed(folder, Asker(lambda question, among: asked.append(question) or among[0]))
    assert (roles(found, "events")["at"], len(asked)) == ("date_a", 1)


def test_nested_records_become_columns_of_a_query(made: World, tmp_path: Path) -> None:
    write(tmp_path, {"users": made.users, "purchases": made.purchases})
    lines = [
        json.dumps({
            "actor": {"user_id": one["user_id"]}, "at": f"{one['at']}T10:00:00Z", "event": one["event"],
            "props": {"minutes": one["minutes"], "tags": ["a", "b"]},
        })
        for one in made.events
    ]  # fmt: skip
    (tmp_path / "events.jsonl").write_text("\n".join(lines), encoding="utf-8")
    found = proposed(tmp_path)
    assert kinds(found) == {"users": "entities", "events": "events", "purchases": "purchases"}
    assert roles(found, "events") == {"id": "actor_user_id", "at": "at", "event": "event"}
    assert "events: props_tags is left out, as it holds lists" in found.notes
    assert rows(found, "events")[0][0] in {one["user_id"] for one in made.users}


def test_several_files_of_the_same_entities_are_one_table(made: World, tmp_path: Path) -> None:
    half = len(made.users) // 2
    tables = {"users_2021": made.users[:half], "users_2022": made.users[half:]}
    found = proposed(write(tmp_path, {**tables, "events": made.events, "purchases": made.purchases}))
    is_the_plain_one(found, made)
    assert len(rows(found, "users")) == len(made.users)
    assert next(one.file() for one in found.drafts if one.name == "users").startswith("SELECT ")


def test_customers_and_the_others_are_two_tables_of_entities(made: World, tmp_path: Path) -> None:
    bought = made.bought
    customers = [
        {**one, "closed_on": bought[one["user_id"]]} for one in made.users if one["user_id"] in bought
    ]
    others = [one for one in made.users if one["user_id"] not in bought]
    tables = {"customers": customers, "others": others, "events": made.events}
    found = proposed(write(tmp_path, tables))
    assert kinds(found) == {"customers": "entities", "others": "entities", "events": "events"}
    assert roles(found, "customers")["converted_on"] == "closed_on"
    assert (found.known.entities, found.known.converters) == (len(made.users), len(bought))


def test_a_folder_of_parquet_parts_is_one_table(made: World, tmp_path: Path) -> None:
    write(tmp_path / "tables", {"users": made.users, "purchases": made.purchases})
    whole = write_csv(tmp_path / "events.csv", made.events)
    (tmp_path / "tables" / "events").mkdir()
    for at in range(3):
        part = tmp_path / "tables" / "events" / f"part-{at:04d}.parquet"
        duckdb.sql(f"COPY (SELECT * FROM '{whole}' WHERE user_id % 3 = {at}) TO '{part}'")  # noqa: S608 - the test's own
    found = proposed(tmp_path / "tables")
    is_the_plain_one(found, made)
    assert len(rows(found, "events")) == len(made.events)


def test_a_monthly_table_is_of_periods_and_counts_by_month(made: World, tmp_path: Path) -> None:
    months: dict[tuple[int, dt.date], list[float]] = {}
    for one in made.events:
        months.setdefault((one["user_id"], one["at"].replace(day=1)), []).append(one["minutes"])
    usage = [
        {
            "user_id": user,
            "month": month,
            "actions_reports": len(minutes),
            "users_reports": 1 + len(minutes) // 4,
            "minutes_used": round(sum(minutes), 1),
        }
        for (user, month), minutes in months.items()
    ]
    found = proposed(write(tmp_path, {"users": made.users, "purchases": made.purchases, "usage": usage}))
    assert kinds(found)["usage"] == "periods"
    measures = {one.name: (one.role, one.object) for one in schema(found).form().measures}
    assert measures == {
        "actions_reports": ("actions", "reports"),
        "users_reports": ("users", "reports"),
        "minutes_used": ("amount", "minutes_used"),
    }
    assert found.settings["usage"] == {"period": "month"}


def workspaces(made: World) -> dict[str, list[Row]]:
    """Roll users up to workspaces that pay."""
    luck = random.Random(1)  # noqa: S311 - nothing here is secret
    size = {one["user_id"]: 1 + luck.randrange(3) for one in made.users}
    return {
        "workspaces": [
            {"workspace_id": f"w{one['user_id']}", "industry": one["country"], "created_at": one["signed_up"]}
            for one in made.users
        ],
        "members": [
            {"user_id": user * 10 + at, "workspace_id": f"w{user}", "email": f"a{user}{at}@example.org"}
            for user, n in size.items()
            for at in range(n)
        ],
        "events": [
            {"event_id": 500_000 + at, "user_id": one["user_id"] * 10 + luck.randrange(size[one["user_id"]]),
             "occurred_at": one["at"], "event_name": one["event"]}
            for at, one in enumerate(made.events)
        ],
        "invoices": [
            {**{key: one[key] for key in ("order_id", "amount")}, "workspace_id": f"w{one['user_id']}",
             "paid_at": one["purchased_on"]}
            for one in made.purchases
        ],
    }  # fmt: skip


def test_users_are_rolled_up_to_the_workspaces_that_pay(made: World, tmp_path: Path) -> None:
    found = proposed(write(tmp_path, workspaces(made)))
    assert kinds(found) == {
        "workspaces": "entities",
        "members": "links",
        "events": "events",
        "invoices": "purchases",
    }
    events = schema(found).tables["events"]
    assert (events.id, events.user, events.link, events.event_id) == ("", "user_id", "members", "event_id")  # type: ignore[union-attr]  # a table of events
    assert found.words["entity"] == {"one": "workspace", "many": "workspaces"}
    assert left(found)["members.email"] == "personal: an e-mail address"
    assert found.known.used == len({one["user_id"] for one in made.events})


def test_one_table_of_events_may_say_who_bought(made: World, tmp_path: Path) -> None:
    bought = [
        {"user_id": one["user_id"], "at": one["purchased_on"], "event": "purchase"} for one in made.purchases
    ]
    events = [{key: one[key] for key in ("user_id", "at", "event")} for one in made.events]
    found = proposed(write(tmp_path, {"activity": [*events, *bought]}))
    assert kinds(found) == {"activity": "events", "purchases": "purchases"}
    assert (len(rows(found, "activity")), len(rows(found, "purchases"))) == (len(events), len(bought))
    assert found.known.converters == len(made.bought)


def test_one_table_may_repeat_the_day_of_conversion_in_every_row(made: World, tmp_path: Path) -> None:
    bought = made.bought
    found = proposed(
        write(
            tmp_path,
            {"activity": with_column(made.events, "paid_on", lambda row: bought.get(row["user_id"], ""))},
        )
    )
    assert kinds(found) == {"activity": "events", "entities": "entities"}
    assert roles(found, "entities") == {"id": "user_id", "converted_on": "paid_on"}
    assert len(rows(found, "entities")) == len({one["user_id"] for one in made.events})


def test_who_converted_is_asked_where_no_name_says_it(made: World, tmp_path: Path) -> None:
    bought = made.bought
    users = with_column(made.users, "date_x", lambda row: bought.get(row["user_id"], ""))
    folder = write(tmp_path, {"users": users, "events": made.events})
    with pytest.raises(InputError, match="No name shows who converted, and when") as caught:
        proposed(folder)
    assert caught.value.hint == "answer with --converted users.date_x"
    assert roles(proposed(folder, converted="users.date_x"), "users")["converted_on"] == "date_x"


def test_a_date_that_all_have_or_that_accounts_are_closed_on_is_no_conversion(
    made: World, tmp_path: Path
) -> None:
    since = renamed(made.users, signed_up="customer_since")
    folder = write(tmp_path, {**tables_of(made), "users": since})
    assert roles(proposed(folder), "users") == {"id": "user_id", "since": "customer_since"}
    bought = made.bought
    closed = with_column(made.users, "closed_at", lambda row: bought.get(row["user_id"], ""))
    with pytest.raises(InputError, match="No name shows who converted, and when") as caught:
        proposed(write(tmp_path / "closed", {"users": closed, "events": made.events}))
    assert caught.value.hint == "answer with --converted users.closed_at"


def test_two_that_say_who_converted_and_differ_are_asked_about(made: World, tmp_path: Path) -> None:
    bought = made.bought
    users = with_column(
        made.users,
        "upgraded_at",
        lambda row: bought[row["user_id"]] + dt.timedelta(9) if row["user_id"] in bought else "",
    )
    with pytest.raises(InputError, match="Which of these shows who converted, and when") as caught:
        proposed(write(tmp_path, {**tables_of(made), "users": users}))
    assert caught.value.hint == "answer with --converted purchases|users.upgraded_at"


def test_names_of_files_and_columns_become_names_of_a_description(made: World, tmp_path: Path) -> None:
    users = with_column(made.users, "Größe in m²", lambda row: row["user_id"] * 7919 % 400)
    calls = [
        {"user_id": one["user_id"], "at": one["at"], "minutes": 2 * one["minutes"]} for one in made.events
    ]
    tables = {"2024 Nutzer": users, "käufe": made.purchases, "events": made.events, "calls": calls}
    found = proposed(write(tmp_path, tables), converted="kaufe")
    assert kinds(found) == {
        "table_2024_nutzer": "entities", "kaufe": "purchases", "events": "events", "calls": "events",
    }  # fmt: skip
    assert list(found.attributes) == ["country", "grosse_in_m2"]
    measures = [name for one in found.drafts for name in one.measures]
    assert sorted(measures) == ["calls_minutes", "events_minutes"]


def test_no_conversions_at_all_is_one_clear_line(made: World, tmp_path: Path) -> None:
    folder = write(tmp_path, {"users": made.users, "events": made.events})
    with pytest.raises(InputError, match="no table shows who converted, and when"):
        proposed(folder)


def test_what_is_known_only_after_paying_is_left_out_with_the_reason(made: World, tmp_path: Path) -> None:
    bought, used = made.bought, {one["user_id"]: 0 for one in made.users}
    for one in made.events:
        used[one["user_id"]] += 1
    users = with_column(made.users, "status", lambda row: "active" if row["user_id"] in bought else "free")
    users = with_column(users, "plan", lambda row: "pro" if row["user_id"] in bought else "")
    users = with_column(users, "total_logins", lambda row: used[row["user_id"]])
    users = with_column(users, "employees", lambda row: row["user_id"] * 7919 % 400)
    users = with_column(users, "churned", lambda row: row["user_id"] % 2)
    found = proposed(write(tmp_path, {**tables_of(made), "users": users}))
    assert list(found.attributes) == ["country", "employees"]
    reasons = left(found)
    assert reasons["users.status"].startswith("separates converters from the others almost perfectly")
    assert reasons["users.plan"].startswith("filled for 100% of those that converted and 0.0% of the others")
    assert reasons["users.total_logins"].startswith("follows the number of usage rows over the whole life")
    assert reasons["users.churned"] == "looks known only after paying: only who pays can leave"
    assert "# Left out: users.plan: filled for" in as_toml(found, ["files"])


def test_a_second_table_of_purchases_is_no_usage(made: World, tmp_path: Path) -> None:
    charges = [{"user_id": one["user_id"], "day": one["purchased_on"], "n": 1} for one in made.purchases]
    found = proposed(write(tmp_path, {**tables_of(made), "logged": charges}))
    assert kinds(found) == {"users": "entities", "events": "events", "purchases": "purchases"}
    assert left(found)["logged"].startswith("looks known only after paying: 100% of the")


def test_a_kind_of_event_that_only_converters_have_is_left_out(made: World, tmp_path: Path) -> None:
    receipts = [
        {"user_id": one["user_id"], "at": one["purchased_on"], "event": "receipt", "minutes": 1.5}
        for one in made.purchases
    ]
    found = proposed(write(tmp_path, {**tables_of(made), "events": [*made.events, *receipts]}))
    assert left(found)["events.event = 'receipt'"].startswith("looks known only after paying")
    assert len(rows(found, "events")) == len(made.events)


def test_a_running_total_is_no_measure(made: World, tmp_path: Path) -> None:
    seen: dict[int, int] = {}
    events = []
    for one in sorted(made.events, key=lambda row: row["at"]):
        seen[one["user_id"]] = seen.get(one["user_id"], 0) + 1
        events.append({**one, "visits_so_far": seen[one["user_id"]]})
    found = proposed(write(tmp_path, {**tables_of(made), "events": events}))
    assert left(found)["events.visits_so_far"].startswith("a running total")


def real(name: str) -> Path:
    folder = REAL / name
    if not folder.is_dir():
        pytest.skip(f"there are no real tables in {folder}")
    return folder


@pytest.mark.real_data
def test_students_of_an_online_school_are_described_without_an_edit() -> None:
    found = proposed(real("edtech"))
    assert kinds(found) == {
        "student_info": "entities",
        "student_purchases": "purchases",
        "student_learning": "events",
    }
    assert roles(found, "student_info") == {"id": "student_id", "since": "date_registered"}
    assert roles(found, "student_purchases") == {"id": "student_id", "at": "date_purchased"}
    form = schema(found).form()
    minutes = form.measures[form.measure_names.index("minutes_watched")]
    assert (minutes.role, minutes.verb, minutes.noun.one, minutes.noun.many) == (
        "amount",
        "watched",
        "minute",
        "minutes",
    )
    assert [(one.name, one.kind, one.label) for one in form.attributes] == [
        ("student_country", "category", "country")
    ]
    assert form.words.entity.many == "students"
    assert left(found)["course_ratings"].startswith("covers only 699 of 35,230 before they convert")
    assert any(note.startswith("1,019 of 2,135 converted on their first day") for note in found.notes)


@pytest.mark.real_data
def test_the_three_tables_of_the_default_description_come_out_as_it_says() -> None:
    form, default = schema(proposed(real("hubspot"))).form(), SchemaSettings().form()
    assert meaning(form) == meaning(default)
    assert form.words.value == default.words.value


def meaning(form: Form) -> tuple[object, ...]:
    """Return what features depend on, without the words."""
    return (
        tuple((one.name, one.role, one.object, one.digits) for one in form.measures),
        tuple((one.name, one.kind, one.scale, one.none, one.blank_leaks) for one in form.attributes),
        tuple((one.kind, one.at, one.measures) for one in form.tables),
        form.has_since,
    )


def test_honest_columns_are_described_however_they_sound(made: World, tmp_path: Path) -> None:
    users = made.users
    for name, (_, value) in HONEST.items():
        users = with_column(users, name, value)
    found = proposed(write(tmp_path, {**tables_of(made), "users": users}))
    assert {name: one["kind"] for name, one in found.attributes.items()} == {
        name: kind for name, (kind, _) in HONEST.items()
    }


@pytest.fixture(scope="module")
def of_leaks(made: World, tmp_path_factory: pytest.TempPathFactory) -> Proposal:
    """What is proposed where every column that leaks stands among the users."""
    return proposed(write(tmp_path_factory.mktemp("leaks"), {**tables_of(made), "users": all_leaky(made)}))


@pytest.mark.parametrize("name", LEAKY)
def test_a_leak_is_left_out_with_its_reason(name: str, of_leaks: Proposal) -> None:
    assert list(of_leaks.attributes) == ["country"]
    assert left(of_leaks)[f"users.{name}"]


def test_an_index_that_pandas_writes_along_is_no_column(made: World, tmp_path: Path) -> None:
    tables = {
        name: [{"": at, **row} for at, row in enumerate(rows)] for name, rows in tables_of(made).items()
    }
    found = proposed(write(tmp_path, tables))
    is_the_plain_one(found, made)
    assert all(one.is_plain for one in found.drafts)


def test_headers_of_any_characters_and_quoted_line_breaks_are_read(made: World, tmp_path: Path) -> None:
    folder = write(tmp_path, {"events": made.events, "purchases": renamed(made.purchases, amount="Betrag €")})
    users = renamed(
        with_column(made.users, "Opt-in OK?", lambda _: 'line "one"\nline two'), country="2nd Country"
    )
    users[0]["Opt-in OK?"] = "yes"
    write_csv(folder / "users.csv", users)
    path = folder / "users.csv"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    found = proposed(folder)
    assert not found.notes
    assert {one["column"] for one in found.attributes.values()} == {"2nd Country", "Opt-in OK?"}
    assert found.known.converters == len(made.bought)


@pytest.mark.parametrize("name", ["first_order_date", "first_invoice", "first_contract_on"])
def test_the_first_order_is_the_conversion_and_not_the_beginning(
    name: str, made: World, tmp_path: Path
) -> None:
    users = with_column(made.users, name, lambda row: made.bought.get(row["user_id"], ""))
    found = proposed(write(tmp_path, {"users": users, "events": made.events}))
    assert roles(found, "users") == {"id": "user_id", "converted_on": name, "since": "signed_up"}


def test_an_app_begins_on_the_day_of_its_installation(made: World, tmp_path: Path) -> None:
    users = renamed(made.users, signed_up="install_date")
    seen = with_column(users, "last_seen", lambda _: dt.date(2023, 12, 1))
    found = proposed(write(tmp_path, {**tables_of(made), "users": seen}))
    assert roles(found, "users")["since"] == "install_date"


def test_a_date_that_changes_later_does_not_hide_the_one_that_all_have(made: World, tmp_path: Path) -> None:
    users = renamed(made.users, signed_up="dated")
    seen = with_column(
        users, "last_seen", lambda row: dt.date(2023, 6, 1) + dt.timedelta(row["user_id"] % 90)
    )
    found = proposed(write(tmp_path, {**tables_of(made), "users": seen}))
    assert roles(found, "users")["since"] == "dated"


def test_leads_and_customers_are_united_though_their_ids_are_called_and_written_otherwise(
    made: World, tmp_path: Path
) -> None:
    people = [{**one, "plan_size": at % 9, "origin": "fair"} for at, one in enumerate(made.users)]
    customers = [
        {**one, "user_id": f"{one['user_id']:08d}", "first_invoice": made.bought[one["user_id"]]}
        for one in people
        if one["user_id"] in made.bought
    ]
    tables = {
        "leads": renamed([one for one in people if one["user_id"] not in made.bought], user_id="lead_no"),
        "customers": renamed(customers, user_id="customer_no"),
        "activity": renamed(made.events, user_id="account_no"),
    }
    found = proposed(write(tmp_path, tables))
    assert kinds(found) == {"leads": "entities", "customers": "entities", "activity": "events"}
    assert roles(found, "customers")["converted_on"] == "first_invoice"
    assert found.known.converters == len(made.bought)


def test_a_name_is_personal_however_many_are_called_alike(made: World, tmp_path: Path) -> None:
    users = with_column(made.users, "contact_name", lambda row: ("Anna", "Ben", "Cleo")[row["user_id"] % 3])
    found = proposed(write(tmp_path, {**tables_of(made), "users": users}))
    assert left(found)["users.contact_name"] == "personal: a name"


def test_german_purchases_are_purchases(made: World, tmp_path: Path) -> None:
    bought = renamed(made.purchases, order_id="Bestellnr", purchased_on="Gekauft Am", amount="Betrag")
    users = with_column(made.users, "Letzte Rechnung", lambda row: made.bought.get(row["user_id"], ""))
    found = proposed(write(tmp_path, {"Kunden": users, "events": made.events, "Käufe": bought}))
    assert kinds(found) == {"kunden": "entities", "events": "events", "kaufe": "purchases"}
    assert roles(found, "kaufe") == {"id": "user_id", "at": "Gekauft Am", "value": "Betrag"}


def test_refunds_and_payments_that_failed_are_no_conversions(made: World, tmp_path: Path) -> None:
    paid = [
        {**one, "status": "cancelled" if at % 9 == 0 else "paid"} for at, one in enumerate(made.purchases)
    ]
    never = [one["user_id"] for one in made.users if one["user_id"] not in made.bought][:40]
    first = made.purchases[0]
    more = [
        {**first, "order_id": 90_000 + at, "user_id": user, "status": "refund" if at < 20 else "failed"}
        for at, user in enumerate(never)
    ]
    found = proposed(write(tmp_path, {**tables_of(made), "purchases": [*paid, *more]}))
    assert found.known.converters == len(made.bought)
    assert roles(found, "purchases")["type"] == "status"
    text = as_toml(found, ["files"])
    assert "rows whose status is failed were never paid and are not read" in " ".join(text.split("\n# "))
    assert "# rows of type refund are refunds, not conversions" in text
    settings = Settings.model_validate(tomllib.loads(text) | {"artifacts_dir": tmp_path / "artifacts"})
    report = ingest_tables(settings, now=dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
    assert report.tables["purchases"].read == len(paid) + 20
    assert "purchases: 20 rows do not count as a conversion: a refund, or nothing was paid" in report.notes


def test_a_trial_is_no_conversion_and_its_end_is_one_where_it_was_paid_on(
    made: World, tmp_path: Path
) -> None:
    week = dt.timedelta(7)
    paid = [
        {"user_id": user, "status": "canceled" if user % 2 else "active",
         "trial_start": f"{day - week} 08:00:00",
         "trial_end": f"{day} 08:00:00", "canceled_at": f"{day + week} 10:00:00" if user % 2 else "\\N"}
        for user, day in made.bought.items()
    ]  # fmt: skip
    tried = [
        {"user_id": one["user_id"], "status": "canceled", "trial_start": f"{one['signed_up']} 08:00:00",
         "trial_end": f"{one['signed_up'] + week} 08:00:00", "canceled_at": f"{one['signed_up']} 10:00:00"}
        for one in made.users if one["user_id"] not in made.bought
    ]  # fmt: skip
    folder = write(tmp_path, {"users": made.users, "events": made.events, "subscriptions": [*paid, *tried]})
    found = proposed(folder)
    assert found.known.converters == len(made.bought)
    assert {int(user): day[:10] for user, day in rows(found, "subscriptions")} == {
        user: str(day) for user, day in made.bought.items()
    }
    assert not any("count as conversions" in one for one in found.notes)
    text = as_toml(found, ["files"])
    settings = Settings.model_validate(tomllib.loads(text) | {"artifacts_dir": tmp_path / "artifacts"})
    report = ingest_tables(settings, now=dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
    assert report.tables["subscriptions"].read == report.tables["subscriptions"].accepted == len(made.bought)


def test_only_columns_that_are_used_make_a_query_of_a_file(made: World, tmp_path: Path) -> None:
    users = with_column(made.users, "churned_at", lambda _: "\\N")
    users = with_column(users, "rating", lambda row: f"{row['user_id'] % 7},5")
    events = with_column(made.events, "meta", lambda row: "NULL" if row["minutes"] < 5 else "{}")
    found = proposed(write(tmp_path, {**tables_of(made), "users": users, "events": events}, delimiter=";"))
    assert {one.name: one.is_plain for one in found.drafts} == {
        "users": False,
        "events": True,
        "purchases": True,
    }
    assert found.attributes["rating"]["kind"] == "number"
    source = next(one.file() for one in found.drafts if one.name == "users")
    ratings = duckdb.sql(f"SELECT DISTINCT rating FROM ({source})").fetchall()  # noqa: S608 - the test's own files
    assert {one for (one,) in ratings} == {f"{at}.5" for at in range(7)}


def test_amounts_that_go_both_ways_are_no_usage(made: World, tmp_path: Path) -> None:
    events = with_column(made.events, "amount", lambda row: row["minutes"] - 6)
    found = proposed(write(tmp_path, {**tables_of(made), "events": events}))
    assert left(found)["events.amount"].startswith("below zero in")
    assert "amount" not in next(one for one in found.drafts if one.name == "events").measures


@pytest.mark.parametrize(("name", "unit"), [("company_size", "employees"), ("age_group", "years")])
def test_ranges_are_of_what_one_counts(name: str, unit: str, made: World, tmp_path: Path) -> None:
    users = with_column(made.users, name, lambda row: ("1-10", "11-50", "51-200")[row["user_id"] % 3])
    found = proposed(write(tmp_path, {**tables_of(made), "users": users}))
    assert found.attributes[name]["unit"]["many"] == unit


@pytest.mark.parametrize(
    ("flag", "answer", "said"),
    [
        ("at", "happened", "not a column of dates"),
        ("since", "country", "not a column of dates"),
        ("dates", "YYYY", "not a date format"),
    ],
)
def test_an_answer_that_names_nothing_is_said(
    flag: str, answer: str, said: str, made: World, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=f"--{flag} {answer}: {said}"):
        propose([str(write(tmp_path, tables_of(made)))], Answers(**{flag: answer}), Asker())


def test_a_first_line_with_too_few_names_is_said(made: World, tmp_path: Path) -> None:
    folder = write(tmp_path, tables_of(made))
    text = (folder / "users.csv").read_text()
    (folder / "users.csv").write_text(text.replace(",signed_up", "", 1))
    with pytest.raises(InputError, match="its rows have 3 values, but its first line has only 2 names"):
        propose([str(folder)], Answers(), Asker())


def test_lines_that_end_in_a_comma_are_read(made: World, tmp_path: Path) -> None:
    folder = write(tmp_path, tables_of(made))
    for path in folder.glob("*.csv"):
        path.write_text("".join(f"{line},\n" for line in path.read_text().splitlines()))
    is_the_plain_one(proposed(folder), made)


def test_things_that_are_set_and_words_of_other_languages_are_left_as_they_are(
    made: World, tmp_path: Path
) -> None:
    weeks = sorted({(one["user_id"], one["at"] - dt.timedelta(one["at"].weekday())) for one in made.events})
    usage = [
        {"user_id": user, "week": week, "alerts_set": 2, "added_to_cart": 7, "Aufrufe Übersicht": 3}
        for user, week in weeks
    ]
    found = proposed(write(tmp_path, {"users": made.users, "purchases": made.purchases, "usage": usage}))
    measures = next(one for one in found.drafts if one.name == "usage").measures.values()
    assert [(one.get("verb", ""), one["many"]) for one in measures] == [
        ("set", "alerts"),
        ("", "times added to cart"),
        ("", "aufrufe übersicht"),
    ]


def test_ids_that_are_written_in_another_case_are_said(made: World, tmp_path: Path) -> None:
    users = [{**one, "user_id": f"user-{one['user_id']}"} for one in made.users]
    users = with_column(users, "converted_on", lambda row: made.bought.get(int(row["user_id"][5:]), ""))
    events = [{**one, "user_id": f"USER-{one['user_id']}"} for one in made.events]
    with pytest.raises(InputError, match=r"events: .*the values of user_id do not occur in users"):
        propose([str(write(tmp_path, {"users": users, "events": events}))], Answers(), Asker())


def test_that_those_who_have_not_converted_are_missing_is_said(made: World, tmp_path: Path) -> None:
    users = [one for one in made.users if one["user_id"] in made.bought]
    users = with_column(users, "converted_on", lambda row: made.bought[row["user_id"]])
    events = [one for one in made.events if one["user_id"] in made.bought]
    with pytest.raises(InputError, match="those that have not converted are missing"):
        propose([str(write(tmp_path, {"users": users, "events": events}))], Answers(), Asker())


@pytest.mark.parametrize(
    "written", [lambda day: f"{day:%d-%b-%Y}", lambda day: (day - dt.date(1899, 12, 30)).days]
)
def test_dates_of_a_spreadsheet_are_read(written: Any, made: World, tmp_path: Path) -> None:
    found = proposed(write(tmp_path, tables_of(made), day=written))
    is_the_plain_one(found, made)
    counts = isinstance(written(dt.date(2024, 1, 1)), int)
    assert any("spreadsheet days" in note for note in found.notes) == counts


def test_a_date_that_is_not_read_is_named_with_an_example(made: World, tmp_path: Path) -> None:
    folder = write(tmp_path, tables_of(made), day=lambda day: f"{day:%m/%d/%y} 2:30 PM")
    with pytest.raises(
        InputError, match=r"users\.signed_up: dates such as '../../23 2:30 PM' cannot be read"
    ):
        proposed(folder)


def test_columns_that_are_called_alike_are_not_read_and_named(made: World, tmp_path: Path) -> None:
    write(tmp_path, tables_of(made))
    lines = (tmp_path / "users.csv").read_text(encoding="utf-8").splitlines()
    twice = [f"{line},{'country' if at == 0 else at % 5}" for at, line in enumerate(lines)]
    (tmp_path / "users.csv").write_text("\n".join(twice), encoding="utf-8")
    found = proposed(tmp_path)
    assert "users: several columns are called country, so none of them is read" in found.notes
    assert (found.known.entities, list(found.attributes)) == (len(made.users), [])


def test_what_has_no_rows_or_only_ids_is_left_out_of_a_folder_and_named(made: World, tmp_path: Path) -> None:
    write(tmp_path, tables_of(made) | {"blocked": [{"user_id": one["user_id"]} for one in made.users[:30]]})
    (tmp_path / "log.csv").write_text("user_id,at\n", encoding="utf-8")
    found = proposed(tmp_path)
    assert f"{tmp_path / 'log.csv'}: skipped, as it has no rows" in found.notes
    assert left(found)["blocked"] == "has nothing but ids"
    assert kinds(found) == {"users": "entities", "events": "events", "purchases": "purchases"}


def test_amounts_with_the_symbol_of_a_currency_are_numbers(made: World, tmp_path: Path) -> None:
    paid = [{**one, "amount": f"€ {one['amount']},00"} for one in made.purchases]
    found = proposed(write(tmp_path, {**tables_of(made), "purchases": paid}, delimiter=";"))
    assert roles(found, "purchases")["value"] == "amount"
    read = {float(one[2]) for one in rows(found, "purchases")}
    assert read == {float(one["amount"]) for one in made.purchases}


def test_ids_that_no_number_holds_say_nothing_by_their_order(made: World, tmp_path: Path) -> None:
    tables = {
        name: [{**one, "user_id": 10**30 + one["user_id"]} for one in table]
        for name, table in tables_of(made).items()
    }
    found = proposed(write(tmp_path, tables))
    is_the_plain_one(found, made)
    assert not [note for note in found.notes if "ids alone" in note]


def test_accounts_that_a_payment_service_knows_by_its_own_ids_are_the_entities(
    made: World, tmp_path: Path
) -> None:
    service = {one["user_id"]: f"cus_{one['user_id']}" for one in made.users if one["user_id"] % 3 == 0}
    service |= {user: f"cus_{user}" for user in made.bought}
    users = with_column(made.users, "service_customer_id ", lambda row: service.get(row["user_id"], ""))
    bills = [
        {"id": f"in_{one['order_id']}", "customer": service[one["user_id"]], "paid_at": one["purchased_on"],
         "amount_due": one["amount"], "amount_paid": one["amount"]}
        for one in made.purchases
    ]  # fmt: skip
    trials = [
        {"id": f"in_{user}", "customer": named, "paid_at": "2023-03-01", "amount_due": 0, "amount_paid": 0}
        for user, named in service.items()
    ]
    customers = [{"id": named, "Delinquent": "false"} for named in service.values()]
    found = proposed(
        write(
            tmp_path,
            {"users": users, "events": made.events, "invoices": bills + trials, "customers": customers},
        )
    )
    assert {name: kind for name, kind in kinds(found).items() if name != "customers"} == {
        "users": "entities", "events": "events", "invoices": "purchases"
    }  # fmt: skip
    assert roles(found, "invoices") == {"id": "user_id", "at": "paid_at", "value": "amount_paid"}
    bought = {int(user): day for user, day, paid in rows(found, "invoices") if int(paid)}
    assert bought.keys() == made.bought.keys()
    assert (found.known.entities, found.known.converters) == (len(users), len(made.bought))
    assert "delinquent" not in found.attributes
    said = "invoices: customer leads to users.service_customer_id, and from there to user_id"
    assert said in found.notes


def test_usage_that_only_an_e_mail_address_links_is_asked_about_and_never_left_out_in_silence(
    made: World, tmp_path: Path
) -> None:
    teams = renamed(made.users, user_id="team_id")
    members = [
        {
            "team_id": one["user_id"],
            "user_email": f"{name}{one['user_id']}@example.org",
            "joined_at": one["signed_up"],
        }
        for one in made.users
        for name in ("anna", "ben")
    ]
    events = [
        {
            "user_email": f"anna{one['user_id']}@example.org",
            **{k: v for k, v in one.items() if k != "user_id"},
        }
        for one in made.events
    ]
    tables = {"teams": teams, "members": members, "events": events}
    write(tmp_path, {**tables, "purchases": renamed(made.purchases, user_id="team_id")})
    with pytest.raises(
        InputError, match="events is linked to members only by user_email, an e-mail"
    ) as caught:
        proposed(tmp_path)
    assert caught.value.hint.startswith("say --id user_email if e-mail addresses may be read")
    found = proposed(tmp_path, id="user_email")
    assert kinds(found) == {
        "teams": "entities", "members": "links", "events": "events", "purchases": "purchases"
    }  # fmt: skip
    assert found.known.entities == len(teams)


def test_a_state_that_few_come_into_is_offered_as_the_conversion_of_daily_snapshots(tmp_path: Path) -> None:
    days = [dt.date(2024, 1, 1) + dt.timedelta(at) for at in range(60)]
    snapshots = [
        {"day": day, "account_id": f"a{at}", "logins_total": 3 * (day - days[0]).days // 7,
         "visits": (at * day.toordinal()) % 9,
         "plan": "pro" if at < 40 and day > days[20 + at % 30] else "free"}
        for day in days
        for at in range(200)
    ]  # fmt: skip
    write(tmp_path, {"snapshots": snapshots})
    with pytest.raises(InputError, match="No name shows who converted") as caught:
        proposed(tmp_path)
    assert caught.value.hint == "answer with --converted snapshots.plan=pro"
    found = proposed(tmp_path, converted="snapshots.plan=pro")
    assert kinds(found) == {"purchases": "purchases", "snapshots": "periods"}
    assert (found.known.converters, found.known.entities) == (40, 200)
    assert left(found)["snapshots.logins_total"].startswith("a running total")


def test_deleted_and_test_accounts_are_said_to_stand_in_lists():
    of = (column("is_test", distinct=2, is_flag=True), day("deleted_at", 7), day("created_at"))
    said = _not_to_call(draft("entities", looked("users", column("id"), *of), id="id"))
    assert [one.partition(" stand in lists like any other: ")[0] for one in said] == [
        "users.is_test: those that are only a test",
        "users.deleted_at: the 7 with such a date",
    ]


def test_chinese_tables_with_days_in_three_columns_and_records_in_one_object_need_no_answer(
    made: World, tmp_path: Path
) -> None:
    ids = {one["user_id"]: 1_700_000_000_000 + one["user_id"] for one in made.users}  # no milliseconds
    users = [{"用户ID": ids[one["user_id"]], "注册时间": str(one["signed_up"])} for one in made.users]
    (tmp_path / "玩家.json").write_text(json.dumps({"data": users, "page": 1}), encoding="utf-8")
    events = [
        {
            "年": at.year,
            "月": at.month,
            "日": at.day,
            "用户ID": ids[one["user_id"]],
            "在线时长": one["minutes"],
        }
        for one in made.events
        for at in [one["at"]]
    ]
    orders = [
        {"订单号": f"D{one['order_id']}", "用户ID": ids[one["user_id"]], "支付时间": one["purchased_on"],
         "金额": one["amount"], "状态": "待支付" if one["order_id"] % 5 == 0 else "已支付"}
        for one in made.purchases
    ]  # fmt: skip
    write(tmp_path, {"每日": events, "订单": orders})
    found = proposed(tmp_path)
    assert sorted(kinds(found).items()) == [
        ("entities", "entities"), ("purchases", "purchases"), ("usage", "events")
    ]  # fmt: skip
    assert roles(found, "usage") == {"id": "用户ID", "at": "年_月_日"}
    assert len(rows(found, "purchases")) == sum(one["状态"] == "已支付" for one in orders)
    assert found.words["entity"] == {"one": "用户", "many": "用户"}


def test_german_columns_with_spaces_are_events_with_their_kinds(made: World, tmp_path: Path) -> None:
    events = renamed(made.events, at="Zeitpunkt", event="Ereignis Art", minutes="Dauer (Min.)")
    found = proposed(write(tmp_path, {**tables_of(made), "events": events}))
    assert roles(found, "events")["event"] == "Ereignis Art"


def test_a_file_in_utf_16_high_bytes_first_is_refused_with_what_to_do(made: World, tmp_path: Path) -> None:
    write(tmp_path, tables_of(made))
    text = (tmp_path / "users.csv").read_text(encoding="utf-8")
    (tmp_path / "users.csv").write_bytes(f"\ufeff{text}".encode("utf-16-be"))
    with pytest.raises(InputError, match="encoded in UTF-16") as caught:
        proposed(tmp_path)
    assert caught.value.hint == "save it as CSV in UTF-8"


def test_tabs_compression_a_mark_of_bytes_zones_and_minus_zero_come_out_as_the_plain_one(
    made: World, tmp_path: Path
) -> None:
    zones = ("Z", "+02:00", "-08:00")
    events = [
        {**one, "at": f"{one['at']}T12:00{zones[at % 3]}", "minutes": one["minutes"] if at % 7 else "-0"}
        for at, one in enumerate(made.events)
    ]
    users = with_column(made.users, "newsletter", lambda row: "Ja" if row["user_id"] % 3 else "Nein")
    write(tmp_path, {"users": users, "events": events, "purchases": made.purchases}, delimiter="\t")
    for name in ("users", "events", "purchases"):
        content = (tmp_path / f"{name}.csv").read_bytes()
        (tmp_path / f"{name}.csv").unlink()
        if name == "events":
            (tmp_path / "events.tsv.gz").write_bytes(gzip.compress(content))
        else:
            (tmp_path / f"{name}.tsv").write_bytes(b"\xef\xbb\xbf" + content)
    found = proposed(tmp_path)
    assert found.attributes.pop("newsletter")["kind"] == "category"
    is_the_plain_one(found, made)


def people_and_use(
    connection: duckdb.DuckDBPyConnection,
    first: str,
    last: str,
    rows: list[tuple[str, str | None, str | None]],
) -> None:
    """Say who there is, when they began and converted, and between which days they used something."""
    connection.execute("CREATE TABLE people (id VARCHAR, since DATE, day DATE)")
    connection.executemany("INSERT INTO people VALUES (?, ?, ?)", rows)
    connection.execute("CREATE TABLE used (id VARCHAR, first DATE, last DATE)")
    connection.executemany("INSERT INTO used VALUES (?, ?, ?)", [("a", first, last), ("b", last, last)])


@pytest.mark.parametrize(
    ("first", "last", "unit", "horizon", "step"),
    [
        ("2023-01-01", "2024-03-26", "week", 30, 7),  # 450 days
        ("2023-01-01", "2024-03-25", "week", 14, 7),
        ("2023-01-01", "2023-05-31", "day", 14, 7),  # 150 days
        ("2023-01-01", "2023-05-30", "day", 7, 7),
        ("2023-01-01", "2023-05-30", "month", 30, 30),
        ("2022-06-01", "2023-05-30", "day", 7, 7),  # as conversions are known for 149 days only
    ],
)
def test_the_horizon_follows_the_days_in_which_usage_and_conversions_are_known(
    first: str, last: str, unit: str, horizon: int, step: int
) -> None:
    plan = Plan(unit=unit, unit_why="as they come")
    with duckdb.connect() as connection:
        people_and_use(connection, first, last, [("a", None, "2023-01-01"), ("b", None, None)])
        settings, why = _settings(connection, plan)
    assert settings == {
        "usage": {"period": unit}, "label": {"horizon_days": horizon}, "panel": {"step_days": step},
    }  # fmt: skip
    days = (dt.date.fromisoformat(last) - max(dt.date.fromisoformat(first), dt.date(2023, 1, 1))).days
    assert why["horizon"] == (
        f"usage and conversions are both known for {days:,} days; three lists {horizon} days apart "
        "are held out to judge the model, which learns from the days before them"
    )
    assert why["usage"] == "as they come"
    assert why["step"] == ("one training cutoff a month" if step == 30 else "one training cutoff a week")


def test_how_long_converters_wait_is_told_of_those_that_wait() -> None:
    with duckdb.connect() as connection:
        rows = [
            ("a", "2023-01-01", "2023-01-01"),
            ("b", "2023-01-01", "2023-01-11"),
            ("c", "2023-01-01", None),
        ]
        people_and_use(connection, "2023-01-01", "2023-06-30", rows)
        why = _settings(connection, Plan())[1]
    assert why["horizon"].endswith("; half of those that convert after their first day do so within 10 days")


@pytest.mark.parametrize(
    ("early", "enough", "takes"),
    [(0, 50, True), (1, 50, True), (2, 50, False), (0, 15, True), (0, 14, False)],
)
def test_the_one_full_date_is_the_beginning_where_nothing_was_used_before_it(
    early: int, enough: int, takes: bool
) -> None:
    with duckdb.connect() as connection:
        rows = [[at, "2024-01-03"] for at in range(enough)]
        base = seen(connection, "folk", "id dated", rows)
        connection.execute("CREATE TABLE used (id VARCHAR, first DATE, last DATE)")
        use = [(str(at), "2024-01-02" if at < early else "2024-01-03", "2024-02-01") for at in range(enough)]
        connection.executemany("INSERT INTO used VALUES (?, ?, ?)", use)
        made = draft("entities", base, id="id")
        _begin_by_use(connection, made)
        assert ("since" in made.roles) is takes
        if takes:
            assert made.why["since"].endswith(f"; {enough - early} of {enough} used nothing before it")
        named = draft("entities", base, id="id", since="dated")
        once = draft("entities", base, id="id")
        once.one_a = True
        for other in (named, once):
            before = dict(other.roles)
            _begin_by_use(connection, other)
            assert other.roles == before


def test_columns_that_are_not_read_are_said_with_what_is_read() -> None:
    base = looked(
        "orders", column("id"), day("at"), column("note"), column("mail", personal="an e-mail address")
    )
    made = draft("purchases", base, id="id", at="at")
    assert [(one.where, one.reason) for one in _unread(made)] == [
        ("orders.note", "only the day and the money of purchases are read"),
        ("orders.mail", "personal: an e-mail address"),
    ]
    assert _unread(draft("links", base, user="at", id="id"))[0].reason == "only the ids of links are read"
