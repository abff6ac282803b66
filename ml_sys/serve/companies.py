"""Look up companies of the current snapshot by id, as they were at the end of its usage."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import OrderedDict
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ml_sys.days import latest_cutoff
from ml_sys.features.attributes import Attributes
from ml_sys.features.compute import feature_columns
from ml_sys.features.inputs import FeatureInputs, measures_of
from ml_sys.serve.contract.inputs import by_company
from ml_sys.text import with_article

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from ml_sys.data.snapshot import Parts, Tables
    from ml_sys.features.compute import FeatureSpec
    from ml_sys.serve.contract.inputs import Values

# Usage rows kept in memory, some twenty bytes each; the part used last always stays.
MOST_ROWS = 8_000_000


@dataclass(frozen=True)
class Found:
    """A prospect of the snapshot.

    Attributes
    ----------
    cutoff : str
        Day, ISO 8601.
    values : list
        Its features, None for blanks.
    """

    snapshot: str
    cutoff: str
    values: Values


@dataclass(frozen=True)
class Absent:
    """The reason why there is no such prospect."""

    reason: str


class CompanyLookup:
    """The latest snapshot, with its most recently used parts in memory."""

    def __init__(self, artifacts_dir: Path, most_rows: int = MOST_ROWS) -> None:
        self._artifacts_dir = artifacts_dir
        self._most_rows = most_rows
        self._lock = threading.Lock()
        self._current: _Current | None = None

    def find(self, company: str, spec: FeatureSpec) -> Found | Absent:
        """Compute the features of a prospect at the end of the snapshot's usage, as ``mlsys score`` does.

        Raises
        ------
        SnapshotError
            If there is no snapshot, or it does not verify.
        """
        current, words = self._latest(), spec.form.words
        tables = current.tables_of(company)
        ids: Any = tables.companies["id"]
        at = bisect_left(range(len(ids)), company, key=lambda place: ids[place].as_py())
        if at == len(ids) or ids[at].as_py() != company:
            return Absent(f"The current snapshot has no {words.entity.one} with this id.")
        if not current.stamps.size:
            return Absent("The current snapshot has no usage.")
        cutoff = latest_cutoff(current.stamps, tables.as_of, spec.period)
        if tables.closed[at] < cutoff:
            return Absent(f"The {words.entity.one} is already {with_article(words.customer.one)}.")
        if tables.since[at] >= cutoff:
            began = f"The {words.entity.one} had not existed for a whole day"
            return Absent(f"{began} when the snapshot's usage ended.")
        inputs = _inputs(tables, at, spec)
        columns = feature_columns(inputs, np.array([cutoff], dtype=np.int32), spec)
        return Found(tables.id, str(np.datetime64(cutoff, "D")), by_company(columns, spec.names())[0])

    def _latest(self) -> _Current:
        from ml_sys.data import snapshot  # with pyarrow, which only this endpoint needs

        path = snapshot.latest_path(self._artifacts_dir)
        with self._lock:
            if self._current is None or self._current.parts.id != path.name:
                self._current = _Current(snapshot.parts(path), self._most_rows)
            return self._current


class _Current:
    """A snapshot and its parts in memory; parts are read one at a time."""

    def __init__(self, parts: Parts, most_rows: int) -> None:
        self.parts = parts
        self._most_rows = most_rows
        self._reading, self._order = threading.Lock(), threading.Lock()
        self._held: OrderedDict[int, Tables] = OrderedDict()

    @cached_property
    def stamps(self) -> NDArray[np.int32]:
        """The first and the last day of all usage."""
        from ml_sys.data.parts.everyone import stamps_of

        return stamps_of(self.parts)

    def tables_of(self, company: str) -> Tables:
        """Return the part that a company is in."""
        number = self._part_of(company)
        tables = self._in_memory(number)
        if tables is not None:
            return tables
        with self._reading:
            tables = self._in_memory(number)
            if tables is None:
                tables = self._read(number)
                self._keep(number, tables)
        return tables

    def _in_memory(self, number: int) -> Tables | None:
        with self._order:
            if number not in self._held:
                return None
            self._held.move_to_end(number)
            return self._held[number]

    def _read(self, number: int) -> Tables:
        from ml_sys.data.parts.whole import narrowest, one_part

        tables = one_part(self.parts.manifest, number)
        counted = tables.usage_values
        return replace(tables, usage_values=counted.astype(narrowest(counted), copy=False))

    def _keep(self, number: int, tables: Tables) -> None:
        """Keep a part, and drop the least recently used ones while there are too many rows."""
        with self._order:
            self._held[number] = tables
            while len(self._held) > 1 and sum(self.parts.n_rows[one] for one in self._held) > self._most_rows:
                self._held.popitem(last=False)

    def _part_of(self, company: str) -> int:
        if len(self.parts) == 1:
            return 0
        import pyarrow as pa

        from ml_sys.data.parts.buckets import buckets_of, part_of

        return int(part_of(buckets_of(pa.array([company], pa.string())), len(self.parts))[0])


def _inputs(tables: Tables, at: int, spec: FeatureSpec) -> FeatureInputs:
    low, high = np.searchsorted(tables.usage_company, [at, at + 1])
    rows = (
        np.zeros(high - low, dtype=np.int32),
        tables.usage_stamp[low:high],
        measures_of(tables.usage_values[low:high], tables.form, spec.form),
    )
    described = spec.form.attributes
    known = [tables.companies[one.name][at].as_py() for one in described]
    return FeatureInputs.of(rows, Attributes.of(described, [known]), spec, tables.since[at : at + 1])
