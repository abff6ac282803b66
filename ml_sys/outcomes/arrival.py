"""Check that the data arrived: complete, on time, for the same companies and with an unchanged past."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ml_sys.days import WEEKLY, Period
from ml_sys.outcomes.counts import rate_p_value
from ml_sys.outcomes.monitoring import Check, Limits, change

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ml_sys.data.ingest_counts import IngestCounts
    from ml_sys.form import Words

# Checks whose names speak of companies.
REPORTING, FOUND_AGAIN = "companies that report in it", "companies found again"
# Earlier stretches of usage whose median is what is usual.
_BEFORE = 8
# Two exports cover the same companies when this share of them has the same attributes. Among unrelated
# exports a tenth do, because many companies leave everything blank.
_ALIKE = 0.5


@dataclass(frozen=True)
class Export:
    """The contents of one export, or of a part of one.

    Attributes
    ----------
    ids : ndarray of shape (n,), object
        All companies.
    about : ndarray of shape (n,), object
        Their attributes that hardly change.
    company : ndarray of shape (m,), int
        Position of the company of each usage row.
    complete_on : ndarray of shape (m,), int32
    values : ndarray of shape (m, k), int
    """

    ids: NDArray[np.object_]
    about: NDArray[np.object_]
    company: NDArray[np.int32]
    complete_on: NDArray[np.int32]
    values: NDArray[np.int32]


def arrived(export: Export, ends: int | None, covers: Period) -> NDArray[np.int64]:
    """Count the usage rows and the companies of each stretch, in an export or a part of one.

    Parameters
    ----------
    ends : int or None
        Day on which the last usage of the whole is complete.

    Returns
    -------
    ndarray of shape (2, n_stretches), int64
        The latest stretch first.
    """
    if ends is None or not export.complete_on.size:
        return np.zeros((2, _BEFORE + 1), dtype=np.int64)
    stretch, last = _stretch(covers), np.array([ends], dtype=export.complete_on.dtype)
    phase = stretch.phase(last)
    number = stretch.numbers(last, phase)[0] - stretch.numbers(export.complete_on, phase)
    near = number <= _BEFORE
    pairs = np.unique(np.stack((number[near], export.company[near])), axis=1)
    return np.stack([np.bincount(one, minlength=_BEFORE + 1) for one in (number[near], pairs[0])])


def checks_of_arrival(
    ends: int | None, counts: Sequence[NDArray[np.int64]], day: int, covers: Period, limits: Limits
) -> list[Check]:
    """Check that usage reaches up to a day, and that as many rows and companies report as usual.

    Parameters
    ----------
    ends : int or None
        Day on which the last usage is complete.
    counts : sequence of ndarray
        What :func:`arrived` counts, by part.
    day : int
        The day taken as today, since 1970-01-01.
    covers : Period
        What a usage row covers.
    """
    name, period = "days since usage ends", float(covers.longest_days())
    limit = period - 1 + limits.late_days
    if ends is None:  # as if a period more than may be late were missing
        return [Check("arrival", name, float("nan"), period, "days", limit + period, limit)]
    age = float(day - ends)
    ahead = max(0.0, -age)
    checks = [
        Check("arrival", name, age, period, "days", age, limit),
        Check("arrival", "days that usage lies ahead", ahead, 0.0, "days", ahead, 0.0),
    ]
    stretch = _stretch(covers)
    rows, companies = np.sum(counts, axis=0)
    usual = float(np.median(rows[1:])), float(np.median(companies[1:]))
    limit = limits.max_arrival_change
    return [
        *checks,
        Check(
            "arrival", f"usage rows of the last {stretch.word()}", float(rows[0]), usual[0], "rows",
            change(float(rows[0]), usual[0]), limit,
        ),
        Check(
            "arrival", REPORTING, float(companies[0]), usual[1], "companies",
            change(float(companies[0]), usual[1]), limit,
        ),
    ]  # fmt: skip


def _stretch(covers: Period) -> Period:
    """Return the stretch that usage is counted by: a period, or a week if that is longer."""
    return covers if covers.longest_days() >= WEEKLY.longest_days() else WEEKLY


def in_words(checks: Sequence[Check], words: Words) -> list[Check]:
    """Rename checks of companies in the words of the description."""
    of_companies = {REPORTING, FOUND_AGAIN}
    return [replace(one, name=words.spoken(one.name)) if one.name in of_companies else one for one in checks]


def row_checks(now: IngestCounts, before: IngestCounts, limits: Limits) -> list[Check]:
    """Check that no more rows than before are bad or repeated."""
    checks = []
    for what, those in (("set aside", "rejected"), ("merged", "merged")):
        for table in now.read:
            (ours, read), (theirs, had_read) = (
                (getattr(one, those).get(table, 0), max(one.read.get(table, 0), 1)) for one in (now, before)
            )
            shares = ours / read, theirs / had_read
            p = rate_p_value(ours, theirs, read / (read + had_read))
            name = f"rows of {table} that are {what}"
            rise = shares[0] - shares[1]
            checks.append(Check("arrival", name, *shares, "share", rise, limits.max_rejected_rise, p))
    return checks


def volume_check(now: int, before: float, limits: Limits) -> Check:
    """Check the number of prospects; growth counts half, since it usually grows and seldom shrinks."""
    effect = change(now, before) / (1 if now < before else 2)
    return Check("arrival", "prospects", now, before, "companies", effect, limits.max_volume_change)


@dataclass(frozen=True)
class Again:
    """How many companies and usage rows of an earlier export, or of a part of one, are found again.

    Attributes
    ----------
    companies, there, alike : int
        Companies of the earlier export; those found again; and, of these, those with the same attributes.
    any_rows : bool
        Whether the earlier export has usage.
    rows, kept : int
        Usage rows of the companies found again, and how many of these rows are found again.
    """

    companies: int
    there: int
    alike: int
    any_rows: bool
    rows: int
    kept: int


def found_again(now: Export, before: Export, asked: NDArray[np.bool_] | None = None) -> Again:
    """Look for all or some companies of an earlier export, and for their usage rows."""
    known = dict(zip(now.ids.tolist(), range(now.ids.size), strict=True))
    at = np.array([known.get(name, -1) for name in before.ids.tolist()], dtype=np.int64)
    asked = np.ones(at.size, dtype=np.bool_) if asked is None else asked
    there = (at >= 0) & asked
    alike = int((before.about[there] == now.about[at[there]]).sum())
    theirs = there[before.company]
    rows = _hashed(at[before.company[theirs]], before.complete_on[theirs], before.values[theirs])
    same = np.zeros(int(now.company.max(initial=now.ids.size)) + 1, dtype=np.bool_)
    same[at[there]] = True
    ours = same[now.company]
    found = _among(rows, _hashed(now.company[ours], now.complete_on[ours], now.values[ours]))
    n, n_there = (int(np.count_nonzero(one)) for one in (asked, there))
    return Again(n, n_there, alike, before.company.size > 0, len(rows), found)


def checks_of_history(again: Sequence[Again], limits: Limits) -> list[Check]:
    """Check that the companies and the usage rows of an earlier export are found again.

    Usage is compared only if the companies are the same ones, that is, if those found again have the same
    attributes.

    Parameters
    ----------
    again : sequence of Again
        By part.
    """
    n, there, alike, rows, found = (
        sum(getattr(one, name) for one in again) for name in ("companies", "there", "alike", "rows", "kept")
    )
    share = there / n if n else 1.0
    checks = [Check("arrival", FOUND_AGAIN, share, 1.0, "share", 1 - share, limits.max_lost)]
    if not there or alike / there < _ALIKE or not any(one.any_rows for one in again):
        return checks
    kept = found / rows if rows else 0.0
    name = "past usage rows found again"
    return [*checks, Check("arrival", name, kept, 1.0, "share", 1 - kept, limits.max_lost)]


def _among(rows: NDArray[np.uint64], others: NDArray[np.uint64]) -> int:
    """Return how many of some numbers are among others, in any order and with repetitions."""
    if not others.size:
        return 0
    rows, others = np.sort(rows), np.sort(others)
    place = np.minimum(np.searchsorted(others, rows), others.size - 1)
    return int(np.count_nonzero(others[place] == rows))


def _hashed(
    company: NDArray[np.integer[Any]],
    day: NDArray[np.integer[Any]],
    values: NDArray[np.integer[Any]],
) -> NDArray[np.uint64]:
    """Return a hash of each row: equal rows have equal hashes."""
    mixed = np.zeros(len(day), dtype=np.uint64)
    for column in (company, day, *values.T):
        mixed = (mixed ^ column.astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    return mixed
