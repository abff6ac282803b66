"""Past lists of prospects: each ranker's scores on that day, and what happened afterwards.

Holdouts and backtests both come down to such rows; curves, promises, campaigns and money are computed from
them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_sys.metrics.ranking import Outcomes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MODEL, RANDOM = "model", "random"


@dataclass(frozen=True)
class ScoredLists:
    """Every prospect of every list; one list per cutoff.

    Attributes
    ----------
    cutoff : ndarray of shape (n_rows,), int32
        Days since 1970-01-01, ascending.
    company : ndarray of shape (n_rows,), int32
        Position of the company in the snapshot; names the cluster.
    label : ndarray of shape (n_rows,), bool
        Whether it converted within the horizon.
    seen : ndarray of shape (n_rows,), bool
        Whether it had any usage by the cutoff.
    closed : ndarray of shape (n_rows,), int32
        Day on which it became a customer, ``NEVER_CLOSED`` where it did not.
    value : ndarray of shape (n_rows,), float64
        Monthly recurring revenue of those that became customers, NaN for the others.
    scores : dict of str to ndarray of shape (n_rows,), float64
        What each ranker ranks by; ``MODEL``'s are probabilities.
    threshold : ndarray of shape (n_rows,), float64
        From which probability on the model of that day predicted to convert.
    tier : ndarray of shape (n_rows,), str
        Tier under the model of that day.
    """

    cutoff: NDArray[np.int32]
    company: NDArray[np.int32]
    label: NDArray[np.bool_]
    seen: NDArray[np.bool_]
    closed: NDArray[np.int32]
    value: NDArray[np.float64]
    scores: dict[str, NDArray[np.float64]]
    threshold: NDArray[np.float64]
    tier: NDArray[np.str_]

    def __len__(self) -> int:
        return self.cutoff.size

    @property
    def probability(self) -> NDArray[np.float64]:
        """The model's probabilities."""
        return self.scores[MODEL]

    def take(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> ScoredLists:
        """Return the rows of a mask, or the rows at given positions in that order."""
        return ScoredLists(
            self.cutoff[rows],
            self.company[rows],
            self.label[rows],
            self.seen[rows],
            self.closed[rows],
            self.value[rows],
            {name: score[rows] for name, score in self.scores.items()},
            self.threshold[rows],
            self.tier[rows],
        )

    def outcomes(self, ranker: str = MODEL) -> Outcomes:
        """Return the rows as one ranker ranks them."""
        return Outcomes(self.scores[ranker], self.label, self.cutoff, self.company)
