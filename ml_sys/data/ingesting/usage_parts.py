"""Sort, date and store the usage of an ingest part by part, without holding all of it in memory."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ml_sys.data.ingesting.lateness import late_rows
from ml_sys.data.ingesting.usage_seen import UsageSeen
from ml_sys.data.parts.buckets import Cut, first_bucket
from ml_sys.data.snapshot_writing import SnapshotPart
from ml_sys.data.usage import UsageRows, one_per_stamp, set_aside, united

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from ml_sys.data.company_index import CompanyIndex
    from ml_sys.data.coverage import Coverage, ExportDates
    from ml_sys.data.ingesting.company_columns import Companies
    from ml_sys.data.ingesting.run import IngestRun, UsageOfTable
    from ml_sys.data.parts.overflow import Overflow, Stored
    from ml_sys.data.parts.spill import Spill
    from ml_sys.data.snapshot_writing import Writing
    from ml_sys.form import Form

_WORKERS = 2  # NumPy and Parquet release the interpreter lock; more would hold more parts in memory
_T = TypeVar("_T")


class UsageParts:
    """The usage of an ingest.

    Call :meth:`sort` first, date it :meth:`over` its parts, :meth:`set_aside` late rows, then :meth:`store`
    it.

    Parameters
    ----------
    run : IngestRun
        Its quarantine gets the rows that do not count.
    cut : Cut
        How the companies of the index are cut into parts.
    spills : sequence of Spill
        Tables with a row per period.
    overflow : Overflow
        Holds sorted parts whose rows did not fit into memory.
    """

    def __init__(
        self,
        run: IngestRun,
        index: CompanyIndex,
        cut: Cut,
        spills: Sequence[Spill],
        coverage: Coverage,
        overflow: Overflow,
    ) -> None:
        self.latest_stamp = 0
        self._run = run
        self._index = index
        self._cut = cut
        self._spills = spills
        self._coverage = coverage
        self._overflow = overflow
        self._sorted: dict[tuple[str, int], UsageRows | _Waiting] = {}
        self._events: list[_Whole] = []

    def sort(self, events: Sequence[UsageOfTable]) -> None:
        """Keep one row of each company and stamp, by company and time.

        Parameters
        ----------
        events : sequence of UsageOfTable
            The rows of tables of events, sorted.
        """
        self._events = [_Whole.of(one, self._cut) for one in events]
        stamps = [one.usage.rows.stamp.max(initial=0) for one in self._events]
        self.latest_stamp = int(max([*stamps, *self._each(self._sort), 0]))

    def over(self, look: Callable[[NDArray[np.int32], NDArray[np.int32]], _T]) -> list[_T]:
        """Call a function part by part with companies and the days on which their rows are complete."""
        return self._each(lambda number: look(*self._dated(number)))

    def set_aside(self, export: ExportDates) -> None:
        """Put rows that were not complete when covered usage ended into quarantine."""

        def look(number: int) -> None:
            for spill in self._spills:
                at = spill.measures.table, number
                waits = self._sorted[at]
                late, reasons = late_rows(export, self._when(waits)[1], self._coverage)
                if late.size:
                    place = self._run.place(spill.measures.table)
                    rows, quarantine = self._rows(waits), self._run.quarantine
                    rest = set_aside(rows, late, reasons, self._index, place, quarantine)
                    away = isinstance(waits, _Waiting)
                    self._sorted[at] = _Waiting.of(rest, self._overflow) if away else rest

        self._each(look)
        self._events.clear()  # they were needed for dating only

    def store(
        self, begun: Writing, companies: Companies, form: Form, events: Sequence[UsageOfTable]
    ) -> UsageSeen:
        """Write all parts.

        Parameters
        ----------
        begun : Writing
            With as many parts as there are here.
        events : sequence of UsageOfTable
            The rows of tables of events, without late ones.
        """
        counted = [_Whole.of(one, self._cut) for one in events]

        def write(number: int) -> tuple[NDArray[np.int32], UsageSeen]:
            tables = [
                (self._rows(self._sorted.pop((spill.measures.table, number))), spill.measures.of_form(form))
                for spill in self._spills
            ]
            tables += [(one.part(number), one.usage.measures) for one in counted]
            rows = united(tables, form)
            del tables
            rows = replace(rows, company=self._cut.local[rows.company])
            mine = self._cut.members(number)
            begun.add(number, SnapshotPart(companies.part(mine), mine, self._index.buckets[mine], rows), form)
            return mine, UsageSeen.of(rows, len(mine))

        return UsageSeen.joined(self._each(write), len(companies))

    def _each(self, work: Callable[[int], _T]) -> list[_T]:
        numbers = range(self._cut.n_parts)
        if len(numbers) == 1:
            return [work(0)]
        with ThreadPoolExecutor(_WORKERS) as pool:
            return list(pool.map(work, numbers))

    def _sort(self, number: int) -> int:
        """Sort and keep a part, and return its latest stamp."""
        first, end = (first_bucket(one, self._cut.n_parts) for one in (number, number + 1))
        latest = 0
        for spill in self._spills:
            place = self._run.place(spill.measures.table)
            rows = one_per_stamp(spill.take(first, end), self._index, place, self._run.quarantine)
            latest = max(latest, int(rows.stamp.max(initial=0)))
            waits = _Waiting.of(rows, self._overflow) if spill.has_overflown else rows
            self._sorted[spill.measures.table, number] = waits
        return latest

    def _dated(self, number: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return company and day of each row of a part, with one row per company and stamp."""
        waiting = (self._sorted[spill.measures.table, number] for spill in self._spills)
        found = [self._when(one) for one in waiting]
        found += [(rows.company, rows.stamp) for rows in (one.part(number) for one in self._events)]
        company, stamp = (np.concatenate(columns) for columns in zip(*found, strict=True))
        if len(found) > 1:
            order = np.lexsort((stamp, company))
            company, stamp = company[order], stamp[order]
            fresh = np.append(True, (company[1:] != company[:-1]) | (stamp[1:] != stamp[:-1]))[: len(order)]
            company, stamp = company[fresh], stamp[fresh]
        return company, self._coverage.complete_on(stamp)

    def _when(self, waits: UsageRows | _Waiting) -> tuple[NDArray[Any], NDArray[Any]]:
        return waits.when(self._overflow) if isinstance(waits, _Waiting) else (waits.company, waits.stamp)

    def _rows(self, waits: UsageRows | _Waiting) -> UsageRows:
        return waits.rows(self._overflow) if isinstance(waits, _Waiting) else waits


@dataclass(frozen=True)
class _Waiting:
    """Rows in a file."""

    columns: tuple[Stored, ...]
    digits: tuple[int, ...]

    @classmethod
    def of(cls, rows: UsageRows, overflow: Overflow) -> _Waiting:
        return cls(tuple(overflow.put(rows.company, rows.stamp, rows.measures, rows.lines)), rows.digits)

    def when(self, overflow: Overflow) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the company and the stamp of each row."""
        company, stamp = self.columns[:2]
        return overflow.take(company), overflow.take(stamp)

    def rows(self, overflow: Overflow) -> UsageRows:
        """Return the rows."""
        company, stamp, measures, lines = (overflow.take(one) for one in self.columns)
        return UsageRows(company, stamp, measures, lines, self.digits)


@dataclass(frozen=True)
class _Whole:
    """Rows in memory, and the rows of each part; None if there is only one part."""

    usage: UsageOfTable
    order: NDArray[np.intp] | None
    ends: NDArray[np.int64]

    @classmethod
    def of(cls, usage: UsageOfTable, cut: Cut) -> _Whole:
        if cut.n_parts == 1:
            return cls(usage, None, np.zeros(0, np.int64))
        parts = cut.part[usage.rows.company]
        ends = np.append(0, np.cumsum(np.bincount(parts, minlength=cut.n_parts)))
        return cls(usage, np.argsort(parts, kind="stable"), ends)

    def part(self, number: int) -> UsageRows:
        """Return the rows of a part."""
        if self.order is None:
            return self.usage.rows
        return self.usage.rows.take(self.order[self.ends[number] : self.ends[number + 1]])
