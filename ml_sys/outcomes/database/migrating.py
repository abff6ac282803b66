"""Migrate a database to the latest revision, under the registry's lock and after copying it.

A migration is one transaction: all of it takes effect, or nothing. A database of a newer mlsys is refused.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import inspect, text

from ml_sys.durable import temporary_name
from ml_sys.errors import StorageError
from ml_sys.outcomes.database.engine import database_errors, writing
from ml_sys.outcomes.database.revisions import (
    APPLICATION_ID,
    LATEST,
    OLD_LOG_VERSION,
    REVISION_TABLE,
    REVISIONS,
)
from ml_sys.registry.exclusive import locked

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

MIGRATIONS = Path(__file__).with_name("migrations")


def bring_up_to_date(
    engine: Engine, place: Path | str, lock_folder: Path | None, wait_seconds: float
) -> None:
    """Migrate a database to the latest revision; one query if it is already there.

    Parameters
    ----------
    place : Path or str
        Named in errors; for an SQLite file its path, beside which the copy goes.
    lock_folder : Path or None
        The folder of the registry whose lock is held meanwhile; without one, only the database's own lock.
    wait_seconds : float
        How long to wait for the lock.

    Raises
    ------
    StorageError
        If the database belongs to another program or to a newer mlsys, or cannot be written.
    BusyError
        If another process holds the lock for longer than that.
    """
    with database_errors(place):
        with engine.connect() as connection:
            found = _checked_revision(connection, place)
        if found == LATEST:
            return
        with nullcontext() if lock_folder is None else locked(lock_folder, wait_seconds):
            if isinstance(place, Path):
                if found is not None:
                    _copy(place, found)
                _switch_to_wal(engine, place)
            with writing(engine) as connection:
                if not isinstance(place, Path):  # several machines may share it, each with a lock of its own
                    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": APPLICATION_ID})
                if _checked_revision(connection, place) != LATEST:  # nobody else was faster
                    _migrate(connection)


def _checked_revision(connection: Connection, place: Path | str) -> str | None:
    """Return the revision of a database; None for an empty one."""
    tables = set(inspect(connection).get_table_names())
    if REVISION_TABLE in tables:
        found = connection.execute(text(f"SELECT version_num FROM {REVISION_TABLE}")).scalar()  # noqa: S608 - our constant
        if found is None or found in REVISIONS:
            return found
        raise StorageError(
            f"{place}: was written by a newer mlsys (schema {found}; this one knows {LATEST})",
            hint="run the newer mlsys, or go back to the copy that it made beside the file",
        )
    if connection.dialect.name != "sqlite":
        return None
    ours = connection.exec_driver_sql("PRAGMA application_id").scalar()
    version = connection.exec_driver_sql("PRAGMA user_version").scalar()
    if not tables and ours == version == 0:
        return None
    if ours == APPLICATION_ID and version == OLD_LOG_VERSION and "predictions" in tables:
        return REVISIONS[0]  # a log of predictions from before there was a store
    raise StorageError(
        f"{place}: is not a database of mlsys",
        hint="move it away, or set store.url or serve.prediction_log_path to another one",
    )


def _migrate(connection: Connection) -> None:
    """Run the missing migrations in the connection's transaction."""
    from alembic import command  # only where there is something to do
    from alembic.config import Config

    is_sqlite = connection.dialect.name == "sqlite"
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    tables = inspect(connection).get_table_names()
    if is_sqlite and "predictions" in tables and REVISION_TABLE not in tables:
        command.stamp(config, REVISIONS[0])
    command.upgrade(config, "head")
    if is_sqlite:
        connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")


def _switch_to_wal(engine: Engine, place: Path) -> None:
    """Let readers and a writer work at once; the file remembers it."""
    connection = engine.raw_connection()  # SQLite changes the mode outside of transactions only
    try:
        connection.cursor().execute("PRAGMA journal_mode = WAL")
    except sqlite3.Error as error:
        raise StorageError(f"{place}: {error}", hint="try again when no other program has it open") from error
    finally:
        connection.close()


def _copy(path: Path, revision: str) -> None:
    """Copy a database beside itself before its migration, replacing an earlier copy."""
    temporary = path.with_name(temporary_name())
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(temporary)) as target:
        temporary.chmod(path.stat().st_mode)
        source.backup(target)
    temporary.replace(path.with_name(f"{path.name}.{revision}"))
