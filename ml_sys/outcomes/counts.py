"""Compare counts with what was expected: conversions with their probabilities, or with the usual rate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import binom, norm

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Up to this many probabilities the distribution is exact; beyond, a refined normal one is as good.
_EXACT = 2_000


def poisson_binomial(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how likely each number of successes is: of shape (n + 1,), from none to all.

    Parameters
    ----------
    probability : ndarray of shape (n,), float64
        Of independent successes.

    Examples
    --------
    >>> poisson_binomial(np.array([0.5, 0.5])).tolist()
    [0.25, 0.5, 0.25]
    """
    likely = np.zeros(probability.size + 1)
    likely[0] = 1.0
    for at, one in enumerate(probability.tolist()):
        likely[1 : at + 2] = likely[1 : at + 2] * (1 - one) + likely[: at + 1] * one
        likely[0] *= 1 - one
    return likely


def cumulative(probability: NDArray[np.float64], counts: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
    """Return the probability of at most this many successes: exact, or by the refined normal form for many.

    References
    ----------
    Hong, "On computing the distribution function for the Poisson binomial distribution", Computational
    Statistics & Data Analysis 59 (2013), equation 11.
    """
    if probability.size <= _EXACT:
        reach = np.cumsum(poisson_binomial(probability)).clip(max=1.0)
        exact: NDArray[np.float64] = np.where(counts < 0, 0.0, reach[counts.clip(0, probability.size)])
        return exact
    spread = probability * (1 - probability)
    sigma = float(np.sqrt(spread.sum()))
    if sigma == 0:
        certain: NDArray[np.float64] = (counts >= probability.sum()).astype(np.float64)
        return certain
    skew = float((spread * (1 - 2 * probability)).sum()) / sigma**3
    x = (counts + 0.5 - probability.sum()) / sigma
    refined: NDArray[np.float64] = (norm.cdf(x) + skew * (1 - x**2) * norm.pdf(x) / 6).clip(0.0, 1.0)
    near: NDArray[np.float64] = np.where(counts < 0, 0.0, refined)
    return near


def expected_interval(probability: NDArray[np.float64], confidence: float) -> tuple[int, int]:
    """Return the range of successes that contains the count with at least this confidence."""
    mean, sigma = probability.sum(), np.sqrt((probability * (1 - probability)).sum())
    counts = np.arange(int(min(probability.size, mean + 12 * sigma + 12)) + 1)
    reach = cumulative(probability, counts)
    tail = (1 - confidence) / 2
    low, high = np.searchsorted(reach, tail, side="right"), np.searchsorted(reach, 1 - tail)
    return int(low), int(min(high, counts[-1]))


def count_p_value(probability: NDArray[np.float64], came: int) -> float:
    """Return the two-sided p-value of a count."""
    below, above = cumulative(probability, np.array([came, came - 1]))
    return float(min(1.0, 2 * min(below, 1 - above)))


def rate_p_value(now: int, before: int, share: float) -> float:
    """Return the p-value of a count if events still come at the earlier rate.

    Parameters
    ----------
    now, before : int
        Events in the time looked at, and in the earlier time that it is compared with.
    share : float
        Length of the time looked at, as a share of both together.
    """
    total = now + before
    below, above = binom.cdf(now, total, share), binom.sf(now - 1, total, share)
    return float(min(1.0, 2 * min(below, above)))
