"""Windows of usage: equal to counting by hand, and blind to whatever is not complete by the cutoff."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ml_sys.features.windows
from ml_sys.days import Period
from ml_sys.features.windows import (
    NEVER,
    NotAscendingError,
    UnknownCompanyError,
    UnsortedLogError,
    UsageLog,
    WindowStats,
    window_stats,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

N_COMPANIES, N_MEASURES, N_ACTIONS, PERIOD = 4, 3, 2, 7
CUTOFFS = np.array([18_020, 18_027, 18_050, 18_078], dtype=np.int32)
WINDOWS = (7, 28, 91)
CUTOFF = int(CUTOFFS[1])

Row = tuple[int, int, list[int]]
counts = st.one_of(st.just(0), st.integers(0, 30), st.integers(0, 2**31 - 1))


def rows(first: int = 17_900, last: int = 18_090, *, max_size: int = 40) -> st.SearchStrategy[list[Row]]:
    """Rows of (company, stamp day, counts)."""
    values = st.lists(counts, min_size=N_MEASURES, max_size=N_MEASURES)
    return st.lists(
        st.tuples(st.integers(0, N_COMPANIES - 1), st.integers(first, last), values), max_size=max_size
    )


def log_of(usage: list[Row], stamp: str = "start", dtype: type = np.int32) -> UsageLog:
    company = np.array([row[0] for row in usage], dtype=np.int32)
    day = np.array([row[1] for row in usage], dtype=np.int32)
    values = np.array([row[2] for row in usage], dtype=dtype).reshape(-1, N_MEASURES)
    period = Period(stamp=stamp)  # type: ignore[arg-type]
    return UsageLog.from_rows(
        company, day, values, n_companies=N_COMPANIES, n_activity=N_ACTIONS, period=period
    )


def counted_by_hand(
    usage: list[Row], stamp: str, cutoffs: NDArray[np.int32], windows: tuple[int, ...]
) -> WindowStats:
    """The definition, row by row, in Python's integers."""
    merged: dict[tuple[int, int], list[int]] = {}
    for company, day, values in usage:
        complete = day + (PERIOD if stamp == "start" else 0)
        before = merged.get((company, complete), [0] * N_MEASURES)
        merged[company, complete] = [a + b for a, b in zip(before, values, strict=True)]
    panel = (N_COMPANIES, cutoffs.size)
    sums, maxima = (np.zeros((*panel, len(windows), N_MEASURES), dtype=np.int64) for _ in range(2))
    present, active = (np.zeros((*panel, len(windows)), dtype=np.int64) for _ in range(2))
    first, last, last_active = (np.full(panel, NEVER, dtype=np.int32) for _ in range(3))
    for (company, day), values in sorted(merged.items()):
        is_active = any(values[:N_ACTIONS])
        for at, cutoff in enumerate(cutoffs.tolist()):
            if day > cutoff:
                continue
            first[company, at] = day if first[company, at] == NEVER else first[company, at]
            last[company, at] = day
            last_active[company, at] = day if is_active else last_active[company, at]
            for window, length in enumerate(windows):
                if day > cutoff - length:
                    sums[company, at, window] += values
                    maxima[company, at, window] = np.maximum(maxima[company, at, window], values)
                    present[company, at, window] += 1
                    active[company, at, window] += is_active
    single = (part.astype(np.float32) for part in (sums, maxima, present, active))
    return WindowStats(*single, first, last, last_active)


def assert_same_bits(one: WindowStats, other: WindowStats) -> None:
    for field in fields(WindowStats):
        left, right = getattr(one, field.name), getattr(other, field.name)
        assert left.dtype == right.dtype, field.name
        assert left.shape == right.shape, field.name
        assert left.tobytes() == right.tobytes(), field.name


@given(usage=rows(), stamp=st.sampled_from(["start", "end"]), dtype=st.sampled_from([np.int32, np.int64]))
def test_windows_equal_counting_by_hand(usage: list[Row], stamp: str, dtype: type) -> None:
    log = log_of(usage, stamp, dtype)
    assert_same_bits(window_stats(log, CUTOFFS, WINDOWS), counted_by_hand(usage, stamp, CUTOFFS, WINDOWS))


@given(
    usage=rows(),
    cutoffs=st.sets(st.integers(17_880, 18_110), max_size=6),
    windows=st.sets(st.integers(1, 200), max_size=4),
)
def test_any_cutoffs_and_windows_equal_counting_by_hand(
    usage: list[Row], cutoffs: set[int], windows: set[int]
) -> None:
    at, lengths = np.array(sorted(cutoffs), dtype=np.int32), tuple(sorted(windows))
    assert_same_bits(window_stats(log_of(usage), at, lengths), counted_by_hand(usage, "start", at, lengths))


@given(usage=rows(), later=rows(first=int(CUTOFFS[-1]) - PERIOD + 1, last=2**31 - 10))
def test_rows_that_are_not_complete_by_the_cutoff_change_nothing(usage: list[Row], later: list[Row]) -> None:
    assert_same_bits(
        window_stats(log_of(usage), CUTOFFS, WINDOWS), window_stats(log_of(usage + later), CUTOFFS, WINDOWS)
    )


@given(usage=rows(), others=st.sets(st.integers(17_880, 18_110), max_size=5))
def test_a_cutoff_says_the_same_whatever_other_cutoffs_are_asked_for(
    usage: list[Row], others: set[int]
) -> None:
    log = log_of(usage)
    many = np.array(sorted(others | {CUTOFF}), dtype=np.int32)
    at = slice(index := int(np.searchsorted(many, CUTOFF)), index + 1)
    stats = window_stats(log, many, WINDOWS)
    cut = replace(stats, **{field.name: getattr(stats, field.name)[:, at] for field in fields(WindowStats)})
    assert_same_bits(cut, window_stats(log, np.array([CUTOFF], dtype=np.int32), WINDOWS))


@given(usage=rows(), seed=st.integers(0, 2**32 - 1))
def test_the_order_of_rows_changes_nothing(usage: list[Row], seed: int) -> None:
    shuffled = [usage[at] for at in np.random.default_rng(seed).permutation(len(usage))]
    assert_same_bits(
        window_stats(log_of(usage), CUTOFFS, WINDOWS), window_stats(log_of(shuffled), CUTOFFS, WINDOWS)
    )


@given(usage=rows(), n_companies=st.integers(1, N_COMPANIES + 1))
def test_blocks_agree_with_the_whole(usage: list[Row], n_companies: int) -> None:
    log = log_of(usage)
    parts = [window_stats(block, CUTOFFS, WINDOWS) for block in log.blocks(n_companies)]
    joined = {
        field.name: np.concatenate([getattr(part, field.name) for part in parts])
        for field in fields(WindowStats)
    }
    assert_same_bits(WindowStats(**joined), window_stats(log, CUTOFFS, WINDOWS))


@given(usage=rows())
def test_leaving_maxima_out_changes_nothing_else(usage: list[Row]) -> None:
    log = log_of(usage)
    without, with_ = (window_stats(log, CUTOFFS, WINDOWS, with_maxima=wanted) for wanted in (False, True))
    assert without.maxima is None
    assert_same_bits(replace(without, maxima=with_.maxima), with_)


@pytest.mark.parametrize(("stamp", "day"), [("start", CUTOFF - PERIOD), ("end", CUTOFF)])
def test_a_row_complete_exactly_on_the_cutoff_counts_and_one_a_day_later_does_not(
    stamp: str, day: int
) -> None:
    at = np.array([CUTOFF], dtype=np.int32)
    on_it, after = (window_stats(log_of([(0, d, [5, 0, 0])], stamp), at, (1,)) for d in (day, day + 1))
    assert on_it.sums[0, 0, 0, 0] == on_it.maxima[0, 0, 0, 0] == 5
    assert on_it.last[0, 0] == CUTOFF
    assert after.sums[0, 0, 0, 0] == after.present[0, 0, 0] == 0
    assert after.first[0, 0] == NEVER


def test_a_row_complete_exactly_a_window_before_the_cutoff_does_not_count() -> None:
    at = np.array([CUTOFF], dtype=np.int32)
    outside, inside = (
        window_stats(log_of([(0, day, [5, 0, 0])], "end"), at, (7,)) for day in (CUTOFF - 7, CUTOFF - 6)
    )
    assert outside.sums.sum() == 0
    assert outside.last[0, 0] == CUTOFF - 7
    assert inside.sums.sum() == 5


def test_rows_of_one_company_and_day_are_added_up_and_count_once() -> None:
    stats = window_stats(log_of([(1, 18_000, [3, 0, 1]), (1, 18_000, [4, 0, 2])]), CUTOFFS, WINDOWS)
    assert stats.sums[1, 0, 2].tolist() == stats.maxima[1, 0, 2].tolist() == [7, 0, 3]
    assert stats.present[1, 0, 2] == stats.active[1, 0, 2] == 1


def test_a_company_without_rows_or_without_actions_has_never_been_seen_or_active() -> None:
    stats = window_stats(log_of([(1, 18_000, [0, 0, 9])]), CUTOFFS, WINDOWS)
    assert (stats.first[0] == NEVER).all()
    assert (stats.last[0] == NEVER).all()
    assert (stats.last_active == NEVER).all()
    assert (stats.last[1] == 18_000 + PERIOD).all()


def test_the_first_use_of_a_measure_is_the_first_row_with_any_of_it() -> None:
    usage = [(1, 18_000, [0, 1, 0]), (1, 18_007, [3, 0, 0]), (1, 18_014, [1, 1, 0]), (2, 18_000, [0, 0, 0])]
    assert log_of(usage).first_uses().tolist() == [
        [NEVER] * 3,
        [18_007 + PERIOD, 18_000 + PERIOD, NEVER],
        [NEVER] * 3,
        [NEVER] * 3,
    ]


def test_totals_beyond_32_bits_are_exact_until_the_last_step() -> None:
    usage = [(0, 18_000 + week, [2**31 - 1, 1, 0]) for week in range(10)]
    stats = window_stats(log_of(usage), CUTOFFS, WINDOWS)
    assert stats.sums[0, -1, -1].tolist() == [np.float32(10 * (2**31 - 1)), 10, 0]


def test_many_rows_of_one_company_are_sorted_too() -> None:
    rng = np.random.default_rng(0)
    usage = [(2, int(day), [1, 0, int(day) % 5]) for day in rng.permutation(np.arange(15_000, 18_000))]
    log = log_of(usage)
    assert (np.diff(log.day) == 1).all()
    np.testing.assert_array_equal(log.values[:, 2], (log.day - PERIOD) % 5)


@pytest.mark.parametrize(
    ("company", "day"), [([0, 0], [8, 7]), ([1, 0], [7, 8]), ([0, 4], [7, 8]), ([-1, 0], [7, 8])]
)
def test_a_log_that_is_not_sorted_or_names_strangers_is_refused(company: list[int], day: list[int]) -> None:
    values = np.ones((2, N_MEASURES), dtype=np.int32)
    log = UsageLog(np.array(company, np.int32), np.array(day, np.int32), values, N_COMPANIES, N_ACTIONS)
    with pytest.raises(UnsortedLogError):
        window_stats(log, CUTOFFS, WINDOWS)


@pytest.mark.parametrize("stranger", [-1, N_COMPANIES])
def test_rows_of_unknown_companies_are_refused(stranger: int) -> None:
    for usage in ([(stranger, 18_000, [1, 1, 1])], [(1, 18_000, [1, 1, 1]), (stranger, 17_000, [1, 1, 1])]):
        with pytest.raises(UnknownCompanyError, match="4 companies"):
            log_of(usage)


@pytest.mark.parametrize(
    ("cutoffs", "windows"),
    [([18_001, 18_000], (7,)), ([18_000, 18_000], (7,)), ([18_000], (28, 7)), ([18_000], (7, 7))],
)
def test_cutoffs_and_windows_that_are_not_ascending_are_refused(
    cutoffs: list[int], windows: tuple[int, ...]
) -> None:
    with pytest.raises(NotAscendingError, match="cutoffs" if len(cutoffs) > 1 else "windows"):
        window_stats(log_of([]), np.array(cutoffs, dtype=np.int32), windows)


def test_read_only_and_strided_input_gives_the_same() -> None:
    usage = [(1, 18_000, [1, 2, 3]), (3, 18_010, [4, 5, 6])]
    log = log_of(usage)
    wide = np.zeros((2, 2 * N_MEASURES), dtype=np.int32)
    wide[:, ::2] = log.values
    odd = replace(log, values=wide[:, ::2])
    for column in (odd.company, odd.day, odd.values):
        column.flags.writeable = False
    assert_same_bits(window_stats(odd, CUTOFFS, WINDOWS), window_stats(log_of(usage), CUTOFFS, WINDOWS))


def test_importing_the_module_does_not_load_numba() -> None:
    code = "import sys, ml_sys.features.windows; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("user_cache_works", [pytest.param(True, marks=pytest.mark.slow), False])
def test_a_package_folder_that_cannot_be_written_is_no_obstacle(
    tmp_path: Path, user_cache_works: bool
) -> None:
    package = Path(ml_sys.features.windows.__file__).parents[1]
    shutil.copytree(package, tmp_path / "ml_sys", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "ml_sys" / "features" / "__pycache__").write_text("a file where the cache would be a folder")
    cache = tmp_path / "cache"
    if user_cache_works:
        cache.mkdir()
    else:
        cache.write_text("a file as well")
    code = (
        "import numpy as np; from ml_sys.features.windows import *; "
        "log = UsageLog(np.zeros(1, np.int32), np.zeros(1, np.int32), np.ones((1, 2), np.int32), 1, 1); "
        "print(window_stats(log, np.array([3], np.int32), (7,)).sums.sum())"
    )
    hidden = ("NUMBA_CACHE_DIR", "IPYTHONDIR")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    environment |= {"PYTHONPATH": str(tmp_path), "XDG_CACHE_HOME": str(cache), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=tmp_path
    )
    assert done.stdout.strip() == "2.0", done.stderr
    assert user_cache_works == any(cache.rglob("*.nbi"))


def test_the_first_day_of_a_company_is_that_of_its_first_row_whatever_it_holds() -> None:
    usage = [(1, 18_014, [1, 1, 0]), (1, 18_000, [0, 0, 0]), (3, 18_007, [3, 0, 0]), (3, 18_021, [3, 0, 0])]
    assert log_of(usage).first_days().tolist() == [NEVER, 18_000 + PERIOD, NEVER, 18_007 + PERIOD]
    assert (log_of([]).first_days() == NEVER).all()


def test_rows_of_one_period_are_added_up_whichever_of_its_days_they_are_stamped_on() -> None:
    stamps = np.array([18_262, 18_270, 18_293], dtype=np.int32)  # 1 and 9 January 2020, 1 February
    log = UsageLog.from_rows(
        np.zeros(3, np.int32),
        stamps,
        np.array([[1], [2], [4]], dtype=np.int32),
        n_companies=1,
        n_activity=1,
        period=Period("month"),
    )
    assert log.day.tolist() == [18_293, 18_322]  # firsts of February and March
    assert log.values.tolist() == [[3], [4]]


def test_totals_and_maxima_are_divided_by_the_digits_of_their_measure_and_no_others() -> None:
    log = replace(log_of([(0, 18_000, [125, 3, 50]), (0, 18_007, [250, 4, 25])]), digits=(2, 0, 1))
    stats = window_stats(log, np.array([18_014], dtype=np.int32), (7, 28))
    assert stats.maxima is not None
    assert stats.sums[0, 0].tolist() == [[2.5, 4, 2.5], [3.75, 7, 7.5]]
    assert stats.maxima[0, 0].tolist() == [[2.5, 4, 2.5], [2.5, 4, 5]]
    assert stats.active[0, 0].tolist() == [1, 2]


def test_the_log_of_some_companies_is_that_of_each_in_the_order_given_and_may_repeat_one() -> None:
    log = log_of(
        [(0, 18_000, [1, 0, 0]), (2, 18_000, [2, 0, 0]), (2, 18_007, [3, 0, 0]), (3, 18_000, [4, 0, 0])]
    )
    some = log.take(np.array([3, 1, 2, 0, 2]))
    assert some.n_companies == 5
    assert some.company.tolist() == [0, 2, 2, 3, 4, 4]
    assert some.values[:, 0].tolist() == [4, 2, 3, 1, 2, 3]


def test_rows_of_one_day_are_added_up_beyond_what_32_bits_hold() -> None:
    log = log_of([(0, 18_000, [2**31 - 1, 1, 1]), (0, 18_000, [2**31 - 1, 2, 0])])
    assert log.values.tolist() == [[2**32 - 2, 3, 1]]


def test_some_companies_are_taken_whole_in_the_order_given_and_numbered_anew() -> None:
    log = UsageLog(
        np.array([0, 0, 2, 2, 2, 5], np.int32), np.array([7, 14, 7, 21, 28, 14], np.int32),
        np.arange(12).reshape(6, 2), 7, n_activity=1, digits=(0, 3),
    )  # fmt: skip
    taken = log.take(np.array([5, 1, 2, 6, 0]))
    assert taken.company.tolist() == [0, 2, 2, 2, 4, 4]
    assert taken.day.tolist() == [14, 7, 21, 28, 7, 14]
    assert taken.values.tolist() == [[10, 11], [4, 5], [6, 7], [8, 9], [0, 1], [2, 3]]
    assert (taken.n_companies, taken.n_activity, taken.digits) == (5, 1, (0, 3))
    nobody = log.take(np.zeros(0, np.int64))
    assert (nobody.company.size, nobody.values.shape, nobody.n_companies) == (0, (0, 2), 0)
    assert taken.first_days().tolist() == [14, NEVER, 7, NEVER, 7]
