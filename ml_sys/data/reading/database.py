"""Tables and queries of SQLite and PostgreSQL, through SQLAlchemy, batch by batch."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from sqlalchemy import URL, create_engine, make_url, text
from sqlalchemy.exc import SQLAlchemyError

from ml_sys.data.reading import columnar
from ml_sys.data.reading.rows import RawTable
from ml_sys.data.schema import lacking, matched_columns
from ml_sys.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    from sqlalchemy import Connection, Engine

SQLITE = b"SQLite format 3\0"
_POSTGRESQL = re.compile(r"postgres(ql)?(\+\w+)?://")
_TABLE_NAME = re.compile(r"[\w.]+")
_BATCH_ROWS = 1 << 16


def is_address(database: str) -> bool:
    """Say whether a database is an address of PostgreSQL, and no file."""
    return bool(_POSTGRESQL.match(database))


class DatabaseSource:
    """Tables of SQLite or PostgreSQL, which are only read.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    name : str
        For messages; without a password.
    """

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine = engine
        self._name = name

    @classmethod
    def of_address(cls, address: str) -> DatabaseSource:
        """Return the tables of a PostgreSQL server."""
        url = make_url(re.sub(_POSTGRESQL, "postgresql+psycopg://", address))
        return cls(create_engine(url), url.set(drivername="postgresql").render_as_string())

    @classmethod
    def of_file(cls, path: Path) -> DatabaseSource:
        """Return the tables of a file of SQLite."""
        url = URL.create("sqlite", database=f"file:{path}", query={"mode": "ro", "uri": "true"})
        # Batches may be fetched by another thread than the one that opened it; never by two at once.
        return cls(create_engine(url, connect_args={"check_same_thread": False}), str(path))

    def open(
        self,
        table: str,  # noqa: ARG002 - protocol
        location: str,
        columns: Mapping[str, str],
        may_lack: Collection[str] = (),
    ) -> RawTable:
        """Run a query, or read a table by name; see `Source`."""
        where = f"{self._name}: {' '.join(location.split())}"
        quoted = self._engine.dialect.identifier_preparer.quote_identifier
        query = location.rstrip("; \n")
        if _TABLE_NAME.fullmatch(query):
            query = f"SELECT * FROM {'.'.join(map(quoted, query.split('.')))}"  # noqa: S608 - quoted
        try:
            connection = self._engine.connect().execution_options(stream_results=True)
            none_of_it = f"SELECT * FROM ({query}) AS asked LIMIT 0"  # noqa: S608 - the user's query
            present = list(connection.execute(_sql(none_of_it)).keys())
            found, extra = matched_columns(where, present, columns, may_lack)
            wanted = list(dict.fromkeys(found.values()))
            chosen = f"SELECT {', '.join(map(quoted, wanted))} FROM ({query}) AS asked"  # noqa: S608 - the user's query
            batches = _batches(where, connection, chosen, wanted)
        except SQLAlchemyError as error:
            raise _refused(where, error) from error
        parts = columnar.parts(where, batches, found)
        return RawTable(where, extra, parts, connection.close, lacking(columns, found))


def _batches(where: str, connection: Connection, query: str, names: list[str]) -> Iterator[pa.RecordBatch]:
    try:
        result = connection.execute(_sql(query))
        while rows := result.fetchmany(_BATCH_ROWS):
            columns = zip(*rows, strict=True)
            yield pa.record_batch({name: _array(one) for name, one in zip(names, columns, strict=True)})
    except SQLAlchemyError as error:
        raise _refused(where, error) from error


def _sql(query: str) -> Any:
    return text(query.replace(":", r"\:"))  # a colon begins no parameter of ours


def _array(values: tuple[Any, ...]) -> Any:
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):  # values of several types
        return pa.array([None if value is None else str(value) for value in values], pa.string())


def _refused(where: str, error: SQLAlchemyError) -> InputError:
    said = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
    return InputError(f"{where}: {said}", hint="name a table of it, or a query")
