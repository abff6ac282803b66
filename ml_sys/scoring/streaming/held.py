"""Hold rows between reading and scoring: ids in memory, other columns in an unnamed file if they are many.

Invariant: batches have the same size whatever parts the rows came in, so a list does not depend on how its
file was cut.
"""

from __future__ import annotations

import tempfile
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa

from ml_sys.data.checking.columns import all_ids
from ml_sys.data.snapshot_id import arrow_texts
from ml_sys.durable import storage_errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    from numpy.typing import NDArray

BATCH_ROWS = 1 << 16
# Number of batches that stay in memory; with plain attributes they take some ten megabytes.
_IN_MEMORY = 4
ID = "id"


class HeldRows:
    """Rows of prospects, one for each, in the order of their file.

    Rows can be added until one of the other methods is called.

    Parameters
    ----------
    in_memory : int
        Number of batches to keep in memory.
    """

    def __init__(self, in_memory: int = _IN_MEMORY) -> None:
        self._ids: list[Any] = []
        self._hashes: list[NDArray[np.uint64]] = []
        self._pending: list[pa.RecordBatch] = []
        self._batches: list[pa.RecordBatch] = []
        self._in_memory = in_memory
        self._file: Any = None
        self._writer: Any = None
        self._reader: Any = None
        self._n_rows = 0

    def __len__(self) -> int:
        return self._n_rows

    @property
    def ids(self) -> Any:
        """The id of every row, as a `pyarrow.StringArray`."""
        if len(self._ids) != 1:
            self._ids = [all_ids(self._ids) if self._ids else pa.array([], pa.string())]
        return self._ids[0]

    def add(self, rows: pa.RecordBatch) -> None:
        """Add rows; one column is the id.

        Raises
        ------
        StorageError
            If they cannot be written.
        """
        if rows.num_rows:
            self._ids.append(rows.column(ID))
            self._n_rows += rows.num_rows
            self._pending.append(rows.drop_columns([ID]))
            self._cut(BATCH_ROWS)

    def again(self) -> NDArray[np.intp]:
        """Return the positions of rows whose id occurs more than once.

        Ids are compared by their hashes, so very rarely a few other rows are included.
        """
        hashes = np.empty(self._n_rows, dtype=np.uint64)
        at = 0
        connection = duckdb.connect()
        for ids in self._ids:
            table = connection.from_arrow(pa.table({ID: ids}))
            hashes[at : at + len(ids)] = table.project(f"hash({ID}) AS found").fetchnumpy()["found"]
            at += len(ids)
        connection.close()
        ordered = np.sort(hashes)
        shared = ordered[1:][ordered[1:] == ordered[:-1]]
        if not shared.size:
            return np.empty(0, dtype=np.intp)
        place = np.searchsorted(shared, hashes)
        return np.flatnonzero(shared[np.minimum(place, shared.size - 1)] == hashes)

    def batches(self) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Yield the position of the first row and the rows of each batch, including ids."""
        self._finish()
        for number in range(-(-self._n_rows // BATCH_ROWS)):
            start = number * BATCH_ROWS
            rows = self._batch(number)
            yield start, rows.append_column(ID, self.ids.slice(start, rows.num_rows))

    def take(self, places: NDArray[np.integer[Any]]) -> pa.RecordBatch:
        """Return some rows, in the given order."""
        self._finish()
        numbers = places // BATCH_ROWS
        order = np.argsort(numbers, kind="stable")
        found = [
            self._batch(number).take(places[numbers == number] - number * BATCH_ROWS)
            for number in np.unique(numbers).tolist()
        ]
        if not found:
            return self._batch(0).slice(0, 0).append_column(ID, pa.array([], pa.string()))
        back = np.empty_like(order)
        back[order] = np.arange(order.size)
        (rows,) = pa.Table.from_batches(found).combine_chunks().take(back).to_batches()
        return rows.append_column(ID, self.ids.take(places))

    def without(self, dropped: NDArray[np.bool_], instead: pa.RecordBatch, at: NDArray[np.intp]) -> HeldRows:
        """Return the rows that are not dropped, some of them replaced.

        Parameters
        ----------
        dropped : ndarray of shape (n,), bool
        instead : pyarrow.RecordBatch
            Replacement rows.
        at : ndarray of shape (instead.num_rows,), intp
            Positions of the rows they replace, ascending.
        """
        kept = HeldRows(self._in_memory)
        for start, rows in self.batches():
            low, high = np.searchsorted(at, [start, start + rows.num_rows])
            place = np.arange(rows.num_rows)
            place[at[low:high] - start] = rows.num_rows + np.arange(high - low)
            both = pa.Table.from_batches([rows, instead.slice(low, high - low).select(rows.schema.names)])
            stay = place[~dropped[start : start + rows.num_rows]]
            for part in both.combine_chunks().take(stay).to_batches():
                kept.add(part)
        return kept

    def _cut(self, at_least: int) -> None:
        """Make batches of pending rows while there are at least this many."""
        n_pending = sum(one.num_rows for one in self._pending)
        if not n_pending or n_pending < at_least:
            return
        (rows,) = pa.Table.from_batches(self._pending).combine_chunks().to_batches() or [self._pending[0]]
        whole = rows.num_rows if at_least < BATCH_ROWS else rows.num_rows // BATCH_ROWS * BATCH_ROWS
        for start in range(0, whole, BATCH_ROWS):
            self._keep(rows.slice(start, min(BATCH_ROWS, whole - start)))
        self._pending = [rows.slice(whole)] if whole < rows.num_rows else []

    def _keep(self, batch: pa.RecordBatch) -> None:
        if len(self._batches) < self._in_memory:
            self._batches.append(batch)
            return
        with storage_errors(Path(tempfile.gettempdir())):
            if self._file is None:
                self._file = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the rows
                weakref.finalize(self, self._file.close)
                options = pa.ipc.IpcWriteOptions(compression="lz4")
                self._writer = pa.ipc.new_file(self._file, batch.schema, options=options)
            self._writer.write_batch(batch)

    def _finish(self) -> None:
        """Take no more rows."""
        self._cut(1)
        if self._writer is not None and self._reader is None:
            with storage_errors(Path(tempfile.gettempdir())):
                self._writer.close()
                self._file.flush()
            self._file.seek(0)
            self._reader = pa.ipc.open_file(self._file)

    def _batch(self, number: int) -> pa.RecordBatch:
        if number < len(self._batches):
            return self._batches[number]
        batch: pa.RecordBatch = self._reader.get_batch(number - len(self._batches))
        return batch


def held_frame(frame: pd.DataFrame) -> HeldRows:
    """Hold the rows of a table."""
    rows = HeldRows()
    columns = {str(name): as_arrow(column) for name, column in frame.items()}
    rows.add(pa.RecordBatch.from_pydict(columns))
    return rows


def as_arrow(column: pd.Series[Any]) -> Any:
    """Convert a column of numbers or texts to an Arrow array."""
    return pa.array(column.to_numpy()) if column.dtype.kind in "iuf" else arrow_texts(column)
