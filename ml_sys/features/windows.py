"""Usage over windows that end at a cutoff: the only code that reads usage rows.

Invariant: a row counts at a cutoff only when the period it covers is complete by then. Everything here is
integer arithmetic until the last step, so later rows cannot change a bit of an earlier cutoff.

The days between the first window's start and the last cutoff are cut into elementary bins at every cutoff and
every window start. Rows are added into (company, bin) cells once; any window of any cutoff is then a difference
of two running sums. Cost grows with rows plus panel rows, not with rows × cutoffs × windows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ml_sys.errors import MlsysError

NEVER = np.iinfo(np.int32).min
BLOCK_COMPANIES = 4096


class UnsortedLogError(MlsysError):
    """Usage rows are not sorted by company and day."""

    def __init__(self) -> None:
        super().__init__("usage rows are not sorted by company and day", hint="build the log with UsageLog.from_rows")


@dataclass(frozen=True)
class UsageLog:
    """Usage rows of anonymous companies, known by position only.

    Attributes
    ----------
    company : ndarray of shape (n_rows,), int32
        Position of the company, ascending.
    day : ndarray of shape (n_rows,), int32
        Day on which the row's period was complete, in days since 1970-01-01, ascending within a company.
    values : ndarray of shape (n_rows, n_measures), int32 or int64
        Counts, not negative. The first ``n_actions`` columns are actions, the rest users.
    n_companies : int
        Number of companies, those without rows included.
    n_actions : int
        Number of leading columns of ``values`` that make a row active when above zero.
    """

    company: NDArray[np.int32]
    day: NDArray[np.int32]
    values: NDArray[np.int32] | NDArray[np.int64]
    n_companies: int
    n_actions: int

    @classmethod
    def from_rows(
        cls,
        company: NDArray[np.int32],
        stamp_day: NDArray[np.int32],
        values: NDArray[np.int32],
        *,
        n_companies: int,
        n_actions: int,
        period_days: int,
        stamp: Literal["start", "end"],
    ) -> UsageLog:
        """Sort rows, add up rows of the same company and day, and turn stamps into days of completion."""
        day = stamp_day + np.int32(period_days if stamp == "start" else 0)
        key = company.astype(np.int64) << 32 | day.astype(np.int64) - NEVER
        if key.size and not (key[1:] > key[:-1]).all():
            order = np.argsort(key, kind="stable")
            key, company, day, values = key[order], company[order], day[order], values[order]
            starts = np.flatnonzero(np.concatenate(([True], key[1:] != key[:-1])))
            if starts.size < key.size:
                company, day = company[starts], day[starts]
                values = np.add.reduceat(values, starts, axis=0, dtype=np.int64)
        return cls(company, day, values, n_companies, n_actions)

    def blocks(self, n_companies: int = BLOCK_COMPANIES) -> Iterator[UsageLog]:
        """Cut the log into logs of at most ``n_companies`` consecutive companies."""
        for start in range(0, self.n_companies, n_companies):
            stop = min(start + n_companies, self.n_companies)
            low, high = np.searchsorted(self.company, (start, stop))
            yield UsageLog(
                self.company[low:high] - np.int32(start),
                self.day[low:high],
                self.values[low:high],
                stop - start,
                self.n_actions,
            )


@dataclass(frozen=True)
class WindowStats:
    """What usage says of every (company, cutoff).

    Attributes
    ----------
    sums, maxima : ndarray of shape (n_companies, n_cutoffs, n_windows, n_measures), float32
        Total and largest single row per measure, in counts. ``maxima`` is None when not asked for.
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

    Returns
    -------
    WindowStats

    Raises
    ------
    UnsortedLogError
        If rows are not sorted by (company, day).
    """
    _require_sorted(log)
    windows = np.asarray(windows_days, dtype=np.int32)
    edges = np.unique(np.concatenate([cutoffs, (cutoffs[:, None] - windows[None, :]).ravel()]))
    ends = np.searchsorted(edges, cutoffs)
    starts = np.searchsorted(edges, cutoffs[:, None] - windows[None, :])

    bins = np.searchsorted(edges, log.day, side="left")
    counted = bins < edges.size
    cells = log.company[counted].astype(np.int64) * edges.size + bins[counted]
    values = log.values[counted].astype(np.int64)
    day = log.day[counted]
    is_active = (values[:, : log.n_actions] > 0).any(axis=1)

    heads = np.flatnonzero(np.concatenate(([True], cells[1:] != cells[:-1]))) if cells.size else np.empty(0, np.int64)
    filled = cells[heads]
    shape = (log.n_companies, edges.size)

    counts = np.column_stack([values, np.ones_like(day, dtype=np.int64), is_active])
    running = _spread(counts, heads, filled, shape, np.add).cumsum(axis=1)
    totals = (running[:, ends, None, :] - running[:, starts, :]).astype(np.float32)
    n_measures = log.values.shape[1]

    last = np.maximum.accumulate(_spread_days(day, heads, filled, shape), axis=1)[:, ends]
    active_day = np.where(is_active, day, np.int32(NEVER))
    last_active = np.maximum.accumulate(_spread_days(active_day, heads, filled, shape), axis=1)[:, ends]
    return WindowStats(
        sums=totals[..., :n_measures],
        maxima=_maxima(_spread(values, heads, filled, shape, np.maximum), ends, starts) if with_maxima else None,
        present=totals[..., n_measures],
        active=totals[..., n_measures + 1],
        first=_first_days(log, cutoffs),
        last=last,
        last_active=last_active,
    )


def _require_sorted(log: UsageLog) -> None:
    same = log.company[1:] == log.company[:-1]
    if not ((log.company[1:] > log.company[:-1]) | (same & (log.day[1:] >= log.day[:-1]))).all():
        raise UnsortedLogError


def _spread(
    values: NDArray[np.int64], heads: NDArray[np.int64], filled: NDArray[np.int64], shape: tuple[int, int], how: np.ufunc
) -> NDArray[np.int64]:
    """Reduce consecutive rows of one cell and lay the cells out as (company, bin, column)."""
    dense = np.zeros((shape[0] * shape[1], values.shape[1]), dtype=np.int64)
    if heads.size:
        dense[filled] = how.reduceat(values, heads, axis=0)
    return dense.reshape(*shape, values.shape[1])


def _spread_days(
    day: NDArray[np.int32], heads: NDArray[np.int64], filled: NDArray[np.int64], shape: tuple[int, int]
) -> NDArray[np.int32]:
    dense = np.full(shape[0] * shape[1], NEVER, dtype=np.int32)
    if heads.size:
        dense[filled] = np.maximum.reduceat(day, heads)
    return dense.reshape(shape)


def _maxima(cells: NDArray[np.int64], ends: NDArray[np.intp], starts: NDArray[np.intp]) -> NDArray[np.float32]:
    """Grow each cutoff's window backwards, so that a bin is looked at once per cutoff."""
    n_companies, _, n_measures = cells.shape
    out = np.empty((n_companies, ends.size, starts.shape[1], n_measures), dtype=np.float32)
    for at, end in enumerate(ends):
        high = end
        best = np.zeros((n_companies, n_measures), dtype=np.int64)
        for window, low in enumerate(starts[at]):
            for column in range(low + 1, high + 1):
                np.maximum(best, cells[:, column], out=best)
            high = low
            out[:, at, window] = best
    return out


def _first_days(log: UsageLog, cutoffs: NDArray[np.int32]) -> NDArray[np.int32]:
    first = np.full(log.n_companies, np.iinfo(np.int32).max, dtype=np.int32)
    heads = np.flatnonzero(np.concatenate(([True], log.company[1:] != log.company[:-1]))) if log.company.size else []
    first[log.company[heads]] = log.day[heads]
    return np.where(first[:, None] <= cutoffs[None, :], first[:, None], np.int32(NEVER)).astype(np.int32)
