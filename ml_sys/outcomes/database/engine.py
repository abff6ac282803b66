"""Open the database: an SQLite file beside the registry, or PostgreSQL at an address.

A writing transaction holds SQLite's lock from its start, so that what it has read is still true when it
writes.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from sqlalchemy import URL, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from ml_sys.durable import make_folder, storage_errors, sync_folder
from ml_sys.errors import ResolveError, SettingsError, StorageError, UnwritableError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Connection, Engine

BUSY_SECONDS = 30
_ONLY_OWNER = 0o600  # it holds ids of companies
_WRITES = "mlsys_writes"
_CONNECT_SECONDS = 10


def sqlite_engine(path: Path) -> Engine:
    """Return an engine on an SQLite file; a missing file is created.

    A file that this user may only read is opened for reading.

    Raises
    ------
    UnwritableError
        If the file is missing and this user may not create it.
    StorageError
        If the file cannot be created.
    """
    name = os.path.abspath(path)  # noqa: PTH100 - SQLite knows names of its own, such as :memory:
    try:
        with storage_errors(path):
            make_folder(path.parent)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, _ONLY_OWNER))
            sync_folder(path.parent)
    except UnwritableError:
        if not path.exists():
            raise
        # Where nobody writes, there is no log beside the file, and nothing changes meanwhile.
        mode = "mode=ro" if path.with_name(f"{path.name}-wal").exists() else "immutable=1"
        name = f"file:{quote(name)}?{mode}&uri=true"
    engine = create_engine(
        f"sqlite:///{name}" if name.startswith("file:") else URL.create("sqlite", database=name),
        connect_args={"timeout": BUSY_SECONDS, "isolation_level": None, "check_same_thread": False},
    )
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin)
    return engine


def postgresql_engine(address: str) -> Engine:
    """Return an engine on a PostgreSQL database; the password comes from PGPASSWORD or a password file.

    Raises
    ------
    SettingsError
        If it is not a PostgreSQL address.
    ResolveError
        If its driver is not installed.
    """
    try:
        url = make_url(address).set(drivername="postgresql+psycopg")
    except ArgumentError as error:
        raise SettingsError(
            "store.url", address, "is not a database address", hint="write postgresql://USER@HOST/DATABASE"
        ) from error
    if find_spec("psycopg") is None:
        raise ResolveError(
            "store.url: the PostgreSQL driver is not installed", hint='pip install "ml-sys[postgres]"'
        )
    return create_engine(url, pool_pre_ping=True, connect_args={"connect_timeout": _CONNECT_SECONDS})


@contextmanager
def database_errors(place: Path | str) -> Iterator[None]:
    """Turn a database error within the block into one line that names the database.

    Raises
    ------
    UnwritableError
        If this user may not write there.
    StorageError
        If anything else prevents it.
    """
    try:
        yield
    except DBAPIError as error:
        said = str(error.orig).strip().partition("\n")[0]
        if "readonly" in said or "permission denied" in said:
            hint = "check this user's permissions, or choose another place with store.url"
            raise UnwritableError(f"{place}: {said}", hint=hint) from error
        raise StorageError(f"{place}: {said}", hint="check the disk and the server") from error
    except SQLAlchemyError as error:
        said = str(error).partition("\n")[0]
        raise StorageError(f"{place}: {said}", hint="check the disk and the server") from error


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Begin a writing transaction: all of it takes effect, or nothing."""
    with engine.connect().execution_options(**{_WRITES: True}) as connection, connection.begin():
        yield connection


def empty_wal(engine: Engine) -> None:
    """Empty SQLite's write-ahead log into the file; until then it still holds deleted rows."""
    if engine.dialect.name == "sqlite":
        connection = engine.raw_connection()  # not in a transaction
        try:
            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            connection.close()


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    for pragma in ("secure_delete = ON", "foreign_keys = ON", "synchronous = FULL"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    is_write = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_write else "BEGIN")
