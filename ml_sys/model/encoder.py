"""Turns a feature frame into the numbers that SMOTENC and the estimator work on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from ml_sys.model.encoding import rescaled, scaled, signed_log

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

OTHER = "other"
# What spreads less is constant but for rounding; dividing by it would blow up any other value.
_LEAST_SPREAD = 1e-6


class FrameEncoder(TransformerMixin, BaseEstimator):
    """Impute and scale numbers, code categories.

    Numbers go on a signed log scale and then on a robust one, as SMOTENC's neighbours measure distances;
    trees do not mind. A blank number or category takes the median or the most frequent level of the training
    rows. Categories become codes by falling frequency; levels that are rare or were never seen share the last
    code, ``"other"``, so that a new level neither fails nor gets a code of its own.

    Parameters
    ----------
    numbers, categories : sequence of str
        Columns of the frame.
    min_level_share : float
        Levels with a smaller share of the training rows are coded as ``"other"``.

    Attributes
    ----------
    medians_, centers_, scales_ : ndarray of shape (n_numbers,), float64
        Imputed value (before the log), centre and scale (after the log) of each number.
    rare_ : list of list of str
        Levels of the training rows that share the last code.
    levels_ : list of list of str
        Levels with codes of their own, per category, code 0 first.
    """

    def __init__(
        self, numbers: Sequence[str], categories: Sequence[str], min_level_share: float = 0.005
    ) -> None:
        self.numbers = numbers
        self.categories = categories
        self.min_level_share = min_level_share

    def fit(self, X: pd.DataFrame, y: Any = None) -> FrameEncoder:  # noqa: ARG002 - scikit-learn's signature
        """Learn imputed values, scales and levels from training rows."""
        self._learn(X)
        return self

    def fit_transform(self, X: pd.DataFrame, y: Any = None) -> NDArray[np.float32]:  # noqa: ARG002 - as above
        """Learn from training rows and encode them: the bits of both steps, each logarithm taken once."""
        logged = self._learn(X)
        return self._encoded(
            X, (rescaled(one, self.centers_[at], self.scales_[at]) for at, one in enumerate(logged))
        )

    def _learn(self, X: pd.DataFrame) -> list[NDArray[np.float64]]:
        """Learn from training rows, and return the logarithm of each number."""
        raw = [X[name].to_numpy(dtype=np.float64) for name in self.numbers]
        self.medians_ = np.array([_median(column) for column in raw])
        logged = [
            signed_log(np.where(np.isnan(column), median, column))
            for column, median in zip(raw, self.medians_, strict=True)
        ]
        self.centers_, self.scales_ = _robust(logged)
        self.levels_ = [self._levels(X[name]) for name in self.categories]
        known = [{str(level) for level in X[name].dropna().unique()} for name in self.categories]
        self.rare_ = [sorted(set(one) - set(kept)) for one, kept in zip(known, self.levels_, strict=True)]
        self.n_features_in_ = len(self.numbers) + len(self.categories)
        return logged

    def transform(self, X: pd.DataFrame) -> NDArray[np.float32]:
        """Encode a frame; see the class.

        Returns
        -------
        ndarray of shape (n_rows, n_numbers + n_categories), float32
            Numbers first, then codes.
        """
        check_is_fitted(self, "levels_")
        return self._encoded(X, (self._number(X, at) for at in range(len(self.numbers))))

    def _number(self, X: pd.DataFrame, at: int) -> NDArray[np.float32]:
        raw = X[self.numbers[at]].to_numpy(dtype=np.float64)
        filled = np.where(np.isnan(raw), self.medians_[at], raw)
        return scaled(filled, self.centers_[at], self.scales_[at])

    def _encoded(self, X: pd.DataFrame, numbers: Iterable[NDArray[np.float32]]) -> NDArray[np.float32]:
        out = np.empty((len(X), len(self.numbers) + len(self.categories)), dtype=np.float32)
        for at, encoded in enumerate(numbers):
            out[:, at] = encoded
        for at, (name, levels) in enumerate(zip(self.categories, self.levels_, strict=True)):
            codes = {level: code for code, level in enumerate(levels)}
            column = X[name].to_numpy(dtype=object)
            blank = 0  # the most frequent level
            known = {
                text: blank if _is_blank(text) else codes.get(text, len(levels)) for text in pd.unique(column)
            }
            out[:, len(self.numbers) + at] = [known[text] for text in column]
        return out

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:  # noqa: ARG002 - as above
        """Return the names of the encoded columns."""
        return np.array([*self.numbers, *self.categories], dtype=object)

    def plain(self) -> dict[str, Any]:
        """Return what it learnt, as plain data; from this the scorer of the service is compiled."""
        check_is_fitted(self, "levels_")
        return {
            "numbers": list(self.numbers),
            "categories": list(self.categories),
            "medians": self.medians_.tolist(),
            "centers": self.centers_.tolist(),
            "scales": self.scales_.tolist(),
            "levels": self.levels_,
            "rare": self.rare_,
        }

    def _levels(self, column: pd.Series) -> list[str]:
        counts = column.dropna().value_counts()
        enough = counts[counts >= max(self.min_level_share * len(column), 1)]
        return [str(level) for level, _ in sorted(enough.items(), key=lambda item: (-item[1], item[0]))]


def _is_blank(value: object) -> bool:
    return value is None or value != value


def _median(column: NDArray[np.float64]) -> float:
    known = column[~np.isnan(column)]
    return float(np.median(known)) if known.size else 0.0


def _robust(columns: Sequence[NDArray[np.float64]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Median and interquartile range of each column; the standard deviation where the quartiles coincide."""
    centers, scales = np.zeros(len(columns)), np.ones(len(columns))
    for at, column in enumerate(columns):
        if not column.size:
            continue
        low, centers[at], high = np.quantile(column, (0.25, 0.5, 0.75))
        spread = high - low
        if not spread > _LEAST_SPREAD:
            spread = float(np.std(column))
        scales[at] = spread if spread > _LEAST_SPREAD else 1.0
    return centers, scales
