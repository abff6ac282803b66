"""Metrics averaged over lists, one per cutoff, with intervals clustered by company.

Sales works down a list at a time, so a backtest is judged by the mean over its lists. A resample draws
companies with all their rows in all lists: neighbouring lists share companies and outcomes, and count as
little more than one where they do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import numpy as np

from ml_sys.metrics.bootstrap import Estimate, cluster_counts, interval, lead_interval
from ml_sys.metrics.paired import ListMetric, Paired, Segments, converters_of, share_of
from ml_sys.metrics.ranking import CumulatedRanking, Outcomes, Values, Weights, mean_of_defined

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LIST_METRICS: tuple[ListMetric, ...] = get_args(ListMetric)
_DEPTH = 10.0


def list_estimates(
    rankings: Mapping[str, Outcomes], *, resamples: int, confidence: float, seed: int
) -> dict[str, dict[ListMetric, Estimate]]:
    """Return each ranker's mean over lists of each metric, with its interval.

    The interval is that of :func:`ml_sys.metrics.bootstrap.interval`.

    Parameters
    ----------
    rankings : mapping of str to Outcomes
        The same rows in the same order; only their scores differ.
    confidence : float
        In (0, 1).
    """
    value, drawn = _resampled(list(rankings.values()), resamples, seed)
    converters = converters_of(next(iter(rankings.values())))
    return {
        name: {
            metric: Estimate(
                float(value[at, number]),
                *interval(metric, float(value[at, number]), drawn[at, number], converters, confidence),
            )
            for number, metric in enumerate(LIST_METRICS)
        }
        for at, name in enumerate(rankings)
    }


def paired_lists(
    challenger: Outcomes, champion: Outcomes, *, resamples: int, confidence: float, seed: int
) -> dict[ListMetric, Paired]:
    """Compare two rankers' means over lists on the same draws of companies.

    Ties count half for each side, so two equal rankers are each better with probability one half.

    Parameters
    ----------
    challenger, champion : Outcomes
        The same rows in the same order; only their scores differ.
    resamples, confidence, seed
        As in :func:`list_estimates`.
    """
    value, drawn = _resampled([challenger, champion], resamples, seed)
    found: dict[ListMetric, Paired] = {}
    for number, metric in enumerate(LIST_METRICS):
        one, other = (float(side) for side in value[:, number])
        difference = _known(drawn[0, number] - drawn[1, number])
        level = share_of(difference == 0) / 2
        found[metric] = Paired(
            metric,
            one,
            other,
            one - other,
            *lead_interval(metric, one - other, difference, converters_of(challenger), confidence),
            share_of(difference > 0) + level,
            share_of(difference < 0) + level,
        )
    return found


def _resampled(rankings: Sequence[Outcomes], resamples: int, seed: int) -> tuple[Values, Values]:
    """Return the metrics of each ranking and of its resamples, NaN where a resample does not define one.

    Shapes (n_rankings, n_metrics) and (n_rankings, n_metrics, n_resamples).
    """
    _, cluster = np.unique(rankings[0].company, return_inverse=True)
    n_clusters = int(cluster.max(initial=-1)) + 1
    rows_of = [rankings[0].cutoff == cutoff for cutoff in np.unique(rankings[0].cutoff)]
    segments = [[Segments.of(one.take(rows), cluster[rows]) for rows in rows_of] for one in rankings]

    def measured(counts: Weights) -> Values:
        return np.stack([_means([one.ranked(counts) for one in lists]) for lists in segments])

    chunks = [measured(counts) for counts in cluster_counts(n_clusters, cluster.size, resamples, seed)]
    return measured(np.ones((1, n_clusters)))[:, :, 0], np.concatenate(chunks, axis=2)


def _means(lists: Sequence[CumulatedRanking]) -> Values:
    """Return the mean over lists of each metric, shape (n_metrics, n_resamples)."""
    precision = [_precision(one) for one in lists]
    return np.stack(
        [
            mean_of_defined([one.average_precision() for one in lists]),
            mean_of_defined([one.roc_auc() for one in lists]),
            mean_of_defined(precision),
        ]
    )


def _precision(one: CumulatedRanking) -> Values:
    """Return the precision at the depth; NaN where a resample leaves the list empty."""
    calls = np.minimum(_DEPTH, one.total)
    return np.divide(one.hits_at(calls), calls, out=np.full_like(calls, np.nan), where=calls > 0)


def _known(values: Values) -> Values:
    return values[~np.isnan(values)]
