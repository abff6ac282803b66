"""The windows that features look back over, in days before the cutoff, for each period of usage.

Features are written against the roles of windows, so that daily, weekly and monthly usage are treated alike.
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
        The name of a row's period, and how often there is one: week, weekly.
    unit_days : float
        Days of one row, on average.
    windows : tuple of int
        All windows, ascending.
    rows : tuple of int
        Number of rows in each.
    short, main, double, long : int
        The last row, the most important window, twice as many rows, and the longest window.
    pair : tuple of int
        Two windows, one half as long as the other, to compare with each other.
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
        """Return the number of rows in a window."""
        return self.rows[self.windows.index(days)]

    def last(self, days: int) -> str:
        """Say which days a window is: those of whole months where a row is a month.

        Examples
        --------
        >>> WEEKS.last(28), DAYS.last(1), MONTHS.last(28), MONTHS.last(89)
        ('last 28 days', 'last day', 'last month', 'last 3 months')
        """
        if self._in_months(days):
            return "last month" if days == self.short else f"last {self.as_many(days)}"
        return "last day" if days == 1 else f"last {days} days"

    def as_many(self, days: int) -> str:
        """Say how long a window is after one of which the days were named: 28, or 3 months."""
        if not self._in_months(days):
            return str(days)
        return "month" if days == self.short else f"{self.rows_in(days)} months"

    def long_rate(self, days: int) -> str:
        """Name the rate in a window: 28-day, or 3-month."""
        return f"{self.rows_in(days)}-month" if self._in_months(days) else f"{days}-day"

    def _in_months(self, days: int) -> bool:
        return self.unit == "month" and days in self.windows

    @property
    def of_pair(self) -> str:
        """The name of the shorter window of the pair."""
        return "month" if self.unit == "month" else "week"

    def names(self) -> dict[str, object]:
        """Return the texts for the unit and for each role in the names of features."""
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
# The shortest length of this many months in days, so that exactly as many rows lie in each.
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
