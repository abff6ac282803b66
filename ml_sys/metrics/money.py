"""Estimate what the top of a list is worth in monthly recurring revenue, and check past estimates.

What a company will pay is not predicted: each conversion is worth the average of the customers who closed
before the list. A value of zero or less counts as zero, an unknown one as the average.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ml_sys.metrics.paired import interval_of
from ml_sys.metrics.promises import apart

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ml_sys.metrics.scored_lists import ScoredLists

GAIN_DEPTHS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)


@dataclass(frozen=True)
class Worth:
    """The top of a list in money a month.

    Attributes
    ----------
    calls : int
        Companies called.
    expected, low, high : float
        Expected money of those that will convert, and an interval for what it comes to.
    """

    calls: int
    expected: float
    low: float
    high: float


@dataclass(frozen=True)
class PastWorth:
    """Estimated worth of the tops of past lists, summed, and what they brought in."""

    capacity: int
    lists: int
    worth: Worth
    realised: float


@dataclass(frozen=True)
class Money:
    """What lists were worth.

    Attributes
    ----------
    customers : int
        Customers whose money is known, of all lists' pasts.
    not_positive : int
        Of these, those with a value of zero or less.
    past : tuple of PastWorth
        By capacity.
    gains : dict of str to tuple of float
        Ranker → share of the converters' money within each of ``GAIN_DEPTHS`` of a list.
    """

    customers: int
    not_positive: int
    past: tuple[PastWorth, ...]
    gains: dict[str, tuple[float, ...]]


def worth_of(
    probability: NDArray[np.float64],
    value: NDArray[np.float64],
    *,
    resamples: int,
    confidence: float,
    seed: int,
) -> Worth:
    """Estimate what companies are worth a month.

    Parameters
    ----------
    probability : ndarray of shape (n,), float64
        Of the companies that are called.
    value : ndarray of shape (n_customers,), float64
        Of customers before; at least one.
    confidence : float
        Of the interval, in (0, 1).

    Notes
    -----
    The interval draws who converts, what each pays, and the customers that this is known from. It takes the
    probabilities to hold.
    """
    paid, rng = np.maximum(value, 0.0), np.random.default_rng(seed)
    drawn = np.array(
        [_brought(probability, paid[rng.integers(paid.size, size=paid.size)], rng) for _ in range(resamples)]
    )
    expected = float(probability.sum() * paid.mean())
    return Worth(probability.size, expected, *interval_of(drawn, confidence))


def money(
    lists: ScoredLists,
    closed: NDArray[np.int32],
    value: NDArray[np.float64],
    *,
    days_apart: int,
    capacities: Sequence[int],
    resamples: int,
    confidence: float,
    seed: int,
) -> Money | None:
    """Estimate what the tops of past lists were worth, and what they brought in; None when no money is known.

    Lists whose label windows overlap would count a conversion twice: of those the latest is taken.

    Parameters
    ----------
    closed : ndarray of shape (n_companies,), int32
        Day on which each company of the snapshot became a customer.
    value : ndarray of shape (n_companies,), float64
        NaN where it is not known.
    days_apart : int
        Days in which no two label windows overlap.
    capacities, resamples, confidence, seed
        As elsewhere.
    """
    known = np.flatnonzero(~np.isnan(value))
    paid, since = np.maximum(value[known], 0.0), closed[known]
    cutoffs = [int(one) for one in apart(lists.cutoff, days_apart) if (since < one).any()]
    if not cutoffs:
        return None
    latest = value[known][since < max(cutoffs)]
    past = []
    for capacity in capacities:
        tops = {cutoff: _top(lists, cutoff, capacity) for cutoff in cutoffs}
        means = {cutoff: float(paid[since < cutoff].mean()) for cutoff in cutoffs}
        drawn, rng = np.zeros(resamples), np.random.default_rng(seed)
        for at in range(resamples):
            # One draw of customers for all lists: what is not known of them does not average out over lists.
            sample = rng.integers(known.size, size=known.size)
            for cutoff, top in tops.items():
                pool = paid[sample][since[sample] < cutoff]
                drawn[at] += _brought(top.probability, pool if pool.size else paid[since < cutoff], rng)
        worth = Worth(
            sum(len(top) for top in tops.values()),
            sum(float(top.probability.sum()) * means[cutoff] for cutoff, top in tops.items()),
            *interval_of(drawn, confidence),
        )
        realised = sum(float(_paid(top, means[cutoff]).sum()) for cutoff, top in tops.items())
        past.append(PastWorth(capacity, len(cutoffs), worth, realised))
    shown = lists.take(np.isin(lists.cutoff, cutoffs))
    gains = {ranker: _gains(shown, ranker, float(np.maximum(latest, 0.0).mean())) for ranker in lists.scores}
    return Money(latest.size, int((latest <= 0).sum()), tuple(past), gains)


def _top(lists: ScoredLists, cutoff: int, capacity: int) -> ScoredLists:
    one = lists.take(lists.cutoff == cutoff)
    return one.take(np.argsort(-one.probability, kind="stable")[:capacity])


def _brought(
    probability: NDArray[np.float64], customers: NDArray[np.float64], rng: np.random.Generator
) -> float:
    """Draw at random who converts and what each pays."""
    converting = int((rng.random(probability.size) < probability).sum())
    return float(customers[rng.integers(customers.size, size=converting)].sum())


def _paid(lists: ScoredLists, unknown: float) -> NDArray[np.float64]:
    """Return what each row brought: 0 for those that did not convert."""
    known = np.where(np.isnan(lists.value), unknown, np.maximum(lists.value, 0.0))
    return np.where(lists.label, known, 0.0)


def _gains(lists: ScoredLists, ranker: str, unknown: float) -> tuple[float, ...]:
    found, total = np.zeros(len(GAIN_DEPTHS)), 0.0
    for cutoff in np.unique(lists.cutoff):
        one = lists.take(lists.cutoff == cutoff)
        paid = _paid(one, unknown)[np.argsort(-one.scores[ranker], kind="stable")]
        reached = np.concatenate(([0.0], np.cumsum(paid)))
        found += reached[np.ceil(np.array(GAIN_DEPTHS) * len(one)).astype(np.intp)]
        total += float(paid.sum())
    return tuple((found / total).tolist()) if total else (float("nan"),) * len(GAIN_DEPTHS)
