"""The compiled inner loops of `ml_sys.features.windows`, which imports them only when needed.

Invariant: all arithmetic is on 64-bit integers; a result becomes float32 in the one statement that stores it.

Each loop is compiled for read-only input, which takes writable input too, and kept in numba's cache: beside
this file, in the user's cache folder where that is read-only, nowhere where neither can be written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit, types

if TYPE_CHECKING:
    from collections.abc import Callable

_DAYS = types.Array(types.int32, 1, "C", readonly=True)
_OFFSETS = types.Array(types.int64, 1, "C", readonly=True)
_COUNTS = types.Array(types.int64, 2, "C", readonly=True)
_CELLS = types.Array(types.int32, 2, "C", readonly=True)
_NEVER = np.iinfo(np.int32).min

_LOCATE = types.boolean(_DAYS, _DAYS, types.int64[::1])
_SORT = types.void(_DAYS, _DAYS, _CELLS, types.int64, types.int32[::1], types.int32[::1], types.int32[:, ::1])
_WINDOWS = types.void(
    _OFFSETS, _DAYS, _COUNTS, types.int64, _DAYS, _OFFSETS,
    types.float32[:, :, :, ::1], types.float32[:, :, :, ::1], types.boolean,
    types.float32[:, :, ::1], types.float32[:, :, ::1],
    types.int32[:, ::1], types.int32[:, ::1], types.int32[:, ::1],
)  # fmt: skip


def _compiled(signatures: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Compile for the given signatures, from the cache where there can be one."""

    def compile_(function: Callable[..., Any]) -> Callable[..., Any]:
        try:
            cached: Callable[..., Any] = njit(signatures, cache=True, nogil=True)(function)
        except RuntimeError:  # numba found no folder that it may write to
            uncached: Callable[..., Any] = njit(signatures, nogil=True)(function)
            return uncached
        return cached

    return compile_


@_compiled(_LOCATE)
def locate(company, day, offsets):  # type: ignore[no-untyped-def]  # the signature above types it
    """Find each company's first row, and say whether rows are sorted and of known companies.

    Parameters
    ----------
    company, day : ndarray of shape (n_rows,), int32
    offsets : ndarray of shape (n_companies + 1,), int64
        Written: each company's first row, and the end of the last one's.

    Returns
    -------
    bool
    """
    n_companies = offsets.size - 1
    at = 0
    for row in range(company.size):
        current = company[row]
        if current < 0 or current >= n_companies:
            return False
        if row > 0:
            previous = company[row - 1]
            if current < previous or (current == previous and day[row] < day[row - 1]):
                return False
        while at <= current:
            offsets[at] = row
            at += 1
    while at <= n_companies:
        offsets[at] = company.size
        at += 1
    return True


@_compiled(_SORT)
def sort(  # type: ignore[no-untyped-def]  # the signature above types it
    company, day, cells, n_companies, sorted_company, sorted_day, sorted_cells
):
    """Sort rows by company and day: counted into companies, then Shell-sorted within each.

    Parameters
    ----------
    company, day : ndarray of shape (n_rows,), int32
        Companies from 0 to ``n_companies - 1``; this is not checked.
    cells : ndarray of shape (n_rows, n_cells), int32
        What moves with a row.
    n_companies : int
    sorted_company, sorted_day, sorted_cells
        Shapes and dtypes of the first three; written.
    """
    filled = np.zeros(n_companies + 1, dtype=np.int64)
    for row in range(company.size):
        filled[company[row] + 1] += 1
    for at in range(n_companies):
        filled[at + 1] += filled[at]
    origin = np.empty(company.size, dtype=np.int64)
    for row in range(company.size):
        to = filled[company[row]]
        filled[company[row]] = to + 1
        origin[to] = row
        sorted_day[to] = day[row]

    low = 0
    for at in range(n_companies):
        high = filled[at]
        sorted_company[low:high] = at
        gap = 1
        while 3 * gap < high - low:
            gap = 3 * gap + 1
        while gap > 0:
            for row in range(low + gap, high):
                moved_day, moved_origin, to = sorted_day[row], origin[row], row
                while to >= low + gap and sorted_day[to - gap] > moved_day:
                    sorted_day[to], origin[to] = sorted_day[to - gap], origin[to - gap]
                    to -= gap
                sorted_day[to], origin[to] = moved_day, moved_origin
            gap //= 3
        low = high
    for row in range(company.size):
        for cell in range(cells.shape[1]):
            sorted_cells[row, cell] = cells[origin[row], cell]


@_compiled(_WINDOWS)
def fill(  # type: ignore[no-untyped-def]  # the signature above types it
    offsets, day, values, n_actions, cutoffs, windows,
    sums, maxima, with_maxima, present, active, first, last, last_active,
):  # fmt: skip
    """Write every statistic of every (company, cutoff, window) that has a row; the others stay as they are.

    Running sums over a company's rows make any window a difference of two; cutoffs and window starts only
    move forward, so each row is passed once per window. Maxima grow backwards, each window on the shorter.

    Parameters
    ----------
    offsets : ndarray of shape (n_companies + 1,), int64
        See `locate`.
    day : ndarray of shape (n_rows,), int32
    values : ndarray of shape (n_rows, n_measures), int64
    n_actions : int
    cutoffs : ndarray of shape (n_cutoffs,), int32
        Ascending.
    windows : ndarray of shape (n_windows,), int64
        Ascending.
    sums, maxima, with_maxima, present, active, first, last, last_active
        As in `ml_sys.features.windows.WindowStats`; written, ``maxima`` only if ``with_maxima``.
    """
    n_measures, n_windows = values.shape[1], windows.size
    longest = 0
    for company in range(offsets.size - 1):
        longest = max(longest, offsets[company + 1] - offsets[company])
    running = np.zeros((longest + 1, n_measures), dtype=np.int64)
    running_active = np.zeros(longest + 1, dtype=np.int64)
    best = np.zeros(n_measures, dtype=np.int64)
    start = np.zeros(n_windows, dtype=np.int64)

    for company in range(offsets.size - 1):
        low = offsets[company]
        n_rows = offsets[company + 1] - low
        if n_rows == 0:
            continue
        for row in range(n_rows):
            is_active = 0
            for measure in range(n_measures):
                value = values[low + row, measure]
                running[row + 1, measure] = running[row, measure] + value
                if measure < n_actions and value > 0:
                    is_active = 1
            running_active[row + 1] = running_active[row] + is_active
        start[:] = 0
        end = 0
        latest_active = _NEVER
        for at in range(cutoffs.size):
            cutoff = np.int64(cutoffs[at])
            while end < n_rows and day[low + end] <= cutoff:
                if running_active[end + 1] > running_active[end]:
                    latest_active = day[low + end]
                end += 1
            if end == 0:
                continue
            first[company, at] = day[low]
            last[company, at] = day[low + end - 1]
            last_active[company, at] = latest_active
            for window in range(n_windows):
                begin = start[window]
                while begin < end and day[low + begin] <= cutoff - windows[window]:
                    begin += 1
                start[window] = begin
                if begin == end:
                    continue
                present[company, at, window] = np.float32(end - begin)
                active[company, at, window] = np.float32(running_active[end] - running_active[begin])
                for measure in range(n_measures):
                    total = running[end, measure] - running[begin, measure]
                    sums[company, at, window, measure] = np.float32(total)
            if with_maxima and start[n_windows - 1] < end:
                best[:] = 0
                reached = end
                for window in range(n_windows):
                    while reached > start[window]:
                        reached -= 1
                        for measure in range(n_measures):
                            best[measure] = max(best[measure], values[low + reached, measure])
                    for measure in range(n_measures):
                        maxima[company, at, window, measure] = np.float32(best[measure])
