"""The inner loops of `ml_sys.features.windows`.

Invariant: all arithmetic is on 64-bit integers; a result is divided by its scale and becomes float32 where
it is stored.
Each loop is compiled for read-only input, which takes writable input too.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ml_sys.kernel import kernel

_NEVER = np.iinfo(np.int32).min


def _read(numba: Any, dtype: str, dimensions: int) -> Any:
    return numba.types.Array(getattr(numba.types, dtype), dimensions, "C", readonly=True)


def _locate_types(numba: Any) -> Any:
    days = _read(numba, "int32", 1)
    return numba.types.boolean(days, days, numba.int64[::1])


def _sort_types(numba: Any) -> Any:
    days, cells = _read(numba, "int32", 1), _read(numba, "int32", 2)
    return numba.void(days, days, cells, numba.int64, numba.int32[::1], numba.int32[::1], numba.int32[:, ::1])


def _fill_types(numba: Any) -> Any:
    days, offsets, counts = _read(numba, "int32", 1), _read(numba, "int64", 1), _read(numba, "int64", 2)
    by_measure, by_window, by_cutoff = (
        numba.float32[:, :, :, ::1], numba.float32[:, :, ::1], numba.int32[:, ::1],
    )  # fmt: skip
    written = (by_measure, by_measure, numba.types.boolean, *[by_window] * 2, *[by_cutoff] * 3)
    scales = _read(numba, "float64", 1)
    return numba.void(offsets, days, counts, numba.int64, scales, days, offsets, numba.types.Tuple(written))


@kernel(_locate_types)
def locate(company, day, offsets):  # type: ignore[no-untyped-def]  # the types above
    """Find each company's first row, and say whether rows are sorted and of known companies.

    Parameters
    ----------
    company, day : ndarray of shape (n_rows,), int32
    offsets : ndarray of shape (n_companies + 1,), int64
        Written: each company's first row, and the end of the last one's.
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


@kernel(_sort_types)
def sort(  # type: ignore[no-untyped-def]  # the types above
    company, day, cells, n_companies, sorted_company, sorted_day, sorted_cells
):
    """Sort rows by company and day: counted into companies, then Shell-sorted within each.

    Parameters
    ----------
    company, day : ndarray of shape (n_rows,), int32
        Companies from 0 to ``n_companies - 1``; this is not checked.
    cells : ndarray of shape (n_rows, n_cells), int32
        What moves with a row.
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


@kernel(_fill_types)
def fill(offsets, day, values, n_activity, scales, cutoffs, windows, written):  # type: ignore[no-untyped-def]  # as above
    """Write every statistic of every (company, cutoff, window) that has a row; the others stay as they are.

    Running sums over a company's rows make any window a difference of two; cutoffs and window starts only
    move forward, so each row is passed once per window. Maxima grow backwards, each window on the shorter.

    Parameters
    ----------
    offsets : ndarray of shape (n_companies + 1,), int64
        See `locate`.
    day : ndarray of shape (n_rows,), int32
    values : ndarray of shape (n_rows, n_measures), int64
    n_activity : int
        Leading measures that make a row active when above zero.
    scales : ndarray of shape (n_measures,), float64
        What totals are divided by, in the last step.
    cutoffs : ndarray of shape (n_cutoffs,), int32
        Ascending.
    windows : ndarray of shape (n_windows,), int64
        Ascending.
    written : tuple
        Sums, maxima, whether maxima are asked for, present, active, first, last and last active rows as in
        `ml_sys.features.windows.WindowStats`.
    """
    sums, maxima, with_maxima, present, active, first, last, last_active = written
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
                if measure < n_activity and value > 0:
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
                    if scales[measure] == 1.0:
                        sums[company, at, window, measure] = np.float32(total)
                    else:
                        sums[company, at, window, measure] = np.float32(total / scales[measure])
            if with_maxima and start[n_windows - 1] < end:
                best[:] = 0
                reached = end
                for window in range(n_windows):
                    while reached > start[window]:
                        reached -= 1
                        for measure in range(n_measures):
                            best[measure] = max(best[measure], values[low + reached, measure])
                    for measure in range(n_measures):
                        if scales[measure] == 1.0:
                            maxima[company, at, window, measure] = np.float32(best[measure])
                        else:
                            maxima[company, at, window, measure] = np.float32(best[measure] / scales[measure])
