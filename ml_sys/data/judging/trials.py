"""Date subscriptions by the day from which they are paid: the day on which their trial ended."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ml_sys.data.looking import dates
from ml_sys.data.looking.columns import columns_of
from ml_sys.data.looking.looked import Looked
from ml_sys.data.reading.sql import quoted

if TYPE_CHECKING:
    from collections.abc import Callable

    import duckdb

    from ml_sys.data.looking.columns import SeenColumn

PAID_FROM = "paid_from"
_TRIAL = {"trial", "probezeit", "testphase", "probe"}
_END = {"end", "ends", "ended", "until", "expires", "expired", "expiry", "expiration", "ende", "bis"}
_LEFT = {"canceled", "cancelled", "cancel", "cancellation", "ended", "end", "churned", "terminated"} | {
    *("gekündigt", "gekuendigt", "kündigung", "kuendigung", "ende"),
}
_RENEWS = {"period", "current", "next", "renewal", "last", "updated", "modified", "due"}
_FULL = 0.9


def trial_ends(one: Looked) -> list[SeenColumn]:
    """Return the dates on which the trial of a row ends, by their names."""
    return [column for column in one.dates() if set(column.words) & _TRIAL and set(column.words) & _END]


def with_paid_from(connection: duckdb.DuckDBPyConnection, one: Looked) -> Looked:
    """Add the day from which each row was paid to a table of subscriptions that knows when trials end.

    It is the day of the beginning, or that of the end of the trial if that is later; blank if the row ended
    before that.
    """
    over = trial_ends(one)
    if len(over) != 1 or PAID_FROM in one.columns:
        return one
    plain = [column for column in one.dates() if not set(column.words) & (_TRIAL | _RENEWS)]
    ended = [column for column in plain if set(column.words) & _LEFT]
    began = [column for column in plain if column not in ended and column.filled_share >= _FULL]
    view, columns = one.table.view, one.table.columns
    here = _paid_from(over[0], began, ended, quoted)
    there = _paid_from(over[0], began, ended, lambda name: f"CAST({columns[name]} AS VARCHAR)")
    connection.execute(f"ALTER TABLE {view} ADD COLUMN {PAID_FROM} VARCHAR")
    connection.execute(f"UPDATE {view} SET {PAID_FROM} = {here}")
    table = replace(one.table, columns={**columns, PAID_FROM: there}, is_plain=False)
    seen = columns_of(connection, replace(table, columns={PAID_FROM: PAID_FROM}))
    return Looked(table, {**one.columns, **seen})


def _paid_from(
    over: SeenColumn, began: list[SeenColumn], ended: list[SeenColumn], text: Callable[[str], str]
) -> str:
    """Return SQL of the day from which a row was paid, as ISO text."""
    trial, starts, ends = (
        [dates.moment(text(column.name), column.format) for column in columns]
        for columns in ([over], began, ended)
    )
    first = f"greatest({trial[0]}, {_least(starts)})" if starts else trial[0]
    left = f"{trial[0]} IS NOT NULL AND {_least(ends)} < {trial[0]} + INTERVAL 1 DAY" if ends else "false"
    return f"CASE WHEN {left} THEN NULL ELSE strftime({first}, '%Y-%m-%d %H:%M:%S') END"


def _least(moments: list[str]) -> str:
    return f"least({', '.join(moments)})" if len(moments) > 1 else moments[0]
