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

# Numbers that Arrow writes like Python; it writes others with another exponent or a trailing zero.
_BYTES = 256
_SAME_FROM, _SAME_BELOW = 1e-4, 1.0
# Smaller ones that Python writes with an exponent and Arrow with zeros, by that exponent.
_WITH_ZEROS = {5: (1e-5, 1e-4), 6: (1e-6, 1e-5)}
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
    left = ~_between(distinct, _SAME_FROM, _SAME_BELOW)
    plain: Any = pa.array(distinct).cast(pa.string())
    if left.any():
        for exponent, bounds in _WITH_ZEROS.items():
            small = _between(distinct, *bounds)
            written = _with_exponent(plain.filter(pa.array(small)), exponent)
            plain, left = pc.replace_with_mask(plain, pa.array(small), written), left & ~small
        others = ["" if number != number else repr(number) for number in distinct[left].tolist()]
        plain = pc.replace_with_mask(plain, pa.array(left), pa.array(others, pa.string()))
    return plain.take(np.repeat(np.arange(starts.size), np.diff(np.append(starts, values.size))))


def _between(values: NDArray[np.float64], low: float, high: float) -> NDArray[np.bool_]:
    with np.errstate(invalid="ignore"):
        found: NDArray[np.bool_] = (values >= low) & (values < high)
    return found


def _with_exponent(texts: Any, exponent: int) -> Any:
    """Turn 0.000012 into 1.2e-05, given that exponent."""
    zeros = len("0.") + exponent - 1
    digit, rest = pc.utf8_slice_codeunits(texts, zeros, zeros + 1), pc.utf8_slice_codeunits(texts, zeros + 1)
    join: Any = pc.binary_join_element_wise
    point = pc.if_else(pc.equal(rest, pa.scalar("")), "", ".")
    return join(digit, point, rest, f"e-{exponent:02d}", "")
