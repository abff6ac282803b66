"""Unite tables of entities in columns; rows whose id occurs once need not be compared with others.

Invariant: the result is that of `ml_sys.data.companies.reconcile` over all rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ml_sys.data.checking.columns import all_ids, as_flags
from ml_sys.data.companies import CompanyRows, reconcile
from ml_sys.data.fields import CONVERTED_ON, ID, SINCE, VALUE
from ml_sys.data.ingesting.company_columns import Companies, Texts, joined, narrow
from ml_sys.data.parts.buckets import buckets_of
from ml_sys.data.schema import NEVER_BEGAN, NEVER_CLOSED
from ml_sys.data.snapshot_id import arrow_texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ml_sys.data.checking.validate import Checked
    from ml_sys.data.quarantine import Quarantine
    from ml_sys.data.reading.rows import Where
    from ml_sys.form import Form

# Rows that are compared with each other at a time.
AT_ONCE = 200_000
_LINE = "line"


@dataclass(frozen=True)
class EntityRows:
    """The n good rows of a table of entities, or of a batch of one.

    Attributes
    ----------
    table : str
        Its name in the description.
    where : str or FileLines
    bad_ids : frozenset of str
        Ids of rows that were rejected.
    fields : tuple of str
        In the order of the description.
    columns : dict of str to column
        Line and the fields: ids as a `pyarrow.StringArray`, the others narrow.
    """

    table: str
    where: Where
    bad_ids: frozenset[str]
    fields: tuple[str, ...]
    columns: dict[str, Any]

    @classmethod
    def of(cls, table: str, where: Where, checked: Checked) -> EntityRows:
        """Narrow a checked batch."""
        held = {
            name: narrow(one) if isinstance(one, np.ndarray) else one if name == ID else Texts.of(one)
            for name, one in {_LINE: checked.lines, **checked.columns}.items()
        }
        return cls(table, where, frozenset(checked.bad_ids), tuple(checked.columns), held)

    @classmethod
    def joined(cls, batches: Sequence[EntityRows]) -> EntityRows:
        """Join the batches of a table, emptying them on the way."""
        first, bad_ids = batches[0], frozenset().union(*(one.bad_ids for one in batches))
        columns = {
            name: (all_ids if name == ID else joined)([one.columns.pop(name) for one in batches])
            for name in tuple(first.columns)
        }
        pa.default_memory_pool().release_unused()  # what batches were read into, a seventh of all memory
        return cls(first.table, first.where, bad_ids, first.fields, columns)

    def __len__(self) -> int:
        return len(self.columns[_LINE])

    def rows(self, at: NDArray[np.integer[Any]], ids: Any, bad_ids: frozenset[str]) -> CompanyRows:
        """Return some rows, with their ids, for :func:`ml_sys.data.companies.reconcile`."""
        found = {_LINE: self.columns[_LINE].take(at)}
        for name in self.fields:
            column = ids if name == ID else self.columns[name].take(at)
            column = column.plain() if isinstance(column, Texts) else column
            if not isinstance(column, np.ndarray):
                column = column.to_numpy(zero_copy_only=False)
            found[name] = column.astype(np.float64) if column.dtype.kind == "f" else column
        return CompanyRows(self.table, pd.DataFrame(found), self.where, bad_ids)


def unite(
    tables: Sequence[EntityRows],
    form: Form,
    quarantine: Quarantine,
    *,
    unusable: frozenset[str] = frozenset(),
    at_once: int = AT_ONCE,
) -> tuple[Companies, frozenset[str]]:
    """Keep one row per entity and put the others into quarantine; the tables are emptied on the way.

    Parameters
    ----------
    quarantine : Quarantine
        Gets the rows that are set aside.
    unusable : frozenset of str
        Ids that converted by another table, on an unknown day.
    at_once : int
        Rows that are compared with each other at a time.

    Returns
    -------
    companies : Companies
    lost : frozenset of str
        Ids that were read but not kept.

    Raises
    ------
    InputError
        If the ids take more than 2 GB together.
    """
    ids = all_ids([one.columns.pop(ID) for one in tables])
    order = pc.sort_indices(ids).to_numpy().astype(np.int32)
    ordered = ids.take(pa.array(order))
    again = np.append(False, as_flags(pc.equal(ordered[1:], ordered[:-1])))[: len(order)]
    compared = again | np.append(again, False)[1:]
    rejected = frozenset().union(*(one.bad_ids for one in tables), unusable)
    if rejected:
        compared |= _among(ordered, rejected)
    settled = _Settled(tables, form, quarantine)
    if compared.any():
        settled.compare(np.sort(order[compared]), ids, rejected, unusable, at_once)
    else:
        settled.lost = rejected
    del ids
    kept = ~again
    kept[compared] &= as_flags(pc.is_in(ordered.filter(pa.array(compared)), value_set=settled.ids))
    source = order[kept]
    source[compared[kept]] = len(order) + pc.sort_indices(settled.ids).to_numpy()
    del order, again
    return settled.companies(ordered if kept.all() else ordered.filter(pa.array(kept)), source), settled.lost


class _Settled:
    """The rows of the tables, followed by those that comparing came to."""

    def __init__(self, tables: Sequence[EntityRows], form: Form, quarantine: Quarantine) -> None:
        self.ids: Any = pa.array([], pa.string())
        self.lost: frozenset[str] = frozenset()
        self._tables = tables
        self._form = form
        self._quarantine = quarantine
        self._found: list[tuple[int, dict[str, NDArray[Any] | Texts]]] = []
        full = [one for one in tables if len(one)] or tables[:1]
        self._texts = {
            name for one in full for name, column in one.columns.items() if isinstance(column, Texts)
        }

    def compare(
        self, at: NDArray[np.int32], ids: Any, rejected: frozenset[str], unusable: frozenset[str], most: int
    ) -> None:
        """Compare rows with each other, those of some buckets at a time.

        Parameters
        ----------
        at : ndarray of int32
            Positions among the rows of all tables, ascending.
        ids : pyarrow.StringArray
            Of all rows.
        """
        ends = np.cumsum([0, *(len(one) for one in self._tables)])
        n_slices = -(-len(at) // most)
        slices = buckets_of(ids.take(pa.array(at))) % n_slices
        names, of_names = sorted(rejected), np.zeros(0, np.uint16)
        if names:
            of_names = buckets_of(pa.array(names, pa.string())) % n_slices
        kept = []
        for number in range(n_slices):
            ours = frozenset(names[i] for i in np.flatnonzero(of_names == number))
            mine = at[slices == number]
            cut = np.searchsorted(mine, ends)
            rows = [
                one.rows(some - ends[i], ids.take(pa.array(some)), one.bad_ids & ours)
                for i, (one, some) in enumerate(zip(self._tables, np.split(mine, cut[1:-1]), strict=True))
            ]
            companies, lost = reconcile(rows, self._form, self._quarantine, unusable=unusable & ours)
            self.lost |= lost
            kept.append(arrow_texts(companies[ID]))
            columns = {name: self._narrow(name, companies[name]) for name in companies.columns[1:]}
            self._found.append((len(companies), columns))
        self.ids = all_ids(kept)

    def companies(self, ids: Any, source: NDArray[np.int32]) -> Companies:
        """Return companies by their ids and the places of their rows."""
        closed = self._column(CONVERTED_ON, np.int32(NEVER_CLOSED)).take(source)
        value = self._column(VALUE, np.float32(np.nan)).take(source)
        value[closed == NEVER_CLOSED] = np.nan
        since = None
        if self._form.has_since or any(SINCE in one.columns for one in self._tables):
            since = self._column(SINCE, np.int32(NEVER_BEGAN)).take(source)
        attributes = {
            one.name: self._column(one.name, np.float32(np.nan)).take(source) for one in self._form.attributes
        }
        return Companies(ids, closed, value, since, attributes)

    def _column(self, name: str, blank: np.generic) -> Any:
        pieces = [(len(one), one.columns.pop(name, None)) for one in self._tables]
        pieces += [(n_rows, columns.pop(name, None)) for n_rows, columns in self._found]
        return joined([self._filled(name, one, n_rows, blank) for n_rows, one in pieces])

    def _filled(
        self, name: str, column: NDArray[Any] | Texts | None, n_rows: int, blank: np.generic
    ) -> NDArray[Any] | Texts:
        if name in self._texts:
            return Texts.blank(n_rows) if column is None else column
        return np.broadcast_to(blank, n_rows) if column is None or not n_rows else column

    def _narrow(self, name: str, column: pd.Series[Any]) -> NDArray[Any] | Texts:
        if name not in self._texts:
            return narrow(column.to_numpy())
        return Texts.blank(len(column)) if column.dtype.kind == "f" else Texts.of(arrow_texts(column))


def _among(ids: Any, some: frozenset[str]) -> NDArray[np.bool_]:
    return as_flags(pc.is_in(ids, value_set=pa.array(sorted(some), pa.string())))
