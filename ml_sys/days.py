"""The rules of time: what day a stamp is, when a usage row is complete, and which cutoffs data allow.

Days are counted from 1970-01-01 in UTC. Invariant: nothing counts before the day on which it is complete, and
no cutoff that data allow lies after the day of their export.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Final, Literal

from ml_sys.errors import NotEnoughDataError, UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Stamp = Literal["start", "end"]

EPOCH: Final = date(1970, 1, 1)
DAY_MICROSECONDS: Final = 86_400_000_000


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


def lag_days(period_days: int, stamp: Stamp) -> int:
    """Return how many days after its stamp a usage row is complete."""
    return period_days if stamp == "start" else 0


def complete_on(stamp_days: NDArray[np.int32], period_days: int, stamp: Stamp) -> NDArray[np.int32]:
    """Return the days on which rows of such stamps are complete: a row counts from then on, and never before.

    Parameters
    ----------
    stamp_days : ndarray of shape (n,), int32
        See :func:`days_of_stamps`.
    period_days : int
        Days that a row covers.
    stamp : {"start", "end"}
        Whether a row is stamped at its period's start or end.

    Examples
    --------
    >>> import numpy as np
    >>> complete_on(np.array([7], dtype=np.int32), 7, "start").tolist()
    [14]
    """
    return stamp_days + stamp_days.dtype.type(lag_days(period_days, stamp))


def last_period_end(day: int, an_end: int, period_days: int) -> int:
    """Return the latest day not after ``day`` that lies whole periods from ``an_end``.

    Examples
    --------
    >>> last_period_end(20, an_end=7, period_days=7), last_period_end(6, an_end=7, period_days=7)
    (14, 0)
    """
    return day - (day - an_end) % period_days


def latest_cutoff(stamps: NDArray[np.integer[Any]], as_of: int, *, period_days: int, stamp: Stamp) -> int:
    """Return the latest cutoff that usage allows: the last period complete by the day of the export.

    Where no other day is asked for, lists, answers and training take this one.

    Parameters
    ----------
    stamps : ndarray of shape (n,), int
        Days of the stamps, at least one.
    as_of : int
        Day of the export.
    stamp : {"start", "end"}
    """
    end = int(stamps.max()) + lag_days(period_days, stamp)
    return last_period_end(min(end, as_of), end, period_days)


@dataclass(frozen=True)
class Timeline:
    """What part of time the data can speak for; all in days since 1970-01-01.

    Attributes
    ----------
    first_usage : int
        Day on which the first usage row was complete.
    usage_end : int
        Day up to which usage is covered; never after ``as_of``.
    as_of : int
        Day of the snapshot.
    horizon_days : int
        Length of the label window.
    period_days : int
        Days that a usage row covers; cutoffs lie a whole number of periods before ``usage_end``.
    """

    first_usage: int
    usage_end: int
    as_of: int
    horizon_days: int
    period_days: int

    @classmethod
    def of(
        cls,
        stamps: NDArray[np.integer[Any]],
        as_of: int,
        *,
        horizon_days: int,
        period_days: int,
        stamp: Stamp,
    ) -> Timeline:
        """Read the timeline of a snapshot off the days of its usage stamps.

        Raises
        ------
        NotEnoughDataError
            If there are none.
        """
        if not stamps.size:
            raise NotEnoughDataError(
                "the snapshot holds no usage rows", hint="ingest a usage table that has some"
            )
        return cls(
            first_usage=int(stamps.min()) + lag_days(period_days, stamp),
            usage_end=latest_cutoff(stamps, as_of, period_days=period_days, stamp=stamp),
            as_of=as_of,
            horizon_days=horizon_days,
            period_days=period_days,
        )

    def is_mature(self, cutoff: int) -> bool:
        """Return whether the outcome of a cutoff is known and its usage covered."""
        return cutoff + self.horizon_days <= self.as_of and cutoff <= self.usage_end

    def latest_mature(self) -> int:
        """Return the latest cutoff on the grid of periods that is mature and covered."""
        return self.on_grid(min(self.as_of - self.horizon_days, self.usage_end))

    def on_grid(self, day: int) -> int:
        """Return the latest day not after ``day`` that ends a period."""
        return last_period_end(day, self.usage_end, self.period_days)

    def grid(self, last: int, step_days: int, at_most: int) -> NDArray[np.int32]:
        """Return up to ``at_most`` cutoffs up to ``last``, ``step_days`` apart, with usage before each."""
        import numpy as np  # here, since commands that load no data load this module

        wanted = last - step_days * np.arange(at_most)
        return wanted[wanted > self.first_usage][::-1].astype(np.int32)

    def training_cutoffs(self, before: int, step_days: int, at_most: int) -> NDArray[np.int32]:
        """Return cutoffs whole periods before ``before`` whose label windows close by it (the embargo)."""
        before = min(before, self.as_of)
        return self.grid(before - self.days_apart, step_days, at_most)

    @property
    def days_apart(self) -> int:
        """Days from one cutoff to the next whose label window does not overlap: whole periods."""
        return self.whole_periods(self.horizon_days)

    def whole_periods(self, days: int) -> int:
        """Return the fewest days that are whole periods and no fewer than ``days``."""
        return -(-days // self.period_days) * self.period_days
