"""Simulate a season of calls on past lists: who is called each week, and how many converters are reached.

One cutoff shows how good one list is. But sales gets a list every week, and the same companies keep appearing
on it, so what counts over a season is how many different converters were called in time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ml_sys.metrics.bootstrap import Estimate, cluster_counts
from ml_sys.metrics.paired import interval_of, share_of
from ml_sys.metrics.scored_lists import MODEL, RANDOM
from ml_sys.scoring.cooldown import NEVER_LISTED, cooling_down

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ml_sys.metrics.ranking import Weights
    from ml_sys.metrics.scored_lists import ScoredLists

# Random lists that are played through for what chance reaches.
_RANDOM_SEASONS = 20


@dataclass(frozen=True)
class Campaign:
    """A season of calls by one ranker.

    Attributes
    ----------
    capacity : int
        Calls a list.
    cooldown_weeks : int
        Weeks for which a company that was called makes room for others; 0 where it never does.
    lists, calls : int
        Lists worked down, and calls made in all.
    companies : int
        Distinct companies that were called.
    converters : Estimate
        Distinct companies that were called at most the horizon before they paid.
    of : int
        Distinct companies that paid within the horizon of a list.
    precision : float
        Share of the calls after which the company paid within the horizon.
    """

    ranker: str
    capacity: int
    cooldown_weeks: int
    lists: int
    calls: int
    companies: int
    converters: Estimate
    of: int
    precision: float

    @property
    def share(self) -> float:
        """Converters reached over all converters; NaN when there are none."""
        return self.converters.value / self.of if self.of else float("nan")

    @property
    def calls_per_converter(self) -> float:
        """Calls made for each distinct converter reached; infinite where none was."""
        return self.calls / self.converters.value if self.converters.value else float("inf")


@dataclass(frozen=True)
class Lead:
    """How many more converters the model reaches than another ranker.

    Attributes
    ----------
    ranker : str
        The other one.
    difference : Estimate
        The model's distinct converters minus the other's.
    probability_more : float
        Share of resamples in which the model reaches more, ties counted half.
    """

    ranker: str
    capacity: int
    cooldown_weeks: int
    difference: Estimate
    probability_more: float


@dataclass(frozen=True)
class Season:
    """Campaigns of all rankers, and the model's lead over each of the others."""

    campaigns: tuple[Campaign, ...]
    leads: tuple[Lead, ...]

    def of(self, ranker: str, capacity: int, cooldown_weeks: int) -> Campaign:
        """Return one campaign."""
        wanted = (ranker, capacity, cooldown_weeks)
        return next(one for one in self.campaigns if (one.ranker, one.capacity, one.cooldown_weeks) == wanted)


def play_season(
    lists: ScoredLists,
    *,
    capacities: Sequence[int],
    cooldown_weeks: int,
    resamples: int,
    confidence: float,
    seed: int,
) -> Season:
    """Work down every list with every ranker, with and without a cool-down.

    Parameters
    ----------
    lists : ScoredLists
        Every prospect of every list.
    capacities : sequence of int
        Calls a list.
    cooldown_weeks : int
        Of the campaigns that have one.
    confidence : float
        Of the intervals, in (0, 1).

    Notes
    -----
    The intervals come from drawing companies with replacement; the calls stay as they were made. They say how
    far the share of the converters that is reached depends on which companies there happened to be.
    """
    _, cluster = np.unique(lists.company, return_inverse=True)
    paid = _distinct(cluster, lists.label)
    n_clusters = int(cluster.max(initial=-1)) + 1
    chunks = cluster_counts(n_clusters, n_clusters, resamples, seed)
    # Only converters count, whatever else was drawn.
    drawn = np.concatenate([counts[:, paid] for counts in chunks])
    campaigns, leads = [], []
    for capacity in capacities:
        for cooldown in (0, cooldown_weeks):
            reached = {}
            for ranker, score in lists.scores.items():
                called = calls(lists, score, capacity, cooldown)
                reached[ranker] = np.isin(paid, _distinct(cluster, called & lists.label))
                campaigns.append(
                    _campaign(ranker, capacity, cooldown, lists, called, reached[ranker], drawn, confidence)
                )
            campaigns.append(_by_chance(lists, capacity, cooldown, paid.size, seed))
            leads += [
                _lead(other, capacity, cooldown, reached[MODEL], reached[other], drawn, confidence)
                for other in reached
                if other != MODEL
            ]
    return Season(tuple(campaigns), tuple(leads))


def calls(
    lists: ScoredLists, score: NDArray[np.float64], capacity: int, cooldown_weeks: int
) -> NDArray[np.bool_]:
    """Return which rows are called when each list is worked from the top down.

    Parameters
    ----------
    lists : ScoredLists
        Of n_rows rows.
    score : ndarray of shape (n_rows,), float64
        Highest first; equal ones in the order of the rows, which depends on no id.
    capacity : int
        Calls a list.
    cooldown_weeks : int
        A company that was called less than this many weeks ago makes room for the next one.

    Returns
    -------
    ndarray of shape (n_rows,), bool
    """
    called = np.zeros(len(lists), dtype=bool)
    last_call = np.full(int(lists.company.max(initial=-1)) + 1, NEVER_LISTED, dtype=np.int32)
    for cutoff in np.unique(lists.cutoff):
        rows = np.flatnonzero(lists.cutoff == cutoff)
        rows = rows[~cooling_down(last_call[lists.company[rows]], int(cutoff), cooldown_weeks)]
        chosen = rows[np.argsort(-score[rows], kind="stable")[:capacity]]
        called[chosen] = True
        last_call[lists.company[chosen]] = cutoff
    return called


def _campaign(
    ranker: str,
    capacity: int,
    cooldown: int,
    lists: ScoredLists,
    called: NDArray[np.bool_],
    reached: NDArray[np.bool_],
    drawn: Weights,
    confidence: float,
) -> Campaign:
    low, high = interval_of(_of_all(drawn, reached.astype(np.float64)), confidence)
    made = int(called.sum())
    return Campaign(
        ranker,
        capacity,
        cooldown,
        int(np.unique(lists.cutoff).size),
        made,
        int(np.unique(lists.company[called]).size),
        Estimate(float(reached.sum()), low, high),
        reached.size,
        float((called & lists.label).sum() / made) if made else float("nan"),
    )


def _by_chance(lists: ScoredLists, capacity: int, cooldown: int, of: int, seed: int) -> Campaign:
    """Return the mean over several seasons of random calls."""
    rng = np.random.default_rng(seed)
    seasons = []
    for _ in range(_RANDOM_SEASONS):
        called = calls(lists, rng.random(len(lists)), capacity, cooldown)
        hits = called & lists.label
        seasons.append(
            (
                called.sum(),
                np.unique(lists.company[called]).size,
                np.unique(lists.company[hits]).size,
                hits.sum(),
            )
        )
    made, companies, converters, paying = (float(value) for value in np.mean(seasons, axis=0))
    return Campaign(
        RANDOM,
        capacity,
        cooldown,
        int(np.unique(lists.cutoff).size),
        round(made),
        round(companies),
        Estimate(converters, float("nan"), float("nan")),
        of,
        paying / made if made else float("nan"),
    )


def _lead(
    other: str,
    capacity: int,
    cooldown: int,
    ours: NDArray[np.bool_],
    theirs: NDArray[np.bool_],
    drawn: Weights,
    confidence: float,
) -> Lead:
    difference = ours.astype(np.float64) - theirs.astype(np.float64)
    resampled = _of_all(drawn, difference)
    return Lead(
        other,
        capacity,
        cooldown,
        Estimate(float(difference.sum()), *interval_of(resampled, confidence)),
        share_of(resampled > 0) + share_of(resampled == 0) / 2,
    )


def _of_all(drawn: Weights, counted_as: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the totals of the resamples, each scaled to the actual number of converters."""
    total = drawn.sum(axis=1)
    some = total > 0
    share: NDArray[np.float64] = (drawn[some] @ counted_as) / total[some]
    return share * counted_as.size


def _distinct(cluster: NDArray[np.intp], rows: NDArray[np.bool_]) -> NDArray[np.intp]:
    distinct: NDArray[np.intp] = np.unique(cluster[rows])
    return distinct
