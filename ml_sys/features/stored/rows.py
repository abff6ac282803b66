"""Rows of features in files, a column each, as long as anything refers to them.

A row is named by its number, as in memory. Rows whose digests are near each other lie near each other, and so
rows in canonical order are read in runs.
"""

from __future__ import annotations

import shutil
import weakref
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ml_sys.durable import storage_errors
from ml_sys.features.rows import Different, leaders, together
from ml_sys.scratch import scratch_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from ml_sys.features.rows import Rows

# How the names of temporary folders begin that hold features.
SCRATCH = "mlsys-features"
# Rows between two that are wanted that are read as well, since another read costs as much.
_GAP = 2048
# Rows that wait to be written at a time.
_AT_ONCE = 2**17
_CELL = np.dtype(np.int32).itemsize


# See :class:`ml_sys.features.known.Pile`.
United = tuple[Different, list["NDArray[np.int32]"], "NDArray[np.int32] | None"]


class StoredDifferent(Different):
    """Rows that differ, in files; see :class:`ml_sys.features.rows.Different`.

    Numbers are kept as they are, bit for bit, texts as numbers of their levels. The files go with the
    instance that wrote them; one that was sent to another process reads them, and leaves them.

    Parameters
    ----------
    like : DataFrame
        Its columns are those of the rows; its rows are not among them.
    levels : dict of str to dict, optional
        Numbers of the texts of each column that has any; those that come are added to it.
    """

    def __init__(self, like: pd.DataFrame, levels: dict[str, dict[Any, int]] | None = None) -> None:
        super().__init__(like.iloc[:0], np.empty(0, dtype=np.uint64))
        texts = [str(name) for name in like.columns if like[name].dtype != np.float32]
        self._levels_of = {name: {} for name in texts} if levels is None else levels
        self._exact: NDArray[np.uint64] = np.empty(0, dtype=np.uint64)
        stack = ExitStack()
        self._folder: Path = stack.enter_context(scratch_folder(SCRATCH))
        weakref.finalize(self, stack.close)

    def __len__(self) -> int:
        return self.digests().size

    @property
    def is_stored(self) -> bool:
        """Whether the rows lie in files: yes."""
        return True

    def names(self) -> list[str]:
        """Return the names of the columns, in order."""
        return [str(name) for name in self.frame.columns]

    def exact_digests(self) -> NDArray[np.uint64]:
        """Return a 64-bit digest of each row that tells zeros of either sign apart as well."""
        return self._exact

    def column(self, name: str) -> NDArray[Any]:
        """Return a column, a value for each row."""
        return self._told(name, self._cells(name, [slice(0, len(self))]))

    def taken(self, rows: NDArray[np.integer[Any]]) -> pd.DataFrame:
        """Return some rows, in the order given."""
        wanted, place = np.unique(rows, return_inverse=True)
        runs = list(_runs(wanted))
        starts = np.cumsum([0, *(run.stop - run.start for run in runs)])
        which = np.searchsorted([run.start for run in runs], wanted, side="right") - 1
        first = np.array([run.start for run in runs], dtype=np.int64)
        at = (starts[which] + wanted - first[which])[place] if runs else place
        columns = {name: self._told(name, self._cells(name, runs)[at]) for name in self.names()}
        return pd.DataFrame(columns, copy=False)

    def add(self, rows: Different) -> None:
        """Write rows behind those that are there, in memory or in files as they may be."""
        with storage_errors(self._folder):
            for name in self.names():
                self._append(name, self._numbered(name, rows.column(name)))
        self._digests = np.concatenate([self.digests(), rows.digests()])
        self._exact = np.concatenate([self._exact, rows.exact_digests()])

    def copy(self) -> StoredDifferent:
        """Return the same rows in files of their own."""
        found = StoredDifferent(self.frame, self._levels_of)
        with storage_errors(found._folder):
            for path in self._folder.iterdir():
                shutil.copyfile(path, found._folder / path.name)
        found._digests, found._exact = self.digests(), self._exact
        return found

    def once(self) -> tuple[StoredDifferent, NDArray[np.int32]]:
        """Return the rows each once, near each other by digest, and of each row its number among them.

        Rows are grouped by digest and compared value by value with the first of their group; see
        :meth:`ml_sys.features.rows.Rows.merged`.
        """
        digest = self.digests()
        leader = leaders(digest)
        follows = np.flatnonzero(leader != np.arange(leader.size))
        differ = np.zeros(follows.size, dtype=bool)
        every = [slice(0, len(self))]
        for name in self.names() if follows.size else ():
            cells = self._cells(name, every)
            differ |= cells[follows] != cells[leader[follows]]
        leader[follows[differ]] = follows[differ]
        kept = np.flatnonzero(leader == np.arange(leader.size))
        kept = kept[np.argsort(digest[kept], kind="stable")]
        number = np.empty(leader.size, dtype=np.int32)
        number[kept] = np.arange(kept.size, dtype=np.int32)
        found = StoredDifferent(self.frame, self._levels_of)
        with storage_errors(found._folder):
            for name in self.names():
                found._append(name, self._cells(name, every)[kept])
        found._digests, found._exact = digest[kept], self._exact[kept]
        return found, number[leader]

    def _append(self, name: str, cells: NDArray[np.int32]) -> None:
        with self._path(name).open("ab") as file:
            file.write(np.ascontiguousarray(cells).data)

    def _cells(self, name: str, runs: Sequence[slice]) -> NDArray[np.int32]:
        """Read runs of rows of a column, one behind the other."""
        found = np.empty(sum(run.stop - run.start for run in runs), dtype=np.int32)
        if not found.size:
            return found
        start, view = 0, found.view(np.uint8).data
        with storage_errors(self._folder), self._path(name).open("rb", buffering=0) as file:
            for run in runs:
                size = (run.stop - run.start) * _CELL
                file.seek(run.start * _CELL)
                left = view[start : start + size]
                while left and (read := file.readinto(left)):
                    left = left[read:]
                start += size
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

    def _path(self, name: str) -> Path:
        return self._folder / str(self.names().index(name))


class StoredPile:
    """Rows that are collected in files; see :class:`ml_sys.features.known.Pile`.

    Parameters
    ----------
    known : Different, optional
        Rows that are known.
    """

    def __init__(self, known: Different | None) -> None:
        self._written = known.copy() if isinstance(known, StoredDifferent) else None
        self._n_known = 0 if known is None else len(known)
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
        """Keep equal rows once, beside those that were known to begin with."""
        known.clear()
        different, number = self._write().once()
        self._written = None
        return different, [number[one] for one in self._which], number[: self._n_known]

    def _write(self) -> StoredDifferent:
        if self._written is None:
            self._written = StoredDifferent(self._waiting[0].different.frame)
        if self._waiting:
            different, numbers = together(self._waiting, [])
            self._which += [number + np.int32(len(self._written)) for number in numbers]
            self._written.add(different)
            self._n_waiting = 0
        return self._written


def _runs(wanted: NDArray[np.integer[Any]]) -> Iterator[slice]:
    """Yield runs of rows that hold all that are wanted, ascending, and few others."""
    if wanted.size:
        edges = np.flatnonzero(np.diff(wanted) > _GAP) + 1
        for run in np.split(wanted, edges):
            yield slice(int(run[0]), int(run[-1]) + 1)
