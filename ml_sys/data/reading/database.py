"""Read tables and queries of SQLite and PostgreSQL through SQLAlchemy, batch by batch."""

from __future__ import annotations

import re
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from sqlalchemy import URL, NullPool, create_engine, event, inspect, make_url, text, types
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from ml_sys.data.reading import columnar
from ml_sys.data.reading.rows import RawTable
from ml_sys.data.schema import lacking, matched_columns
from ml_sys.errors import InputError, LostConnectionError, ResolveError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    from sqlalchemy import Connection, Engine

SQLITE = b"SQLite format 3\0"
_POSTGRESQL = re.compile(r"postgres(ql)?(\+\w+)?://")
_TABLE_NAME = re.compile(r"[\w.]+")
_BATCH_ROWS = 1 << 16
_CONNECT_SECONDS = 10
# Read as text: a date that Python cannot represent, or a NaN, is then just one bad value.
_AS_TEXT = ("date", "timestamp", "timestamptz", "numeric")
_SESSION = "SET LOCAL TimeZone TO 'UTC'", "SET LOCAL DateStyle TO 'ISO'"
_NO_ANSWER = "is the server up, and may this user log in? Put the password into PGPASSWORD or ~/.pgpass"
# Types whose values are not a single text, number or date.
_NO_VALUES = (types.JSON, types.ARRAY, types.LargeBinary, types.Interval)


def is_address(database: str) -> bool:
    """Return whether a database is a PostgreSQL address rather than a file."""
    return bool(_POSTGRESQL.match(database))


@dataclass(frozen=True)
class DatabaseTable:
    """A table or view of a database.

    Attributes
    ----------
    schema : str
        Empty for the default schema.
    columns : mapping of str to str
        By name, the type of a column that cannot be read; empty for other columns.
    """

    schema: str
    table: str
    is_view: bool
    columns: Mapping[str, str]


class DatabaseSource:
    """Tables of SQLite or PostgreSQL, opened read-only.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    name : str
        For messages; without a password.
    """

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine = engine
        self.name = name

    @classmethod
    def of_address(cls, address: str) -> DatabaseSource:
        """Return the tables of a PostgreSQL server.

        Raises
        ------
        InputError
            If it is not a PostgreSQL address.
        ResolveError
            If its driver is not installed.
        """
        try:
            url = make_url(re.sub(_POSTGRESQL, "postgresql+psycopg://", address))
        except (ArgumentError, ValueError) as error:
            scheme = address.partition("://")[0]
            raise InputError(
                f"{scheme}://…: not the address of a database",
                hint="write postgresql://USER@HOST/DATABASE",
            ) from error
        if find_spec("psycopg") is None:
            raise ResolveError(
                "the driver of PostgreSQL is not installed", hint='pip install "ml-sys[postgres]"'
            )
        waits = {} if "connect_timeout" in url.query else {"connect_timeout": _CONNECT_SECONDS}
        engine = create_engine(url, poolclass=NullPool, connect_args=waits)
        event.listen(engine, "connect", _dates_as_text)
        return cls(engine, url.set(drivername="postgresql").render_as_string())

    @classmethod
    def of_file(cls, path: Path) -> DatabaseSource:
        """Return the tables of an SQLite file."""
        url = URL.create("sqlite", database=f"file:{path}", query={"mode": "ro", "uri": "true"})
        # Batches may be fetched by another thread than the one that opened it, but never by two at once.
        engine = create_engine(url, poolclass=NullPool, connect_args={"check_same_thread": False})
        return cls(engine, str(path))

    def tables(self) -> list[DatabaseTable]:
        """Return its tables and views, without system tables.

        Raises
        ------
        InputError
            If it does not answer.
        """
        with self._connected(self.name) as connection:
            connection = connection.execution_options(stream_results=False)
            try:
                return self._tables(connection)
            except SQLAlchemyError as error:
                raise _refused(self.name, error) from error

    def open(
        self,
        table: str,  # noqa: ARG002 - protocol
        location: str,
        columns: Mapping[str, str],
        may_lack: Collection[str] = (),
    ) -> RawTable:
        """Run a query, or read a table by name; see `TableSource`."""
        where = f"{self.name}: {' '.join(location.split())}"
        quoted = self._engine.dialect.identifier_preparer.quote_identifier
        query = location.rstrip("; \n")
        if _TABLE_NAME.fullmatch(query):
            query = f"SELECT * FROM {'.'.join(map(quoted, query.split('.')))}"  # noqa: S608 - quoted
        connection = self._connected(where)
        try:
            none_of_it = f"SELECT * FROM ({query}) AS asked LIMIT 0"  # noqa: S608 - the user's query
            present = list(connection.execute(_sql(none_of_it)).keys())
            found, extra = matched_columns(where, present, columns, may_lack)
        except SQLAlchemyError as error:
            connection.close()
            raise _refused(where, error) from error
        except InputError:
            connection.close()
            raise
        wanted = list(dict.fromkeys(found.values()))
        chosen = f"SELECT {', '.join(map(quoted, wanted))} FROM ({query}) AS asked"  # noqa: S608 - the user's query
        parts = columnar.parts(where, _batches(where, connection, chosen, wanted), found)
        return RawTable(where, extra, parts, connection.close, lacking(columns, found))

    def _connected(self, where: str) -> Connection:
        """Connect read-only, with moments in UTC."""
        is_server = self._engine.dialect.name == "postgresql"
        try:
            with ExitStack() as failing:
                connection = failing.enter_context(self._engine.connect())
                if is_server:
                    connection = connection.execution_options(postgresql_readonly=True)
                    for one in _SESSION:
                        connection.execute(text(one))
                failing.pop_all()
        except SQLAlchemyError as error:
            hint = _NO_ANSWER if is_server else "is it an SQLite file?"
            raise InputError(f"{where}: {_said(error)}", hint=hint) from error
        return connection.execution_options(stream_results=True)

    def _tables(self, connection: Connection) -> list[DatabaseTable]:
        inspector = inspect(connection)
        if self._engine.dialect.name != "postgresql":
            places = [("", name, False) for name in inspector.get_table_names()]
            places += [("", name, True) for name in inspector.get_view_names()]
        else:
            asked = connection.execute(text(_RELATIONS)).all()
            places = [
                ("" if is_default else schema, name, is_view) for schema, name, is_view, is_default in asked
            ]
        found = []
        for schema, name, is_view in places:
            try:
                columns = inspector.get_columns(name, schema or None)
            except SQLAlchemyError:  # such as a view of a missing table, which is reported when it is read
                columns = []
            kinds = {
                one["name"]: str(one["type"]) if isinstance(one["type"], _NO_VALUES) else ""
                for one in columns
            }
            found.append(DatabaseTable(schema, name, is_view, kinds))
        return found


# Tables and views of users, without the partitions of a table, which are parts of it.
_RELATIONS = """
SELECT n.nspname, c.relname, c.relkind IN ('v', 'm') AS is_view, n.nspname = current_schema() AS is_default
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm') AND NOT c.relispartition
AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg~_%' ESCAPE '~'
AND has_schema_privilege(n.oid, 'USAGE')
AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = c.oid AND d.deptype = 'e')
ORDER BY 3, 1, 2
"""


def _dates_as_text(connection: Any, _record: Any) -> None:
    from psycopg.types.string import TextLoader  # the driver is there only where there is a server

    for kind in _AS_TEXT:
        connection.adapters.register_loader(kind, TextLoader)


def _batches(where: str, connection: Connection, query: str, names: list[str]) -> Iterator[pa.RecordBatch]:
    n = 0
    try:
        result = connection.execute(_sql(query))
        while rows := result.fetchmany(_BATCH_ROWS):
            columns = zip(*rows, strict=True)
            yield pa.record_batch({name: _array(one) for name, one in zip(names, columns, strict=True)})
            n += len(rows)
    except DBAPIError as error:
        if error.connection_invalidated:
            raise LostConnectionError(where, _said(error), n) from error
        raise _refused(where, error) from error
    except SQLAlchemyError as error:
        raise _refused(where, error) from error


def _sql(query: str) -> Any:
    return text(query.replace(":", r"\:"))  # a colon begins no parameter of ours


def _array(values: tuple[Any, ...]) -> Any:
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):  # values of several types
        return pa.array([None if value is None else str(value) for value in values], pa.string())


def _said(error: SQLAlchemyError) -> str:
    return str(getattr(error, "orig", None) or error).strip().partition("\n")[0]


def _refused(where: str, error: SQLAlchemyError) -> InputError:
    return InputError(f"{where}: {_said(error)}", hint="name one of its tables, or write a query")
