"""Describe the usage tables of a plan, leaving out those that leak or cover too few entities."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ml_sys.data.judging import leaks
from ml_sys.data.judging.parts import JudgedTables, gather
from ml_sys.data.proposing import measures, words
from ml_sys.data.proposing.answers import LeftOut
from ml_sys.data.reading.sql import literal, quoted

if TYPE_CHECKING:
    import duckdb

    from ml_sys.data.judging.drafts import TableDraft
    from ml_sys.data.judging.parts import JudgedTable
    from ml_sys.data.proposing.tables import Plan

_THIN = 0.05


def judged(
    connection: duckdb.DuckDBPyConnection, made: Plan, entities: list[JudgedTable]
) -> tuple[list[JudgedTable], JudgedTables, list[LeftOut]]:
    """Describe usage tables, leaving out those of converters only, or of (nearly) nobody."""
    bought = [one.part({}) for one in made.of("purchases")]
    usage = [one.part({}) for one in made.of("periods", "events")]
    known = gather(connection, [*entities, *bought, *usage])
    users = [one.roles["user"] for one in made.of("links", "events") if "user" in one.roles]
    left: list[LeftOut] = []
    parts = []
    kept: list[TableDraft] = []
    for draft in made.of("periods", "events"):
        part, more = measures.describe(connection, draft, known, users)
        whole = [one for one in more if one.column == ""] or [
            LeftOut(one.table, "", one.reason)
            for one in leaks.judge_usage(connection, draft.part({}), known)
            if not one.column
        ]
        if whole:
            left += [LeftOut(draft.base.name, "", f"looks known only after paying: {whole[0].reason}")]
            continue
        left += more
        if draft.kind == "periods" and not draft.measures:
            left.append(LeftOut(draft.base.name, "", "it has nothing to count or add up"))
            continue
        _leave_paying_kinds(connection, draft, known, left)
        parts.append((draft, replace(part, event=draft.part({}).event)))
        kept.append(draft)
    thin = {draft.name: _is_thin(connection, part, known) for draft, part in parts}
    if any(not reason for reason in thin.values()):  # never the last one
        gone = {one.base.name for one in kept if thin[one.name]}
        left = [one for one in left if one.table not in gone]
        left += [LeftOut(name, "", reason) for name, reason in thin.items() if reason]
        kept = [one for one in kept if not thin[one.name]]
    made.drafts = [one for one in made.drafts if one.kind not in {"periods", "events"} or one in kept]
    _name_apart(kept)
    links = [one.link for one in kept if one.link]
    made.drafts = [one for one in made.drafts if one.kind != "links" or one in links]
    for draft in kept:
        if draft.kind == "events" and not draft.roles.get("event"):
            one, many = words.events(draft)
            draft.why["one"], draft.why["many"] = one, many
    every = [*entities, *bought, *(part for draft, part in parts if draft in kept)]
    return every, gather(connection, every), left


def _name_apart(drafts: list[TableDraft]) -> None:
    """Rename measures of different tables that have the same name."""
    names = [name for draft in drafts for name in draft.measures]
    for draft in drafts:
        draft.measures = {
            f"{draft.name}_{name}"[:60] if names.count(name) > 1 else name: one
            for name, one in draft.measures.items()
        }


def _leave_paying_kinds(
    connection: duckdb.DuckDBPyConnection, draft: TableDraft, known: JudgedTables, left: list[LeftOut]
) -> None:
    """Leave out kinds of event that only converters have."""
    found = leaks.paying_kinds(connection, draft.part({}), known)
    if not found:
        return
    column = quoted(draft.roles["event"])
    listed = ", ".join(literal(one.column) for one in found)
    without = f"({column} IS NULL OR {column} NOT IN ({listed}))"
    draft.where = f"{draft.where} AND {without}" if draft.where else without
    left += [
        LeftOut(
            draft.base.name,
            f"{draft.roles['event']} = {one.column!r}",
            f"looks known only after paying: {one.reason}",
        )
        for one in found
    ]


def _is_thin(connection: duckdb.DuckDBPyConnection, part: JudgedTable, known: JudgedTables) -> str:
    """Return why a usage table covers too few of those that may convert; empty if it covers enough."""
    found = connection.execute(
        "SELECT count(DISTINCT k) FILTER (d < coalesce(day, DATE '2262-01-01')) FROM "
        f"(SELECT {part.id} AS k, CAST({part.at} AS DATE) AS d FROM {part.source}) JOIN people ON id = k"
    ).fetchone()
    reached = int(found[0]) if found else 0
    if reached >= _THIN * known.entities:
        return ""
    return f"covers only {reached:,} of {known.entities:,} before they convert, too few to learn from"
