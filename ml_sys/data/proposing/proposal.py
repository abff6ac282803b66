"""Propose a description of files: the role of each, what leaks, period and horizon."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import duckdb

from ml_sys.data.judging.parts import JudgedTables, gather, key
from ml_sys.data.judging.shapes import ENOUGH, order_tells
from ml_sys.data.judging.trials import with_paid_from
from ml_sys.data.looking import dates
from ml_sys.data.looking.columns import columns_of
from ml_sys.data.looking.databases import is_database, look_at_all
from ml_sys.data.looking.looked import Looked
from ml_sys.data.looking.sniffing import MOST_ROWS
from ml_sys.data.looking.spellings import plainly_written
from ml_sys.data.proposing import attributes, kinds, rows, usage, words
from ml_sys.data.proposing.answers import LeftOut
from ml_sys.data.proposing.dates_of_files import are_dates, unread_dates, with_days, with_formats
from ml_sys.data.proposing.identifiers import by_email, by_email_alone, lost_digits
from ml_sys.data.proposing.linking import link
from ml_sys.data.proposing.tables import Plan, choose_period, plan
from ml_sys.data.reading.sql import quoted
from ml_sys.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ml_sys.data.judging.drafts import TableDraft
    from ml_sys.data.proposing.answers import Answers, Asker
    from ml_sys.data.proposing.linking import LinkingColumns

_LONG, _MIDDLE = 450, 150
_DELETED = {"deleted", "deactivated", "archived", "anonymized", "anonymised"}
_TESTS = {"test", "internal", "demo", "testkonto", "fake"}
_ORDER_TELLS = 0.9
_LEAST_KNOWN = 0.5
_FULL, _BEFORE = 0.95, 0.98


@dataclass(frozen=True)
class Proposal:
    """A description, with reasons.

    Attributes
    ----------
    drafts : list of TableDraft
        Its tables.
    attributes : dict of str to dict
    words : dict
    why : dict of str to str
        One line on each attribute, and on ``words``, ``usage`` and ``horizon``.
    left : list of LeftOut
        What it leaves out.
    notes : list of str
        Remarks for the user.
    settings : dict of str to dict
        Groups of settings besides the description.
    known : JudgedTables
        Numbers of entities and converters.
    """

    drafts: list[TableDraft]
    attributes: dict[str, dict[str, Any]]
    words: dict[str, Any]
    why: dict[str, str]
    left: list[LeftOut]
    notes: list[str]
    settings: dict[str, dict[str, Any]]
    known: JudgedTables
    asked: int = field(default=0)


def propose(
    files: Sequence[str],
    answers: Answers,
    asker: Asker,
    *,
    on_step: Callable[[str], None] = lambda _: None,
) -> Proposal:
    """Propose a description of files and folders, or of a database.

    Raises
    ------
    InputError
        If a file cannot be read, or the files do not show what is needed and nobody can be asked.
    """
    with duckdb.connect() as connection:
        on_step("looking at the files")
        tables, notes = look_at_all(connection, files, MOST_ROWS)
        tables = [plainly_written(connection, one) for one in tables]
        looked = [Looked(one, columns_of(connection, one)) for one in tables]
        looked = [with_days(connection, one) for one in looked]
        are_dates(looked, answers)
        looked = with_formats(looked, answers.dates, asker, notes)
        notes += [f"{one.name}: {text}" for one in tables for text in one.notes]
        unread = unread_dates(connection, looked) + lost_digits(connection, looked)
        notes += unread
        on_step("linking tables")
        try:
            links = link(connection, looked, answers, asker)
            looked = [links.joined.get(one.name, one) for one in looked]
            looked = [_paid_from(connection, one, links) for one in looked]
            notes += links.notes
            made = plan(connection, looked, links, answers, asker)
        except InputError as error:
            said = "; ".join([error.message, *unread, *by_email(looked)])
            raise InputError(said, hint=error.hint) from error
        notes += _by_email_alone(connection, looked, links)
        notes += rows.large_and_left(looked, made.left, made.of("periods", "events"))
        notes += [text for one in made.of("purchases") for text in rows.in_cents(one)]
        notes += [
            f"{table}: only {share:.0%} of its ids are known; rows with other ids are set aside"
            for table, share in links.known.items()
            if share < _LEAST_KNOWN
        ]
        on_step("judging columns")
        return _described(connection, made, notes, asker, files[0] if is_database(files[0]) else "")


def _paid_from(connection: duckdb.DuckDBPyConnection, one: Looked, links: LinkingColumns) -> Looked:
    """Return a table of purchases with the day from which each was paid, if it knows when trials end."""
    is_bought = one.name in links.ids and one.name not in links.entities and kinds.is_of_purchases(one)
    return with_paid_from(connection, one) if is_bought and one.table.is_duckdb else one


def _by_email_alone(
    connection: duckdb.DuckDBPyConnection, looked: Sequence[Looked], links: LinkingColumns
) -> list[str]:
    """Name the tables that only an e-mail address would link.

    Raises
    ------
    InputError
        If most of the rows with dates are in such a table.
    """
    linked = links.ids.keys() | links.through.keys()
    most = max((one.table.rows for one in looked if one.name in linked and one.dates()), default=0)
    said = []
    for one, column, other in by_email_alone(connection, looked, linked):
        text = f"{one.name} is linked to {other} only by {column}, an e-mail address"
        hint = f"say --id {column} if e-mail addresses may be read (they may then stand in the quarantine)"
        if one.table.rows > most:
            raise InputError(text, hint=f"{hint}, or leave {one.name} out of the files")
        said.append(f"{text}, and is left out; {hint}")
    return said


def _described(
    connection: duckdb.DuckDBPyConnection, made: Plan, notes: list[str], asker: Asker, database: str
) -> Proposal:
    entities = made.of("entities")
    gather(connection, [one.part({}) for one in made.drafts if one.kind != "links"])
    for one in entities:
        _begin_by_use(connection, one)
    left = [*made.left, *attributes.candidates([one for one in entities if not one.one_a])]
    parts, known, more = usage.judged(connection, made, [attributes.part(one) for one in entities])
    left += more
    if not made.of("periods", "events"):
        raise InputError(
            "no table of usage is left: "
            + "; ".join(f"{one.where}: {one.reason}" for one in left if not one.column),
            hint="add a file of events, or of usage by day, week or month",
        )
    choose_period(connection, made)
    described, why, more = attributes.describe(connection, entities, parts, known)
    left += more
    gone = {(one.table, one.column) for one in made.left}
    left += [
        one
        for draft in made.of("purchases", "links")
        for one in _unread(draft)
        if (one.table, one.column) not in gone
    ]
    spoken, why["words"] = words.words(made.drafts)
    order = order_tells(connection)
    if order >= _ORDER_TELLS:
        notes.append(
            f"ids alone predict who converted (ROC-AUC {order:.2f}): they are not a feature, and "
            "must not become one"
        )
    if known.first_day:
        notes.append(
            f"{known.first_day:,} of {known.converters:,} converted on their first day: "
            "set aside, as there was nothing before it to learn from"
        )
    notes += [text for one in entities for text in _not_to_call(one)]
    described_at = {(one.base.name, name) for one in made.drafts for name in one.used()}
    left = [one for one in left if (one.table, one.column) not in described_at]
    settings, reasons = _settings(connection, made)
    if database:
        settings = {"ingest": {"source": "sql", "database": database}, **settings}
        reasons["ingest"] = "it is only read; put the password into PGPASSWORD or ~/.pgpass"
    return Proposal(
        made.drafts,
        described,
        spoken,
        {**why, **reasons},
        left,
        [*made.notes, *notes],
        settings,
        known,
        asker.asked,
    )


def _not_to_call(draft: TableDraft) -> list[str]:
    """Name the columns that say who is deleted, or only a test: both stand in lists like any other."""
    advice = "in lists like any other: name their ids in score.exclude, or leave them out with a query"
    found = []
    for column in draft.base.columns.values():
        words, where = set(column.words), f"{draft.base.name}.{column.name}"
        if column.looks == "date" and words & _DELETED and column.filled:
            found.append(f"{where}: the {column.filled:,} with such a date stand {advice}")
        elif column.is_flag and words & _TESTS:
            found.append(f"{where}: those that are only a test stand {advice}")
    return found


def _unread(draft: TableDraft) -> list[LeftOut]:
    """Return the columns of a table of purchases, or of links, that are not read."""
    reason = "only the ids of links are read"
    if draft.kind == "purchases":
        reason = "only the day and the money of purchases are read"
    return [
        LeftOut(draft.name, name, f"personal: {column.personal}" if column.personal else reason)
        for name, column in draft.base.columns.items()
        if name not in draft.used()
    ]


def _begin_by_use(connection: duckdb.DuckDBPyConnection, draft: TableDraft) -> None:
    """Take the only complete date of an entity table as its first day if nothing was used before it."""
    full = [
        one
        for one in draft.base.dates()
        if one.filled_share >= _FULL and one.name not in draft.used() and not kinds.changes(one)
    ]
    if "since" in draft.roles or draft.one_a or len(full) != 1:
        return
    began = f"CAST({dates.moment(quoted(full[0].name), full[0].format)} AS DATE)"
    found = connection.execute(
        "SELECT count(*), count(*) FILTER (began <= first) FROM (SELECT "
        f"{key(draft.roles['id'])} AS k, {began} AS began "
        f"FROM {draft.source}) JOIN used ON id = k WHERE began IS NOT NULL"
    ).fetchone() or (0, 0)
    if found[0] >= ENOUGH and found[1] >= _BEFORE * found[0]:
        draft.roles["since"] = full[0].name
        draft.why["since"] = (
            f"the only date that all have; {found[1]:,} of {found[0]:,} used nothing before it"
        )


def _settings(
    connection: duckdb.DuckDBPyConnection, made: Plan
) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Choose period, horizon and step by the length of the history."""
    found = connection.execute(
        "SELECT date_diff('day', greatest((SELECT min(first) FROM used), (SELECT "
        "min(day) FROM people)), (SELECT max(last) FROM used)), "
        "(SELECT median(date_diff('day', since, day)) FROM people WHERE day > since)"
    ).fetchone() or (0, None)
    days, wait = int(found[0] or 0), found[1]
    horizon = 30 if days >= _LONG else 14 if days >= _MIDDLE else 7
    if made.unit == "month":
        horizon = max(horizon, 30)
    why = f"usage and conversions are both known for {days:,} days; "
    why += (
        f"three lists {horizon} days apart are held out to judge the model, which learns from the days "
        "before them"
    )
    if wait is not None:
        why += f"; half of those that convert after their first day do so within {int(wait)} days"
    step = {"day": 7, "week": 7, "month": 30}[made.unit]
    return (
        {
            "usage": {"period": made.unit},
            "label": {"horizon_days": horizon},
            "panel": {"step_days": step},
        },
        {
            "usage": made.unit_why,
            "horizon": why,
            "step": "one training cutoff a week" if step == 7 else "one training cutoff a month",
        },
    )
