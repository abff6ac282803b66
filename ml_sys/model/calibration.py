"""Calibration: a monotone map from scores to probabilities, fitted on rows of companies outside the fit.

Pipeline and scorer run the same loop, whose every step IEEE 754 rounds in one way only: equal scores get the
same bits on every CPU, whether numba has been loaded or not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ml_sys.elementary import exponential, log, logarithm, sigmoid
from ml_sys.kernel import kernel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

CalibrationMethod = Literal["sigmoid", "isotonic", "none"]
# Scores of exactly 0 or 1 have no log-odds; float32 cannot tell these bounds from them.
EPSILON = 1e-7
NOTHING, LINE, STEPS = 0, 1, 2
_KINDS = {"none": NOTHING, "sigmoid": LINE, "isotonic": STEPS}
# Where scores carry no signal the fitted slope may come out negative; ranking is never turned round by
# calibration.
_LEAST_SLOPE = 1e-3


@dataclass(frozen=True)
class Calibrator:
    """A fitted calibration.

    Attributes
    ----------
    method : {"sigmoid", "isotonic", "none"}
        Sigmoid is a straight line on the log-odds of the score, isotonic a rising step function with linear
        joins.
    slope, intercept : float
        Of the line.
    knots, values : tuple of float
        Scores and probabilities that the isotonic map joins.
    """

    method: CalibrationMethod
    slope: float = 1.0
    intercept: float = 0.0
    knots: tuple[float, ...] = ()
    values: tuple[float, ...] = ()

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Calibrator:
        """Return what :func:`dataclasses.asdict` took apart.

        Raises
        ------
        ValueError
            If it is no calibration; compiled loops follow its knots without looking whether they are there.
        """
        made = cls(**{**plain, "knots": tuple(plain["knots"]), "values": tuple(plain["values"])})
        numbers: tuple[Any, ...] = (made.slope, made.intercept, *made.knots, *made.values)
        if not all(isinstance(one, int | float) and math.isfinite(one) for one in numbers):
            raise ValueError("a calibration with a number that is not finite")
        rising = all(low < high for low, high in pairwise(made.knots))
        if (
            len(made.knots) != len(made.values)
            or not rising
            or (made.method == "isotonic") != bool(made.knots)
        ):
            raise ValueError("a calibration with invalid knots")
        return made

    def __call__(self, scores: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Map scores of shape (n,) in [0, 1] to probabilities, float64."""
        scores = np.ascontiguousarray(scores, dtype=np.float64)
        probabilities = np.empty(scores.shape)
        calibrate.run(scores, *self.arguments(), probabilities)
        return probabilities

    def arguments(self) -> tuple[Any, ...]:
        """Return what the loops take of it: kind, slope, intercept, knots and values."""
        knots, values = (np.array(one, dtype=np.float64) for one in (self.knots, self.values))
        return _KINDS[self.method], self.slope, self.intercept, knots, values


def fit_calibrator(
    method: CalibrationMethod,
    scores: NDArray[np.floating[Any]],
    labels: NDArray[np.bool_],
    weight: NDArray[np.float64] | None = None,
) -> Calibrator:
    """Fit a calibration on scores that their model has not been fitted to.

    Parameters
    ----------
    method : {"sigmoid", "isotonic", "none"}
    scores : ndarray of shape (n,)
        In [0, 1].
    labels : ndarray of shape (n,), bool
        At least one of each kind; otherwise the scores are left as they are.
    weight : ndarray of shape (n,), optional
        How many rows each stands for; one by default.

    References
    ----------
    Platt, "Probabilistic outputs for support vector machines" (1999), here on log-odds; Zadrozny and Elkan,
    "Transforming classifier scores into accurate multiclass probability estimates", KDD 2002, for isotonic.
    """
    from sklearn.isotonic import IsotonicRegression  # the service calibrates without scikit-learn
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    if method == "none" or labels.all() or not labels.any():
        return Calibrator("none")
    if method == "isotonic":
        fitted = IsotonicRegression(out_of_bounds="clip").fit(
            np.asarray(scores, dtype=np.float64), labels, sample_weight=weight
        )
        return Calibrator(
            "isotonic",
            knots=tuple(float(x) for x in fitted.X_thresholds_),
            values=tuple(float(y) for y in fitted.y_thresholds_),
        )
    line = LogisticRegression(C=np.inf, tol=1e-8, max_iter=1000)
    with threadpool_limits(1):  # so that its last bits are the same however many threads there are
        line.fit(log_odds(scores)[:, None], labels, sample_weight=weight)
    slope, intercept = float(line.coef_[0, 0]), float(line.intercept_[0])
    if slope < _LEAST_SLOPE:
        rate = np.average(labels, weights=weight)
        return Calibrator("sigmoid", _LEAST_SLOPE, float(np.log(rate / (1 - rate))))
    return Calibrator("sigmoid", slope, intercept)


def log_odds(scores: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return log(p / (1 - p)), float64, with p kept off 0 and 1."""
    return log(_odds(np.asarray(scores, dtype=np.float64)))


def _odds(score: Any) -> Any:
    """Return p / (1 - p) of a number or of an array."""
    kept = np.minimum(np.maximum(score, EPSILON), 1 - EPSILON)
    return kept / (1 - kept)


def calibrated(score: float, kind: int, slope: float, intercept: float, knots: Any, values: Any) -> Any:
    """Return the probability of a score, where it is compiled into a loop."""
    if kind == LINE:
        mantissa, exponent = math.frexp(_odds(score))
        return sigmoid(slope * logarithm(mantissa, exponent) + intercept)
    if kind == STEPS:
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


def calibration_types(numba: Any) -> tuple[Any, ...]:
    """Types of kind, slope, intercept, knots and values."""
    knots = numba.types.Array(numba.float64, 1, "C", readonly=True)
    return numba.int64, numba.float64, numba.float64, knots, knots


def _calibrate_types(numba: Any) -> Any:
    scores = numba.types.Array(numba.float64, 1, "C", readonly=True)
    return numba.void(scores, *calibration_types(numba), numba.float64[::1])


# What a loop that calibrates calls.
HELPERS = (exponential, sigmoid, logarithm, _odds, calibrated)


@kernel(_calibrate_types, helpers=HELPERS)
def calibrate(scores, kind, slope, intercept, knots, values, out):  # type: ignore[no-untyped-def]  # the types above
    """Write the probability of each score; the arguments are those of `Calibrator.arguments`."""
    for at in range(scores.size):
        out[at] = calibrated(scores[at], kind, slope, intercept, knots, values)
