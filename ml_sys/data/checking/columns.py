"""Read columns of text: distinct values, bytes, numbers, and a fault for each bad value.

Clean columns are read without a Python loop; unusual texts are looked at once per distinct text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml_sys.data.checking import scalars
from ml_sys.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from ml_sys.data.checking.scalars import Fault

_PLAIN_NUMBER = r"^[0-9]{1,15}(\.[0-9]{1,15})?$"


class Column(NamedTuple):
    """The values of a column, and a `Fault` for each as int8; None if there are no faults."""

    values: Any
    faults: NDArray[np.int8] | None


def read_numbers(texts: Any) -> tuple[NDArray[np.float64], NDArray[np.int8]]:
    """Read finite numbers; a blank is NaN and not a fault."""
    text = stripped(texts)
    plain = as_flags(pc.match_substring_regex(text, _PLAIN_NUMBER))
    odd = ~plain & ~is_blank(text)
    values = np.full(len(texts), np.nan)
    faults = np.zeros(len(texts), np.int8)
    values[plain] = text.filter(pa.array(plain)).cast(pa.float64()).to_numpy()
    if odd.any():
        codes, distinct = distinct_of(text.filter(pa.array(odd)))
        odd_values, odd_faults = read_each(distinct, scalars.number, np.float64)
        values[odd] = odd_values[codes]
        faults[odd] = odd_faults[codes]
    return values, faults


def read_each(
    texts: Any, read: Callable[[str], tuple[float, Fault]], dtype: type[np.generic]
) -> tuple[NDArray[Any], NDArray[np.int8]]:
    """Read texts one by one into values of a given type, each with its fault."""
    values, faults = zip(*map(read, texts.to_pylist()), strict=True) if len(texts) else ((), ())
    return np.array(values, dtype), np.array(faults, np.int8)


def distinct_of(texts: Any) -> tuple[NDArray[np.int32], Any]:
    """Return the code of each text, and the distinct texts that codes stand for."""
    encoded = texts.dictionary_encode()
    return encoded.indices.to_numpy(), encoded.dictionary


def stripped(texts: Any) -> Any:
    """Strip texts, if any byte could be white space (beyond ASCII it takes several bytes)."""
    _, data = buffers(texts)
    return pc.utf8_trim_whitespace(texts) if ((data <= ord(" ")) | (data >= 128)).any() else texts


def buffers(texts: Any) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    """Return the offsets of n texts, of shape (n + 1,), and the bytes they point into."""
    _, offsets, data = texts.buffers()
    if not len(texts) or offsets is None:
        return np.zeros(1, np.int32), np.zeros(0, np.uint8)
    places = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    content = np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)
    return places, content[places[0] : places[-1]]


def all_ids(pieces: Sequence[Any]) -> Any:
    """Join ids, of which there is at least one piece, as a `pyarrow.StringArray`.

    Raises
    ------
    InputError
        If they take more than 2 GB together.
    """
    try:
        return pa.concat_arrays(pieces)
    except pa.ArrowInvalid as error:  # which counts bytes in 32 bits
        raise InputError(
            "the ids take more than 2 GB together", hint="use shorter ones, as numbers are"
        ) from error


def is_blank(stripped: Any) -> NDArray[np.bool_]:
    """Flag the blank ones among stripped texts."""
    blank: NDArray[np.bool_] = np.diff(buffers(stripped)[0]) == 0
    return blank


def as_flags(values: Any) -> NDArray[np.bool_]:
    """Convert an Arrow array of flags to NumPy."""
    flags: NDArray[np.bool_] = values.to_numpy(zero_copy_only=False)
    return flags


def faults_of(
    *found: tuple[NDArray[np.bool_], Fault], first: NDArray[np.int8] | None = None
) -> NDArray[np.int8] | None:
    """Return the first fault of each value; None if there are no faults."""
    faults = first
    for where, fault in found:
        if where.any():
            faults = np.zeros(len(where), np.int8) if faults is None else faults
            faults = np.where((faults == 0) & where, np.int8(fault), faults)
    return faults if faults is not None and faults.any() else None


def without(texts: Any, missing: tuple[str, ...]) -> Any:
    """Strip texts, and blank those that stand for a missing value."""
    text = stripped(texts)
    if not missing:
        return text
    codes, distinct = distinct_of(text)
    kept = ["" if scalars.is_missing(one, missing) else one for one in distinct.to_pylist()]
    return pa.array(kept, pa.string()).take(codes)
