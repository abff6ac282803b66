"""Reads the three tables, checks every row and stores what is good as a snapshot.

Invariant: rows accepted and rows quarantined add up to rows read, for every table.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pandas as pd

from ml_sys.data import report, snapshot
from ml_sys.data.companies import CompanyRows, reconcile
from ml_sys.data.company_index import CompanyIndex
from ml_sys.data.identity import Content
from ml_sys.data.quarantine import Quarantine
from ml_sys.data.schema import CUSTOMERS, NEVER_CLOSED, NONCUSTOMERS, TABLES, USAGE, column_names
from ml_sys.data.usage import UsageRows, join, of_companies, one_per_stamp
from ml_sys.data.validate import Checked, check
from ml_sys.days import DAY_MICROSECONDS
from ml_sys.errors import EmptyTableError, NotEnoughDataError, TooManyRejectedError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from ml_sys.data.report import IngestReport
    from ml_sys.data.rows import BadRow, Part, RawTable, Source
    from ml_sys.settings import SchemaSettings

OnProgress = Callable[[str, int], None]
_WORKERS = 2  # parsing lets go of the interpreter lock; more would only hold more blocks in memory
_T = TypeVar("_T")
_U = TypeVar("_U")


def ingest(
    source: Source,
    schema: SchemaSettings,
    *,
    customers: str,
    noncustomers: str,
    usage: str,
    artifacts_dir: Path,
    max_rejected_share: float,
    as_of: str = "",
    now: datetime | None = None,
    on_progress: OnProgress | None = None,
) -> IngestReport:
    """Turn three tables into a snapshot.

    Parameters
    ----------
    source : Source
        See `ml_sys.data.sources.open_source`.
    schema : SchemaSettings
        Column names.
    customers, noncustomers, usage : str
        File, table or query of each table.
    artifacts_dir : Path
        Folder of all artifacts.
    max_rejected_share : float
        Of the rows of one table, from 0 to 1; merged rows do not count.
    as_of : str
        Day of the export, YYYY-MM-DD; without it that of the latest timestamp that was accepted.
    now : datetime, optional
        Aware; the clock's by default.
    on_progress : callable, optional
        Gets a table's name and the rows of it read so far.

    Returns
    -------
    IngestReport

    Raises
    ------
    InputError
        If a table is missing, unreadable, empty or lacks a column.
    TooManyRejectedError
        If too many rows of a table are bad; the quarantine is kept and named.
    SnapshotError
        If the snapshot cannot be written.
    """
    locations = {CUSTOMERS: customers, NONCUSTOMERS: noncustomers, USAGE: usage}
    columns = {table: column_names(table, schema) for table in TABLES}
    with ExitStack() as stack:
        opened = {}
        for table in TABLES:
            opened[table] = source.open(table, locations[table], columns[table])
            stack.callback(opened[table].close)
        run = _Run(opened, columns, float(schema.unranked), on_progress or (lambda _table, _rows: None))
        companies, lost = reconcile(
            run.companies(CUSTOMERS), run.companies(NONCUSTOMERS), run.quarantine, unranked=run.unranked
        )
        rows = run.usage(CompanyIndex(companies["id"].to_numpy(dtype=object), lost))
    quarantine = run.quarantine.to_table()
    for table in TABLES:
        rejected = run.quarantine.rejected(table)
        if sum(rejected.values()) > max_rejected_share * run.read[table]:
            kept = snapshot.keep_quarantine(quarantine, artifacts_dir)
            raise TooManyRejectedError(
                opened[table].where,
                sum(rejected.values()),
                run.read[table],
                max_rejected_share,
                kept,
                mostly=", ".join(f"{reason} ({n:,})" for reason, n in list(rejected.items())[:3]),
            )
    content = Content(companies, rows, quarantine, _as_of(as_of, companies, rows))
    where = {table: opened[table].where for table in TABLES}
    path, is_new = snapshot.write(
        content, artifacts_dir, sources=where, read=run.read, now=now or datetime.now(UTC)
    )
    extra = {table: opened[table].extra for table in TABLES}
    return report.build(
        content, run.quarantine, path=path, is_new=is_new, where=where, read=run.read, extra=extra
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
        self._opened = opened
        self._columns = columns
        self._on_progress = on_progress

    def companies(self, table: str) -> CompanyRows:
        """Read a table of companies."""
        parts = list(self._checked(table, lambda checked: checked))
        frames = [pd.DataFrame({"line": part.lines} | _as_objects(part.columns)) for part in parts]
        bad_ids = frozenset(name for part in parts for name in part.bad_ids)
        return CompanyRows(pd.concat(frames, ignore_index=True), self._opened[table].where, bad_ids)

    def usage(self, index: CompanyIndex) -> UsageRows:
        """Read the usage of known companies."""
        batches = []
        where = self._opened[USAGE].where
        for rows, strangers in self._checked(USAGE, lambda checked: of_companies(checked, index)):
            batches.append(rows)
            self.quarantine.add(USAGE, where, strangers)
        return one_per_stamp(join(batches), index, where, self.quarantine)

    def _checked(self, table: str, then: Callable[[Checked], _T]) -> Iterator[_T]:
        """Check the parts of a table side by side, and give back what comes of them, in order."""
        opened, columns = self._opened[table], self._columns[table]

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


def _as_of(asked: str, companies: pd.DataFrame, usage: UsageRows) -> int:
    if asked:
        try:
            return int(np.datetime64(asked, "D").astype(np.int64))
        except ValueError as error:
            raise UsageError(f"as-of: {asked!r} is no day", hint="write it as YYYY-MM-DD") from error
    closed = companies["closedate"].to_numpy()
    last_closed = int(closed[closed != NEVER_CLOSED].max(initial=-1))
    last_stamp = int(usage.stamp.max(initial=-1)) // DAY_MICROSECONDS
    if max(last_closed, last_stamp) < 0:
        raise NotEnoughDataError("no row of the customers or the usage was accepted", hint="check the tables")
    return max(last_closed, last_stamp)
