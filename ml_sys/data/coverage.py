"""Where covered usage ends, which is the day of the export: what single dates say must not move it.

A period is covered when as many companies report in it as usual: as in the middle one of the periods before.
Daily usage is held against the same days of the weeks before, and so is the week that ends on each day.
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

# Periods before that tell how many companies usually report.
_PERIODS_BEFORE = 8
# Where most rows lie, this many times as many report as are asked for at least: a few strays in each of many
# weeks to come do not vouch for one another, and a company may still lose three in four.
_TYPICAL_OVER_LEAST = 2
_WEEK = 7
# Days that are counted side by side, instead of sorted: some centuries.
_FEW_DAYS = 1 << 18

_T = TypeVar("_T")


class OverUsage(Protocol):
    """Calls a function with companies and days of each part of usage."""

    def __call__(self, look: Callable[[NDArray[Any], NDArray[Any]], _T], /) -> Sequence[_T]:
        """Return what it returned, part by part."""


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
        """Return the days on which rows stamped so, in microseconds, are complete."""
        return self.period.complete_on(days_of_stamps(stamps))


@dataclass(frozen=True)
class Export:
    """What part of time the tables speak for; in days since 1970-01-01.

    Attributes
    ----------
    as_of : int
        Day of the export: nothing later is known.
    usage_end : int or None
        Day up to which usage is covered, not after ``as_of``; None where none is.
    today : int
        What the clock said.
    was_given : bool
        Whether the user named the day.
    """

    as_of: int
    usage_end: int | None
    today: int
    was_given: bool


def date_export(
    over: OverUsage, closed: NDArray[np.int32], coverage: Coverage, *, as_of: str, now: datetime
) -> Export:
    """Find out on which day tables were exported.

    Parameters
    ----------
    over : callable
        As :func:`covered_in` takes it.
    closed : ndarray of shape (n_customers,), int32
        Days on which customers became so; only asked where there is no usage.
    as_of : str
        The day as the user gave it, YYYY-MM-DD; empty for the end of covered usage.
    now : datetime
        Aware. Nothing counts that is dated after it.

    Raises
    ------
    UsageError
        If the day given is no day, or has not come yet.
    NotEnoughDataError
        If nothing is dated.
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
                "no row of the customers or the usage was accepted and lies in the past",
                hint="check the tables, and the clock of this machine",
            )
        day = int(past.max())
    return Export(day, end, clock, given is not None)


def covered_until(
    company: NDArray[np.integer[Any]],
    complete_on: NDArray[np.integer[Any]],
    coverage: Coverage,
    *,
    not_after: int,
) -> int | None:
    """Return the day on which the last covered period was complete; None where there is none.

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
    """Return the same of usage in parts, with all rows of a company in one of them.

    Parameters
    ----------
    over : callable
        Calls a function with ``company`` and ``complete_on`` of each part, as :func:`covered_until` takes
        them, and returns what it returned.
    not_after : int
        Periods that end later do not count.
    """
    period, n_rows = coverage.period, Counter[int]()
    for days, counts in over(lambda _, day: _counted(day[day <= not_after])):
        n_rows.update(dict(zip(days.tolist(), counts.tolist(), strict=True)))
    if not n_rows:
        return None
    day, rows = np.array(sorted(n_rows.items()), np.int64).T
    # Periods end where most rows are complete: weeks on a day of the week, months on their firsts.
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
    """Return the distinct ones of some days, and how often each is there."""
    if not days.size or int(days.max()) - int(days.min()) > _FEW_DAYS:
        distinct, counts = np.unique(days, return_counts=True)
        return distinct, counts
    low = days.min()
    every = np.bincount(days - low)
    there = np.flatnonzero(every)
    return there + low, every[there]


def _usual(reports: NDArray[np.integer[Any]], share: float, every: int) -> NDArray[np.bool_]:
    """Say of each period whether a share of those report that did in most of every n-th period before."""
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
            f"as-of: {text} has not come yet: the clock says {date_of(clock)}",
            hint="name the day on which the tables were exported, or set the clock of this machine",
        )
    return day
