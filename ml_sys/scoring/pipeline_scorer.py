"""Fallback scorer: runs the fitted Pipeline, with all the libraries it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ml_sys.model.pipeline import scores_of
from ml_sys.scoring.scorer import most_frequent_levels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ml_sys.features.compute import Columns, FeatureSpec
    from ml_sys.model.threshold import Tiers
    from ml_sys.model.train import FittedModel


class PipelineScorer:
    """A fitted model as a :class:`ml_sys.scoring.scorer.Scorer`; rows are encoded."""

    def __init__(self, model: FittedModel) -> None:
        self._model = model
        self._encoder = model.pipeline["encode"]
        self._known = {
            name: {*levels, *rare}
            for name, levels, rare in zip(
                self._encoder.categories, self._encoder.levels_, self._encoder.rare_, strict=True
            )
        }

    @property
    def spec(self) -> FeatureSpec:
        """The features it takes."""
        return self._model.spec

    @property
    def threshold(self) -> float:
        """Decision threshold."""
        return self._model.threshold

    @property
    def tiers(self) -> Tiers:
        """Lowest probability of each tier."""
        return self._model.tiers

    def row(self, values: Sequence[Any]) -> NDArray[np.float32]:
        """Return a row of shape (1, n_features) from values in the order of the features, None for blanks."""
        categories = set(self.spec.categories())
        return self.rows(
            {
                name: np.array([value], dtype=object if name in categories else np.float32)
                for name, value in zip(self.spec.names(), values, strict=True)
            }
        )

    def rows(self, columns: Columns) -> NDArray[np.float32]:
        """Return rows of shape (n_rows, n_features) from feature columns."""
        rows: NDArray[np.float32] = self._encoder.transform(pd.DataFrame(columns, copy=False))
        return rows

    def probability(self, row: NDArray[np.float32]) -> float:
        """Return P(conversion within the horizon) of one row."""
        return float(self.probabilities(row)[0])

    def probabilities(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return P(conversion within the horizon) of each row."""
        if not len(rows):
            return np.empty(0)
        return self._model.calibrator(scores_of(self._model.pipeline["model"], rows))

    def is_known(self, category: str, level: str) -> bool:
        """Return whether any training row had this category value."""
        return level in self._known[category]

    def usual_levels(self) -> dict[str, str]:
        """Return the most frequent value of each category that has any but blanks."""
        return most_frequent_levels(dict(zip(self._encoder.categories, self._encoder.levels_, strict=True)))
