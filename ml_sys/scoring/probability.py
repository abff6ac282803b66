"""From a margin of the trees to a calibrated probability, with the same bits for one row and for many.

The score has XGBoost's bits: C's expf, then float32. The calibration is float64 and calls the same functions
of C whether it is interpreted, for one row, or compiled, for many.
"""

from __future__ import annotations

import ctypes
import math
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ml_sys.kernel import kernel
from ml_sys.model.calibration import EPSILON

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml_sys.model.calibration import Calibrator

_KINDS = {"none": 0, "sigmoid": 1, "isotonic": 2}
# Beyond it C's exp overflows float64.
_LARGEST_EXPONENT = 709.0
_ONE = np.float32(1)
# XGBoost takes no greater exponent, or its exponential would be infinite.
_LARGEST_AGAINST = np.float32(88.7)
_MOST_AGAINST = float(_LARGEST_AGAINST)


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

    def one(self, margin: float) -> float:
        """Return the probability of one margin."""
        score = float(_ONE / (_ONE + np.float32(_expf(min(-margin, _MOST_AGAINST)))))
        probability: float = _calibrated(
            score, self.kind, self.slope, self.intercept, self.knots, self.values
        )
        return probability

    def many(self, margins: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the probability of each margin of shape (n,)."""
        exponentials = np.empty_like(margins)
        exponential.run(margins, exponentials)
        scores = (_ONE / (_ONE + exponentials)).astype(np.float64)
        probabilities = np.empty(scores.shape)
        calibrate.run(scores, self.kind, self.slope, self.intercept, self.knots, self.values, probabilities)
        return probabilities


def function_of_c(name: str) -> Any:
    """Return a function of C's library from float to float."""
    function = getattr(ctypes.CDLL("ucrtbase") if os.name == "nt" else ctypes.CDLL(None), name)
    function.argtypes, function.restype = [ctypes.c_float], ctypes.c_float
    return function


_expf = function_of_c("expf")


def _calibrated(score: float, kind: int, slope: float, intercept: float, knots: Any, values: Any) -> Any:
    if kind == 1:
        clipped = min(max(score, EPSILON), 1 - EPSILON)
        exponent = -(slope * math.log(clipped / (1 - clipped)) + intercept)
        return 0.0 if exponent > _LARGEST_EXPONENT else 1 / (1 + math.exp(exponent))
    if kind == 2:
        if score <= knots[0]:
            return values[0]
        low, high = 0, knots.size - 1
        if score >= knots[high]:
            return values[high]
        while high - low > 1:
            middle = (low + high) // 2
            if knots[middle] <= score:
                low = middle
            else:
                high = middle
        rise = (values[high] - values[low]) / (knots[high] - knots[low])
        return rise * (score - knots[low]) + values[low]
    return score


def _exponential_types(numba: Any) -> Any:
    return numba.void(numba.types.Array(numba.float32, 1, "C", readonly=True), numba.float32[::1])


def _calibrate_types(numba: Any) -> Any:
    read = numba.types.Array(numba.float64, 1, "C", readonly=True)
    return numba.void(read, numba.int64, numba.float64, numba.float64, read, read, numba.float64[::1])


def _exponential_by_c(margins: Any, out: Any) -> None:
    out[:] = [_expf(min(-margin, _MOST_AGAINST)) for margin in margins.tolist()]


@kernel(_exponential_types, meanwhile=_exponential_by_c)
def exponential(margins, out):  # type: ignore[no-untyped-def]  # the types above
    """Write exp(-margin), float32, by the same function of C that XGBoost calls."""
    for at in range(margins.size):
        out[at] = math.exp(min(-margins[at], _LARGEST_AGAINST))


@kernel(_calibrate_types, helpers=(_calibrated,))
def calibrate(scores, kind, slope, intercept, knots, values, out):  # type: ignore[no-untyped-def]  # the types above
    """Write the probability of each score; the arguments are those of `Calibration`."""
    for at in range(scores.size):
        out[at] = _calibrated(scores[at], kind, slope, intercept, knots, values)
