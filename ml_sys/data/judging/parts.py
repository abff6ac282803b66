"""Described tables as SQL, and what they show together: entities, conversions and usage.

A proposal and the check of a description both judge these, so they cannot disagree.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from ml_sys.data.reading.sql import literal, quoted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import duckdb

# Most entities other than converters that columns are judged by.
_MOST_OTHERS = 200_000
# Measures of a table that attributes are compared with.
_MOST_MEASURES = 8


@dataclass(frozen=True)
class JudgedTable:
    """A table, with SQL for its roles.

    Attributes
    ----------
    name : str
    kind : {"entities", "purchases", "usage"}
    source : str
        SQL to select from.
    id : str
        Key of the entity.
    at, converted_on, since : str
        Moments; empty if there is none.
    event : str
        Kind of event; empty if there is none.
    columns : mapping of str to str
        Attributes of entities, or measures of usage, each with SQL of its text.
    numbers : frozenset of str
        The columns that are numbers.
    """

    name: str
    kind: Literal["entities", "purchases", "usage"]
    source: str
    id: str
    at: str = ""
    converted_on: str = ""
    since: str = ""
    event: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    numbers: frozenset[str] = frozenset()


@dataclass(frozen=True)
class JudgedTables:
    """Totals over all tables; the SQL tables ``people``, ``used``, ``amounts`` and ``judged`` have details.

    Attributes
    ----------
    entities, converters : int
    first_day : int
        Entities that converted on their first day, or before.
    used : int
        Entities with usage.
    """

    entities: int
    converters: int
    first_day: int
    used: int

    @property
    def rate(self) -> float:
        """Share of the entities that converted."""
        return self.converters / max(self.entities, 1)


def key(name: str) -> str:
    """Return SQL of an identifier for comparison: 1001, 01001 and 1001.0 are equal."""
    text = quoted(name)
    return f"CASE WHEN starts_with({text}, '0') OR ends_with({text}, '0') THEN {key_of(text)} ELSE {text} END"


def key_of(text: str) -> str:
    """Return SQL of the same for any SQL text, whether or not it has to be changed."""
    return f"regexp_replace(regexp_replace({text}, '^(-?[0-9]+)[.]0+$', '\\1'), '^0+([0-9])', '\\1')"


def gather(connection: duckdb.DuckDBPyConnection, parts: Sequence[JudgedTable]) -> JudgedTables:
    """Gather entities, conversions and usage of all parts."""
    entities = [one for one in parts if one.kind == "entities"]
    said = [
        f"SELECT {one.id} AS id, {_day(one.converted_on)} AS day, {_day(one.since)} AS "
        f"since FROM {one.source}"
        for one in entities
    ]
    said += [
        f"SELECT {one.id} AS id, {_day(one.at)} AS day, NULL::DATE AS since FROM {one.source}"
        for one in parts
        if one.kind == "purchases"
    ]
    used = [
        f"SELECT {one.id} AS id, {_day(one.at)} AS day FROM {one.source}"
        for one in parts
        if one.kind == "usage"
    ]
    if not entities:  # the entities are then those with usage
        said += [f"SELECT id, NULL::DATE AS day, NULL::DATE AS since FROM ({one})" for one in used]
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE people AS SELECT id, min(day) AS day, min(since) AS since "
        f"FROM ({' UNION ALL '.join(said)}) WHERE id IS NOT NULL GROUP BY id"
    )
    rows = " UNION ALL ".join(used) or "SELECT NULL AS id, NULL::DATE AS day WHERE false"
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE used AS SELECT id, count(*) AS rows, min(day) AS "
        "first, max(day) AS last "
        f"FROM ({rows}) WHERE id IS NOT NULL GROUP BY id"
    )
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE judged AS SELECT people.*, used.rows, used.last FROM ("
        "SELECT * FROM people WHERE day IS NOT NULL UNION ALL "
        f"SELECT * FROM (SELECT * FROM people WHERE day IS NULL ORDER BY hash(id) LIMIT {_MOST_OTHERS})"
        ") AS people LEFT JOIN used USING (id)"
    )
    sums = [
        f"SELECT {one.id} AS id, {literal(f'{one.name}.{name}')} AS measure, "
        f"sum(TRY_CAST({one.columns[name]} AS DOUBLE)) AS total FROM {one.source} GROUP BY 1"
        for one in parts
        if one.kind == "usage"
        for name in sorted(one.numbers)[:_MOST_MEASURES]
    ]
    nothing = "SELECT NULL AS id, '' AS measure, 0.0 AS total WHERE false"
    connection.execute(f"CREATE OR REPLACE TEMP TABLE amounts AS {' UNION ALL '.join(sums) or nothing}")
    found = connection.execute(
        "SELECT count(*), count(day), count(*) FILTER (day <= since), "
        "(SELECT count(*) FROM used WHERE id IN (SELECT id FROM people)) FROM people"
    ).fetchone()
    return JudgedTables(*(found or (0, 0, 0, 0)))


def _day(sql: str) -> str:
    return f"CAST({sql} AS DATE)" if sql else "NULL::DATE"


def through_link(events: str, user: str, link: str, link_user: str, link_id: str) -> str:
    """Return SQL of events with the entity that each user is linked to, as ``_entity``."""
    return (
        f"(SELECT e.*, l._entity FROM {events} AS e JOIN (SELECT {key(link_user)} AS _user, "
        f"any_value({key(link_id)}) AS _entity FROM {link} GROUP BY 1) AS l ON {key(user)} = l._user)"
    )
