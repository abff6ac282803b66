"""Parse columns of ids, counts, amounts, numbers, flags, levels and free text.

Every reader takes n texts and returns n values and n faults.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml_sys.data.checking import scalars
from ml_sys.data.checking.columns import (
    Column,
    buffers,
    distinct_of,
    faults_of,
    is_blank,
    read_numbers,
    stripped,
    without,
)
from ml_sys.data.checking.scalars import AMOUNT_LIMIT, Fault

COUNT_LIMIT = int(np.iinfo(np.int32).max)

_CERTAIN_INT32_DIGITS = 9


def ids(texts: Any) -> Column:
    """Read identifiers as a `pyarrow.StringArray`: any text, stripped; a blank is a fault."""
    text = stripped(texts)
    return Column(text, faults_of((is_blank(text), Fault.BLANK)))


def free_texts(texts: Any, *, missing: tuple[str, ...] = ()) -> Column:
    """Read free text as a `pyarrow.StringArray`, stripped; a blank is null."""
    text = without(texts, missing)
    return Column(pc.if_else(pa.array(is_blank(text)), pa.scalar(None, pa.string()), text), None)


def counts(texts: Any) -> Column:
    """Read whole numbers from 0 to 2^31 - 1, also written as "12.0", as int32."""
    offsets, data = buffers(texts)
    lengths = np.diff(offsets)
    only_digits = bool((data - ord("0") <= 9).all())  # in uint8, so that what is below "0" wraps around
    if only_digits and lengths.all() and lengths.max(initial=0) <= _CERTAIN_INT32_DIGITS:
        return Column(texts.cast(pa.int32()).to_numpy(), None)
    numbers, faults = read_numbers(texts)
    blank = np.isnan(numbers) & (faults == 0)
    with np.errstate(invalid="ignore"):
        found = faults_of(
            (blank, Fault.BLANK),
            (numbers < 0, Fault.NEGATIVE),
            (numbers != np.floor(numbers), Fault.NOT_WHOLE),
            (numbers > COUNT_LIMIT, Fault.TOO_LARGE),
            first=faults,
        )
    values = np.where(found == 0, numbers, 0) if found is not None else numbers
    return Column(values.astype(np.int32), found)


def scaled(texts: Any, *, digits: int, blank_is_zero: bool = False) -> Column:
    """Read numbers from 0 as int64, scaled by this many decimals; halves are rounded to even."""
    numbers, faults = read_numbers(texts)
    blank = np.isnan(numbers) & (faults == 0)
    with np.errstate(invalid="ignore"):
        whole = np.rint(numbers * 10.0**digits)
        found = faults_of(
            (blank & (not blank_is_zero), Fault.BLANK),
            (numbers < 0, Fault.NEGATIVE),
            (whole > AMOUNT_LIMIT, Fault.TOO_LARGE),
            first=faults,
        )
    bad = blank if found is None else blank | (found != 0)
    return Column(np.where(bad, 0, whole).astype(np.int64), found)


def numbers(
    texts: Any, *, none: float | None = None, positive: bool = False, missing: tuple[str, ...] = ()
) -> Column:
    """Read an attribute's numbers as float64; a blank or bad one is NaN, and ``none`` is infinite."""
    given, faults = read_numbers(without(texts, missing))
    odd = (given <= 0) & (given != none) if positive else np.zeros(len(given), np.bool_)
    return Column(
        scalars.known_numbers(given, none, positive=positive),
        faults_of((odd, Fault.NOT_POSITIVE), first=faults),
    )


def amounts(texts: Any) -> Column:
    """Read finite numbers as float64; a blank is NaN."""
    numbers, faults = read_numbers(texts)
    return Column(numbers, faults_of(first=faults))


def flags(texts: Any, *, missing: tuple[str, ...] = ()) -> Column:
    """Read yes and no as 1 and 0, in float64; a blank or bad value is NaN."""
    codes, distinct = distinct_of(without(texts, missing))
    read = [(np.nan, Fault.NONE) if not one else scalars.flag(one) for one in distinct.to_pylist()]
    values = np.array([value for value, _ in read], np.float64)
    faults = np.array([fault for _, fault in read], np.int8)
    return Column(values[codes], faults_of(first=faults[codes]))


def levels(texts: Any, *, levels: tuple[str, ...], missing: tuple[str, ...] = ()) -> Column:
    """Read texts that must be one of the levels as a `pyarrow.StringArray`; a blank or bad one is null."""
    codes, distinct = distinct_of(without(texts, missing))
    read = [(None, Fault.NONE) if not one else scalars.level(one, levels) for one in distinct.to_pylist()]
    meant = pa.array([value for value, _ in read], pa.string())
    faults = np.array([fault for _, fault in read], np.int8)
    return Column(meant.take(codes), faults_of(first=faults[codes]))


def day_text(day: int) -> str:
    """Write days since 1970-01-01 as YYYY-MM-DD."""
    return datetime.fromtimestamp(day * 86_400, UTC).strftime("%Y-%m-%d")
