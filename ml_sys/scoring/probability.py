"""A version's calibration, in the form that the loops of the scorer take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ml_sys.scoring.loops import LINE, NOTHING, STEPS, calibrate, exponential

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml_sys.model.calibration import Calibrator

_KINDS = {"none": NOTHING, "sigmoid": LINE, "isotonic": STEPS}
_ONE = np.float32(1)


@dataclass(frozen=True)
class Calibration:
    """A calibrator in the form that its loop takes.

    Attributes
    ----------
    kind : int
    slope, intercept : float
    knots, values : ndarray of shape (n_knots,), float64
    """

    kind: int
    slope: float
    intercept: float
    knots: NDArray[np.float64]
    values: NDArray[np.float64]

    @classmethod
    def of(cls, calibrator: Calibrator) -> Calibration:
        """Take a fitted calibrator apart."""
        knots, values = (np.array(one, dtype=np.float64) for one in (calibrator.knots, calibrator.values))
        return cls(_KINDS[calibrator.method], calibrator.slope, calibrator.intercept, knots, values)

    def many(self, margins: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the probability of each margin of shape (n,)."""
        exponentials = np.empty_like(margins)
        exponential.run(margins, exponentials)
        scores = (_ONE / (_ONE + exponentials)).astype(np.float64)
        probabilities = np.empty(scores.shape)
        calibrate.run(scores, *self.arguments(), probabilities)
        return probabilities

    def arguments(self) -> tuple[Any, ...]:
        """Return what the loops take of it."""
        return self.kind, self.slope, self.intercept, self.knots, self.values
