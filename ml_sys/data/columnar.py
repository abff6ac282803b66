"""Typed tables (Parquet, a database, a data frame) as the same rows of text that a CSV file gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml_sys.data.rows import RAW_LIMIT, Part, Rows
from ml_sys.errors import UnreadableFileError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

BATCH_ROWS = 1 << 18
_EXACT_INTEGERS = 2.0**53  # beyond, a float64 no longer stands for one integer


def parts(where: str, batches: Iterable[pa.RecordBatch], columns: Mapping[str, str]) -> Iterator[Part]:
    """Yield batches as parts, their rows numbered from 1."""
    first = 1
    for batch in batches:
        yield _Part(where, batch, columns, first)
        first += batch.num_rows


@dataclass(frozen=True)
class _Part:
    where: str
    batch: pa.RecordBatch
    columns: Mapping[str, str]
    first_line: int

    def __call__(self) -> Rows:
        texts = {
            field: as_text(self.where, column, self.batch.column(column), is_id=field == "id")
            for field, column in self.columns.items()
        }
        lines = np.arange(self.first_line, self.first_line + self.batch.num_rows, dtype=np.int64)
        return Rows(texts, lines, lambda i: ",".join(text[i].as_py() for text in texts.values())[:RAW_LIMIT])


def as_text(where: str, column: str, values: Any, *, is_id: bool) -> Any:
    """Write values as a CSV export would.

    Parameters
    ----------
    where, column : str
        For messages.
    values : pyarrow.Array
        Of any flat type.
    is_id : bool
        Whether integral floats are integers that lost their type, as a column of ids with a blank has.

    Returns
    -------
    pyarrow.StringArray
        Blank ("") for null and NaN; instants in UTC.

    Raises
    ------
    UnreadableFileError
        If the column's type has no text, such as a list or a calendar interval, or its bytes are none.
    """
    kind = values.type
    if pa.types.is_dictionary(kind):
        values = values.dictionary_decode()
        kind = values.type
    if pa.types.is_nested(kind):
        raise UnreadableFileError(
            where, f"column {column!r} is of type {kind}", hint="a column of plain values is needed"
        )
    if pa.types.is_timestamp(kind):
        values = values.cast(pa.timestamp("us", "UTC" if kind.tz else None), safe=False)
    elif pa.types.is_floating(kind):
        values = values.cast(pa.float64())
        values = pc.if_else(pc.is_nan(values), pa.scalar(None, pa.float64()), values)
    try:
        texts = values.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise UnreadableFileError(
            where,
            f"column {column!r} of type {kind} has no text",
            hint="store it as text, numbers or dates",
        ) from error
    if is_id and pa.types.is_floating(kind):
        numbers = values.to_numpy(zero_copy_only=False)
        integral = (np.floor(numbers) == numbers) & (np.abs(numbers) < _EXACT_INTEGERS)
        integers = pa.array(np.where(integral, numbers, 0).astype(np.int64)).cast(pa.string())
        texts = pc.if_else(pa.array(integral), integers, texts)
    return pc.fill_null(texts, "")
