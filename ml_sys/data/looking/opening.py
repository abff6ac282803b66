"""Open the tables that a description names, for a look: files, and queries over files or a database."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import duckdb

from ml_sys.data.looking.columns import columns_of
from ml_sys.data.looking.looked import Looked
from ml_sys.data.looking.sniffing import MOST_ROWS, load, sniff
from ml_sys.data.looking.sniffing import queried as queried_table
from ml_sys.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping


def look_at(
    connection: duckdb.DuckDBPyConnection, where: Mapping[str, str], *, most_rows: int = MOST_ROWS
) -> dict[str, Looked]:
    """Load a part of each table, and say what its columns hold.

    Parameters
    ----------
    where : mapping of str to str
        File or query of each table, by name.

    Raises
    ------
    InputError
        If one cannot be read.
    """
    found = {}
    for at, (name, location) in enumerate(where.items()):
        if is_query(location):
            try:
                table = load(
                    connection, queried_table(connection, name, location), f"described_{at}", most_rows
                )
            except duckdb.Error as error:
                said = str(error).partition("\n")[0]
                raise InputError(f"{name}: {location}: {said}", hint="try the query in DuckDB") from error
        else:
            (table, *_), _ = sniff(
                connection, [location], most_rows=most_rows, prefix=f"described_{at}_", as_one=True
            )
        found[name] = Looked(replace(table, name=name), columns_of(connection, table))
    return found


def is_query(location: str) -> bool:
    """Tell whether a table is a query, and not a file."""
    return (
        location.lstrip().split(None, 1)[0].upper() in {"SELECT", "FROM", "WITH"}
        and len(location.split()) > 1
    )
