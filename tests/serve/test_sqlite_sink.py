"""Predictions in an SQLite file: kept once, by several processes, and forgotten on request."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from ml_sys.errors import StorageError
from ml_sys.serve import sqlite_sink
from ml_sys.serve.sqlite_sink import SqliteSink
from tests.serve.test_prediction_log import PATIENCE, kept, logged


def test_the_index_finds_a_company_s_predictions_in_order_of_time(tmp_path: Path) -> None:
    SqliteSink(tmp_path / "log").close()
    with closing(sqlite3.connect(tmp_path / "log")) as connection:
        plan = connection.execute(
            "EXPLAIN QUERY PLAN SELECT * FROM predictions WHERE company = '7' AND at >= '2026' ORDER BY at"
        ).fetchall()
    assert [row[3] for row in plan] == [
        "SEARCH predictions USING INDEX predictions_of_company (company=? AND at>?)"
    ]


def test_what_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("buy milk\n" * 1000)
    with pytest.raises(
        StorageError, match=r"notes\.txt: no prediction log: file is not a database"
    ) as caught:
        SqliteSink(path)
    assert "serve.prediction_log_path" in caught.value.hint
    assert path.read_text() == "buy milk\n" * 1000


@pytest.mark.parametrize(
    "statement", ["CREATE TABLE predictions (x)", "PRAGMA user_version = 1", "PRAGMA application_id = 5"]
)
def test_a_database_of_something_else_is_refused_and_left_alone(tmp_path: Path, statement: str) -> None:
    path = tmp_path / "theirs.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
    before = path.read_bytes()
    with pytest.raises(StorageError, match=r"theirs\.sqlite: is not a database of mlsys") as caught:
        SqliteSink(path)
    assert "serve.prediction_log_path" in caught.value.hint
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["theirs.sqlite"]


def test_a_log_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log"
    SqliteSink(path).close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '0999'")
    with pytest.raises(StorageError, match="was written by a newer mlsys"):
        SqliteSink(path)


def test_a_folder_or_a_place_under_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file" / "log"):
        with pytest.raises(StorageError, match=str(tmp_path)):
            SqliteSink(path)


@pytest.mark.parametrize("is_let_go", [True, False])
def test_a_new_file_waits_for_another_process_that_prepares_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_let_go: bool
) -> None:
    monkeypatch.setattr(sqlite_sink, "_BUSY_SECONDS", PATIENCE if is_let_go else 0.05)
    connect = partial(sqlite3.connect, tmp_path / "log", isolation_level=None, check_same_thread=False)
    with closing(connect()) as other, closing(connect()) as ours:
        other.execute("BEGIN IMMEDIATE")
        if is_let_go:
            threading.Timer(0.1, other.execute, ["ROLLBACK"]).start()
            sqlite_sink._switch_to_wal(ours)
            assert ours.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        else:
            with pytest.raises(sqlite3.OperationalError, match="database is locked"):
                sqlite_sink._switch_to_wal(ours)


def test_a_file_that_was_removed_or_restored_meanwhile_is_the_one_that_is_written(tmp_path: Path) -> None:
    path, copy = tmp_path / "log", tmp_path / "copy"
    with closing(SqliteSink(path)) as sink:
        sink.write([logged(1, "in the copy")])
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
        for file in tmp_path.glob("log*"):
            file.unlink()
        sink.write([logged(2, "in a new file")])
        assert kept(path, "company") == [("in a new file",)]
        copy.replace(path)
        sink.write([logged(3, "in the restored one")])
        assert kept(path, "company") == [("in the copy",), ("in the restored one",)]


def test_what_cannot_be_opened_in_place_of_a_file_is_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with closing(SqliteSink(path)) as sink:
        path.unlink()
        path.write_text("buy milk\n" * 1000)
        for _ in range(2):
            with pytest.raises(StorageError, match="file is not a database"):
                sink.write([logged(1, "in a new file")])
        path.unlink()
        sink.write([logged(1, "in a new file")])
    assert kept(path, "company") == [("in a new file",)]


def test_a_log_that_is_not_there_is_not_made_and_another_database_is_left_alone(tmp_path: Path) -> None:
    assert sqlite_sink.forget(tmp_path / "none", "4711") == 0
    assert list(tmp_path.iterdir()) == []
    with closing(sqlite3.connect(tmp_path / "theirs")) as connection:
        connection.execute("CREATE TABLE predictions (company TEXT)")
    with pytest.raises(StorageError, match="is not a prediction log"):
        sqlite_sink.forget(tmp_path / "theirs", "4711")
