"""Bring the identifier of entities into a table that knows them by another one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ml_sys.data.judging.parts import key_of
from ml_sys.data.reading.sql import quoted

if TYPE_CHECKING:
    import duckdb

    from ml_sys.data.looking.looked import Looked


def with_identifier(
    connection: duckdb.DuckDBPyConnection, table: Looked, column: str, leads: Looked, known: tuple[str, str]
) -> Looked:
    """Join a table with one that knows its entities by both identifiers.

    Parameters
    ----------
    column : str
        Of the table: the other identifier, such as that of a payment service.
    leads : Looked
        The table that knows both.
    known : tuple of str
        Its column of the other identifier, and that of the entity.

    Returns
    -------
    Looked
        The table, and as its last column the identifier of the entity; blank where nobody is known.
    """
    another, ident = known
    called = ident if ident not in table.columns else f"{leads.name}_{ident}"
    here, there = table.table, leads.table
    view = f"{here.view}_joined"
    connection.execute(
        f"CREATE TEMP TABLE {view} AS "
        + _joined(called, here.view, quoted(column), there.view, quoted(another), quoted(ident))
    )
    sql = _joined(
        called,
        here.relation,
        here.columns[column],
        there.relation,
        there.columns[another],
        there.columns[ident],
    )
    ((filled, distinct),) = connection.execute(
        f"SELECT count({quoted(called)}), count(DISTINCT {quoted(called)}) FROM {view}"
    ).fetchall()
    return replace(
        table,
        table=replace(
            here,
            relation=f"({sql})",
            view=view,
            columns={**here.columns, called: quoted(called)},
            is_plain=False,
        ),
        columns={
            **table.columns,
            called: replace(
                leads.columns[ident], name=called, filled=filled, distinct=distinct, rows=here.rows
            ),
        },
    )


def _joined(called: str, source: str, by: str, leads: str, from_: str, to: str) -> str:
    """Return SQL of the rows of a source, each with the identifier that another table knows."""
    by, from_ = (key_of(f"CAST({one} AS VARCHAR)") for one in (by, from_))
    return (
        f"SELECT led.*, leads_to AS {quoted(called)} FROM {source} AS led LEFT JOIN (SELECT "
        f"min(CAST({to} AS VARCHAR)) AS leads_to, {from_} AS leads_from FROM {leads} GROUP BY 2) AS known "
        f"ON {by} = leads_from"
    )
