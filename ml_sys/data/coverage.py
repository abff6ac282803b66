"""Find where covered usage ends. That day is the day of the export, and no single date may move it.

A period is covered when a usual number of companies report in it, compared with the median of the periods
before. Daily usage, and the week that ends on each day, is compared with the same weekday of earlier weeks.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from ml_sys.days import WEEKLY, Period, days_of_stamps, today
from ml_sys.errors import NotEnoughDataError, UsageError
from ml_sys.text import date_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from numpy.typing import NDArray

# Earlier periods from which the usual number of reporting companies is taken.
_PERIODS_BEFORE = 8
# At the usual stamps at least this many times the minimum must report. Otherwise a few stray rows in each of
# many future weeks would vouch for one another; a company may still lose three in four.
_TYPICAL_OVER_LEAST = 2
_WEEK = 7
# Up to this many days (several centuries) are counted in a table instead of being sorted.
_FEW_DAYS = 1 << 18

_T = TypeVar("_T")


class OverUsage(Protocol):
    """Calls a function with the companies and days of each part of usage."""

    def __call__(self, look: Callable[[NDArray[Any], NDArray[Any]], _T], /) -> Sequence[_T]:
        """Return the function's results, one per part."""


@dataclass(frozen=True)
class Coverage:
    """What a usage row stands for, and when a period counts as covered.

    Attributes
    ----------
    period : Period
        What a row covers.
    min_coverage : float
        Share of the companies that usually report, from 0 to 1.
    """

    period: Period = WEEKLY
    min_coverage: float = 0.5

    def complete_on(self, stamps: NDArray[np.int64]) -> NDArray[np.int32]:
        """Return the day on which each row is complete, given its stamp in microseconds."""
        return self.period.complete_on(days_of_stamps(stamps))


@dataclass(frozen=True)
class ExportDates:
    """The time that the tables cover, in days since 1970-01-01.

    Attributes
    ----------
    as_of : int
        Day of the export: nothing later is known.
    usage_end : int or None
        Day up to which usage is covered, not after ``as_of``; None if no usage is covered.
    today : int
        Today's date by the clock.
    was_given : bool
        Whether the user gave ``as_of``.
    """

    as_of: int
    usage_end: int | None
    today: int
    was_given: bool


def date_export(
    over: OverUsage, closed: NDArray[np.int32], coverage: Coverage, *, as_of: str, now: datetime
) -> ExportDates:
    """Work out on which day the tables were exported.

    Parameters
    ----------
    over : callable
        See :func:`covered_in`.
    closed : ndarray of shape (n_customers,), int32
        Conversion days of customers; used only if there is no usage.
    as_of : str
        The day that the user gave, YYYY-MM-DD; empty for the end of covered usage.
    now : datetime
        Time-zone aware. Nothing dated later counts.

    Raises
    ------
    UsageError
        If the given day is not a valid date, or lies in the future.
    NotEnoughDataError
        If no row has a date in the past.
    """
    clock = today(now)
    given = _day(as_of, clock) if as_of else None
    not_after = clock if given is None else given
    end = covered_in(over, coverage, not_after=not_after)
    day = given if given is not None else end
    if day is None:
        past = closed[closed <= clock]
        if not past.size:
            raise NotEnoughDataError(
                "no accepted row of the customers or the usage is dated in the past",
                hint="check the dates in the tables, and this machine's clock",
            )
        day = int(past.max())
    return ExportDates(day, end, clock, given is not None)


def covered_until(
    company: NDArray[np.integer[Any]],
    complete_on: NDArray[np.integer[Any]],
    coverage: Coverage,
    *,
    not_after: int,
) -> int | None:
    """Return the day on which the last covered period was complete; None if no period is covered.

    Parameters
    ----------
    company : ndarray of shape (n_rows,), int
        Position of each row's company, ascending.
    complete_on : ndarray of shape (n_rows,), int
        Day on which each row was complete, ascending within a company.
    not_after : int
        Periods that end later do not count.
    """
    return covered_in(lambda look: [look(company, complete_on)], coverage, not_after=not_after)


def covered_in(over: OverUsage, coverage: Coverage, *, not_after: int) -> int | None:
    """Return the same for usage in parts; all rows of a company are in one part.

    Parameters
    ----------
    over : callable
        Calls a function with the ``company`` and ``complete_on`` of each part (see :func:`covered_until`) and
        returns its results.
    not_after : int
        Periods that end later do not count.
    """
    period, n_rows = coverage.period, Counter[int]()
    for days, counts in over(lambda _, day: _counted(day[day <= not_after])):
        n_rows.update(dict(zip(days.tolist(), counts.tolist(), strict=True)))
    if not n_rows:
        return None
    day, rows = np.array(sorted(n_rows.items()), np.int64).T
    # Periods end where most rows are complete: weeks on one weekday, months on the first.
    phase = period.phase(day, rows)
    number = period.numbers(day, phase)
    first, last = int(number.min()), int(number.max())

    def reported(company: NDArray[np.integer[Any]], complete_on: NDArray[np.integer[Any]]) -> NDArray[Any]:
        known = complete_on <= not_after
        ours, at = company[known], period.numbers(complete_on[known], phase) - first
        fresh = np.append(True, (ours[1:] != ours[:-1]) | (at[1:] != at[:-1]))[: len(at)]
        return np.bincount(at[fresh], minlength=last - first + 1)

    reports = np.sum(over(reported), axis=0)
    number -= first
    covered = _usual(reports, coverage.min_coverage, _WEEK if period.is_day else 1)
    if period.is_day:
        weeks = np.convolve(reports, np.ones(_WEEK, dtype=np.int64))[: reports.size]
        covered &= _usual(weeks, coverage.min_coverage, 1)
    covered[period.ends(first + np.arange(covered.size), phase) > not_after] = False
    if not covered.any():
        return None
    return int(day[number == np.flatnonzero(covered)[-1]].max())


def _counted(days: NDArray[np.integer[Any]]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the distinct days, and how often each occurs."""
    if not days.size or int(days.max()) - int(days.min()) > _FEW_DAYS:
        distinct, counts = np.unique(days, return_counts=True)
        return distinct, counts
    low = days.min()
    every = np.bincount(days - low)
    there = np.flatnonzero(every)
    return there + low, every[there]


def _usual(reports: NDArray[np.integer[Any]], share: float, every: int) -> NDArray[np.bool_]:
    """Flag periods with at least this share of the median number of reports in every n-th period before."""
    usual = np.zeros(reports.size, dtype=np.bool_)
    for start in range(min(every, reports.size)):
        ours = reports[start::every]
        ordered = np.sort(ours)
        typical = ordered[np.searchsorted(np.cumsum(ordered), ordered.sum() / 2)] / _TYPICAL_OVER_LEAST
        before: deque[int] = deque(maxlen=_PERIODS_BEFORE)
        for at in np.flatnonzero(ours).tolist():
            count = int(ours[at])
            wanted = max(typical, median(before) if before else 0)
            usual[start + at * every] = count >= share * wanted
            if count >= share * typical:
                before.append(count)
    return usual


def _day(text: str, clock: int) -> int:
    try:
        day = int(np.datetime64(text, "D").astype(np.int64))
    except ValueError as error:
        raise UsageError(f"as-of: {text!r} is not a valid date", hint="write it as YYYY-MM-DD") from error
    if day > clock:
        raise UsageError(
            f"as-of: {text} is in the future: the clock says {date_of(clock)}",
            hint="give the day on which the tables were exported, or correct this machine's clock",
        )
    return day
