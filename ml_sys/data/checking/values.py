"""Parse columns of values: ids, counts, ranks, amounts, days, timestamps and free text.

Every reader takes n texts and returns n values and n faults. Clean columns are read without a Python loop;
whatever is unusual is looked at once per distinct text.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml_sys.data.checking import scalars
from ml_sys.data.checking.scalars import Fault
from ml_sys.days import DAY_MICROSECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

COUNT_LIMIT = int(np.iinfo(np.int32).max)

_CERTAIN_INT32_DIGITS = 9
_PLAIN_NUMBER = r"^[0-9]{1,15}(\.[0-9]{1,15})?$"
_PLAIN_STAMP = (
    r"^(19[7-9][0-9]|20[0-9]{2})-[0-9]{2}-[0-9]{2}([ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?)?$"
)


class Column(NamedTuple):
    """The values of a column, and a `Fault` for each as int8; None if nothing is wrong with any."""

    values: Any
    faults: NDArray[np.int8] | None


def ids(texts: Any) -> Column:
    """Read identifiers: any text, stripped, but not blank. Values are a `pyarrow.StringArray`."""
    stripped = _stripped(texts)
    return Column(stripped, _faults((_is_blank(stripped), Fault.BLANK)))


def free_texts(texts: Any) -> Column:
    """Read free text, stripped; a blank is null. Values are a `pyarrow.StringArray`."""
    stripped = _stripped(texts)
    return Column(pc.if_else(pa.array(_is_blank(stripped)), pa.scalar(None, pa.string()), stripped), None)


def counts(texts: Any) -> Column:
    """Read whole numbers from 0 to 2^31 - 1, also written as "12.0". Values are int32."""
    offsets, data = buffers(texts)
    lengths = np.diff(offsets)
    only_digits = bool((data - ord("0") <= 9).all())  # in uint8, so that what is below "0" wraps around
    if only_digits and lengths.all() and lengths.max(initial=0) <= _CERTAIN_INT32_DIGITS:
        return Column(texts.cast(pa.int32()).to_numpy(), None)
    numbers, faults = _numbers(texts)
    blank = np.isnan(numbers) & (faults == 0)
    with np.errstate(invalid="ignore"):
        found = _faults(
            (blank, Fault.BLANK),
            (numbers < 0, Fault.NEGATIVE),
            (numbers != np.floor(numbers), Fault.NOT_WHOLE),
            (numbers > COUNT_LIMIT, Fault.TOO_LARGE),
            first=faults,
        )
    values = np.where(found == 0, numbers, 0) if found is not None else numbers
    return Column(values.astype(np.int32), found)


def ranks(texts: Any, *, unranked: float) -> Column:
    """Read positive numbers; a blank or bad one is NaN and ``unranked`` is infinite. Values are float64."""
    numbers, faults = _numbers(texts)
    found = _faults((numbers <= 0, Fault.NOT_POSITIVE), first=faults)
    return Column(scalars.known_ranks(numbers, unranked), found)


def amounts(texts: Any) -> Column:
    """Read any finite numbers; a blank is NaN. Values are float64."""
    numbers, faults = _numbers(texts)
    return Column(numbers, _faults(first=faults))


def stamps(texts: Any) -> Column:
    """Read ISO dates with or without a time. Values are int64 microseconds since 1970-01-01 in UTC."""
    codes, distinct = _distinct(texts)
    try:
        plain = _flags(pc.match_substring_regex(distinct, _PLAIN_STAMP))
        if not plain.all():
            raise pa.ArrowInvalid
        values = distinct.cast(pa.timestamp("us")).cast(pa.int64()).to_numpy()
        return Column(values[codes], None)
    except pa.ArrowInvalid:
        values, faults = _each(distinct, scalars.stamp, np.int64)
        return Column(values[codes], _faults(first=faults[codes]))


def days(texts: Any) -> Column:
    """Read ISO dates with or without a time. Values are int32 days since 1970-01-01, times cut off."""
    microseconds, faults = stamps(texts)
    return Column((microseconds // DAY_MICROSECONDS).astype(np.int32), faults)


def _numbers(texts: Any) -> tuple[NDArray[np.float64], NDArray[np.int8]]:
    """Read finite numbers; a blank is NaN without a fault."""
    stripped = _stripped(texts)
    plain = _flags(pc.match_substring_regex(stripped, _PLAIN_NUMBER))
    odd = ~plain & ~_is_blank(stripped)
    values = np.full(len(texts), np.nan)
    faults = np.zeros(len(texts), np.int8)
    values[plain] = stripped.filter(pa.array(plain)).cast(pa.float64()).to_numpy()
    if odd.any():
        codes, distinct = _distinct(stripped.filter(pa.array(odd)))
        odd_values, odd_faults = _each(distinct, scalars.number, np.float64)
        values[odd] = odd_values[codes]
        faults[odd] = odd_faults[codes]
    return values, faults


def _each(
    texts: Any, read: Callable[[str], tuple[float, Fault]], dtype: type[np.generic]
) -> tuple[NDArray[Any], NDArray[np.int8]]:
    values, faults = zip(*map(read, texts.to_pylist()), strict=True) if len(texts) else ((), ())
    return np.array(values, dtype), np.array(faults, np.int8)


def _distinct(texts: Any) -> tuple[NDArray[np.int32], Any]:
    encoded = texts.dictionary_encode()
    return encoded.indices.to_numpy(), encoded.dictionary


def _stripped(texts: Any) -> Any:
    """Strip, if any byte could be white space (which beyond ASCII takes several bytes)."""
    _, data = buffers(texts)
    return pc.utf8_trim_whitespace(texts) if ((data <= ord(" ")) | (data >= 128)).any() else texts


def buffers(texts: Any) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    """Return the offsets of n texts, of shape (n + 1,), and the bytes that they point into."""
    _, offsets, data = texts.buffers()
    if not len(texts) or offsets is None:
        return np.zeros(1, np.int32), np.zeros(0, np.uint8)
    places = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    content = np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)
    return places, content[places[0] : places[-1]]


def _is_blank(stripped: Any) -> NDArray[np.bool_]:
    blank: NDArray[np.bool_] = np.diff(buffers(stripped)[0]) == 0
    return blank


def _flags(values: Any) -> NDArray[np.bool_]:
    flags: NDArray[np.bool_] = values.to_numpy(zero_copy_only=False)
    return flags


def _faults(
    *found: tuple[NDArray[np.bool_], Fault], first: NDArray[np.int8] | None = None
) -> NDArray[np.int8] | None:
    """Give each value the first fault that it has, or None if none has any."""
    faults = first
    for where, fault in found:
        if where.any():
            faults = np.zeros(len(where), np.int8) if faults is None else faults
            faults = np.where((faults == 0) & where, np.int8(fault), faults)
    return faults if faults is not None and faults.any() else None


def day_text(day: int) -> str:
    """Write days since 1970-01-01 as YYYY-MM-DD."""
    return datetime.fromtimestamp(day * 86_400, UTC).strftime("%Y-%m-%d")
