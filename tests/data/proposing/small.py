"""Tables of a few rows, as they are when a description is proposed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb

from ml_sys.data.judging.drafts import TableDraft
from ml_sys.data.looking.columns import Looks, SeenColumn, columns_of
from ml_sys.data.looking.looked import Looked
from ml_sys.data.looking.sniffing import Sniffed


def column(
    name: str, looks: Looks = "text", filled: int = 100, distinct: int = 50, **more: Any
) -> SeenColumn:
    """Return a column of a hundred rows."""
    return SeenColumn(name, looks, filled, distinct, **{"rows": 100, **more})


def day(name: str, filled: int = 100) -> SeenColumn:
    """Return a column of days."""
    return column(name, "date", filled, format="iso")


def looked(name: str, *columns: SeenColumn, has_header: bool = True, rows: int = 100) -> Looked:
    """Return a table of which the columns are known, and no row is."""
    every = {one.name: f'"{one.name}"' for one in columns}
    table = Sniffed(name, f"{name}.csv", "", name, every, rows=rows, has_header=has_header)
    return Looked(table, {one.name: one for one in columns})


def draft(kind: Any, base: Looked, **roles: str) -> TableDraft:
    """Return a table of a description."""
    return TableDraft(base.name, kind, base, roles)


def seen(
    connection: duckdb.DuckDBPyConnection, name: str, header: str, rows: Sequence[Sequence[Any]]
) -> Looked:
    """Return a table whose rows were looked at, all of them text as in a file."""
    names = header.split()
    listed = ", ".join(f'"{one}" VARCHAR' for one in names)
    connection.execute(f"CREATE TABLE {name} ({listed})")
    marks = ", ".join("?" for _ in names)
    texts = [[None if one is None else str(one) for one in row] for row in rows]
    if texts:
        connection.executemany(f"INSERT INTO {name} VALUES ({marks})", texts)  # noqa: S608 - the test's own
    table = Sniffed(name, f"{name}.csv", "", name, {one: f'"{one}"' for one in names}, rows=len(rows))
    return Looked(table, columns_of(connection, table))
