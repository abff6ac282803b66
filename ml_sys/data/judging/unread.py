"""Find dates of a described table that ingest cannot read, as they are not in the described format."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_sys.data.looking import dates
from ml_sys.data.reading.sql import quoted

if TYPE_CHECKING:
    import duckdb

    from ml_sys.data.judging.drafts import TableDraft
    from ml_sys.data.looking.columns import SeenColumn
    from ml_sys.settings.description import SchemaSettings

# Roles of dates, in order of preference for dating a table.
MOMENTS = ("at", "converted_on", "since")
_EPOCHS = ("epoch_s", "epoch_ms")
_MOST_UNREAD = 0.05


def is_other_epoch(column: SeenColumn, said: str) -> bool:
    """Return whether dates are numbers since 1970 in another unit than the description says."""
    return column.looks == "date" and dates.described(column.format) in {*_EPOCHS} - {said}


def unread(connection: duckdb.DuckDBPyConnection, draft: TableDraft, schema: SchemaSettings) -> list[str]:
    """Name the dates that ingest cannot read, with how to describe them if it can be told."""
    found = []
    said = getattr(schema.tables[draft.name], "dates", "iso")
    for role in MOMENTS:
        column = draft.base.columns.get(draft.roles.get(role, ""))
        if column is None or not column.filled:
            continue
        written = dates.described(column.format) if column.looks == "date" else None
        if written == said or (written == "" and said not in _EPOCHS):
            share = _share_unread(connection, draft, role, said)
            if share > _MOST_UNREAD:
                reads = f'cannot be read with dates = "{said}"'
                found.append(f"{draft.name}.{column.name}: {share:.0%} of its values {reads}")
            continue
        how = f"are written {dates.spoken(column.format)}" if column.looks == "date" else "are not dates"
        say = f'set dates = "{written}"' if written else "ingest reads YYYY-MM-DD"
        found.append(f"{draft.name}.{column.name}: its values {how}; {say}")
    return found


def _share_unread(connection: duckdb.DuckDBPyConnection, draft: TableDraft, role: str, said: str) -> float:
    """Return the share of values that cannot be read in the described format, nor as ISO dates if allowed."""
    text = quoted(draft.roles[role])
    iso = "" if said in _EPOCHS else f" AND TRY_CAST({text} AS TIMESTAMP) IS NULL"
    is_unread = f"CAST({draft.date(role)} IS NULL{iso} AS INT)"
    asked = connection.execute(
        f"SELECT avg({is_unread}) FROM {draft.source} WHERE {text} IS NOT NULL"
    ).fetchone()
    return float(asked[0]) if asked and asked[0] is not None else 0.0
