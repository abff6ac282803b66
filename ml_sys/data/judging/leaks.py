"""Find columns and tables that are known only after paying, by their values first, and by their names.

A verdict is certain if values show it, and a warning if only a name suggests it. A proposal leaves both out;
the check of a description fails on certain ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_sys.data.judging.paying_words import says_lifetime, says_paying
from ml_sys.data.judging.period_names import of_one_period, why, year_of
from ml_sys.data.judging.shapes import ENOUGH, shape_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import duckdb

    from ml_sys.data.judging.parts import JudgedTable, JudgedTables
    from ml_sys.data.judging.shapes import Shape

_ONLY = 0.95
_SEPARATES, _SUSPICIOUS = 0.97, 0.85
_FOLLOWS, _FOLLOWS_NAMED = 0.9, 0.5
_COMMON = 0.5
_SAME_ORDER = 0.98
# Traces of a conversion may lie this many days before it, for this share of converters.
_SHORTLY_BEFORE, _MOSTLY = 3, 0.5
# Blanks leak if converters have less than this share of the others' blanks, and not by chance.
_FILLED_LATER, _BY_LUCK = 0.5, 1.645


@dataclass(frozen=True)
class Leak:
    """A column, or a whole table, that looks known only after paying.

    Attributes
    ----------
    table, column : str
        Column is empty if the whole table is meant.
    reason : str
        In words, with figures.
    sure : bool
        Whether values show it, not only a name.
    """

    table: str
    column: str
    reason: str
    sure: bool

    @property
    def where(self) -> str:
        """The table and column in the user's notation."""
        return f"{self.table}.{self.column}" if self.column else self.table


def judge_attributes(
    connection: duckdb.DuckDBPyConnection, parts: Sequence[JudgedTable], known: JudgedTables
) -> list[Leak]:
    """Judge every attribute; one in several tables is judged over all of them."""
    names = dict.fromkeys(name for one in parts if one.kind == "entities" for name in one.columns)
    found = []
    series = of_one_period(
        sql.strip('"') for one in parts if one.kind == "entities" for sql in one.columns.values()
    )
    ((begins,),) = connection.execute("SELECT year(min(first)) FROM used").fetchall()
    for name in names:
        holding = [one for one in parts if one.kind == "entities" and name in one.columns]
        several = series.get(holding[0].columns[name].strip('"'))
        if several:
            found.append(Leak(holding[0].name, name, *why(several)))
            continue
        shape = shape_of(connection, holding, name, name in holding[0].numbers)
        reason, sure = _judged(name, shape, known)
        if not sure and (only := _only_converters(connection, known, number=name in holding[0].numbers)):
            reason, sure = only, True
        year = year_of(holding[0].columns[name].strip('"')) if begins and not reason else None
        if year and year >= begins:
            reason = (
                f"of {year}, so it is not known at cutoffs in that year or before (usage begins in {begins})"
            )
        if reason:
            found.append(Leak(holding[0].name, name, reason, sure))
    return found


def _judged(name: str, shape: Shape, known: JudgedTables) -> tuple[str, bool]:
    """Return what is wrong with an attribute, and whether it is certain; an empty text if nothing is."""
    enough = known.converters >= ENOUGH and known.rate < _COMMON
    others = shape.filled - shape.filled_converters
    if enough and shape.filled_converters >= ENOUGH and shape.filled_converters >= _ONLY * shape.filled:
        mine = shape.filled_converters / shape.converters
        return (
            f"filled for {mine:.0%} of those that converted and "
            f"{others / max(shape.others, 1):.1%} of the others",
            True,
        )
    if enough and shape.separation >= _SEPARATES:
        return (
            f"separates converters from the others almost perfectly (ROC-AUC {shape.separation:.2f})",
            True,
        )
    paying, lifetime = says_paying(name), says_lifetime(name)
    named = paying or lifetime
    for correlation, what in (
        (shape.usage, "the number of usage rows"),
        (shape.amount, "the total of what is used"),
        (shape.last_use if shape.last_use > shape.since else 0.0, "the day of the last use"),
    ):
        if correlation >= _FOLLOWS or (lifetime and correlation >= _FOLLOWS_NAMED):
            return (
                f"follows {what} over the whole life (correlation {correlation:.2f}), which includes the "
                "conversion and everything after it",
                True,
            )
    if shape.day >= _FOLLOWS and shape.day > shape.since + 1 - _SAME_ORDER:
        return f"follows the day of conversion (correlation {shape.day:.2f})", True
    if named and enough and shape.separation >= _SUSPICIOUS:
        return f"{named}, and shows who converted (ROC-AUC {shape.separation:.2f})", True
    if shape.since >= _SAME_ORDER:
        return "follows the first day of each, which is known at every cutoff anyway", False
    return named, False


def _only_converters(connection: duckdb.DuckDBPyConnection, known: JudgedTables, *, number: bool) -> str:
    """Name a value of the last measured attribute that only converters have; empty if there is none."""
    if known.converters < ENOUGH or known.rate >= _COMMON:
        return ""
    # Numbers are compared with the most frequent one, such as 0 for something counted only after paying.
    level = "CASE WHEN v > (SELECT mode(v) FROM column_judged) THEN 'more' END" if number else "v"
    found = connection.execute(
        f"SELECT {level} AS level, count(*) FILTER (paid) AS mine, count(*) AS everyone, "
        "(SELECT mode(v) FROM column_judged) AS most FROM column_judged WHERE v IS NOT NULL GROUP BY 1 "
        f"HAVING level IS NOT NULL AND mine >= {ENOUGH} AND mine >= {_ONLY} * everyone "
        "ORDER BY everyone DESC, 1 LIMIT 1"
    ).fetchone()
    if not found:
        return ""
    value, mine, everyone, most = found
    what = f"is above {most:g}" if number else f"is {value!r}"
    return (
        f"{mine / everyone:.0%} of the {everyone:,} that it {what} for converted, {known.rate:.1%} of all did"
    )


def blanks_leak(
    connection: duckdb.DuckDBPyConnection, parts: Sequence[JudgedTable], name: str
) -> tuple[bool, str]:
    """Return whether blanks of an attribute get filled in for converters, and the shares in words."""
    holding = [one for one in parts if one.kind == "entities" and name in one.columns]
    shape = shape_of(connection, holding, name, number=False)
    if not shape.converters or not shape.others:
        return False, ""
    mine = 1 - shape.filled_converters / shape.converters
    theirs = 1 - (shape.filled - shape.filled_converters) / shape.others
    luck = (theirs * (1 - theirs) / shape.converters) ** 0.5
    leaks = mine < _FILLED_LATER * theirs and theirs - mine > _BY_LUCK * luck
    return leaks, f"blank for {mine:.1%} of those that converted and {theirs:.1%} of the others"


def judge_usage(connection: duckdb.DuckDBPyConnection, part: JudgedTable, known: JudgedTables) -> list[Leak]:
    """Judge whether only converters have rows of a usage table, values above zero, or a kind of event."""
    if known.converters < ENOUGH or known.rate >= _COMMON:
        return []
    asked = [("", "true"), *((name, f"TRY_CAST({sql} AS DOUBLE) > 0") for name, sql in part.columns.items())]
    held = ", ".join(f"bool_or({holds}) AS held_{at}" for at, (_, holds) in enumerate(asked))
    counts = ", ".join(
        f"count(*) FILTER (_day IS NOT NULL AND held_{at}), count(*) FILTER (held_{at})"
        for at in range(len(asked))
    )
    each = f"SELECT _k, any_value(_day) AS _day, {held} FROM {_with_outcome(part)} GROUP BY _k"
    row = connection.execute(f"SELECT {counts} FROM ({each})").fetchone() or ()
    found = []
    for at, (name, _) in enumerate(asked):
        converters, everyone = row[2 * at : 2 * at + 2]
        if converters >= ENOUGH and converters >= _ONLY * everyone:
            what = "is above zero" if name else "has rows"
            share = (
                f"{converters / everyone:.0%} of the {everyone:,} that it {what} for converted, "
                f"{known.rate:.1%} of all did"
            )
            found.append(Leak(part.name, name, share, True))
            if not name:
                return found
    for name in part.columns:
        if says_paying(name) and not any(one.column == name for one in found):
            found.append(Leak(part.name, name, says_paying(name), False))
    return found


def paying_kinds(connection: duckdb.DuckDBPyConnection, part: JudgedTable, known: JudgedTables) -> list[Leak]:
    """Return the kinds of event that only converters have, mostly from the conversion day on.

    A kind that comes earlier is not a leak, however well it predicts conversion.
    """
    if not part.event or known.converters < ENOUGH or known.rate >= _COMMON:
        return []
    each = (
        f"SELECT {part.event} AS kind, _k, any_value(_day) AS day, min(CAST({part.at} AS DATE)) AS first "
        f"FROM {_with_outcome(part)} GROUP BY ALL"
    )
    rows = connection.execute(
        "SELECT kind, count(day) AS converters, count(*) AS everyone, "
        f"count(*) FILTER (first >= day - {_SHORTLY_BEFORE}) AS late FROM ({each}) WHERE kind IS NOT NULL "
        f"GROUP BY kind HAVING converters >= {ENOUGH} AND converters >= {_ONLY} * everyone "
        f"AND late >= {_MOSTLY} * converters ORDER BY everyone DESC, kind LIMIT 12"
    ).fetchall()
    return [
        Leak(
            part.name,
            str(kind),
            f"{mine / everyone:.0%} of the {everyone:,} that it happens to converted",
            True,
        )
        for kind, mine, everyone, _ in rows
    ]


def _with_outcome(part: JudgedTable) -> str:
    """Return SQL of a usage table with the entity as ``_k`` and its conversion day as ``_day``."""
    return (
        f"(SELECT u.*, people.day AS _day FROM (SELECT u.*, {part.id} AS _k FROM {part.source} AS u) AS u "
        "JOIN people ON people.id = u._k)"
    )


def all_of(
    connection: duckdb.DuckDBPyConnection, parts: Sequence[JudgedTable], known: JudgedTables
) -> Iterator[Leak]:
    """Yield all verdicts on described attributes, usage tables and kinds of event."""
    yield from judge_attributes(connection, parts, known)
    for part in parts:
        if part.kind == "usage":
            yield from judge_usage(connection, part, known)
            yield from paying_kinds(connection, part, known)


def judge_blanks(
    connection: duckdb.DuckDBPyConnection, parts: Sequence[JudgedTable], names: Sequence[str]
) -> list[Leak]:
    """Judge attributes whose blanks are a feature by whether blanks get filled in for converters."""
    found = []
    for name in names:
        leaks, shares = blanks_leak(connection, parts, name)
        if leaks:
            table = next(one.name for one in parts if one.kind == "entities" and name in one.columns)
            found.append(Leak(table, name, f"{shares}: set blank_leaks = true for it", True))
    return found
