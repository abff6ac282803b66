"""Spans of time that features look back over, in days that end at the cutoff, by what a usage row covers.

Features are written against the roles of spans, so that a day, a week and a month of usage are told alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ml_sys.days import Period

# Days from one first of a month to the next, on average over the cycle of leap years.
_MONTH_DAYS = 30.436875


@dataclass(frozen=True)
class Spans:
    """Lengths of windows, in days.

    Attributes
    ----------
    unit, often : str
        What a row is called, and how often there is one: a week, weekly.
    unit_days : float
        Days of one row, on average.
    windows : tuple of int
        Every window, ascending.
    rows : tuple of int
        Rows that lie in each.
    short, main, double, long : int
        The last row, the span that matters most, twice as many rows, and the longest.
    pair : tuple of int
        Two windows of which one is half the other, to be compared with each other.
    rule : int
        Window of the simple rules.
    """

    unit: str
    often: str
    unit_days: float
    windows: tuple[int, ...]
    rows: tuple[int, ...]
    short: int
    pair: tuple[int, int]
    main: int
    double: int
    long: int
    rule: int

    def rows_in(self, days: int) -> int:
        """Return how many rows lie in a window."""
        return self.rows[self.windows.index(days)]

    @property
    def of_pair(self) -> str:
        """What the shorter window of the pair is called."""
        return "month" if self.unit == "month" else "week"

    def names(self) -> dict[str, object]:
        """Return what stands in the names of features for a unit and for each role."""
        return {
            "unit": self.unit,
            "pair": self.of_pair,
            "short": self.short,
            "main": self.main,
            "double": self.double,
            "long": self.long,
        }


DAYS = Spans("day", "daily", 1, (1, 3, 7, 14, 28), (1, 3, 7, 14, 28), 1, (7, 14), 7, 14, 28, 7)
WEEKS = Spans("week", "weekly", 7, (7, 14, 28, 56, 91), (1, 2, 4, 8, 13), 7, (7, 14), 28, 56, 91, 30)
# The fewest days that so many months last, so that exactly so many rows lie in each.
MONTHS = Spans(
    "month", "monthly", _MONTH_DAYS, (28, 59, 89, 181, 365), (1, 2, 3, 6, 12), 28, (28, 59), 89, 181, 365, 28
)


def spans_of(period: Period) -> Spans:
    """Return the spans of a period; those of weeks unless it is a day or a month.

    Examples
    --------
    >>> from ml_sys.days import Period
    >>> spans_of(Period("day")).windows, spans_of(Period("week", 2)).unit
    ((1, 3, 7, 14, 28), 'week')
    """
    if period.unit == "month":
        return MONTHS
    return DAYS if period.is_day else WEEKS
