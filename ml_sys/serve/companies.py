"""Companies of the current snapshot, by id: what was known of one at the end of its usage."""

from __future__ import annotations

import threading
from bisect import bisect_left
from dataclasses import dataclass
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

    from ml_sys.data.snapshot import Tables
    from ml_sys.features.compute import FeatureSpec
    from ml_sys.serve.contract.inputs import Values


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
    """Why there is no such prospect."""

    reason: str


class CompanyLookup:
    """The latest snapshot, in memory from the first question on: 36 bytes a usage row."""

    def __init__(self, artifacts_dir: Path) -> None:
        self._artifacts_dir = artifacts_dir
        self._lock = threading.Lock()
        self._tables: Tables | None = None

    def find(self, company: str, spec: FeatureSpec) -> Found | Absent:
        """Compute the features of a prospect at the end of the snapshot's usage, as ``mlsys score`` does.

        Raises
        ------
        SnapshotError
            If there is no snapshot, or it does not verify.
        """
        tables, words = self._current(), spec.form.words
        ids: Any = tables.companies["id"]
        at = bisect_left(range(len(ids)), company, key=lambda place: ids[place].as_py())
        if at == len(ids) or ids[at].as_py() != company:
            return Absent(f"The current snapshot holds no {words.entity.one} of this id.")
        if not tables.usage_stamp.size:
            return Absent("The current snapshot holds no usage.")
        cutoff = latest_cutoff(tables.usage_stamp, tables.as_of, spec.period)
        if tables.closed[at] < cutoff:
            return Absent(f"The {words.entity.one} is {with_article(words.customer.one)} already.")
        if tables.since[at] >= cutoff:
            began = f"The {words.entity.one} had not existed for a whole day"
            return Absent(f"{began} when the snapshot's usage ended.")
        inputs = _inputs(tables, at, spec)
        columns = feature_columns(inputs, np.array([cutoff], dtype=np.int32), spec)
        return Found(tables.id, str(np.datetime64(cutoff, "D")), by_company(columns, spec.names())[0])

    def _current(self) -> Tables:
        from ml_sys.data import snapshot  # with pyarrow, which only this endpoint needs

        path = snapshot.latest_path(self._artifacts_dir)
        with self._lock:
            if self._tables is None or self._tables.id != path.name:
                self._tables = snapshot.load_tables(path)
            return self._tables


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
