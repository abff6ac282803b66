"""Compare promised with actual conversions, by tier and by band of probability."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from ml_sys.model.threshold import TIERS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml_sys.metrics.scored_lists import ScoredLists

# Edges of the bands; a few thousandths is an ordinary prospect, a twentieth a hot one.
BANDS = (0.0, 0.001, 0.005, 0.02, 0.05, 1.0)
Judged = Literal["kept", "too much", "too little", "not refuted", "too few"]
KEPT: Final = "kept"
TOO_MUCH: Final = "too much"
TOO_LITTLE: Final = "too little"
NOT_REFUTED: Final = "not refuted"
TOO_FEW: Final = "too few"
# Below this many conversions, promised and realised, an interval says next to nothing.
_LEAST_CONVERSIONS = 5
# What a promise may be off by before anybody acts on it, and how surely that is to be noticed.
FACTOR, _POWER_QUANTILE = 1.5, 0.8416
_TWO_SIDED_95 = 1.96
_WEEK_DAYS = 7


@dataclass(frozen=True)
class Promise:
    """Rows of a tier or band.

    Attributes
    ----------
    rows, companies : int
        Rows, and distinct companies among them.
    promised : float
        Sum of their probabilities.
    realised : int
        Conversions among them.
    low, high : float
        Interval of the number of conversions that such rows bring.
    verdict : {"kept", "too much", "too little", "not refuted", "too few"}
        Kept, promised too much or too little, not refuted by too few to confirm it, or too few to say.
    """

    name: str
    rows: int
    companies: int
    promised: float
    realised: int
    low: float
    high: float
    verdict: Judged


@dataclass(frozen=True)
class Promises:
    """Promises by tier, by band and of all rows.

    Attributes
    ----------
    tiers, bands : tuple of Promise
    total : Promise
    cutoffs : tuple of int
        Of the lists that count.
    needed : int
        Conversions that show a promise which is off by `FACTOR`.
    more_weeks : int or None
        Weeks of further lists until that many have come at this rate; None where enough came, or none.
    """

    tiers: tuple[Promise, ...]
    bands: tuple[Promise, ...]
    total: Promise
    cutoffs: tuple[int, ...]
    needed: int
    more_weeks: int | None


def promises(lists: ScoredLists, days_apart: int, confidence: float) -> Promises:
    """Compare promised with realised conversions.

    Lists whose label windows overlap would count a conversion twice, so only the latest of them counts.

    Parameters
    ----------
    days_apart : int
        Days in which no two label windows overlap: whole periods that hold the horizon.
    confidence : float
        Of the intervals, in (0, 1).

    References
    ----------
    Garwood, "Fiducial limits for the Poisson distribution", Biometrika 28 (1936), for the interval of a
    count.
    """
    cutoffs = apart(lists.cutoff, days_apart)
    lists = lists.take(np.isin(lists.cutoff, cutoffs))
    probability = lists.probability
    tiers = [_promise(f"tier {tier}", lists, lists.tier == tier, confidence) for tier in TIERS]
    bands = []
    for low, high in pairwise(BANDS):
        rows = (probability >= low) & ((probability < high) | (high == BANDS[-1]))
        bands.append(_promise(_band(low, high), lists, rows, confidence))
    total = _promise("all", lists, np.ones(len(lists), dtype=bool), confidence)
    return Promises(
        tuple(tiers),
        tuple(bands),
        total,
        tuple(int(c) for c in cutoffs),
        conversions_needed(),
        _more_weeks(total.realised, cutoffs, days_apart),
    )


def apart(cutoff: NDArray[np.int32], days: int) -> NDArray[np.int32]:
    """Return cutoffs at least so many days apart, including the latest."""
    chosen: list[int] = []
    for one in np.unique(cutoff)[::-1].tolist():
        if not chosen or chosen[-1] - one >= days:
            chosen.append(one)
    return np.array(chosen[::-1], dtype=np.int32)


def count_interval(count: int, confidence: float) -> tuple[float, float]:
    """Return the exact interval of a Poisson mean of which ``count`` was seen."""
    from scipy.special import gammaincinv  # only where there is an interval to draw

    tail = (1 - confidence) / 2
    low = float(gammaincinv(count, tail)) if count else 0.0
    return low, float(gammaincinv(count + 1, 1 - tail))


def conversions_needed() -> int:
    """Return how many conversions reveal a promise that is off by half, four times in five."""
    return math.ceil(((_TWO_SIDED_95 + _POWER_QUANTILE) / math.log(FACTOR)) ** 2)


def _promise(name: str, lists: ScoredLists, rows: NDArray[np.bool_], confidence: float) -> Promise:
    promised, realised = float(lists.probability[rows].sum()), int(lists.label[rows].sum())
    low, high = count_interval(realised, confidence)
    verdict = _judged(promised, realised, (low, high))
    companies = int(np.unique(lists.company[rows]).size)
    return Promise(name, int(rows.sum()), companies, promised, realised, low, high, verdict)


def _judged(promised: float, realised: int, bounds: tuple[float, float]) -> Judged:
    if max(promised, realised) < _LEAST_CONVERSIONS:
        return TOO_FEW
    if promised > bounds[1]:
        return TOO_MUCH
    if promised < bounds[0]:
        return TOO_LITTLE
    return KEPT if realised >= conversions_needed() else NOT_REFUTED


def _band(low: float, high: float) -> str:
    if high == BANDS[-1]:
        return f"{low:.1%} and more"
    return f"{low:.1%} to {high:.1%}" if low else f"below {high:.1%}"


def _more_weeks(realised: int, cutoffs: NDArray[np.int32], days_apart: int) -> int | None:
    needed = conversions_needed()
    if not 0 < realised < needed:
        return None
    days_each = float(np.diff(cutoffs).mean()) if cutoffs.size > 1 else days_apart
    return math.ceil((needed - realised) / realised * cutoffs.size * days_each / _WEEK_DAYS)
