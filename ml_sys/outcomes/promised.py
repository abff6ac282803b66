"""Compare promised and realised conversions, and what parts of the lists brought."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from ml_sys.metrics.bootstrap import Estimate
from ml_sys.metrics.calibration import wilson
from ml_sys.model.threshold import TIERS

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

# First ranks of the bands.
RANKS = (1, 11, 26, 51, 101)
# Beyond this many rows the normal distribution is as good as the exact one, and faster.
_EXACT_UP_TO = 20_000
_REACH = 12  # standard deviations beyond which no number of conversions has any weight


@dataclass(frozen=True)
class Band:
    """Rows of lists that belong together.

    Attributes
    ----------
    name : str
    rows : int
    promised : float
        Sum of their probabilities.
    realised : int
        How many of them paid within the horizon.
    low, high : int
        Bounds of the number who pay, at the given confidence, if the probabilities are true.
    """

    name: str
    rows: int
    promised: float
    realised: int
    low: int
    high: int

    @property
    def kept(self) -> bool:
        """Whether the conversions lie within the bounds."""
        return self.low <= self.realised <= self.high


@dataclass(frozen=True)
class ListPart:
    """What a part of the lists brought.

    Attributes
    ----------
    rows : int
    promised : float
        Sum of their probabilities.
    realised : int
    precision : Estimate
        Share that paid, with Wilson's interval.
    recall : float
        Share of all that paid.
    lift : float
        Its precision over that of all rows.
    money : float
        Money a month from those that paid.
    """

    rows: int
    promised: float
    realised: int
    precision: Estimate
    recall: float
    lift: float
    money: float


def by_tier(rows: pd.DataFrame, confidence: float) -> tuple[Band, ...]:
    """Compare by tier; ``rows`` holds ``probability``, ``tier`` and ``converted``."""
    tiers = rows["tier"].to_numpy()
    return tuple(_band(f"tier {tier}", rows, tiers == tier, confidence) for tier in TIERS)


def by_rank(rows: pd.DataFrame, confidence: float) -> tuple[Band, ...]:
    """Compare by band of rank, without bands that are empty; ``rows`` holds ``rank`` as well."""
    rank = rows["rank"].to_numpy()
    last, found = int(rank.max(initial=0)), []
    for first, after in pairwise((*RANKS, max(last, RANKS[-1]) + 1)):
        inside = (rank >= first) & (rank < after)
        if inside.any():
            found.append(_band(f"rank {first} to {min(after - 1, last)}", rows, inside, confidence))
    return tuple(found)


def band_of_all(rows: pd.DataFrame, confidence: float) -> Band:
    """Compare over all rows."""
    return _band("all", rows, np.ones(len(rows), dtype=bool), confidence)


def band_of_some(rows: pd.DataFrame, chosen: NDArray[np.bool_], confidence: float) -> ListPart:
    """Return what some rows brought.

    Parameters
    ----------
    rows : DataFrame
        With the columns ``probability``, ``converted`` and ``money`` (0 where nothing came).
    chosen : ndarray of shape (n_rows,), bool
    confidence : float
        In (0, 1).
    """
    converted = rows["converted"].to_numpy(dtype=bool)
    size, paid, of_all = int(chosen.sum()), int(converted[chosen].sum()), int(converted.sum())
    share = paid / size if size else float("nan")
    return ListPart(
        size,
        float(rows["probability"].to_numpy()[chosen].sum()),
        paid,
        Estimate(share, *wilson(paid, size, NormalDist().inv_cdf((1 + confidence) / 2))),
        paid / of_all if of_all else float("nan"),
        share / (of_all / len(rows)) if of_all else float("nan"),
        float(rows["money"].to_numpy()[chosen].sum()),
    )


def bounds_of_count(probability: NDArray[np.float64], confidence: float) -> tuple[int, int]:
    """Return bounds for the number of independent events that happen; exact for up to 20,000 of them.

    Parameters
    ----------
    probability : ndarray of shape (n,), float64
    confidence : float
        In (0, 1).

    References
    ----------
    Wang, "On the number of successes in independent trials", Statistica Sinica 3 (1993).

    Examples
    --------
    >>> allowed(np.full(10, 0.5), 0.95)
    (2, 8)
    """
    mean = float(probability.sum())
    deviation = float(np.sqrt((probability * (1 - probability)).sum()))
    tail = (1 - confidence) / 2
    if probability.size > _EXACT_UP_TO:
        reach = NormalDist().inv_cdf(1 - tail) * deviation
        return max(0, round(mean - reach)), min(probability.size, round(mean + reach))
    most = min(probability.size, int(mean + _REACH * (deviation + 1)))
    chances = np.zeros(most + 1)
    chances[0] = 1.0
    for one in probability:
        chances[1:] = chances[1:] * (1 - one) + chances[:-1] * one
        chances[0] *= 1 - one
    cumulative = np.cumsum(chances)
    return int(np.searchsorted(cumulative, tail)), min(int(np.searchsorted(cumulative, 1 - tail)), most)


def _band(name: str, rows: pd.DataFrame, inside: NDArray[np.bool_], confidence: float) -> Band:
    probability = rows["probability"].to_numpy(dtype=np.float64)[inside]
    low, high = bounds_of_count(probability, confidence)
    realised = int(rows["converted"].to_numpy(dtype=bool)[inside].sum())
    return Band(name, probability.size, float(probability.sum()), realised, low, high)
