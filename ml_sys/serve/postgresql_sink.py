"""Store predictions in a PostgreSQL database that several servers may write at once.

A batch is one transaction, and is durable when `PostgresqlSink.write` returns.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, text

from ml_sys.errors import StorageError
from ml_sys.outcomes.database.engine import database_errors, postgresql_engine, writing
from ml_sys.outcomes.database.migrating import bring_up_to_date
from ml_sys.outcomes.database.tables import predictions as table
from ml_sys.outcomes.database.tables import taken_over
from ml_sys.outcomes.lists import storable
from ml_sys.serve.stored import (
    COLUMNS,
    COUNT_INPUTS,
    FORGET_INPUTS,
    as_row,
    inputs_of,
    mark_of,
    remove,
    time_text,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ml_sys.serve.prediction_log import Logged

_AT_ONCE = 5000
_DATE_DIGITS = 10
_PRUNE = text(
    "DELETE FROM predictions WHERE number IN"
    " (SELECT number FROM predictions WHERE at < :before ORDER BY at LIMIT :some)"
)
_INPUTS = ("day", "version", "input", "predictions")
_COUNT_INPUTS = text(COUNT_INPUTS.format(", ".join(f":{one}" for one in _INPUTS)))
_FORGET_INPUTS = text(FORGET_INPUTS.format(":day"))
_COUNT = text("SELECT count(*) FROM predictions WHERE company = :company")
_FORGET = text("DELETE FROM predictions WHERE company = :company")


class PostgresqlSink:
    """Predictions in a table of a PostgreSQL database.

    Parameters
    ----------
    address : str
        Of the database.
    lock_folder : Path
        The folder of the registry, whose lock is held while the database is migrated.

    Raises
    ------
    StorageError
        If it cannot be reached or written, or belongs to a newer mlsys.
    """

    def __init__(self, address: str, lock_folder: Path, wait_seconds: float) -> None:
        self._place = address
        self._engine = postgresql_engine(address)
        try:
            bring_up_to_date(self._engine, address, lock_folder, wait_seconds)
        except BaseException:
            self._engine.dispose()
            raise

    def write(self, predictions: Sequence[Logged]) -> None:
        """Write all predictions, or none.

        Raises
        ------
        StorageError
            If the database cannot be reached or written.
        """
        rows = [_named(as_row(one)) for one in predictions]
        if rows:
            with database_errors(self._place), writing(self._engine) as connection:
                connection.execute(insert(table), rows)
                counts = [dict(zip(_INPUTS, one, strict=True)) for one in inputs_of(predictions)]
                connection.execute(_COUNT_INPUTS, counts)

    def prune(self, before: float) -> bool:
        """Delete some of the predictions from before a time, and return whether there may be more."""
        until = time_text(before)
        chosen = {"before": until, "some": _AT_ONCE}
        with database_errors(self._place), writing(self._engine) as connection:
            connection.execute(_FORGET_INPUTS, {"day": until[:_DATE_DIGITS]})
            return int(connection.execute(_PRUNE, chosen).rowcount) == _AT_ONCE

    def forget(self, company: str, *, dry_run: bool = False) -> int:
        """Delete the predictions of a company, or only count them; return their number."""
        named = {"company": storable(company)}
        with database_errors(self._place), writing(self._engine) as connection:
            if dry_run:
                return int(connection.execute(_COUNT, named).scalar_one())
            return int(connection.execute(_FORGET, named).rowcount)

    def take_over(self, old: Path) -> None:
        """Import the predictions of a file from before there was a store, and remove the file.

        Raises
        ------
        StorageError
            If it cannot be read, or the database cannot be written.
        """
        try:
            with closing(sqlite3.connect(old)) as source:
                mark = mark_of(source, old.name, "main")
                if mark is None:
                    return
                with database_errors(self._place), writing(self._engine) as connection:
                    if (
                        connection.execute(select(taken_over).where(taken_over.c.name == mark)).first()
                        is None
                    ):
                        connection.execute(insert(taken_over).values(name=mark))
                        rows = source.execute(f"SELECT {', '.join(COLUMNS)} FROM predictions ORDER BY rowid")  # noqa: S608 - our constants
                        while some := rows.fetchmany(_AT_ONCE):
                            connection.execute(insert(table), [_named(one) for one in some])
        except sqlite3.Error as error:
            raise StorageError(f"{old}: {error}", hint="move it away; it keeps its predictions") from error
        remove(old)

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()


def _named(row: Sequence[object]) -> dict[str, Any]:
    return dict(zip(COLUMNS, row, strict=True))
