"""Calibration: predicted against observed rates, scores by outcome, and what each threshold yields."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from ml_sys.metrics.ranking import CumulatedRanking, ratio

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from ml_sys.metrics.bootstrap import Drawn
    from ml_sys.metrics.ranking import Outcomes, Values, Weights

CALIBRATION_BINS = 10
# Log loss is infinite where a probability is exactly wrong; scikit-learn clips at the dtype's epsilon.
_EPSILON = np.finfo(np.float64).eps
# Ends of groups of equal scores that are passed over until it is known between which of them a bin ends.
_ENDS_AT_ONCE = 256

# Bins with fewer conversions are merged with the next one: their rates would say nothing.
LEAST_POSITIVES = 5
_MOST_BINS = 10
# Bins of probabilities, on a scale on which each is about three times the last.
_EDGES = (0.0, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)


@dataclass(frozen=True)
class CalibrationBin:
    """Rows of similar probability: the predicted rate and the observed one.

    Attributes
    ----------
    predicted, observed : float
        Mean probability, and share that converted.
    low, high : float
        Wilson's interval of ``observed``.
    """

    rows: int
    conversions: int
    predicted: float
    observed: float
    low: float
    high: float


@dataclass(frozen=True)
class ScoreBin:
    """How many rows have a probability in [low, high), by outcome."""

    low: float
    high: float
    converted: int
    others: int


@dataclass(frozen=True)
class Confusion:
    """The outcome of calling every company above a threshold, over all lists.

    Attributes
    ----------
    chosen : bool
        Whether it is the version's own.
    """

    threshold: float
    chosen: bool
    calls_per_list: float
    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int

    @property
    def precision(self) -> float:
        """Share of calls that convert; NaN when there are none."""
        calls = self.true_positives + self.false_positives
        return self.true_positives / calls if calls else float("nan")

    @property
    def recall(self) -> float:
        """Share of conversions that are called; NaN when there are none."""
        positives = self.true_positives + self.false_negatives
        return self.true_positives / positives if positives else float("nan")


def wilson(successes: int, trials: int, z: float) -> tuple[float, float]:
    """Return Wilson's interval for a share; 0 to 1 when there are no trials.

    References
    ----------
    Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927).
    """
    if not trials:
        return 0.0, 1.0
    share, spread = successes / trials, z * z / trials
    middle = (share + spread / 2) / (1 + spread)
    half = z * float(np.sqrt(share * (1 - share) / trials + spread / (4 * trials))) / (1 + spread)
    return max(0.0, middle - half), min(1.0, middle + half)


def probability_metrics(outcomes: Outcomes, weights: Weights | Drawn, threshold: float) -> dict[str, Values]:
    """Return the metrics that need a probability and a threshold.

    The calibration error is the mean distance between predicted and observed rate over ten bins of equally
    many rows. Arguments and result are those of :func:`ml_sys.metrics.ranking.ranking_metrics`.
    """
    if threshold not in outcomes.summands:
        outcomes.summands[threshold] = _summands(outcomes, threshold)
    of_rows = outcomes.summands[threshold]
    sums = [weights @ one for one in of_rows] if isinstance(weights, np.ndarray) else weights.sums(of_rows)
    total, positives, tp, fp, squares, losses, probability = sums
    fn = positives - tp
    tn = total - positives - fp
    return {
        "precision": ratio(tp, tp + fp, empty=0.0),
        "recall": ratio(tp, positives),
        "f1": ratio(2 * tp, tp + fp + positives, empty=0.0),
        "accuracy": (tp + tn) / total,
        "true_positives": tp,
        "false_positives": fp,
        "false_negatives": fn,
        "true_negatives": tn,
        "brier": squares / total,
        "log_loss": losses / total,
        "calibration_error": _calibration_error(outcomes, weights),
        "mean_probability": probability / total,
        "conversion_rate": positives / total,
    }


def _summands(outcomes: Outcomes, threshold: float) -> tuple[Values, ...]:
    """Return what is added up of rows: themselves, those that convert, right and wrong calls, and errors."""
    probability, label, above = outcomes.score, outcomes.label.astype(np.float64), outcomes.score >= threshold
    clipped = np.clip(probability, _EPSILON, 1 - _EPSILON)
    losses = -(label * np.log(clipped) + (1 - label) * np.log(1 - clipped))
    called, squares = above * label, (probability - label) ** 2
    return np.ones(label.size), label, called, above - called, squares, losses, probability


def _calibration_error(outcomes: Outcomes, weights: Weights | Drawn) -> Values:
    bins = np.linspace(0, 1, CALIBRATION_BINS + 1)
    if isinstance(weights, np.ndarray):
        gap = CumulatedRanking.along(outcomes.gaps, weights)
        total, edges = gap.total, gap.hits_at(gap.total[:, None] * bins)
    else:
        total, edges = _edges(outcomes, weights, bins)
    return np.asarray(np.abs(np.diff(np.ascontiguousarray(edges.T), axis=0)).sum(axis=0) / total)


def _edges(outcomes: Outcomes, drawn: Drawn, bins: Values) -> tuple[Values, Values]:
    """Return the weight of each resample, and the gaps added up down to some shares of it.

    Of each resample the gaps are laid out only between those few ends where a bin ends.
    """
    order = outcomes.gaps
    coarse = np.append(order.turns[_ENDS_AT_ONCE - 1 : -1 : _ENDS_AT_ONCE], order.turns[-1:])
    ranked = CumulatedRanking.along(replace(order, ends=coarse, turns=coarse), drawn)
    edges = np.empty((len(drawn), bins.size))
    for one, (weight, hits) in enumerate(zip(ranked.weight, ranked.hits, strict=True)):
        edges[one] = hits[-1]
        depths = weight[-1] * bins
        block = np.searchsorted(weight, depths, side="right") - 1
        for at in np.flatnonzero(block < coarse.size):
            number = int(block[at])
            ends = order.turns[number * _ENDS_AT_ONCE : (number + 1) * _ENDS_AT_ONCE]
            start = int(coarse[number - 1]) + 1 if number else 0
            here = slice(start, int(ends[-1]) + 1)
            counts = drawn.counts[drawn.clusters(order.places)[here], one].astype(np.float64)
            upto = np.cumsum(np.append(weight[number], counts))[np.append(0, ends - start + 1)]
            found = np.cumsum(np.append(hits[number], counts * order.hit[here]))
            edges[one, at] = np.interp(depths[at], upto, found[np.append(0, ends - start + 1)])
    return ranked.total, edges


def calibration_curve(outcomes: Outcomes, *, z: float) -> tuple[CalibrationBin, ...]:
    """Return predicted and observed rates of bins of equally many rows, lowest probability first.

    Bins are merged from the top down until each holds enough conversions; equal probabilities stay together.

    Parameters
    ----------
    outcomes : Outcomes
        Scores are probabilities.
    z : float
        Standard deviations to either side of the interval, such as 1.96.
    """
    order = np.argsort(-outcomes.score, kind="stable")
    score, label = outcomes.score[order], outcomes.label[order]
    bounds = np.flatnonzero(np.diff(score)) + 1
    wanted = np.arange(1, _MOST_BINS) * score.size / _MOST_BINS
    # The first change of the score at or after the place wanted.
    ends = np.unique(
        np.append(bounds[np.searchsorted(bounds, wanted)[wanted <= bounds.max(initial=0)]], score.size)
    )
    bins, start = [], 0
    for end in ends:
        rest = int(label[end:].sum())
        if (int(label[start:end].sum()) < LEAST_POSITIVES or rest < LEAST_POSITIVES) and end < score.size:
            continue
        bins.append(_bin(score[start:end], label[start:end], z))
        start = int(end)
    return tuple(reversed(bins))


def score_distribution(outcomes: Outcomes) -> tuple[ScoreBin, ...]:
    """Count rows by probability and outcome; bins without rows at either end are left out."""
    at = np.clip(np.searchsorted(_EDGES, outcomes.score, side="right") - 1, 0, len(_EDGES) - 2)
    counts = [np.bincount(at[outcomes.label == kind], minlength=len(_EDGES) - 1) for kind in (True, False)]
    bins = [
        ScoreBin(_EDGES[i], _EDGES[i + 1], int(counts[0][i]), int(counts[1][i]))
        for i in range(len(_EDGES) - 1)
    ]
    filled = [i for i, one in enumerate(bins) if one.converted or one.others]
    return tuple(bins[filled[0] : filled[-1] + 1]) if filled else ()


def confusions(outcomes: Outcomes, threshold: float, depths: Sequence[int]) -> tuple[Confusion, ...]:
    """Return the confusion at the chosen threshold and at those that call a given number per list.

    Highest threshold first, without repeats. Calls are counted per whole list, the rest per row.
    """
    lists = max(np.unique(outcomes.cutoff).size, 1) * outcomes.share
    ranked = np.sort(outcomes.score)[::-1]
    places = [max(round(depth * lists), 1) for depth in depths]
    moved = {float(ranked[place - 1]) for place in places if place <= ranked.size}
    return tuple(
        _confusion(outcomes, one, lists, chosen=one == threshold)
        for one in sorted(moved | {threshold}, reverse=True)
    )


def bin_shares(score: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    """Yield the share of each row that falls into each of ten bins with equally many rows, best score first.

    Equal scores share their places. Each is of shape (n_rows,); each row's shares add up to 1.
    """
    _, group, size = np.unique(-score, return_inverse=True, return_counts=True)
    end = np.cumsum(size)
    edges = np.linspace(0, score.size, CALIBRATION_BINS + 1)
    for low, high in pairwise(edges):
        inside = np.minimum(end, high) - np.maximum(end - size, low)
        yield (np.maximum(inside, 0.0) / size)[group]


def _bin(score: NDArray[np.float64], label: NDArray[np.bool_], z: float) -> CalibrationBin:
    conversions = int(label.sum())
    low, high = wilson(conversions, label.size, z)
    return CalibrationBin(label.size, conversions, float(score.mean()), float(label.mean()), low, high)


def _confusion(outcomes: Outcomes, threshold: float, lists: float, *, chosen: bool) -> Confusion:
    called, label = outcomes.score >= threshold, outcomes.label
    return Confusion(
        threshold=threshold,
        chosen=chosen,
        calls_per_list=float(called.sum() / lists),
        true_positives=int((called & label).sum()),
        false_positives=int((called & ~label).sum()),
        false_negatives=int((~called & label).sum()),
        true_negatives=int((~called & ~label).sum()),
    )
