"""Tables of SQLite, and what is said of an address."""

from __future__ import annotations

import sqlite3

import pytest

from ml_sys.data.reading.database import DatabaseSource, is_address
from ml_sys.data.sources import open_source
from ml_sys.errors import InputError, MissingColumnError
from tests.data.described import VISITS, ingested, told


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "crm.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE teams (team, paid DATE, note)")
        connection.executemany("INSERT INTO teams VALUES (?, ?, 'x:y')", [(1, "2024-03-02"), ("b", None)])
        connection.execute("CREATE TABLE log (team, day, visits)")
        connection.executemany(
            "INSERT INTO log VALUES (?, ?, ?)", [(1, "2024-03-01", 2), ("b", "2024-03-02", 3)]
        )
    connection.close()
    return path


def test_tables_and_queries_of_sqlite_become_a_snapshot(tmp_path, database):
    description = {
        "tables": {"teams": {"kind": "entities", "id": "team", "converted_on": "paid"}, "seen": VISITS}
    }
    files = {"seen": "SELECT * FROM log WHERE ':a' <> team;"}
    snapshot, report = ingested(tmp_path, description, files, source="sql", database=str(database))
    assert told(snapshot) == [("1", "2024-03-01", 2), ("b", "2024-03-02", 3)]
    assert report.tables["seen"].where == f"{database}: {files['seen']}"
    assert "teams: ignored 'note'" in report.notes


def test_what_sqlite_does_not_have_is_said(database):
    source = open_source("sql", database=str(database))
    with pytest.raises(InputError, match="no such table: nothing") as caught:
        source.open("t", "nothing", {"id": "id"})
    assert caught.value.hint == "name one of its tables, or write a query"
    with pytest.raises(MissingColumnError, match="column 'key' is missing"):
        source.open("t", "teams", {"id": "key"})


def test_an_address_is_told_from_a_file_and_its_password_is_not_shown():
    assert is_address("postgresql://me:secret@crm.example/sales")
    assert is_address("postgres://crm/sales")
    assert not is_address("crm.duckdb")
    source = DatabaseSource.of_address("postgresql://me:secret@127.0.0.1:1/sales")
    with pytest.raises(InputError) as caught:
        source.open("t", "teams", {"id": "id"})
    assert caught.value.message.startswith("postgresql://me:***@127.0.0.1:1/sales: teams:")
    assert "secret" not in caught.value.message


def test_a_blank_among_values_of_several_types_stays_one(tmp_path):
    path = tmp_path / "odd.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE teams (team, size)")
        connection.executemany("INSERT INTO teams VALUES (?, ?)", [("a", 1), ("b", "many"), ("c", None)])
    connection.close()
    table = open_source("sql", database=str(path)).open("t", "teams", {"id": "team", "size": "size"})
    assert [part().texts["size"].to_pylist() for part in table.parts] == [["1", "many", ""]]
    table.close()
