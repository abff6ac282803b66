"""Rows of features in files, a column each, as long as anything refers to them.

A row is named by its number, as in memory. Rows whose digests are near each other lie near each other, and so
rows in canonical order are read in runs.
"""

from __future__ import annotations

import weakref
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ml_sys.durable import storage_errors
from ml_sys.features.rows import Different, leaders, together
from ml_sys.scratch import scratch_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from ml_sys.features.rows import Rows

# How the names of temporary folders begin that hold features, or the usage that they are computed from.
SCRATCH = "mlsys-features"
# Rows between two that are wanted that are read as well, since another read costs as much.
_GAP = 2048
# Rows that wait to be written at a time.
_AT_ONCE = 2**17
_CELL = np.dtype(np.int32).itemsize
_NONE = np.empty(0, dtype=np.int32)


# See :class:`ml_sys.features.known.Pile`.
United = tuple[Different, list["NDArray[np.int32]"]]


class _Files:
    """A folder with a file for each column, which goes with what refers to it in the process that made it."""

    def __init__(self) -> None:
        stack = ExitStack()
        self.folder: Path = stack.enter_context(scratch_folder(SCRATCH))
        weakref.finalize(self, stack.close)


class StoredDifferent(Different):
    """Rows that differ, in files; see :class:`ml_sys.features.rows.Different`.

    Numbers are kept as they are, bit for bit, texts as numbers of their levels. The files go with the last
    that refers to them; one that was sent to another process reads them, and leaves them.

    Parameters
    ----------
    like : DataFrame
        Its columns are those of the rows; its rows are not among them.
    levels : dict of str to dict, optional
        Numbers of the texts of each column that has any; those that come are added to it.
    """

    def __init__(self, like: pd.DataFrame, levels: dict[str, dict[Any, int]] | None = None) -> None:
        super().__init__(like.iloc[:0], np.empty(0, dtype=np.uint64))
        self._places = {str(name): str(at) for at, name in enumerate(like.columns)}
        texts = [name for name in self._places if like[name].dtype != np.float32]
        self._levels_of = {name: {} for name in texts} if levels is None else levels
        self._exact: NDArray[np.uint64] = np.empty(0, dtype=np.uint64)
        self.files: list[tuple[_Files, int]] = []  # with how many rows lie in each

    def __len__(self) -> int:
        return self.digests().size

    @property
    def is_stored(self) -> bool:
        """Return True, as the rows are in files."""
        return True

    def names(self) -> list[str]:
        """Return the names of the columns, in order."""
        return list(self._places)

    def exact_digests(self) -> NDArray[np.uint64]:
        """Return a 64-bit digest of each row that tells zeros of either sign apart as well."""
        return self._exact

    def column(self, name: str) -> NDArray[Any]:
        """Return a column, a value for each row."""
        return self._told(name, self._cells(name, [slice(0, len(self))]))

    def taken(self, rows: NDArray[np.integer[Any]]) -> pd.DataFrame:
        """Return some rows, in the order given."""
        wanted, place = np.unique(rows, return_inverse=True)
        columns = {name: self._told(name, self.picked(name, wanted)[place]) for name in self.names()}
        return pd.DataFrame(columns, copy=False)

    def add(self, rows: Different) -> None:
        """Write rows behind those that are there, in memory or in files as they may be."""
        self._append(((name, self._numbered(name, rows.column(name))) for name in self.names()), len(rows))
        digests = np.concatenate([self.digests(), rows.digests()])
        self._know(digests, np.concatenate([self._exact, rows.exact_digests()]))

    def once(self, known: StoredDifferent | None = None) -> tuple[StoredDifferent, NDArray[np.int32]]:
        """Return the rows each once, near each other by digest, and of each row its number among them.

        Those that are known come first, in the files that they are in; a row that is equal to one of them has
        its number. Rows are grouped by digest and compared value by value with the first of their group; see
        :meth:`ml_sys.features.rows.Rows.merged`.
        """
        digest, every = self.digests(), [slice(0, len(self))]
        before = StoredDifferent(self.frame, self._levels_of) if known is None else known
        leader = leaders(digest)
        follows = np.flatnonzero(leader != np.arange(leader.size))
        theirs = leaders(np.concatenate([before.digests(), digest]))[len(before) :] if known else leader
        there = np.flatnonzero(theirs < len(before))
        wanted, place = np.unique(theirs[there], return_inverse=True)
        differ, unlike = np.zeros(follows.size, dtype=bool), np.zeros(there.size, dtype=bool)
        for name in self.names() if follows.size or there.size else ():
            cells = self._cells(name, every)
            differ |= cells[follows] != cells[leader[follows]]
            unlike |= cells[there] != before.picked(name, wanted)[place]
        leader[follows[differ]] = follows[differ]
        number = np.full(leader.size, -1, dtype=np.int32)
        number[there[~unlike]] = theirs[there[~unlike]]
        kept = np.flatnonzero((leader == np.arange(leader.size)) & (number < 0))
        kept = kept[np.argsort(digest[kept], kind="stable")]
        number[kept] = len(before) + np.arange(kept.size, dtype=np.int32)
        number = np.where(number < 0, number[leader], number)
        found = StoredDifferent(self.frame, self._levels_of)
        found._append(((name, self._cells(name, every)[kept]) for name in self.names()), kept.size)
        found.files = [*before.files, *found.files]
        digests = np.concatenate([before.digests(), digest[kept]])
        found._know(digests, np.concatenate([before.exact_digests(), self._exact[kept]]))
        return found, number

    def _know(self, digests: NDArray[np.uint64], exact: NDArray[np.uint64]) -> None:
        """Keep both digests of each row, as one array where no zero lies below zero."""
        self._digests = digests
        self._exact = digests if np.array_equal(exact, digests) else exact

    def _append(self, columns: Iterable[tuple[str, NDArray[np.int32]]], n_rows: int) -> None:
        """Write columns behind what is there, one after the other, so that only one is in memory."""
        if not self.files:
            self.files = [(_Files(), 0)]
        [(files, before)] = self.files
        with storage_errors(files.folder):
            for name, cells in columns:
                with (files.folder / self._places[name]).open("ab") as file:
                    file.write(np.ascontiguousarray(cells).data)
        self.files = [(files, before + n_rows)]

    def picked(self, name: str, rows: NDArray[np.integer[Any]]) -> NDArray[np.int32]:
        """Read some rows of a column, ascending."""
        runs = list(_runs(rows))
        starts = np.cumsum([0, *(run.stop - run.start for run in runs)])
        first = np.array([run.start for run in runs], dtype=np.int64)
        which = np.searchsorted(first, rows, side="right") - 1
        return self._cells(name, runs)[starts[which] + rows - first[which]] if runs else _NONE

    def _cells(self, name: str, runs: Sequence[slice]) -> NDArray[np.int32]:
        """Read runs of rows of a column, ascending, one behind the other."""
        found = np.empty(sum(run.stop - run.start for run in runs), dtype=np.int32)
        start, view, first = 0, found.view(np.uint8).data, 0
        for files, n_rows in self.files:
            inside = [(max(run.start - first, 0), min(run.stop - first, n_rows)) for run in runs]
            with (
                storage_errors(files.folder),
                (files.folder / self._places[name]).open("rb", buffering=0) as file,
            ):
                for low, high in inside:
                    size = max(high - low, 0) * _CELL
                    file.seek(low * _CELL)
                    left = view[start : start + size]
                    while left and (read := file.readinto(left)):
                        left = left[read:]
                    start += size
            first += n_rows
        return found

    def _numbered(self, name: str, column: NDArray[Any]) -> NDArray[np.int32]:
        known = self._levels_of.get(name)
        if known is None:
            return np.ascontiguousarray(column, dtype=np.float32).view(np.int32)
        texts = [None if text != text else text for text in column.tolist()]
        for text in dict.fromkeys(texts):
            known.setdefault(text, len(known))
        return np.fromiter(map(known.__getitem__, texts), dtype=np.int32, count=len(texts))

    def _told(self, name: str, cells: NDArray[np.int32]) -> NDArray[Any]:
        if name not in self._levels_of:
            return cells.view(np.float32)
        texts = list(self._levels_of[name])
        if any(text is not None for text in texts):  # pandas has it so in a column of texts
            texts = [np.nan if text is None else text for text in texts]
        return np.array([*texts, None], dtype=object)[cells]


class StoredPile:
    """Rows that are collected in files; see :class:`ml_sys.features.known.Pile`.

    Parameters
    ----------
    known : Different, optional
        Rows that are known.
    """

    def __init__(self, known: Different | None) -> None:
        self._known = known if isinstance(known, StoredDifferent) else None
        self._written: StoredDifferent | None = None
        self._which: list[NDArray[np.int32]] = []
        self._waiting: list[Rows] = []
        self._n_waiting = 0

    def add(self, rows: Rows) -> None:
        """Keep rows; once there are enough they are written."""
        self._waiting.append(rows)
        self._n_waiting += len(rows.different)
        if self._n_waiting > _AT_ONCE:
            self._write()

    def united(self, known: list[Different]) -> United:
        """Keep equal rows once, beside those that were known to begin with, which keep their numbers."""
        known.clear()
        written, self._written = self._write(), None
        different, number = written.once(self._known)
        return different, [number[one] for one in self._which]

    def _write(self) -> StoredDifferent:
        if self._written is None:
            levels = None if self._known is None else self._known._levels_of  # noqa: SLF001 - of its own kind
            self._written = StoredDifferent(self._waiting[0].different.frame, levels)
        if self._waiting:
            different, numbers = together(self._waiting, [])
            self._which += [number + np.int32(len(self._written)) for number in numbers]
            self._written.add(different)
            self._n_waiting = 0
        return self._written


def _runs(wanted: NDArray[np.integer[Any]]) -> Iterator[slice]:
    """Yield ascending runs that contain all wanted rows, and few others."""
    if wanted.size:
        edges = np.flatnonzero(np.diff(wanted) > _GAP) + 1
        for run in np.split(wanted, edges):
            yield slice(int(run[0]), int(run[-1]) + 1)
