"""From scores to probabilities: a monotone map fitted on un-resampled rows of companies outside the fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

CalibrationMethod = Literal["sigmoid", "isotonic", "none"]
# Scores of exactly 0 or 1 have no log-odds; float32 cannot tell these bounds from them.
EPSILON = 1e-7
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
        """Return what :func:`dataclasses.asdict` took apart."""
        return cls(**{**plain, "knots": tuple(plain["knots"]), "values": tuple(plain["values"])})

    def __call__(self, scores: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Map scores of shape (n,) in [0, 1] to probabilities, float64."""
        scores = np.asarray(scores, dtype=np.float64)
        if self.method == "none":
            return np.array(scores)
        if self.method == "isotonic":
            joined: NDArray[np.float64] = np.interp(scores, self.knots, self.values)
            return joined
        with np.errstate(over="ignore"):  # an infinite exponential is a probability of 0
            against = np.exp(-(self.slope * log_odds(scores) + self.intercept))
        probability: NDArray[np.float64] = 1 / (1 + against)
        return probability


def fit_calibrator(
    method: CalibrationMethod, scores: NDArray[np.floating[Any]], labels: NDArray[np.bool_]
) -> Calibrator:
    """Fit a calibration on scores that their model has not been fitted to.

    Parameters
    ----------
    method : {"sigmoid", "isotonic", "none"}
    scores : ndarray of shape (n,)
        In [0, 1].
    labels : ndarray of shape (n,), bool
        At least one of each kind; otherwise the scores are left as they are.

    References
    ----------
    Platt, "Probabilistic outputs for support vector machines" (1999), here on log-odds; Zadrozny and Elkan,
    "Transforming classifier scores into accurate multiclass probability estimates", KDD 2002, for isotonic.
    """
    from sklearn.isotonic import IsotonicRegression  # the service calibrates without scikit-learn
    from sklearn.linear_model import LogisticRegression

    if method == "none" or labels.all() or not labels.any():
        return Calibrator("none")
    if method == "isotonic":
        fitted = IsotonicRegression(out_of_bounds="clip").fit(np.asarray(scores, dtype=np.float64), labels)
        return Calibrator(
            "isotonic",
            knots=tuple(float(x) for x in fitted.X_thresholds_),
            values=tuple(float(y) for y in fitted.y_thresholds_),
        )
    line = LogisticRegression(C=np.inf, tol=1e-8, max_iter=1000).fit(log_odds(scores)[:, None], labels)
    slope, intercept = float(line.coef_[0, 0]), float(line.intercept_[0])
    if slope < _LEAST_SLOPE:
        rate = labels.mean()
        return Calibrator("sigmoid", _LEAST_SLOPE, float(np.log(rate / (1 - rate))))
    return Calibrator("sigmoid", slope, intercept)


def log_odds(scores: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return log(p / (1 - p)), float64, with p kept off 0 and 1."""
    clipped = np.clip(np.asarray(scores, dtype=np.float64), EPSILON, 1 - EPSILON)
    odds: NDArray[np.float64] = np.log(clipped / (1 - clipped))
    return odds
