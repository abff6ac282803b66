"""Check whether companies convert in the last label windows as often as before.

A date in the future, or a customers table older than the others, opens label windows whose outcome is not
known yet: their companies look as if they did not convert.

Companies are compared with those of about the same age. Most that convert do so in their first weeks, while
free accounts pile up for years: per account, conversions fall though as many come every day.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import betainc

if TYPE_CHECKING:
    from numpy.typing import NDArray

LOOKS = 3
# Age by which companies count as old as any: twice as many days as any table holds, and a power of two.
_OLDEST = 1 << 16
# Spans of time from which on their unevenness can be told.
_SPANS = 2


@dataclass(frozen=True)
class LastWindows:
    """Conversions in the last label windows, and how many the time before leads one to expect.

    Attributes
    ----------
    windows : int
        How many of the last windows, each a horizon long, were looked at together.
    conversions : int
        Distinct companies that converted in them.
    expected : float
        As many as would have if companies of each age converted at the rate before.
    p_value : float
        How often chance brings about so few, allowing for the looks that were taken; at most 1.
    least_p_value : float
        The least of all looks if nobody had converted: what is not rare even then cannot be judged.
    """

    windows: int
    conversions: int
    expected: float
    p_value: float
    least_p_value: float


def last_windows(
    closed: NDArray[np.int32],
    first: int,
    last: int,
    horizon_days: int,
    since: NDArray[np.int32] | None = None,
) -> LastWindows | None:
    """Compare the last one, two and three label windows with all days before them, and return the oddest.

    If companies of an age convert at a steady rate, and given how many of that age convert in all, each
    conversion falls into the last windows with the probability of their share of the days on which such
    companies were free. Their number is then a sum of binomials; so few are at most as likely as under one
    binomial of the mean probability (Hoeffding). The smallest chance counts as many times as there may be
    looks (Bonferroni): a p-value lies below a limit no more often than the limit says.

    Where conversions come in seasons or at ends of months, they count as fewer: divided by how much more than
    chance earlier spans, as long as the one looked at, fell short of the time before them (quasi-likelihood).

    Parameters
    ----------
    closed : ndarray of shape (n_companies,), int32
        Day on which each became a customer.
    first, last : int
        First cutoff that was learnt from, last one that was judged.
    since : ndarray of shape (n_companies,), int32, optional
        Day on which each began to exist.

    Returns
    -------
    LastWindows or None
        None if nobody converts before the last windows.

    References
    ----------
    Przyborowski and Wilenski, "Homogeneity of results in testing samples from Poisson series", Biometrika 31
    (1940). Hoeffding, "On the distribution of the number of successes in independent trials", Annals of
    Mathematical Statistics 27 (1956). McCullagh and Nelder, "Generalized linear models" (1989), 4.5.
    """
    days = last + horizon_days - first
    converted, free = _by_age(closed, first, first + days, since)
    looks = []
    for windows in range(1, LOOKS + 1):
        span = windows * horizon_days
        if span >= days:
            break
        look = _look(converted, free, windows, span)
        if look is not None:
            looks.append(look)
    if not looks:
        return None
    least = min(look.least_p_value for look in looks)
    return replace(min(looks, key=lambda look: look.p_value), least_p_value=least)


def _look(
    converted: NDArray[np.int64], free: NDArray[np.int64], windows: int, span: int
) -> LastWindows | None:
    """Compare the last days, so many, with those before."""
    before, free_before = converted[:, :-span].sum(axis=1), free[:, :-span].sum(axis=1)
    known = free_before > 0  # of ages that nobody had before, nothing is expected
    found, total = int(converted[:, -span:].sum()), int(converted[known].sum())
    if not before.any():
        return None
    rate = before[known] / free_before[known]
    here = free[known, -span:].sum(axis=1)
    share = float(converted[known].sum(axis=1) @ (here / (here + free_before[known]))) / total
    uneven = _unevenness(converted[:, :-span], free[:, :-span], span)

    def chance(conversions: int) -> float:
        others = (total - conversions) / uneven
        return min(1.0, LOOKS * float(betainc(others, conversions / uneven + 1, 1 - share)))

    p_value = chance(int(converted[known, -span:].sum()))
    return LastWindows(windows, found, float(rate @ here), p_value, chance(0))


def _unevenness(converted: NDArray[np.int64], free: NDArray[np.int64], span: int) -> float:
    """Return how much more than chance spans of so many days fall below the time before them; at least 1.

    A span above it says nothing about how deep one may fall: companies that grow are not uneven.
    """
    days = converted.shape[1]
    starts = np.arange(days % span, days, span)
    found, there = (np.add.reduceat(counts, starts, axis=1) for counts in (converted, free))
    squares = []
    for at in range(1, starts.size):
        before, free_before = found[:, :at].sum(axis=1), there[:, :at].sum(axis=1)
        known = free_before > 0
        expected = float(before[known] / free_before[known] @ there[known, at])
        if expected:
            short = min(0.0, float(found[known, at].sum()) - expected)
            squares.append(short**2 / (expected + expected**2 / before[known].sum()))
    return max(1.0, 2 * float(np.mean(squares))) if len(squares) >= _SPANS else 1.0


def _by_age(
    closed: NDArray[np.int32], start: int, end: int, since: NDArray[np.int32] | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count, by age of the companies, conversions on each day and companies that are still free.

    Returns
    -------
    tuple of two ndarrays of shape (n_ages, end - start), int64
        Ages are doubled from one row to the next: one day, two and three, four to seven. A company whose
        beginning is unknown is as old as any.
    """
    day, oldest = np.minimum(closed, end), np.int32(start - _OLDEST)
    began = np.full(day.size, oldest) if since is None else np.maximum(since, oldest)
    converted, free = [], []
    for age in (1 << at for at in range(_OLDEST.bit_length())):
        enters, leaves = np.maximum(began + age, start), np.minimum(began + 2 * age, end)
        there = (enters < leaves) & (enters <= day)
        pays = there & (day < leaves)
        enters, leaves = enters[there], np.minimum(leaves, day + 1)[there]
        converted.append(np.bincount(day[pays] - start, minlength=end - start))
        change = np.bincount(enters - start, minlength=end - start + 1)
        change -= np.bincount(leaves - start, minlength=end - start + 1)
        free.append(np.cumsum(change)[:-1])
    return np.array(converted), np.array(free)
