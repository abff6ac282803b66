"""The numbers behind the ranking charts: curves with bands, gains, and precision and recall by depth.

Bands come from resampling whole companies. They hold point by point, not for a whole curve.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ml_sys.metrics.bootstrap import Estimate, cluster_weights, estimate
from ml_sys.metrics.ranking import CumulatedRanking

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from ml_sys.metrics.bootstrap import Drawn
    from ml_sys.metrics.ranking import Outcomes, Values, Weights

    Reader = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]

DECILES = 10
# Where curves are read: finer at the beginning, where they are steep.
GRID = np.unique(np.round(np.concatenate([np.linspace(0, 0.1, 21), np.linspace(0, 1, 41)]), 3))


@dataclass(frozen=True)
class Curve:
    """A curve, and the band around it where it has one.

    Attributes
    ----------
    low, high : tuple of float
        Bounds of ``y``; empty where none were drawn.
    """

    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()


@dataclass(frozen=True)
class Decile:
    """A tenth of all rows, best first.

    Attributes
    ----------
    conversions : float
        Expected number where equal scores straddle the border.
    lift : float
        Its conversion rate over that of all rows.
    gain : float
        Share of all conversions in it and those before it.
    """

    decile: int
    rows: int
    conversions: float
    lift: float
    gain: float


@dataclass(frozen=True)
class Depth:
    """Precision and recall when the first so many of each list are called; means over the lists."""

    depth: int
    precision: Estimate
    recall: Estimate


def roc(outcomes: Outcomes, *, resamples: int = 0, confidence: float = 0.95, seed: int = 0) -> Curve:
    """Return the ROC curve: converters found against others called by mistake."""
    return _curve(outcomes, _roc_at, resamples, confidence, seed)


def precision_recall(
    outcomes: Outcomes, *, resamples: int = 0, confidence: float = 0.95, seed: int = 0
) -> Curve:
    """Return precision at each level of recall."""
    return _curve(outcomes, _precision_at, resamples, confidence, seed)


def gains(outcomes: Outcomes) -> tuple[Decile, ...]:
    """Return conversions by tenth of all rows; empty when nothing converts."""
    ranked = CumulatedRanking.build(outcomes.score, outcomes.label, np.ones((1, outcomes.score.size)))
    found = float(ranked.positives[0])
    if not found:
        return ()
    total = float(ranked.total[0])
    edges = np.round(np.linspace(0, total, DECILES + 1))
    hits = np.interp(edges, ranked.weight[0], ranked.hits[0])
    return tuple(
        Decile(
            decile=at + 1,
            rows=int(edges[at + 1] - edges[at]),
            conversions=float(hits[at + 1] - hits[at]),
            lift=_over((hits[at + 1] - hits[at]) / found, (edges[at + 1] - edges[at]) / total),
            gain=float(hits[at + 1] / found),
        )
        for at in range(DECILES)
    )


def working_depths(
    outcomes: Outcomes, depths: Sequence[int], *, resamples: int, confidence: float, seed: int
) -> tuple[Depth, ...]:
    """Return precision and recall when the first so many of each list are called.

    Depths are those of whole lists, of which the rows may be a share. One is left out where no list is that
    long.
    """
    longest = max((one.places.size for one in outcomes.lists), default=0)
    wanted = [depth for depth in depths if depth * outcomes.share <= longest]

    def judged(weights: Weights | Drawn) -> dict[str, Values]:
        ranked = [CumulatedRanking.along(one, weights) for one in outcomes.lists]
        values = {}
        for depth in wanted:
            called = [np.minimum(depth * outcomes.share, one.total) for one in ranked]
            hits = [one.hits_at(calls) for one, calls in zip(ranked, called, strict=True)]
            values[f"precision {depth}"] = _mean(hits, called)
            values[f"recall {depth}"] = _mean(hits, [one.positives for one in ranked])
        return values

    found = estimate(
        judged,
        outcomes.company,
        resamples=resamples,
        confidence=confidence,
        seed=seed,
        label=outcomes.label,
    )
    return tuple(Depth(depth, found[f"precision {depth}"], found[f"recall {depth}"]) for depth in wanted)


def lead(outcomes: Outcomes, other: Outcomes, *, resamples: int, confidence: float, seed: int) -> Estimate:
    """Return how much higher one ranking's average precision is than another's on the same rows.

    Both are judged on the same resamples, so that what is hard for both does not count.
    """

    def difference(weights: Weights | Drawn) -> dict[str, Values]:
        ours, theirs = (
            CumulatedRanking.along(one.order, weights).average_precision() for one in (outcomes, other)
        )
        return {"lead": ours - theirs}

    return estimate(difference, outcomes.company, resamples=resamples, confidence=confidence, seed=seed)[
        "lead"
    ]


def _curve(outcomes: Outcomes, read: Reader, resamples: int, confidence: float, seed: int) -> Curve:
    """Read a curve off the rows, and its band off resamples of their companies."""

    def values(weights: Weights | Drawn) -> NDArray[np.float64]:
        ranked = CumulatedRanking.along(outcomes.order, weights)
        return np.array([read(w, h) for w, h in zip(ranked.weight, ranked.hits, strict=True)])

    line = values(np.ones((1, outcomes.score.size)))[0]
    x = tuple(GRID.tolist())
    if not resamples or np.isnan(line).all():
        return Curve(x, tuple(line.tolist()))
    drawn = np.concatenate(
        [values(weights) for weights in cluster_weights(outcomes.company, resamples, seed)]
    )
    drawn = drawn[~np.isnan(drawn).any(axis=1)]
    if not len(drawn):
        return Curve(x, tuple(line.tolist()))
    tail = 100 * (1 - confidence) / 2
    low, high = np.percentile(drawn, (tail, 100 - tail), axis=0)
    return Curve(x, tuple(line.tolist()), tuple(low.tolist()), tuple(high.tolist()))


def _roc_at(weight: NDArray[np.float64], hits: NDArray[np.float64]) -> NDArray[np.float64]:
    misses = weight - hits
    if not hits[-1] or not misses[-1]:
        return np.full(GRID.size, np.nan)
    # At one share of mistakes the curve may jump: its upper end is what is found there.
    last = np.append(np.diff(misses) > 0, True)
    found: NDArray[np.float64] = np.interp(GRID, misses[last] / misses[-1], hits[last] / hits[-1])
    return found


def _precision_at(weight: NDArray[np.float64], hits: NDArray[np.float64]) -> NDArray[np.float64]:
    if not hits[-1]:
        return np.full(GRID.size, np.nan)
    wanted = np.maximum(GRID, GRID[1]) * hits[-1]
    place = np.minimum(np.searchsorted(hits, wanted), hits.size - 1)
    # Within a group of equal scores, conversions are spread evenly over its rows.
    step = hits[place] - hits[place - 1]
    part = np.divide(wanted - hits[place - 1], step, out=np.ones_like(step), where=step > 0)
    called = weight[place - 1] + part * (weight[place] - weight[place - 1])
    precision: NDArray[np.float64] = np.divide(wanted, called, out=np.zeros_like(called), where=called > 0)
    return precision


def _mean(hits: Sequence[Values], below: Sequence[Values]) -> Values:
    """Return the mean over the lists where there is something to divide by."""
    above, under = np.array(hits), np.array(below)
    known = under > 0
    share = np.divide(above, under, out=np.zeros_like(above), where=known)
    lists = known.sum(axis=0)
    mean: Values = np.divide(share.sum(axis=0), lists, out=np.full(lists.shape, np.nan), where=lists > 0)
    return mean


def _over(above: float, below: float) -> float:
    return float(above / below) if below else float("nan")
