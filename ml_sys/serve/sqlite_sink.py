"""Keeps predictions in an SQLite file that several processes write at once.

A batch is one transaction, and is on the disk when `SqliteSink.write` returns. Time is text in ISO 8601, UTC:
it sorts, SQLite's own date functions and other tools understand it, and so do people. The table has no
constraints, since a prediction that it refused would hold up all that come after it.
"""

from __future__ import annotations

import os
import sqlite3
import time
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from ml_sys.durable import make_folder, storage_errors, sync_folder
from ml_sys.errors import StorageError, UnwritableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml_sys.serve.prediction_log import Logged

SCHEMA_VERSION = 1
APPLICATION_ID = 0x6D6C7379  # "mlsy": what tells our file from any other database
DIGEST_BYTES = 8
_SCHEMA = (
    "CREATE TABLE predictions (at TEXT, version TEXT, company TEXT, features TEXT, probability REAL)",
    "CREATE INDEX predictions_of_company ON predictions (company, at) WHERE company IS NOT NULL",
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)
# SQLite works without Python's lock, which the event loop wants: too few rows a statement hand it over too
# often, too many hold it for long while they are prepared.
_INSERTS = {
    rows: f"INSERT INTO predictions VALUES {','.join(['(?,?,?,?,?)'] * rows)}"  # noqa: S608 - only placeholders
    for rows in (64, 8, 1)
}
# So few that nobody who writes at the same time waits long.
_PRUNED_AT_ONCE = 5000
_BUSY_SECONDS = 5.0
_SWITCH_PAUSE_SECONDS = 0.02
_ONLY_OWNER = 0o600  # it holds ids of companies
_LAST_OF_SOME = (
    "SELECT max(rowid) FROM (SELECT rowid FROM predictions WHERE rowid > ? ORDER BY rowid LIMIT ?)"
)
_ANY_OLD = "SELECT 1 FROM predictions WHERE rowid > ? AND rowid <= ? AND at < ? LIMIT 1"
_DELETE_OLD = "DELETE FROM predictions WHERE rowid > ? AND rowid <= ? AND at < ?"
_COUNT_COMPANY = "SELECT count(*) FROM predictions WHERE company = ?"
_DELETE_COMPANY = "DELETE FROM predictions WHERE company = ?"
_PRIMARY = 0xFF  # the lower byte of SQLite's codes; the rest says more
_ELSEWHERE = "move it away, or name another file with serve.prediction_log_path"


class SqliteSink:
    """Predictions in a table of an SQLite file.

    Parameters
    ----------
    path : Path
        The file, on a local disk; made where it is missing, with the folders above it.

    Raises
    ------
    UnwritableError
        If this user may not write there.
    StorageError
        If the file cannot be made or opened, is no database, or is one of something else.
    """

    def __init__(self, path: Path) -> None:
        self._looked_at = 0  # the last row that this round of forgetting has looked at
        self._path = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would show another name than was set
        with storage_errors(self._path):
            make_folder(self._path.parent)
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, _ONLY_OWNER))
            sync_folder(self._path.parent)
        self._connection = _connect(self._path)
        try:
            _prepare(self._connection, self._path)
        except sqlite3.Error as error:
            self._connection.close()
            raise _refused(self._path, error, "no prediction log: ", _ELSEWHERE) from error
        except StorageError:
            self._connection.close()
            raise

    def write(self, predictions: Sequence[Logged]) -> None:
        """Write all predictions, or none.

        Raises
        ------
        StorageError
            If the disk is full or fails, or other processes hold the file for too long.
        """
        try:
            with self._connection:  # commits, or rolls back
                self._connection.execute("BEGIN IMMEDIATE")
                _insert(self._connection, predictions)
        except sqlite3.Error as error:
            raise StorageError(f"{self._path}: {error}", hint="check the disk") from error

    def prune(self, before: float) -> bool:
        """Delete predictions given before a time, some at each call, in the order in which they were kept.

        Parameters
        ----------
        before : float
            Seconds since 1970-01-01.

        Returns
        -------
        bool
            Whether there are more to look at; the call after the last one begins anew.

        Raises
        ------
        StorageError
            As for :meth:`write`.
        """
        try:
            last = self._connection.execute(_LAST_OF_SOME, (self._looked_at, _PRUNED_AT_ONCE)).fetchone()[0]
            if last is None:
                self._looked_at = 0
                return False
            these = (self._looked_at, last, _time_text(before))
            if self._connection.execute(_ANY_OLD, these).fetchone():
                with self._connection:
                    self._connection.execute("BEGIN IMMEDIATE")
                    self._connection.execute(_DELETE_OLD, these)
        except sqlite3.Error as error:
            raise StorageError(f"{self._path}: {error}", hint="check the disk") from error
        self._looked_at = last
        return True

    def close(self) -> None:
        """Close the file; the last process to do so moves what is in the write-ahead log into it."""
        self._connection.close()


def forget(path: Path, company: str, *, dry_run: bool = False) -> int:
    """Delete every prediction of a company from a log, servers may write it meanwhile; return how many.

    Parameters
    ----------
    path : Path
        May be missing, and is then not made.
    dry_run : bool
        Only count.

    Raises
    ------
    StorageError
        If it cannot be written, or is no prediction log.
    """
    with storage_errors(path):
        if not path.exists():
            return 0
        os.close(os.open(path, os.O_RDONLY if dry_run else os.O_RDWR))
    connection = _connect(path)
    try:
        if _number(connection, "application_id") != APPLICATION_ID:
            raise StorageError(f"{path}: is no prediction log", hint=_ELSEWHERE)
        named = (_storable(company),)
        if dry_run:
            return int(connection.execute(_COUNT_COMPANY, named).fetchone()[0])
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            deleted = connection.execute(_DELETE_COMPANY, named).rowcount
        # The write-ahead log holds what was deleted until it is emptied; who is writing now does so later.
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
        return UnwritableError(f"{path}: {error}", hint="check the rights of the file and its folder")
    return StorageError(f"{path}: {what}{error}", hint=hint)


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        application, version = _number(connection, "application_id"), _number(connection, "user_version")
        is_blank = not connection.execute("SELECT 1 FROM sqlite_master").fetchone()
        if is_blank and application == version == 0:
            for statement in _SCHEMA:
                connection.execute(statement)
        elif application != APPLICATION_ID:
            raise StorageError(f"{path}: is a database of something else", hint=_ELSEWHERE)
        elif version != SCHEMA_VERSION:
            raise StorageError(
                f"{path}: is a prediction log of version {version}, and this mlsys writes {SCHEMA_VERSION}",
                hint=_ELSEWHERE,
            )
    _switch_to_wal(connection)
    connection.execute("PRAGMA synchronous = FULL")  # a commit waits for the disk


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """Let readers and a writer work at once; SQLite itself does not wait for others that do the same."""
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
            connection.execute(statement, [value for one in part for value in _as_row(one)])
            done += size


def _as_row(prediction: Logged) -> tuple[object, ...]:
    return (
        _time_text(prediction.at),
        prediction.version,
        _storable(prediction.company),
        blake2b(prediction.row, digest_size=DIGEST_BYTES).hexdigest(),
        float(prediction.probability),
    )


def _time_text(at: float) -> str:
    second, millisecond = divmod(round(at * 1000), 1000)
    return f"{_as_text(second)}.{millisecond:03d}Z"


@lru_cache(maxsize=8)  # a batch holds thousands of predictions of the same second
def _as_text(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _storable(text: str | None) -> str | None:
    """Escape halves of surrogate pairs, which JSON can carry and UTF-8 cannot."""
    if text is None or text.isascii():
        return text
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    return int(connection.execute(f"PRAGMA {pragma}").fetchone()[0])
