"""Read the described tables of events during an ingest, and count them into usage rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from ml_sys.data.company_index import CompanyIndex
from ml_sys.data.events.counting import Counting, choose_kinds, stamps_of
from ml_sys.data.events.links import Links
from ml_sys.data.events.log import EventLog
from ml_sys.data.events.parquet import EventColumns, NamePairs, is_typed, read_parquet
from ml_sys.data.events.reading import batch_of
from ml_sys.data.fields import AT, EVENT, EVENT_ID, ID, USER
from ml_sys.data.ingesting.run import UsageOfTable
from ml_sys.data.usage import UsageMeasures, UsageRows
from ml_sys.days import DAY_MICROSECONDS
from ml_sys.engine.places import at_hand
from ml_sys.errors import EmptyTableError
from ml_sys.settings.tables import EventTable, LinkTable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import ExitStack

    from numpy.typing import NDArray

    from ml_sys.data.company_index import GrowingIndex
    from ml_sys.data.events.reading import Batch
    from ml_sys.data.ingesting.run import IngestRun
    from ml_sys.data.reading.rows import BadRow
    from ml_sys.days import Period
    from ml_sys.form import Form
    from ml_sys.settings import SchemaSettings

_KEPT_ROWS = 1 << 16


def opened_events(schema: SchemaSettings, stack: ExitStack) -> list[EventsOfTable]:
    """Open the described tables of events without reading them; the stack closes them."""
    return [
        EventsOfTable(name, one, stack.enter_context(EventLog(len(one.amounts))))
        for name, one in schema.of(EventTable).items()
    ]


def read_events(
    run: IngestRun,
    schema: SchemaSettings,
    events: Sequence[EventsOfTable],
    index: CompanyIndex | GrowingIndex,
) -> None:
    """Read the tables of links, and all events."""
    links = {name: run.links(name, index) for name in schema.of(LinkTable)}
    for one in events:
        link = one.described.link
        one.read(run, links[link] if link else index, index.lost)


def kinds_of(
    events: Sequence[EventsOfTable], form: Form, last: Form | None, before: int
) -> dict[str, tuple[str, ...]]:
    """Return the kinds of event that get a count of their own, by table.

    They are the described kinds; or else those of the last ingest, so that a model finds the features it was
    fitted on; or else the most frequent kinds before a day, so that the choice does not depend on the future.

    Parameters
    ----------
    form : Form
        The form of the description.
    last : Form or None
        The form of the last ingest.
    """
    known = {replace(one, kinds=(), measures=()): one.kinds for one in last.tables} if last else {}
    same = {one.name: known.get(replace(one, kinds=(), measures=()), ()) for one in form.tables}
    return {one.name: one.described.kinds or same[one.name] or one.kinds(before) for one in events}


@dataclass(frozen=True)
class EventsOfTable:
    """The events of known entities in one table, read but not yet counted.

    Attributes
    ----------
    name : str
        In the description.
    described : EventTable
    log : EventLog
        With as many amounts as are described.
    """

    name: str
    described: EventTable
    log: EventLog

    def read(
        self, run: IngestRun, entities: CompanyIndex | GrowingIndex | Links, lost: frozenset[str]
    ) -> None:
        """Read every row, and put rows of unknown entities into quarantine.

        Parameters
        ----------
        entities : CompanyIndex or GrowingIndex or Links
            Maps ids to positions, or users to entities.
        lost : frozenset of str
            Ids of entities whose every row is in quarantine.
        """
        opened, columns = run.opened[self.name], self._columns(run)
        known = _known(entities, lost)
        parquet = opened.raw.parquet
        fields, amounts = opened.fields, list(self.described.amounts)
        counts = any(fields[name].is_count for name in amounts)  # whose blanks and fractions are refused
        if parquet is not None and known is not None and not counts and is_typed(parquet, columns):
            with at_hand(parquet) as file:  # for DuckDB
                n_read, bad = read_parquet(self.log, file, columns, known, where=opened.where)
                if not n_read:
                    raise EmptyTableError(opened.where)
                run.count(self.name, n_read)
                self._quarantine(run, bad)
            return
        leads = entities if isinstance(entities, Links) else entities.positions
        read = run.checked(self.name, lambda one: batch_of(one.columns, one.lines, amounts, leads, lost))

        def batches() -> Iterator[Batch]:
            for batch, strangers in read:
                run.quarantine.add(*run.place(self.name), strangers)
                yield batch

        self.log.add(batches())

    def merge_repeated(self, run: IngestRun, index: CompanyIndex) -> None:
        """Count each event of an entity once, however often its identifier occurs."""
        if self.described.event_id:
            self._quarantine(run, self.log.merge_repeated(index.ids))

    def take_out(
        self, run: IngestRun, index: CompanyIndex, days: NDArray[np.int32], reasons: Sequence[str]
    ) -> None:
        """Put the events of some days into quarantine; days with the same reason must be consecutive."""
        for reason in dict.fromkeys(reasons):
            of_it = days[[one == reason for one in reasons]]
            gone = self.log.take_out(int(of_it.min()), int(of_it.max()), reason, index.ids)
            self._quarantine(run, gone)

    def kinds(self, before: int) -> tuple[str, ...]:
        """Return the most frequent kinds before a day."""
        if not self.described.event:
            return ()
        return choose_kinds(self.log.kind_counts(before), self.described.max_kinds)

    def days(self, period: Period) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Return the days with events, ascending, and the stamp of each day's row."""
        days = self.log.days()
        return days, stamps_of(days, period).astype(np.int64) * DAY_MICROSECONDS

    def dated(self, form: Form, period: Period) -> UsageOfTable:
        """Return the rows that there are, with all values 0."""
        measures = self._measures(form)
        rows = self.log.periods(period)
        values = np.broadcast_to(np.zeros(1, measures.dtype), (len(rows.stamp), len(measures.names)))
        return UsageOfTable(_usage(rows.entity, rows.stamp, values, measures), measures)

    def counted(self, form: Form, period: Period) -> UsageOfTable:
        """Return the counted rows."""
        measures = self._measures(form)
        rows = self.log.rows(Counting.of(form, self.name, period))
        values = rows.values.astype(measures.dtype, copy=False)
        return UsageOfTable(_usage(rows.entity, rows.stamp, values, measures), measures)

    def _measures(self, form: Form) -> UsageMeasures:
        return UsageMeasures.of(form, next(one for one in form.tables if one.name == self.name))

    def _columns(self, run: IngestRun) -> EventColumns:
        fields = run.opened[self.name].fields

        def named(field: str) -> str:
            return fields[field].column if field in fields else ""

        amounts = tuple(
            (fields[key].column, one.measure(key).digits) for key, one in self.described.amounts.items()
        )
        return EventColumns(named(AT), amounts, named(ID), named(USER), named(EVENT), named(EVENT_ID))

    def _quarantine(self, run: IngestRun, rows: Iterator[BadRow]) -> None:
        while some := list(islice(rows, _KEPT_ROWS)):
            run.quarantine.add(*run.place(self.name), some)


def _known(entities: CompanyIndex | GrowingIndex | Links, lost: frozenset[str]) -> NamePairs | None:
    """Return names and positions; None if they are known only after everything was read."""
    if isinstance(entities, Links):
        return NamePairs(*entities.pairs(), lost)
    if isinstance(entities, CompanyIndex):
        return NamePairs(entities.ids, np.arange(len(entities.ids), dtype=np.int32), lost)
    return None


def _usage(
    entity: NDArray[np.int32], stamp: NDArray[np.int64], values: NDArray[np.integer], measures: UsageMeasures
) -> UsageRows:
    lines = np.broadcast_to(np.int64(0), len(stamp))  # counted rows have no line in a file
    return UsageRows(entity, stamp, values, lines, measures.digits)
