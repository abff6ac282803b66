"""Bootstrap clustered by company: whole companies are drawn with all their rows, as those are alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from ml_sys.evaluation.metrics import Values, Weights

# Weights held at once; with their running sums about 150 MB.
_CELLS_AT_ONCE = 2_000_000


@dataclass(frozen=True)
class Estimate:
    """A metric's value and the bounds of its interval; NaN where it is not defined."""

    value: float
    low: float
    high: float


def cluster_weights(company: NDArray[np.int32], resamples: int, seed: int) -> Iterator[Weights]:
    """Yield how often each row is drawn, in chunks of shape (some resamples, n_rows), float64.

    Every resample draws as many companies as there are, with replacement.
    """
    _, cluster = np.unique(company, return_inverse=True)
    n_clusters = int(cluster.max(initial=-1)) + 1
    for counts in cluster_counts(n_clusters, company.size, resamples, seed):
        yield counts[:, cluster]


def cluster_counts(n_clusters: int, n_rows: int, resamples: int, seed: int) -> Iterator[Weights]:
    """Yield how often each cluster is drawn, in chunks of shape (some resamples, n_clusters), float64.

    ``n_rows`` is what the counts will be spread over; the more rows, the fewer resamples at once. What is
    drawn does not depend on it.
    """
    rng = np.random.default_rng(seed)
    step = max(1, _CELLS_AT_ONCE // max(n_rows, 1))
    for start in range(0, resamples, step):
        counts = np.empty((min(step, resamples - start), n_clusters))
        for row in counts:
            row[:] = np.bincount(rng.integers(n_clusters, size=n_clusters), minlength=n_clusters)
        yield counts


def estimate(
    metrics: Callable[[Weights], dict[str, Values]],
    company: NDArray[np.int32],
    *,
    resamples: int,
    confidence: float,
    seed: int,
) -> dict[str, Estimate]:
    """Return each metric with its percentile interval.

    Parameters
    ----------
    metrics : callable
        From weights of shape (n_resamples, n_rows) to values of shape (n_resamples,) by name.
    company : ndarray of shape (n_rows,), int32
        Cluster of each row.
    resamples : int
    confidence : float
        In (0, 1).
    seed : int

    References
    ----------
    Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13; Field and Welsh,
    "Bootstrapping clustered data", JRSS B 69 (2007), for drawing whole clusters.
    """
    values = metrics(np.ones((1, company.size)))
    chunks = [metrics(weights) for weights in cluster_weights(company, resamples, seed)]
    tail = 100 * (1 - confidence) / 2
    estimates = {}
    for name, value in values.items():
        drawn = np.concatenate([chunk[name] for chunk in chunks])
        drawn = drawn[~np.isnan(drawn)]
        low, high = np.percentile(drawn, (tail, 100 - tail)) if drawn.size else (np.nan, np.nan)
        estimates[name] = Estimate(float(value[0]), float(low), float(high))
    return estimates
