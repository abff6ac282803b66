"""Store predictions in an SQLite file that several processes may write at once.

A batch is one transaction, and is on the disk when `SqliteSink.write` returns. Times are text in ISO 8601,
UTC, which sorts and which SQLite's date functions, other tools and people can read.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ml_sys.durable import make_folder, storage_errors, sync_folder
from ml_sys.errors import StorageError, UnwritableError
from ml_sys.outcomes.database.revisions import APPLICATION_ID, LATEST, REVISION_TABLE
from ml_sys.outcomes.lists import storable
from ml_sys.serve.stored import (
    COLUMNS,
    COUNT_INPUTS,
    FORGET_INPUTS,
    as_row,
    identity_of,
    inputs_of,
    mark_of,
    number_of,
    remove,
    time_text,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml_sys.serve.prediction_log import Logged

# SQLite works without Python's lock, which the event loop needs: with too few rows per statement the lock
# changes hands too often, and with too many it is held for long while they are prepared.
_INSERTS = {
    rows: f"INSERT INTO predictions VALUES {','.join(['(?,?,?,?,?)'] * rows)}"  # noqa: S608 - only placeholders
    for rows in (64, 8, 1)
}
_COUNT_INPUTS, _FORGET_INPUTS = COUNT_INPUTS.format("?, ?, ?, ?"), FORGET_INPUTS.format("?")
# So few that nobody who writes at the same time waits long.
_PRUNED_AT_ONCE = 5000
_BUSY_SECONDS = 5.0
_DATE_DIGITS = 10
_SWITCH_PAUSE_SECONDS = 0.02
_ONLY_OWNER = 0o600  # it holds ids of companies
_LAST_OF_SOME = (
    "SELECT max(rowid) FROM (SELECT rowid FROM predictions WHERE rowid > ? ORDER BY rowid LIMIT ?)"
)
_ANY_OLD = "SELECT 1 FROM predictions WHERE rowid > ? AND rowid <= ? AND at < ? LIMIT 1"
_DELETE_OLD = "DELETE FROM predictions WHERE rowid > ? AND rowid <= ? AND at < ?"
_OF_COMPANY = {"predictions": "company", "entries": "entity_id"}
_COUNT = {one: f"SELECT count(*) FROM {one} WHERE {named} = ?" for one, named in _OF_COMPANY.items()}  # noqa: S608 - our names
_DELETE = {one: f"DELETE FROM {one} WHERE {named} = ?" for one, named in _OF_COMPANY.items()}  # noqa: S608 - our names
_REVISION = f"SELECT version_num FROM {REVISION_TABLE}"  # noqa: S608 - our constant
_IS_TAKEN = "SELECT 1 FROM taken_over WHERE name = ?"
_TAKE = f"INSERT INTO predictions SELECT {', '.join(COLUMNS)} FROM old.predictions ORDER BY rowid"  # noqa: S608 - our constants
_WAIT_SECONDS = 60.0
_PRIMARY = 0xFF  # the lower byte of SQLite's codes; the rest says more
_ELSEWHERE = "move it away, or name another file with serve.prediction_log_path"
_log = logging.getLogger(__name__)


class SqliteSink:
    """Predictions in a table of an SQLite file.

    Parameters
    ----------
    path : Path
        The file, on a local disk; created with its folders if missing.
    lock_folder : Path, optional
        The folder of the registry, whose lock is held while the file is migrated.
    wait_seconds : float
        How long to wait for the lock.

    Raises
    ------
    UnwritableError
        If this user may not write there.
    StorageError
        If the file cannot be created or opened, or is not a database of mlsys.
    """

    def __init__(
        self, path: Path, *, lock_folder: Path | None = None, wait_seconds: float = _WAIT_SECONDS
    ) -> None:
        self._looked_at = 0  # the last row that this round of forgetting has looked at
        self._path = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would show another name than was set
        self._lock_folder, self._wait_seconds = lock_folder, wait_seconds
        self._open()

    def _open(self) -> None:
        with storage_errors(self._path):
            make_folder(self._path.parent)
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, _ONLY_OWNER))
            sync_folder(self._path.parent)
            opened = identity_of(self._path)
        self._connection = _connect(self._path)
        try:
            if not _is_latest(self._connection):
                _bring_up_to_date(self._path, self._lock_folder, self._wait_seconds)
            _switch_to_wal(self._connection)
            self._connection.execute("PRAGMA synchronous = FULL")  # a commit waits for the disk
        except sqlite3.Error as error:
            self._connection.close()
            raise _refused(self._path, error, "no prediction log: ", _ELSEWHERE) from error
        except BaseException:
            self._connection.close()
            raise
        self._file = opened

    def write(self, predictions: Sequence[Logged]) -> None:
        """Write all predictions, or none; into a new file where somebody removed or replaced the one before.

        Raises
        ------
        StorageError
            If the disk is full or fails, or other processes hold the file for too long.
        """
        if identity_of(self._path) != self._file:
            with suppress(sqlite3.Error):  # else what stands in its log would be read into another file
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._connection.close()
            self._open()
            _log.warning("%s was removed or replaced; predictions go on in what is there now", self._path)
        try:
            with self._connection:  # commits, or rolls back
                self._connection.execute("BEGIN IMMEDIATE")
                _insert(self._connection, predictions)
                self._connection.executemany(_COUNT_INPUTS, inputs_of(predictions))
        except sqlite3.Error as error:
            raise StorageError(f"{self._path}: {error}", hint="check the disk") from error

    def prune(self, before: float) -> bool:
        """Delete predictions from before a time, some at each call, in the order in which they were stored.

        Parameters
        ----------
        before : float
            Seconds since 1970-01-01.

        Returns
        -------
        bool
            Whether there are more to look at; after the last one it starts again.

        Raises
        ------
        StorageError
            As for :meth:`write`.
        """
        try:
            last = self._connection.execute(_LAST_OF_SOME, (self._looked_at, _PRUNED_AT_ONCE)).fetchone()[0]
            if last is None:
                self._connection.execute(_FORGET_INPUTS, (time_text(before)[:_DATE_DIGITS],))
                self._looked_at = 0
                return False
            these = (self._looked_at, last, time_text(before))
            if self._connection.execute(_ANY_OLD, these).fetchone():
                with self._connection:
                    self._connection.execute("BEGIN IMMEDIATE")
                    self._connection.execute(_DELETE_OLD, these)
        except sqlite3.Error as error:
            raise StorageError(f"{self._path}: {error}", hint="check the disk") from error
        self._looked_at = last
        return True

    def take_over(self, old: Path) -> None:
        """Import the predictions of a file from before there was a store, and remove the file.

        Raises
        ------
        StorageError
            If it cannot be read, or the store cannot be written.
        """
        try:
            self._connection.execute("ATTACH ? AS old", (str(old),))
            try:
                if (mark := mark_of(self._connection, old.name, "old")) is None:
                    return
                with self._connection:
                    self._connection.execute("BEGIN IMMEDIATE")
                    if not self._connection.execute(_IS_TAKEN, (mark,)).fetchone():
                        self._connection.execute(_TAKE)
                        self._connection.execute("INSERT INTO taken_over VALUES (?)", (mark,))
            finally:
                self._connection.execute("DETACH old")
        except sqlite3.Error as error:
            raise StorageError(f"{old}: {error}", hint="move it away; it keeps its predictions") from error
        remove(old)

    def close(self) -> None:
        """Close the file; the last process to do so empties the write-ahead log into it."""
        self._connection.close()


def forget(path: Path, company: str, *, dry_run: bool = False, with_lists: bool = False) -> int:
    """Delete every prediction of a company from a log that servers may be writing; return their number.

    Parameters
    ----------
    path : Path
        May be missing, and is then not created.
    dry_run : bool
        Only count.
    with_lists : bool
        Whether to delete from lists in the file, too; for a file that is not opened as a store.

    Raises
    ------
    StorageError
        If it cannot be written, or is not a prediction log.
    """
    with storage_errors(path):
        if not path.exists():
            return 0
        os.close(os.open(path, os.O_RDONLY if dry_run else os.O_RDWR))
    connection = _connect(path)
    try:
        if number_of(connection, "application_id") != APPLICATION_ID:
            raise StorageError(f"{path}: is not a prediction log", hint=_ELSEWHERE)
        named = (storable(company),)
        held = ["predictions"]
        if with_lists and connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'entries'").fetchone():
            held.append("entries")
        if dry_run:
            return sum(int(connection.execute(_COUNT[one], named).fetchone()[0]) for one in held)
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            deleted = sum(connection.execute(_DELETE[one], named).rowcount for one in held)
        # The write-ahead log holds deleted rows until it is emptied, which may have to wait for writers.
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error as error:
        raise _refused(path, error, "", "check the disk, and try again") from error
    else:
        return deleted
    finally:
        connection.close()


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA secure_delete = ON")  # what is forgotten is overwritten
    return connection


def _refused(path: Path, error: sqlite3.Error, what: str, hint: str) -> StorageError:
    code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY
    if code in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM}:
        return UnwritableError(f"{path}: {error}", hint="check the permissions of the file and its folder")
    return StorageError(f"{path}: {what}{error}", hint=hint)


def _is_latest(connection: sqlite3.Connection) -> bool:
    """Return whether the file is a store at the latest revision, which is all a server needs to start."""
    if number_of(connection, "application_id") != APPLICATION_ID:
        return False
    known = connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (REVISION_TABLE,)).fetchone()
    return bool(known and connection.execute(_REVISION).fetchone() == (LATEST,))


def _bring_up_to_date(path: Path, lock_folder: Path | None, wait_seconds: float) -> None:
    # A store that is up to date needs none of what these import.
    from ml_sys.outcomes.database.engine import database_errors, sqlite_engine
    from ml_sys.outcomes.database.migrating import bring_up_to_date

    with database_errors(path):
        engine = sqlite_engine(path)
        try:
            bring_up_to_date(engine, path, lock_folder, wait_seconds)
        finally:
            engine.dispose()


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """Let readers and a writer work at once, waiting for others that do the same, as SQLite does not."""
    give_up_at = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > give_up_at:
                raise
            time.sleep(_SWITCH_PAUSE_SECONDS)
        else:
            return


def _insert(connection: sqlite3.Connection, predictions: Sequence[Logged]) -> None:
    done = 0
    for size, statement in _INSERTS.items():
        while len(predictions) - done >= size:
            part = predictions[done : done + size]
            connection.execute(statement, [value for one in part for value in as_row(one)])
            done += size
