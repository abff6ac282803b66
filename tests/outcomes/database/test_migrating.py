"""A database is brought up to date whole or not at all, after a copy, and a newer one is refused."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError

from ml_sys.errors import StorageError, UnwritableError
from ml_sys.outcomes.database import tables
from ml_sys.outcomes.database.engine import database_errors, postgresql_engine, sqlite_engine, writing
from ml_sys.outcomes.database.migrating import MIGRATIONS
from ml_sys.outcomes.database.revisions import APPLICATION_ID, LATEST, REVISIONS
from ml_sys.outcomes.store import FILE, opened_store
from ml_sys.settings import Settings

OLD_LOG = (
    "CREATE TABLE predictions (at TEXT, version TEXT, company TEXT, features TEXT, probability REAL)",
    "CREATE INDEX predictions_of_company ON predictions (company, at) WHERE company IS NOT NULL",
    f"PRAGMA application_id = {APPLICATION_ID}",
    "PRAGMA user_version = 1",
    "INSERT INTO predictions VALUES ('2026-01-01T00:00:00.250Z', '1.0.0', '7', 'ab', 0.5)",
)


def open_and_close(settings):
    with opened_store(settings):
        pass


def engine_of(settings):
    path = settings.artifacts_dir / FILE
    return postgresql_engine(settings.store.url) if settings.store.url else sqlite_engine(path)


@pytest.fixture
def in_file(tmp_path):
    return Settings(artifacts_dir=tmp_path)


def statements(path, *these):
    with closing(sqlite3.connect(path)) as connection, connection:
        for one in these:
            connection.execute(one)


def rows(path, query):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def test_the_migrations_are_those_that_the_code_knows():
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    every = ScriptDirectory.from_config(config).walk_revisions()
    assert tuple(one.revision for one in every)[::-1] == REVISIONS


def test_the_migrations_make_the_tables_that_the_code_reads(settings):
    open_and_close(settings)
    engine = engine_of(settings)
    found = inspect(engine)
    assert set(found.get_table_names()) == {*tables.metadata.tables, "alembic_version"}
    for name, table in tables.metadata.tables.items():
        held = {one["name"]: one["nullable"] for one in found.get_columns(name)}
        if name == "predictions":
            held.pop("number", None)  # SQLite numbers rows by itself
        assert held == {one.name: one.nullable for one in table.columns}
    engine.dispose()


def test_what_a_newer_mlsys_has_written_is_refused_in_one_line(settings):
    open_and_close(settings)
    engine = engine_of(settings)
    with writing(engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0999'"))
    engine.dispose()
    with pytest.raises(StorageError) as caught:
        open_and_close(settings)
    assert caught.value.message.endswith(
        f"was written by a newer mlsys (schema 0999; this one knows {LATEST})"
    )
    assert "\n" not in caught.value.message
    assert "newer mlsys" in caught.value.hint


def test_an_old_log_of_predictions_becomes_a_store_and_is_copied_first(in_file, tmp_path):
    statements(tmp_path / FILE, *OLD_LOG)
    open_and_close(in_file)
    assert rows(tmp_path / FILE, "SELECT company FROM predictions") == [("7",)]
    assert rows(tmp_path / FILE, "SELECT version_num FROM alembic_version") == [(LATEST,)]
    (copy,) = tmp_path.glob(f"{FILE}.*")
    assert copy.name == f"{FILE}.0001"
    assert rows(copy, "SELECT company FROM predictions") == [("7",)]
    assert rows(copy, "SELECT name FROM sqlite_master WHERE type = 'table'") == [("predictions",)]


def test_a_migration_that_fails_leaves_the_database_as_it_was(in_file, tmp_path):
    statements(tmp_path / FILE, *OLD_LOG, "CREATE TABLE entries (theirs TEXT)")
    with pytest.raises(StorageError, match=r"outcomes\.sqlite: table entries already exists"):
        open_and_close(in_file)
    found = rows(tmp_path / FILE, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    assert found == [("entries",), ("predictions",)]


@pytest.mark.parametrize(
    "statement", ["CREATE TABLE lists (x)", "PRAGMA user_version = 1", "PRAGMA application_id = 5"]
)
def test_a_database_of_something_else_is_refused_and_left_alone(in_file, tmp_path, statement):
    statements(tmp_path / FILE, statement)
    before = (tmp_path / FILE).read_bytes()
    with pytest.raises(StorageError, match="is not a database of mlsys") as caught:
        open_and_close(in_file)
    assert "store.url" in caught.value.hint
    assert (tmp_path / FILE).read_bytes() == before


def test_what_is_no_database_is_refused_and_left_alone(in_file, tmp_path):
    (tmp_path / FILE).write_text("buy milk\n" * 1000)
    with pytest.raises(StorageError, match="file is not a database"):
        open_and_close(in_file)
    assert (tmp_path / FILE).read_text() == "buy milk\n" * 1000


def test_many_that_open_a_new_store_at_once_all_find_it_made(settings):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(open_and_close, [settings] * 4))
    with opened_store(settings) as store:
        assert store.lists() == []


def test_a_file_is_its_owner_s_alone(in_file, tmp_path):
    open_and_close(in_file)
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


def test_a_file_that_lies_under_a_name_of_any_kind_is_that_file(tmp_path):
    folder = tmp_path / "a?b=c%20d#e"
    open_and_close(Settings(artifacts_dir=folder))
    assert (folder / FILE).stat().st_size > 0
    assert [one.name for one in tmp_path.iterdir()] == [folder.name]


def test_what_is_deleted_is_overwritten_and_what_is_written_is_on_the_disk(in_file, tmp_path):
    open_and_close(in_file)
    engine = sqlite_engine(tmp_path / FILE)
    with engine.connect() as connection:
        asked = ("secure_delete", "foreign_keys", "synchronous", "journal_mode", "application_id")
        found = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in asked}
    engine.dispose()
    assert found == {
        "secure_delete": 1, "foreign_keys": 1, "synchronous": 2, "journal_mode": "wal",
        "application_id": APPLICATION_ID,
    }  # fmt: skip


@pytest.mark.parametrize(
    "changed",
    [
        ("PRAGMA application_id = 5",),
        ("PRAGMA user_version = 2",),
        ("DROP TABLE predictions", "CREATE TABLE other (at TEXT)"),
    ],
)
def test_a_log_of_predictions_is_known_by_its_mark_its_number_and_its_table(in_file, tmp_path, changed):
    statements(tmp_path / FILE, *OLD_LOG, *changed)
    with pytest.raises(StorageError, match="is not a database of mlsys"):
        open_and_close(in_file)


def test_the_copy_of_before_has_the_rights_of_the_file(in_file, tmp_path):
    statements(tmp_path / FILE, *OLD_LOG)
    (tmp_path / FILE).chmod(0o640)
    open_and_close(in_file)
    (copy,) = tmp_path.glob(f"{FILE}.0*")
    assert copy.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("attempt to write a readonly database", UnwritableError),
        ("permission denied for table x", UnwritableError),
        ("disk I/O error", StorageError),
    ],
)
def test_a_place_that_this_user_may_not_write_is_told_from_one_that_fails(said, kind):
    with pytest.raises(StorageError, match=f"here: {said}") as caught, database_errors("here"):
        raise DBAPIError("INSERT", None, Exception(f"{said}\nLINE 1"))
    assert type(caught.value) is kind
