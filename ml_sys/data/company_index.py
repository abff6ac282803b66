"""Look up companies' positions by id, for millions of rows."""

from __future__ import annotations

from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml_sys.data.checking.columns import all_ids, as_flags, buffers
from ml_sys.data.parts.buckets import buckets_of, hashes_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

# Whole-number ids in a dense range are looked up in a table, without hashing.
_TABLE_PER_COMPANY, _TABLE_ALWAYS = 8, 1 << 20
_MOST_DIGITS = 9
_CANONICAL = rf"^(0|[1-9][0-9]{{0,{_MOST_DIGITS - 1}}})$"
_FREE = -1
_FEWEST_SLOTS = 16
_PRINT_BITS = np.uint64(32)
# Ids are entered this many at a time, so that what is needed meanwhile does not grow with them.
_ENTERED = 1 << 20
# New ids that a growing index keeps beside those in its table; beyond, at most this share of them.
_FEW_NEW, _NEW_SHARE = 1 << 16, 4


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
        self._found: _ByNumber | _ByHash = _ByNumber.of(self.ids) or _ByHash(self.ids)

    @cached_property
    def buckets(self) -> NDArray[np.uint16]:
        """The bucket of each company; used by ingest only."""
        return buckets_of(self.ids)

    def buckets_at(self, positions: NDArray[np.int32]) -> NDArray[np.uint16]:
        """Return the buckets of the companies at some positions."""
        return self.buckets[positions]

    def positions(self, ids: Any) -> NDArray[np.int32]:
        """Return the position of each id of a `pyarrow.StringArray`, -1 if it is unknown."""
        return self._found.positions(ids)


class GrowingIndex:
    """Positions of companies that are known from usage alone, in order of appearance.

    Parameters
    ----------
    lost : frozenset of str
        Ids of companies whose every row is in quarantine.
    """

    def __init__(self, lost: frozenset[str]) -> None:
        self.lost = lost
        self._index = CompanyIndex((), lost)
        self._new: dict[str, int] = {}
        self._buckets = np.zeros(0, np.uint16)
        self._lock = Lock()

    def positions(self, ids: Any) -> NDArray[np.int32]:
        """Return the position of each id of a `pyarrow.StringArray`, new or not; -1 if it is lost."""
        found = self._index.positions(ids)
        unknown = np.flatnonzero(found < 0)
        if unknown.size:
            encoded = ids.take(pa.array(unknown)).dictionary_encode()
            with self._lock:
                added = self._added(encoded.dictionary)
            found[unknown] = added[encoded.indices.to_numpy()]
        return found

    def buckets_at(self, positions: NDArray[np.int32]) -> NDArray[np.uint16]:
        """Return the buckets of the companies at some positions."""
        with self._lock:
            n_known = len(self._buckets)
            if n_known < len(self._index.ids) + len(self._new):
                fresh = self._ids().slice(n_known)
                self._buckets = np.append(self._buckets, buckets_of(fresh))
            return self._buckets[positions]

    def settled(self) -> tuple[CompanyIndex, NDArray[np.int32]]:
        """Return an index of all companies, sorted by id, and the new position of each old one."""
        ids = self._ids()
        order = pc.sort_indices(ids).to_numpy()
        moved = np.empty(len(order), np.int32)
        moved[order] = np.arange(len(order), dtype=np.int32)
        return CompanyIndex(ids.take(pa.array(order)), self.lost), moved

    def _added(self, ids: Any) -> NDArray[np.int32]:
        """Return the positions of distinct ids, adding those that are still new."""
        found = self._index.positions(ids)
        n_known = len(self._index.ids)
        for at in np.flatnonzero(found < 0).tolist():
            name = ids[at].as_py()
            if name not in self.lost:
                found[at] = self._new.setdefault(name, n_known + len(self._new))
        if len(self._new) > max(_FEW_NEW, n_known // _NEW_SHARE):
            self._index = CompanyIndex(self._ids(), self.lost)
            self._new = {}
        return found

    def _ids(self) -> Any:
        return all_ids([self._index.ids, pa.array(list(self._new), pa.string())])


class _ByNumber:
    """Positions by number, for ids that are whole numbers in canonical form in a dense range."""

    def __init__(self, numbers: NDArray[np.int32]) -> None:
        self._least = int(numbers.min())
        self._table = np.full(int(numbers.max()) - self._least + 1, _FREE, np.int32)
        self._table[numbers - self._least] = np.arange(len(numbers), dtype=np.int32)

    @classmethod
    def of(cls, ids: Any) -> _ByNumber | None:
        """Make one; None if the ids are other texts, or numbers far apart."""
        numbers = _whole_numbers(ids)
        if numbers is None:
            return None
        span = int(numbers.max()) - int(numbers.min())
        return cls(numbers) if span < _TABLE_PER_COMPANY * len(numbers) + _TABLE_ALWAYS else None

    def positions(self, ids: Any) -> NDArray[np.int32]:
        """See `CompanyIndex`."""
        numbers = _whole_numbers(ids)
        if numbers is None:
            return self._positions_of_some(ids)
        places = numbers - self._least
        beyond = (places < 0) | (places >= len(self._table))
        if not beyond.any():
            return self._table.take(places)
        return np.where(beyond, np.int32(_FREE), self._table[np.where(beyond, 0, places)])

    def _positions_of_some(self, ids: Any) -> NDArray[np.int32]:
        """Look up a batch in which some ids are no such numbers, and so unknown."""
        found = np.full(len(ids), _FREE, np.int32)
        numbers = as_flags(pc.match_substring_regex(ids, _CANONICAL))
        if numbers.any():
            found[numbers] = self.positions(ids.filter(pa.array(numbers)))
        return found


class _ByHash:
    """Positions by hash, in a table of which a third to two thirds is used.

    A table that is built once costs some ten bytes an id; Arrow builds one for each batch that is looked up.
    The place of an id is the first free one from that which the lowest bits of its hash name. The highest
    bits are compared before ids are, which lie all over the memory.
    """

    def __init__(self, ids: Any) -> None:
        self._ids = ids
        n_slots = max(_FEWEST_SLOTS, 1 << (len(ids) + len(ids) // 2).bit_length())
        self._last = np.uint64(n_slots - 1)
        self._table = np.full(n_slots, _FREE, np.int32)
        self._prints = np.empty(len(ids), np.uint32)
        for start in range(0, len(ids), _ENTERED):
            self._enter(start, ids.slice(start, _ENTERED))

    def positions(self, ids: Any) -> NDArray[np.int32]:
        """See `CompanyIndex`."""
        slots, prints = self._hashed(ids)
        found, at = np.full(len(ids), _FREE, np.int32), np.arange(len(ids))
        while at.size:
            place = self._table[slots]
            used = np.flatnonzero(place != _FREE)
            at, slots, place = at[used], slots[used], place[used]
            alike = np.flatnonzero(self._prints[place] == prints[at])
            ours, theirs = ids.take(pa.array(at[alike])), self._ids.take(pa.array(place[alike]))
            same = alike[as_flags(pc.equal(ours, theirs))]
            found[at[same]] = place[same]
            others = np.ones(len(at), np.bool_)
            others[same] = False
            at, slots = at[others], self._next(slots[others])
        return found

    def _enter(self, start: int, ids: Any) -> None:
        slots, prints = self._hashed(ids)
        self._prints[start : start + len(ids)] = prints
        waiting = np.arange(start, start + len(ids), dtype=np.int32)
        while waiting.size:
            free = self._table[slots] == _FREE
            self._table[slots[free]] = waiting[free]  # of several at one place, the last remains
            left = self._table[slots] != waiting
            waiting, slots = waiting[left], self._next(slots[left])

    def _next(self, slots: NDArray[np.int64]) -> NDArray[np.int64]:
        return (slots + 1) & np.int64(self._last)

    def _hashed(self, ids: Any) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
        hashes = hashes_of(ids)
        return (hashes & self._last).astype(np.int64), (hashes >> _PRINT_BITS).astype(np.uint32)


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
