"""The rules of time: what day a stamp is, when a usage row is complete, and where periods end.

Days are counted from 1970-01-01 in UTC. Invariant: nothing counts before the day on which it is complete, and
no cutoff that data allow lies after the day of their export.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from ml_sys.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_Integer = TypeVar("_Integer", bound="np.integer[Any]")
Stamp = Literal["start", "end"]
Unit = Literal["day", "week", "month"]

EPOCH: Final = date(1970, 1, 1)
DAY_MICROSECONDS: Final = 86_400_000_000
_WEEK_DAYS, _YEAR_MONTHS = 7, 12
_CYCLE_BEGINS, _CYCLE_MONTHS = (1996 - 1970) * _YEAR_MONTHS, 48  # with a leap year


def day_number(day: date) -> int:
    """Return a calendar day as a number of days.

    Examples
    --------
    >>> day_number(date(2020, 1, 1))
    18262
    """
    return (day - EPOCH).days


def parse_day(text: str | date | None, name: str) -> int | None:
    """Read a date; None stays None.

    Parameters
    ----------
    text : str or date or None
        YYYY-MM-DD.
    name : str
        Of the flag or the argument that it was given by.

    Raises
    ------
    UsageError
        If it is not a valid date, naming the flag.

    Examples
    --------
    >>> parse_day("2020-01-01", "--from")
    18262
    """
    if text is None:
        return None
    try:
        return day_number(date.fromisoformat(str(text)))
    except ValueError as error:
        raise UsageError(
            f"{name}: {text!r} is not a valid date", hint="write YYYY-MM-DD, for example 2020-01-06"
        ) from error


def today(now: datetime) -> int:
    """Return the day that an aware time lies on, in UTC."""
    return day_number(now.astimezone(UTC).date())


def days_of_stamps(microseconds: NDArray[np.int64]) -> NDArray[np.int32]:
    """Return the days of stamps: one within a day counts as the next, so that it is never too early.

    Parameters
    ----------
    microseconds : ndarray of shape (n,), int64
        Since 1970-01-01 in UTC.

    Examples
    --------
    >>> import numpy as np
    >>> days_of_stamps(np.array([0, 1])).tolist()
    [0, 1]
    """
    days: NDArray[np.int32] = (-(-microseconds // DAY_MICROSECONDS)).astype("int32")
    return days


@dataclass(frozen=True)
class Period:
    """What one usage row covers, and every rule of time that follows from it.

    Days and weeks are lengths; months are those of the calendar, and end on firsts of months.

    Attributes
    ----------
    unit : {"day", "week", "month"}
    count : int
        Units that one row covers.
    stamp : {"start", "end"}
        Whether a row is stamped at its period's start or end.
    """

    unit: Unit = "week"
    count: int = 1
    stamp: Stamp = "start"

    @classmethod
    def of_days(cls, days: int, stamp: Stamp = "start") -> Period:
        """Return the period of so many days, in weeks where they are whole weeks.

        Examples
        --------
        >>> Period.of_days(7), Period.of_days(10).word(2)
        (Period(unit='week', count=1, stamp='start'), 'periods of 10 days')
        """
        weeks, rest = divmod(days, _WEEK_DAYS)
        return cls("day", days, stamp) if rest else cls("week", weeks, stamp)

    def word(self, number: float = 1) -> str:
        """Return how so many periods are called.

        Examples
        --------
        >>> Period("month").word(), Period("week", 2).word(3)
        ('month', 'periods of 2 weeks')
        """
        plural = "" if number == 1 else "s"
        return f"{self.unit}{plural}" if self.count == 1 else f"period{plural} of {self.count} {self.unit}s"

    @property
    def is_day(self) -> bool:
        """Whether a row covers one day."""
        return (self.unit, self.count) == ("day", 1)

    def shortest_days(self, periods: int = 1) -> int:
        """Return how many days so many periods last at least: 7 a week, 28 a month, 59 two months.

        A window of as many days that ends with a period holds exactly so many periods, whichever months.
        """
        return min(self._lengths(periods))

    def longest_days(self, periods: int = 1) -> int:
        """Return how many days so many periods last at most: 31 a month, until when the next may be late."""
        return max(self._lengths(periods))

    def whole_days(self, days: int) -> int:
        """Return the fewest days that whole periods can last and that are no fewer than ``days``.

        Examples
        --------
        >>> Period("week").whole_days(30), [Period("month").whole_days(n) for n in (7, 30, 32)]
        (35, [28, 30, 59])
        """
        if not self._calendar:
            return -(-days // self._size) * self._size
        periods = max(1, days // self.longest_days())
        while self.longest_days(periods) < days:
            periods += 1
        return max(days, self.shortest_days(periods))

    def complete_on(self, stamp_days: NDArray[_Integer]) -> NDArray[_Integer]:
        """Return the days on which rows of such stamps are complete: they count from then on, never before.

        Parameters
        ----------
        stamp_days : ndarray of shape (n,), int
            See :func:`days_of_stamps`. One within a month stands for that month.

        Examples
        --------
        >>> import numpy as np
        >>> Period("week").complete_on(np.array([7], dtype=np.int32)).tolist()
        [14]
        """
        kind = stamp_days.dtype.type
        if self.stamp == "start":
            places = _months(stamp_days) if self._calendar else stamp_days
            return self._days(places + kind(self._size))
        return self._days(_months_up(stamp_days)) if self._calendar else stamp_days

    def stamp_of(self, ends: NDArray[_Integer]) -> NDArray[_Integer]:
        """Return the latest stamps of rows that are complete by such days."""
        kind = ends.dtype.type
        places = _months(ends) if self._calendar else ends
        return self._days(places - kind(self._size if self.stamp == "start" else 0))

    def phase(self, ends: NDArray[np.integer[Any]], counts: NDArray[np.integer[Any]] | None = None) -> int:
        """Return at which place of a period most of such days lie, if each is there ``counts`` times."""
        import numpy as np  # here, since commands that load no data load this module

        return int(np.bincount(self._places(ends) % self._size, counts).argmax())

    def numbers(self, days: NDArray[np.integer[Any]], phase: int) -> NDArray[np.integer[Any]]:
        """Return the numbers of the periods that end on such days, or next, where they end at a phase."""
        numbers: NDArray[np.integer[Any]] = -((phase - self._places(days)) // self._size)
        return numbers

    def ends(self, numbers: NDArray[np.integer[Any]], phase: int) -> NDArray[np.integer[Any]]:
        """Return the days on which numbered periods end; the reverse of :meth:`numbers`."""
        return self._days(numbers * self._size + phase)

    def last_end(self, day: int, an_end: int) -> int:
        """Return the latest day not after ``day`` that lies whole periods from ``an_end``.

        Examples
        --------
        >>> Period("week").last_end(20, an_end=7), Period("week").last_end(6, an_end=7)
        (14, 0)
        """
        place = self._place(day)
        return self._day(place - (place - self._place(an_end)) % self._size)

    def shifted(self, day: int, periods: int) -> int:
        """Return the end of a period so many periods after the one that ends on ``day``, or before it."""
        return self._day(self._place(day) + periods * self._size)

    def earlier(self, day: int, days: int) -> int:
        """Return the latest day that lies whole periods before ``day``, at least ``days`` days."""
        place = self._place(day)
        return self._day(place + (self._place(day - days) - place) // self._size * self._size)

    def later(self, day: int, days: int) -> int:
        """Return the earliest day that lies whole periods after ``day``, at least ``days`` days."""
        place, target = self._place(day), day + days
        reached = self._place(target) + (self._day(self._place(target)) < target)
        return self._day(place - (place - reached) // self._size * self._size)

    @property
    def _calendar(self) -> bool:
        return self.unit == "month"

    @property
    def _size(self) -> int:
        return self.count * _WEEK_DAYS if self.unit == "week" else self.count

    def _lengths(self, periods: int) -> set[int]:
        size = periods * self._size
        if not self._calendar:
            return {size}
        starts = range(_CYCLE_BEGINS, _CYCLE_BEGINS + _CYCLE_MONTHS)
        return {self._day(start + size) - self._day(start) for start in starts}

    def _place(self, day: int) -> int:
        """Return the day itself, or the number of its month since January 1970."""
        if not self._calendar:
            return day
        at = EPOCH + timedelta(days=day)
        return (at.year - EPOCH.year) * _YEAR_MONTHS + at.month - 1

    def _day(self, place: int) -> int:
        if not self._calendar:
            return place
        years, months = divmod(place, _YEAR_MONTHS)
        return day_number(date(EPOCH.year + years, months + 1, 1))

    def _places(self, days: NDArray[np.integer[Any]]) -> NDArray[np.integer[Any]]:
        return _months_up(days) if self._calendar else days

    def _days(self, places: NDArray[Any]) -> NDArray[Any]:
        if not self._calendar:
            return places
        return places.astype("datetime64[M]").astype("datetime64[D]").astype("int64").astype(places.dtype)


def _months(days: NDArray[np.integer[Any]]) -> NDArray[Any]:
    return days.astype("datetime64[D]").astype("datetime64[M]").astype("int64").astype(days.dtype)


def _months_up(days: NDArray[np.integer[Any]]) -> NDArray[Any]:
    months: NDArray[Any] = _months(days - days.dtype.type(1)) + days.dtype.type(1)
    return months


WEEKLY: Final = Period()


def latest_cutoff(stamps: NDArray[np.integer[Any]], as_of: int, period: Period) -> int:
    """Return the latest cutoff that usage allows: the last period complete by the day of the export.

    Where no other day is asked for, lists, answers and training take this one.

    Parameters
    ----------
    stamps : ndarray of shape (n,), int
        Days of the stamps, at least one.
    as_of : int
        Day of the export.
    """
    end = int(period.complete_on(stamps).max())
    return period.last_end(min(end, as_of), end)
