"""Read the described tables, check every row, and store the good ones as a snapshot.

Invariant: rows accepted, merged and quarantined add up to rows read, for every table.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from ml_sys.data import ingest_report
from ml_sys.data.after_export import DatesAfterExport
from ml_sys.data.company_index import CompanyIndex, GrowingIndex
from ml_sys.data.coverage import Coverage, ExportDates, date_export
from ml_sys.data.events.tables import EventsOfTable, kinds_of, opened_events, read_events
from ml_sys.data.fields import ID, columns_of, fields_of
from ml_sys.data.ingest_report import CONVERTED, FREE, LINKS, PURCHASES, USAGE, TableRead, span
from ml_sys.data.ingesting.company_columns import Companies
from ml_sys.data.ingesting.lateness import late_rows
from ml_sys.data.ingesting.refusing import refuse_bad
from ml_sys.data.ingesting.run import IngestRun, OpenTable, reusing_memory, without_collecting
from ml_sys.data.ingesting.uniting import unite
from ml_sys.data.ingesting.usage_parts import UsageParts
from ml_sys.data.parts.buckets import Cut, parts_for
from ml_sys.data.parts.overflow import Overflow
from ml_sys.data.parts.spill import ROWS_IN_MEMORY
from ml_sys.data.purchases import converted_by, first_of_each, reject_strangers, unusable
from ml_sys.data.quarantine import Quarantine
from ml_sys.data.schema import NEVER_CLOSED
from ml_sys.data.snapshot import latest_form
from ml_sys.data.snapshot_id import Content, arrow_texts
from ml_sys.data.snapshot_writing import Told, writing
from ml_sys.errors import MissingColumnError, NotEnoughDataError
from ml_sys.settings.description import local_time
from ml_sys.settings.tables import EntityTable, LinkTable, PeriodTable, PurchaseTable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from numpy.typing import NDArray

    from ml_sys.data.ingest_report import IngestReport
    from ml_sys.data.ingesting.run import OnProgress
    from ml_sys.data.ingesting.usage_seen import UsageSeen
    from ml_sys.data.parts.spill import Spill
    from ml_sys.data.reading.rows import TableSource
    from ml_sys.form import Form
    from ml_sys.settings import SchemaSettings

_WEEKLY = Coverage()


@dataclass(frozen=True)
class Origin:
    """Where the tables are.

    Attributes
    ----------
    source : TableSource
        See `ml_sys.data.sources.open_source`.
    schema : SchemaSettings
        The description of the tables.
    files : mapping of str to str
        File, table or query by table, if it differs from the description.
    """

    source: TableSource
    schema: SchemaSettings
    files: Mapping[str, str] = field(default_factory=dict)

    def opened(self) -> dict[str, OpenTable]:
        """Open all tables; if one cannot be opened, close the others."""
        with ExitStack() as stack:
            tables = {}
            for name, table in self.schema.tables.items():
                location = self.files.get(name) or table.file or name
                fields = fields_of(self.schema, name)
                columns = columns_of(fields)
                may_lack = {one for one, about in fields.items() if about.may_lack}
                # A user's own source need not know ``may_lack`` if no column may be missing.
                asked = (name, location, columns, may_lack) if may_lack else (name, location, columns)
                raw = self.source.open(*asked)
                stack.callback(raw.close)
                kept = {one: about for one, about in fields.items() if one not in raw.lacks}
                tables[name] = OpenTable(name, raw, kept)
            self._refuse_without(tables)
            stack.pop_all()
        return tables

    def _refuse_without(self, tables: Mapping[str, OpenTable]) -> None:
        """Raise if no table of entities has an attribute's column."""
        entities = [tables[name] for name in self.schema.of(EntityTable)]
        for name, one in self.schema.attributes.items():
            if entities and not any(name in table.fields for table in entities):
                column = self.schema.column(one.column or name)
                raise MissingColumnError(entities[-1].where, column, entities[-1].extra)


@dataclass(frozen=True)
class Rules:
    """The rules for which rows count.

    Attributes
    ----------
    max_rejected_share : float
        Largest share of rejected rows in one table, from 0 to 1. Merged rows do not count as rejected, nor
        does usage of an incomplete period or after a given ``as_of``.
    as_of : str
        Day of the export, YYYY-MM-DD; if empty, the end of covered usage.
    coverage : Coverage
        What a usage row stands for, and how many companies have to report.
    unseen_days : int
        Days before the export that are not used to choose the kinds of event: those of holdouts.
    """

    max_rejected_share: float
    as_of: str = ""
    coverage: Coverage = _WEEKLY
    unseen_days: int = 0


def ingest(
    origin: Origin,
    rules: Rules,
    artifacts_dir: Path,
    *,
    now: datetime,
    on_progress: OnProgress = lambda _table, _rows: None,
    partitions: int = 0,
    rows_in_memory: int = ROWS_IN_MEMORY,
) -> IngestReport:
    """Turn tables into a snapshot.

    Parameters
    ----------
    artifacts_dir : Path
        Folder of all artifacts.
    now : datetime
        Time-zone aware. Nothing dated later counts.
    on_progress : callable
        Called with a table's name and the number of its rows read so far.
    partitions : int
        Number of parts to store the snapshot in, which does not change its content; 0 chooses by its usage.
    rows_in_memory : int
        If a table has more usage rows, they go to a temporary file and are read back part by part.

    Raises
    ------
    InputError
        If a table is missing, unreadable, empty or lacks a column.
    TooManyRejectedError
        If too many rows of a table are bad; the error names the quarantine file.
    SnapshotError
        If the snapshot cannot be written.
    StorageError
        If there is not enough room for temporary files.
    """
    schema, form = origin.schema, origin.schema.form()
    opened = origin.opened()
    with ExitStack() as stack, without_collecting(), reusing_memory():
        for table in opened.values():
            stack.callback(table.raw.close)
        quarantine = Quarantine(form.words, stack)
        run, overflow = IngestRun(opened, form, on_progress, quarantine), Overflow(stack)
        companies, spills, events, index = _read(run, schema, form, stack, (overflow, rows_in_memory))
        coverage, period = rules.coverage, rules.coverage.period
        dated = [one.dated(form, period) for one in events]
        n_rows = sum(one.n_rows for one in spills) + sum(len(one.rows.stamp) for one in dated)
        cut = Cut.of(index.buckets, partitions or parts_for(n_rows))
        usage = UsageParts(run, index, cut, spills, coverage, overflow)
        usage.sort(dated)
        closed = companies.converted_on
        clock = local_time(now, schema.time_zone)
        try:
            export = date_export(usage.over, closed, coverage, as_of=rules.as_of, now=clock)
        except NotEnoughDataError as nothing:  # bad rows explain better why there are none left
            refuse_bad(run, quarantine.in_order(), rules.max_rejected_share, artifacts_dir, was_given=True)
            raise NotEnoughDataError(form.words.spoken(nothing.message), hint=nothing.hint) from nothing
        for one in events:
            days, stamps = one.days(period)
            late, reasons = late_rows(export, stamps, coverage)
            one.take_out(run, index, days[late], reasons)
        usage.set_aside(export)
        dated.clear()  # they take much memory, and are counted again without the late ones
        if events:
            last = latest_form(artifacts_dir)
            form = schema.form(kinds_of(events, form, last, export.as_of - rules.unseen_days))
            dated = [one.counted(form, period) for one in events]
        told = Told(
            {name: table.where for name, table in opened.items()},
            run.read,
            now,
            _converted_later(companies, export),
        )
        companies = companies.free_again(export.as_of)
        aside = quarantine.in_order()
        refuse_bad(run, aside, rules.max_rejected_share, artifacts_dir, was_given=export.was_given)
        content = Content(companies, aside, export.as_of, form, schema.time_zone)
        with writing(artifacts_dir, cut.n_parts) as begun:
            seen = usage.store(begun, companies, form, dated)
            path, is_new = begun.finish(content, told)
    return ingest_report.build(
        content,
        seen,
        quarantine,
        DatesAfterExport(
            export, closed[(closed > export.as_of) & (closed != NEVER_CLOSED)], usage.latest_stamp
        ),
        path=path,
        is_new=is_new,
        tables=_tables(run, schema, closed[closed <= export.as_of], seen),
    )


def _converted_later(companies: Companies, export: ExportDates) -> dict[str, int]:
    """Return conversion days after the export; none if the user gave the day of the export."""
    closed = companies.converted_on
    later = np.flatnonzero((closed > export.as_of) & (closed != NEVER_CLOSED))
    if export.was_given:
        return {}
    return dict(zip(companies.ids.take(pa.array(later)).to_pylist(), closed[later].tolist(), strict=True))


def _tables(
    run: IngestRun, schema: SchemaSettings, closed: NDArray[np.int32], usage: UsageSeen
) -> list[TableRead]:
    """Return the role, the counts and the days of each table."""
    converted, used = span(closed), span(np.array(usage.days or (), np.int64))
    found = []
    for name, table in schema.tables.items():
        role, days = USAGE, used
        if isinstance(table, EntityTable):
            role, days = (CONVERTED, converted) if table.converted_on else (FREE, (None, None))
        elif isinstance(table, PurchaseTable):
            role, days = PURCHASES, converted
        elif isinstance(table, LinkTable):
            role, days = LINKS, (None, None)
        opened = run.opened[name]
        lacks = tuple(sorted(opened.raw.lacks))
        no_purchases = run.no_purchases.get(name, 0)
        found.append(
            TableRead(name, opened.where, role, run.read[name], opened.extra, lacks, *days, no_purchases)
        )
    return found


def _read(
    run: IngestRun, schema: SchemaSettings, form: Form, stack: ExitStack, room: tuple[Overflow, int]
) -> tuple[Companies, Sequence[Spill], Sequence[EventsOfTable], CompanyIndex]:
    """Read all tables; return one row per entity, the usage and event tables, and the index of entities."""
    usage_of = list(schema.of(PeriodTable))
    beside = stack.enter_context(ThreadPoolExecutor(1))
    for name in usage_of[:1]:
        run.begin(name, beside)
    purchases = [run.purchases(name, table) for name, table in schema.of(PurchaseTable).items()]
    unclear = unusable(purchases)
    events = opened_events(schema, stack)
    if entities := [run.companies(name) for name in schema.of(EntityTable)]:
        companies, lost = unite(entities, form, run.quarantine, unusable=unclear)
        del entities
        index = CompanyIndex(companies.ids, lost)
        usage = [run.spilled(name, index, *room) for name in usage_of]
        read_events(run, schema, events, index)
    else:
        growing = GrowingIndex(unclear)
        for bought in purchases:
            growing.positions(arrow_texts(bought.frame[ID]))
        usage = [run.spilled(name, growing, *room) for name in usage_of]
        read_events(run, schema, events, growing)
        index, order = growing.settled()
        for one in events:
            one.log.move(order)
        for table in usage:
            table.move(order)
        companies = Companies.without_tables(index.ids, form)
    for one in events:
        one.merge_repeated(run, index)
    if purchases:
        reject_strangers(purchases, index, run.quarantine)
        companies = converted_by(companies, index, first_of_each(purchases))
    return companies, usage, events, index
