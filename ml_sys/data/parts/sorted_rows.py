"""Sort rows of a table that do not fit into memory: in a temporary database, and then in a Parquet file."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from ml_sys.data.parts.overflow import SCRATCH
from ml_sys.errors import StorageError
from ml_sys.scratch import scratch_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import ExitStack
    from pathlib import Path

# As `pyarrow.parquet.write_table` cuts a table, so that a file is the same in whichever way it was written.
ROW_GROUP = 1 << 20
_MEMORY_MB, _THREADS = 250, 2
_BATCH_ROWS = 1 << 16
_NO_ROOM = "No space left"


@dataclass(frozen=True)
class SortedFile:
    """Sorted rows in a temporary Parquet file, to the byte what `pyarrow.parquet.write_table` writes."""

    path: Path
    num_rows: int

    def texts(self, column: str) -> Iterator[Any]:
        """Return a column of texts in pieces."""
        with pq.ParquetFile(self.path) as file:
            for batch in file.iter_batches(_BATCH_ROWS, columns=[column]):
                yield batch.column(0)


class ManyRows:
    """Rows to be sorted.

    Parameters
    ----------
    schema : pyarrow.Schema
    stack : ExitStack
        Removes the temporary folder when it closes.
    """

    def __init__(self, schema: pa.Schema, stack: ExitStack) -> None:
        self._schema = schema
        self._folder = stack.enter_context(scratch_folder(SCRATCH))
        self._database = stack.enter_context(temporary_database(self._folder, _MEMORY_MB))
        self._run("CREATE TABLE kept AS FROM rows", schema.empty_table())

    def add(self, rows: pa.Table) -> None:
        """Add rows.

        Raises
        ------
        StorageError
            If the temporary folder has not enough room, or cannot be written.
        """
        self._run("INSERT INTO kept FROM rows", rows)

    def in_order(self, columns: Sequence[str], row_group: int = ROW_GROUP) -> SortedFile:
        """Sort all rows by some columns, texts by their bytes.

        Raises
        ------
        StorageError
            If the temporary folder has not enough room, or cannot be written.
        """
        path, n_rows, held = self._folder / "rows.parquet", 0, self._schema.empty_table()
        order = ", ".join(f'"{name}"' for name in columns)
        with room_errors(self._folder, "rows"), pq.ParquetWriter(path, self._schema) as file:
            found = self._database.sql(f"FROM kept ORDER BY {order}")
            for batch in found.to_arrow_reader(_BATCH_ROWS):
                held = pa.concat_tables([held, pa.Table.from_batches([batch]).cast(self._schema)])
                if held.num_rows >= row_group:
                    file.write_table(held[:row_group].combine_chunks(), row_group)
                    held = held[row_group:]
                n_rows += batch.num_rows
            if held.num_rows:
                file.write_table(held.combine_chunks(), row_group)
        return SortedFile(path, n_rows)

    def _run(self, statement: str, rows: pa.Table) -> None:
        with room_errors(self._folder, "rows"):
            self._database.register("rows", rows)
            self._database.execute(statement).complete()
            self._database.unregister("rows")


def temporary_database(folder: Path, memory_mb: int) -> duckdb.DuckDBPyConnection:
    """Open a database that lies in a folder beyond so much memory; its rows have no order."""
    return duckdb.connect(
        str(folder / "rows.duckdb"),
        config={
            "memory_limit": f"{memory_mb}MB",
            "threads": _THREADS,
            "temp_directory": str(folder),
            "preserve_insertion_order": False,
        },
    )


@contextmanager
def room_errors(folder: Path, what: str) -> Iterator[None]:
    """Turn a lack of room for a temporary database into one line.

    Raises
    ------
    StorageError
        If the folder has not enough room, or cannot be written.
    """
    try:
        yield
    except (duckdb.Error, OSError) as error:
        why = str(error).partition("\n")[0]
        is_full = isinstance(error, duckdb.OutOfMemoryException) or _NO_ROOM in why
        if not is_full and str(folder) not in why:
            raise
        problem = f"not enough room for the {what}" if is_full else f"the {what} cannot be kept there"
        hint = "set TMPDIR to a folder with more room"
        raise StorageError(f"{folder}: {problem}: {why}", hint=hint) from error
