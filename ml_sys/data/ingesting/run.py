"""Read opened tables one after the other, counting rows and filling the quarantine."""

from __future__ import annotations

import ctypes
import gc
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa

from ml_sys.data.checking.columns import all_ids
from ml_sys.data.checking.validate import Checked, check_part
from ml_sys.data.events.links import Links, links_of
from ml_sys.data.ingesting.uniting import EntityRows
from ml_sys.data.parts.spill import Dealt, Spill
from ml_sys.data.purchases import CONVERTS, PurchaseRows, judged
from ml_sys.data.quarantine import Quarantine
from ml_sys.data.usage import UsageMeasures, UsageRows, join, of_companies, one_per_stamp
from ml_sys.errors import EmptyTableError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml_sys.data.company_index import CompanyIndex, GrowingIndex
    from ml_sys.data.fields import Field
    from ml_sys.data.parts.overflow import Overflow
    from ml_sys.data.reading.rows import BadRow, Part, RawTable, Where
    from ml_sys.form import Form
    from ml_sys.settings.tables import PurchaseTable

OnProgress = Callable[[str, int], None]
_WORKERS = 2  # parsing releases the interpreter lock; more would only hold more blocks in memory
_AHEAD = 6  # parts of usage, which take as long to check as half a million companies to read
# mallopt(3): free memory at the end of a heap that is kept, and blocks that come from a heap.
_KEPT, _FROM_HEAP = (-1, 256 << 20), (-3, 32 << 20)
_T = TypeVar("_T")
_U = TypeVar("_U")


@dataclass(frozen=True)
class OpenTable:
    """An opened table, with its description and fields."""

    name: str
    raw: RawTable
    fields: Mapping[str, Field]

    @property
    def where(self) -> str:
        """The file, table or class it comes from."""
        return self.raw.where

    @property
    def extra(self) -> tuple[str, ...]:
        """Ignored columns."""
        return self.raw.extra


@dataclass(frozen=True)
class UsageOfTable:
    """The usage of known companies in one table, by position."""

    rows: UsageRows
    measures: UsageMeasures

    def with_rows(self, rows: UsageRows) -> UsageOfTable:
        """Return the same table with other rows."""
        return replace(self, rows=rows)

    def moved(self, order: NDArray[np.int32]) -> UsageOfTable:
        """Return the same table with renumbered companies."""
        return self.with_rows(replace(self.rows, company=order[self.rows.company]))


@contextmanager
def without_collecting() -> Iterator[None]:
    """Switch off garbage collection: there are few cycles, and searching millions of texts takes long."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@contextmanager
def reusing_memory() -> Iterator[None]:
    """Keep freed memory until the end, for the next part: fresh memory costs a tenth of an ingest.

    What is kept goes back to the system at the end; the two settings of glibc stay. With another C library
    nothing changes.
    """
    libc: Any = ctypes.CDLL(None) if sys.platform == "linux" else None
    with suppress(AttributeError):
        for option in (_KEPT, _FROM_HEAP):
            libc.mallopt(*option)
    try:
        yield
    finally:
        with suppress(AttributeError):
            libc.malloc_trim(0)


class IngestRun:
    """Read tables one after the other, counting rows and filling the quarantine."""

    def __init__(
        self,
        opened: Mapping[str, OpenTable],
        form: Form,
        on_progress: OnProgress,
        quarantine: Quarantine | None = None,
    ) -> None:
        self.quarantine = quarantine or Quarantine(form.words)
        self.read = dict.fromkeys(opened, 0)
        self.no_purchases: dict[str, int] = {}
        self.opened = opened
        self._form = form
        self._on_progress = on_progress
        self._begun: dict[str, list[Future[Checked]]] = {}

    def place(self, table: str) -> tuple[str, Where]:
        """Return the name and the origin of a table, as shown in the quarantine."""
        return table, self.opened[table].raw.place

    def count(self, table: str, n_read: int) -> None:
        """Add to the number of rows read from a table."""
        self.read[table] += n_read
        self._on_progress(table, self.read[table])

    def begin(self, table: str, pool: Executor) -> None:
        """Check the first parts of a table in a pool, beside tables that have to be read before it."""
        opened = self.opened[table]
        first = islice(opened.raw.parts, _AHEAD)
        self._begun[table] = [pool.submit(check_part, part, opened.fields) for part in first]

    def companies(self, table: str) -> EntityRows:
        """Read a table of entities."""
        place = self.place(table)
        return EntityRows.joined(list(self.checked(table, lambda checked: EntityRows.of(*place, checked))))

    def purchases(self, table: str, described: PurchaseTable) -> PurchaseRows:
        """Read a table of purchases, and count the rows that are not purchases."""
        parts = list(self.checked(table, lambda checked: checked))
        frames = [pd.DataFrame({"line": part.lines} | _as_objects(part.columns)) for part in parts]
        frame = pd.concat(frames, ignore_index=True)
        bad_ids = frozenset(name for part in parts for name in part.bad_ids)
        frame = judged(frame, described)
        self.no_purchases[table] = int((~frame[CONVERTS]).sum())
        return PurchaseRows(table, frame, self.opened[table].raw.place, bad_ids)

    def usage(self, table: str, index: CompanyIndex | GrowingIndex) -> UsageOfTable:
        """Read the usage of known companies."""
        described = next(one for one in self._form.tables if one.name == table)
        measures = UsageMeasures.of(self._form, described)
        batches = []
        for rows, strangers in self.checked(table, lambda checked: of_companies(checked, index, measures)):
            batches.append(rows)
            self.quarantine.add(*self.place(table), strangers)
        return UsageOfTable(join(batches, measures), measures)

    def spilled(self, table: str, index: CompanyIndex | GrowingIndex, overflow: Overflow, most: int) -> Spill:
        """Read the usage of known companies, keeping at most this many rows in memory."""
        described = next(one for one in self._form.tables if one.name == table)
        spill = Spill(overflow, UsageMeasures.of(self._form, described), most)

        def dealt(checked: Checked) -> tuple[Dealt, list[BadRow]]:
            rows, strangers = of_companies(checked, index, spill.measures)
            return spill.dealt(rows, index.buckets_at(rows.company)), strangers

        for batch, strangers in self.checked(table, dealt):
            spill.add(batch)
            self.quarantine.add(*self.place(table), strangers)
        return spill

    def links(self, table: str, index: CompanyIndex | GrowingIndex) -> Links:
        """Read which known entities each user belongs to."""
        users, entities = [pa.array([], pa.string())], [np.empty(0, np.int32)]
        for found, strangers in self.checked(table, lambda checked: links_of(checked, index)):
            self.quarantine.add(*self.place(table), strangers)
            users.append(found[0])
            entities.append(found[1])
        return Links(all_ids(users), np.concatenate(entities))

    def one_per_stamp(self, usage: UsageOfTable, index: CompanyIndex) -> UsageOfTable:
        """Keep one row of each company and stamp."""
        place = self.place(usage.measures.table)
        return usage.with_rows(one_per_stamp(usage.rows, index, place, self.quarantine))

    def checked(self, table: str, then: Callable[[Checked], _T]) -> Iterator[_T]:
        """Check the parts of a table in parallel, and yield the results of ``then`` in order."""
        opened = self.opened[table]

        def work(
            part: Part | Future[Checked],
        ) -> tuple[int, Sequence[BadRow], Mapping[str, Sequence[int]], _T]:
            checked = part.result() if isinstance(part, Future) else check_part(part, opened.fields)
            return len(checked.lines) + len(checked.bad), checked.bad, checked.blanked, then(checked)

        begun: Iterable[Part | Future[Checked]] = self._begun.pop(table, ())
        parts = chain(begun, opened.raw.parts)
        for n_read, bad, blanked, result in _in_order(work, parts):
            self.quarantine.add(table, opened.raw.place, bad)
            self.quarantine.add_blanked(table, opened.raw.place, blanked)
            self.count(table, n_read)
            yield result
        self.quarantine.add_notes(table, opened.raw.notes)
        if not self.read[table]:
            raise EmptyTableError(opened.where)


def _as_objects(columns: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: column if isinstance(column, np.ndarray) else column.to_numpy(zero_copy_only=False)
        for name, column in columns.items()
    }


def _in_order(work: Callable[[_T], _U], parts: Iterator[_T]) -> Iterator[_U]:
    """Map a function over parts in threads, in order, with only a few parts in memory at a time."""
    waiting: deque[Future[_U]] = deque()
    with ThreadPoolExecutor(_WORKERS) as pool:
        for part in parts:
            waiting.append(pool.submit(work, part))
            if len(waiting) > _WORKERS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
