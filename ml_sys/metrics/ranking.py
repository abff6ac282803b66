"""Metrics of a ranked list, computed for many weightings of its rows at once.

Every metric takes weights of shape (n_resamples, n_rows): all ones give the value itself, a bootstrap's
counts give its distribution. With unit weights they are scikit-learn's. Ties share their places: a depth that
ends inside a group of equal scores takes the expected number of positives under random order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ml_sys.kernel import kernel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml_sys.metrics.bootstrap import Drawn

Weights = NDArray[np.float64]
Values = NDArray[np.float64]

LIST_DEPTHS = (10, 50)
DECILE = 0.1


@dataclass(frozen=True)
class Outcomes:
    """Holdout rows: what was predicted and what happened.

    Attributes
    ----------
    score : ndarray of shape (n_rows,), float64
        What rows are ranked by.
    label : ndarray of shape (n_rows,), bool
    cutoff, company : ndarray of shape (n_rows,), int32
        One list of prospects per cutoff; cluster of the bootstrap.
    share : float
        Share of each whole list that its rows are. Depths are those of whole lists: where a fifth of the
        companies is held out, the first 2 of each list stand for the first 10 of a whole one.
    weight : ndarray of shape (n_rows,), float64, optional
        How many rows each stands for where they are a sample; only :meth:`once` and
        :func:`ml_sys.metrics.paired.paired_bootstrap` know it.
    """

    score: NDArray[np.float64]
    label: NDArray[np.bool_]
    cutoff: NDArray[np.int32]
    company: NDArray[np.int32]
    share: float = 1.0
    weight: NDArray[np.float64] | None = None

    def take(self, rows: NDArray[np.bool_]) -> Outcomes:
        """Return the rows of a mask."""
        weight = None if self.weight is None else self.weight[rows]
        return Outcomes(
            self.score[rows], self.label[rows], self.cutoff[rows], self.company[rows], self.share, weight
        )

    def once(self) -> Weights:
        """Return the weights that give the metric itself, of shape (1, n_rows)."""
        return np.ones((1, self.score.size)) if self.weight is None else self.weight[None]

    @cached_property
    def order(self) -> Order:
        """All rows, best score first; found once for all weightings."""
        return Order.of(self.score, self.label)

    @cached_property
    def lists(self) -> tuple[Order, ...]:
        """The rows of each cutoff, likewise."""
        rows = [np.flatnonzero(self.cutoff == cutoff) for cutoff in np.unique(self.cutoff)]
        return tuple(Order.of(self.score, self.label, one) for one in rows)

    @cached_property
    def gaps(self) -> Order:
        """All rows, adding up how far each probability lies above what happened."""
        return Order.of(self.score, self.score - self.label)

    @cached_property
    def summands(self) -> dict[float, tuple[Values, ...]]:
        """By threshold what :func:`ml_sys.metrics.calibration.probability_metrics` adds up of each row."""
        return {}


def ranking_metrics(outcomes: Outcomes, weights: Weights | Drawn) -> dict[str, Values]:
    """Return the metrics that depend only on the order of the rows.

    Average precision, ROC-AUC and the top decile are of all rows ranked together; precision and recall at a
    depth are means over the lists, one list per cutoff, since that is how sales works down them.

    Parameters
    ----------
    weights : ndarray of shape (n_resamples, n_rows), float64, or Drawn

    Returns
    -------
    dict of str to ndarray of shape (n_resamples,), float64
        NaN where a metric is not defined, as without positives.
    """
    ranked = CumulatedRanking.along(outcomes.order, weights)
    share = ranked.positives / ranked.total
    decile = DECILE * ranked.total
    decile_hits = ranked.hits_at(decile)
    metrics = {
        "roc_auc": ranked.roc_auc(),
        "average_precision": ranked.average_precision(),
        "precision_top_decile": decile_hits / decile,
        "recall_top_decile": ratio(decile_hits, ranked.positives),
        "lift_top_decile": ratio(decile_hits / decile, share),
    }
    lists = [CumulatedRanking.along(one, weights) for one in outcomes.lists]
    for depth in LIST_DEPTHS:
        calls = [np.minimum(depth * outcomes.share, one.total) for one in lists]
        hits = [one.hits_at(called) for one, called in zip(lists, calls, strict=True)]
        precision = [ratio(h, called) for h, called in zip(hits, calls, strict=True)]
        recall = [ratio(h, one.positives) for h, one in zip(hits, lists, strict=True)]
        metrics[f"precision_at_{depth}"] = mean_of_defined(precision)
        metrics[f"recall_at_{depth}"] = mean_of_defined(recall)
        metrics[f"lift_at_{depth}"] = ratio(metrics[f"precision_at_{depth}"], share)
    return metrics


def random_metrics(outcomes: Outcomes) -> dict[str, float]:
    """Return what a random order scores on average, per ranking metric."""
    tied = replace(outcomes, score=np.zeros(outcomes.score.size))
    values = ranking_metrics(tied, np.ones((1, outcomes.score.size)))
    return {name: float(value[0]) for name, value in values.items()}


@dataclass(frozen=True)
class Order:
    """Rows in the order of their scores, whatever they weigh.

    Attributes
    ----------
    places, hit : ndarray of shape (n_ranked,), int64 and float64
        Rows, best score first; what is added up of each.
    ends, turns : ndarray, int64
        Place of the last row of each group of equal scores; of those alone around which hits change.
    """

    places: NDArray[np.intp]
    ends: NDArray[np.intp]
    turns: NDArray[np.intp]
    hit: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        score: NDArray[np.float64],
        hit: NDArray[np.bool_] | NDArray[np.float64],
        rows: NDArray[np.intp] | None = None,
    ) -> Order:
        """Order rows, by default all, by their scores."""
        ranked = score if rows is None else score[rows]
        places = np.argsort(-ranked, kind="stable")
        ends = np.append(np.flatnonzero(np.diff(ranked[places])), places.size - 1)
        places = places if rows is None else rows[places]
        found = np.append(np.searchsorted(ends, np.flatnonzero(hit[places])), ends.size - 1)
        turning = np.zeros(ends.size, dtype=bool)
        turning[found] = turning[np.maximum(found - 1, 0)] = True
        return cls(places, ends, ends[turning], hit[places].astype(np.float64))


@dataclass(frozen=True)
class CumulatedRanking:
    """Cumulated weights at ends of groups of equal scores, best score first, after a leading zero.

    ``hits`` are the weights of positives or, for the calibration error, weights times what is added up.
    Of several resamples, ends between which nothing is hit are left out: no metric needs them.
    """

    weight: Weights
    hits: Weights

    @classmethod
    def build(
        cls,
        score: NDArray[np.float64],
        hit: NDArray[np.bool_] | NDArray[np.float64],
        weights: Weights | Drawn,
    ) -> CumulatedRanking:
        """Rank rows by their scores, under weights of shape (n_resamples, n_rows)."""
        return cls.along(Order.of(score, hit), weights)

    @classmethod
    def along(cls, order: Order, weights: Weights | Drawn) -> CumulatedRanking:
        """Add up in an order that is known."""
        # NumPy adds up a single row in pairs: with fewer of them its last bits would be others.
        ends = order.ends if len(weights) == 1 else order.turns
        # Side by side in memory lie the resamples' weights of a row, so that all are added up at once.
        across: NDArray[Any]
        rows: NDArray[Any]
        if isinstance(weights, np.ndarray):
            across, rows = np.ascontiguousarray(weights.T), order.places
        else:
            across, rows = weights.counts, weights.clusters(order.places)
        running, hits = (np.zeros((ends.size + 1, across.shape[1])) for _ in range(2))
        add_up.run(across, rows, ends, order.hit, running, hits)
        return cls(running.T, hits.T)

    @property
    def total(self) -> Values:
        """Weight of all rows, per resample."""
        return self.weight[:, -1]

    @property
    def positives(self) -> Values:
        """Weight of the positive ones, per resample."""
        return self.hits[:, -1]

    def hits_at(self, depth: Values) -> Values:
        """Return the expected positives among the first ``depth`` rows, one depth or several per resample."""
        weight, hits = np.ascontiguousarray(self.weight), np.ascontiguousarray(self.hits)
        return np.array([np.interp(d, w, h) for d, w, h in zip(depth, weight, hits, strict=True)])

    def average_precision(self) -> Values:
        """Return the mean precision at the ranks of positives; NaN when there are none."""
        precision = np.divide(self.hits, self.weight, out=np.zeros_like(self.hits), where=self.weight > 0)
        return ratio((np.diff(self.hits, axis=1) * precision[:, 1:]).sum(axis=1), self.positives)

    def roc_auc(self) -> Values:
        """Return the share of positive-negative pairs in the right order; NaN when either is missing."""
        misses = self.weight - self.hits
        area = (np.diff(misses, axis=1) * (self.hits[:, 1:] + self.hits[:, :-1]) / 2).sum(axis=1)
        return ratio(area, self.positives * misses[:, -1])


def _add_up_types(numba: Any) -> Any:
    def read(kind: Any, dimensions: int) -> Any:
        return numba.types.Array(kind, dimensions, "C", readonly=True)

    ends, hit, sums = read(numba.int64, 1), read(numba.float64, 1), numba.float64[:, ::1]
    weighed = [(read(numba.float64, 2), ends), (read(numba.uint8, 2), read(numba.int32, 1))]
    return [numba.void(*one, ends, hit, sums, sums) for one in weighed]


def _add_up_in_numpy(weights: Any, rows: Any, ends: Any, hit: Any, running: Any, hits: Any) -> None:
    ordered = weights[rows].astype(np.float64)
    running[1:] = np.cumsum(ordered, axis=0)[ends]
    hits[1:] = np.cumsum(ordered * hit[:, None], axis=0)[ends]


@kernel(_add_up_types, meanwhile=_add_up_in_numpy)
def add_up(weights, rows, ends, hit, running, hits):  # type: ignore[no-untyped-def]  # the types above
    """Add up weights of rows, and weights times hits, in order; write both at each end, after a first row."""
    resamples, group = weights.shape[1], 0
    total, found = np.zeros(resamples), np.zeros(resamples)
    for place in range(rows.size):
        row = weights[rows[place]]
        for one in range(resamples):
            total[one] += row[one]
        if hit[place] != 0:
            for one in range(resamples):
                found[one] += row[one] * hit[place]
        if place == ends[group]:
            group += 1
            running[group] = total
            hits[group] = found


def mean_of_defined(values: Sequence[Values]) -> Values:
    """Return the elementwise mean of arrays, ignoring NaN; NaN where all are NaN."""
    stacked = np.array(values)
    known = ~np.isnan(stacked)
    return ratio(np.where(known, stacked, 0).sum(axis=0), known.sum(axis=0).astype(np.float64))


def ratio(above: Values, below: Values, *, empty: float = float("nan")) -> Values:
    """Return what is divided, ``empty`` where that would be by nothing."""
    return np.divide(above, below, out=np.full_like(above, empty), where=below > 0)
