"""Describe columns of usage tables as measures (things done, people, quantities), with their words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ml_sys.data.judging import leaks
from ml_sys.data.judging.parts import key
from ml_sys.data.looking import dates
from ml_sys.data.looking.names import name_for
from ml_sys.data.proposing import kinds
from ml_sys.data.proposing.answers import LeftOut
from ml_sys.data.proposing.identifiers import singular
from ml_sys.data.reading.sql import quoted
from ml_sys.text import plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

    from ml_sys.data.judging.drafts import TableDraft
    from ml_sys.data.judging.parts import JudgedTable, JudgedTables
    from ml_sys.data.looking.columns import SeenColumn

_PEOPLE = {
    *("users", "user", "people", "persons", "members", "seats", "visitors", "students", "participants"),
    *("editors", "benutzer", "nutzer"),
}
_QUANTITIES = {
    *("minutes", "seconds", "hours", "duration", "amount", "bytes", "mb", "gb", "kb", "kilometers"),
    *("distance", "score", "credits", "points", "volume", "length", "weight", "words", "rows", "tokens"),
}
# What is read off or averaged, so that a sum of it means nothing.
_READINGS = {
    *("temperature", "temp", "humidity", "pressure", "voltage", "rssi", "percent", "pct", "percentage"),
    *("ratio", "battery", "avg", "average", "mean", "median", "temperatur", "prozent", "durchschnitt"),
}
_SAYS_NOTHING = {
    *("actions", "action", "events", "event", "n", "num", "number", "nr", "count", "counts", "total"),
    *("sum", "of", "anzahl", "nombre", "daily", "weekly", "monthly", "active", "unique", "distinct"),
}
_UNITS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds", "sekunden"), ("second", "seconds")),
    **dict.fromkeys(("ms", "millis", "milliseconds"), ("millisecond", "milliseconds")),
    **dict.fromkeys(("min", "mins", "minute", "minutes", "minuten"), ("minute", "minutes")),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours", "stunden"), ("hour", "hours")),
    **{unit: (unit.upper(), unit.upper()) for unit in ("kb", "mb", "gb", "tb")},
    **{unit.lower(): (unit, unit) for unit in ("kWh", "km", "kg")},
}
_IRREGULAR = {
    *("spent", "sent", "read", "made", "written", "run", "done", "seen", "built", "bought", "given", "taken"),
    *("drawn", "set", "held", "kept", "won"),
}
_NOT_DONE = {"speed", "feed", "need", "seed", "used"}
_MOST_KINDS, _RISES = 200, 0.999
_FEW_BELOW = 0.01


def describe(
    connection: duckdb.DuckDBPyConnection, draft: TableDraft, known: JudgedTables, users: Sequence[str]
) -> tuple[JudgedTable, list[LeftOut]]:
    """Describe the measures of a usage table, or what to count and add up in its events.

    Parameters
    ----------
    users : sequence of str
        Columns that identify users in other tables.

    Returns
    -------
    part : JudgedTable
        The form of the table for judging.
    left : list of LeftOut
        Columns that are not measures, or that leak.
    """
    left: list[LeftOut] = []
    numbers = []
    used = set(draft.roles.values())
    for column in draft.base.columns.values():
        if column.name in used:
            continue
        reason = _unfit(connection, draft, column, users)
        if reason == _TAKEN:
            continue
        if reason:
            left.append(LeftOut(draft.base.name, column.name, reason))
        else:
            numbers.append(column)
    part = draft.part({one.name: quoted(one.name) for one in numbers}, frozenset(one.name for one in numbers))
    verdicts = {one.column: one for one in leaks.judge_usage(connection, part, known)}
    for column in [one for one in numbers if one.name in verdicts]:
        left.append(LeftOut(draft.base.name, column.name, verdicts[column.name].reason))
        numbers.remove(column)
    _measures(draft, numbers)
    return part, left


_TAKEN = "taken"


def _unfit(
    connection: duckdb.DuckDBPyConnection, draft: TableDraft, column: SeenColumn, users: Sequence[str]
) -> str:
    """Return why a column is not a measure, or give it its role in events; empty if it is a measure."""
    if column.personal:
        return f"personal: {column.personal}"
    words = set(column.words)
    ident = "id" in words or column.name.casefold().endswith(("id", "uuid"))
    if (
        draft.kind == "events"
        and "user" not in draft.roles
        and not column.is_unique
        and (
            column.name.casefold() in {one.casefold() for one in users}
            or (ident and words & {"user", "member", "person", "actor", "employee"})
            or (words == {"user"} and column.looks == "text" and column.distinct > _MOST_KINDS)
        )
    ):
        draft.roles["user"] = column.name
        draft.why["user"] = "who did it: distinct users are counted in each period"
        return _TAKEN
    if draft.kind == "events" and column.is_unique and ident and "event_id" not in draft.roles:
        draft.roles["event_id"] = column.name
        draft.why["event_id"] = "unique in every row: a repeated event counts once"
        return _TAKEN
    if column.looks == "date":
        return "a date: usage rows have only one date"
    if not column.filled:
        return "has no values"
    if column.looks == "text":
        if (
            draft.kind == "events"
            and "event" not in draft.roles
            and kinds.is_event_name(column.name)
            and 2 <= column.distinct <= _MOST_KINDS
        ):
            draft.roles["event"] = column.name
            draft.why["event"] = _most_frequent(connection, draft, column)
            return _TAKEN
        return "text, which cannot be counted or added up"
    if ident or (column.is_serial and draft.kind == "events"):
        return f"identifies {_of(column)}, so it is not a quantity"
    if kinds.is_part_of_moment(column):
        return "part of the date or time, not a quantity"
    if column.is_flag and draft.kind == "events":
        return ""
    if column.distinct == 1 and (column.looks == "number" or draft.kind == "events"):
        return "has the same value in every row"
    if words & _READINGS:
        return "a reading or an average, so adding it up means nothing"
    below = _below_zero(connection, draft, column)
    if below > _FEW_BELOW:
        return f"below zero in {below:.1%} of the rows, but usage can only add up; query the rows you mean"
    if _is_running_total(connection, draft, column):
        return "a running total, which never falls: adding it up means nothing; query its increase"
    return ""


def _of(column: SeenColumn) -> str:
    words = [word for word in column.words if word not in {"id", "uuid", "key"}]
    return " ".join(words) + "s" if words else "rows"


def _most_frequent(connection: duckdb.DuckDBPyConnection, draft: TableDraft, column: SeenColumn) -> str:
    c = quoted(column.name)
    rows = connection.execute(
        f"SELECT {c}, count(*) AS n FROM {draft.source} WHERE {c} IS NOT NULL GROUP BY 1 "
        "ORDER BY n DESC, 1 LIMIT 5"
    ).fetchall()
    most = ", ".join(f"{kind} ({n:,})" for kind, n in rows)
    return f"{column.distinct:,} kinds; the most frequent are {most}"


def _below_zero(connection: duckdb.DuckDBPyConnection, draft: TableDraft, column: SeenColumn) -> float:
    found = connection.execute(
        f"SELECT avg((TRY_CAST({quoted(column.name)} AS DOUBLE) < 0)::INT) FROM {draft.source}"
    ).fetchone()
    return float(found[0] or 0) if found else 0.0


def _is_running_total(connection: duckdb.DuckDBPyConnection, draft: TableDraft, column: SeenColumn) -> bool:
    """Return whether a number only ever rises from row to row of each entity."""
    ident = draft.roles.get("id", draft.roles.get("user", ""))
    if not ident or column.low < 0:
        return False
    at = dates.moment(quoted(draft.roles["at"]), draft.base.columns[draft.roles["at"]].format)
    days = (
        f"SELECT {key(ident)} AS k, {at} AS d, "
        f"max(TRY_CAST({quoted(column.name)} AS DOUBLE)) AS v "
        f"FROM {draft.source} GROUP BY 1, 2"
    )
    found = connection.execute(
        "SELECT count(*) FILTER (step >= 0) / count(*), count(*) FILTER (step > 0) / count(*), count(*) "
        f"FROM (SELECT v - lag(v) OVER (PARTITION BY k ORDER BY d) AS step FROM ({days})) "
        "WHERE step IS NOT NULL"
    ).fetchone()
    return bool(found and found[2] >= 50 and found[0] >= _RISES and found[1] >= 0.01)


def _role(column: SeenColumn, among: TableDraft) -> str:
    words = set(column.words)
    if among.kind == "periods" and words & _PEOPLE:
        return "users"
    if (
        among.kind == "events"
        or column.looks == "number"
        or words & (_QUANTITIES | (set(_UNITS) - {"s", "h"}))
    ):
        return "amount"
    return "actions"


def _measures(draft: TableDraft, numbers: list[SeenColumn]) -> None:
    """Describe numbers by role, object and words."""
    roles = {column.name: _role(column, draft) for column in numbers}
    for column in numbers:
        role = roles[column.name]
        same = [one for one in numbers if roles[one.name] == role]
        described: dict[str, Any] = {"column": column.name, "role": role}
        if role == "amount":
            described |= _spoken(column)
            if column.looks == "whole":
                described["digits"] = 0
        else:
            obj = _object(column, same)
            described["object"] = obj or name_for(column.name, "measure")
            place = {"place": f"on {obj.replace('_', ' ')}"} if obj else {}
            if role == "users":
                described |= {"one": "person", "many": "people", **place}
            elif set(column.words) & _SAYS_NOTHING:
                described |= {"one": "action", "many": "actions", **place}
            else:
                described |= _spoken(column)
        draft.measures[name_for(column.name, "measure")] = described


def _object(column: SeenColumn, same: Sequence[SeenColumn]) -> str:
    """Return what was used: the words of a name that are not common to (nearly) all columns of its kind."""
    words = [word for word in column.words if word not in _SAYS_NOTHING | _PEOPLE]
    common = {
        word for word in words if len(same) > 1 and sum(word in one.words for one in same) > 0.5 * len(same)
    }
    return "_".join([word for word in words if word not in common] or words)


def _spoken(column: SeenColumn) -> dict[str, Any]:
    """Return the words for a quantity, such as watched, minute and minutes for minutes_watched."""
    words = column.words
    verbs = [
        one
        for one in words
        if one in _IRREGULAR or (one.endswith("ed") and len(one) > 4 and one not in _NOT_DONE)
    ]
    rest = [one for one in words if one not in verbs and one not in _SAYS_NOTHING] or words
    if verbs and rest[0] in {"to", "from", "into"}:  # such as added to a cart
        return {"one": f"time {' '.join(words)}", "many": f"times {' '.join(words)}"}
    units = [_UNITS[word] for word in rest if word in _UNITS]
    if not units and {"anzahl", "nombre"} & set(words):  # numbers of things, which are several already
        return {"one": " ".join(rest), "many": " ".join(rest)}
    one, many = units[-1] if units else (" ".join([*rest[:-1], singular(rest[-1])]), "")
    many = many or (" ".join([*rest[:-1], plural(singular(rest[-1]))]) if column.name.isascii() else one)
    found: dict[str, Any] = {"one": one, "many": many}
    if verbs:
        found["verb"] = verbs[-1]
    return found
