"""Parse single values from text, and describe what is wrong with bad ones.

Columns, files and requests share these rules, so a value means the same wherever it comes from. Needs only
the standard library and NumPy.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from zoneinfo import ZoneInfo

    from numpy.typing import NDArray

FIRST_YEAR, LAST_YEAR = 1970, 2099
# Largest amount, in units of its last digit: thousands add up in 64 bits, and each is exact as a float.
AMOUNT_LIMIT = 10**15

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,6})?")
_STAMP = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[ T]([0-9]{2}:[0-9]{2}(?::[0-9]{2})?)(?:\.([0-9]+))? ?(?:(Z|UTC)|([+-])([0-9]{2}):?([0-9]{2})?)?)?"
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
    NOT_FLAG = 9
    NOT_LEVEL = 10
    NOT_DAY_FIRST = 11
    NOT_MONTH_FIRST = 12
    NOT_EPOCH = 13

    @property
    def reason(self) -> str:
        """The fault in words, which follow the column's name."""
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
    Fault.NOT_FLAG: "is neither yes nor no",
    Fault.NOT_LEVEL: "is not one of its levels",
    Fault.NOT_DAY_FIRST: "is not a date with its day first (DD.MM.YYYY, with or without a time)",
    Fault.NOT_MONTH_FIRST: "is not a date with its month first (MM/DD/YYYY, with or without a time)",
    Fault.NOT_EPOCH: "is not a number of seconds or milliseconds since 1970",
}
_YES, _NO = (
    frozenset({"1", "1.0", "true", "t", "yes", "y", "on"}),
    frozenset({"0", "0.0", "false", "f", "no", "n", "off"}),
)


def free_text(text: str | None) -> str | None:
    """Read free text, stripped; a blank is None."""
    return (text.strip() or None) if text else None


def number(text: str) -> tuple[float, Fault]:
    """Read a finite number; NaN with a fault for anything else."""
    if not _NUMBER.fullmatch(text):
        return np.nan, Fault.NOT_NUMBER
    value = float(text) + 0.0  # "-0" is 0
    return (value, Fault.NONE) if np.isfinite(value) else (np.nan, Fault.TOO_LARGE)


def flag(text: str) -> tuple[float, Fault]:
    """Read a yes or a no as 1 or 0; NaN with a fault for anything else."""
    said = text.casefold()
    if said in _YES:
        return 1.0, Fault.NONE
    return (0.0, Fault.NONE) if said in _NO else (np.nan, Fault.NOT_FLAG)


def level(text: str, levels: Sequence[str]) -> tuple[str | None, Fault]:
    """Read one of the given levels, ignoring case; None with a fault for anything else."""
    if text in levels:
        return text, Fault.NONE
    found = next((one for one in levels if one.casefold() == text.casefold()), None)
    return found, Fault.NONE if found is not None else Fault.NOT_LEVEL


def is_missing(text: str, missing: Collection[str]) -> bool:
    """Return whether a text stands for a missing value, ignoring case."""
    return text.casefold() in {one.casefold() for one in missing}


def stamp(text: str, zone: ZoneInfo | None = None) -> tuple[int, Fault]:
    """Read an ISO date with or without a time; one without a time zone is local.

    Parameters
    ----------
    zone : ZoneInfo, optional
        Time zone of local times and of days; UTC by default.

    Returns
    -------
    microseconds : int
        Local time since 1970-01-01, rounded up: a stamp may count later than it says, never earlier.
    """
    text = text.strip()
    if not text:
        return 0, Fault.BLANK
    match = _STAMP.fullmatch(text)
    if match is None:
        return 0, Fault.NOT_DATE
    day, time, fraction, utc, sign, hours, minutes = match.groups()
    if int(minutes or 0) > 59 or int(hours or 0) > 23:
        return 0, Fault.NOT_DATE
    try:
        local = datetime.fromisoformat(f"{day}T{time or '00:00'}")
    except ValueError:
        return 0, Fault.NOT_DATE
    if not FIRST_YEAR <= local.year <= LAST_YEAR:
        return 0, Fault.OUT_OF_TIME
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0)) * (-1 if sign == "-" else 1)
    if zone is not None and (utc or sign):
        offset -= (local - offset).replace(tzinfo=UTC).astimezone(zone).utcoffset() or timedelta()
    digits = (fraction or "").ljust(_MICROSECOND_DIGITS, "0")
    microseconds = int(digits[:_MICROSECOND_DIGITS]) + bool(digits[_MICROSECOND_DIGITS:].strip("0"))
    return (local - _EPOCH - offset) // timedelta(microseconds=1) + microseconds, Fault.NONE


def known_numbers(numbers: NDArray[np.float64], none: float | None, *, positive: bool) -> NDArray[np.float64]:
    """Replace the numbers that stand for something else: "none" becomes infinite, and unusable ones NaN.

    Parameters
    ----------
    numbers : ndarray of shape (n,), float64
        As exported; NaN for blanks.
    none : float or None
        The number that stands for "none", such as a rank for "unranked".
    positive : bool
        Whether only numbers above zero are usable.

    Returns
    -------
    ndarray of shape (n,), float64
        Infinite for "none"; NaN for blanks and unusable numbers.
    """
    with np.errstate(invalid="ignore"):
        meant = np.where(numbers > 0, numbers, np.nan) if positive else numbers
    return meant if none is None else np.where(numbers == none, np.inf, meant)
