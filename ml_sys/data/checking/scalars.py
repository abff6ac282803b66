"""Parse single values from text, and describe what is wrong with the others.

Columns, files and requests share these rules, so that a value means the same wherever it comes from. Nothing
here needs more than the standard library and NumPy.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

FIRST_YEAR, LAST_YEAR = 1970, 2099

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,6})?")
_STAMP = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[ T]([0-9]{2}:[0-9]{2}(?::[0-9]{2})?)(?:\.([0-9]+))? ?(?:(Z)|([+-])([0-9]{2}):?([0-9]{2})?)?)?"
)
_MICROSECOND_DIGITS = 6
_EPOCH = datetime(1970, 1, 1)


class Fault(IntEnum):
    """What is wrong with a value."""

    NONE = 0
    BLANK = 1
    NOT_NUMBER = 2
    NOT_WHOLE = 3
    NEGATIVE = 4
    NOT_POSITIVE = 5
    TOO_LARGE = 6
    NOT_DATE = 7
    OUT_OF_TIME = 8

    @property
    def reason(self) -> str:
        """The fault in words, to follow the column's name."""
        return _REASONS[self]


_REASONS = {
    Fault.NONE: "",
    Fault.BLANK: "is blank",
    Fault.NOT_NUMBER: "is not a number",
    Fault.NOT_WHOLE: "is not a whole number",
    Fault.NEGATIVE: "is negative",
    Fault.NOT_POSITIVE: "is not positive",
    Fault.TOO_LARGE: "is too large",
    Fault.NOT_DATE: "is not an ISO date (YYYY-MM-DD, with or without a time)",
    Fault.OUT_OF_TIME: f"lies outside {FIRST_YEAR} to {LAST_YEAR}",
}


def free_text(text: str | None) -> str | None:
    """Read free text, stripped; a blank is None."""
    return (text.strip() or None) if text else None


def number(text: str) -> tuple[float, Fault]:
    """Read a finite number; NaN with a fault for anything else."""
    if not _NUMBER.fullmatch(text):
        return np.nan, Fault.NOT_NUMBER
    value = float(text)
    return (value, Fault.NONE) if np.isfinite(value) else (np.nan, Fault.TOO_LARGE)


def stamp(text: str) -> tuple[int, Fault]:
    """Read an ISO date with or without a time, in UTC where it names no zone.

    Returns
    -------
    microseconds : int
        Since 1970-01-01 in UTC, rounded up: a stamp may count later than it says, never earlier.
    """
    text = text.strip()
    if not text:
        return 0, Fault.BLANK
    match = _STAMP.fullmatch(text)
    if match is None:
        return 0, Fault.NOT_DATE
    day, time, fraction, _, sign, hours, minutes = match.groups()
    if int(minutes or 0) > 59 or int(hours or 0) > 23:
        return 0, Fault.NOT_DATE
    try:
        local = datetime.fromisoformat(f"{day}T{time or '00:00'}")
    except ValueError:
        return 0, Fault.NOT_DATE
    if not FIRST_YEAR <= local.year <= LAST_YEAR:
        return 0, Fault.OUT_OF_TIME
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0)) * (-1 if sign == "-" else 1)
    digits = (fraction or "").ljust(_MICROSECOND_DIGITS, "0")
    microseconds = int(digits[:_MICROSECOND_DIGITS]) + bool(digits[_MICROSECOND_DIGITS:].strip("0"))
    return (local - _EPOCH - offset) // timedelta(microseconds=1) + microseconds, Fault.NONE


def known_ranks(numbers: NDArray[np.float64], unranked: float) -> NDArray[np.float64]:
    """Return ranks as they are meant.

    Parameters
    ----------
    numbers : ndarray of shape (n,), float64
        As exported; NaN for blanks.
    unranked : float
        The number that stands for no rank.

    Returns
    -------
    ndarray of shape (n,), float64
        Infinite where unranked; NaN for a blank and for what is not positive.
    """
    with np.errstate(invalid="ignore"):
        positive = np.where(numbers > 0, numbers, np.nan)
    return np.where(numbers == unranked, np.inf, positive)
