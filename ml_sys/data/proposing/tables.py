"""Decide the role of each table (entities, purchases, usage by period, events, links) and of its dates."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ml_sys.data.judging import payments
from ml_sys.data.judging.drafts import TableDraft
from ml_sys.data.judging.parts import key
from ml_sys.data.judging.period_names import wide
from ml_sys.data.looking import dates
from ml_sys.data.proposing import conversions, kinds, rows
from ml_sys.data.proposing.answers import LeftOut, matches
from ml_sys.data.proposing.joining import with_identifier
from ml_sys.data.reading.sql import quoted
from ml_sys.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import duckdb

    from ml_sys.data.judging.drafts import Converted
    from ml_sys.data.looking.columns import SeenColumn
    from ml_sys.data.looking.looked import Looked
    from ml_sys.data.proposing.answers import Answers, Asker
    from ml_sys.data.proposing.linking import LinkingColumns

_ONE_EACH = 0.98
_ON_GRID = 0.99
_SHORT_HISTORY = 400


@dataclass
class Plan:
    """The roles of the tables, and what is left out."""

    drafts: list[TableDraft] = field(default_factory=list)
    left: list[LeftOut] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unit: str = "day"
    unit_why: str = ""

    def of(self, *wanted: str) -> list[TableDraft]:
        """Return the drafts of the given kinds."""
        return [one for one in self.drafts if one.kind in wanted]


def plan(
    connection: duckdb.DuckDBPyConnection,
    looked: Sequence[Looked],
    links: LinkingColumns,
    answers: Answers,
    asker: Asker,
) -> Plan:
    """Decide the role of each table.

    Raises
    ------
    InputError
        If the files do not show who converted or when usage happened, and nobody can be asked.
    """
    made = Plan()
    converted = conversions.find(connection, looked, links, answers, asker)
    made.notes += converted.notes
    led, by_name = {link for _, link in links.through.values()}, {one.name: one for one in looked}
    for one in looked:
        if one.name in converted.purchases:
            made.drafts.append(_purchases(connection, one, links, converted))
        elif one.name in led:
            made.drafts.append(_link(one, links))
        elif one.name in links.entities[1:] and len(one.columns) == 1:
            made.left.append(LeftOut(one.name, "", "has nothing but ids"))
        elif one.name in links.entities:
            made.drafts.append(_entities(one, links, converted, answers, asker))
        elif one.name in links.ids or one.name in links.through:
            _add_usage(connection, made, one, links, answers, asker)
        else:
            made.left.append(LeftOut(one.name, "", _unlinked(one, links)))
    made.drafts += converted.derived(made.drafts, _of_led(connection, by_name, links, converted))
    _name_plainly(made.drafts)
    for draft in made.drafts:
        draft.differs = bool({draft.base.name, *links.through.get(draft.base.name, ())[1:]} & links.differ)
        link = links.through.get(draft.base.name)
        if link and draft.kind == "events":
            draft.link = next(one for one in made.drafts if one.base.name == link[1])
    for draft in made.drafts:
        made.notes += rows.without_totals(connection, draft)
        made.left += rows.of_one_currency(connection, draft)
    made.notes += [doubt.text for one in made.of("purchases") for doubt in payments.doubts(connection, one)]
    if not made.of("periods", "events"):
        raise InputError(
            "no table shows who used what and when: a table of usage has many rows for each id, with a date"
            + "".join(f"; {one.where}: {one.reason}" for one in made.left if not one.column)
            + "".join(_wide(one) for one in looked),
            hint="add a file of events, or of usage by day, week or month",
        )
    return made


def _of_led(
    connection: duckdb.DuckDBPyConnection,
    looked: Mapping[str, Looked],
    links: LinkingColumns,
    converted: Converted,
) -> dict[str, Looked]:
    """Bring the entities into the tables of users' events that hold purchases."""
    found = {}
    for name in converted.kinds.keys() & links.through.keys():
        user, link = links.through[name]
        by = links.link_users[link], links.ids[link]
        found[name] = with_identifier(connection, looked[name], user, looked[link], by)
    return found


def _name_plainly(drafts: Sequence[TableDraft]) -> None:
    """Name the tables that are called in another alphabet by what they hold."""
    taken = {one.name for one in drafts}
    for one in drafts:
        if not one.name.isascii():
            kind = "usage" if one.kind in {"periods", "events"} else one.kind
            names = (kind, *(f"{kind}_{at}" for at in range(2, len(drafts) + 2)))
            one.name = next(name for name in names if name not in taken)
            taken.add(one.name)


def _wide(one: Looked) -> str:
    """Say that a table has a column, rather than a row, for each period; empty if not."""
    found = wide(one.columns)
    if not found:
        return ""
    first, last, several = found
    return (
        f"; {one.name}: has {several} columns for one period each, from {first} to {last}: "
        "turn them into rows of an id, a date and a number, for example with DuckDB's UNPIVOT"
    )


def _unlinked(one: Looked, links: LinkingColumns) -> str:
    """Say that a table has no link to an entity, and whether a column of the same name has other values."""
    ids = {links.ids[table].casefold() for table in links.entities}
    same = next((name for name in one.columns if name.casefold() in ids), "")
    values = f": the values of {same} do not occur in {links.entities[0]}" if same else ""
    return f"no column links it to the accounts that may pay{values}"


def _purchases(
    connection: duckdb.DuckDBPyConnection,
    one: Looked,
    links: LinkingColumns,
    converted: Converted,
) -> TableDraft:
    at = converted.purchases[one.name]
    draft = TableDraft(one.name, "purchases", one, {"id": links.ids[one.name], "at": at})
    draft.why["kind"] = converted.why
    money = conversions.money(one)
    if money:
        draft.roles["value"] = money
        draft.why["value"] = "money; rows below zero are refunds, and neither they nor zeros are conversions"
    payments.read_paid_rows(connection, draft)
    return draft


def _link(one: Looked, links: LinkingColumns) -> TableDraft:
    draft = TableDraft(
        one.name, "links", one, {"user": links.link_users[one.name], "id": links.ids[one.name]}
    )
    draft.why["kind"] = f"leads from {draft.roles['user']} to {draft.roles['id']}"
    return draft


def _entities(
    one: Looked, links: LinkingColumns, converted: Converted, answers: Answers, asker: Asker
) -> TableDraft:
    draft = TableDraft(one.name, "entities", one, {"id": links.ids[one.name]})
    draft.why["kind"] = f"one row for each {links.ids[one.name]}"
    if one.name in converted.columns:
        draft.roles["converted_on"] = converted.columns[one.name]
        draft.why["converted_on"] = converted.why
        day = one.columns[converted.columns[one.name]]
        draft.all_converted = len(links.entities) > 1 and day.filled == day.rows
        money = conversions.money(one)
        if money:
            draft.roles["value"] = money
            draft.why["value"] = "money: reported, but never a feature"
    began, why = _began(one, draft.roles.get("converted_on", ""), answers, asker)
    if began:
        draft.roles["since"] = began
        draft.why["since"] = why
    return draft


def _began(one: Looked, converted_on: str, answers: Answers, asker: Asker) -> tuple[str, str]:
    """Return the column of an entity's first day, and why it is this one."""
    said = [
        column for column in one.dates() if answers.since and matches(answers.since, one.name, column.name)
    ]
    if said:
        return said[0].name, "as answered"
    full = [column for column in one.dates() if column.filled_share >= 0.95 and column.name != converted_on]
    named = kinds.began(full)
    for likely in (("install",), ("signup", "registered", "created", "registration")):
        narrowed = [
            column for column in named if any(set(column.words) & {one, f"{one}ed"} for one in likely)
        ]
        named = narrowed if len(named) > 1 == len(narrowed) else named
    if len(named) > 1:
        chosen = asker.choose(
            f"{one.name}: which column is the day of creation?", [column.name for column in named], "--since"
        )
        return chosen, "as answered"
    if named:
        return named[0].name, "its name says that this is the day of creation"
    return "", ""


def _add_usage(
    connection: duckdb.DuckDBPyConnection,
    made: Plan,
    one: Looked,
    links: LinkingColumns,
    answers: Answers,
    asker: Asker,
) -> None:
    found = kinds.moments(one)
    if answers.at:
        said = [column for column in one.dates() if matches(answers.at, one.name, column.name)]
        found = said or found
    if not found:
        made.left.append(LeftOut(one.name, "", "has no column of dates"))
        return
    if len(found) > 1:
        name = asker.choose(
            f"{one.name}: which column says when it happened?", [column.name for column in found], "--at"
        )
        found = [column for column in found if name in {column.name, f"{one.name}.{column.name}"}] or found[
            :1
        ]
    at = found[0]
    if one.name in links.through:
        user, _ = links.through[one.name]
        draft = TableDraft(one.name, "events", one, {"user": user, "at": at.name})
        draft.why["kind"] = f"has only {user}, which the table of links assigns to an entity"
        made.drafts.append(draft)
        return
    ident = links.ids[one.name]
    unit = _grid(connection, one, ident, at)
    if unit == "day" and any("id" in column.words and name != ident for name, column in one.columns.items()):
        unit = ""  # a row for each day and something else
    has_counts = any(
        column.looks in {"whole", "number"} and column.name != ident for column in one.columns.values()
    )
    draft = TableDraft(
        one.name, "periods" if unit and has_counts else "events", one, {"id": ident, "at": at.name}
    )
    if draft.kind == "periods":
        draft.why["kind"] = f"one row for each {ident} and {unit}"
        draft.why["unit"] = unit
    else:
        draft.why["kind"] = f"many rows for each {ident}, each with a date"
    made.drafts.append(draft)


def _grid(connection: duckdb.DuckDBPyConnection, one: Looked, ident: str, at: SeenColumn) -> str:
    """Return the period of a table with one row for each entity and stamp; empty if it has none."""
    moment = dates.moment(quoted(at.name), at.format)
    counts = connection.execute(
        f"SELECT count(*), count(DISTINCT (k, d)), count(*) FILTER (d = date_trunc('day', d)), "
        "count(*) FILTER (day(d) = 1), count(DISTINCT date_trunc('month', d)), "
        "count(DISTINCT dayofweek(d)), count(DISTINCT date_trunc('day', d)), "
        "date_diff('day', min(d), max(d)) "
        f"FROM (SELECT {key(ident)} AS k, {moment} AS d FROM {one.table.view}) WHERE d IS NOT NULL"
    ).fetchone()
    rows, distinct, midnight, firsts, months, weekdays, days, span = counts or (0,) * 8
    if not rows or distinct < _ONE_EACH * rows or midnight < _ON_GRID * rows or days < 2:
        return ""
    if firsts >= _ON_GRID * rows and months > 1:
        return "month"
    if weekdays == 1:
        return "week"
    return "day" if distinct == rows and days >= 0.5 * span else ""


def choose_period(connection: duckdb.DuckDBPyConnection, made: Plan) -> None:
    """Choose the period to count usage by: that of the rows, or else by the length of the history."""
    units = {one.why.get("unit", "") for one in made.of("periods")}
    for unit in ("month", "week", "day"):
        if unit in units:
            made.unit, made.unit_why = unit, f"each row stands for one {unit}"
            return
    days = 0
    for one in made.of("events"):
        ((span,),) = connection.execute(
            f"SELECT date_diff('day', min(d), max(d)) FROM (SELECT {one.date('at')} AS d FROM {one.source})"
        ).fetchall()
        days = max(days, int(span or 0))
    made.unit = "day" if days < _SHORT_HISTORY else "week"
    long = "less than 400" if days < _SHORT_HISTORY else "400 or more"
    made.unit_why = f"events span {days} days, {long}: one period is a {made.unit}"
