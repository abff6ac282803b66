"""Check whether companies convert in the last label windows as often as before.

A date in the future, or a customers table older than the others, opens label windows whose outcome is not
known yet: their companies look as if they did not convert.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import binom

if TYPE_CHECKING:
    from numpy.typing import NDArray

LOOKS = 3


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
        As many as would have at the rate before.
    p_value : float
        How often chance brings about so few, allowing for the looks that were taken; at most 1.
    least_p_value : float
        The same if nobody had converted: what is not rare even then cannot be judged.
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

    Under a steady rate, and given how many companies convert in all, each conversion falls into the last
    windows with the probability of their share of the days on which companies were free: how many do is
    binomial, and no rate has to be estimated. The chance of so few is exact for each look, and the smallest
    counts as many times as there may be looks (Bonferroni): where the rate is steady, a p-value lies below a
    limit no more often than the limit says.

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
    (1940).
    """
    end = last + horizon_days
    looks = []
    for windows in range(1, LOOKS + 1):
        start = end - windows * horizon_days
        if start <= first:
            break
        before, free_before = _conversions(closed, first, start, since)
        found, free = _conversions(closed, start, end, since)
        if not before:
            continue
        share = free / (free + free_before)
        p_value, least = (min(1.0, LOOKS * float(binom.cdf(n, before + found, share))) for n in (found, 0))
        looks.append(LastWindows(windows, found, before * free / free_before, p_value, least))
    return min(looks, key=lambda look: look.p_value, default=None)


def _conversions(
    closed: NDArray[np.int32], start: int, end: int, since: NDArray[np.int32] | None
) -> tuple[int, int]:
    """Return the conversions between two days, and the company-days on free plans between them."""
    day = closed.astype(np.int64)
    begin = np.full(day.size, start) if since is None else np.maximum(since.astype(np.int64) + 1, start)
    free = (np.minimum(day + 1, end) - begin).clip(0)
    return int(((day >= begin) & (day < end)).sum()), int(free.sum())
