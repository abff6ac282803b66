"""Look up companies' positions by id, for millions of rows."""

from __future__ import annotations

from functools import cached_property
from itertools import islice
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml_sys.data.checking.columns import buffers
from ml_sys.data.parts.buckets import buckets_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

# Whole-number ids in a dense range are looked up in a table, without hashing.
_TABLE_PER_COMPANY, _TABLE_ALWAYS = 8, 1 << 20
_MOST_DIGITS = 9


class CompanyIndex:
    """The position of each company.

    Parameters
    ----------
    ids : iterable of str
        Distinct ids, in order of position.
    lost : frozenset of str
        Ids of companies whose every row is in quarantine.
    """

    def __init__(self, ids: Iterable[str] | pa.StringArray, lost: frozenset[str]) -> None:
        self.ids: Any = ids if isinstance(ids, pa.Array) else pa.array(ids, pa.string())
        self.lost = lost
        numbers = _whole_numbers(self.ids)
        self._table: NDArray[np.int32] | None = None
        if numbers is not None and numbers.max() < _TABLE_PER_COMPANY * len(numbers) + _TABLE_ALWAYS:
            self._table = np.full(int(numbers.max()) + 1, -1, np.int32)
            self._table[numbers] = np.arange(len(numbers), dtype=np.int32)

    @cached_property
    def buckets(self) -> NDArray[np.uint16]:
        """The bucket of each company; used by ingest only."""
        return buckets_of(self.ids)

    def buckets_at(self, positions: NDArray[np.int32]) -> NDArray[np.uint16]:
        """Return the buckets of the companies at some positions."""
        return self.buckets[positions]

    def positions(self, ids: Any) -> NDArray[np.int32]:
        """Return the position of each id of a `pyarrow.StringArray`, -1 if it is unknown."""
        numbers = _whole_numbers(ids) if self._table is not None else None
        if self._table is None or numbers is None:
            found: NDArray[np.int32] = pc.index_in(ids, value_set=self.ids).fill_null(-1).to_numpy()
            return found
        beyond = numbers >= len(self._table)
        if not beyond.any():
            return self._table.take(numbers)
        return np.where(beyond, np.int32(-1), self._table[np.where(beyond, 0, numbers)])


class GrowingIndex:
    """Positions of companies that are known from usage alone, in order of appearance.

    Parameters
    ----------
    lost : frozenset of str
        Ids of companies whose every row is in quarantine.
    """

    def __init__(self, lost: frozenset[str]) -> None:
        self.lost = lost
        self._positions: dict[str, int] = {}
        self._buckets = np.zeros(0, np.uint16)
        self._lock = Lock()

    def add(self, ids: Iterable[str]) -> None:
        """Add companies."""
        for name in ids:
            if name not in self.lost:
                self._positions.setdefault(name, len(self._positions))

    def positions(self, ids: Any) -> NDArray[np.int32]:
        """Return the position of each id of a `pyarrow.StringArray`, -1 if it is lost."""
        encoded = ids.dictionary_encode()
        distinct = encoded.dictionary.to_pylist()
        with self._lock:
            self.add(distinct)
            found = [self._positions.get(name, -1) for name in distinct]
        places: NDArray[np.int32] = np.array(found, np.int32)[encoded.indices.to_numpy()]
        return places

    def buckets_at(self, positions: NDArray[np.int32]) -> NDArray[np.uint16]:
        """Return the buckets of the companies at some positions."""
        with self._lock:
            n_known = len(self._buckets)
            if n_known < len(self._positions):
                fresh = pa.array(list(islice(self._positions, n_known, None)), pa.string())
                self._buckets = np.append(self._buckets, buckets_of(fresh))
            return self._buckets[positions]

    def settled(self) -> tuple[CompanyIndex, NDArray[np.int32]]:
        """Return an index of all companies, sorted by id, and the new position of each old one."""
        ids = pa.array(list(self._positions), pa.string())
        order = pc.sort_indices(ids).to_numpy()
        moved = np.empty(len(order), np.int32)
        moved[order] = np.arange(len(order), dtype=np.int32)
        return CompanyIndex(ids.take(pa.array(order)), self.lost), moved


def _whole_numbers(ids: Any) -> NDArray[np.int32] | None:
    """Return ids as integers, if all are whole numbers in canonical form."""
    offsets, data = buffers(ids)
    lengths = np.diff(offsets)
    if not len(lengths) or not (lengths.all() and lengths.max() <= _MOST_DIGITS):
        return None
    leading_zeros = (data[offsets[:-1] - offsets[0]] == ord("0")) & (lengths > 1)
    if leading_zeros.any() or (data - ord("0") > 9).any():  # in uint8: what is below "0" wraps around
        return None
    numbers: NDArray[np.int32] = ids.cast(pa.int32()).to_numpy()
    return numbers
