"""Collect usage rows as they are read: in memory while they are few, then in a file, by bucket.

Batches in the file are sorted by bucket, so that the rows of a part are one piece of each batch, however many
parts there will be.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ml_sys.data.parts.buckets import BUCKETS
from ml_sys.data.parts.overflow import Narrow
from ml_sys.data.usage import UsageMeasures, UsageRows, join

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml_sys.data.parts.overflow import Overflow, Stored

ROWS_IN_MEMORY = 2_000_000
_COLUMNS = ("company", "stamp", "measures", "lines")
_NOBODY = np.zeros(0, np.intp)


class Dealt(NamedTuple):
    """A batch, the bucket of each row and, for the file, its columns sorted by bucket."""

    rows: UsageRows
    buckets: NDArray[np.uint16]
    sorted: _Sorted | None = None


class _Sorted(NamedTuple):
    """The columns of a batch by bucket, and where each bucket begins."""

    columns: list[Narrow]
    bounds: NDArray[np.int64]


@dataclass(frozen=True)
class _Piece:
    """A batch in the file: the places of its columns, and where each bucket begins."""

    columns: list[Stored]
    bounds: NDArray[np.int64]


class Spill:
    """The usage rows of one table.

    Parameters
    ----------
    overflow : Overflow
        The file for rows that are too many.
    most : int
        Number of rows that stay in memory.
    """

    def __init__(self, overflow: Overflow, measures: UsageMeasures, most: int = ROWS_IN_MEMORY) -> None:
        self.measures = measures
        self.n_rows = 0
        self._overflow = overflow
        self._most = most
        self._held: list[Dealt] = []
        self._pieces: list[_Piece] = []
        self._moved: NDArray[np.int32] | None = None

    @property
    def has_overflown(self) -> bool:
        """Whether the rows are in the file."""
        return bool(self._pieces)

    def dealt(self, rows: UsageRows, buckets: NDArray[np.uint16]) -> Dealt:
        """Prepare a batch, in parallel with others; rows for the file are sorted."""
        if not self._pieces:
            return Dealt(rows, buckets)
        return Dealt(rows.take(_NOBODY), buckets, _sorted(rows, buckets))

    def add(self, batch: Dealt) -> None:
        """Add a batch; batches must come in the order of the file.

        Raises
        ------
        StorageError
            If there is not enough room.
        """
        self.n_rows += len(batch.buckets)
        if not self._pieces and self.n_rows <= self._most:
            self._held.append(batch)
            return
        for one in (*self._held, batch):
            columns, bounds = one.sorted or _sorted(one.rows, one.buckets)
            self._pieces.append(_Piece(self._overflow.put(*columns), bounds))
        self._held.clear()

    def move(self, order: NDArray[np.int32]) -> None:
        """Renumber the companies: ``order`` gives the new position of each present one."""
        self._moved = order

    def take(self, first: int, end: int) -> UsageRows:
        """Return the rows of buckets ``first`` to ``end`` (exclusive); rows in memory are released.

        Rows of a bucket are in the order in which they came.
        """
        if self._pieces:
            rows = self._read(first, end)
        elif (first, end) == (0, BUCKETS):
            held = [one.rows for one in self._held]
            self._held.clear()
            rows = join(held, self.measures)
        else:
            mine = [np.flatnonzero((one.buckets >= first) & (one.buckets < end)) for one in self._held]
            some = [one.rows.take(at) for one, at in zip(self._held, mine, strict=True)]
            rows = join(some, self.measures)
        if self._moved is None:
            return rows
        return UsageRows(self._moved[rows.company], rows.stamp, rows.measures, rows.lines, rows.digits)

    def _read(self, first: int, end: int) -> UsageRows:
        sizes = [int(one.bounds[end] - one.bounds[first]) for one in self._pieces]
        n, measures = sum(sizes), self.measures
        # Counts and lines stay as narrow as in the file: they are many, and only looked at.
        counted, lines = (np.result_type(*{one.columns[at].held for one in self._pieces}) for at in (2, 3))
        rows = UsageRows(
            np.empty(n, np.int32),
            np.empty(n, np.int64),
            np.empty((n, len(measures.names)), counted),
            np.empty(n, lines),
            measures.digits,
        )
        at = 0
        for piece, size in zip(self._pieces, sizes, strict=True):
            for name, stored in zip(_COLUMNS, piece.columns, strict=True):
                target = getattr(rows, name)[at : at + size]
                self._overflow.take_into(target, stored, int(piece.bounds[first]))
            at += size
        return rows


def _sorted(rows: UsageRows, buckets: NDArray[np.uint16]) -> _Sorted:
    """Sort columns by bucket, and keep the order within each."""
    order = np.argsort(buckets, kind="stable")
    bounds = np.append(0, np.cumsum(np.bincount(buckets, minlength=BUCKETS)))
    return _Sorted([Narrow.of(getattr(rows, name)).take(order) for name in _COLUMNS], bounds)
