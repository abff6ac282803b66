"""Judge a description without storing anything: rows, dates, links, conversions, leaks, thin data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ml_sys.data.judging import leaks
from ml_sys.data.judging.drafts import TableDraft
from ml_sys.data.judging.parts import gather
from ml_sys.data.judging.payments import doubts
from ml_sys.data.judging.totals import totals
from ml_sys.data.judging.unread import MOMENTS, is_other_epoch, unread
from ml_sys.data.looking import dates
from ml_sys.data.reading.sql import quoted
from ml_sys.errors import MissingColumnError
from ml_sys.settings.tables import EntityTable, EventTable, PeriodTable, PurchaseTable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import duckdb

    from ml_sys.data.judging.leaks import Leak
    from ml_sys.data.judging.parts import JudgedTable, JudgedTables
    from ml_sys.data.looking.looked import Looked
    from ml_sys.settings.description import SchemaSettings

_LEAST_KNOWN = 0.5
_ROLES = ("id", "at", "converted_on", "since", "value", "type", "event", "user", "event_id")


@dataclass(frozen=True)
class TableCheck:
    """The result for one described table.

    Attributes
    ----------
    rows : int
        Number of rows looked at.
    first_day, last_day : str or None
        Of its dates; None if it has none.
    known : float or None
        Share of its ids that are in entity tables (or links); None for those tables themselves.
    """

    name: str
    kind: str
    rows: int
    first_day: str | None
    last_day: str | None
    known: float | None


@dataclass(frozen=True)
class Month:
    """Conversions of a month, other than those on the first day."""

    month: str
    free: int
    conversions: int

    @property
    def rate(self) -> float:
        """Share of the free entities that converted."""
        return self.conversions / self.free if self.free else float("nan")


@dataclass(frozen=True)
class DescriptionCheck:
    """The result of a check.

    Attributes
    ----------
    verdicts : tuple of Leak
        Columns and tables that look known only after paying.
    problems : tuple of str
        Problems that stop or spoil an ingest.
    thin : tuple of str
        What there is too little of.
    notes : tuple of str
        What may or may not be intended.
    """

    tables: tuple[TableCheck, ...]
    known: JudgedTables
    months: tuple[Month, ...]
    verdicts: tuple[Leak, ...]
    problems: tuple[str, ...]
    thin: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def has_leak(self) -> bool:
        """Whether there is a certain leak."""
        return any(one.sure for one in self.verdicts)


@dataclass(frozen=True)
class Needs:
    """What is needed to judge a model.

    Attributes
    ----------
    horizon_days, holdout_cutoffs : int
    positives : int
        Number that must convert in the holdout.
    """

    horizon_days: int
    holdout_cutoffs: int
    positives: int


def check(
    connection: duckdb.DuckDBPyConnection, schema: SchemaSettings, looked: Mapping[str, Looked], needs: Needs
) -> DescriptionCheck:
    """Judge a description of tables that were looked at.

    Raises
    ------
    MissingColumnError
        If a table lacks a described column.
    """
    drafts = {name: _draft(name, looked[name], schema) for name in schema.tables}
    for name, table in schema.of(EventTable).items():
        drafts[name].link = drafts[table.link] if table.link else None
    problems = [text for draft in drafts.values() for text in unread(connection, draft, schema)]
    doubtful, notes = _doubtful(connection, drafts.values())
    problems += doubtful
    parts = [_part(draft, schema) for draft in drafts.values() if draft.kind != "links"]
    known = gather(connection, parts)
    tables = tuple(_checked(connection, draft, parts) for draft in drafts.values())
    problems += [
        f"{one.name}: only {one.known:.0%} of its ids are known; rows with other ids are set aside"
        for one in tables
        if one.known is not None and one.known < _LEAST_KNOWN
    ]
    open_blanks = [name for name, one in schema.attributes.items() if not one.blank_leaks]
    judged = list(leaks.all_of(connection, parts, known))
    blamed = {one.column for one in judged}
    held = {name for one in parts if one.kind == "entities" for name in one.columns}
    judged += leaks.judge_blanks(
        connection, parts, [one for one in open_blanks if one in held and one not in blamed]
    )
    return DescriptionCheck(
        tables,
        known,
        _months(connection),
        tuple(judged),
        tuple(problems),
        tuple(_thin(connection, known, needs)),
        tuple(notes),
    )


def _doubtful(
    connection: duckdb.DuckDBPyConnection, drafts: Iterable[TableDraft]
) -> tuple[list[str], list[str]]:
    """Name rows that are certainly not entities or conversions, and rows that may not be."""
    problems: list[str] = []
    notes: list[str] = []
    for draft in drafts:
        for one in totals(connection, draft):
            text = f"{one.what}: looks like a total of the other rows; leave it out with a query"
            (problems if one.sure else notes).append(f"{text}, WHERE {one.condition}")
        for doubt in doubts(connection, draft) if draft.kind == "purchases" else ():
            (problems if doubt.sure else notes).append(doubt.text)
    return problems, notes


def _draft(name: str, looked: Looked, schema: SchemaSettings) -> TableDraft:
    table: Any = schema.tables[name]
    by_name = {schema.column(getattr(table, role)): role for role in _ROLES if getattr(table, role, "")}
    if isinstance(table, EventTable) and table.link:
        by_name.pop(schema.column(table.id), None)
    for column in by_name:
        _present(looked, column)
    looked = _as_described(looked, getattr(table, "dates", "iso"), by_name)
    made = TableDraft(name, table.kind, looked, {role: column for column, role in by_name.items()})
    made.zone = schema.time_zone
    if isinstance(table, PurchaseTable):
        made.refunds, made.zero_converts = table.refunds, table.zero_converts
    return made


def _as_described(looked: Looked, said: str, roles: Mapping[str, str]) -> Looked:
    """Assume the date format that the description gives."""
    columns = dict(looked.columns)
    for name, role in roles.items():
        one = columns[name]
        meant = dates.as_described(one.format, said)
        if role in MOMENTS and said != "iso" and one.filled and meant and not is_other_epoch(one, said):
            columns[name] = replace(one, looks="date", format=meant)
    return replace(looked, columns=columns)


def _present(looked: Looked, column: str) -> None:
    if column not in looked.columns:
        raise MissingColumnError(looked.table.location, column, list(looked.columns))


def _part(draft: TableDraft, schema: SchemaSettings) -> JudgedTable:
    """Return the form of a table for judging, with its attributes or measures."""
    table: Any = schema.tables[draft.name]
    columns: dict[str, str] = {}
    numbers: set[str] = set()
    if isinstance(table, EntityTable):
        for name, one in schema.attributes.items():
            column = schema.column(one.column or name)
            if column in draft.base.columns:  # one of several tables may lack it
                columns[name] = quoted(column)
                if draft.base.columns[column].looks in {"whole", "number"}:
                    numbers.add(name)
    if isinstance(table, PeriodTable | EventTable):
        described = table.measures if isinstance(table, PeriodTable) else table.amounts
        for name, measure in described.items():
            _present(draft.base, schema.column(measure.column))
            columns[name] = quoted(schema.column(measure.column))
        numbers |= set(columns)
    return draft.part(columns, frozenset(numbers))


def _checked(
    connection: duckdb.DuckDBPyConnection, draft: TableDraft, parts: Sequence[JudgedTable]
) -> TableCheck:
    role = next((one for one in MOMENTS if one in draft.roles), "")
    first, last = None, None
    if role and draft.base.columns[draft.roles[role]].looks == "date":
        sql = f"CAST({draft.date(role)} AS DATE)"
        found = connection.execute(f"SELECT min({sql}), max({sql}) FROM {draft.source}").fetchone() or (
            None,
            None,
        )
        first, last = (str(one) if one else None for one in found)
    known = None
    part = next((one for one in parts if one.name == draft.name), None)
    entities = [one for one in parts if one.kind == "entities"]
    if part and part.kind != "entities" and entities:
        ids = " UNION ".join(f"SELECT {one.id} AS id FROM {one.source}" for one in entities)
        asked = connection.execute(
            f"SELECT count(id) / count(*) FROM (SELECT DISTINCT {part.id} AS k FROM {part.source}) "
            f"LEFT JOIN ({ids}) ON id = k WHERE k IS NOT NULL"
        ).fetchone()
        known = float(asked[0]) if asked and asked[0] is not None else None
    return TableCheck(draft.name, draft.kind, draft.base.table.rows, first, last, known)


def _months(connection: duckdb.DuckDBPyConnection) -> tuple[Month, ...]:
    rows = connection.execute(
        "WITH later AS (SELECT * FROM people WHERE day IS NULL OR since IS NULL OR day > since), "
        "months AS (SELECT DISTINCT date_trunc('month', day) AS m FROM later WHERE day IS NOT NULL) "
        "SELECT strftime(m, '%Y-%m'), (SELECT count(*) FROM later WHERE (day IS NULL OR day >= m) AND "
        "(since IS NULL OR since < m + INTERVAL 1 MONTH)), (SELECT count(*) FROM later "
        "WHERE date_trunc('month', day) = m) "
        "FROM months ORDER BY m"
    ).fetchall()
    return tuple(Month(*row) for row in rows)


def _thin(connection: duckdb.DuckDBPyConnection, known: JudgedTables, needs: Needs) -> list[str]:
    days = needs.horizon_days * needs.holdout_cutoffs
    found = connection.execute(
        "SELECT count(*) FILTER (day > until - $days), count(*) FILTER (day <= until - "
        "$days), count(*) FILTER (used.first < day) "
        "FROM (SELECT people.*, (SELECT max(last) FROM used) AS until FROM people WHERE "
        "since IS NULL OR day > since) "
        "LEFT JOIN used USING (id)",
        {"days": days},
    ).fetchone() or (0, 0, 0)
    held_out, before, seen = found
    thin = []
    if held_out < needs.positives:
        thin.append(
            f"{held_out:,} converted in the last {days} days, on which a model is judged; the "
            f"gate asks for {needs.positives}"
        )
    if before < needs.positives:
        thin.append(f"only {before:,} converted before those days, which is little to learn from")
    later = known.converters - known.first_day
    if later and seen < 0.3 * later:
        thin.append(f"only {seen:,} of the {later:,} that converted had any usage before")
    return thin
