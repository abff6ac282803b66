"""Read the three tables, check every row, and store the good ones as a snapshot.

Invariant: rows accepted and rows quarantined add up to rows read, for every table.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pandas as pd

from ml_sys.data import ingest_report
from ml_sys.data.after_export import Dates
from ml_sys.data.checking.validate import Checked, check
from ml_sys.data.companies import CompanyRows, free_again, reconcile
from ml_sys.data.company_index import CompanyIndex
from ml_sys.data.coverage import Coverage, Export, date_export
from ml_sys.data.quarantine import Quarantine
from ml_sys.data.schema import CUSTOMERS, NEVER_CLOSED, NONCUSTOMERS, TABLES, USAGE, column_names
from ml_sys.data.snapshot_id import Content
from ml_sys.data.snapshot_writing import keep_quarantine, write
from ml_sys.data.usage import (
    LATER,
    UNCOVERED,
    UNFINISHED,
    UsageRows,
    join,
    of_companies,
    one_per_stamp,
    set_aside,
)
from ml_sys.errors import EmptyTableError, TooManyRejectedError

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray

    from ml_sys.data.ingest_report import IngestReport
    from ml_sys.data.reading.rows import BadRow, Part, RawTable, Source
    from ml_sys.days import Period
    from ml_sys.settings import SchemaSettings

OnProgress = Callable[[str, int], None]
_WEEKLY = Coverage()
_CAUSE_LATER = (
    "if usage does reach that far, lower ingest.min_coverage; "
    "if not, name the day of the export, --as-of DATE, or check the clock of this machine"
)
_WORKERS = 2  # parsing lets go of the interpreter lock; more would only hold more blocks in memory
_T = TypeVar("_T")
_U = TypeVar("_U")


@dataclass(frozen=True)
class Origin:
    """Where the three tables are.

    Attributes
    ----------
    source : Source
        See `ml_sys.data.sources.open_source`.
    schema : SchemaSettings
        Column names.
    customers, noncustomers, usage : str
        File, table or query of each table.
    """

    source: Source
    schema: SchemaSettings
    customers: str
    noncustomers: str
    usage: str

    def opened(self) -> dict[str, RawTable]:
        """Open each table; all are closed again where one cannot be opened."""
        where = {CUSTOMERS: self.customers, NONCUSTOMERS: self.noncustomers, USAGE: self.usage}
        with ExitStack() as stack:
            tables = {}
            for table, location in where.items():
                tables[table] = self.source.open(table, location, column_names(table, self.schema))
                stack.callback(tables[table].close)
            stack.pop_all()
        return tables


@dataclass(frozen=True)
class Rules:
    """What of the tables counts.

    Attributes
    ----------
    max_rejected_share : float
        Of the rows of one table, from 0 to 1. Merged rows do not count, nor usage of a period that is not
        complete, nor usage later than a day that was given.
    as_of : str
        Day of the export, YYYY-MM-DD; without it the end of covered usage.
    coverage : Coverage
        What a usage row stands for, and how many companies have to report.
    """

    max_rejected_share: float
    as_of: str = ""
    coverage: Coverage = _WEEKLY


def ingest(
    origin: Origin,
    rules: Rules,
    artifacts_dir: Path,
    *,
    now: datetime,
    on_progress: OnProgress = lambda _table, _rows: None,
) -> IngestReport:
    """Turn three tables into a snapshot.

    Parameters
    ----------
    artifacts_dir : Path
        Folder of all artifacts.
    now : datetime
        Aware. Nothing that is dated later counts.
    on_progress : callable
        Gets a table's name and the rows of it read so far.

    Raises
    ------
    InputError
        If a table is missing, unreadable, empty or lacks a column.
    TooManyRejectedError
        If too many rows of a table are bad; the quarantine is kept and named.
    SnapshotError
        If the snapshot cannot be written.
    """
    opened = origin.opened()
    with ExitStack() as stack:
        for table in opened.values():
            stack.callback(table.close)
        columns = {name: column_names(name, origin.schema) for name in opened}
        run = _Run(opened, columns, float(origin.schema.unranked), on_progress)
        companies, lost = reconcile(
            run.companies(CUSTOMERS), run.companies(NONCUSTOMERS), run.quarantine, unranked=run.unranked
        )
        index = CompanyIndex(companies["id"].to_numpy(dtype=object), lost)
        rows, coverage = run.usage(index), rules.coverage
        complete_on, latest_stamp = coverage.complete_on(rows.stamp), int(rows.stamp.max(initial=0))
        closed = companies["closedate"].to_numpy()
        export = date_export(rows.company, complete_on, closed, coverage, as_of=rules.as_of, now=now)
        rows = run.known_by(export, rows, complete_on, index, coverage.period)
        companies = free_again(companies, export.as_of)
    quarantine = run.quarantine.to_table()
    _refuse_bad(run, quarantine, rules.max_rejected_share, artifacts_dir, was_given=export.was_given)
    content = Content(companies, rows, quarantine, export.as_of)
    where = {name: table.where for name, table in opened.items()}
    path, is_new = write(content, artifacts_dir, sources=where, read=run.read, now=now)
    extra = {name: table.extra for name, table in opened.items()}
    unclaimed = closed[(closed > export.as_of) & (closed != NEVER_CLOSED)]
    dates = Dates(export, unclaimed, latest_stamp)
    return ingest_report.build(
        content, run.quarantine, dates, path=path, is_new=is_new, where=where, read=run.read, extra=extra
    )


def _refuse_bad(
    run: _Run, quarantine: pa.Table, max_share: float, artifacts_dir: Path, *, was_given: bool
) -> None:
    """Raise if too many rows of a table are bad, and keep the quarantine."""
    for table in TABLES:
        rejected = dict(run.quarantine.rejected(table))
        for expected in (UNFINISHED, UNCOVERED, LATER) if was_given else (UNFINISHED,):
            rejected.pop(expected, None)
        if sum(rejected.values()) > max_share * run.read[table]:
            kept = keep_quarantine(quarantine, artifacts_dir)
            raise TooManyRejectedError(
                run.opened[table].where,
                sum(rejected.values()),
                run.read[table],
                max_share,
                kept,
                mostly=", ".join(f"{reason} ({n:,})" for reason, n in list(rejected.items())[:3]),
                cause=_CAUSE_LATER if next(iter(rejected)) == LATER else "",
            )


class _Run:
    """Reads tables one after the other, counting rows and filling the quarantine."""

    def __init__(
        self,
        opened: Mapping[str, RawTable],
        columns: Mapping[str, Mapping[str, str]],
        unranked: float,
        on_progress: OnProgress,
    ) -> None:
        self.unranked = unranked
        self.quarantine = Quarantine()
        self.read = dict.fromkeys(opened, 0)
        self.opened = opened
        self._columns = columns
        self._on_progress = on_progress

    def companies(self, table: str) -> CompanyRows:
        """Read a table of companies."""
        parts = list(self._checked(table, lambda checked: checked))
        frames = [pd.DataFrame({"line": part.lines} | _as_objects(part.columns)) for part in parts]
        bad_ids = frozenset(name for part in parts for name in part.bad_ids)
        return CompanyRows(pd.concat(frames, ignore_index=True), self.opened[table].where, bad_ids)

    def usage(self, index: CompanyIndex) -> UsageRows:
        """Read the usage of known companies."""
        batches = []
        where = self.opened[USAGE].where
        for rows, strangers in self._checked(USAGE, lambda checked: of_companies(checked, index)):
            batches.append(rows)
            self.quarantine.add(USAGE, where, strangers)
        return one_per_stamp(join(batches), index, where, self.quarantine)

    def known_by(
        self,
        export: Export,
        rows: UsageRows,
        complete_on: NDArray[np.int32],
        index: CompanyIndex,
        period: Period,
    ) -> UsageRows:
        """Set usage aside that was not complete when covered usage ended, and return the rest."""
        end = export.as_of if export.usage_end is None else export.usage_end
        late = np.flatnonzero(complete_on > end)
        if not late.size:
            return rows
        day = complete_on[late]
        reasons = np.select(
            [day <= export.as_of, day <= period.shifted(export.as_of, 1)], [UNCOVERED, UNFINISHED], LATER
        )
        return set_aside(rows, late, reasons.tolist(), index, self.opened[USAGE].where, self.quarantine)

    def _checked(self, table: str, then: Callable[[Checked], _T]) -> Iterator[_T]:
        """Check the parts of a table side by side, and give back what comes of them, in order."""
        opened, columns = self.opened[table], self._columns[table]

        def work(part: Part) -> tuple[int, Sequence[BadRow], Mapping[str, Sequence[int]], _T]:
            checked = check(part(), columns, self.unranked)
            return len(checked.lines) + len(checked.bad), checked.bad, checked.blanked, then(checked)

        for n_read, bad, blanked, result in _in_order(work, opened.parts):
            self.quarantine.add(table, opened.where, bad)
            self.quarantine.add_blanked(table, blanked)
            self.read[table] += n_read
            self._on_progress(table, self.read[table])
            yield result
        if not self.read[table]:
            raise EmptyTableError(opened.where)


def _as_objects(columns: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: column if isinstance(column, np.ndarray) else column.to_numpy(zero_copy_only=False)
        for name, column in columns.items()
    }


def _in_order(work: Callable[[Part], _U], parts: Iterator[Part]) -> Iterator[_U]:
    """Map in threads, in order, with only a few parts in memory at a time."""
    waiting: deque[Future[_U]] = deque()
    with ThreadPoolExecutor(_WORKERS) as pool:
        for part in parts:
            waiting.append(pool.submit(work, part))
            if len(waiting) > _WORKERS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
