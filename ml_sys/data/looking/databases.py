"""Look at the tables and views of a database (DuckDB, SQLite or PostgreSQL), read-only."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from ml_sys.data.looking.names import table_name
from ml_sys.data.looking.opening import given_rows
from ml_sys.data.looking.sniffing import MOST_ROWS, Sniffed, flattened, load, sniff
from ml_sys.data.reading.database import SQLITE, DatabaseSource, is_address
from ml_sys.data.reading.sql import literal, quoted
from ml_sys.errors import EmptyTableError, InputError, LostConnectionError, nearest
from ml_sys.settings.base import without_password

if TYPE_CHECKING:
    from collections.abc import Sequence

_DUCKDB, _DUCKDB_AT = b"DUCK", 8
_CATALOG = "looked_into"
_ALIKE = 0.5
_PLAIN_NAME = re.compile(r"\w+")


@dataclass(frozen=True)
class Inside:
    """A table or view of a database.

    Attributes
    ----------
    schema : str
        Empty for the default schema.
    columns : mapping of str to str
        Name of each column, and SQL of its value.
    notes : tuple of str
        Remarks on columns that are left out.
    """

    schema: str
    table: str
    is_view: bool
    columns: dict[str, str]
    notes: tuple[str, ...] = ()

    @property
    def spoken(self) -> str:
        """Its name as users write it."""
        return ".".join(filter(None, (self.schema, self.table)))

    @property
    def relation(self) -> str:
        """SQL that reads all of it."""
        return ".".join(quoted(one) for one in (self.schema, self.table) if one)

    @property
    def location(self) -> str:
        """Its location in a description: its name, or a query if the name has special characters."""
        names = [one for one in (self.schema, self.table) if one]
        is_plain = all(_PLAIN_NAME.fullmatch(one) for one in names)
        return self.spoken if is_plain else f"SELECT * FROM {self.relation}"


def is_database(text: str) -> bool:
    """Return whether an argument is a database, by its address or by its first bytes."""
    return is_address(text) or _begins(text)[: len(SQLITE)] == SQLITE or _is_duckdb(text)


def look_at_all(
    connection: duckdb.DuckDBPyConnection, named: Sequence[str], most_rows: int
) -> tuple[list[Sniffed], list[str]]:
    """Look at files and folders, or at a database and the tables named after it.

    Raises
    ------
    InputError
        If one of them cannot be read, or an address contains a password.
    """
    databases = [one for one in named if is_database(one)]
    if not databases:
        return sniff(connection, named, most_rows=most_rows)
    if len(databases) > 1 or named[0] not in databases:
        raise InputError(
            "a database cannot be combined with files or another database",
            hint="name the database first, then the tables and views to look at (by default all)",
        )
    if is_address(named[0]):
        try:
            without_password(named[0])
        except ValueError as error:
            raise InputError("the address of the database cannot be used", hint=str(error)) from error
    return look_into(connection, named[0], named[1:], most_rows=most_rows)


def look_into(
    connection: duckdb.DuckDBPyConnection,
    database: str,
    chosen: Sequence[str] = (),
    *,
    most_rows: int = MOST_ROWS,
) -> tuple[list[Sniffed], list[str]]:
    """Load a part of each table and view of a database.

    Parameters
    ----------
    chosen : sequence of str
        Tables and views to look at; by default all, except views that repeat a table.

    Returns
    -------
    tables : list of Sniffed
        With distinct names.
    notes : list of str
        What was skipped.

    Raises
    ------
    InputError
        If it cannot be opened, has no such table, or holds no rows.
    """
    opened = _DuckDb(connection, database) if _is_duckdb(database) else _OfSource(connection, database)
    inside = opened.inside()
    notes: list[str] = []
    if chosen:
        inside = [_named(one, inside, opened.name) for one in chosen]
    else:
        inside, notes = _without_repetitions(inside)
    tables: list[Sniffed] = []
    for at, one in enumerate(inside):
        try:
            table = opened.load(one, f"looked_at_{at}", most_rows)
        except LostConnectionError:
            raise
        except EmptyTableError:
            notes.append(f"{one.spoken}: skipped, as it has no rows")
            continue
        except (InputError, duckdb.Error) as error:
            if chosen:
                raise
            notes.append(f"{one.spoken}: skipped: {str(error).partition(chr(10))[0]}")
            continue
        name = table_name(one.table)
        name = table_name(f"{one.schema}_{one.table}") if name in {other.name for other in tables} else name
        tables.append(replace(table, name=name, location=one.location, relation=one.relation))
    if not tables:
        raise InputError(
            f"{opened.name}: has no table with rows", hint="; ".join(notes) or "name another database"
        )
    return tables, notes


class _DuckDb:
    """A DuckDB file."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, database: str) -> None:
        self._connection, self.name = connection, database
        try:
            connection.execute(f"ATTACH {literal(database)} AS {_CATALOG} (READ_ONLY)")
        except duckdb.Error as error:
            raise InputError(
                f"{database}: {str(error).partition(chr(10))[0]}",
                hint="close other programs that have it open",
            ) from error

    def inside(self) -> list[Inside]:
        """Return its tables and views."""
        found = self._connection.execute(
            "SELECT schema_name, table_name, false FROM duckdb_tables() WHERE database_name = $1 "
            "UNION ALL SELECT schema_name, view_name, true FROM duckdb_views() "
            "WHERE database_name = $1 AND NOT internal ORDER BY 3, 1, 2",
            [_CATALOG],
        ).fetchall()
        return [self._described(*one) for one in found]

    def _described(self, schema: str, table: str, is_view: bool) -> Inside:
        made = Inside("" if schema == "main" else schema, table, is_view, {})
        try:
            read = self._connection.sql(f"FROM {_CATALOG}.{quoted(schema)}.{quoted(table)} LIMIT 0")
        except duckdb.Error:  # such as a view of a missing file, which is reported when it is loaded
            return made
        columns, lists = flattened(read)
        return replace(
            made, columns=columns, notes=tuple(f"{one} is left out, as it holds lists" for one in lists)
        )

    def load(self, one: Inside, view: str, most_rows: int) -> Sniffed:
        """Load a part of a table."""
        relation = f"{_CATALOG}.{quoted(one.schema or 'main')}.{quoted(one.table)}"
        made = Sniffed(one.spoken, one.spoken, relation, "", one.columns, notes=one.notes)
        is_plain = all(sql == quoted(name) for name, sql in one.columns.items()) and not one.notes
        return load(self._connection, replace(made, is_plain=is_plain), view, most_rows)


class _OfSource:
    """An SQLite file or a PostgreSQL server, read in batches of rows."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, database: str) -> None:
        self._connection = connection
        is_server = is_address(database)
        self._source = (
            DatabaseSource.of_address(database) if is_server else DatabaseSource.of_file(Path(database))
        )
        self.name = self._source.name

    def inside(self) -> list[Inside]:
        """Return its tables and views."""
        return [
            Inside(
                one.schema,
                one.table,
                one.is_view,
                {name: quoted(name) for name, kind in one.columns.items() if not kind},
                tuple(
                    f"{name} is left out, as its type is {kind}" for name, kind in one.columns.items() if kind
                ),
            )
            for one in self._source.tables()
        ]

    def load(self, one: Inside, view: str, most_rows: int) -> Sniffed:
        """Load a part of a table."""
        raw = self._source.open(one.spoken, one.location, {name: name for name in one.columns})
        given_rows(self._connection, raw, f"given_{view}", most_rows)
        made = Sniffed(
            one.spoken, one.spoken, f"given_{view}", "", one.columns, notes=one.notes, is_duckdb=False
        )
        table = load(self._connection, made, view, most_rows)
        self._connection.unregister(f"given_{view}")
        return table


def _named(name: str, inside: Sequence[Inside], database: str) -> Inside:
    known = {one.spoken.casefold(): one for one in inside}
    if name.casefold() in known:
        return known[name.casefold()]
    near = nearest(name, known)
    hint = (
        f"did you mean {known[near].spoken}?" if near else f"it has {', '.join(one.spoken for one in inside)}"
    )
    raise InputError(f"{database}: has no table or view {name}", hint=hint)


def _without_repetitions(inside: Sequence[Inside]) -> tuple[list[Inside], list[str]]:
    """Leave out views that repeat columns of a table, whose rows would count twice."""
    tables = [one for one in inside if not one.is_view]
    kept, notes = list(tables), []
    for view in (one for one in inside if one.is_view):
        of = _shown_by(view, tables)
        if of:
            notes.append(
                f"{view.spoken}: skipped, as this view shows columns of {of.spoken}; to use views, "
                "name after the database what to look at"
            )
        else:
            kept.append(view)
    return kept, notes


def _shown_by(view: Inside, tables: Sequence[Inside]) -> Inside | None:
    mine = {name.casefold() for name in view.columns}
    shared = {at: len(mine & {name.casefold() for name in one.columns}) for at, one in enumerate(tables)}
    best = max(shared, key=lambda at: shared[at], default=None)
    return tables[best] if best is not None and shared[best] >= max(_ALIKE * len(mine), 1) else None


def _begins(text: str) -> bytes:
    path = Path(text)
    if not path.is_file():
        return b""
    with path.open("rb") as file:
        return file.read(len(SQLITE))


def _is_duckdb(text: str) -> bool:
    return not is_address(text) and _begins(text)[_DUCKDB_AT:].startswith(_DUCKDB)
