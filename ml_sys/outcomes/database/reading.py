"""Read the companies of lists column by column, which is faster than SQLAlchemy's row objects."""

from __future__ import annotations

from sys import intern
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from ml_sys.outcomes.database.tables import entries as entries_table
from ml_sys.outcomes.database.tables import lists as lists_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from sqlalchemy import ColumnElement, Connection

_AT_ONCE = 500  # lists that one statement names
_ROWS = 512  # turned into columns at once, while they are in the cache
_TEXTS = frozenset({"entity_id", "tier", "group"})
_TYPES: dict[str, Any] = {
    "probability": np.float64,
    "rank": np.int32,
    "selected": np.bool_,
    "inclusion_probability": np.float64,
}


def read_entries(
    connection: Connection,
    list_ids: Sequence[str],
    columns: Sequence[str],
    condition: ColumnElement[bool] | None = None,
) -> pd.DataFrame:
    """Return the companies on some lists, by cutoff and rank.

    Parameters
    ----------
    connection : Connection
    list_ids : sequence of str
    columns : sequence of str
        Of the table of entries, the rank among them.
    condition : ColumnElement, optional
        Which companies to return; without parameters.

    Returns
    -------
    DataFrame
        With the columns ``list_id``, ``cutoff`` and those asked for; texts as objects.
    """
    parts = [
        (name, cutoff, _read(connection, number, columns, condition))
        for number, name, cutoff in _numbered(connection, list_ids)
    ]
    sizes = [len(held["rank"]) for _, _, held in parts]
    names = np.array([name for name, _, _ in parts], dtype=object)
    cutoffs = np.array([cutoff for _, cutoff, _ in parts], dtype=np.int32)
    found = {
        "list_id": pd.Series(np.repeat(names, sizes), dtype=object),
        "cutoff": np.repeat(cutoffs, sizes),
    }
    for column in columns:
        kind = _TYPES.get(column, object)
        values = np.concatenate([np.empty(0, dtype=kind), *(held[column] for _, _, held in parts)])
        found[column] = pd.Series(values, dtype="Int32" if column == "waits_until" else kind)
    return pd.DataFrame(found)


def _numbered(connection: Connection, list_ids: Sequence[str]) -> list[tuple[int, str, int]]:
    """Return number, id and cutoff of lists, the earliest first."""
    wanted = select(lists_table.c.number, lists_table.c.list_id, lists_table.c.cutoff)
    found = []
    for at in range(0, len(list_ids), _AT_ONCE):
        some = wanted.where(lists_table.c.list_id.in_(list_ids[at : at + _AT_ONCE]))
        found += [(number, name, cutoff) for number, name, cutoff in connection.execute(some)]
    return sorted(found, key=lambda one: (one[2], one[0]))


def _read(
    connection: Connection, number: int, columns: Sequence[str], condition: ColumnElement[bool] | None
) -> dict[str, NDArray[Any]]:
    """Return the columns of one list by rank."""
    wanted = select(*(entries_table.c[name] for name in columns)).where(entries_table.c.list == number)
    if condition is not None:
        wanted = wanted.where(condition)
    text = str(wanted.compile(connection, compile_kwargs={"literal_binds": True}))
    cursor = connection.connection.cursor()
    try:
        cursor.execute(text)
        held = _columns(cursor, columns)
    except connection.dialect.loaded_dbapi.Error as error:
        raise DBAPIError(text, None, error) from error
    finally:
        cursor.close()
    order = np.argsort(held["rank"], kind="stable")
    return {name: values[order] for name, values in held.items()}


def _columns(cursor: Any, columns: Sequence[str]) -> dict[str, NDArray[Any]]:
    parts: dict[str, list[NDArray[Any]]] = {name: [] for name in columns}
    while rows := cursor.fetchmany(_ROWS):
        for name, values in zip(columns, zip(*rows, strict=True), strict=True):
            # Many lists hold the same texts, of which one copy is kept.
            kept = [*map(intern, values)] if name in _TEXTS else values
            parts[name].append(np.array(kept, dtype=_TYPES.get(name, object)))
    none = [np.empty(0, dtype=_TYPES.get(name, object)) for name in columns]
    return {name: np.concatenate([*parts[name], empty]) for name, empty in zip(columns, none, strict=True)}
