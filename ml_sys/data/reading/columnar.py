"""Convert typed tables (Parquet, a database, a data frame) to the rows of text that a CSV file would give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml_sys.data.reading.rows import RAW_LIMIT, Part, RawRows, TypedTexts
from ml_sys.errors import UnreadableFileError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

BATCH_ROWS = 1 << 18
# From here on a float may not have all digits of a whole number: 15 are certain in a float64.
_LOST_DIGITS = {pa.float16(): 2.0**11, pa.float32(): 2.0**24, pa.float64(): 1e15}


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

    def __call__(self) -> RawRows:
        given = {field: self.batch.column(column) for field, column in self.columns.items()}
        texts = TypedTexts(given, self._as_text)
        lines = np.arange(self.first_line, self.first_line + self.batch.num_rows, dtype=np.int64)
        said = {column: field for field, column in self.columns.items()}.values()  # two may share a column
        return RawRows(
            texts, lines, lambda i: ",".join(texts[field][i].as_py() for field in said)[:RAW_LIMIT]
        )

    def _as_text(self, field: str, values: Any) -> Any:
        return as_text(self.where, self.columns[field], values, is_id=field == "id")


def as_text(where: str, column: str, values: Any, *, is_id: bool) -> Any:
    """Write values as a CSV export would.

    Parameters
    ----------
    where, column : str
        For messages.
    values : pyarrow.Array
        Of any flat type.
    is_id : bool
        Whether whole floats are integers that lost their type, as in a column of ids with a blank.

    Returns
    -------
    pyarrow.StringArray
        Blank ("") for null and NaN; instants in UTC.

    Raises
    ------
    UnreadableFileError
        If the column's type cannot be written as text (a list, a calendar interval), if its bytes are not
        text, or if ids are floats so large that they have lost digits.
    """
    kind = values.type
    if isinstance(kind, pa.BaseExtensionType):
        return _extension_text(where, column, values, is_id=is_id)
    if pa.types.is_dictionary(kind):
        values = values.dictionary_decode()
        kind = values.type
    if pa.types.is_nested(kind):
        raise UnreadableFileError(
            where, f"column {column!r} has type {kind}", hint="a column of plain values is needed"
        )
    if pa.types.is_timestamp(kind):
        in_utc = values.cast(pa.timestamp(kind.unit, "UTC" if kind.tz else None))
        if kind.unit == "ns":  # a stamp may count later than it says, never earlier
            in_utc = pc.ceil_temporal(in_utc, unit="microsecond")
        values = in_utc.cast(pa.timestamp("us", in_utc.type.tz), safe=False)
    elif pa.types.is_floating(kind):
        if is_id:
            _check_digits(where, column, values)
        values = values.cast(pa.float64())
        values = pc.if_else(pc.is_nan(values), pa.scalar(None, pa.float64()), values)
    try:
        texts = values.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise UnreadableFileError(
            where,
            f"column {column!r} has type {kind}, which cannot be read",
            hint="store it as text, numbers or dates",
        ) from error
    if is_id and pa.types.is_floating(kind):
        numbers = values.to_numpy(zero_copy_only=False)
        integral = np.floor(numbers) == numbers
        integers = pa.array(np.where(integral, numbers, 0).astype(np.int64)).cast(pa.string())
        texts = pc.if_else(pa.array(integral), integers, texts)
    return pc.fill_null(texts, "")


def _extension_text(where: str, column: str, values: Any, *, is_id: bool) -> Any:
    """Write values of an extension type: UUIDs in their usual form, others as they are stored."""
    if not isinstance(values.type, pa.UuidType):
        return as_text(where, column, values.storage, is_id=is_id)
    encoded = values.storage.dictionary_encode()
    distinct = [str(UUID(bytes=value)) for value in encoded.dictionary.to_pylist()]
    texts: Any = pa.array(distinct, pa.string())
    return pc.fill_null(texts.take(encoded.indices), "")


def _check_digits(where: str, column: str, values: Any) -> None:
    """Refuse ids that a float may have rounded, which would merge companies."""
    limit: Any = pa.scalar(_LOST_DIGITS[values.type], pa.float64())
    lost = pc.greater_equal(pc.abs(values.cast(pa.float64())), limit)
    first = values.filter(lost)
    if len(first):
        raise UnreadableFileError(
            where,
            f"column {column!r} has type {values.type} and contains {first[0].as_py()!r}: "
            "a float this large has lost digits of the id",
            hint="export the ids as text or whole numbers (int64) from a source that still has every digit",
        )
