"""Choose the decision threshold and the tiers on the validation rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml_sys.settings import ThresholdSettings

TIERS = ("A", "B", "C")


@dataclass(frozen=True)
class Tiers:
    """Lowest probability of tier A and of tier B; tier C is the rest."""

    a: float
    b: float

    def of(self, probabilities: NDArray[np.float64]) -> NDArray[np.str_]:
        """Return the tier of each probability, shape (n,)."""
        return np.where(
            probabilities >= self.a, TIERS[0], np.where(probabilities >= self.b, TIERS[1], TIERS[2])
        )

    def name(self, probability: float) -> str:
        """Return the tier of one probability."""
        return TIERS[0] if probability >= self.a else TIERS[1] if probability >= self.b else TIERS[2]


def choose_threshold(
    probabilities: NDArray[np.float64],
    labels: NDArray[np.bool_],
    settings: ThresholdSettings,
    *,
    n_lists: float,
    weight: NDArray[np.float64] | None = None,
) -> float:
    """Return the decision threshold: the lowest probability that counts as a predicted conversion.

    Parameters
    ----------
    probabilities : ndarray of shape (n,), float64
        Calibrated, of validation rows.
    labels : ndarray of shape (n,), bool
    settings : ThresholdSettings
        ``capacity``: as many as sales can call; ``f1``: the best F1; ``fixed``: the value itself.
    n_lists : float
        How many whole lists the rows make up: cutoffs times the share of all companies that they are of.
    weight : ndarray of shape (n,), optional
        How many rows each stands for; one by default.
    """
    if settings.kind == "fixed":
        return settings.value
    if settings.kind == "capacity":
        return _at_depth(probabilities, round(settings.capacity * n_lists), weight)
    from sklearn.metrics import precision_recall_curve  # the service decides without scikit-learn

    precision, recall, thresholds = precision_recall_curve(labels, probabilities, sample_weight=weight)
    total = precision[:-1] + recall[:-1]
    f1 = np.divide(2 * precision[:-1] * recall[:-1], total, out=np.zeros_like(total), where=total > 0)
    return float(thresholds[int(np.argmax(f1))])


def choose_tiers(
    probabilities: NDArray[np.float64],
    settings: ThresholdSettings,
    *,
    n_lists: float,
    weight: NDArray[np.float64] | None = None,
) -> Tiers:
    """Return tiers so that an average list has one capacity in A and the wanted number of capacities in B."""
    week = settings.capacity * n_lists
    return Tiers(
        _at_depth(probabilities, round(week), weight),
        _at_depth(probabilities, round(week * (1 + settings.tier_b_capacities)), weight),
    )


def _at_depth(probabilities: NDArray[np.float64], depth: int, weight: NDArray[np.float64] | None) -> float:
    if weight is None:
        ranked = np.sort(probabilities)[::-1]
        return float(ranked[min(max(depth, 1), ranked.size) - 1])
    order = np.argsort(-probabilities, kind="stable")
    place = int(np.searchsorted(np.cumsum(weight[order]), max(depth, 1)))
    return float(probabilities[order[min(place, order.size - 1)]])
