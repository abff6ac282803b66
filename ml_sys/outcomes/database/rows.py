"""Convert lists and their companies to database rows and back."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update

from ml_sys.outcomes.database.tables import entries as entries_table
from ml_sys.outcomes.database.tables import lists as lists_table
from ml_sys.outcomes.lists import HandedOutList, ListEntry, storable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection, Row

_FIELDS = tuple(field.name for field in fields(HandedOutList))
OF_LIST = [lists_table.c[name] for name in _FIELDS]
# What frames of entries hold; reasons are read for a few companies at a time.
COLUMNS = (
    "entity_id",
    "probability",
    "rank",
    "tier",
    "selected",
    "inclusion_probability",
    "group",
    "waits_until",
)


def standing(connection: Connection, cutoff: int) -> HandedOutList | None:
    """Return the current list of a day; None if there is none."""
    wanted = select(*OF_LIST).where(lists_table.c.cutoff == cutoff, lists_table.c.replaced_by.is_(None))
    row = connection.execute(wanted).first()
    return None if row is None else as_list(row)


def put(connection: Connection, listed: HandedOutList, companies: Iterable[ListEntry]) -> None:
    """Make a list the current one of its day: write it, or reinstate it if it was replaced before."""
    again = (
        update(lists_table)
        .where(lists_table.c.list_id == listed.list_id)
        .values(replaced_by=None, reason=listed.reason)
    )
    if connection.execute(again).rowcount:
        return
    connection.execute(insert(lists_table).values(asdict(listed)))
    number = connection.execute(
        select(lists_table.c.number).where(lists_table.c.list_id == listed.list_id)
    ).scalar_one()
    rows = [_as_row(number, one) for one in companies]
    if rows:
        connection.execute(insert(entries_table), rows)


def _as_row(number: int, entry: ListEntry) -> dict[str, Any]:
    held = {name: getattr(entry, name) for name in COLUMNS}
    return held | {
        "list": number,
        "entity_id": storable(entry.entity_id),
        "reasons": json.dumps(entry.reasons),
    }


def as_list(row: Row[Any]) -> HandedOutList:
    """Return the list that a row holds."""
    return HandedOutList(**row._asdict())
