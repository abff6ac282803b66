"""Decide which rows of a file belong to a table, and whether its money can be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_sys.data.judging.payments import currencies
from ml_sys.data.judging.totals import totals
from ml_sys.data.looking.sniffing import MOST_ROWS
from ml_sys.data.proposing import kinds
from ml_sys.data.proposing.answers import LeftOut
from ml_sys.data.reading.sql import quoted
from ml_sys.errors import InputError, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import duckdb

    from ml_sys.data.judging.drafts import TableDraft
    from ml_sys.data.looking.looked import Looked

_MOST_NAMED = 8
_CENTS, _LIKE_CENTS = {"cents", "cent", "pence", "minor"}, 1000
_STATES, _MOST_STATES = (
    {"plan", "tier", "status", "state", "subscription", "package", "edition", "license"},
    10,
)


def without_totals(connection: duckdb.DuckDBPyConnection, draft: TableDraft) -> list[str]:
    """Leave out rows that are totals of the others, unless the word may be a name; return notes on both."""
    notes = []
    for one in totals(connection, draft):
        if one.sure:
            _keep(draft, one.condition)
            notes.append(f"{one.what}: not read, as it looks like a total of the other rows")
        else:
            notes.append(f"{one.what}: read like any other row; if it is a total of them, leave it out")
    return notes


def of_one_currency(connection: duckdb.DuckDBPyConnection, draft: TableDraft) -> list[LeftOut]:
    """Leave out money in several currencies, which cannot be added up."""
    one = draft.base
    left: list[LeftOut] = []
    if draft.kind != "purchases" and "converted_on" not in draft.roles:
        return left
    for money in kinds.named_like_money(one):
        several = currencies(connection, draft, money)
        if not several:
            continue
        left.append(
            LeftOut(one.name, money, f"in {', '.join(several)}: several currencies cannot be added up")
        )
        if draft.roles.get("value") != money:
            continue
        del draft.roles["value"]
        if draft.kind == "purchases" and one.columns[money].low <= 0:
            _keep(draft, f"coalesce(CAST({quoted(money)} AS DOUBLE) > 0, true)")
            draft.why["kind"] += f"; rows whose {money} is not above zero are not read"
    return left


def in_cents(draft: TableDraft) -> list[str]:
    """Say that money may be in cents: that its name says so, or that all of it is whole and large."""
    money = draft.base.columns.get(draft.roles.get("value", ""))
    if draft.kind != "purchases" or money is None or money.looks != "whole":
        return []
    where, so = f"{draft.base.name}.{money.name}", f"{money.high:,.0f} is reported as {money.high:,.0f}"
    if set(money.words) & _CENTS:
        return [f"{where}: its name says cents, and {so}: divide it by 100 with a query"]
    if money.high >= _LIKE_CENTS and "amount" in money.words:
        return [f"{where}: all of it is whole, and {so}; if these are cents, divide it by 100 with a query"]
    return []


def large_and_left(
    looked: Sequence[Looked], left: Sequence[LeftOut], usage: Sequence[TableDraft]
) -> list[str]:
    """Name tables with dates that nothing links to entities, and that have more rows than all usage."""
    most = max((one.base.table.rows for one in usage), default=0)
    reasons = {one.table: one.reason for one in left if not one.column}
    return [
        f"{one.name} is left out, though it has {one.table.rows:,} rows with dates, more than any usage that "
        f"is read: {reasons[one.name]}"
        for one in looked
        if one.name in reasons and kinds.moments(one) and one.table.rows > most
    ]


def states(
    connection: duckdb.DuckDBPyConnection, looked: Sequence[Looked], ids: Mapping[str, str]
) -> list[str]:
    """Return the states of dated rows that few entities come into, such as ``accounts.plan=pro``."""
    found = []
    for one in looked:
        for column in one.columns.values() if one.name in ids and kinds.moments(one) else ():
            if column.looks != "text" or not set(column.words) & _STATES or column.distinct > _MOST_STATES:
                continue
            k, c = quoted(ids[one.name]), quoted(column.name)
            many = one.columns[ids[one.name]].distinct
            if many < one.table.rows:
                few = connection.execute(
                    f"SELECT {c} FROM {one.table.view} WHERE {c} IS NOT NULL GROUP BY 1 HAVING "
                    f"count(DISTINCT {k}) <= 0.5 * {many} ORDER BY 1"
                ).fetchall()
                found += [f"{one.name}.{column.name}={value}" for (value,) in few]
    return found


def written_kind(
    connection: duckdb.DuckDBPyConnection, answer: str, one: Looked, column: str, kind: str
) -> str:
    """Return a kind of event as it is written in a column.

    Raises
    ------
    InputError
        If all rows of the table were looked at, and none is of this kind.
    """
    c = quoted(column)
    rows = connection.execute(
        f"SELECT {c} FROM {one.table.view} WHERE {c} IS NOT NULL GROUP BY 1 ORDER BY count(*) DESC, 1"
    ).fetchall()
    known = {str(value).casefold(): str(value) for (value,) in reversed(rows)}
    if kind in {str(value) for (value,) in rows} or not rows or one.table.rows >= MOST_ROWS:
        return kind
    if kind.casefold() in known:
        return known[kind.casefold()]
    near = nearest(kind, list(known.values()))
    among = [str(value) for (value,) in rows[:_MOST_NAMED]]
    hint = f"did you mean {one.name}.{column}={near}? " if near else ""
    raise InputError(
        f"--converted {answer}: no row of {one.name} has this value in {column}",
        hint=f"{hint}the {'' if len(rows) <= _MOST_NAMED else 'most frequent '}values are {', '.join(among)}",
    )


def _keep(draft: TableDraft, condition: str) -> None:
    draft.where = " AND ".join(filter(None, (draft.where, condition)))
