"""Describe columns of entity tables as attributes, leaving out unsuitable and leaking ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ml_sys.data.judging import leaks
from ml_sys.data.looking.names import name_for
from ml_sys.data.proposing.answers import LeftOut
from ml_sys.data.proposing.identifiers import nouns, singular
from ml_sys.data.reading.sql import quoted
from ml_sys.text import plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

    from ml_sys.data.judging.drafts import TableDraft
    from ml_sys.data.judging.parts import JudgedTable, JudgedTables
    from ml_sys.data.looking.columns import SeenColumn

_MOST_LEVELS = 1_000
_MAYBE = "looks known only after paying: "
_LADDERS = (
    ("low", "medium", "high"),
    ("xs", "s", "m", "l", "xl", "xxl"),
    ("tiny", "small", "medium", "large", "huge"),
    ("small", "medium", "large", "enterprise"),
    ("beginner", "intermediate", "advanced", "expert"),
    ("never", "rarely", "sometimes", "often", "always"),
    ("bronze", "silver", "gold", "platinum"),
    ("junior", "mid", "senior", "lead"),
)
# Whole numbers with such names are codes rather than quantities.
_CODES = {
    *(
        "code",
        "type",
        "via",
        "category",
        "city",
        "region",
        "country",
        "state",
        "channel",
        "group",
        "segment",
        "class",
    ),
    *("gender", "sex", "industry", "source", "kind", "language"),
}
# Units of ranges with such names.
_SIZED_BY = {
    "age": "year",
    **dict.fromkeys(("company", "organization", "organisation", "firm", "business"), "employee"),
}
_LOG_SPREAD = 100.0
_NONE_SHARE, _NONE_TIMES = 0.02, 5


def candidates(drafts: Sequence[TableDraft]) -> list[LeftOut]:
    """Choose the columns that may be attributes, by table, and return the ones left out."""
    left = []
    fullest: dict[str, SeenColumn] = {}  # of the columns of one name in several tables
    for column in (one for draft in drafts for one in draft.base.columns.values()):
        other = fullest.setdefault(_name(column.name), column)
        if column.filled > other.filled:
            fullest[_name(column.name)] = column
    for draft in drafts:
        used = set(draft.roles.values())
        for column in draft.base.columns.values():
            if column.name in used:
                continue
            reason = _unfit(fullest[_name(column.name)])
            if reason:
                left.append(LeftOut(draft.name, column.name, reason))
            else:
                draft.attributes[_name(column.name)] = {"column": column.name}
    return left


def _name(column: str) -> str:
    return name_for(column, "attribute")


def _unfit(column: SeenColumn) -> str:
    """Return why a column by itself is not an attribute; empty if it may be one."""
    if column.personal:
        return f"personal: {column.personal}"
    if not column.filled:
        return "has no values"
    if column.looks == "date":
        return "a date: only since and the conversion day are read, as one that changes later would leak"
    if column.distinct == 1 and column.filled == column.rows:
        return "has the same value in every row"
    if column.looks == "text" and (
        column.distinct > _MOST_LEVELS or column.distinct > 0.5 * column.filled > 10
    ):
        return f"text with {column.distinct:,} different values, too many to learn from"
    named = "id" in column.words or column.name.casefold().endswith("id")
    if column.is_serial or (column.looks == "whole" and named):
        return "an identifier"
    return ""


def part(draft: TableDraft) -> JudgedTable:
    """Return the form of an entity table for judging, with its candidates."""
    numbers = {
        name
        for name, one in draft.attributes.items()
        if draft.base.columns[one["column"]].looks in {"whole", "number"}  # type: ignore[index]  # a column's name is text
    }
    columns = {name: quoted(str(one["column"])) for name, one in draft.attributes.items()}
    return draft.part(columns, frozenset(numbers))


def describe(
    connection: duckdb.DuckDBPyConnection,
    drafts: Sequence[TableDraft],
    parts: Sequence[JudgedTable],
    known: JudgedTables,
) -> tuple[dict[str, dict[str, Any]], dict[str, str], list[LeftOut]]:
    """Describe attributes by kind.

    Returns
    -------
    attributes : dict of str to dict
        Descriptions by name.
    why : dict of str to str
        One line on each.
    left : list of LeftOut
        Candidates that leak.
    """
    left = [
        LeftOut(one.table, one.column, f"{_MAYBE * _is_by_name(one)}{one.reason}")
        for one in leaks.judge_attributes(connection, parts, known)
    ]
    leaky = {one.column for one in left}
    described: dict[str, dict[str, Any]] = {}
    why: dict[str, str] = {}
    for draft in drafts:
        draft.attributes = {name: one for name, one in draft.attributes.items() if name not in leaky}
        for name, one in draft.attributes.items():
            column = draft.base.columns[str(one["column"])]
            if name in described:
                if described[name]["column"] != column.name:
                    left.append(
                        LeftOut(
                            draft.name, column.name, f"another table calls it {described[name]['column']}"
                        )
                    )
                continue
            kind, reason, more = _kind(connection, drafts, column)
            blank, shares = leaks.blanks_leak(connection, parts, name)
            described[name] = {"kind": kind, "column": column.name, **more}
            label = " ".join(word for word in column.words if word not in _owner(draft))
            if label and label != name.replace("_", " "):
                described[name]["label"] = label
            if blank:
                described[name]["blank_leaks"] = True
                reason += f"; {shares}: blanks get filled in later"
            elif shares and not shares.startswith("blank for 0.0% of those that converted and 0.0%"):
                reason += f"; {shares}"
            why[name] = reason
    left = [LeftOut(one.table, _column(drafts, one.column), one.reason) for one in left]
    return described, why, left


def _is_by_name(one: leaks.Leak) -> bool:
    """Return whether only a name suggests that a column is known after paying, and the reason is no other."""
    return not one.sure and "known" not in one.reason


def _owner(draft: TableDraft) -> set[str]:
    """Return words that name the entity in attribute names, such as student in student_country."""
    ident = draft.base.columns[draft.roles["id"]]
    return nouns(ident.name, ident.words)


def _column(drafts: Sequence[TableDraft], name: str) -> str:
    """Return the column of an attribute that is left out."""
    return next(
        (one for draft in drafts for one in draft.base.columns if _name(one) == name or one == name), name
    )


def _kind(
    connection: duckdb.DuckDBPyConnection, drafts: Sequence[TableDraft], column: SeenColumn
) -> tuple[str, str, dict[str, Any]]:
    """Return the kind of an attribute, one line on why, and the rest of its description."""
    rows = " UNION ALL ".join(
        f"SELECT {quoted(column.name)} AS v FROM {one.source}"
        for one in drafts
        if column.name in one.base.columns
    )
    if column.is_flag:
        return "flag", "yes or no", {}
    if column.looks == "number" or (column.looks == "whole" and not set(column.words) & _CODES):
        return _number(connection, rows)
    if column.is_range:
        noun = next(
            (
                word
                for word in column.words
                if word not in {"range", "band", "bucket", "size", "of", "number"}
            ),
            "",
        )
        unit = (
            {"unit": {"one": one, "many": plural(one)}}
            if (one := _SIZED_BY.get(noun, singular(noun)))
            else {}
        )
        return "range", 'ranges of numbers, such as "11 to 25"', unit
    levels = connection.execute(
        f"SELECT lower(v), any_value(v) FROM ({rows}) WHERE v IS NOT NULL GROUP BY 1"
    ).fetchall()
    spelled = dict(levels)
    for ladder in _LADDERS:
        if len(spelled) >= 2 and set(spelled) <= set(ladder):
            return (
                "ordered",
                "texts that have an order",
                {"levels": [spelled.get(one, one) for one in ladder]},
            )
    return "category", f"text with {len(levels):,} different values", {}


def _number(connection: duckdb.DuckDBPyConnection, rows: str) -> tuple[str, str, dict[str, Any]]:
    """Describe a number: whether it spans orders of magnitude, and which value means none, such as -1."""
    value = "TRY_CAST(v AS DOUBLE)"
    numbers = f"(SELECT {value} AS v FROM ({rows}) WHERE isfinite({value}))"
    often = connection.execute(
        f"SELECT v, count(*) AS n FROM {numbers} GROUP BY 1 ORDER BY n DESC, v LIMIT 2"
    ).fetchall()
    found = connection.execute(f"SELECT count(*), min(v), max(v) FROM {numbers}").fetchone() or (0, 0, 0)
    total, low, high = found
    more: dict[str, Any] = {}
    reason = "a number"
    if len(often) == 2:
        (value_, n), (_, second) = often
        rest = connection.execute(f"SELECT min(v), max(v) FROM {numbers} WHERE v <> {value_}").fetchone() or (
            0,
            0,
        )
        apart = (value_ == high and value_ > rest[1]) or (value_ == low and value_ < 0 <= rest[0])
        if apart and n >= max(_NONE_SHARE * total, _NONE_TIMES * second):
            none = int(value_) if float(value_).is_integer() else value_
            more["none"] = none
            reason += f"; {none} is its extreme value, {n:,} times, so it is read as none"
    spread = connection.execute(
        f"SELECT quantile_cont(v, 0.99), quantile_cont(v, 0.5), min(v) FROM {numbers}"
        + (f" WHERE v <> {more['none']}" if "none" in more else "")
    ).fetchone()
    if spread and spread[2] is not None and spread[2] >= 0 and spread[0] > _LOG_SPREAD * max(spread[2], 1):
        more["scale"] = "log"
        reason += "; spans orders of magnitude"
    return "number", reason, more
