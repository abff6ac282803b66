"""Open the tables of a description to look at them: files, and queries over files or a database."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from ml_sys.data.looking.columns import columns_of
from ml_sys.data.looking.looked import Looked
from ml_sys.data.looking.sniffing import MOST_ROWS, Sniffed, load, sniff
from ml_sys.data.looking.sniffing import queried as queried_table
from ml_sys.data.reading.sql import quoted
from ml_sys.errors import EmptyTableError, InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ml_sys.data.reading.rows import RawTable


def look_at(connection: duckdb.DuckDBPyConnection, where: Mapping[str, str]) -> dict[str, Looked]:
    """Load a part of each table, and describe its columns.

    Parameters
    ----------
    where : mapping of str to str
        File or query of each table, by name.

    Raises
    ------
    InputError
        If one of them cannot be read.
    """
    found = {}
    for at, (name, location) in enumerate(where.items()):
        if is_query(location):
            try:
                table = load(
                    connection, queried_table(connection, name, location), f"described_{at}", MOST_ROWS
                )
            except duckdb.Error as error:
                said = str(error).partition("\n")[0]
                raise InputError(f"{name}: {location}: {said}", hint="try the query in DuckDB") from error
        else:
            (table, *_), _ = sniff(
                connection, [location], most_rows=MOST_ROWS, prefix=f"described_{at}_", as_one=True
            )
        found[name] = Looked(replace(table, name=name), columns_of(connection, table))
    return found


def look_at_rows(connection: duckdb.DuckDBPyConnection, tables: Mapping[str, RawTable]) -> dict[str, Looked]:
    """Load a part of each table that a source has opened, and describe its columns.

    Parameters
    ----------
    tables : mapping of str to RawTable
        By name; fields have the names of their columns.
    """
    given = {}
    for at, (name, raw) in enumerate(tables.items()):  # before the connection is used for anything else
        names = given_rows(connection, raw, f"given_{at}", MOST_ROWS)
        given[name] = Sniffed(name, raw.where, f"given_{at}", "", {one: quoted(one) for one in names})
    found = {}
    for at, (name, one) in enumerate(given.items()):
        table = load(connection, one, f"described_{at}", MOST_ROWS)
        found[name] = Looked(table, columns_of(connection, table))
    return found


def given_rows(connection: duckdb.DuckDBPyConnection, raw: RawTable, view: str, most_rows: int) -> list[str]:
    """Register the first rows of an open table under a name, close it, and return its columns.

    Raises
    ------
    EmptyTableError
        If it has no rows.
    """
    blocks, rows = [], 0
    try:
        for part in raw.parts:
            blocks.append(pa.table(dict(part().texts)))
            rows += blocks[-1].num_rows
            if rows >= most_rows:
                break
    finally:
        raw.close()
    if not rows:
        raise EmptyTableError(raw.where)
    connection.register(view, pa.concat_tables(blocks))
    return list(blocks[0].column_names)


def is_query(location: str) -> bool:
    """Return whether the location of a table is a query rather than a file."""
    return (
        location.lstrip().split(None, 1)[0].upper() in {"SELECT", "FROM", "WITH"}
        and len(location.split()) > 1
    )
