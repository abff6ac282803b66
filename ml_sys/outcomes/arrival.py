"""Whether the data have come: all of them, in time, of the companies that are known, with the same past."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ml_sys.days import WEEKLY, Period
from ml_sys.outcomes.counts import rate_p_value
from ml_sys.outcomes.monitoring import Check, Limits, change

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from ml_sys.form import Words

# Checks whose names speak of companies.
REPORTING, FOUND_AGAIN = "companies that report in it", "companies found again"
# Stretches of usage before the latest one that tell what is usual: their middle one.
_BEFORE = 8
# Two exports are of the same companies when this share of them say the same of themselves. Of two that have
# nothing to do with each other a tenth do: many leave everything blank.
_ALIKE = 0.5


@dataclass(frozen=True)
class Export:
    """What one export holds.

    Attributes
    ----------
    ids : ndarray of shape (n,), object
        All companies.
    about : ndarray of shape (n,), object
        What they say of themselves that hardly changes.
    company : ndarray of shape (m,), int
        Position of the company of each usage row.
    complete_on : ndarray of shape (m,), int32
    values : ndarray of shape (m, k), int
    read, rejected, merged : mapping of str to int
        Rows by table: read, set aside as wrong, and merged into others.
    """

    ids: NDArray[np.object_]
    about: NDArray[np.object_]
    company: NDArray[np.int32]
    complete_on: NDArray[np.int32]
    values: NDArray[np.int32]
    read: Mapping[str, int]
    rejected: Mapping[str, int]
    merged: Mapping[str, int]


def usage_checks(export: Export, day: int, covers: Period, limits: Limits) -> list[Check]:
    """Check that usage reaches up to a day, and that as many rows and companies report as usual.

    Parameters
    ----------
    day : int
        The day taken as today, since 1970-01-01.
    covers : Period
        What a usage row covers.
    """
    name, period = "days since usage ends", float(covers.longest_days())
    done, limit = export.complete_on, period - 1 + limits.late_days
    if not done.size:  # as if a period more than may be late were missing
        return [Check("arrival", name, float("nan"), period, "days", limit + period, limit)]
    age = float(day - done.max())
    ahead = max(0.0, -age)
    checks = [
        Check("arrival", name, age, period, "days", age, limit),
        Check("arrival", "days that usage lies ahead", ahead, 0.0, "days", ahead, 0.0),
    ]
    stretch = covers if period >= WEEKLY.longest_days() else WEEKLY
    number = -stretch.numbers(done, stretch.phase(done.max(keepdims=True)))
    number -= number.min()
    near = number <= _BEFORE
    rows = np.bincount(number[near], minlength=_BEFORE + 1)
    pairs = np.unique(np.stack((number[near], export.company[near])), axis=1)
    companies = np.bincount(pairs[0], minlength=_BEFORE + 1)
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


def in_words(checks: Sequence[Check], words: Words) -> list[Check]:
    """Return checks with what they say of companies in a description's words."""
    of_companies = {REPORTING, FOUND_AGAIN}
    return [replace(one, name=words.spoken(one.name)) if one.name in of_companies else one for one in checks]


def row_checks(now: Export, before: Export, limits: Limits) -> list[Check]:
    """Check that no more rows than before are wrong, or say what others say already."""
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
    """Check how many prospects there are; growth counts half, since companies grow and seldom shrink."""
    effect = change(now, before) / (1 if now < before else 2)
    return Check("arrival", "prospects", now, before, "companies", effect, limits.max_volume_change)


def history_checks(now: Export, before: Export, limits: Limits) -> list[Check]:
    """Check that the companies and the usage rows of an earlier export are found again.

    Usage is compared only where the companies are the same ones: those that are found say the same of
    themselves.
    """
    known = dict(zip(now.ids.tolist(), range(now.ids.size), strict=True))
    at = np.array([known.get(name, -1) for name in before.ids.tolist()], dtype=np.int64)
    there = at >= 0
    share = float(there.mean()) if at.size else 1.0
    checks = [
        Check("arrival", FOUND_AGAIN, share, 1.0, "share", 1 - share, limits.max_lost),
    ]
    alike = float((before.about[there] == now.about[at[there]]).mean()) if there.any() else 0.0
    if alike < _ALIKE or not before.company.size:
        return checks
    theirs = there[before.company]
    rows = _hashed(at[before.company[theirs]], before.complete_on[theirs], before.values[theirs])
    found = np.isin(rows, _hashed(now.company, now.complete_on, now.values))
    kept = float(found.mean()) if found.size else 0.0
    name = "past usage rows found again"
    return [*checks, Check("arrival", name, kept, 1.0, "share", 1 - kept, limits.max_lost)]


def _hashed(
    company: NDArray[np.integer[Any]],
    day: NDArray[np.integer[Any]],
    values: NDArray[np.integer[Any]],
) -> NDArray[np.uint64]:
    """Return a number for what a row says, the same for the same."""
    mixed = np.zeros(len(day), dtype=np.uint64)
    for column in (company, day, *values.T):
        mixed = (mixed ^ column.astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    return mixed
