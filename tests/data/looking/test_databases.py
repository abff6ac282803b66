"""Databases are described as files are, only read, and no password is written anywhere."""

from __future__ import annotations

import datetime as dt
import sqlite3
import tomllib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ml_sys.data.proposing.answers import Answers, Asker
from ml_sys.data.proposing.proposal import Proposal, propose
from ml_sys.data.proposing.writing import as_toml
from ml_sys.data.reading.sql import literal
from ml_sys.errors import InputError
from ml_sys.jobs.data.ingest import ingest_tables
from ml_sys.settings import Settings
from tests.data.proposing.folders import World, tables_of, with_column, world
from tests.outcomes import postgresql

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
TYPES = {int: "BIGINT", float: "DOUBLE PRECISION", str: "VARCHAR", dt.date: "DATE"}
# What is no table of usage, shows one again, or holds values that no description has words for.
MORE = (
    "CREATE TABLE drafts (user_id BIGINT)",
    "CREATE VIEW recent AS SELECT * FROM events WHERE minutes > 5",
)
Make = Callable[..., str]


@pytest.fixture(scope="module")
def made() -> World:
    return world(300)


@pytest.fixture(params=["sqlite", "duckdb", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """Make a database of tables and statements, and return where it is."""
    if request.param == "postgresql":
        address = postgresql.new_database(request.getfixturevalue("postgresql_server"))
    else:
        address = str(tmp_path / f"crm.{request.param}")
    opened: dict[str, Callable[[], Any]] = {
        "sqlite": lambda: sqlite3.connect(address),
        "duckdb": lambda: duckdb.connect(address),
        "postgresql": lambda: __import__("psycopg").connect(address),
    }

    def make(tables: dict[str, list[dict[str, Any]]], *statements: str) -> str:
        with closing(opened[request.param]()) as connection:
            cursor = connection.cursor()
            for name, rows in tables.items():
                columns = ", ".join(f'"{key}" {TYPES[type(value)]}' for key, value in rows[0].items())
                values = ", ".join(
                    f"({', '.join(literal(str(one)) for one in row.values())})" for row in rows
                )
                cursor.execute(f'CREATE TABLE "{name}" ({columns})')
                cursor.execute(f'INSERT INTO "{name}" VALUES {values}')  # noqa: S608 - the test's own table
            for one in statements:
                cursor.execute(one)
            connection.commit()
        return address

    return make


def settings_of(found: Proposal, named: list[str], artifacts: Path) -> Settings:
    return Settings.model_validate(tomllib.loads(as_toml(found, named)) | {"artifacts_dir": artifacts})


def test_tables_of_a_database_are_described_and_ingested_as_files_are(
    made: World, database: Make, tmp_path: Path
) -> None:
    where = database(tables_of(made), *MORE)
    found = propose([where], Answers(), Asker())
    assert {one.name: (one.kind, one.file()) for one in found.drafts} == {
        "users": ("entities", "users"),
        "events": ("events", "events"),
        "purchases": ("purchases", "purchases"),
    }
    assert any(
        note.startswith("recent: skipped, as this view shows columns of events") for note in found.notes
    )
    assert "drafts: skipped, as it has no rows" in found.notes
    settings = settings_of(found, [where], tmp_path / "artifacts")
    assert (settings.ingest.source, settings.ingest.database) == ("sql", where)
    report = ingest_tables(settings, now=NOW)
    assert report.tables["users"].accepted == len(made.users)
    assert report.tables["events"].read == len(made.events)
    assert report.tables["purchases"].accepted == len(made.purchases)


def test_what_is_named_after_a_database_is_looked_at_and_nothing_else(made: World, database: Make) -> None:
    where = database(tables_of(made), *MORE)
    found = propose([where, "Users", "recent", "purchases"], Answers(), Asker())
    assert {one.name: one.kind for one in found.drafts} == {
        "users": "entities", "recent": "events", "purchases": "purchases",
    }  # fmt: skip
    with pytest.raises(InputError, match="has no table or view event") as caught:
        propose([where, "event"], Answers(), Asker())
    assert caught.value.hint == "did you mean events?"


def test_a_leak_of_a_database_is_left_out_with_its_reason(made: World, database: Make) -> None:
    bought = made.bought
    users = with_column(made.users, "plan", lambda row: "pro" if row["user_id"] in bought else "free")
    found = propose([database(tables_of(made) | {"users": users})], Answers(), Asker())
    assert "users.plan" in {one.where for one in found.left}
    assert list(found.attributes) == ["country"]


def test_a_kind_of_event_that_is_the_conversion_becomes_a_query(
    made: World, database: Make, tmp_path: Path
) -> None:
    tables = tables_of(made)
    bought = [
        {"user_id": one["user_id"], "at": one["purchased_on"], "event": "purchased plan", "minutes": 1.0}
        for one in tables.pop("purchases")
    ]
    where = database(tables | {"events": [*made.events, *bought]})
    found = propose([where], Answers(), Asker())
    assert found.known.converters == len(made.bought)
    report = ingest_tables(settings_of(found, [where], tmp_path / "artifacts"), now=NOW)
    assert sum(one.accepted for name, one in report.tables.items() if "purchase" in name) == len(bought)


def test_a_password_in_an_address_is_refused_and_shown_nowhere() -> None:
    with pytest.raises(InputError, match="the address of the database cannot be used") as caught:
        propose(["postgresql://me:secret@127.0.0.1:1/sales"], Answers(), Asker())
    assert "PGPASSWORD" in caught.value.hint
    assert "secret" not in caught.value.message + caught.value.hint


def test_a_server_that_does_not_answer_is_one_line_with_what_to_do() -> None:
    with pytest.raises(InputError, match=r"127\.0\.0\.1:1/sales: connection") as caught:
        propose(["postgresql://me@127.0.0.1:1/sales"], Answers(), Asker())
    assert "PGPASSWORD" in caught.value.hint


def test_a_database_is_read_alone(made: World, database: Make, tmp_path: Path) -> None:
    where = database(tables_of(made))
    other = tmp_path / "users.csv"
    other.write_text("user_id\n1\n", encoding="utf-8")
    with pytest.raises(InputError, match="a database cannot be combined"):
        propose([str(other), where], Answers(), Asker())


def test_dates_that_only_a_query_of_duckdb_reads_are_asked_to_be_shown_by_a_view(
    made: World, database: Make, request: pytest.FixtureRequest
) -> None:
    slashed = [{**row, "signed_up": row["signed_up"].strftime("%Y/%m/%d")} for row in made.users]
    where = database(tables_of(made) | {"users": slashed})
    if "[duckdb]" in request.node.name:
        assert "strftime" in as_toml(propose([where], Answers(), Asker()), [where])
        return
    found = propose([where], Answers(), Asker())
    with pytest.raises(InputError, match=r"users\.signed_up: its dates are written YYYY/MM/DD") as caught:
        as_toml(found, [where])
    assert "make a view" in caught.value.hint
