"""Write pages of a table as the CSV lines that pandas would write, without a Python loop over the rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml_sys.data.checking.columns import buffers

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

# Numbers that Arrow writes like Python; it writes others with an exponent or a trailing zero.
_BYTES = 256
_SAME_FROM, _SAME_BELOW = 1e-4, 1.0
_NEEDS_QUOTES = ',"\n'


def csv_lines(page: pd.DataFrame) -> bytes | None:
    """Return the rows of a page as CSV with the necessary quotes; None if a column is not plain.

    Texts must not contain a bare carriage return.
    """
    if not len(page):
        return b""
    columns = [_texts(page[name]) for name in page.columns]
    if any(column is None for column in columns):
        return None
    join: Any = pc.binary_join_element_wise
    lines = join(*columns[:-1], join(columns[-1], "\n", ""), ",")
    _, offsets, data = lines.buffers()
    ends = np.frombuffer(offsets, np.int32)[lines.offset : lines.offset + len(lines) + 1]
    written: bytes = data[int(ends[0]) : int(ends[-1])].to_pybytes()
    return written


def _texts(column: pd.Series[Any]) -> Any:
    """Return a column as an Arrow array of its cells' texts; None if that is not certain."""
    kind = column.dtype.kind
    if kind == "b":
        return pc.if_else(pa.array(column.to_numpy()), "True", "False")
    if kind in "iu":
        return pa.array(column.to_numpy()).cast(pa.string())
    if column.dtype == np.float64:
        return _numbers(column.to_numpy())
    if kind not in "OU":  # texts, whatever their type in pandas
        return None
    try:
        texts = texts_of(column)
    except (pa.ArrowInvalid, pa.ArrowTypeError):  # not texts alone
        return None
    if not hold_any(texts, _NEEDS_QUOTES.encode()):
        return texts
    needs = pc.match_substring_regex(texts, f"[{_NEEDS_QUOTES}]")
    join: Any = pc.binary_join_element_wise
    return pc.if_else(needs, join('"', pc.replace_substring(texts, '"', '""'), '"', ""), texts)


def hold_any(texts: Any, wanted_bytes: bytes) -> bool:
    """Return whether the texts of a `pyarrow.StringArray` contain any of some bytes."""
    wanted = np.zeros(_BYTES, dtype=np.bool_)
    wanted[list(wanted_bytes)] = True
    return bool(wanted[buffers(texts)[1]].any())


def texts_of(column: pd.Series[Any]) -> Any:
    """Convert a column of texts to a `pyarrow.StringArray`, with "" for blanks."""
    texts: Any = pa.array(column.array, from_pandas=True)
    whole: Any = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
    return pc.fill_null(whole.cast(pa.string()), "")


def _numbers(values: NDArray[np.float64]) -> Any:
    """Write numbers in their shortest exact form; runs of equal numbers are formatted once."""
    bits = values.view(np.int64)
    starts = np.flatnonzero(np.append(True, bits[1:] != bits[:-1]))
    distinct = values[starts]
    with np.errstate(invalid="ignore"):
        same = (distinct >= _SAME_FROM) & (distinct < _SAME_BELOW)
    plain: Any = pa.array(np.where(same, distinct, 0.5)).cast(pa.string())
    if not same.all():
        others = ["" if number != number else repr(number) for number in distinct[~same].tolist()]
        plain = pc.replace_with_mask(plain, pa.array(~same), pa.array(others, pa.string()))
    return plain.take(np.repeat(np.arange(starts.size), np.diff(np.append(starts, values.size))))
