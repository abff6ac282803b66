"""Usage over windows that end at a cutoff: the only code that reads usage rows.

Invariant: a row counts at a cutoff only when the period it covers is complete by then. Everything here is
integer arithmetic until the last step, so later rows cannot change a bit of an earlier cutoff.

Rows are sorted once by (company, day). Any window of any cutoff is then a difference of two of the company's
running sums: cost grows with rows plus panel rows, not with rows × cutoffs × windows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ml_sys.errors import MlsysError
from ml_sys.features import window_kernel as kernel

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from ml_sys.days import Period

NEVER = np.iinfo(np.int32).min
BLOCK_COMPANIES = 4096
_CELL = np.dtype(np.int16).itemsize  # bytes up to which counts are widened to be moved in 32-bit cells
_NO_MAXIMA = np.zeros((0, 0, 0, 0), dtype=np.float32)


class UnsortedLogError(MlsysError):
    """Usage rows are not sorted by company and day."""

    def __init__(self) -> None:
        super().__init__(
            "usage rows are not sorted by company and day", hint="build the log with UsageLog.from_rows"
        )


class UnknownCompanyError(MlsysError):
    """A usage row belongs to none of the companies."""

    def __init__(self, n_companies: int) -> None:
        super().__init__(
            f"a usage row belongs to none of the {n_companies:,} companies",
            hint="rows name companies by position, from 0",
        )


class NotAscendingError(MlsysError):
    """Cutoffs or window lengths are not strictly ascending."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} are not strictly ascending", hint="sort them and drop repeats")


@dataclass(frozen=True)
class UsageLog:
    """Usage rows of anonymous companies, known by position only.

    Attributes
    ----------
    company : ndarray of shape (n_rows,), int32
        Position of the company, ascending.
    day : ndarray of shape (n_rows,), int32
        Day on which the row's period was complete, in days since 1970-01-01, ascending within a company.
    values : ndarray of shape (n_rows, n_measures), of any integers
        Whole numbers, not negative.
    n_companies : int
        Number of companies, those without rows included.
    n_activity : int
        Number of leading columns of ``values`` that make a row active when above zero.
    digits : tuple of int
        How many digits of each column stand behind the point; none of any by default.
    """

    company: NDArray[np.int32]
    day: NDArray[np.int32]
    values: NDArray[np.integer[Any]]
    n_companies: int
    n_activity: int
    digits: tuple[int, ...] = ()

    @classmethod
    def from_rows(
        cls,
        company: NDArray[np.int32],
        stamp_day: NDArray[np.int32],
        values: NDArray[np.int32],
        *,
        n_companies: int,
        n_activity: int,
        period: Period,
        digits: tuple[int, ...] = (),
    ) -> UsageLog:
        """Sort rows, add up rows of the same company and day, and turn stamps into days of completion.

        Parameters
        ----------
        company : ndarray of shape (n_rows,), int32
            Position of each row's company, from 0 to ``n_companies - 1``.
        stamp_day : ndarray of shape (n_rows,), int32
            Day of each row's stamp, in days since 1970-01-01.
        values : ndarray of shape (n_rows, n_measures), int32 or int64
            Whole numbers, not negative.
        n_companies, n_activity, digits
            See the attributes.
        period : Period
            What a row covers.

        Raises
        ------
        UnknownCompanyError
            If a row's company is not one of ``n_companies``.
        """
        if company.size and not 0 <= company.min() <= company.max() < n_companies:
            raise UnknownCompanyError(n_companies)
        day = period.complete_on(stamp_day)
        if not _strictly_ascending(company, day):
            company, day, values = _sorted(company, day, values, n_companies)
            fresh = np.ones(company.size, dtype=np.bool_)
            fresh[1:] = (company[1:] != company[:-1]) | (day[1:] != day[:-1])
            if not fresh.all():
                starts = np.flatnonzero(fresh)
                company, day = company[starts], day[starts]
                values = np.add.reduceat(values, starts, axis=0, dtype=np.int64)
        return cls(company, day, values, n_companies, n_activity, digits)

    @cached_property
    def _begins(self) -> NDArray[np.intp]:
        """Where the rows of each company begin, and behind them those of none."""
        return np.searchsorted(self.company, np.arange(self.n_companies + 1, dtype=np.int32))

    def take(self, companies: NDArray[np.integer[Any]]) -> UsageLog:
        """Return the log of some companies, numbered from 0 in the given order."""
        begin = self._begins[companies]
        n_rows = self._begins[companies + 1] - begin
        first = np.cumsum(n_rows) - n_rows
        rows = np.arange(int(n_rows.sum())) + np.repeat(begin - first, n_rows)
        return UsageLog(
            np.repeat(np.arange(companies.size, dtype=np.int32), n_rows),
            self.day[rows],
            self.values[rows],
            companies.size,
            self.n_activity,
            self.digits,
        )

    def first_days(self) -> NDArray[np.int32]:
        """Return the day of each company's first row, ``NEVER`` where it has none; shape (n_companies,)."""
        first = np.full(self.n_companies, NEVER, dtype=np.int32)
        begins = np.flatnonzero(np.diff(self.company, prepend=-1))
        first[self.company[begins]] = self.day[begins]
        return first

    def first_uses(self) -> NDArray[np.int32]:
        """Return the day of each company's first row with any of a measure, ``NEVER`` where there is none.

        Returns
        -------
        ndarray of shape (n_companies, n_measures), int32
        """
        first = np.full((self.n_companies, self.values.shape[1]), NEVER, dtype=np.int32)
        for measure in range(self.values.shape[1]):
            rows = np.flatnonzero(self.values[:, measure] > 0)
            rows = rows[np.diff(self.company[rows], prepend=-1) != 0]
            first[self.company[rows], measure] = self.day[rows]
        return first

    def blocks(self, n_companies: int = BLOCK_COMPANIES) -> Iterator[UsageLog]:
        """Cut the log into logs of at most ``n_companies`` consecutive companies."""
        for start in range(0, self.n_companies, n_companies):
            yield self.between(start, min(start + n_companies, self.n_companies))

    def between(self, start: int, stop: int) -> UsageLog:
        """Return the log of consecutive companies, numbered from 0, without a copy of its values."""
        low, high = np.searchsorted(self.company, np.array([start, stop], dtype=np.int32))
        return UsageLog(
            self.company[low:high] - np.int32(start),
            self.day[low:high],
            self.values[low:high],
            stop - start,
            self.n_activity,
            self.digits,
        )


@dataclass(frozen=True)
class WindowStats:
    """Usage statistics of every (company, cutoff).

    Attributes
    ----------
    sums, maxima : ndarray of shape (n_companies, n_cutoffs, n_windows, n_measures), float32
        Total and largest single row per measure, in its unit. ``maxima`` is None when not asked for.
    present, active : ndarray of shape (n_companies, n_cutoffs, n_windows), float32
        Number of rows, and of rows with any action.
    first, last, last_active : ndarray of shape (n_companies, n_cutoffs), int32
        Day of the first row, the last row and the last row with any action; ``NEVER`` where there is none.
    """

    sums: NDArray[np.float32]
    maxima: NDArray[np.float32] | None
    present: NDArray[np.float32]
    active: NDArray[np.float32]
    first: NDArray[np.int32]
    last: NDArray[np.int32]
    last_active: NDArray[np.int32]


def window_stats(
    log: UsageLog, cutoffs: NDArray[np.int32], windows_days: Sequence[int], *, with_maxima: bool = True
) -> WindowStats:
    """Sum and maximise every usage measure over windows that end at each cutoff.

    A window of w days at cutoff c holds the rows whose period was completed in (c - w, c].

    Parameters
    ----------
    log : UsageLog
        Rows sorted by (company, day).
    cutoffs : ndarray of shape (n_cutoffs,), int32
        Days since 1970-01-01, strictly ascending.
    windows_days : sequence of int
        Window lengths in days, strictly ascending.
    with_maxima : bool
        Whether ``maxima`` is computed.

    Raises
    ------
    UnsortedLogError
        If rows are not sorted by (company, day).
    NotAscendingError
        If cutoffs or windows are not strictly ascending.
    """
    windows = np.asarray(windows_days, dtype=np.int64)
    for name, ascending in (("cutoffs", cutoffs), ("windows", windows)):
        if not (ascending[1:] > ascending[:-1]).all():
            raise NotAscendingError(name)
    day = np.ascontiguousarray(log.day)
    offsets = np.empty(log.n_companies + 1, dtype=np.int64)
    if not kernel.locate(np.ascontiguousarray(log.company), day, offsets):
        raise UnsortedLogError
    panel = (log.n_companies, cutoffs.size)
    cells = (*panel, windows.size, log.values.shape[1])
    stats = WindowStats(
        sums=np.zeros(cells, dtype=np.float32),
        maxima=np.zeros(cells, dtype=np.float32) if with_maxima else None,
        present=np.zeros(cells[:3], dtype=np.float32),
        active=np.zeros(cells[:3], dtype=np.float32),
        first=np.full(panel, NEVER, dtype=np.int32),
        last=np.full(panel, NEVER, dtype=np.int32),
        last_active=np.full(panel, NEVER, dtype=np.int32),
    )
    kernel.fill(
        offsets, day, np.ascontiguousarray(log.values, dtype=np.int64), log.n_activity, _scales(log),
        np.ascontiguousarray(cutoffs), windows,
        (stats.sums, _NO_MAXIMA if stats.maxima is None else stats.maxima, with_maxima,
         stats.present, stats.active, stats.first, stats.last, stats.last_active),
    )  # fmt: skip
    return stats


def _scales(log: UsageLog) -> NDArray[np.float64]:
    """Return by what totals of each measure are divided; shape (n_measures,)."""
    return np.array([10.0**one for one in log.digits or (0,) * log.values.shape[1]], dtype=np.float64)


def _strictly_ascending(company: NDArray[np.int32], day: NDArray[np.int32]) -> bool:
    same = company[1:] == company[:-1]
    return bool(((company[1:] > company[:-1]) | (same & (day[1:] > day[:-1]))).all())


def _sorted(
    company: NDArray[np.int32], day: NDArray[np.int32], values: NDArray[np.int32], n_companies: int
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    company, day = np.ascontiguousarray(company), np.ascontiguousarray(day)
    values = np.ascontiguousarray(values, dtype=values.dtype if values.itemsize > _CELL else np.int32)
    result = np.empty_like(company), np.empty_like(day), np.empty_like(values)
    # Rows of 64-bit counts are moved as twice as many 32-bit cells: one compiled loop for both.
    kernel.sort(company, day, values.view(np.int32), n_companies, *result[:2], result[2].view(np.int32))
    return result
