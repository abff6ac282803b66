"""Count the distinct converters that the tops of the lists reach, and compare two rankings by that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ml_sys.metrics.bootstrap import Estimate, cluster_counts, lead_interval
from ml_sys.metrics.paired import share_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ml_sys.metrics.ranking import Outcomes


@dataclass(frozen=True)
class Reach:
    """Distinct converters reached by two rankings of the same lists.

    Attributes
    ----------
    ours, theirs : tuple of float
        Expected converters reached at each depth; a fraction only where equal scores share places.
    difference : Estimate
        Ours minus theirs, mean over the depths.
    probability_fewer : float
        Share of resamples in which ours lies below theirs by more than the tolerance; NaN without any.
    """

    ours: tuple[float, ...]
    theirs: tuple[float, ...]
    difference: Estimate
    probability_fewer: float


def reached(outcomes: Outcomes, depth: float) -> NDArray[np.float64]:
    """Return the chance that each converter is in the top of a list after which it converts.

    Parameters
    ----------
    outcomes : Outcomes
        Equal scores of a list stand in random order.
    depth : float
        Places of a whole list.

    Returns
    -------
    ndarray of shape (n_converters,), float64
        In the order of ``outcomes.company``'s values; 0 or 1 but where equal scores share the last places.
    """
    positive = np.flatnonzero(outcomes.label)
    converters, at = np.unique(outcomes.company[positive], return_inverse=True)
    missed = np.ones(converters.size)
    for cutoff in np.unique(outcomes.cutoff[positive]):
        here = outcomes.cutoff[positive] == cutoff
        everyone = np.sort(outcomes.score[outcomes.cutoff == cutoff])
        own = outcomes.score[positive[here]]
        above = everyone.size - np.searchsorted(everyone, own, "right")
        tied = everyone.size - np.searchsorted(everyone, own, "left") - above
        chance = np.clip((depth * outcomes.share - above) / tied, 0, 1)
        np.multiply.at(missed, at[here], 1 - chance)
    return 1 - missed


def compare_reach(
    ours: Outcomes,
    theirs: Outcomes,
    depths: Sequence[int],
    *,
    tolerance: float,
    resamples: int,
    confidence: float,
    seed: int,
) -> Reach:
    """Compare two rankings by the converters they reach, on the same draws of companies.

    Parameters
    ----------
    ours, theirs : Outcomes
        The same rows in the same order, one positive at least; only their scores differ.
    depths : sequence of int
        Places of a whole list.
    tolerance : float
        How far below the other's converters does not count as fewer, as a share of them.
    confidence : float
        Of the difference's interval, in (0, 1).

    Notes
    -----
    Calls stay as they are made; what is drawn is who converts. A resample's converters are scaled to as many
    as there are.
    """
    each = [np.stack([reached(one, depth) for depth in depths]) for one in (ours, theirs)]
    company, cluster = np.unique(ours.company, return_inverse=True)
    paid = np.unique(cluster[ours.label])
    chunks = cluster_counts(company.size, company.size, resamples, seed)
    drawn = np.concatenate([counts[:, paid] for counts in chunks])  # only converters count
    drawn = drawn[drawn.any(axis=1)]
    share = drawn / drawn.sum(axis=1, keepdims=True) * paid.size
    mean, other = (share @ one.mean(axis=0) for one in each)
    value = float(each[0].sum(axis=1).mean() - each[1].sum(axis=1).mean())
    totals = [tuple(float(total) for total in one.sum(axis=1)) for one in each]
    return Reach(
        totals[0],
        totals[1],
        Estimate(value, *lead_interval("converters", value, mean - other, paid.size, confidence)),
        share_of(mean < other * (1 - tolerance)),
    )
