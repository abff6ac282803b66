"""Rows of text in which every value is written in the plainest way, read in one pass over their bytes.

Invariant: what is read here is what the readers of columns make of the same text; a block with any other
value, or a line that is no row, is not read here at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import pyarrow as pa

from ml_sys.kernel import kernel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ml_sys.data.reading.rows import Rows


class Kind(IntEnum):
    """What is plain in a column.

    Attributes
    ----------
    ANY
        Whatever it says: it is not read.
    NAME
        Printable ASCII, not blank, without white space around it.
    MOMENT
        An ISO date, with or without a time, of no zone.
    COUNT
        One to nine digits.
    """

    ANY = 0
    NAME = 1
    MOMENT = 2
    COUNT = 3


@dataclass(frozen=True)
class Plain:
    """The n rows of a part.

    Attributes
    ----------
    names : pyarrow.StringArray of length n
    moments : ndarray of shape (n,), int64
        Microseconds since 1970-01-01.
    counts : ndarray of shape (n, n_counts), int32
        In the order in which the columns were asked for.
    lines : ndarray of shape (n,), int64
    """

    names: Any
    moments: NDArray[np.int64]
    counts: NDArray[np.int32]
    lines: NDArray[np.int64]

    def of(self, kind: Kind) -> Any:
        """Return the column of a kind that there is one of."""
        return self.names if kind == Kind.NAME else self.moments


@runtime_checkable
class MayBePlain(Protocol):
    """A part whose values may all be plain."""

    def __call__(self) -> Rows:
        """Read its columns as texts."""
        ...

    def plain(self, kinds: Mapping[str, Kind]) -> Plain | None:
        """Read fields; None if any value is not plain, or unless they are a name, a moment and counts."""
        ...


def are_plain(kinds: Mapping[str, Kind]) -> bool:
    """Say whether fields are a name, a moment and counts."""
    others = sorted(kind for kind in kinds.values() if kind != Kind.COUNT)
    return others == [Kind.NAME, Kind.MOMENT]


def load() -> None:
    """Compile what reads them, or take it from numba's cache."""
    _read.load()


def read_plain(
    data: bytes, n_rows: int, delimiter: str, columns: list[tuple[Kind, int]]
) -> tuple[Any, NDArray[np.int64], NDArray[np.int32]] | None:
    """Read lines, of which each is a row.

    Parameters
    ----------
    data : bytes
        Whole lines, the last one ended too.
    n_rows : int
        How many.
    columns : list of (Kind, int)
        What is plain in each column, and for counts which of them it is.

    Returns
    -------
    (names, moments, counts) or None
        See :class:`Plain`.
    """
    kinds, places = (np.array(one, np.int64) for one in zip(*columns, strict=True))
    text, ends = np.empty(len(data), np.uint8), np.zeros(n_rows + 1, np.int32)
    moments = np.empty(n_rows, np.int64)
    counts = np.empty((n_rows, int((kinds == Kind.COUNT).sum())), np.int32)
    size = _read(np.frombuffer(data, np.uint8), ord(delimiter), kinds, places, text, ends, moments, counts)
    if size < 0:
        return None
    names = pa.StringArray.from_buffers(
        n_rows, pa.py_buffer(ends.data), pa.py_buffer(text[:size].copy().data)
    )
    return names, moments, counts


def _types(numba: Any) -> Any:
    data = numba.types.Array(numba.uint8, 1, "C", readonly=True)
    whole = numba.int64
    return whole(
        data,
        whole,
        whole[::1],
        whole[::1],
        numba.uint8[::1],
        numba.int32[::1],
        whole[::1],
        numba.int32[:, ::1],
    )


def _moment(data, at, last):  # type: ignore[no-untyped-def]  # numba's types
    """Return the moment that is written at a place, and where it ends; -1 where none is that is plain."""
    days_of_month = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
    if at + 10 > last or data[at + 4] != 45 or data[at + 7] != 45:
        return 0, -1
    wrong, value, fraction = False, 0, 0
    for i in (0, 1, 2, 3, 5, 6, 8, 9):
        digit = int(data[at + i]) - 48
        wrong |= digit < 0 or digit > 9
        value = value * 10 + digit
    year, month, day = value // 10000, value // 100 % 100, value % 100
    if wrong or year < 1970 or year > 2099 or not 0 < month < 13 or day < 1:
        return 0, -1
    if day > days_of_month[month - 1] or (month == 2 and day == 29 and year % 4):
        return 0, -1
    at += 10
    begun = year if month > 2 else year - 1  # years begin in March, so that the leap day is their last
    days = 365 * begun + begun // 4 - begun // 100 + begun // 400
    seconds = 86400 * (days + (153 * ((month + 9) % 12) + 2) // 5 + day - 719469)
    if data[at] != 32 and data[at] != 84:
        return seconds * 1000000, at
    if at + 6 > last or data[at + 3] != 58:
        return 0, -1
    for i in (1, 2, 4, 5):
        digit = int(data[at + i]) - 48
        wrong |= digit < 0 or digit > 9
    hour = int(data[at + 1]) * 10 + int(data[at + 2]) - 528
    minute = int(data[at + 4]) * 10 + int(data[at + 5]) - 528
    if wrong or hour > 23 or minute > 59:
        return 0, -1
    seconds += hour * 3600 + minute * 60
    at += 6
    if data[at] == 58:
        if at + 3 > last:
            return 0, -1
        tens, ones = int(data[at + 1]) - 48, int(data[at + 2]) - 48
        if not (0 <= tens <= 5 and 0 <= ones <= 9):
            return 0, -1
        seconds += tens * 10 + ones
        at += 3
        if data[at] == 46:
            at += 1
            start = at
            digit = int(data[at]) - 48
            while 0 <= digit <= 9:
                fraction = fraction * 10 + digit
                at += 1
                digit = int(data[at]) - 48
            if not 0 < at - start < 7:
                return 0, -1
            for _ in range(6 - (at - start)):
                fraction *= 10
    return seconds * 1000000 + fraction, at


@kernel(_types, helpers=[_moment])
def _read(data, delimiter, kinds, places, text, ends, moments, counts):  # type: ignore[no-untyped-def]  # numba's types
    """Fill the arrays, and return how many bytes of text there are; -1 where anything is not plain."""
    n_fields = len(kinds)
    last = len(data) - 1
    at, size = 0, 0
    for row in range(len(moments)):
        for field in range(n_fields):
            kind = kinds[field]
            quoted = data[at] == 34
            if quoted:
                at += 1
            start = at
            if kind == 3:
                value = 0
                digit = int(data[at]) - 48
                while 0 <= digit <= 9:
                    value = value * 10 + digit
                    at += 1
                    digit = int(data[at]) - 48
                if not 0 < at - start < 10:
                    return -1
                counts[row, places[field]] = value
            elif kind == 2:
                moment, at = _moment(data, at, last)  # type: ignore[no-untyped-call]  # numba's types
                if at < 0:
                    return -1
                moments[row] = moment
            elif kind == 1:
                byte = data[at]
                while 32 <= byte < 127 and byte != 34 and (quoted or byte != delimiter):
                    text[size] = byte
                    size += 1
                    at += 1
                    byte = data[at]
                if at == start or data[start] == 32 or data[at - 1] == 32:
                    return -1
                ends[row + 1] = size
            else:
                byte = data[at]
                while byte not in (0, 10, 13, 34) and (quoted or byte != delimiter):
                    at += 1
                    byte = data[at]
            if quoted:
                if data[at] != 34:
                    return -1
                at += 1
            if field < n_fields - 1:
                if data[at] != delimiter:
                    return -1
                at += 1
        if data[at] == 13:
            at += 1
        if data[at] != 10:
            return -1
        at += 1
    return size if at == last + 1 else -1
