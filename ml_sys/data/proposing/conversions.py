"""Find who converted, and when: a table of purchases, a date of an entity table, or a kind of event."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_sys.data.judging.drafts import Converted
from ml_sys.data.judging.parts import key
from ml_sys.data.judging.payments import paid_rows
from ml_sys.data.judging.trials import PAID_FROM
from ml_sys.data.looking import dates
from ml_sys.data.proposing import kinds
from ml_sys.data.proposing.answers import matches
from ml_sys.data.proposing.rows import states, written_kind
from ml_sys.data.reading.sql import quoted
from ml_sys.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

    from ml_sys.data.looking.looked import Looked
    from ml_sys.data.proposing.answers import Answers, Asker
    from ml_sys.data.proposing.linking import LinkingColumns

_FEW, _FULL, _ALL, _AGREE = 0.5, 0.9, 0.98, 0.95
_MOST_KINDS = 200
_SAYS_WHO = (
    "name the table of purchases, or the column with the conversion day: --converted TABLE|TABLE.COLUMN"
)


def money(one: Looked) -> str:
    """Return the only column of money; empty if there is none, or more than one."""
    found = [name for name in kinds.named_like_money(one) if one.columns[name].looks in {"whole", "number"}]
    if len(found) > 1:  # what was due, and what was paid
        found = [name for name in found if "paid" in one.columns[name].words]
    return found[0] if len(found) == 1 else ""


def find(
    connection: duckdb.DuckDBPyConnection,
    looked: Sequence[Looked],
    links: LinkingColumns,
    answers: Answers,
    asker: Asker,
) -> Converted:
    """Find where conversions are.

    Raises
    ------
    InputError
        If the files do not show it and nobody can be asked.
    """
    candidates = {**_bought(connection, looked, links), **_dated(looked, links)}
    by_name = {one.name: one for one in looked}
    if answers.converted:
        return _answered(connection, answers.converted, by_name, links)
    if not candidates:
        candidates = {**_of_kinds(connection, looked, links), **_repeated(connection, looked, links)}
    if not candidates:
        weak = _weak(looked, links) + states(connection, looked, links.ids)
        if not weak:
            raise InputError(kinds.nobody_says([by_name[one] for one in links.entities]), hint=_SAYS_WHO)
        named = asker.choose(
            "No name shows who converted, and when. Which of these does?", weak, "--converted"
        )
        return _answered(connection, named, by_name, links)
    if len(candidates) > 1 and not _agree(connection, by_name, links, candidates):
        named = asker.choose("Which of these shows who converted, and when?", list(candidates), "--converted")
        return candidates[named] if named in candidates else _answered(connection, named, by_name, links)
    with_money = [one for one in candidates.values() if any(money(by_name[table]) for table in one.purchases)]
    with_money.sort(key=lambda one: any(kinds.is_of_contracts(by_name[table]) for table in one.purchases))
    return next(iter(with_money or candidates.values()))


def _weak(looked: Sequence[Looked], links: LinkingColumns) -> list[str]:
    """Return what may show conversions although no name suggests it: dates or tables that few have."""
    entities = sum(one.table.rows for one in looked if one.name in links.of_their_own)
    found = []
    for one in looked:
        if one.name not in links.ids:
            continue
        dates_ = [
            column for column in one.dates() if column.filled_share < _FULL and not kinds.began([column])
        ]
        found += [f"{one.name}.{column.name}" for column in dates_]
        few = one.columns[links.ids[one.name]].distinct <= _FEW * entities
        if one.name not in links.of_their_own and few and kinds.moments(one):
            found.append(one.name)
    return found


def _bought(
    connection: duckdb.DuckDBPyConnection, looked: Sequence[Looked], links: LinkingColumns
) -> dict[str, Converted]:
    entities = sum(one.table.rows for one in looked if one.name in links.of_their_own)
    found = {}
    for one in looked:
        if one.name in links.entities or one.name not in links.ids or not kinds.is_of_purchases(one):
            continue
        buyers = _buyers(connection, one, links.ids[one.name])
        if entities and buyers > _FEW * entities:
            continue
        dated = (kinds.moments(one), kinds.conversion_columns(one))
        at = next((few[0].name for few in dated if len(few) == 1), "")
        at = PAID_FROM if PAID_FROM in one.columns else at
        if at:
            share = f" of {entities:,}" if entities else ""
            why = (
                f"{buyers:,}{share} have rows in it, and its names suggest purchases: the first of each "
                "is the conversion"
            )
            if at == PAID_FROM:
                why += f"; {PAID_FROM} is the day on which a trial ended"
            found[one.name] = Converted(why, purchases={one.name: at})
    return found


def _is_of_customers(one: Looked, entities: int) -> bool:
    """Return whether a table holds those of the entities that pay, by its name and its number of rows."""
    return kinds.is_of_customers(one) and one.table.rows <= _FEW * entities


def _buyers(connection: duckdb.DuckDBPyConnection, one: Looked, ident: str) -> int:
    """Count the entities that have rows in a table of purchases for which something was paid."""
    paid = [paid_rows(connection, one, money(one))] if one.columns[ident].distinct else []
    if not any(paid):
        return one.columns[ident].distinct
    ((buyers,),) = connection.execute(
        f"SELECT count(DISTINCT {quoted(ident)}) FILTER ({paid[0]}) FROM {one.table.view}"
    ).fetchall()
    return int(buyers)


def _dated(looked: Sequence[Looked], links: LinkingColumns) -> dict[str, Converted]:
    found = {}
    entities = [one for one in looked if one.name in links.entities]
    many = sum(one.table.rows for one in looked if one.name in links.of_their_own)
    own = len(links.of_their_own) > 1
    for one in entities:
        # If all have it and there is no other table, it says nothing about who converted.
        named = [
            column
            for column in kinds.conversion_columns(one)
            if len(entities) > 1 or column.filled_share < _ALL
        ]
        why = "its name says that this is the conversion day; {:,} have one"
        is_apart = own if one.name in links.of_their_own else _is_of_customers(one, many)
        if not named and is_apart:
            others = {name.casefold() for other in entities if other is not one for name in other.columns}
            named = [column for column in one.dates() if column.name.casefold() not in others]
            named = [
                column
                for column in named
                if not (column.personal or kinds.began([column]) or kinds.changes(column))
            ]
            why = "{:,} have this date, and the others have none"
        for column in named:
            found[f"{one.name}.{column.name}"] = Converted(
                why.format(column.filled), columns={one.name: column.name}
            )
    return found


def _of_kinds(
    connection: duckdb.DuckDBPyConnection, looked: Sequence[Looked], links: LinkingColumns
) -> dict[str, Converted]:
    """Find kinds of event whose names mean that something was bought."""
    found = {}
    for one in looked:
        if one.name not in {*links.ids, *links.through} or one.name in links.entities:
            continue
        for column in one.columns.values():
            if (
                column.looks != "text"
                or not 2 <= column.distinct <= _MOST_KINDS
                or not kinds.is_event_name(column.name)
            ):
                continue
            for kind, rows in connection.execute(
                f"SELECT {quoted(column.name)}, count(*) FROM {one.table.view} WHERE "
                f"{quoted(column.name)} IS NOT NULL "
                "GROUP BY 1 ORDER BY 1"
            ).fetchall():
                if kinds.says_bought(str(kind)):
                    why = (
                        f"{rows:,} events of the kind {kind!r}, which by its name is a conversion: the first "
                        "of each counts"
                    )
                    found[f"{one.name}.{column.name}={kind}"] = Converted(
                        why, kinds={one.name: (column.name, str(kind))}
                    )
    return found


def _repeated(
    connection: duckdb.DuckDBPyConnection, looked: Sequence[Looked], links: LinkingColumns
) -> dict[str, Converted]:
    """Find usage tables whose rows repeat each entity's conversion day."""
    found = {}
    for one in looked:
        if one.name not in links.ids or one.name in links.entities:
            continue
        for column in kinds.conversion_columns(one):
            c = quoted(column.name)
            several = connection.execute(
                f"SELECT count(*) FROM (SELECT {key(links.ids[one.name])} AS k FROM "
                f"{one.table.view} GROUP BY 1 "
                f"HAVING count(DISTINCT {c}) > 1)"
            ).fetchone()
            if column.filled_share < 1 and several and not several[0]:
                why = "its name says that this is the conversion day, and each id has at most one"
                found[f"{one.name}.{column.name}"] = Converted(why, repeated={one.name: column.name})
    return found


def _agree(
    connection: duckdb.DuckDBPyConnection,
    looked: dict[str, Looked],
    links: LinkingColumns,
    candidates: dict[str, Converted],
) -> bool:
    """Return whether several candidates give (nearly) the same conversion days."""
    said = []
    for one in candidates.values():
        for table, column in {**one.purchases, **one.columns}.items():
            format_ = looked[table].columns[column].format
            said.append(
                f"SELECT {key(links.ids[table])} AS k, "
                f"min(CAST({dates.moment(quoted(column), format_)} AS DATE)) AS d "
                f"FROM {looked[table].table.view} WHERE {quoted(column)} IS NOT NULL GROUP BY 1"
            )
    if len(said) != len(candidates):
        return False
    asked = connection.execute(
        f"SELECT count(*) FILTER (n = {len(said)} AND low = high) / count(*) FROM (SELECT "
        "k, count(*) AS n, min(d) AS low, "
        f"max(d) AS high FROM ({' UNION ALL '.join(said)}) GROUP BY k)"
    ).fetchone()
    return bool(asked and asked[0] is not None and asked[0] >= _AGREE)


def _answered(
    connection: duckdb.DuckDBPyConnection, answer: str, looked: dict[str, Looked], links: LinkingColumns
) -> Converted:
    """Interpret an answer: a table, a column, or a kind of event such as ``events.kind=purchase``."""
    why = "as answered"
    if answer in looked and answer in links.ids:
        moments = kinds.conversion_columns(looked[answer]) or kinds.moments(looked[answer])
        if len(moments) == 1:
            return Converted(why, purchases={answer: moments[0].name})
        among = ", ".join(f"{answer}.{one.name}" for one in moments)
        raise InputError(
            f"--converted {answer}: which column is the date of the purchase?", hint=f"give one of {among}"
        )
    place, _, kind = answer.partition("=")
    found = [
        (one.name, column.name)
        for one in looked.values()
        for column in one.columns.values()
        if (one.name in links.ids or (kind and one.name in links.through))
        and matches(place, one.name, column.name)
    ]
    if len(found) != 1:
        what = (
            f"{len(found)} tables have a column of this name" if found else "no table or column has this name"
        )
        raise InputError(f"--converted {answer}: {what}", hint=_SAYS_WHO)
    table, column = found[0]
    if kind:
        kind = written_kind(connection, answer, looked[table], column, kind)
        return Converted(why, kinds={table: (column, kind)})
    if looked[table].columns[column].looks != "date":
        raise InputError(f"--converted {answer}: {table}.{column} contains no dates", hint=_SAYS_WHO)
    if table in links.entities:
        return Converted(why, columns={table: column})
    return Converted(why, purchases={table: column})
