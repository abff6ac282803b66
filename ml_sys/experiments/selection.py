"""How much of a search's gain comes only from picking the best trial.

The best of many trials looks better than it is. The nested estimate chooses by all cutoffs but one, takes
the chosen trial's value at the one left out, and averages over which one that is. Cutoffs share companies,
so that it still errs on the bright side, if less.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Gain:
    """Mean average precision of the current settings, of the best trial, and of a nested choice."""

    in_force: float
    best: float
    nested: float

    @property
    def selection(self) -> float:
        """How much of the best trial's value comes from having picked it on these cutoffs."""
        return self.best - self.nested


def gain(values: NDArray[np.float64]) -> Gain:
    """Summarise the trials: the current settings, the best trial, and a nested choice.

    Parameters
    ----------
    values : ndarray of shape (n_trials, n_cutoffs), float64
        At least two cutoffs; the first trial is what was in force.
    """
    nested = []
    for at in range(values.shape[1]):
        chosen = int(np.argmax(np.delete(values, at, axis=1).mean(axis=1)))
        nested.append(values[chosen, at])
    means = values.mean(axis=1)
    return Gain(float(means[0]), float(means.max()), float(np.mean(nested)))
