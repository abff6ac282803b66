"""Encode a feature frame as the numbers that SMOTENC and the estimator work on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from ml_sys.features.rows import Rows
from ml_sys.model.scaling import scaled, signed_log

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from ml_sys.features.rows import Different, Levels

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

    def fit(self, X: Rows | pd.DataFrame, y: Any = None) -> FrameEncoder:  # noqa: ARG002 - scikit-learn's signature
        """Learn imputed values, scales and levels from training rows."""
        rows = Rows.of(X)
        times = rows.times()
        learned = [self._learn(rows, times, name) for name in self.numbers]
        self.medians_, self.centers_, self.scales_ = (
            np.array(learned, dtype=np.float64).reshape(-1, 3).T.copy()
        )
        counts = [_counts(rows, times, name) for name in self.categories]
        self.levels_ = [self._levels(one, rows.standing_for()) for one in counts]
        self.rare_ = [sorted(set(one) - set(kept)) for one, kept in zip(counts, self.levels_, strict=True)]
        self.n_features_in_ = len(self.numbers) + len(self.categories)
        return self

    def _learn(self, rows: Rows, times: NDArray[Any], name: str) -> tuple[float, float, float]:
        """Return the imputed value, the centre and the scale of a number: those of its column, to the bit."""
        levels = rows.different.numbers(name)
        often = _often(levels, times)
        known = ~np.isnan(levels.known)
        median = _median(levels.known[known], often[known])
        logged = signed_log(np.where(known, levels.known, median))
        if not len(rows):
            return median, 0.0, 1.0
        order = np.argsort(logged, kind="stable")
        low, center, high = _quartiles(logged[order], often[order])
        spread = high - low
        if not spread > _LEAST_SPREAD:
            spread = _deviation(logged[levels.code][rows.which], rows.weight)
        return median, center, spread if spread > _LEAST_SPREAD else 1.0

    def transform(self, X: Rows | pd.DataFrame) -> NDArray[np.float32]:
        """Encode rows; see the class.

        Returns
        -------
        ndarray of shape (n_rows, n_numbers + n_categories), float32
            Numbers first, then codes.
        """
        check_is_fitted(self, "levels_")
        rows = Rows.of(X)
        once, place = rows.once()
        encoded = self._encoded(once.different, once.which)
        return encoded if once is rows else encoded[place]

    def _encoded(self, different: Different, which: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
        out = np.empty((which.size, len(self.numbers) + len(self.categories)), dtype=np.float32)
        for at, name in enumerate(self.numbers):
            levels = different.numbers(name)
            filled = np.where(np.isnan(levels.known), self.medians_[at], levels.known)
            out[:, at] = scaled(filled, self.centers_[at], self.scales_[at])[levels.code[which]]
        for at, (name, known) in enumerate(zip(self.categories, self.levels_, strict=True)):
            levels = different.texts(name)
            codes = {level: code for code, level in enumerate(known)}
            blank = 0  # the most frequent level
            coded = [
                blank if _is_blank(text) else codes.get(text, len(known)) for text in levels.known.tolist()
            ]
            out[:, len(self.numbers) + at] = np.array(coded, dtype=np.float32)[levels.code[which]]
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

    def _levels(self, counts: Mapping[str, float], n_rows: int) -> list[str]:
        enough = {level: n for level, n in counts.items() if n >= max(self.min_level_share * n_rows, 1)}
        return [level for level, _ in sorted(enough.items(), key=lambda item: (-item[1], item[0]))]


def _is_blank(value: object) -> bool:
    return value is None or value != value


def _counts(rows: Rows, times: NDArray[Any], name: str) -> dict[str, float]:
    """Return how often each level is among the rows, but for blanks."""
    levels = rows.different.texts(name)
    often = zip(levels.known.tolist(), _often(levels, times).tolist(), strict=True)
    return {str(level): n for level, n in often if n and not _is_blank(level)}


def _often(levels: Levels, times: NDArray[Any]) -> NDArray[Any]:
    """Return how often each value is among rows, of how often each different row is."""
    often: NDArray[Any] = np.bincount(levels.code, weights=times, minlength=levels.known.size)
    return often.astype(times.dtype)


def _median(values: NDArray[np.float64], often: NDArray[Any]) -> float:
    """Return the weighted median of ascending values; 0 when there are none."""
    n = round(float(often.sum()))
    if not n:
        return 0.0
    low, high = _ranked(values, often, [(n - 1) // 2, n // 2])
    return float((low + high) / 2)


def _quartiles(values: NDArray[np.float64], often: NDArray[Any]) -> tuple[float, float, float]:
    """Return the weighted quartiles of ascending values, interpolated like NumPy's linear method."""
    place = (round(float(often.sum())) - 1) * np.array((0.25, 0.5, 0.75))
    before = np.floor(place)
    share = place - before
    low = _ranked(values, often, before)
    high = _ranked(values, often, np.minimum(before + 1, often.sum() - 1))
    rise = high - low
    found = np.where(share >= 0.5, high - rise * (1 - share), low + rise * share)
    first, middle, last = found.tolist()
    return first, middle, last


def _deviation(values: NDArray[np.float64], weight: NDArray[np.float64] | None) -> float:
    if weight is None:
        return float(np.std(values))
    return float(np.sqrt(np.average((values - np.average(values, weights=weight)) ** 2, weights=weight)))


def _ranked(values: NDArray[np.float64], often: NDArray[Any], ranks: Any) -> NDArray[np.float64]:
    """Return the values at given ranks, from 0, among ascending weighted values."""
    found: NDArray[np.float64] = values[np.searchsorted(np.cumsum(often), ranks, side="right")]
    return found
